"""The grammar of definitions: what each form of line says, and where a wrong one is wrong."""

from __future__ import annotations

import contextlib
import gc
import random
import time

import pytest

from djarrow.errors import DefinitionError, DefinitionSyntaxError, UnknownType
from djarrow.model import definition
from djarrow.model.definition import (
    AttributeLine,
    Definition,
    IndexLine,
    Line,
    ReferenceLine,
    parse_definition,
    parse_type,
    stored_type,
)


def parse(text: str) -> Definition:
    """What a definition says."""
    return parse_definition(text, table="subject")


def only(text: str) -> Line:
    """The one line of a definition."""
    (line,) = parse(text).key
    return line


def attribute(text: str) -> AttributeLine:
    """The one line, an attribute."""
    line = only(text)
    assert isinstance(line, AttributeLine)
    return line


def reference(text: str) -> ReferenceLine:
    """The one line, a reference."""
    line = only(text)
    assert isinstance(line, ReferenceLine)
    return line


def refused(text: str) -> DefinitionSyntaxError:
    """Why a definition is no definition."""
    with pytest.raises(DefinitionSyntaxError) as caught:
        parse(text)
    return caught.value


# --- attributes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["failures : int32 = 0  # so far", "failures = 0 : int32  # so far"])
def test_both_orders(text: str) -> None:
    """A default may stand after the type or before it, and says the same."""
    line = attribute(text)
    assert (line.name, line.type_name, line.default, line.quoted) == ("failures", "int32", "0", False)
    assert line.comment == "so far"


@pytest.mark.parametrize("text", ["a:int8", "a :int8", "a: int8", "\ta\t:\tint8\t", "   a : int8   ", "a : int8\r"])
def test_blanks_do_not_matter(text: str) -> None:
    """Tabs, spaces and carriage returns around the words of a line are ignored."""
    line = attribute(text)
    assert (line.name, line.type_name, line.parameters, line.default, line.comment) == ("a", "int8", (), None, "")


@pytest.mark.parametrize(
    ("text", "comment"),
    [
        ("a : int8 # id: number", "id: number"),
        ("a : int8 # no. # 1", "no. # 1"),
        ('a : int8 # it\'s "quoted"', 'it\'s "quoted"'),
        ("a : int8 # größe in µm — 大きさ 🐭", "größe in µm — 大きさ 🐭"),
        ("a : int8 #", ""),
        ("a : int8#tight", "tight"),
        ("a : int8 # -> Other", "-> Other"),
        ("a : int8 # x = 1", "x = 1"),
        ("a : int8 # ---", "---"),
        ("a : int8 = 1# tight", "tight"),
        ("a : varchar(9) = 'x'# tight", "tight"),
        ("a = 'x' : varchar(9)# tight", "tight"),
        (r"a : int8 # C:\path\ ", r"C:\path" + "\\"),
    ],
)
def test_comments(text: str, comment: str) -> None:
    """A comment is all after the first `#`, whatever characters it holds."""
    assert attribute(text).comment == comment


@pytest.mark.parametrize("separator", ["\u2028", "\x85", "\x0b", "\x1c"])
def test_comment_with_a_unicode_separator(separator: str) -> None:
    """A separator that only Unicode takes for the end of a line does not end a comment."""
    assert attribute(f"a : int8 # one{separator}two").comment == f"one{separator}two"


def test_hash_in_a_default_is_no_comment() -> None:
    """A `#` or `:` within quotes belongs to the default."""
    line = attribute('a : varchar(20) = "#1: first"  # rank')
    assert (line.default, line.comment) == ("#1: first", "rank")


@pytest.mark.parametrize(
    ("text", "default"),
    [
        ('""', ""),
        ("''", ""),
        ("'it''s'", "it's"),
        (r"'it\'s'", "it's"),
        ('"it\'s"', "it's"),
        ('"say ""yes"""', 'say "yes"'),
        (r'"say \"yes\""', 'say "yes"'),
        (r'"C:\\data"', r"C:\data"),
        ('"2020-05-31 10:00:00"', "2020-05-31 10:00:00"),
        ('"a = 1 : int8 # -> B, --- (c)"', "a = 1 : int8 # -> B, --- (c)"),
        (r"'\\\\'", "\\\\"),
        ("'größe µm 🐭'", "größe µm 🐭"),
        ("''''''", "''"),
    ],
)
def test_quoted_defaults(text: str, default: str) -> None:
    """Both quotes make a string; a backslash or a doubled quote stands for the character after it."""
    for line in (attribute(f"a : varchar(40) = {text}"), attribute(f"a = {text} : varchar(40)")):
        assert (line.default, line.quoted) == (default, True)


@pytest.mark.parametrize(
    "text",
    [
        "-1",
        "+1",
        ".5",
        "1.5e-3",
        "null",
        "NULL",
        "NOW",
        "now()",
        "CURRENT_TIMESTAMP",
        "CURRENT_TIMESTAMP()",
        "CURRENT_TIMESTAMP(3)",
        "2020-05-31",
        "true",
        "größe",
        "a/b\\c=d",
    ],
)
def test_plain_defaults(text: str) -> None:
    """Numbers and words need no quotes."""
    for line in (attribute(f"a : float64 = {text}"), attribute(f"a = {text} : float64")):
        assert (line.default, line.quoted) == (text, False)


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("enum('a','b')", ("a", "b")),
        ('enum("a", "b")', ("a", "b")),
        ("enum('a', \"b\")", ("a", "b")),
        (r"enum('it''s', 'o\'clock', 'a,b', '(c)', '#d', 'e:f')", ("it's", "o'clock", "a,b", "(c)", "#d", "e:f")),
        ("enum('')", ("",)),
        ("enum('größe', '{x}')", ("größe", "{x}")),
        ("decimal(7,4)", (7, 4)),
        ("decimal( 7 , 4 )", (7, 4)),
        ("varchar (20)", (20,)),
    ],
)
def test_type_parameters(text: str, parameters: tuple[int | str, ...]) -> None:
    """Parameters are numbers, or strings in either quote with escapes and any characters."""
    assert attribute(f"a : {text}").parameters == parameters


def test_types_of_two_words() -> None:
    """The second word of an old type name is part of the name, also after parameters."""
    assert attribute("a : int unsigned").type_name == "int unsigned"
    assert attribute("a : smallint(5) unsigned  # old").type_name == "smallint unsigned"
    assert attribute("a : double precision").type_name == "double precision"


@pytest.mark.parametrize("name", ["index", "unique", "nullable", "index_1", "unique_id", "indexes", "proj", "enum"])
def test_words_of_the_grammar_name_attributes(name: str) -> None:
    """An attribute may be called as a word of the grammar."""
    assert attribute(f"{name} : int8").name == name
    assert attribute(f"{name} = 1 : int8").name == name
    assert parse(f"{name} : int8\n---\nindex ({name})").secondary == (
        IndexLine(3, unique=False, terms=(name,), term_columns=(8,)),
    )


@pytest.mark.parametrize(
    ("text", "type_name", "parameters", "counts"),
    [
        ("smallint auto_increment", "smallint", (), True),
        ("int(11) unsigned AUTO_INCREMENT  # id", "int unsigned", (11,), True),
        ("uint16 auto_increment", "uint16", (), True),
        ("serial", "serial", (), True),
        ("Serial", "Serial", (), True),
        ("auto_increment", "auto_increment", (), False),
        ("auto_increment int32", "auto_increment int32", (), False),
        ("int32", "int32", (), False),
    ],
)
def test_auto_increment(text: str, type_name: str, parameters: tuple[int, ...], counts: bool) -> None:
    """The word `auto_increment` behind a type, or the type serial, makes an attribute count up by itself."""
    line = attribute(f"a : {text}")
    assert (line.type_name, line.parameters, line.auto_increment) == (type_name, parameters, counts)


@pytest.mark.parametrize(
    "written",
    [
        "<blob>",
        "<dj_blob>",
        "<numpy-npy>",
        "<blob@>",
        "<blob@raw-data>",
        "<lab.v2.Graph@main_1>",
        "object",
        "object@store",
        "attach@",
        "filepath@raw-data",
        "longblob@store",
    ],
)
def test_types_in_brackets_and_stores(written: str) -> None:
    """Custom types stand in angle brackets; a store stands behind `@`; a default may stand on either side."""
    for text in (f"a : {written} = null  # x", f"a = null : {written}  # x", f"a:{written}=null#x"):
        line = attribute(text)
        assert (line.type_name, line.parameters, line.default, line.comment) == (written, (), "null", "x")


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("a : int8", (1, 5, None)),
        ("  a : int8 = 5", (3, 7, 14)),
        ("\ta\t= 'x y' : varchar(9)", (2, 14, 6)),
        ("größe: int8 # x", (1, 8, None)),
        ("a : int(11) unsigned = -1", (1, 5, 24)),
        ("a : <blob> = null", (1, 5, 14)),
    ],
)
def test_columns_of_an_attribute(text: str, columns: tuple[int, int, int | None]) -> None:
    """An attribute line knows the columns of its name, type and default, counted from 1 in characters."""
    line = attribute(text)
    assert (line.column, line.type_column, line.default_column) == columns


def test_parse_type_alone() -> None:
    """A type's text is read without an attribute around it; a default has no place there."""
    assert str(parse_type("decimal(7, 4)", table="t")) == "decimal(7,4)"
    with pytest.raises(DefinitionSyntaxError) as caught:
        parse_type("int8 = 5", table="t")
    assert (caught.value.line, caught.value.column) == (1, 6)


def test_stored_types_do_not_warn(recwarn: pytest.WarningsRecorder) -> None:
    """The type that a column's comment keeps is read like any, but warns of nothing."""
    assert str(stored_type("int(11) unsigned")) == "uint32"
    assert str(stored_type("enum('a','b')")) == "enum('a','b')"
    assert not recwarn.list
    with pytest.raises(UnknownType):
        stored_type("interval")


# --- the lines around them -----------------------------------------------------------------------------------------


def test_table_comment() -> None:
    """The first remark before any attribute is the table's comment, later ones are not."""
    assert parse("\n\n   # mice: all  \n# second\na : int8\n# third").comment == "mice: all"
    assert parse("a : int8\n# later").comment == ""
    assert parse("---\n# below the divider\na : int8").comment == ""


@pytest.mark.parametrize(
    "divider",
    [
        "---",
        "----",
        "-" * 80,
        "  ---  ",
        "\t---",
        "--- secondary",
        "---\r",
        "---\t",
        "--- # the rest",
        "---# a : int8",
        "----  ----",
    ],
)
def test_divider(divider: str) -> None:
    """Three or more hyphens divide the key from the rest; a remark may follow."""
    definition = parse(f"a : int8\n{divider}\nb : int8")
    assert [len(definition.key), len(definition.secondary)] == [1, 1]


def test_no_divider() -> None:
    """Without a divider every attribute is in the key."""
    definition = parse("a : int8\nb : int8")
    assert [len(definition.key), len(definition.secondary)] == [2, 0]


def test_second_divider() -> None:
    """A second divider is refused with its line."""
    with pytest.raises(DefinitionError, match="line 4, column 3: there is a second `---`") as caught:
        parse("a : int8\n---\nb : int8\n  ---")
    assert (caught.value.line, caught.value.column) == (4, 3)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends(end: str) -> None:
    """Files of every system read the same, and lines are counted the same."""
    definition = parse(end.join(["# mice", "", "  a : int8  # id  ", "---", "", "b : int8"]))
    assert definition.comment == "mice"
    assert [(line.line, line.comment) for line in definition.key if isinstance(line, AttributeLine)] == [(3, "id")]
    assert [line.line for line in definition.secondary] == [6]


def test_empty() -> None:
    """A text without lines is a definition without attributes."""
    assert parse("  \n\t\n") == Definition("", (), ())


# --- references --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Subject", "lab.Subject", "Session.Trial", "a.b.Session.Trial", "master", "Index"])
def test_reference_names(name: str) -> None:
    """A reference names a class, with its module or master before it."""
    assert reference(f"-> {name}") == ReferenceLine(1, 4, name, frozenset(), ())
    assert reference(f"->{name}  # why").reference == name


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("[nullable]", {"nullable"}),
        ("[unique]", {"unique"}),
        ("[nullable, unique]", {"nullable", "unique"}),
        ("[unique,nullable]", {"nullable", "unique"}),
        ("[ NULLABLE , Unique ]", {"nullable", "unique"}),
    ],
)
def test_reference_options(text: str, options: set[str]) -> None:
    """Options stand in brackets, in any order and case."""
    assert reference(f"-> {text} Person").options == options


@pytest.mark.parametrize(
    ("text", "renames"),
    [
        ("operator='user'", (("user", "operator"),)),
        ('operator="user"', (("user", "operator"),)),
        ("operator=user", (("user", "operator"),)),
        ("a='x', b=y", (("x", "a"), ("y", "b"))),
        (" a = 'x' , unique = 'index' ", (("x", "a"), ("index", "unique"))),
    ],
)
def test_renames(text: str, renames: tuple[tuple[str, str], ...]) -> None:
    """`.proj(new='old')` renames, with or without quotes; the pairs are (old, new)."""
    line = reference(f"-> [nullable] lab.User.proj({text})  # who")
    assert line == ReferenceLine(1, 15, "lab.User", frozenset({"nullable"}), renames)


# --- indexes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "unique", "terms"),
    [
        ("index (a)", False, ("a",)),
        ("index(a,b)", False, ("a", "b")),
        ("unique index (a, b)  # pairs", True, ("a", "b")),
        ("UNIQUE INDEX (a)", True, ("a",)),
        ("index (index, unique)", False, ("index", "unique")),
        ("index (last_name, (year(born)))", False, ("last_name", "(year(born))")),
        ("unique index (lower(email))  # :)", True, ("(lower(email))",)),
        ("index ((a + b) , c)", False, ("(a + b)", "c")),
        ("index (( a + b ))", False, ("(a + b)",)),
        ("index (concat(a, b), lower( `c d` ) )", False, ("(concat(a, b))", "(lower( `c d` ))")),
        ("index ((if(a > 1, (b * (c + d)), e)))", False, ("(if(a > 1, (b * (c + d)), e))",)),
        ("""index (replace(a, ")", '(#'), (b))""", False, ("""(replace(a, ")", '(#'))""", "b")),
        (r"""index ((a = 'it\'s)' or a = "(("))""", False, (r"""(a = 'it\'s)' or a = "((")""",)),
        ("index (now())", False, ("(now())",)),
    ],
)
def test_indexes(text: str, unique: bool, terms: tuple[str, ...]) -> None:
    """An index lists attributes, function calls, and expressions in parentheses, and may be unique."""
    line = only(text)
    assert isinstance(line, IndexLine)
    assert (line.line, line.unique, line.terms) == (1, unique, terms)


def test_terms_of_an_index_have_columns() -> None:
    """Each term of an index knows where it begins; the first stands for the line."""
    line = only("\tunique index (a, (b + c),lower(d))")
    assert isinstance(line, IndexLine)
    assert line.term_columns == (16, 19, 27)
    assert line.column == 16


# --- errors ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "column", "expected"),
    [
        ("a", 2, "`:`"),
        ("a :", 4, "a type"),
        ("a : ", 4, "a type"),
        ("a int8", 3, "`:`"),
        ("a", 2, "`=`"),
        ("a : 8int", 5, "a type"),
        ("a : int8 =", 11, "a default value"),
        ("a : int8 = # none", 12, "a string in quotes"),
        ("a : int8 = 1 2", 14, "the end of the line"),
        ("a = 1", 6, "`:`"),
        ("a = : int8", 5, "a default value"),
        ("a : int8 = 10:20", 14, "the end of the line"),
        ("a : int8 = now(x)", 15, "the end of the line"),
        ("a : <>", 5, "a type"),
        ("a : <blob", 5, "a type"),
        ("a : <my blob>", 5, "a type"),
        ("a : decimal(5,-2)", 15, "a number"),
        ("a : enum('x',)", 14, "a string in quotes"),
        ("a = 1 int8", 7, "`:`"),
        ("a : varchar(", 13, "a number"),
        ("a : varchar()", 13, "a number"),
        ("a : varchar(20", 15, "`)`"),
        ("a : enum('x' 'y')", 14, "`,`"),
        ("a : enum('x)", 10, "a string in quotes"),
        ("2photon : int8", 1, "an attribute name"),
        ("first name : int8", 7, "`:`"),
        ("two-photon : int8", 4, "`:`"),
        ("--", 1, "`---`"),
        ("- - -", 1, "`---`"),
        ("---a", 1, "`---`"),
        ("--- a : int8", 7, "the end of the line"),
        ("--- -> Person", 5, "the end of the line"),
        ("---->", 1, "`---`"),
        ("->", 3, "a class name"),
        ("-> [optional] Person", 5, "`nullable` or `unique`"),
        ("-> [nullable Person", 14, "`]`"),
        ("-> Person.proj(a=)", 18, "an attribute name"),
        ("-> Person.proj(a='b'", 21, "`)`"),
        ("-> Person Animal", 11, "the end of the line"),
        ("index a", 7, "`(`"),
        ("index ()", 8, "an attribute name"),
        ("index (a", 9, "`)`"),
        ("unique (a)", 8, "`index (...)`"),
        ("index (a b)", 10, "`,`"),
        ("index (a,)", 10, "`(`"),
        ("index ((a)", 11, "`)`"),
        ("index ((a)))", 12, "the end of the line"),
        ("index (lower(a)", 16, "`)`"),
        ("index (lower('a)", 14, "`)`"),
        ("index ((a # b))", 11, "an expression"),
        ("a : int8 @ 3", 10, "`=`"),
    ],
)
def test_syntax_errors(text: str, column: int, expected: str) -> None:
    """A wrong line is refused with its number, the column, the text and what could have stood there."""
    error = refused(f"# mice\n{text}\nb : int8")
    assert (error.table, error.line, error.column, error.text) == ("subject", 2, column, text)
    assert expected in error.expected
    assert str(error).startswith(f"Table 'subject', line 2, column {column}: expected ")
    assert expected in str(error)
    assert str(error).endswith(f"\n    {text}\n    {' ' * (column - 1)}^")


def test_errors_speak_no_grammar() -> None:
    """What was expected is said in words of the definition language, not in names of the grammar's terminals."""
    for text in (
        "a",
        "a : int8 = 1 2",
        "@",
        "-> A.proj(",
        "index",
        "unique",
        "a : enum(",
        "-> [",
        "a : int8 (",
        "index (a, (",
        "a : <",
        "---:",
    ):
        for wanted in refused(text).expected:
            assert wanted.startswith(("`", "a ", "an ", "the ")), wanted


@pytest.mark.parametrize("character", ["\0", "\ud800"])
@pytest.mark.parametrize(("line", "column"), [("x : int8  # {}", 13), ('x = "{}" : varchar(9)', 6), ("# {}", 3)])
def test_characters_that_the_database_cannot_keep(line: str, column: int, character: str) -> None:
    """A NUL or half of a surrogate pair in a definition is refused with its place."""
    with pytest.raises(DefinitionError, match="the line holds") as caught:
        parse_definition(f"a : int8\n{line.format(character)}", table="t")
    assert (caught.value.line, caught.value.column) == (2, column)


def test_a_tab_before_the_error_keeps_the_pointer_in_place() -> None:
    """The pointer under a wrong line repeats its tabs, so that it points right however wide they are shown."""
    assert str(refused("\ta\t: 8")).endswith("\n    \ta\t: 8\n    \t \t  ^")


def test_a_long_line_is_shown_around_its_error() -> None:
    """Of a long line the message shows the part around the error; the error's text is the whole line."""
    line = f"a : int8 = {'x' * 500} y # {'z' * 500}"
    error = refused(line)
    assert (error.column, error.text) == (513, line)
    shown, pointer = str(error).splitlines()[1:]
    assert len(shown) == 204
    assert shown[len(pointer) - 1 :].startswith("y # zzz")


@pytest.mark.parametrize(
    "line",
    [
        "{} : int8",
        "a : {}",
        "a : int8 = {}",
        "-> {}",
        "# {}",
        "a : enum('{}')",
        "a : varchar({})",
    ],
)
def test_a_line_too_long_to_read(line: str) -> None:
    """A line of more characters than are read is refused before it is parsed."""
    with pytest.raises(DefinitionError, match="100,000 are read") as caught:
        parse(line.format("1" * 10_000_000))
    assert (caught.value.line, caught.value.column) == (1, 100_001)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    "line",
    [
        "index ({}".format("(" * 99_000),
        "index ({}{})".format("(" * 49_000, ")" * 49_000),
        "a : int8 = {}".format('"' * 99_001),
        "a : int8 = {}".format("'\\" * 49_000),
        "a : enum({}".format("'x'," * 24_000),
        "-> A{}".format(".a" * 49_000),
        "-" * 99_999 + "a",
        "a : {}".format("x " * 49_000),
    ],
)
def test_the_longest_lines_take_linear_time(line: str) -> None:
    """A line of the greatest length is parsed or refused in about the time that ten of a tenth take."""

    def seconds(text: str) -> float:
        start = time.process_time()
        with contextlib.suppress(DefinitionError):
            parse(text)
        return time.process_time() - start

    parse("a : int8")
    gc.collect()
    gc.disable()  # it goes over all that other tests have left, the more often the more is parsed
    try:
        tenth = min(sum(seconds(line[:6] + line[6 : len(line) // 10]) for _ in range(10)) for _ in range(2))
        assert any(seconds(line) < 4 * tenth + 0.2 for _ in range(3)), "in one of three, as others use the machine, too"
    finally:
        gc.enable()


def test_many_lines_take_linear_time() -> None:
    """A definition of many lines of every kind is parsed line by line, and the last error has its place."""
    lines = ["# remark", "", "a : int8 = 1  # x", "-> A.proj(b='c')", "index (a, (b + c))"] * 2_000
    definition = parse("\n".join(lines))
    assert len(definition.key) == 6_000
    with pytest.raises(DefinitionSyntaxError) as caught:
        parse("\n".join([*lines, "a : "]))
    assert (caught.value.line, caught.value.column) == (10_001, 4)


PIECES = [
    "a",
    "a1",
    "é",
    "index",
    "unique",
    "int8",
    "Serial",
    "enum",
    "(",
    ")",
    ",",
    "7",
    "007",
    "'x'",
    ":",
    ":",
    "=",
    "#",
]
PIECES += [
    " ",
    "  ",
    "\t",
    "# a remark",
    "#",
    "nullable",
    "->",
    "_",
    "A.B",
    "<blob>",
    "auto_increment",
    "\x0b",
    "-",
    "1e5",
]


def test_plain_attributes_are_what_the_grammar_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines that are read without the grammar say what they say with it, and no line that it refuses is read."""
    seed = random.randrange(2**32)  # noqa: S311 - a seed, which a failure names
    chance = random.Random(seed)  # noqa: S311
    lines = [
        f"{name}:{kind}"
        for name in ("a", " a ", "é\t", "index")
        for kind in ("int8", " decimal( 9 , 4 ) ", "enum(1)#x")
    ]
    lines += ["".join(chance.choices(PIECES, k=chance.randrange(1, 12))) for _ in range(3000)]
    starts = ("a:", "a = null : ", "a=null:", "a =null", "a = NULL :", "a = nullable :")
    lines += [chance.choice(starts) + "".join(chance.choices(PIECES, k=chance.randrange(1, 8))) for _ in range(3000)]
    plain = definition._plain_attribute
    read = [(line, found) for line in lines if (found := plain(5, line)) is not None]
    assert len(read) > 50
    monkeypatch.setattr(definition, "_plain_attribute", lambda *_: None)
    for line, found in read:
        assert definition._parse_line(line, 5, "t") == found, f"{line!r} of the seed {seed}"
