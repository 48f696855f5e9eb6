"""Definition text -> the lines it says, by the grammar of definition.lark. What they mean is spec.py's question."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from attrs import frozen

from djarrow.errors import DefinitionError, DefinitionSyntaxError
from djarrow.model.legacy import AUTO_INCREMENT, COUNTING_TYPES
from djarrow.model.names import UNKEPT
from djarrow.model.types import AttributeType, Parameter, attribute_type

if TYPE_CHECKING:
    import lark


@frozen
class AttributeLine:
    """`name : type = default  # comment`.

    default is the text, and quoted says whether it stood in quotes. column is that of the name; columns count from 1.
    """

    line: int
    column: int
    name: str
    type_name: str
    type_column: int
    parameters: tuple[Parameter, ...]
    auto_increment: bool
    default: str | None
    default_column: int | None
    quoted: bool
    comment: str


@frozen
class ReferenceLine:
    """`-> [options] Class.proj(new='old')`. renames: (old, new), the parent's attribute and its name here.

    column is that of the class.
    """

    line: int
    column: int
    reference: str
    options: frozenset[str]
    renames: tuple[tuple[str, str], ...]


@frozen
class IndexLine:
    """`unique index (a, (year(b)))`. terms: names, and expressions as they are written, in one pair of parentheses.

    `lower(a)` and `(lower(a))` are both the term `(lower(a))`. term_columns are those of the terms, column the first.
    """

    line: int
    unique: bool
    terms: tuple[str, ...]
    term_columns: tuple[int, ...]

    @property
    def column(self) -> int:
        """The column of the first term."""
        return self.term_columns[0]


Line = AttributeLine | ReferenceLine | IndexLine


@frozen
class Definition:
    """What a definition text says: the table's comment, the lines above the divider, and those below it."""

    comment: str
    key: tuple[Line, ...]
    secondary: tuple[Line, ...]


def parse_definition(text: str, *, table: str) -> Definition:
    """Parse the text of a definition; table is named in errors.

    Raises DefinitionSyntaxError, with line, column, text and what was expected. Without a divider all attributes
    are the key, as in definitions written for DataJoint-Python.
    """
    comment: str | None = None
    above: list[Line] = []
    below: list[Line] | None = None
    for number, source in enumerate(_LINE_END.split(text), 1):
        match _parse_line(source, number, table):
            case _Remark(said):
                comment = said if comment is None and not above and below is None else comment
            case _Divider(column):
                if below is not None:
                    problem = "there is a second `---`; a table has one."
                    raise DefinitionError(problem, table=table, line=number, column=column)
                below = []
            case None:
                pass
            case line:
                (above if below is None else below).append(line)
    return Definition(comment or "", tuple(above), tuple(below or ()))


def parse_type(text: str, *, table: str) -> AttributeType:
    """A type as a definition writes it: `decimal(7,4)`. Raises DefinitionSyntaxError or UnknownType."""
    name, parameters = _split_type(_tree(text, "type", 1, table))
    return attribute_type(name, parameters, table=table)


@lru_cache(maxsize=1024)
def stored_type(text: str) -> AttributeType:
    """A type as the comment of a column keeps it: names of earlier versions are nobody's to change, and do not warn.

    Raises as parse_type does. A database has few types and many columns, so what was read is kept.
    """
    name, parameters = _split_type(_tree(text, "type", 1, None))
    return attribute_type(name, parameters, warn=False)


@frozen
class _Remark:
    text: str


@frozen
class _Divider:
    column: int


_LINE_END = re.compile(r"\r\n|\r|\n")  # str.splitlines also cuts comments at separators that only Unicode knows

LONGEST_LINE = 100_000
"""Characters of a line. The longest enum is shorter; more could take the parser any amount of memory."""

_EXPECTED = {
    "NAME": "an attribute name",
    "CLASS_NAME": "a class name",
    "TYPE_WORD": "a type",
    "ADAPTED": "a type",
    "STRING": "a string in quotes",
    "INTEGER": "a number",
    "PLAIN": "a default value",
    "OPTION": "`nullable` or `unique`",
    "TEXT": "an expression",
    "REMARK": "a `# comment`",
    "DIVIDER": "`---`",
    "INDEX": "`index (...)`",
    "UNIQUE": "`unique index (...)`",
    "COLON": "`:`",
    "EQUAL": "`=`",
    "LPAR": "`(`",
    "RPAR": "`)`",
    "LSQB": "`[`",
    "RSQB": "`]`",
    "COMMA": "`,`",
    "__ANON_0": "`->`",
    "__ANON_1": "`.proj(`",
    "$END": "the end of the line",
}


@cache
def _parser() -> lark.Lark:
    import lark

    grammar = files(__package__).joinpath("definition.lark").read_text("utf-8")
    return lark.Lark(grammar, start=["line", "type"], parser="lalr", lexer="contextual", maybe_placeholders=True)


def _parse_line(source: str, number: int, table: str) -> Line | _Remark | _Divider | None:
    """What a line says; None for a blank one."""
    _check_readable(source, number, table)
    if (plain := _plain_attribute(number, source)) is not None:
        return plain
    statement: Any = _tree(source, "line", number, table).children[0]
    said: Line | _Remark | _Divider | None = _STATEMENTS[statement.data](number, source, statement.children)
    return said


def _tree(source: str, start: str, number: int, table: str | None) -> lark.Tree[lark.Token]:
    """The parse of a line, or of a type."""
    import lark

    _check_readable(source, number, table)
    try:
        return _parser().parse(source, start)
    except lark.UnexpectedInput as error:
        raise _syntax_error(error, source, number, table) from None


def _check_readable(source: str, number: int, table: str | None) -> None:
    if len(source) > LONGEST_LINE:
        text = f"the line has {len(source):,} characters; at most {LONGEST_LINE:,} are read."
        raise DefinitionError(text, table=table, line=number, column=LONGEST_LINE + 1)
    if found := UNKEPT.search(source):
        text = f"the line holds {found[0]!r}, which no text of PostgreSQL can."
        raise DefinitionError(text, table=table, line=number, column=found.start() + 1)


def _syntax_error(error: lark.UnexpectedInput, source: str, number: int, table: str | None) -> DefinitionSyntaxError:
    import lark

    match error:
        case lark.UnexpectedCharacters():
            expected, column = error.allowed, error.column
        case lark.UnexpectedToken():
            expected = error.accepts or error.expected
            column = len(source.rstrip()) + 1 if error.token.type == "$END" else error.column
        case _:
            expected, column = set(), len(source) + 1
    words = sorted({_EXPECTED.get(name, name) for name in expected or ()} - {"a `# comment`"})
    return DefinitionSyntaxError(table=table, line=number, column=column, text=source, expected=tuple(words))


def _comment(token: Any) -> str:
    return "" if token is None else str(token)[1:].strip()


def _unquote(text: str) -> str:
    """The content of a string: a backslash or a doubled quote stands for the character after it."""
    quote = text[0]
    return re.sub(rf"\\(.)|{quote}{quote}", lambda match: match[1] or quote, text[1:-1])


def _attribute_line(number: int, name: Any, kind: Any, default: Any, remark: Any) -> AttributeLine:
    type_name, parameters = _split_type(kind)
    words = type_name.split()
    counts = len(words) > 1 and words[-1].lower() == AUTO_INCREMENT
    token = None if default is None else default.children[0]
    quoted = token is not None and token.type == "STRING"
    return AttributeLine(
        line=number,
        column=name.column,
        name=str(name),
        type_name=" ".join(words[:-1]) if counts else type_name,
        type_column=kind.children[0].column,
        parameters=parameters,
        auto_increment=counts or type_name.lower() in COUNTING_TYPES,
        default=None if token is None else _unquote(token) if quoted else str(token),
        default_column=None if token is None else token.column,
        quoted=quoted,
        comment=_comment(remark),
    )


def _split_type(kind: Any) -> tuple[str, tuple[Parameter, ...]]:
    """The words of a type and its parameters, which stand after the first word."""
    word, *rest = kind.children
    parameters, *modifiers = rest or (None,)
    found = () if parameters is None else tuple(_parameter(p) for p in parameters.children)
    return " ".join((word, *modifiers)), found


_MOST_DIGITS = 4_000  # Python reads no longer integers from text; every type refuses shorter ones


def _parameter(token: Any) -> Parameter:
    return int(token[:_MOST_DIGITS]) if token.type == "INTEGER" else _unquote(token)


_PLAIN_ATTRIBUTE = re.compile(
    r"[ \t]*(?P<name>[^\W\d]\w*)[ \t]*(?:=[ \t]*(?P<null>null)[ \t]*)?:[ \t]*(?P<type>[A-Za-z][A-Za-z0-9_]*)"
    r"(?:[ \t]*\([ \t]*(?P<first>[0-9]{1,9})[ \t]*(?:,[ \t]*(?P<second>[0-9]{1,9})[ \t]*)?\))?"
    r"[ \t]*(?P<remark>#.*)?"
)


def _plain_attribute(number: int, source: str) -> AttributeLine | None:
    """What the grammar says of the lines that most are: a name, `= null`, a type, a remark; in a tenth of the time."""
    found = _PLAIN_ATTRIBUTE.fullmatch(source)
    if found is None:
        return None
    return AttributeLine(
        line=number,
        column=found.start("name") + 1,
        name=found["name"],
        type_name=found["type"],
        type_column=found.start("type") + 1,
        parameters=tuple(int(text) for text in found.group("first", "second") if text is not None),
        auto_increment=found["type"].lower() in COUNTING_TYPES,
        default=found["null"],
        default_column=None if found["null"] is None else found.start("null") + 1,
        quoted=False,
        comment=_comment(found["remark"]),
    )


def _type_first(number: int, _: str, children: list[Any]) -> AttributeLine:
    name, kind, default, remark = children
    return _attribute_line(number, name, kind, default, remark)


def _default_first(number: int, _: str, children: list[Any]) -> AttributeLine:
    name, default, kind, remark = children
    return _attribute_line(number, name, kind, default, remark)


def _reference(number: int, _: str, children: list[Any]) -> ReferenceLine:
    options, name, renames, _remark = children
    pairs = () if renames is None else tuple(_rename(rename.children) for rename in renames.children if rename)
    chosen = frozenset() if options is None else frozenset(str(option).lower() for option in options.children)
    return ReferenceLine(number, name.column, str(name), chosen, pairs)


def _rename(children: list[Any]) -> tuple[str, str]:
    new, old = children
    return (_unquote(old) if old.type == "STRING" else str(old)), str(new)


def _index(number: int, source: str, children: list[Any]) -> IndexLine:
    unique, _, *terms, _remark = children
    texts = tuple(_term(term, source) for term in terms)
    return IndexLine(number, unique is not None, texts, tuple(_end_token(term, 0).column for term in terms))


def _term(term: Any, source: str) -> str:
    """A name, also one in parentheses; the text of an expression in one pair of them."""
    first, last = _end_token(term, 0), _end_token(term, -1)
    if first is last:
        return str(first)
    text = source[first.start_pos : last.end_pos]
    inner = text[1:-1].strip() if first.type == "LPAR" else text
    return inner if re.fullmatch(r"\w+", inner) and not inner[0].isdigit() else f"({inner})"


def _end_token(node: Any, end: int) -> Any:
    """The first token of a tree, or the last."""
    while not isinstance(node, str):  # tokens are strings
        node = node.children[end]
    return node


_STATEMENTS: dict[str, Any] = {
    "attribute": _type_first,
    "attribute_default_first": _default_first,
    "reference": _reference,
    "index": _index,
    "divider": lambda _, __, children: _Divider(children[0].column),
    "remark": lambda _, __, children: _Remark(_comment(children[0])),
    "blank": lambda *_: None,
}
