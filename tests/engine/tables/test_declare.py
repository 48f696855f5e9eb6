"""Declaring: when tables appear, under which names, and what the database itself then refuses."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import polars as pl
import pytest

import djarrow as dj
from djarrow.engine.connect import connect
from djarrow.engine.embedded import EmbeddedServer
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import (
    AccessDenied,
    DefinitionError,
    DefinitionMismatch,
    EngineError,
    InvalidValue,
    MissingParent,
    NoSchema,
    QueryError,
    RowError,
    TransactionError,
)

from ...described import drop_schemas

Ask = Callable[[str], list[dict[str, Any]]]


def tables(ask: Ask, *schemas: str) -> list[str]:
    """The names of the tables in these schemas."""
    names = ", ".join(f"'{name}'" for name in schemas)
    rows = ask(f"SELECT tablename::text AS name FROM pg_tables WHERE schemaname IN ({names})")
    return sorted(row["name"] for row in rows)


def make(schema: dj.Schema, name: str, definition: str, base: type[dj.Table] = dj.Manual, **members: Any) -> Any:
    """A table class of this name and definition, declared in the schema."""
    return schema(type(name, (base,), {"definition": definition, **members}))


# --- when --------------------------------------------------------------------------------------------------------


def test_nothing_is_made_before_the_first_use(schema: dj.Schema, ask: Ask) -> None:
    """A declared class touches the database only when it is used, and then all that is pending is made."""
    A = make(schema, "A", "a : uint8\n---")
    B = make(schema, "B", "-> A\nb : uint8\n---")
    assert A().heading.names == ("a",)
    assert (B * A).to_sql().count("SELECT") >= 1
    assert ask(f"SELECT 1 AS x FROM pg_namespace WHERE nspname = '{schema.name}'") == []
    assert len(A) == 0
    assert tables(ask, schema.name) == ["a", "b"]


def test_importing_needs_no_server(tmp_path: Path) -> None:
    """Classes of a schema without a connection can be declared and composed where there is no server at all."""
    code = """
import djarrow as dj
schema = dj.Schema("lab")
@schema
class A(dj.Manual):
    definition = "a : uint8\\n---"
print((A & "a > 1").to_sql(pretty=False))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PYTHONPATH": str(Path(dj.__file__).parents[1]), "PATH": ""},
    )
    assert done.returncode == 0, done.stderr
    assert '"lab"."a"' in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_schema_that_links_to_another_makes_both(schema: dj.Schema, connection: PostgresConnection, ask: Ask) -> None:
    """Using a table makes the schemas that it refers to first."""
    acq = ModuleType("acquisition")
    other = dj.Schema(f"{schema.name}-acq", connection=connection)
    acq.Image = make(other, "Image", "image : uint8\n---")  # type: ignore[attr-defined]
    try:

        @schema
        class Mask(dj.Manual):
            definition = "-> acq.Image\n---"

        with pytest.raises(MissingParent):
            Mask.insert1((1,))
        assert tables(ask, other.name, schema.name) == ["image", "mask"]
        assert Mask().spec.parents == (acq.Image().spec.name,)
    finally:
        drop_schemas(connection, other.name)


def test_declaring_again_in_another_process_changes_nothing(
    schema: dj.Schema, second: PostgresConnection, ask: Ask
) -> None:
    """A second process that declares the same classes uses the tables and rows that are there."""
    text = "a : uint8  # number\n---\nx = 1.5 : float64\nindex (x)"
    make(schema, "A", text).insert1((1, 2.0))
    before = ask(f"SELECT oid::bigint AS oid FROM pg_class WHERE relnamespace = '{schema.name}'::regnamespace")
    again = make(dj.Schema(schema.name, connection=second), "A", text)
    assert again.fetch1("x") == 2.0
    assert ask(f"SELECT oid::bigint AS oid FROM pg_class WHERE relnamespace = '{schema.name}'::regnamespace") == before


def test_many_declare_at_once(schema: dj.Schema, server: Any, ask: Ask) -> None:
    """Processes that declare the same schema at the same time all succeed, and the lookup is filled once."""
    together = threading.Barrier(4, timeout=20)

    def declare(_: int) -> int:
        from djarrow.engine.connect import connect

        connection = connect(server.url())
        mine = dj.Schema(schema.name, connection=connection)
        for number in range(5):
            make(mine, f"T{number}", "a : uint8\n---")
        Kind = make(mine, "Kind", "kind : varchar(8)\n---", dj.Lookup, contents=[("x",), ("y",)])
        together.wait()
        try:
            return len(Kind)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(declare, range(4))) == [2, 2, 2, 2]
    assert tables(ask, schema.name) == ["#kind", "t0", "t1", "t2", "t3", "t4"]


def test_a_declaration_that_fails_leaves_nothing(schema: dj.Schema, connection: PostgresConnection, ask: Ask) -> None:
    """When one table of several cannot be made, none is, and the next try starts anew."""
    A = make(schema, "A", "a : uint8\n---")
    make(schema, "B", "-> A\nb : uint8\n---")
    connection.execute(f'CREATE SCHEMA "{schema.name}"')
    connection.execute(f'CREATE VIEW "{schema.name}".b AS SELECT 1 AS x')  # in the way, and no table
    with pytest.raises(EngineError):
        A.declare()
    assert tables(ask, schema.name) == []
    connection.execute(f'DROP VIEW "{schema.name}".b')
    A.declare()
    assert tables(ask, schema.name) == ["a", "b"]


def test_a_user_without_the_right_to_create(schema: dj.Schema, connection: PostgresConnection, ask: Ask) -> None:
    """Where the user may not make schemas, first use raises AccessDenied, and nothing is there."""
    connection.execute("CREATE ROLE nobody_here")
    A = make(schema, "A", "a : uint8\n---")
    try:
        connection.execute("SET ROLE nobody_here")
        with pytest.raises(AccessDenied) as caught:
            A.declare()
    finally:
        connection.execute("RESET ROLE")
        connection.execute("DROP ROLE nobody_here")
    assert isinstance(caught.value, PermissionError)
    assert tables(ask, schema.name) == []


def test_first_use_inside_a_transaction(schema: dj.Schema, connection: PostgresConnection, ask: Ask) -> None:
    """Tables are not made inside a transaction: the error names them and what to call before it."""
    A = make(schema, "A", "a : uint8\n---")
    with connection.transaction, pytest.raises(TransactionError, match=rf"{schema.name}\.a: .*activate\(\)"):
        A.insert1((1,))
    assert tables(ask, schema.name) == []
    schema.activate()
    with connection.transaction:
        A.insert1((1,))
    assert len(A) == 1


# --- statements --------------------------------------------------------------------------------------------------


def test_sixty_tables_take_few_statements(schema: dj.Schema, counting: Any, second: PostgresConnection) -> None:
    """Making 60 tables, and opening them later, takes as many statements as one table does."""
    mine = dj.Schema(schema.name, connection=counting)
    counts: list[int] = []
    for stop in (1, 60):
        for number in range(len(counts), stop):
            make(mine, f"Table{number}", "a : uint8\n---\nx : float64\nindex (x)")
        counting.statements.clear()
        mine.activate()
        counts.append(len(counting.statements))
    assert counts[0] == counts[1] <= 12
    again = dj.Schema(schema.name, connection=counting)
    for number in range(60):
        make(again, f"Table{number}", "a : uint8\n---\nx : float64\nindex (x)")
    counting.statements.clear()
    again.activate()
    assert len(counting.statements) == 1


def test_a_use_after_the_first_asks_nothing_again(schema: dj.Schema, counting: Any) -> None:
    """Once declared, a fetch is one statement; an insert of a row a transaction of one, ended without asking."""
    A = make(dj.Schema(schema.name, connection=counting), "A", "a : uint8\n---")
    A.insert1((1,))
    counting.statements.clear()
    A.fetch()
    assert len(counting.statements) == 1
    A.insert1((2,))
    assert len(counting.statements) == 1 + 3
    with counting.transaction:
        counting.statements.clear()
        A.insert1((3,))
        assert len(counting.statements) == 2


# --- names -------------------------------------------------------------------------------------------------------


def test_names_tell_tiers_and_masters(schema: dj.Schema, ask: Ask) -> None:
    """Lookup #, manual none, imported _, computed __, and a part after its master."""

    @schema
    class TwoPhotonScan(dj.Manual):
        definition = "a : uint8\n---"

        class MovieFrame(dj.Part):
            definition = "-> master\nb : uint8\n---"

    make(schema, "FilterKind", "k : uint8\n---", dj.Lookup)
    make(schema, "RawMovie", "-> TwoPhotonScan\n---", dj.Imported)
    make(schema, "MeanFrame", "-> RawMovie\n---", dj.Computed)
    schema.activate()
    names = ["#filter_kind", "__mean_frame", "_raw_movie", "two_photon_scan", "two_photon_scan__movie_frame"]
    assert tables(ask, schema.name) == names
    assert TwoPhotonScan.MovieFrame().master is TwoPhotonScan


def test_long_names_get_hashed_constraints(schema: dj.Schema, ask: Ask) -> None:
    """Names of 63 bytes are kept whole, their constraints and indexes stay apart, and longer names are refused."""
    table = "T" + "a" * 62
    first, other = "x" * 62 + "1", "x" * 62 + "2"
    A = make(schema, table, f"{first} : uint8\n---\n{other} : uint8\nindex ({other}, {first})")
    make(schema, "Child", f"c : uint8\n---\n-> {table}")
    A.insert1((1, 2))
    with pytest.raises(InvalidValue, match="300"):
        A.insert1((300, 2))
    for values in ("(256, 1)", "(1, 256)"):
        with pytest.raises(RowError):
            ask(f"INSERT INTO {A().full_table_name} VALUES {values}")
    assert table.lower() in tables(ask, schema.name)
    with pytest.raises(DefinitionError, match="PostgreSQL keeps 63"):
        make(schema, table + "a", "a : uint8\n---")
    with pytest.raises(DefinitionError, match="PostgreSQL keeps 63"):
        make(schema, "B", f"{first}1 : uint8\n---")


def test_reserved_words_are_names_like_any_other(schema: dj.Schema) -> None:
    """Tables and attributes named by words of SQL are declared, filled, queried and described."""
    User = make(schema, "User", "select : uint8\n---\nuser : varchar(8)\norder = null : int8\nindex (order, user)")
    Table = make(schema, "Table", "-> User\nfrom : date\n---\nlimit = 5 : uint8")
    User.insert1({"select": 1, "user": "me"})
    Table.insert1({"select": 1, "from": "2024-10-28"})
    assert (User & "user = 'me'").fetch1("select") == 1
    assert (User * Table & "limit = 5").proj("user").fetch1("user") == "me"
    assert "order = null : int8" in User.describe() or "order : int8 = null" in User.describe()


def test_a_schema_with_hyphens(schema: dj.Schema, connection: PostgresConnection, ask: Ask) -> None:
    """A hyphen in a schema's name is quoted wherever it is needed."""
    other = dj.Schema(f"{schema.name}-with-hyphens", connection=connection)
    try:
        A = make(other, "A", "a : uint8\n---\nx : float32\nindex (x)")
        B = make(other, "B", "-> A\n---", dj.Lookup, contents=[])
        A.insert1((1, 0.5))
        B.insert([(1,)], skip_duplicates=True)
        assert len(A & B) == 1
        assert "-> A" in B.describe()
    finally:
        drop_schemas(connection, other.name)


# --- references --------------------------------------------------------------------------------------------------


def test_classes_in_a_function_find_each_other(schema: dj.Schema) -> None:
    """References are resolved in the enclosing function, in nested parts, by `master`, and in the schema."""

    def elsewhere() -> None:
        make(schema, "Known", "k : uint8\n---")

    elsewhere()

    @schema
    class Local(dj.Manual):
        definition = "-> Known\nlocal : uint8\n---"

        class Part(dj.Part):
            definition = "-> master\npart : uint8\n---"

        class Other(dj.Part):
            definition = "-> Local.Part\nother : uint8\n---"

        class Third(dj.Part):
            definition = "-> Part\nthird : uint8\n---"

    @schema
    class Child(dj.Manual):
        definition = "-> Local.Part\n---"

    assert Child().primary_key == ("k", "local", "part")
    assert Local.Other().primary_key == ("k", "local", "part", "other")
    assert Local.Third().spec.parents == (Local.Part().spec.name,)
    schema.activate()


def test_redeclaring_a_class_replaces_it(schema: dj.Schema) -> None:
    """A class defined again, as in a notebook's cell, works; the table and its rows stay."""
    text = "a : uint8\n---\nx : float64"
    first = make(schema, "A", text)
    first.insert1((1, 0.5))
    again = make(schema, "A", text)
    B = make(schema, "B", "-> A\n---")
    B.insert1((1,))
    assert again.fetch1("x") == 0.5
    assert [cls.__name__ for cls in schema.tables].count("A") == 1


# --- differences -------------------------------------------------------------------------------------------------

BASE = "a : uint8\nb : uint8\n---\nx = 1 : float64\ny = null : varchar(8)\n-> [nullable] Other\n"
BASE += "index (x)\nunique index (y)"


@pytest.mark.parametrize(
    ("changed", "difference"),
    [
        (BASE.replace("x = 1 : float64", "x = 1 : float32"), "attribute 'x': the class says float32 = 1"),
        (BASE.replace("x = 1", "x = 2"), "attribute 'x': the class says float64 = 2"),
        (BASE.replace("x = 1 :", "x :"), "attribute 'x': the class says float64, the database float64 = 1"),
        (BASE.replace("varchar(8)", "varchar(9)"), "attribute 'y': the class says varchar(9) = null"),
        (BASE.replace("y = null", "y"), "attribute 'y': the class says varchar(8), the database varchar(8) = null"),
        (BASE.replace("index (x)", "z = 1 : int8\nindex (x)"), "attribute 'z' (int8) is not in the database"),
        (BASE.replace("index (x)", "unique index (x)"), "index unique (x) is not in the database"),
        (BASE.replace("unique index (y)", ""), "index unique (y) is in the database and not in the class"),
        (BASE.replace("a : uint8\nb : uint8\n---\n", "a : uint8\n---\nb : uint8\n"), "primary key: the class says a, "),
        (BASE.replace("a : uint8\nb : uint8", "b : uint8\na : uint8"), "primary key: the class says b, a, "),
        (BASE.replace("[nullable] Other", "[nullable, unique] Other"), "says nullable unique, the database nullable"),
        (BASE.replace("-> [nullable] Other\n", ""), "foreign key (o) -> "),
    ],
)
def test_a_mismatch_names_each_difference(
    schema: dj.Schema, second: PostgresConnection, ask: Ask, changed: str, difference: str
) -> None:
    """A class that says otherwise than the table is refused with what differs; describe shows the table, unchanged."""
    make(schema, "Other", "o : uint8\n---")
    make(schema, "A", BASE).insert1({"a": 1, "b": 1})
    before = make(schema, "A", BASE).describe()
    again = dj.Schema(schema.name, connection=second)
    make(again, "Other", "o : uint8\n---")
    A = make(again, "A", changed)
    for use in (A.declare, A.fetch):
        with pytest.raises(DefinitionMismatch) as caught:
            use()
        assert caught.value.table == f"{schema.name}.a"
        assert any(difference in line for line in caught.value.differences), caught.value.differences
    assert A.describe() == before
    assert ask(f'SELECT count(*) AS n FROM "{schema.name}".a') == [{"n": 1}]


def test_comments_are_no_difference(schema: dj.Schema, second: PostgresConnection) -> None:
    """A class whose comments were edited still agrees with its table."""
    make(schema, "A", "# one\na : uint8  # x\n---").insert1((1,))
    assert len(make(dj.Schema(schema.name, connection=second), "A", "# two\na : uint8  # y\n---")) == 1


# --- what the database itself refuses ----------------------------------------------------------------------------

RAW = """
# all that has a check
key : uint8
---
i8 = 0 : int8
u16 = 0 : uint16
u32 = 0 : uint32
u64 = 0 : uint64
level = 'low' : enum('low', 'it''s high')
day = '2024-10-28' : date
at = '2024-10-28' : timestamp
local = '2024-10-28' : datetime
price = 0 : decimal(5,2)
name = '' : char(3)
"""


@pytest.mark.parametrize(
    ("column", "good", "bad"),
    [
        ("key", "255", "256"),
        ("key", "0", "-1"),
        ("i8", "-128", "-129"),
        ("u16", "65535", "65536"),
        ("u32", "4294967295", "4294967296"),
        ("u64", "18446744073709551615", "18446744073709551616"),
        ("u64", "0", "-1"),
        ("level", "'it''s high'", "'LOW'"),
        ("day", "'9999-12-31'", "'infinity'"),
        ("at", "'2024-10-28T00:00:00Z'", "'-infinity'"),
        ("local", "'2024-10-28T00:00:00'", "'infinity'"),
        ("price", "999.99", "'NaN'"),
        ("name", "'äöü'", "'abcd'"),
    ],
)
def test_the_database_holds_the_ranges_itself(schema: dj.Schema, ask: Ask, column: str, good: str, bad: str) -> None:
    """A raw INSERT of another client is held to the type's range, too."""
    A = make(schema, "A", RAW)
    A.declare()
    other = "" if column == "key" else ", key"
    value = "" if column == "key" else ", 7"
    with pytest.raises(dj.DjarrowError) as caught:
        ask(f"INSERT INTO {A().full_table_name} ({column}{other}) VALUES ({bad}{value})")
    assert isinstance(caught.value, InvalidValue | EngineError)
    assert len(A) == 0
    ask(f"INSERT INTO {A().full_table_name} ({column}{other}) VALUES ({good}{value})")
    assert len(A) == 1


def test_a_refused_raw_row_names_its_attribute(schema: dj.Schema, ask: Ask) -> None:
    """A check of the database that fails is an InvalidValue with the table and the attribute."""
    A = make(schema, "A", RAW)
    A.declare()
    with pytest.raises(InvalidValue) as caught:
        ask(f"INSERT INTO {A().full_table_name} (key) VALUES (256)")
    assert (caught.value.table, caught.value.attribute) == (f"{schema.name}.a", "key")


def test_a_singleton_takes_one_row(schema: dj.Schema, ask: Ask) -> None:
    """A table without key attributes holds at most one row, whoever inserts, and shows no hidden column."""
    One = make(schema, "One", "---\nvalue : float64\nnote = null : varchar(8)")
    assert One().primary_key == ()
    assert One().heading.names == ("value", "note")
    One.insert1({"value": 0.5})
    with pytest.raises(dj.errors.DuplicateKey):
        One.insert1((1.5, None))
    with pytest.raises(dj.errors.DuplicateKey):
        ask(f"INSERT INTO {One().full_table_name} (value) VALUES (2)")
    with pytest.raises(RowError):
        ask(f"INSERT INTO {One().full_table_name} (value, _singleton) VALUES (2, false)")
    assert One.fetch1() == {"value": 0.5, "note": None}
    assert One.insert([(7.0, None)], skip_duplicates=True) == 0


def test_unique_and_nullable_foreign_keys(schema: dj.Schema, ask: Ask) -> None:
    """Both options are the database's own, and NULLs do not count as equal."""
    Parent = make(schema, "Parent", "p : uint8\nq : uint8\n---")
    Child = make(schema, "Child", "c : uint8\n---\n-> [nullable, unique] Parent")
    Parent.insert([(1, 1), (1, 2)])
    Child.insert([(1, 1, 1), (2, None, None), (3, None, None), (4, 1, 2)])
    with pytest.raises(dj.errors.DuplicateKey):
        ask(f"INSERT INTO {Child().full_table_name} VALUES (5, 1, 1)")
    with pytest.raises(MissingParent):
        ask(f"INSERT INTO {Child().full_table_name} VALUES (5, 9, 9)")
    assert len(Child) == 4


def test_indexes_are_there(schema: dj.Schema, ask: Ask) -> None:
    """Declared indexes exist, and each foreign key has one unless another index begins with its attributes."""
    make(schema, "Parent", "p : uint8\n---")
    make(schema, "Far", "f : uint8\n---")
    make(
        schema,
        "Child",
        "-> Parent\nc : uint8\n---\n-> Far\nx : uint8\ny : uint8\nunique index (x, y)\nindex (y)\n"
        "-> [nullable] Parent.proj(other='p')",
    ).declare()
    rows = ask(f"SELECT indexdef FROM pg_indexes WHERE schemaname = '{schema.name}' AND tablename = 'child'")
    found = sorted((" UNIQUE " in r["indexdef"], r["indexdef"].partition("btree ")[2]) for r in rows)
    assert found == [(False, "(f)"), (False, "(other)"), (False, "(y)"), (True, "(p, c)"), (True, "(x, y)")]


def test_comments_are_stored(schema: dj.Schema, ask: Ask) -> None:
    """Columns carry `:type:comment`, which tells the declared type, and the table its own comment."""
    make(
        schema, "A", "# it's a \"table\"\na : uint8  # the key: 100% 'quoted'\n---\nx = null : enum('a','b:c')"
    ).declare()
    rows = ask(
        "SELECT attname::text AS name, col_description(attrelid, attnum) AS comment FROM pg_attribute "
        f"WHERE attrelid = '\"{schema.name}\".a'::regclass AND attnum > 0 ORDER BY attnum"
    )
    assert [(r["name"], r["comment"]) for r in rows] == [
        ("a", ":uint8:the key: 100% 'quoted'"),
        ("x", ":enum('a','b:c'):"),
    ]
    (row,) = ask(f"SELECT obj_description('\"{schema.name}\".a'::regclass) AS comment")
    assert row["comment"] == 'it\'s a "table"'


# --- describe ----------------------------------------------------------------------------------------------------

EVERYTHING = """
# every kind: of "line"
-> Parent
-> Parent.proj(other_p='p')
key : varchar(5)  # a key's comment: # with marks
day : date
---
i8 = -128 : int8
u8 = 255 : uint8
i16 = null : int16
u16 = 7 : uint16
i32 : int32
u32 : uint32
i64 = -9223372036854775808 : int64
u64 = 18446744073709551615 : uint64
f32 = 1.5 : float32
f64 = -0.1 : float64
big = 1e300 : float64
price = 3.14 : decimal(7,4)
flag = true : bool
off = false : bool
c = 'x' : char(2)
text = "it's \\"so\\" # not: a comment = (1)" : varchar(80)
slash = 'back\\\\slash' : varchar(20)
empty = '' : varchar(3)
level = "b'c" : enum('a', "b'c", 'd"e', 'f:g', 'h,i')
day2 = '2024-10-28' : date
born = NOW : date
clock = '12:30:00.25' : time
at = NOW : timestamp
since = '2024-10-28 12:00:00' : timestamp
local = NOW : datetime
then = '2024-10-28T12:00:00.5' : datetime
id = null : uuid
doc = null : json
data = null : blob  # bytes
-> [nullable] Kind
-> [unique] Kind.proj(second_kind='kind')
-> [nullable, unique] Far.proj(x='f')
index (i8, u8)
unique index (f64)
index (g)
"""


def surroundings(schema: dj.Schema) -> None:
    """The parents that EVERYTHING refers to."""
    make(schema, "Parent", "p : uint32\n---")
    make(schema, "Kind", "kind : varchar(4)\n---", dj.Lookup)
    make(schema, "Far", "f : uint8\ng : uint8\n---")


def test_describe_declares_the_same_table_again(schema: dj.Schema, second: PostgresConnection) -> None:
    """The text of describe() is a definition of the same table: dropped and declared from it, nothing differs."""
    surroundings(schema)
    A = make(schema, "A", EVERYTHING)
    described = A.describe()
    Parent = make(dj.Schema(schema.name, connection=second), "Parent", "p : uint32\n---")
    assert Parent.describe() == "p : uint32\n---\n"
    stored = schema.stored_spec(A().spec.name)
    assert stored.heading == A().spec.heading
    assert set(stored.foreign_keys) == set(A().spec.foreign_keys)
    schema.connection.execute(f"DROP TABLE {A().full_table_name}")
    again = dj.Schema(schema.name, connection=second)
    surroundings(again)
    B = make(again, "A", described)
    B.declare()
    assert B.describe() == described
    assert again.stored_spec(B().spec.name) == stored


def test_describe_of_parts_and_other_schemas(schema: dj.Schema, connection: PostgresConnection) -> None:
    """A part refers to `master`; a table of another schema is named with its schema."""
    other = dj.Schema(f"{schema.name}_far", connection=connection)
    try:
        Image = make(other, "Image", "image : uint8\n---")

        @schema
        class Scan(dj.Manual):
            definition = "-> Image\nscan : uint8\n---"

            class Line(dj.Part):
                definition = "-> master\nline : uint8\n---\nx : float32"

        assert Image().spec.tier.name == "manual"
        assert Scan.Line.describe() == "-> master\nline : uint8\n---\nx : float32\n"
        assert Scan.describe() == f"-> {other.name}.Image\nscan : uint8\n---\n"
    finally:
        drop_schemas(connection, other.name)


# --- lookups -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "contents",
    [
        [("a", 1), ("b", 2)],
        (("a", 1), ("b", 2)),
        [{"kind": "a", "x": 1}, {"x": 2, "kind": "b"}],
        [["a", 1], ["b", 2]],
        zip("ab", (1, 2), strict=True),
        (pair for pair in (("a", 1), ("b", 2))),
    ],
    ids=["tuples", "tuple of tuples", "dicts", "lists", "zip", "generator"],
)
def test_contents_are_there_when_declared(schema: dj.Schema, contents: Any) -> None:
    """Contents of every form are inserted when the table is made."""
    Kind = make(schema, "Kind", "kind : varchar(4)\n---\nx : uint8", dj.Lookup, contents=contents)
    assert Kind.to_dicts() == [{"kind": "a", "x": 1}, {"kind": "b", "x": 2}]


def test_contents_that_are_computed(schema: dj.Schema) -> None:
    """Contents may be a property of the class, and may refer to another lookup's rows."""
    Base = make(schema, "Base", "base : uint8\n---", dj.Lookup, contents=itertools.product(range(3)))
    Twice = make(
        schema,
        "Twice",
        "-> Base\n---\ntwice : uint8",
        dj.Lookup,
        contents=property(lambda _: [{**key, "twice": 2 * key["base"]} for key in Base.keys()]),  # noqa: SIM118
    )
    assert Twice.fetch("twice").tolist() == [0, 2, 4]


def test_only_new_contents_are_added_later(schema: dj.Schema, second: PostgresConnection) -> None:
    """A longer list of contents adds the new rows, and leaves those that are there as they are."""
    text = "kind : varchar(4)\n---\nx : uint8"
    first = make(schema, "Kind", text, dj.Lookup, contents=[("a", 1)])
    first.insert1(("mine", 9))
    again = make(dj.Schema(schema.name, connection=second), "Kind", text, dj.Lookup, contents=[("a", 5), ("b", 2)])
    with pytest.warns(UserWarning, match=r"kind = 'a': x 1 -> 5"):
        assert again.to_dicts() == [{"kind": "a", "x": 1}, {"kind": "b", "x": 2}, {"kind": "mine", "x": 9}]


def test_wrong_contents_say_so_on_first_use(schema: dj.Schema) -> None:
    """Contents that do not fit raise the error of an insert, each time."""
    Kind = make(schema, "Kind", "kind : varchar(1)\n---", dj.Lookup, contents=[("a",), ("too long",)])
    for _ in range(2):
        with pytest.raises(InvalidValue, match="'too long'"):
            Kind.fetch()


# --- classes declared again, or in several places ----------------------------------------------------------------


def test_two_schema_objects_of_one_name(schema: dj.Schema) -> None:
    """A table can refer to one of another Schema object of the same name, and finds its key source there."""

    @schema
    class Scan(dj.Manual):
        definition = "scan_id : uint8\n---"

    again = dj.Schema(schema.name, connection=schema.connection)

    @again
    class Result(dj.Computed):
        definition = "-> Scan\n---"

        def make(self, key: dict[str, Any]) -> None:
            self.insert1(key)

    again.activate()
    Scan.insert([(1,), (2,)])
    assert Result.populate().done == 2


def test_the_schema_in_use_says_what_its_table_is(schema: dj.Schema) -> None:
    """Where two Schema objects of one name declare a table, that of the one in use counts, as when a cell runs anew."""
    make(schema, "Scan", "scan_id : uint8\n---\ndepht : float64")
    again = dj.Schema(schema.name, connection=schema.connection)
    Earlier = schema.tables[0]

    @again
    class Result(dj.Manual):
        definition = "-> Earlier\n---"

    Scan = make(again, "Scan", "scan_id : uint8\n---\ndepth : float64")
    Scan.insert1((1, 0.5))
    assert Scan.to_dicts() == [{"scan_id": 1, "depth": 0.5}]
    assert Result.insert([(1,)]) == 1
    assert Earlier().spec.name == Scan().spec.name


def test_a_refused_class_leaves_the_earlier_one(schema: dj.Schema) -> None:
    """Where a class is declared anew and refused, the schema keeps the earlier class and its table is made."""
    first = make(schema, "A", "a : uint8\n---")

    class A(dj.Manual):
        definition = "a : uint16\n---"

        class Item(dj.Part):
            definition = "-> Nowhere"

    with pytest.raises(DefinitionError):
        schema(A)
    with pytest.raises(DefinitionError, match="belongs to no schema"):
        A.fetch()
    assert schema.tables == (first,)
    assert first.insert([(1,)]) == 1


def test_a_class_may_mention_the_part_of_another(schema: dj.Schema) -> None:
    """A part that stands as an attribute in another master's class remains the part of its own master."""

    @schema
    class Recording(dj.Manual):
        definition = "recording : uint8\n---"

        class Channel(dj.Part):
            definition = "-> master\nchannel : uint8\n---"

    @schema
    class Sorting(dj.Manual):
        definition = "sorting : uint8\n---"
        source = Recording.Channel

    assert Recording.Channel().spec.name.table == "recording__channel"
    assert schema.tables == (Recording, Recording.Channel, Sorting)


@pytest.mark.parametrize("name", ["tier", "schema", "spec", "node", "heading", "primary_key", "full_table_name"])
def test_names_that_a_table_needs(schema: dj.Schema, name: str) -> None:
    """A class that takes a name by which tables know what they are is refused with that name."""
    with pytest.raises(DefinitionError, match=f"attribute '{name}'"):
        schema(type("A", (dj.Manual,), {"definition": "a : uint8\n---", name: "mine"}))


def test_a_part_without_a_master(schema: dj.Schema) -> None:
    """A part that is decorated by itself is refused with where it belongs."""
    with pytest.raises(DefinitionError, match="nest it in the master's class"):
        make(schema, "Item", "item : uint8\n---", dj.Part)


def test_a_definition_can_be_a_property(schema: dj.Schema) -> None:
    """A definition that a property composes is read as any other."""

    @schema
    class A(dj.Manual):
        @property
        def definition(self) -> str:  # type: ignore[override]
            return "a : uint8\n---"

    assert A.insert([(1,)]) == 1


def test_describe_of_a_table_that_is_gone(schema: dj.Schema) -> None:
    """A table that was dropped since it was made cannot be described, and the error says so."""
    A = make(schema, "A", "a : uint8\n---")
    A.declare()
    schema.connection.execute(f'DROP TABLE "{schema.name}".a')
    with pytest.raises(QueryError, match="was dropped"):
        A.describe()


# --- contents of lookups -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "contents",
    [
        [("a", 1), ("b", 2)],
        pl.DataFrame({"mode": ["a", "b"], "x": [1, 2]}),
        pl.DataFrame({"mode": ["a", "b"], "x": [1, 2]}).to_arrow(),
        (row for row in [{"mode": "a", "x": 1}, {"mode": "b", "x": 2}]),
        property(lambda _: [("a", 1), ("b", 2)]),
    ],
    ids=["tuples", "polars", "arrow", "generator", "property"],
)
def test_contents_take_what_insert_takes(schema: dj.Schema, contents: Any) -> None:
    """The contents of a lookup are rows in any form that insert takes."""
    Mode = make(schema, "Mode", "mode : varchar(8)\n---\nx : uint8", dj.Lookup, contents=contents)
    assert Mode.to_dicts() == [{"mode": "a", "x": 1}, {"mode": "b", "x": 2}]


@pytest.mark.parametrize("contents", [None, "ab", list], ids=["none", "text", "function"])
def test_contents_that_are_no_rows(schema: dj.Schema, contents: Any) -> None:
    """Contents that are no sequence of rows are refused with the table."""
    Mode = make(schema, "Mode", "mode : varchar(8)\n---", dj.Lookup, contents=contents)
    with pytest.raises(InvalidValue, match=r"#mode.*(no sequence of|names no) rows"):
        Mode.fetch()


def test_lookups_of_two_schemas_are_filled_parents_first(schema: dj.Schema, connection: PostgresConnection) -> None:
    """Contents that refer to the contents of a lookup in another schema go in after those."""
    Mode = make(schema, "Mode", "mode : uint8\n---", dj.Lookup, contents=[(1,)])
    other = dj.Schema(f"{schema.name}_other", connection=connection)

    @other
    class Setting(dj.Lookup):
        definition = "-> Mode\n---"
        contents = ((1,),)

    try:
        assert Setting.to_dicts() == Mode.to_dicts() == [{"mode": 1}]
    finally:
        drop_schemas(connection, other.name)


def test_who_may_only_read_uses_a_schema_with_lookups(
    schema: dj.Schema, server: EmbeddedServer, connection: PostgresConnection
) -> None:
    """A user without the right to insert reads the tables of a schema whose lookups are filled."""
    url = server.url()
    assert url is not None
    reader = f"reader_{schema.name}"
    make(schema, "Mode", "mode : uint8\n---", dj.Lookup, contents=[(1,)]).declare()
    connection.execute(f"CREATE ROLE {reader} LOGIN PASSWORD 'x'")
    connection.execute(f'GRANT USAGE ON SCHEMA "{schema.name}" TO {reader}')
    connection.execute(f'GRANT SELECT ON ALL TABLES IN SCHEMA "{schema.name}" TO {reader}')
    place = urlsplit(url)
    opened = connect(place._replace(netloc=f"{reader}:x@{place.hostname}:{place.port}").geturl())
    try:
        again = dj.Schema(schema.name, connection=opened)
        assert len(make(again, "Mode", "mode : uint8\n---", dj.Lookup, contents=[(1,)])) == 1
    finally:
        opened.close()
        connection.execute(f"DROP OWNED BY {reader}")
        connection.execute(f"DROP ROLE {reader}")


def test_parts_do_not_nest(schema: dj.Schema) -> None:
    """A part of a part is refused where the master is decorated (000 "A Part Table Cannot Be a Master Table")."""

    class Scan(dj.Manual):
        definition = "scan : int32\n---\n"

        class Field(dj.Part):
            definition = "-> master\nfield : int32\n---\n"

            class Cell(dj.Part):
                definition = "-> master\ncell : int32\n---\n"

    with pytest.raises(DefinitionError, match="parts do not nest"):
        schema(Scan)
    assert schema.tables == ()


def test_a_class_without_schema_has_no_heading() -> None:
    """A class that no schema decorated lacks what a table has, as `hasattr` understands, and says what to do."""

    class Loose(dj.Manual):
        definition = "loose : int32\n---\n"

    assert not hasattr(Loose, "heading")
    with pytest.raises(NoSchema, match="decorate it"):
        Loose.fetch()
