"""A class and its table that no longer agree: told when the class is used, before anything wrong is read or written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import DefinitionMismatch, EngineError, TableChanged
from djarrow.model.heading import Special
from djarrow.table.declaring import declare


def _table(schema: dj.Schema, name: str, definition: str, **members: Any) -> type[dj.Manual]:
    made: type[dj.Manual] = schema(type(name, (dj.Manual,), {"definition": definition, **members}))
    return made


@pytest.fixture
def altered(schema: dj.Schema, connection: PostgresConnection) -> Callable[[str, Any, str], type[dj.Manual]]:
    """A class T in use, whose attribute x of a type another process then turned into a column of another type."""

    def make(kind: str, value: Any, column: str) -> type[dj.Manual]:
        table = _table(schema, "T", f"k : int32\n---\nx : {kind}")
        table.insert1((1, value))
        connection.execute(f'ALTER TABLE "{schema.name}".t ALTER x DROP DEFAULT')
        connection.execute(f'ALTER TABLE "{schema.name}".t DROP CONSTRAINT IF EXISTS "t check x"')
        connection.execute(f'ALTER TABLE "{schema.name}".t ALTER x TYPE {column}')
        return table

    return make


CHANGES = [
    ("int64", 5, "double precision"),
    ("int32", 5, "real"),
    ("int64", 5, "integer"),
    ("date", "2020-01-01", "integer USING 5"),
    ("int32", 5, "date USING '2020-01-01'::date"),
    ("timestamp", "2020-01-01", "bigint USING 5"),
    ("float64", 1.5, "bigint"),
    ("float32", 1.5, "double precision"),
    ("varchar(9)", "a", "bytea USING x::bytea"),
]


@pytest.mark.parametrize("change", CHANGES, ids=[f"{k} to {c}" for k, _, c in CHANGES])
@pytest.mark.parametrize("skip_duplicates", [False, True])
def test_nothing_is_written_into_columns_of_other_types(
    altered: Callable[..., type[dj.Manual]],
    connection: PostgresConnection,
    change: tuple[str, Any, str],
    skip_duplicates: bool,
) -> None:
    """COPY takes bytes of any type that is as wide: the columns are looked at first."""
    table, value = altered(*change), change[1]
    with pytest.raises(TableChanged, match=r"'x' is .*altered") as caught:
        table.insert([(2, value)], skip_duplicates=skip_duplicates)
    assert caught.value.table == str(table().spec.name)
    assert connection.query(f"SELECT count(*) AS n FROM {table.full_table_name}").to_pylist() == [{"n": 1}]


@pytest.mark.parametrize(("kind", "value", "column"), CHANGES, ids=[f"{k} to {c}" for k, _, c in CHANGES])
def test_nothing_is_read_as_another_type(
    altered: Callable[..., type[dj.Manual]], kind: str, value: Any, column: str
) -> None:
    """A column that cannot be the attribute's raises, where a cast would give some value."""
    table = altered(kind, value, column)
    for read in (table.to_dicts, table.to_polars, table.to_arrow, table.fetch1, lambda: next(iter(table()))):
        if (kind, column) == ("int64", "integer"):
            assert read() is not None  # nothing is lost
        else:
            with pytest.raises((TableChanged, EngineError), match=r"'x' is|cannot cast"):
                read()


def test_a_value_that_an_enum_does_not_list(schema: dj.Schema, connection: PostgresConnection) -> None:
    """A value that another process added to an enum is not read as NULL."""
    table = _table(schema, "T", "k : int32\n---\nx : enum('a', 'b')")
    table.insert1((1, "a"))
    connection.execute(f'ALTER TABLE "{schema.name}".t DROP CONSTRAINT "t check x"')
    connection.execute(f"INSERT INTO \"{schema.name}\".t VALUES (2, 'z')")
    for read in (table.to_dicts, table.to_polars, table.to_arrow, lambda: table.fetch("x")):
        with pytest.raises(TableChanged, match=r"'x' is enum.*does not list"):
            read()
    assert (table & "k = 1").fetch1("x") == "a"


def test_a_number_that_grew(schema: dj.Schema, connection: PostgresConnection) -> None:
    """A value outside of the declared range, after another process widened the column, says so."""
    table = _table(schema, "T", "k : int32\n---\nx : int16")
    table.insert1((1, 7))
    connection.execute(f'ALTER TABLE "{schema.name}".t ALTER x TYPE bigint')
    connection.execute(f'INSERT INTO "{schema.name}".t VALUES (2, 100000)')
    for read in (table.to_dicts, table.to_polars):
        with pytest.raises(TableChanged, match="'x' is int16"):
            read()


def test_a_refused_insert_leaves_the_transaction_in_use(altered: Callable[..., type[dj.Manual]]) -> None:
    """Within a transaction of the user's the refusal comes before anything was sent."""
    table = altered("int64", 5, "double precision")
    connection: Any = table().schema.ready_connection()
    with connection.transaction:
        with pytest.raises(TableChanged):
            table.insert1((2, 5))
        assert len(table()) == 1


# --- one of many classes -----------------------------------------------------------------------------------------


@pytest.fixture
def again(schema: dj.Schema) -> dj.Schema:
    """The schema in another process, after tables A, B and C -> A were made."""
    for name, definition in (("A", "a : int32"), ("B", "b : int32\n---\nx = 1 : int16"), ("C", "-> A\nc : int32")):
        _table(schema, name, definition)
    schema.activate()
    return dj.Schema(schema.name, connection=schema.connection, context={})


def test_others_are_used_while_one_disagrees(again: dj.Schema) -> None:
    """A class that disagrees is refused when used; the others of its schema, new ones too, are no worse for it."""
    A = _table(again, "A", "a : int32")
    B = _table(again, "B", "b : int32\n---\nx = 1 : int32")
    New = _table(again, "New", "-> A\nn : int8")
    assert A.insert([(1,), (2,)]) == 2
    assert New.insert([(1, 1)]) == 1
    assert len(A * New) == 1
    for use in (B.to_dicts, lambda: B.insert1((1, 1)), lambda: len(A * B), lambda: len(B & "x = 1")):
        with pytest.raises(DefinitionMismatch, match="the class says int32 = 1, the database int16 = 1") as caught:
            use()
        assert caught.value.table == f"{again.name}.b"
    with pytest.raises(DefinitionMismatch):
        again.activate()
    assert B.alter(prompt=False)
    assert B.insert1((1, 100_000)) == 1


def test_new_tables_below_one_that_disagrees(again: dj.Schema) -> None:
    """A new table whose parent disagrees is not made, and using it tells of the parent."""
    B = _table(again, "B", "b : int64\n---\nx = 1 : int16")
    Below = _table(again, "Below", "-> B\nn : int8")
    A = _table(again, "A", "a : int32")
    assert len(A()) == 0
    assert Below().spec.parents == (B().spec.name,)
    with pytest.raises(DefinitionMismatch) as caught:
        len(Below())
    assert caught.value.table == f"{again.name}.b"
    assert not any(name.table == "below" for name in declare.stored(again.connection, {again.name}).specs)


def test_a_refused_class_leaves_no_link(schema: dj.Schema) -> None:
    """A class that was refused after its references were found does not draw in the schema of its parent."""
    other = dj.Schema(f"{schema.name}_other", connection=schema.connection)
    P = _table(other, "P", "p : int8")
    part = type("Part", (dj.Part,), {"definition": "wrong : int99"})
    context = dj.Schema(schema.name, connection=schema.connection, context={"P": P})
    with pytest.raises(dj.errors.DefinitionError):
        _table(context, "Q", "-> P\n---", Part=part)
    assert len(_table(context, "Ok", "o : int8")()) == 0
    assert not other.exists


# --- defaults of other software ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "default", "shown"),
    [
        ("varchar(50)", "md5('x')", None),
        ("varchar(50)", "CURRENT_USER", None),
        ("varchar(50)", "'it''s'", "it's"),
        ("varchar(50)", "'md5(''x''::text)'", "md5('x'::text)"),
        ("varchar(50)", "('a' || 'b')", None),
        ("integer", "-3", -3),
        ("integer", "(1 + 2)", None),
        ("double precision", "-2.5", -2.5),
        ("boolean", "true", True),
        ("timestamp with time zone", "now()", Special.NOW),
        ("uuid", "gen_random_uuid()", None),
    ],
)
def test_a_default_of_other_software(
    schema: dj.Schema, connection: PostgresConnection, column: str, default: str, shown: Any
) -> None:
    """A default that is a value is read as it; one that the server computes counts as none, and is never its text."""
    connection.execute(f'CREATE SCHEMA "{schema.name}"')
    connection.execute(
        f'CREATE TABLE "{schema.name}".other (a integer PRIMARY KEY, x {column} NOT NULL DEFAULT {default})'
    )
    [spec] = declare.stored(connection, {schema.name}).specs.values()
    assert spec.heading["x"].default == shown
