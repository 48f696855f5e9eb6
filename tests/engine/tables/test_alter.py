"""Altering tables that hold rows: what is done, what is refused and why, and that a refusal leaves all as it was."""

from __future__ import annotations

import contextlib
import datetime
import decimal
import io
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

import djarrow as dj
from djarrow.engine.connect import connect
from djarrow.engine.embedded import EmbeddedServer
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import (
    AlterRefused,
    DefinitionMismatch,
    DuplicateKey,
    InvalidValue,
    MissingField,
    MissingParent,
    NotConfirmed,
    TransactionError,
)
from djarrow.model.changes import AddAttribute, ChangeAttribute, DropAttribute
from djarrow.sql import locks

from ...described import drop_schemas

Ask = Callable[[str], list[dict[str, Any]]]
Unchanged = Callable[[], AbstractContextManager[None]]


def make(schema: dj.Schema, name: str, definition: str, base: type[dj.Table] = dj.Manual, **members: Any) -> Any:
    """A table class of this name and definition, declared in the schema."""
    return schema(type(name, (base,), {"definition": definition, **members}))


@pytest.fixture
def later(schema: dj.Schema, second: PostgresConnection) -> dj.Schema:
    """The same schema as another process sees it, whose classes are newer."""
    return dj.Schema(schema.name, connection=second)


@pytest.fixture
def unchanged(schema: dj.Schema, ask: Ask) -> Unchanged:
    """A block after which the schema holds what it held: columns, constraints, indexes, comments, rows."""

    def read() -> list[Any]:
        here = f"n.nspname = '{schema.name}'"
        names = ask(f"SELECT tablename::text AS t FROM pg_tables WHERE schemaname = '{schema.name}' ORDER BY 1")
        return [
            ask(
                "SELECT c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod) AS kind, a.attnotnull, "
                "pg_get_expr(d.adbin, d.adrelid) AS def, col_description(c.oid, a.attnum) AS note FROM pg_attribute a "
                "JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN "
                f"pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum WHERE {here} AND a.attnum > 0 ORDER BY 1, 2"
            ),
            ask(
                "SELECT k.conname::text, pg_get_constraintdef(k.oid) AS def FROM pg_constraint k "
                f"JOIN pg_namespace n ON n.oid = k.connamespace WHERE {here} ORDER BY 1"
            ),
            ask(f"SELECT indexdef FROM pg_indexes WHERE schemaname = '{schema.name}' ORDER BY 1"),
            *(ask(f'SELECT t::text AS row FROM "{schema.name}"."{name["t"]}" AS t ORDER BY 1') for name in names),
        ]

    @contextlib.contextmanager
    def block() -> Iterator[None]:
        before = read()
        yield
        assert read() == before

    return block


def check_agrees(cls: Any) -> None:
    """The class can be used, has nothing to alter, and neither has one of the definition that describe gives."""
    cls.fetch()
    assert cls.alter() == ()
    home = cls().schema
    near: dict[str, Any] = {each.__name__: each for linked in home.linked_schemas() for each in linked.tables}
    context = near | {linked.name: SimpleNamespace(**near) for linked in home.linked_schemas()}
    fresh = dj.Schema(home.name, connection=home.connection, context=context)
    again = make(fresh, cls.__name__, cls.describe(), cls.__bases__[0])
    assert again.alter() == ()
    assert set(again().heading) == set(cls().heading)


BASE = "a : uint8\n---\nx = 1 : int16\ny = null : varchar(8)\n"


@pytest.fixture
def rows(schema: dj.Schema) -> Any:
    """A table of three rows, whose class others replace."""
    A = make(schema, "A", BASE)
    A.insert([(1, 10, "one"), (2, 20, None), (3, 30, "three")])
    return A


def cents(*numbers: int) -> list[decimal.Decimal]:
    """Whole numbers with two digits after the point."""
    return [decimal.Decimal(number).quantize(decimal.Decimal("0.01")) for number in numbers]


def exactly(values: list[Any]) -> list[Any]:
    """Values that compare as they are: NaN is itself, and -0.0 is not 0.0."""
    return [repr(value) if isinstance(value, float) else value for value in values]


# --- what is done ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "attribute", "expected"),
    [
        (BASE + "z = 5 : uint8", "z", [5, 5, 5]),
        (BASE + "z = null : float64", "z", [None, None, None]),
        (BASE + "z = 'low' : enum('low', 'high')", "z", ["low", "low", "low"]),
        (BASE + "z = '2024-01-31' : date", "z", [datetime.date(2024, 1, 31)] * 3),
        (BASE.replace("int16", "int32"), "x", [10, 20, 30]),
        (BASE.replace("int16", "uint64"), "x", [10, 20, 30]),
        (BASE.replace("int16", "int8"), "x", [10, 20, 30]),
        (BASE.replace("int16", "decimal(6,2)"), "x", cents(10, 20, 30)),
        (BASE.replace("varchar(8)", "varchar(80)"), "y", ["one", None, "three"]),
        (BASE.replace("varchar(8)", "char(5)"), "y", ["one", None, "three"]),
        (BASE.replace("varchar(8)", "enum('one', 'two', 'three')"), "y", ["one", None, "three"]),
        (BASE.replace("x = 1", "x = 2"), "x", [10, 20, 30]),
        (BASE.replace("x = 1 ", "x "), "x", [10, 20, 30]),
        (BASE.replace("x = 1 ", "x = null "), "x", [10, 20, 30]),
        ("# of rows\n" + BASE, "x", [10, 20, 30]),
        (BASE.replace("uint8", "uint8  # number"), "x", [10, 20, 30]),
        (BASE + "index (x)\nunique index (x, y)\nindex ((x + 1))", "x", [10, 20, 30]),
    ],
)
def test_safe_changes(rows: Any, later: dj.Schema, changed: str, attribute: str, expected: list[Any]) -> None:
    """What loses nothing is done with the rows kept; then the class agrees with its table, as describe() tells."""
    A = make(later, "A", changed)
    assert len(A.alter()) >= 1
    assert A.fetch(order_by="a")[attribute].to_list() == expected
    check_agrees(A)


def test_the_database_holds_what_the_class_says_now(rows: Any, later: dj.Schema, ask: Ask) -> None:
    """Ranges, defaults and nullability are those of the new definition for every client, not of the old one."""
    A = make(later, "A", "a : uint16\n---\nx = 7 : uint16\ny = 'none' : varchar(12)\n")
    with pytest.raises(AlterRefused, match="'y' becomes required, and is NULL in 1 row, such as a = 2"):
        A.alter()
    ask(f"UPDATE {A().full_table_name} SET y = '' WHERE y IS NULL")
    A.alter()
    ask(f"INSERT INTO {A().full_table_name} (a) VALUES (65535)")
    assert (A & "a = 65535").fetch1() == {"a": 65535, "x": 7, "y": "none"}
    for bad in ("(65536, 1, '')", "(4, -1, '')", "(4, 65536, '')", "(4, 1, NULL)"):
        with pytest.raises((InvalidValue, MissingField)):
            ask(f"INSERT INTO {A().full_table_name} VALUES {bad}")
    check_agrees(A)


@pytest.mark.parametrize(
    ("before", "after", "values"),
    [
        ("float32", "float64", [0.1, -0.0, float("inf"), float("nan"), 1e-45]),
        ("float64", "float32", [0.5, -0.0, float("-inf"), float("nan"), 2.0**100]),
        ("decimal(4,2)", "decimal(8,4)", cents(12, -99)),
        ("uint64", "decimal(20,0)", [2**64 - 1, 0]),
        ("enum('a', 'b')", "enum('c', 'b', 'a')", ["a", "b"]),
        ("enum('a', 'b')", "varchar(1)", ["a", "b"]),
        ("uint8", "int8", [0, 127]),
        ("int64", "uint32", [0, 2**32 - 1]),
    ],
)
def test_types_that_hold_the_values(
    schema: dj.Schema, later: dj.Schema, before: str, after: str, values: list[Any]
) -> None:
    """A type of the family that holds every value of the table takes its place, wider or narrower, bit for bit."""
    old = make(schema, "A", f"a : uint8\n---\nx : {before}")
    old.insert(list(enumerate(values)))
    held = old.fetch(order_by="a")["x"].to_list()
    A = make(later, "A", f"a : uint8\n---\nx : {after}")
    (change,) = A.alter()
    assert isinstance(change, ChangeAttribute)
    assert change.after.type == A().heading["x"].type != change.before.type
    assert exactly(A.fetch(order_by="a")["x"].to_list()) == exactly(held)
    check_agrees(A)


def test_a_required_attribute_on_an_empty_table(schema: dj.Schema, later: dj.Schema) -> None:
    """Where there are no rows, an attribute needs no default."""
    make(schema, "A", BASE).declare()
    A = make(later, "A", BASE + "z : uint8")
    (change,) = A.alter()
    assert isinstance(change, AddAttribute)
    with pytest.raises(MissingField):
        A.insert1({"a": 1})
    A.insert1((1, 2, "x", 3))
    assert A.fetch1() == {"a": 1, "x": 2, "y": "x", "z": 3}


def test_sequences_go_by_the_order_of_the_class(rows: Any, later: dj.Schema) -> None:
    """A new attribute stands last in the database; rows and results have the order of the class."""
    A = make(later, "A", BASE.replace("x = 1", "new = 0 : uint8\nx = 1"))
    A.alter()
    A.insert1((4, 5, 6, "four"))
    assert (A & "a = 4").fetch1() == {"a": 4, "new": 5, "x": 6, "y": "four"}
    assert A.fetch().columns == ["a", "new", "x", "y"]
    assert A.insert(A.fetch(), skip_duplicates=True) == 0
    check_agrees(A)


def test_counting_up_can_begin_and_end(schema: dj.Schema, later: dj.Schema, second: PostgresConnection) -> None:
    """An attribute that begins to count up goes on after its largest value; then it can stop."""
    make(schema, "A", "a : uint32\n---\nx : int8").insert([(7, 1), (41, 1)])
    A = make(later, "A", "a : uint32 auto_increment\n---\nx : int8")
    A.alter()
    A.insert([{"x": 2}])
    assert (A & "x = 2").fetch1("a") == 42
    check_agrees(A)
    B = make(dj.Schema(later.name, connection=second), "A", "a : uint32\n---\nx : int8")
    B.alter()
    with pytest.raises(MissingField):
        B.insert([{"x": 3}])
    check_agrees(B)


@pytest.mark.parametrize("name", ["found", "c"])
def test_an_attribute_of_any_name_counts_up(schema: dj.Schema, later: dj.Schema, name: str) -> None:
    """Names that mean something in the statements that begin the counting are names of attributes there, too."""
    make(schema, "A", f"{name} : int32\n---\nx : int8").insert1((5, 1))
    A = make(later, "A", f"{name} : int32 auto_increment\n---\nx : int8")
    A.alter()
    A.insert([{"x": 2}])
    assert (A & "x = 2").fetch1(name) == 6


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("int64 auto_increment", "uint64"),
        ("int64 auto_increment", "decimal(19,0)"),
        ("int16 auto_increment", "int32"),
        ("uint64", "uint8 auto_increment"),
        ("int32 auto_increment", "int64 auto_increment"),
    ],
)
def test_the_type_of_what_counts_up(schema: dj.Schema, later: dj.Schema, before: str, after: str) -> None:
    """The type of an attribute changes together with whether it counts up, although few types can."""
    make(schema, "A", f"a : {before}\n---\nx : int8").insert1((7, 1))
    A = make(later, "A", f"a : {after}\n---\nx : int8")
    A.alter()
    A.insert([{"x": 2} if "auto" in after else {"a": 8, "x": 2}])
    assert A.fetch(order_by="a")["a"].to_list() == [7, 8]
    check_agrees(A)


def test_a_cell_run_again(rows: Any, schema: dj.Schema) -> None:
    """In a notebook the class is defined anew in the same schema: altered, it is used on the same connection."""
    assert len(rows & "x > 10") == 2
    A = make(schema, "A", BASE.replace("int16", "int64") + "z = 'new' : varchar(9)")
    with pytest.raises(DefinitionMismatch, match=r"`alter\(\)`"):
        A.fetch()
    A.alter()
    assert len(A & "x > 10") == 2
    assert set((A & "x > 10").fetch()["z"]) == {"new"}
    A.insert1((4, 2**40, "", "z"))
    assert (A & "a = 4").fetch1("x") == 2**40


# --- dropping ----------------------------------------------------------------------------------------------------


def test_dropping_asks(rows: Any, later: dj.Schema, unchanged: Unchanged) -> None:
    """Dropping an attribute takes a confirmation, and says how many values go and what to pass where nobody answers."""
    A = make(later, "A", "a : uint8\n---\nx = 1 : int16\n")
    with unchanged(), pytest.raises(NotConfirmed, match="prompt=False") as caught:
        A.alter()
    assert f"Altering {later.name}.a:" in caught.value.question
    assert "attribute 'y' (varchar(8)) is in the database and not in the class; 2 values are lost" in str(caught.value)
    (change,) = A.alter(prompt=False)
    assert isinstance(change, DropAttribute)
    assert A.fetch(order_by="a").rows() == [(1, 10), (2, 20), (3, 30)]
    check_agrees(A)


def test_the_answer_counts(
    rows: Any,
    later: dj.Schema,
    unchanged: Unchanged,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """No leaves everything as it is, yes alters; the question lists every change."""
    A = make(later, "A", "a : uint8\n---\nx = 2 : int16\n")
    monkeypatch.setattr("sys.stdin", io.StringIO("no\nyes\n"))
    with unchanged():
        declined = A.alter(prompt=True)
    assert declined == ()
    assert repr(declined) == str(declined) == "Nothing was altered: the answer was no."
    assert "the class says int16 = 2, the database int16 = 1" in capsys.readouterr().out
    assert len(A.alter(prompt=True)) == 2
    check_agrees(A)


def test_what_was_confirmed_is_what_is_done(
    rows: Any, later: dj.Schema, unchanged: Unchanged, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the table changed while the question was answered, nothing is done."""
    A = make(later, "A", "a : uint8\n---\nx = 1 : int16\n")

    class Slow(io.StringIO):
        def readline(self, size: int | None = -1, /) -> str:  # type: ignore[override]
            rows.insert1((9, 9, "more values"[:8]))
            return "yes\n"

    monkeypatch.setattr("sys.stdin", Slow())
    with pytest.raises(AlterRefused, match="changed meanwhile"):
        A.alter(prompt=True)
    assert len(rows) == 4
    assert set(rows.fetch().columns) == {"a", "x", "y"}


def test_a_renaming_is_not_guessed(schema: dj.Schema, later: dj.Schema, ask: Ask) -> None:
    """An attribute that is gone, with a new one of its type, may have been renamed: the statement for it is told."""
    make(schema, "A", "a : uint8\n---\nx : uint8").insert1((1, 200))
    A = make(later, "A", "a : uint8\n---\nwidth = 0 : uint8")
    with pytest.raises(NotConfirmed) as caught:
        A.alter()
    statement = f'ALTER TABLE "{later.name}"."a" RENAME COLUMN "x" TO "width"'
    assert "if 'x' was renamed to 'width': that cannot be known here" in caught.value.question
    assert f"`{statement}`" in caught.value.question
    ask(statement)
    A.alter()
    assert A.fetch1("width") == 200
    wider = make(dj.Schema(later.name, connection=later.connection), "A", "a : uint8\n---\nwidth = 0 : uint16")
    wider.alter()
    wider.insert1((2, 300))  # the range that the column had under its first name holds no longer
    check_agrees(wider)


RENAMED = "a : uint8\n---\nx = 1 : uint8\ny = 2 : uint8\n-> [nullable, unique] Rig\nindex (x)\nunique index (y, a)"


def test_the_name_of_a_renamed_attribute_is_free(
    schema: dj.Schema, later: dj.Schema, connection: PostgresConnection
) -> None:
    """After a renaming in the database, another attribute takes the first name, with its checks, keys and indexes."""
    make(schema, "Rig", "rig : uint8\n---").insert1((1,))
    make(schema, "A", RENAMED).insert1((1, 2, 3, 1))
    for old, new in (("x", "z"), ("y", "x"), ("z", "y"), ("rig", "first")):  # x and y change places
        connection.execute(f'ALTER TABLE "{later.name}"."a" RENAME COLUMN "{old}" TO "{new}"')
    make(later, "Rig", "rig : uint8\n---")
    text = RENAMED.replace("-> ", "-> [nullable, unique] Rig.proj(first='rig')\n-> ").replace("index (x)", "index (y)")
    A = make(later, "A", text.replace("(y, a)", "(x, a)").replace("x = 1 : uint8", "x = 1 : int16\nw = 7 : uint8"))
    A.alter()
    assert A.fetch1() == {"a": 1, "x": 3, "w": 7, "y": 2, "rig": None, "first": 1}
    with pytest.raises(InvalidValue) as caught:
        connection.execute(f"UPDATE {A().full_table_name} SET y = 256")
    assert caught.value.attribute == "y"
    check_agrees(A)
    connection.execute(f'ALTER TABLE "{later.name}"."a" RENAME COLUMN "y" TO "v"')
    B = make(dj.Schema(later.name, connection=connection), "A", BASE.replace("int16", "uint8").partition("\ny")[0])
    B.alter(prompt=False)
    check_agrees(B)


# --- what is refused ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (BASE + "z : uint8", "'z' is required and has no default, and 3 rows would lack a value: give it a default"),
        (BASE.replace("y = null", "y = ''"), "'y' becomes required, and is NULL in 1 row, such as a = 2"),
        (BASE.replace("varchar(8)", "varchar(3)"), "lacks the values of 1 row, such as a = 3, y = three"),
        (BASE.replace("varchar(8)", "enum('one')"), "lacks the values of 1 row, such as a = 3, y = three"),
        (BASE.replace("int16", "decimal(3,2)"), "lacks the values of 3 rows, such as a = 1, x = 10"),
        (BASE.replace("int16", "float64"), "int16 is not turned into float64"),
        (BASE.replace("= 1 : int16", "= true : bool"), "int16 is not turned into bool"),
        (BASE.replace("= 1 : int16", "= '2024-01-01' : date"), "int16 is not turned into date"),
        (BASE.replace("varchar(8)", "json"), "varchar(8) is not turned into json"),
        (BASE.replace("---\nx = 1 : int16", "x : int16\n---"), "primary key: the class says a, x, the database a"),
        (BASE.replace("a : uint8", "b : uint8"), "primary key: the class says b, the database a"),
        ("---\na : uint8\n" + BASE.partition("---\n")[2], "primary key: the class says (none), the database a"),
    ],
)
def test_unsafe_changes(rows: Any, later: dj.Schema, unchanged: Unchanged, changed: str, reason: str) -> None:
    """What would lose or change values, or the key, is refused with the attribute, how many rows and one of them."""
    A = make(later, "A", changed)
    with unchanged(), pytest.raises(AlterRefused) as caught:
        A.alter(prompt=False)
    assert caught.value.table == f"{later.name}.a"
    assert any(reason in line for line in caught.value.reasons), caught.value.reasons
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("types", "value"),
    [
        (("uint16", "uint8"), 256),
        (("int8", "uint8"), -1),
        (("uint64", "int64"), 2**63),
        (("float64", "float32"), 0.1),
        (("float64", "float32"), 1e300),
        (("float64", "float32"), 1e-300),
        (("decimal(6,3)", "decimal(6,2)"), decimal.Decimal("0.001")),
        (("decimal(6,3)", "decimal(5,3)"), decimal.Decimal("100")),
        (("enum('a', 'b')", "enum('a', 'c')"), "b"),
        (("enum('abc')", "varchar(2)"), "abc"),
    ],
)
def test_types_that_lack_a_value(
    schema: dj.Schema, later: dj.Schema, unchanged: Unchanged, types: tuple[str, str], value: Any
) -> None:
    """A type that cannot hold a value of the table exactly is refused, and the row is shown."""
    make(schema, "A", f"a : uint8\n---\nx : {types[0]}").insert1((1, value))
    A = make(later, "A", f"a : uint8\n---\nx : {types[1]}")
    with (
        unchanged(),
        pytest.raises(AlterRefused, match=r"'x' becomes .*, which lacks the values of 1 row, such as a = 1"),
    ):
        A.alter()


def test_all_reasons_are_told_and_nothing_is_done(rows: Any, later: dj.Schema, unchanged: Unchanged) -> None:
    """Every reason is in the error, and the changes that would be safe are not made either."""
    A = make(later, "A", "# note\na : uint16\n---\nx = 1 : bool\ny = '' : varchar(8)\nz = 1 : int8\nunique index (z)")
    with unchanged(), pytest.raises(AlterRefused) as caught:
        A.alter()
    assert [line.partition(" ")[2][:3] for line in caught.value.reasons] == ["'x'", "'y'"]
    assert "not altered, nothing of it" in str(caught.value)


def test_a_view_in_the_way(rows: Any, later: dj.Schema, connection: PostgresConnection, unchanged: Unchanged) -> None:
    """What only the database knows to stand in the way is a refusal too, and everything before it is undone."""
    connection.execute(f'CREATE VIEW "{later.name}".v AS SELECT x FROM "{later.name}".a')
    A = make(later, "A", BASE.replace("int16", "int32").replace("varchar(8)", "varchar(9)"))
    with unchanged(), pytest.raises(AlterRefused, match="view"):
        A.alter()


def test_a_view_on_what_is_dropped(
    rows: Any, later: dj.Schema, connection: PostgresConnection, unchanged: Unchanged
) -> None:
    """An attribute that a view reads is not dropped, and the refusal, which is alter's, names the view."""
    connection.execute(f'CREATE VIEW "{later.name}".lately AS SELECT y FROM "{later.name}".a')
    A = make(later, "A", "a : uint8\n---\nx = 1 : int16\n")
    with unchanged(), pytest.raises(AlterRefused, match=r"view .*lately depends on column y"):
        A.alter(prompt=False)


def test_where_tables_are_not_changed(
    rows: Any, later: dj.Schema, second: PostgresConnection, unchanged: Unchanged
) -> None:
    """Inside a transaction, and in a schema that was opened with create_tables=False, nothing is altered."""
    A = make(later, "A", BASE + "z = 1 : int8")
    with unchanged():
        with second.transaction, pytest.raises(TransactionError, match=r"inside a transaction"):
            A.alter()
        closed = make(dj.Schema(later.name, connection=second, create_tables=False), "A", BASE + "z = 1 : int8")
        with pytest.raises(AlterRefused, match="create_tables=False"):
            closed.alter()
    assert len(A.alter()) == 1


# --- tables that refer to each other -----------------------------------------------------------------------------

TREE = {
    "Subject": "subject : uint8\n---\nname = '' : varchar(9)\n-> [nullable] Subject.proj(mother='subject')",
    "Session": "-> Subject\nsession : uint8\n---",
    "Scan": "-> Session\n---\n-> [nullable] Subject.proj(watched='subject')\nindex ((subject + 1))",
    "Note": "note : uint8\n---\n-> Scan",
}


def tree(schema: dj.Schema, **changed: str) -> dict[str, Any]:
    """The tables of TREE, each with its definition or a changed one."""
    return {name: make(schema, name, text) for name, text in (TREE | changed).items()}


@pytest.fixture
def family(schema: dj.Schema) -> dict[str, Any]:
    """A hierarchy with rows in every table."""
    tables = tree(schema)
    tables["Subject"].insert([(1, "a", None), (2, "b", 1)])
    tables["Session"].insert1((2, 1))
    tables["Scan"].insert1((2, 1, 1))
    tables["Note"].insert1((1, 2, 1))
    return tables


WIDE = TREE["Subject"].replace("uint8", "uint64")


def test_a_key_that_others_refer_to(family: dict[str, Any], later: dj.Schema, ask: Ask) -> None:
    """A key takes a wider type in all tables that inherit it, under whatever name, and they still refer to it."""
    new = tree(later, Subject=WIDE)
    with pytest.raises(DefinitionMismatch):
        new["Note"].fetch()
    new["Subject"].alter()
    for cls in new.values():
        check_agrees(cls)
    large = 2**63
    new["Subject"].insert1((large, "c", 2))
    new["Session"].insert1((large, 1))
    new["Scan"].insert1((large, 1, large))
    assert [(row["subject"], row["watched"]) for row in new["Scan"]] == [(2, 1), (large, large)]
    for table, values in (("session", f"{large + 1}, 1"), ("scan", "2, 1, 77"), ("subject", f"5, '', {large + 1}")):
        with pytest.raises((MissingParent, DuplicateKey)):
            ask(f'INSERT INTO "{later.name}".{table} VALUES ({values})')
    assert len(ask(f"SELECT indexname FROM pg_indexes WHERE schemaname = '{later.name}' AND indexdef LIKE '%+%'")) == 1


def test_a_key_in_other_schemas(family: dict[str, Any], later: dj.Schema, connection: PostgresConnection) -> None:
    """Tables of other schemas that refer to the key follow it, whether or not their classes are here."""
    other = dj.Schema(f"{later.name}_far", connection=connection, context=family)
    make(other, "Far", "far : uint8\n---\n-> Scan").insert1((1, 2, 1))
    try:
        new = tree(later, Subject=WIDE.replace("uint64", "uint16"))
        new["Subject"].alter()
        assert "subject" in new["Scan"]().heading.names
        far = make(dj.Schema(other.name, connection=later.connection, context=new), "Far", "far : uint8\n---\n-> Scan")
        check_agrees(far)
    finally:
        drop_schemas(connection, other.name)


def test_an_inherited_attribute_follows_its_parent(
    family: dict[str, Any], later: dj.Schema, unchanged: Unchanged
) -> None:
    """The type of an inherited attribute is changed where it comes from, which the refusal says."""
    new = tree(later, Subject=WIDE)
    with unchanged(), pytest.raises(AlterRefused) as caught:
        new["Session"].alter()
    (reason,) = caught.value.reasons
    assert "'subject' is uint64 through" in reason
    assert "'subject' is uint8 in the database: call alter() of that class first" in reason


def test_a_narrower_key(family: dict[str, Any], later: dj.Schema, ask: Ask) -> None:
    """A key may become narrower where its values allow, with the tables that refer to it."""
    new = tree(later, Subject=TREE["Subject"].replace("uint8", "int8"))
    new["Subject"].alter()
    for cls in new.values():
        check_agrees(cls)
    with pytest.raises(InvalidValue):
        ask(f'INSERT INTO "{later.name}".subject VALUES (128)')


def test_other_changes_of_a_table_that_others_refer_to(family: dict[str, Any], later: dj.Schema) -> None:
    """Attributes outside the key change without a touch on the tables that refer to it."""
    new = tree(later, Subject=TREE["Subject"].replace("varchar(9)", "varchar(99)") + "\nweight = null : float32")
    assert len(new["Subject"].alter()) == 2
    for cls in new.values():
        check_agrees(cls)


def test_a_part(schema: dj.Schema, later: dj.Schema) -> None:
    """A part is altered as its own class says, and follows the key of its master."""

    def classes(where: dj.Schema, key: str, more: str) -> Any:
        part = type("Trial", (dj.Part,), {"definition": f"-> master\ntrial : uint8\n---{more}"})
        return make(where, "Session", f"session : {key}\n---", Trial=part)

    first = classes(schema, "uint8", "")
    first.insert1((1,))
    first.Trial.insert1((1, 1))
    second = classes(later, "uint32", "\nscore = 0.5 : float64")
    second.alter()
    second.Trial.alter()
    second.insert1((70000,))
    second.Trial.insert1((70000, 1, 1.5))
    assert second.Trial.fetch(order_by="session").rows() == [(1, 1, 0.5), (70000, 1, 1.5)]
    assert (second.alter(), second.Trial.alter()) == ((), ())


# --- foreign keys ------------------------------------------------------------------------------------------------


def parents(schema: dj.Schema) -> Any:
    """A table to refer to."""
    return make(schema, "Rig", "rig : uint8\n---")


@pytest.fixture
def rigs(schema: dj.Schema) -> Any:
    """Two rigs, and measurements that name them without a foreign key."""
    Rig = parents(schema)
    Rig.insert([(1,), (2,)])
    M = make(schema, "M", "m : uint8\n---\nrig = null : uint8")
    M.insert([(1, 1), (2, 2), (3, 2), (4, None)])
    return M


def test_a_foreign_key_comes_and_goes(rigs: Any, later: dj.Schema, second: PostgresConnection, ask: Ask) -> None:
    """A foreign key over values that all have a parent is added, with its index, and taken away again."""
    parents(later)
    M = make(later, "M", "m : uint8\n---\n-> [nullable] Rig")
    (change,) = M.alter()
    assert change.line().startswith("foreign key (rig) -> ")
    with pytest.raises(MissingParent):
        M.insert1((5, 9))
    count = f"SELECT count(*) AS n FROM pg_indexes WHERE schemaname = '{later.name}' AND tablename = 'm'"
    assert ask(count) == [{"n": 2}]
    check_agrees(M)
    without = make(dj.Schema(later.name, connection=second), "M", rigs.definition)
    without.alter()
    without.insert1((5, 9))
    assert ask(count) == [{"n": 1}]
    check_agrees(without)


def test_a_foreign_key_without_parents(rigs: Any, later: dj.Schema, unchanged: Unchanged) -> None:
    """Values that no parent has are counted, and one row is shown."""
    rigs.insert([(5, 9), (6, 9)])
    parents(later)
    M = make(later, "M", "m : uint8\n---\n-> [nullable] Rig")
    with unchanged(), pytest.raises(AlterRefused, match="2 rows would refer to no row there, such as m = 5, rig = 9"):
        M.alter()


def test_a_reference_to_a_new_table(rows: Any, later: dj.Schema) -> None:
    """A new reference brings its attribute, and the parent is made along where it is not there yet."""
    make(later, "Place", "place : varchar(9)\n---", dj.Lookup, contents=[("cellar",), ("attic",)])
    make(later, "Room", "-> Place\nroom : uint8\n---")
    A = make(later, "A", BASE + "-> [nullable] Room")
    A.alter()
    assert [cls.alter() for cls in later.tables] == [(), (), ()]
    later.tables[1].insert1(("attic", 1))
    A.insert1((4, 1, "x", "attic", 1))
    assert len(A & "place is null") == 3
    check_agrees(A)


def test_a_required_reference(rows: Any, later: dj.Schema, unchanged: Unchanged) -> None:
    """A table with rows takes a new reference only where it may be NULL; the tables along are not made then."""
    parents(later)
    A = make(later, "A", BASE + "-> Rig")
    with (
        unchanged(),
        pytest.raises(AlterRefused, match=r"3 rows would lack a value: make its reference `\[nullable\]`"),
    ):
        A.alter()


def test_options_of_a_foreign_key(rigs: Any, later: dj.Schema, second: PostgresConnection) -> None:
    """Nullable and unique can be given and taken; what the rows do not allow is refused."""
    parents(later)

    def with_options(text: str) -> Any:
        fresh = dj.Schema(later.name, connection=second, context={"Rig": later.tables[0]})
        return make(fresh, "M", f"m : uint8\n---\n-> {text}Rig")

    with_options("[nullable] ").alter()
    with pytest.raises(AlterRefused, match="'rig' becomes required, and is NULL in 1 row, such as m = 4"):
        with_options("").alter()
    with pytest.raises(AlterRefused, match=r"\(rig\) becomes unique, and 1 value stands in more .*, such as rig = 2"):
        with_options("[nullable, unique] ").alter()
    second.execute(f'DELETE FROM "{later.name}".m WHERE m > 2')
    for options in ("[nullable, unique] ", "", "[unique] ", "[nullable] "):
        M = with_options(options)
        assert len(M.alter()) >= 1
        check_agrees(M)
        if "unique" in options:
            with pytest.raises(DuplicateKey):
                M.insert1((3, 2))


# --- indexes -----------------------------------------------------------------------------------------------------


def test_indexes_come_and_go(rows: Any, later: dj.Schema, second: PostgresConnection, ask: Ask) -> None:
    """Indexes on attributes and expressions are made, changed and dropped, and describe keeps them."""
    for text in ("index (x)\nindex ((x * 2), y)", "unique index (x)\nindex ((x * 3), y)", ""):
        A = make(dj.Schema(later.name, connection=second), "A", BASE + text)
        A.alter()
        check_agrees(A)
        found = ask(f"SELECT indexdef FROM pg_indexes WHERE schemaname = '{later.name}'")
        assert len(found) == 1 + text.count("index")


def test_an_index_that_an_administrator_added(
    rows: Any, later: dj.Schema, connection: PostgresConnection, unchanged: Unchanged, ask: Ask
) -> None:
    """It hinders nobody; alter shows it and drops it only when that is agreed to; a unique one is a difference."""
    connection.execute(f"CREATE INDEX of_theirs ON {rows().full_table_name} (y, x)")
    A = make(later, "A", BASE)
    assert len(A) == 3
    with unchanged(), pytest.raises(NotConfirmed) as caught:
        A.alter()
    assert "index (y, x) is in the database and not in the class" in caught.value.question
    assert "the index 'of_theirs' was not made by djarrow" in caught.value.question
    assert len(A.alter(prompt=False)) == 1
    check_agrees(A)
    connection.execute(f"CREATE UNIQUE INDEX of_theirs ON {rows().full_table_name} (x)")
    B = make(dj.Schema(later.name, connection=connection), "A", BASE)
    with pytest.raises(DefinitionMismatch, match=r"unique \(x\)"):
        len(B)
    with unchanged(), pytest.raises(NotConfirmed):
        B.alter()


@pytest.mark.parametrize("terms", ["y", "x, y", "(length(y))"])
def test_a_unique_index_over_duplicates(rows: Any, later: dj.Schema, unchanged: Unchanged, terms: str) -> None:
    """A unique index that rows do not allow is refused with the values that they share."""
    rows.insert([(4, 10, "one"), (5, 11, None), (6, 11, None)])
    A = make(later, "A", BASE + f"unique index ({terms})")
    value = {"y": "y = one", "x, y": "x = 10, y = one", "(length(y))": "(length(y)) = 3"}[terms]
    with unchanged(), pytest.raises(AlterRefused) as caught:
        A.alter()
    (reason,) = caught.value.reasons
    assert reason == f"index ({terms}) becomes unique, and 1 value stands in more than one row, such as {value}"


def test_a_unique_index_over_a_new_attribute(rows: Any, later: dj.Schema, unchanged: Unchanged) -> None:
    """Rows that would all have one value of a new attribute cannot be unique in it."""
    A = make(later, "A", BASE + "z = 1 : int8\nunique index (z)")
    with unchanged(), pytest.raises(AlterRefused, match="such as z = 1"):
        A.alter()


def test_an_index_that_speeds_up_a_reference(rigs: Any, later: dj.Schema, second: PostgresConnection, ask: Ask) -> None:
    """A foreign key keeps an index when that of the definition goes, and needs none of its own when one comes."""
    Rig = parents(later)
    for text in ("", "index (rig, m)", "", "index (rig)", ""):
        fresh = dj.Schema(later.name, connection=second, context={"Rig": Rig})
        M = make(fresh, "M", f"m : uint8\n---\n-> [nullable] Rig\n{text}")
        M.alter()
        check_agrees(M)
        found = ask(f"SELECT indexdef FROM pg_indexes WHERE schemaname = '{later.name}' AND tablename = 'm' ORDER BY 1")
        assert [row["indexdef"].partition("btree ")[2] for row in found if "UNIQUE" not in row["indexdef"]] == [
            "(rig, m)" if "m)" in text else "(rig)"
        ]


# --- enums of DataJoint-Python -----------------------------------------------------------------------------------


def test_an_enum_type_of_the_database(schema: dj.Schema, later: dj.Schema, connection: PostgresConnection) -> None:
    """Columns of an enum type, which tables of DataJoint-Python share, become text with a check; the type stays."""
    for text in (
        f'CREATE SCHEMA "{schema.name}"',
        f"CREATE TYPE \"{schema.name}\".kind AS ENUM ('a', 'b')",
        f'CREATE TABLE "{schema.name}".t (k "{schema.name}".kind PRIMARY KEY, '
        f"l \"{schema.name}\".kind NOT NULL DEFAULT 'a')",
        f'CREATE TABLE "{schema.name}".u (k "{schema.name}".kind PRIMARY KEY REFERENCES "{schema.name}".t (k))',
        f"COMMENT ON COLUMN \"{schema.name}\".t.k IS ':enum(''a'',''b''):'",
        f"COMMENT ON COLUMN \"{schema.name}\".t.l IS ':enum(''a'',''b''):'",
        f"INSERT INTO \"{schema.name}\".t VALUES ('a', 'b')",
        f"INSERT INTO \"{schema.name}\".u VALUES ('a')",
    ):
        connection.execute(text)
    T = make(later, "T", "k : enum('a', 'b', 'c')\n---\nl = 'c' : enum('c', 'b')")
    U = make(later, "U", "-> T\n---")
    T.alter()
    T.insert([("c", "b"), {"k": "b"}])
    U.insert1(("c",))
    assert T.fetch(order_by="k").rows() == [("a", "b"), ("b", "c"), ("c", "b")]
    with pytest.raises(InvalidValue):
        connection.execute(f"INSERT INTO \"{schema.name}\".t VALUES ('d', 'b')")
    check_agrees(T)
    check_agrees(U)


def test_indexes_of_other_software(rigs: Any, later: dj.Schema, connection: PostgresConnection, ask: Ask) -> None:
    """A foreign key that DataJoint-Python made unique by an index of its own name, loses it with the option."""
    home = f'"{later.name}".m'
    connection.execute(f"DELETE FROM {home} WHERE m > 2")
    connection.execute(f'ALTER TABLE {home} ADD CONSTRAINT fk FOREIGN KEY (rig) REFERENCES "{later.name}".rig (rig)')
    connection.execute(f"CREATE UNIQUE INDEX of_theirs ON {home} (rig)")
    parents(later)
    M = make(later, "M", "m : uint8\n---\n-> [nullable] Rig")
    M.alter()
    M.insert1((3, 2))
    check_agrees(M)
    connection.execute(f"CREATE INDEX also_theirs ON {home} (rig)")
    M = make(later, "M", "m : uint8\n---\nrig = null : uint8")
    M.alter()
    check_agrees(M)
    assert len(ask(f"SELECT indexname FROM pg_indexes WHERE schemaname = '{later.name}' AND tablename = 'm'")) == 1


def test_a_reference_to_a_column_of_another_type(
    rows: Any, later: dj.Schema, connection: PostgresConnection, ask: Ask
) -> None:
    """A new reference to a key that other software keeps in another type of PostgreSQL has that type."""
    connection.execute(f"CREATE TYPE \"{later.name}\".kind AS ENUM ('a', 'b')")
    connection.execute(f'CREATE TABLE "{later.name}".t (k "{later.name}".kind PRIMARY KEY)')
    connection.execute(f"INSERT INTO \"{later.name}\".t VALUES ('a')")
    make(later, "T", "k : enum('a', 'b')\n---")
    A = make(later, "A", BASE + "-> [nullable] T")
    A.alter()
    A.insert1((4, 1, "x", "a"))
    with pytest.raises(MissingParent):
        A.insert1((5, 1, "x", "b"))
    check_agrees(A)


# --- around it ---------------------------------------------------------------------------------------------------


def test_a_table_that_is_not_there(schema: dj.Schema) -> None:
    """A table that the database lacks is made, as its first use does."""
    A = make(schema, "A", BASE)
    assert A.alter() == ()
    assert len(A) == 0


def test_another_tier(rows: Any, later: dj.Schema) -> None:
    """A class whose tier changed has another table: alter says that the first one is still there."""
    A = make(later, "A", BASE, dj.Lookup)
    with pytest.warns(
        UserWarning, match=rf"{later.name}\.#a is a lookup table, .* also holds {later.name}\.a, a manual"
    ):
        assert A.alter() == ()
    assert len(A) == 0
    assert len(rows) == 3


def test_a_class_without_a_definition(rows: Any, second: PostgresConnection, unchanged: Unchanged) -> None:
    """A class that was made from the database has nothing to say about its table."""
    found: Any = dj.virtual(rows().spec.name.schema, connection=second).A
    with unchanged(), pytest.raises(AlterRefused, match="no definition"):
        found.alter()


def test_a_repository(rows: Any, later: dj.Schema, tmp_path: Path, unchanged: Unchanged) -> None:
    """While queries run on a repository, which is read only, nothing is altered."""
    dj.export(rows, tmp_path / "out")
    A = make(later, "A", BASE + "z = 1 : int8")
    with unchanged(), dj.open(tmp_path / "out").using(rows().schema), pytest.raises(AlterRefused, match="read only"):
        A.alter()


def test_what_alter_gives(rows: Any, later: dj.Schema) -> None:
    """The result lists what was changed, or says that there was nothing to do."""
    A = make(later, "A", BASE.replace("x = 1", "x = 2"))
    assert repr(A.alter()) == (
        "The table was altered. Before:\n  - attribute 'x': the class says int16 = 2, the database int16 = 1"
    )
    assert repr(A().alter()) == "Nothing to alter: the class agrees with its table."


def test_many_alter_at_once(rows: Any, server: EmbeddedServer, schema: dj.Schema) -> None:
    """Processes that alter one table at the same time wait for each other: one does it, the others find it done."""
    together = threading.Barrier(4, timeout=20)

    def run(_: int) -> int:
        url = server.url()
        assert url is not None
        mine = connect(url)
        A = make(dj.Schema(schema.name, connection=mine), "A", BASE + "z = 1 : int8\nindex (z)")
        together.wait()
        try:
            made = len(A.alter())
            return made + 0 * len(A)
        finally:
            mine.close()

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(run, range(4))) == [0, 0, 0, 2]


def test_what_comes_before_the_lock_is_asked_for(rows: Any, later: dj.Schema, connection: PostgresConnection) -> None:
    """What would be lost, and was not there when alter looked whether to ask, is not dropped without a question."""
    A = make(later, "A", BASE + "z = 1 : int8")
    with ThreadPoolExecutor(1) as pool:
        with connection.transaction:
            connection.read(locks.lock_declarations())
            altering = pool.submit(A.alter)
            time.sleep(0.5)
            connection.execute(f"ALTER TABLE {rows().full_table_name} ADD COLUMN late integer")
        with pytest.raises(AlterRefused, match="changed meanwhile"):
            altering.result(timeout=20)
    assert "late" in connection.query(f"SELECT * FROM {rows().full_table_name}").column_names


def test_an_iteration_that_does_not_end(schema: dj.Schema, later: dj.Schema, monkeypatch: pytest.MonkeyPatch) -> None:
    """Alter gives up where it would wait forever for an iteration of its own thread, and works once that is closed."""
    monkeypatch.setattr("djarrow.sql.locks.SECONDS", 1)
    Long = make(schema, "Long", "number : uint32\n---\nlabel : varchar(100)")
    numbers = pl.int_range(600_000, eager=True, dtype=pl.UInt32)  # more than a batch and the network's buffers hold
    Long.insert(pl.DataFrame({"number": numbers}).with_columns(label=pl.lit("x" * 100)))
    Later = make(later, "Long", "number : uint32\n---\nlabel : varchar(100)\nnew = 1 : int8")
    with contextlib.closing(iter(Long)) as rows:
        next(rows)
        with pytest.raises(AlterRefused, match="more than 1 seconds"):
            Later.alter()
    assert len(Later.alter()) == 1


def test_a_reader_that_would_wait_for_alter(
    schema: dj.Schema, later: dj.Schema, connection: PostgresConnection
) -> None:
    """Where a reader and alter would wait for each other, alter begins anew, and both get what they asked for."""
    family = tree(schema)
    family["Subject"].insert1((1, "a", None))
    wider = tree(later, Subject=TREE["Subject"].replace("uint8", "uint16"))["Subject"]
    with ThreadPoolExecutor(1) as pool:
        with connection.transaction:
            assert len(family["Session"]) == 0
            altering = pool.submit(wider.alter)
            time.sleep(0.5)
            assert len(family["Subject"]) == 1
        assert len(altering.result(timeout=20)) == 2


def test_others_wait(rows: Any, later: dj.Schema, connection: PostgresConnection) -> None:
    """While another process declares, alter waits for it, and does its work then."""
    A = make(later, "A", BASE + "z = 1 : int8")
    done = threading.Event()

    def run() -> None:
        A.alter()
        done.set()

    worker = threading.Thread(target=run)
    with connection.transaction:
        connection.read(locks.lock_declarations())
        worker.start()
        assert not done.wait(0.5)
    worker.join(20)
    assert done.is_set()
    check_agrees(A)
