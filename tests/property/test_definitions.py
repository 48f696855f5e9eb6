"""Random tables: they read back from the database unchanged, their description declares them again, and no text
whatever breaks the parser.
"""

from __future__ import annotations

import string
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import DefinitionError
from djarrow.expr.parse import parse_index_term
from djarrow.model.changes import differences
from djarrow.model.definition import parse_definition, parse_type
from djarrow.model.describe import default_text, describe
from djarrow.model.heading import Attribute, Default, Heading, Special
from djarrow.model.names import NAME_BYTES, TableName, camel_case, check_attribute_name, check_class_name, snake_case
from djarrow.model.spec import TableSpec, table_spec
from djarrow.model.types import KEYLESS_FAMILIES, ROWS, AttributeType, Family, core
from tests.described import drop_schemas
from tests.property.counts import examples

NAMES = st.from_regex(rf"[a-z][a-z0-9_]{{0,{NAME_BYTES - 1}}}", fullmatch=True)
LINE = st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0")
COMMENTS = st.text(LINE, max_size=30).map(str.strip)
TEXTS = st.text(LINE, max_size=8)


def parent(class_name: str, text: str, known: dict[str, TableSpec]) -> None:
    """Declare a table that others may refer to."""
    name = TableName("lab", snake_case(class_name))
    known[class_name] = table_spec(text, name, lambda reference, _: known[reference])


PARENT_TEXTS = {
    "Person": "person : varchar(16)",
    "Subject": "subject_id : uint16  # id",
    "Session": "-> Subject\nsession : uint8",
    "Scan": "-> Session\n-> Person\nscan : uint8",
}
PARENTS: dict[str, TableSpec] = {}
for _class_name, _text in PARENT_TEXTS.items():
    parent(_class_name, _text, PARENTS)
CLASS_NAMES = {spec.name: class_name for class_name, spec in PARENTS.items()} | {TableName("lab", "made"): "Made"}


def declare(text: str) -> TableSpec:
    """The spec of a table of this text, whose class is `Made`."""
    return table_spec(text, TableName("lab", "made"), lambda reference, _: PARENTS.get(reference), parse_index_term)


def described(spec: TableSpec) -> str:
    """The definition that describe gives."""
    return describe(spec, CLASS_NAMES.__getitem__)


@st.composite
def types(draw: st.DrawFn) -> AttributeType:
    """Any core type with parameters that it takes."""
    name = draw(st.sampled_from(list(ROWS)))
    match ROWS[name].family:
        case Family.STRING:
            return core(name, draw(st.integers(1, 100)))
        case Family.ENUM:
            return core(name, *draw(st.lists(TEXTS, min_size=1, max_size=4, unique=True)))
        case Family.DECIMAL:
            precision = draw(st.integers(1, 38))
            return core(name, precision, draw(st.integers(0, precision)))
    return core(name)


def values(kind: AttributeType) -> st.SearchStrategy[Any]:
    """Values that a type may have as default."""
    match kind.family:
        case Family.INTEGER:
            return st.integers(kind.row.minimum, kind.row.maximum)
        case Family.FLOAT:
            if kind.row.name == "float32":  # by the fewest digits that tell it, as it is written and read back
                return st.floats(allow_nan=False, width=32).map(lambda number: float(str(np.float32(number))))
            return st.floats(allow_nan=False)
        case Family.DECIMAL:
            precision, scale = (int(p) for p in kind.parameters)
            limit = 10**precision - 1
            return st.integers(-limit, limit).map(lambda n: _decimal(n, scale))
        case Family.BOOLEAN:
            return st.booleans()
        case Family.STRING:
            return st.text(LINE, max_size=kind.max_length or 0)
        case Family.ENUM:
            return st.sampled_from(kind.choices)
        case Family.DATE:
            return st.one_of(st.dates(), st.just(Special.NOW))
        case Family.TIME:
            return st.times()
        case Family.TIMESTAMP:
            return st.one_of(st.datetimes(timezones=st.just(_utc())), st.just(Special.NOW))
        case Family.DATETIME:
            return st.one_of(st.datetimes(), st.just(Special.NOW))
    return st.just(Special.NULL)


def _decimal(unscaled: int, scale: int) -> Any:
    import decimal

    return decimal.Decimal(unscaled).scaleb(-scale, context=decimal.Context(prec=40))


def _utc() -> Any:
    import datetime

    return datetime.UTC


@st.composite
def attribute_lines(draw: st.DrawFn, name: str, *, in_key: bool) -> str:
    """A line that declares an attribute, in either order of default and type."""
    kind = draw(types().filter(lambda kind: not in_key or kind.family not in KEYLESS_FAMILIES))
    default: Default | None = None
    if not in_key:
        default = draw(st.one_of(st.none(), st.just(Special.NULL), values(kind)))
    comment = draw(COMMENTS)
    ending = f"  # {comment}" if comment else ""
    if default is None:
        return f"{name} : {kind}{ending}"
    if draw(st.booleans()):
        return f"{name} : {kind} = {default_text(default)}{ending}"
    return f"{name} = {default_text(default)} : {kind}{ending}"


@st.composite
def reference_lines(draw: st.DrawFn, *, in_key: bool) -> str:
    """A line that refers to a parent, with options and perhaps new names."""
    class_name = draw(st.sampled_from(list(PARENTS)))
    options = draw(st.sets(st.sampled_from(["unique"] if in_key else ["unique", "nullable"])))
    key = PARENTS[class_name].heading.primary_key
    renamed = draw(st.sets(st.sampled_from(key)))
    suffix = draw(st.sampled_from(["a", "b"]))
    renames = ", ".join(f"{name}_{suffix}='{name}'" for name in sorted(renamed))
    brackets = f"[{', '.join(sorted(options))}] " if options else ""
    return f"-> {brackets}{class_name}" + (f".proj({renames})" if renames else "")


OWN = st.lists(
    st.sampled_from([("person", "varchar(16)", "'root'"), ("session", "uint8", "3"), ("subject_id", "uint16", "7")]),
    max_size=2,
    unique=True,
)
"""Attributes that references below bring too: name, type and a default."""


@st.composite
def own_lines(draw: st.DrawFn) -> list[str]:
    """Lines that declare as the table's own what a reference after them shares."""
    endings = st.sampled_from(["", " = null", " = {default}"])
    return [f"{name} : {kind}{draw(endings).format(default=default)}" for name, kind, default in draw(OWN)]


EXPRESSIONS = {
    Family.INTEGER: ("({0} + 1)", "(abs({0}))", "({0} % 3)"),
    Family.FLOAT: ("({0} / 2)", "(round({0}))"),
    Family.DECIMAL: ("(-{0})", "({0} * 2)"),
    Family.STRING: ("(lower({0}))", "(length({0}))", "({0} = 'it''s (so), # \"far\"')"),
    Family.ENUM: ("({0} = 'a')",),
    Family.DATE: ("(year({0}))",),
    Family.BOOLEAN: ("(not {0})",),
}
"""Indexes on more than an attribute, by the family of the attribute."""


@st.composite
def index_lines(draw: st.DrawFn, lines: list[str]) -> list[str]:
    """Lines of indexes on attributes that these lines declare, and on expressions of them."""
    kinds = {a.name: a.type for a in declare("\n".join(["key_of_all : int8", "---", *lines])).heading.attributes[1:]}
    terms = [name for name, kind in kinds.items() if kind.family not in KEYLESS_FAMILIES]
    terms += [form.format(name) for name, kind in kinds.items() for form in EXPRESSIONS.get(kind.family, ())]
    if not terms:
        return []
    one = st.lists(st.sampled_from(terms), min_size=1, max_size=3, unique=True)
    chosen = draw(st.lists(one, max_size=3, unique_by=tuple))
    return [f"{draw(st.sampled_from(['', 'unique ']))}index ({', '.join(index)})" for index in chosen]


@st.composite
def self_references(draw: st.DrawFn, key: list[str]) -> list[str]:
    """Lines that refer to the table itself, by new names for some of its key, which may be NULL."""
    renamed = draw(st.lists(st.lists(st.sampled_from(key), min_size=1, unique=True), max_size=2))
    lines = []
    for number, names in enumerate(renamed):
        renames = ", ".join(f"s{number}_{place}='{name}'" for place, name in enumerate(names))
        options = draw(st.sampled_from(["nullable", "nullable, unique"]))
        lines.append(f"-> [{options}] Made.proj({renames})")
    return lines


@st.composite
def counting_lines(draw: st.DrawFn, name: str) -> str:
    """A key that the database counts up."""
    comment = draw(COMMENTS)
    kind = draw(st.sampled_from(["int16", "uint16", "int32", "uint32", "int64"]))
    return f"{name} : {kind} auto_increment" + (f"  # {comment}" if comment else "")


@st.composite
def definitions(draw: st.DrawFn) -> str:
    """The text of a table with attributes and references above and below the divider, and indexes."""
    names = draw(st.lists(NAMES, min_size=1, max_size=6, unique=True))
    divide = draw(st.integers(0, len(names)))
    key = [draw(attribute_lines(name, in_key=True)) for name in names[:divide]]
    # a line that says the same twice is refused, so each reference stands once in the table
    references = draw(st.lists(reference_lines(in_key=True), max_size=2, unique=True))
    if divide == 1 and not references and draw(st.booleans()):
        key = [draw(counting_lines(names[0]))]
    secondary = [draw(attribute_lines(name, in_key=False)) for name in names[divide:]]
    below = draw(st.lists(reference_lines(in_key=False), max_size=2, unique=True))
    if divide and not references:
        below += draw(self_references(names[:divide]))
    indexes = draw(index_lines(secondary))
    lines = [f"# {draw(COMMENTS)}", *draw(st.permutations([*key, *references])), "-" * draw(st.integers(3, 9))]
    return "\n".join([*lines, *draw(own_lines()), *draw(st.permutations([*secondary, *below])), *indexes])


@given(definitions())
@settings(max_examples=examples(60), deadline=None)
def test_describe_declares_the_same_table(text: str) -> None:
    """A definition, described and parsed again, gives the same key, attributes, references and indexes."""
    try:
        spec = declare(text)
    except DefinitionError as error:  # references may repeat one another or clash with a name: said, not crashed
        assert error.table == "made"  # noqa: PT017 - which texts are refused is not this test's question
        return
    again = declare(described(spec))
    assert differences(again, spec) == ()
    assert again.heading == spec.heading
    assert set(again.foreign_keys) == set(spec.foreign_keys)
    assert (again.comment, again.indexes) == (spec.comment, spec.indexes)


@pytest.fixture(scope="module")
def lab(connection: PostgresConnection) -> Iterator[dj.Schema]:
    """A schema that has the parents."""
    schema = dj.Schema("lab_of_definitions", connection=connection)
    for class_name, text in PARENT_TEXTS.items():
        schema(type(class_name, (dj.Manual,), {"definition": text}))
    schema.activate()
    yield schema
    drop_schemas(connection, schema.name)


def made(lab: dj.Schema, text: str) -> Any:
    """The class of this definition, in a schema object of its own, as another process declares it."""
    parents = {cls.__name__: cls for cls in lab.tables}
    schema = dj.Schema(lab.name, parents, connection=lab.connection)
    return schema(type("Made", (dj.Manual,), {"definition": text}))


@given(text=definitions())
@settings(max_examples=examples(24), deadline=None)
def test_the_database_holds_the_table_as_defined(lab: dj.Schema, text: str) -> None:
    """A table made in the database reads back equal, and is made again, equal, from its description."""
    try:
        Made = made(lab, text)
    except DefinitionError:
        assume(False)  # what is refused, and that it is, is the question of others
    try:
        Made.declare()
        schema, name = Made().schema, Made().spec.name
        stored = schema.stored_spec(name)
        assert differences(Made().spec, stored) == ()
        assert (stored.heading, stored.comment) == (Made().spec.heading, Made().spec.comment)
        assert set(stored.foreign_keys) == set(Made().spec.foreign_keys)
        assert set(stored.indexes) == set(Made().spec.indexes)
        described = Made.describe()
        lab.connection.execute(f"DROP TABLE {Made().full_table_name}")
        Again = made(lab, described)
        Again.declare()
        again = schema.stored_spec(name)
        assert Again.describe() == described
        assert differences(again, stored) == ()
        assert (again.heading, again.comment, set(again.indexes)) == (
            stored.heading,
            stored.comment,
            set(stored.indexes),
        )
    finally:
        lab.connection.execute(f"DROP TABLE IF EXISTS {lab.name}.made")


@given(st.lists(attribute_lines("a", in_key=False), min_size=1, max_size=1), COMMENTS)
@settings(max_examples=examples(120), deadline=None)
def test_attributes_survive(lines: list[str], comment: str) -> None:
    """Every single attribute is declared without an error, and the same again from its description."""
    spec = declare(f"# {comment}\nkey : int8\n---\n{lines[0]}")
    again = declare(described(spec))
    assert (again.heading, again.comment) == (spec.heading, comment)


@given(types())
@settings(deadline=None)
def test_types_survive(kind: AttributeType) -> None:
    """The text of a type is read as the same type."""
    assert parse_type(str(kind), table="t") == kind


@given(st.text(max_size=40))
@settings(deadline=None)
def test_no_text_breaks_the_parser(text: str) -> None:
    """Any text is a definition or refused as one, never an error of another kind."""
    try:
        parse_definition(text, table="t")
    except DefinitionError as error:
        assert error.line is not None  # noqa: PT017 - most texts are refused, a few are not


@given(st.text(alphabet=" abc:=#'\"\\,()[]->.\t0123", max_size=40))
@settings(max_examples=examples(120), deadline=None)
def test_no_near_definition_breaks_the_parser(text: str) -> None:
    """Text made of the grammar's own characters is a definition or refused as one."""
    try:
        parse_definition(text, table="t")
    except DefinitionError as error:
        assert error.line == 1  # noqa: PT017 - as above


@given(st.from_regex(rf"[{string.ascii_uppercase}][{string.ascii_letters}{string.digits}]{{0,20}}", fullmatch=True))
def test_class_names_lead_back(class_name: str) -> None:
    """Every class name that is allowed is found again from its table's name."""
    check_class_name(class_name)
    assert camel_case(snake_case(class_name)) == class_name


@given(NAMES)
def test_attribute_names(name: str) -> None:
    """Every name of the allowed form and length is allowed."""
    check_attribute_name(name, table="t")
    assert Heading((Attribute(name, core("int8")),), ()).names == (name,)
