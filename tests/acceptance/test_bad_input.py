"""Bad input: each kind gives an error that says what was wrong, where, and what to do, and changes nothing."""

# ruff: noqa: PT012, PLR0917 - what raises is a block with all that is in it; pytest passes arguments by name

from __future__ import annotations

import contextlib
import operator
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import (
    CyclicDependency,
    DefinitionError,
    DefinitionMismatch,
    DefinitionSyntaxError,
    DjarrowError,
    DuplicateKey,
    IncompatibleOperands,
    InvalidCondition,
    InvalidTerm,
    InvalidValue,
    MissingField,
    MissingParent,
    RowError,
    UnknownAttribute,
    UnknownField,
    UnknownReference,
    UnknownType,
)
from djarrow.sql.catalog import tables_of
from tests.processes import PLACES

HUGE = 10_000_000 if "DJARROW_SOAK" in os.environ else 3_000_000
"""Characters of definitions that nobody means."""


def state(connection: PostgresConnection, *schemas: str) -> tuple[Any, ...]:
    """What a database holds in these schemas: which of them exist, their catalog, and every row as text."""
    listed = ", ".join(f"'{name}'" for name in schemas)
    present = connection.read(f"SELECT nspname::text AS n FROM pg_namespace WHERE nspname IN ({listed}) ORDER BY 1")
    catalog = connection.read(tables_of(schemas)).to_pylist()
    rows = {
        (t["schema"], t["table"]): connection.read(
            f'SELECT x::text AS row FROM "{t["schema"]}"."{t["table"]}" AS x ORDER BY 1'
        ).to_pylist()
        for t in catalog
    }
    return present.to_pylist(), catalog, rows


@contextlib.contextmanager
def nothing_changes(connection: PostgresConnection, *schemas: str) -> Iterator[None]:
    """Asserts that the schemas hold the same after the block as before."""
    before = state(connection, *schemas)
    yield
    assert state(connection, *schemas) == before


# --- definitions -------------------------------------------------------------------------------------------------


@pytest.fixture
def parent(schema: dj.Schema) -> type[dj.Manual]:
    """A table that is there, with a row."""

    @schema
    class Animal(dj.Manual):
        definition = "animal_id : uint8\n---\nweight = null : float32"

    Animal.insert1((1, 2.5))
    return Animal


def declare(schema: dj.Schema, definition: str, *, parent: type[dj.Table] | None = None) -> type[dj.Manual]:
    """Declare a table Scan with this definition, next to a class Animal."""
    Animal = parent
    assert Animal is None or Animal.__name__ == "Animal"
    cls = type("Scan", (dj.Manual,), {"definition": definition})
    return schema(cls)


@pytest.mark.parametrize(
    ("definition", "line", "column", "expected"),
    [
        ("scan_id ; uint8\n---", 1, 9, "`:`"),
        ("scan_id : uint8\n---\ndepth float32", 3, 7, "`:`"),
        ("-> Animal\nscan_id : uint8\n---\nlens : varchar(12", 4, 18, "`)`"),
        ("-> [nulable] Animal\n---", 1, 5, "`nullable` or `unique`"),
        ("scan_id : uint8\n---\nindex depth", 3, 7, "`(`"),
        ("scan_id : uint8\n---\ndepth : float32 = ", 3, 18, "a default value"),
    ],
)
def test_a_typo_is_shown_with_line_and_column(
    connection: PostgresConnection,
    schema: dj.Schema,
    parent: type[dj.Manual],
    definition: str,
    line: int,
    column: int,
    expected: str,
) -> None:
    """A definition with a typo: the table, line, column, the text with a pointer, and what was expected."""
    with nothing_changes(connection, schema.name), pytest.raises(DefinitionSyntaxError) as caught:
        declare(schema, definition, parent=parent)
    error = caught.value
    assert issubclass(caught.type, ValueError)
    text = definition.splitlines()[line - 1]
    assert (error.table, error.line, error.column, error.text) == ("scan", line, column, text)
    assert f"Table 'scan', line {line}, column {column}: expected" in str(error)
    assert expected in str(error)
    assert str(error).splitlines()[1:] == ["    " + text, "    " + " " * (column - 1) + "^"]


@pytest.mark.parametrize(
    ("definition", "line", "column", "said"),
    [
        ("scan_id : uint8\n scan_id : uint8\n---", 2, 2, "'scan_id' is defined a second time"),
        ("-> Animal\n---\n animal_id : uint8", 3, 2, "'animal_id' is defined a second time"),
        ("scan_id : uint8\n---\n ---", 3, 2, "a second `---`"),
        ("scan_id = 1 : uint8\n---", 1, 11, "'scan_id' is in the primary key and cannot have a default"),
        ("scan_id : uint8 = 1\n---", 1, 19, "'scan_id' is in the primary key and cannot have a default"),
        ("scan_id : uint8 = null\n---", 1, 19, "'scan_id' is in the primary key and cannot"),
        ("scan_id : blob\n---", 1, 11, "'scan_id' cannot be in the primary key"),
        ("scan_id : json\n---", 1, 11, "'scan_id' cannot be in the primary key"),
        ("ScanId : uint8\n---", 1, 1, "'ScanId' must start with a lowercase letter"),
        ("scan_id : uint8\n---\n Scan_id : uint8", 3, 2, "'Scan_id' must start with a lowercase letter"),
        (" _scan : uint8\n---", 1, 2, "'_scan' must start with a lowercase letter"),
        ("größe : uint8\n---", 1, 1, "'größe' must start with a lowercase letter"),
        ("scan_id : uint8\n---\nläufer : uint8", 3, 1, "'läufer' must start with a lowercase letter"),
        (f"scan_id : uint8\n---\n\t{'d' * 64} : uint8", 3, 2, "has 64 bytes; PostgreSQL keeps 63"),
        ("-> Animal.proj(_x='animal_id')\n---", 1, 4, "'_x' must start with a lowercase letter"),
        (f"-> Animal.proj({'d' * 64}='animal_id')\n---", 1, 4, "has 64 bytes; PostgreSQL keeps 63"),
        ("scan_id : uint8\n---\ndepth = 300 : uint8", 3, 9, "default of 'depth': '300' is no uint8"),
        ("scan_id : uint8\n---\ndepth : uint8 = deep", 3, 17, "default of 'depth': 'deep' is no uint8"),
        ("scan_id : uint8\n---\nside = 'up' : enum('left', 'right')", 3, 8, "'up' is no enum('left','right')"),
        ("scan_id : uint8\n---\ndepth = 12.345 : decimal(4,2)", 3, 9, "'12.345' is no decimal(4,2)"),
        ("scan_id : uint8\n---\nname = 'much too long' : varchar(4)", 3, 8, "'much too long' is no varchar(4)"),
        ("scan_id : uint8\n---\nday = tomorrow : date", 3, 7, "'tomorrow' is no date"),
        ("scan_id : uint8\n---\ntoken = 'x' : uuid", 3, 9, "a uuid takes no default but null"),
        ("scan_id : float32 auto_increment\n---", 1, 11, "float32 does not count up by itself"),
        ("scan_id = 1 : uint8 auto_increment\n---", 1, 11, "an attribute that counts up by itself has no other"),
        ("scan_id : uint8\n---\n n : uint8 auto_increment", 3, 2, "'n' counts up by itself, so it must be the primary"),
        (
            "a : uint8\n b : uint8 auto_increment\n---",
            2,
            2,
            "'b' counts up by itself, so it must be the only attribute",
        ),
        ("-> Animal\nb : uint8 auto_increment\n---", 2, 1, "'b' counts up by itself, so it must be the only attribute"),
        ("-> Animal\n---\n-> [nullable] Animal.proj()", 3, 15, "'Animal' stands here twice"),
        ("a : uint8\n---\nb : uint8\n-> [nullable] Animal.proj(b='animal_id')", 4, 15, "which other lines require"),
        ("scan_id : uint8\n---\n-> Animal\n-> Animal", 4, 4, "'Animal' stands here twice"),
        ("-> [nullable] Animal\n---", 1, 15, "cannot be nullable; put it below `---`"),
        ("-> Animal.proj(a='animal')\n---", 1, 4, "Did you mean 'animal_id'?"),
        (
            "scan_id : uint8\n---\nanimal_id : uint16\n-> Animal",
            4,
            4,
            "'animal_id' is uint16 here and uint8 in 'Animal'",
        ),
        ("scan_id : uint8\n---\ndepth : float32\nindex (scan_id, dept)", 4, 17, "Did you mean 'depth'?"),
        ("scan_id : uint8\n---\nindex (scan_id, scan_id)", 3, 8, "an index names each attribute once"),
        ("scan_id : uint8\n---\nindex ((year(scan)))", 3, 8, "(year(scan))"),
        ("\n".join(f"a{i} : int8" for i in range(33)), 33, 1, "at most 32 attributes in its key; 'a32' is one more"),
        ("a : int8\n---\n" + "\n".join(f"a{i} : int8" for i in range(1600)), 1602, 1, "at most 1600 attributes"),
        (
            "\n".join(f"a{i} : int8" for i in range(32)) + "\n-> Animal\n---",
            33,
            4,
            "at most 32 attributes in its key; 'animal_id' is one more",
        ),
        (
            "---\n"
            + "\n".join(f"a{i:02} : int8" for i in range(33))
            + f"\nindex ({', '.join(f'a{i:02}' for i in range(33))})",
            35,
            168,
            "an index has at most 32 terms",
        ),
    ],
)
def test_a_line_that_cannot_be_meant(
    connection: PostgresConnection,
    schema: dj.Schema,
    parent: type[dj.Manual],
    definition: str,
    line: int,
    column: int,
    said: str,
) -> None:
    """A line that follows the grammar and makes no sense: the table, the place, and what is wrong there."""
    with nothing_changes(connection, schema.name), pytest.raises(DefinitionError) as caught:
        declare(schema, definition, parent=parent)
    assert said in str(caught.value)
    assert (caught.value.table, caught.value.line, caught.value.column) == ("scan", line, column)
    assert str(caught.value).startswith(f"Table 'scan', line {line}, column {column}: ")


@pytest.mark.parametrize(
    ("definition", "said"),
    [
        ("", "a table has at least one attribute"),
        ("  \n\t\n", "a table has at least one attribute"),
        ("# only a comment", "a table has at least one attribute"),
        ("---\n---- ", "a second `---`"),
        ("---", "a table has at least one attribute"),
        ("---\n" + "\n".join(f"a{i} : int8" for i in range(1600)), "a table without a key has at most 1599 attributes"),
        (None, "the class has no `definition`, a text."),
        (b"scan_id : uint8", "the class has no `definition`, a text."),
        (["scan_id : uint8"], "the class has no `definition`, a text."),
        (5, "the class has no `definition`, a text."),
    ],
)
def test_a_definition_that_is_none(
    connection: PostgresConnection, schema: dj.Schema, definition: Any, said: str
) -> None:
    """A definition without attributes, or that is no text, or that makes no table as a whole, names the table."""
    with nothing_changes(connection, schema.name), pytest.raises(DefinitionError) as caught:
        declare(schema, definition)
    assert caught.value.table == "scan"
    assert str(caught.value).startswith("Table 'scan'")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("uint9", "Did you mean 'uint"),
        ("string", "the types are int8"),
        ("varchar", "it takes a length"),
        ("varchar(0)", "it takes a length from 1 to 10485760"),
        ("varchar(10485761)", "it takes a length from 1 to 10485760"),
        (f"char({'9' * 5000})", "it takes a length from 1 to 10485760"),
        ("decimal(40,2)", "it takes precision (1 to 38) and scale"),
        ("decimal(39)", "it takes precision (1 to 38) and scale"),
        ("decimal(0,0)", "it takes precision (1 to 38) and scale"),
        ("decimal(4,5)", "it takes precision (1 to 38) and scale"),
        ("enum('a','a')", "an enum's values must differ"),
        ("enum(1,2)", "an enum lists its values as strings"),
        ("uint8(3)", "it takes no parameters"),
        ("int(11) signed", "the types are int8"),
        ("<graph>", "djarrow has no custom types yet"),
        ("object@store", "djarrow has no object stores yet"),
        ("attach", "djarrow has no object stores yet"),
    ],
)
def test_an_unknown_type(connection: PostgresConnection, schema: dj.Schema, written: str, said: str) -> None:
    """An unknown type, or wrong parameters of one: the table, the place, the type, and what is there instead."""
    with nothing_changes(connection, schema.name), pytest.raises(UnknownType) as caught:
        declare(schema, f"scan_id : uint8\n---\ndepth : {written}")
    error = caught.value
    assert issubclass(caught.type, ValueError)
    assert (error.table, error.line, error.column) == ("scan", 3, 9)
    assert error.type_text.replace(" ", "")[:1000] == written.replace(" ", "")[:1000]
    assert str(error).startswith("Table 'scan', line 3, column 9: ")
    assert " is not a type: " in str(error)
    assert said in str(error)
    assert len(str(error)) < 500


HOSTILE = "x'; DROP SCHEMA lab CASCADE; -- \\ $djarrow$ \" {0} %s :type: */ ${HOME}"
"""Text that would do harm, or fail, wherever it was pasted into a statement or a format."""


def test_hostile_text_stays_text(connection: PostgresConnection, schema: dj.Schema) -> None:
    """What looks like SQL in a comment, a default or an enum is kept as it is written, and comes back."""
    text = "'" + HOSTILE.replace("\\", "\\\\").replace("'", "''") + "'"

    @schema
    class Scan(dj.Manual):
        definition = f"""
        # {HOSTILE}
        scan_id : uint8  # {HOSTILE}
        ---
        note = {text} : varchar(200)  # {HOSTILE}
        kind = {text} : enum('other', {text})
        index (note, (concat(note, {text})))
        """

    Scan.insert1({"scan_id": 1})
    assert Scan.fetch1() == {"scan_id": 1, "note": HOSTILE, "kind": HOSTILE}
    connection.execute(f'INSERT INTO "{schema.name}".scan (scan_id) VALUES (2)')
    assert len(Scan & {"note": HOSTILE, "kind": HOSTILE}) == 2
    stored = schema.stored_spec(Scan().spec.name)
    assert stored.comment == HOSTILE
    assert stored.heading == Scan.heading
    assert stored.heading["scan_id"].comment == HOSTILE
    assert stored.heading["kind"].type.choices == ("other", HOSTILE)


@pytest.mark.parametrize("text", ["\0", "\ud800"])
@pytest.mark.parametrize(
    ("definition", "line", "column"),
    [
        ("# {}\nscan_id : uint8\n---", 1, 3),
        ("scan_id : uint8  # {}\n---", 1, 20),
        ("scan_id : uint8\n---\nnote = '{}' : varchar(9)", 3, 9),
        ("scan_id : uint8\n---\nnote : enum('a', '{}')", 3, 19),
        ("scan{} : uint8", 1, 5),
        ("scan_id : uint8\n---\nindex ((concat(scan_id, '{}')))", 3, 26),
    ],
)
def test_text_that_no_database_holds(
    connection: PostgresConnection, schema: dj.Schema, definition: str, line: int, column: int, text: str
) -> None:
    """NUL and halves of surrogate pairs are refused where they stand, before any statement is written."""
    with nothing_changes(connection, schema.name), pytest.raises(DefinitionError) as caught:
        declare(schema, definition.format(text))
    assert (caught.value.table, caught.value.line, caught.value.column) == ("scan", line, column)
    assert f"the line holds {text!r}" in str(caught.value)
    str(caught.value).encode()


@pytest.mark.parametrize(
    "definition",
    [
        "scan_id : uint8  # " + "x" * HUGE,
        "x" * HUGE,
        "scan_id : varchar(9) = '" + "x" * HUGE,
        "scan_id : enum(" + "'x'," * (HUGE // 5),
        "index (" + "(" * HUGE,
        "\n" * (HUGE // 100) + "scan_id",
        "# remark\n" * (HUGE // 100) + "scan_id :",
        "\n".join(f"a{i} : int8" for i in range(HUGE // 100)),
        "\n".join(f"-> Animal.proj(a{i}='animal_id')" for i in range(HUGE // 333)),
    ],
    ids=["comment", "name", "default", "enum", "index", "blank lines", "remarks", "attributes", "references"],
)
def test_a_definition_of_any_size(
    connection: PostgresConnection, schema: dj.Schema, parent: type[dj.Manual], definition: str
) -> None:
    """A definition of megabytes is refused in time that grows with its size, in a message of a few lines."""
    started = time.perf_counter()
    with nothing_changes(connection, schema.name), pytest.raises(DefinitionError) as caught:
        declare(schema, definition, parent=parent)
    assert time.perf_counter() - started < 30
    assert caught.value.table == "scan"
    assert caught.value.line is not None
    assert caught.value.column is not None
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("scan", "'scan' is not CamelCase"),
        ("Two_Photon", "'Two_Photon' is not CamelCase"),
        ("Größe", "'Größe' is not CamelCase"),
        ("S" * 63, "bytes; PostgreSQL keeps 63"),
        ("S" + "s" * 63, "has 64 bytes; PostgreSQL keeps 63"),
    ],
)
def test_a_class_name_that_names_no_table(
    connection: PostgresConnection, schema: dj.Schema, name: str, said: str
) -> None:
    """A class whose name does not lead to a table's and back is refused with the rule."""
    with nothing_changes(connection, schema.name), pytest.raises(DefinitionError) as caught:
        schema(type(name, (dj.Manual,), {"definition": "scan_id : uint8"}))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("s" * 64, "has 64 bytes; PostgreSQL keeps 63"),
        ("Lab", "must start with a lowercase letter"),
        ("läb", "must start with a lowercase letter"),
        ("lab; DROP SCHEMA public", "must start with a lowercase letter"),
        ('lab"', "must start with a lowercase letter"),
        ("pg_lab", "is PostgreSQL's own"),
    ],
)
def test_a_schema_name_that_names_no_schema(connection: PostgresConnection, name: str, said: str) -> None:
    """A schema whose name PostgreSQL would cut, fold or keep for itself is refused before it is used."""
    with pytest.raises(DefinitionError) as caught:
        dj.Schema(name, connection=connection)
    assert said in str(caught.value)
    assert repr(name) in str(caught.value)


def test_a_part_whose_name_is_too_long_with_its_master(connection: PostgresConnection, schema: dj.Schema) -> None:
    """The name of a part's table holds its master's: a part that would not fit takes its master back with it."""
    part = type("P" + "p" * 31, (dj.Part,), {"definition": "-> master\nn : int8"})
    with nothing_changes(connection, schema.name), pytest.raises(DefinitionError, match="has 65 bytes"):
        schema(type("M" + "m" * 30, (dj.Manual,), {"definition": "m : int8", part.__name__: part}))
    assert schema.specs == {}


@pytest.mark.parametrize("name", ["S" + "s" * 62, "User", "Order", "Select", "Table", "Ab", "AB"])
def test_names_that_are_allowed(schema: dj.Schema, name: str) -> None:
    """63 bytes, words that SQL reserves, and names that differ in case only are good names."""
    words = ("order", "user", "select", "where", "group", "a" * 63, "table", "null", "index", "default")
    definition = "\n---\n".join(("key : uint8", "\n".join(f"{word} : int16" for word in words)))
    made: Any = schema(type(name, (dj.Manual,), {"definition": f"{definition}\nindex (order, {'a' * 63})"}))
    made.insert1({"key": 1} | dict.fromkeys(words, 7))
    assert made.fetch1() == {"key": 1} | dict.fromkeys(words, 7)
    assert (made & {"order": 7, "user": 7}).fetch1("a" * 63) == 7
    schema(type("Ba", (dj.Manual,), {"definition": "b : uint8"}))
    schema(type("BA", (dj.Manual,), {"definition": "b : uint8"}))
    assert len(schema.specs) == 3


def test_a_part_has_one_master(connection: PostgresConnection, schema: dj.Schema) -> None:
    """A part stays with the master that declared it; one without a master, or without a reference to it, is refused."""

    class Line(dj.Part):
        definition = "-> master\nline : uint8"

    schema(type("Scan", (dj.Manual,), {"definition": "scan : uint8", "Line": Line}))
    schema(type("Other", (dj.Manual,), {"definition": "other : uint8", "Line": Line}))
    schema.activate()
    assert [name.table for name in schema.specs] == ["scan", "scan__line", "other"]
    with nothing_changes(connection, schema.name):
        with pytest.raises(DefinitionError, match="has no master"):
            schema(type("Alone", (dj.Part,), {"definition": "line : uint8"}))
        stray = type("Stray", (dj.Part,), {"definition": "line : uint8"})
        with pytest.raises(DefinitionError) as caught:
            schema(type("Third", (dj.Manual,), {"definition": "third : uint8", "Stray": stray}))
        assert "master" in str(caught.value)
    assert len(schema.specs) == 3


def test_a_failing_declaration_leaves_nothing_behind(connection: PostgresConnection, schema: dj.Schema) -> None:
    """Where the database refuses one of many tables, none of them is made, nor the schema; afterwards all can be."""

    @schema
    class First(dj.Manual):
        definition = "first : uint8"

    @schema
    class Second(dj.Manual):
        definition = "-> First\nsecond : uint8\n---\nnote : varchar(9)\nindex (note)"

        class Part(dj.Part):
            definition = "-> master\npart : uint8"

    @schema
    class Third(dj.Lookup):
        definition = "-> Second\nthird : uint8"

    with nothing_changes(connection, schema.name):
        connection.execute(
            f"CREATE FUNCTION {schema.name}_no() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN "
            "IF EXISTS (SELECT FROM pg_class WHERE relname = '#third') THEN RAISE 'no room'; END IF; "
            "END $$"
        )
        connection.execute(
            f"CREATE EVENT TRIGGER {schema.name}_no ON ddl_command_end EXECUTE FUNCTION {schema.name}_no()"
        )
        try:
            with pytest.raises(DjarrowError, match="no room"):
                schema.activate()
        finally:
            connection.execute(f"DROP EVENT TRIGGER {schema.name}_no")
            connection.execute(f"DROP FUNCTION {schema.name}_no()")
    First.insert1((1,))
    assert (len(First), len(Second), len(Second.Part), len(Third)) == (1, 0, 0, 0)


@pytest.mark.parametrize("reference", ["Anmal", "animals.Animal", "Animal.Part", "os.path"])
def test_a_reference_to_no_class(
    connection: PostgresConnection, schema: dj.Schema, parent: type[dj.Manual], reference: str
) -> None:
    """A foreign key to a class that does not exist: the table, the place, the reference, and what is in sight."""
    with nothing_changes(connection, schema.name), pytest.raises(UnknownReference) as caught:
        declare(schema, f"scan_id : uint8\n---\n-> {reference}", parent=parent)
    error = caught.value
    assert issubclass(caught.type, LookupError)
    assert (error.table, error.line, error.column, error.reference) == ("scan", 3, 4, reference)
    assert f"Table 'scan', line 3, column 4: the foreign key refers to {reference!r}" in str(error)
    assert "Animal" in str(error).partition("sight.")[2]


@pytest.mark.parametrize(
    ("definition", "line", "column"),
    [
        ("scan_id : uint8\n-> Scan", 2, 4),
        ("scan_id : uint8\n-> Scan.proj(previous='scan_id')\n---", 2, 4),
        ("scan_id : uint8\n---\n-> Scan", 3, 4),
        ("scan_id : uint8\n---\n-> [nullable] Scan", 3, 15),
        ("scan_id : uint8\n---\n-> Scan.proj(previous='scan_id')", 3, 4),
    ],
)
def test_a_table_that_refers_to_itself(
    connection: PostgresConnection, schema: dj.Schema, definition: str, line: int, column: int
) -> None:
    """A self reference that no first row could fulfil is a cycle, named as one; the way to say a hierarchy is shown."""
    with nothing_changes(connection, schema.name), pytest.raises(CyclicDependency) as caught:
        declare(schema, definition)
    name = f"{schema.name}.scan"
    assert caught.value.cycle == (name, name)
    assert (caught.value.table, caught.value.line, caught.value.column) == ("scan", line, column)
    assert f": the foreign keys form a cycle: {name} -> {name}. " in str(caught.value)
    assert "`-> [nullable] Scan.proj(parent_id='id')`" in str(caught.value)


@pytest.mark.parametrize("reference", ["Scan.Line", "Line"])
def test_a_master_that_refers_to_its_part(connection: PostgresConnection, schema: dj.Schema, reference: str) -> None:
    """A master cannot refer to its own part."""
    with nothing_changes(connection, schema.name), pytest.raises(CyclicDependency) as caught:

        class Scan(dj.Manual):
            definition = f"-> {reference}\n---"

            class Line(dj.Part):
                definition = "-> master\nline : uint8\n---"

        schema(Scan)
    master, part = f"{schema.name}.scan", f"{schema.name}.scan__line"
    assert caught.value.cycle == (master, part, master)
    assert caught.value.table == "scan"


def test_two_tables_that_refer_to_each_other(connection: PostgresConnection, schema: dj.Schema) -> None:
    """Redefining a class so that it refers to its own child closes a cycle, and the first definition stays."""

    def first() -> type[dj.Manual]:
        @schema
        class A(dj.Manual):
            definition = "a : uint8\n---"

        return A

    A = first()

    @schema
    class B(dj.Manual):
        definition = "-> A\nb : uint8\n---"

    B.declare()
    with nothing_changes(connection, schema.name), pytest.raises(CyclicDependency) as caught:
        schema(type("A", (dj.Manual,), {"definition": "-> B\n---"}))
    name = schema.name
    assert sorted(caught.value.cycle[:-1]) == [f"{name}.a", f"{name}.b"]
    assert caught.value.cycle[0] == caught.value.cycle[-1]
    A.insert1((1,))
    B.insert1((1, 1))
    assert len(A * B) == 1


def test_a_cycle_across_two_schemas(connection: PostgresConnection, schema: dj.Schema) -> None:
    """A cycle that leads through another schema is seen as well."""
    other = dj.Schema(f"{schema.name}_other", connection=connection)

    @schema
    class A(dj.Manual):
        definition = "a : uint8\n---"

    @other
    class B(dj.Manual):
        definition = "-> A\nb : uint8\n---"

    original = A
    with nothing_changes(connection, schema.name, other.name), pytest.raises(CyclicDependency) as caught:
        schema(type("A", (dj.Manual,), {"definition": "-> B\n---"}))
    assert original is A
    assert set(caught.value.cycle) == {f"{schema.name}.a", f"{other.name}.b"}
    assert B().spec.parents == (A().spec.name,)


def test_a_class_that_does_not_agree_with_its_table(
    connection: PostgresConnection, schema: dj.Schema, parent: type[dj.Manual]
) -> None:
    """A class declared otherwise than its table in the database: each difference, on first use."""
    again = dj.Schema(schema.name, connection=connection)

    @again
    class Animal(dj.Manual):
        definition = "animal_id : uint16\n---\nage : uint8"

    with nothing_changes(connection, schema.name), pytest.raises(DefinitionMismatch) as caught:
        Animal.insert1((2, 1))
    assert caught.value.table == f"{schema.name}.animal"
    assert caught.value.differences == (
        "attribute 'animal_id': the class says uint16, the database uint8",
        "attribute 'age' (uint8) is not in the database",
        "attribute 'weight' (float32) is in the database and not in the class",
    )
    assert "describe()" in str(caught.value)


# --- rows --------------------------------------------------------------------------------------------------------


@pytest.fixture
def scans(schema: dj.Schema) -> SimpleNamespace:
    """A parent and a child with a row each."""

    @schema
    class Animal(dj.Manual):
        definition = "animal_id : uint8\n---"

    @schema
    class Scan(dj.Manual):
        definition = """
        -> Animal
        scan_id : uint8
        ---
        depth : float64
        lens = '16x' : enum('16x', '25x')
        note = null : varchar(8)
        at = null : timestamp
        unique index (note)
        """

    Animal.insert([(1,), (2,)])
    Scan.insert1((1, 1, 0.5, "16x", "first", None))
    return SimpleNamespace(Animal=Animal, Scan=Scan, name=f"{schema.name}.scan", schema=schema.name)


GOOD = {"animal_id": 2, "scan_id": 1, "depth": 1.5, "lens": "25x", "note": "good", "at": None}


def as_dicts(rows: list[dict[str, Any]]) -> Any:
    """Rows as they are."""
    return rows


def as_tuples(rows: list[dict[str, Any]]) -> Any:
    """Rows as tuples, in the order that they give."""
    return [tuple(row.values()) for row in rows]


def as_polars(rows: list[dict[str, Any]]) -> Any:
    """Rows as a Polars frame."""
    return pl.DataFrame(rows, strict=False, infer_schema_length=None)


def as_arrow(rows: list[dict[str, Any]]) -> Any:
    """Rows as an Arrow table."""
    return as_polars(rows).to_arrow()


FORMS = [as_dicts, as_tuples, as_polars, as_arrow]
Form = Callable[[list[dict[str, Any]]], Any]


@contextlib.contextmanager
def refused(
    connection: PostgresConnection, scans: SimpleNamespace, kind: type[RowError], *, inside: bool
) -> Iterator[Any]:
    """Expects an error of this class that names the table, and nothing changed; inside a transaction too."""
    with nothing_changes(connection, scans.schema):
        around = connection.transaction if inside else contextlib.nullcontext()
        with pytest.raises(kind) as caught, around:
            yield caught
        assert caught.value.table == scans.name
        assert f"Table '{scans.name}'" in str(caught.value)
        assert str(caught.value).endswith("Nothing was written.")


inside_and_outside = pytest.mark.parametrize("inside", [False, True], ids=["alone", "in a transaction"])


@inside_and_outside
@pytest.mark.parametrize("form", [as_dicts, as_polars, as_arrow])
def test_a_row_with_an_unknown_field(
    connection: PostgresConnection, scans: SimpleNamespace, form: Form, inside: bool
) -> None:
    """An unknown field: its name, the row where rows have names of their own, and the nearest attribute."""
    with refused(connection, scans, UnknownField, inside=inside) as caught:
        scans.Scan.insert(form([GOOD | {"dept": None}, GOOD | {"scan_id": 2, "dept": 1.0}]))
    assert issubclass(caught.type, KeyError)
    assert caught.value.attribute == "dept"
    assert caught.value.row == (0 if form is as_dicts else None)
    assert "Did you mean 'depth'?" in str(caught.value)


@inside_and_outside
@pytest.mark.parametrize("form", FORMS)
def test_a_row_without_a_required_field(
    connection: PostgresConnection, scans: SimpleNamespace, form: Form, inside: bool
) -> None:
    """A missing field that has no default: its name, and what a row needs."""
    rows = [GOOD, {name: value for name, value in (GOOD | {"scan_id": 2}).items() if name != "depth"}]
    if form in (as_polars, as_arrow):
        rows = rows[1:]
    with refused(connection, scans, MissingField, inside=inside) as caught:
        scans.Scan.insert(form(rows))
    assert issubclass(caught.type, KeyError)
    if form is as_tuples:
        assert "5 values and the table 6 attributes (animal_id, scan_id, depth, lens, note, at)" in str(caught.value)
    else:
        assert caught.value.attribute == "depth"
        assert "a value is required" in str(caught.value)
    assert caught.value.row == (1 if form in (as_dicts, as_tuples) else None)


@inside_and_outside
@pytest.mark.parametrize("form", FORMS)
def test_a_null_where_a_value_is_required(
    connection: PostgresConnection, scans: SimpleNamespace, form: Form, inside: bool
) -> None:
    """NULL in a required attribute: its name and the row."""
    with refused(connection, scans, MissingField, inside=inside) as caught:
        scans.Scan.insert(form([GOOD, GOOD | {"scan_id": 2, "note": "x", "depth": None}]))
    assert (caught.value.attribute, caught.value.row) == ("depth", 1)
    assert "`= null`" in str(caught.value)


WRONG = [
    ("depth", "deep", "'deep' is no float64"),
    ("scan_id", 2.5, "2.5 is no uint8"),
    ("scan_id", "two", "'two' is no uint8"),
    ("lens", "10x", "'10x' is none of the values '16x', '25x'"),
    ("note", 17, "17 is no varchar(8)"),
    ("at", "yesterday", "'yesterday' is no timestamp"),
]
OUT_OF_RANGE = [
    ("scan_id", 256, "256 is no uint8, which goes from 0 to 255"),
    ("scan_id", -1, "-1 is no uint8, which goes from 0 to 255"),
    ("note", "much too long", "'much too long' is no varchar(8): it has 13 characters"),
]


@inside_and_outside
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("attribute", "value", "said"), WRONG + OUT_OF_RANGE)
def test_a_value_of_a_wrong_type_or_out_of_range(
    connection: PostgresConnection,
    scans: SimpleNamespace,
    form: Form,
    inside: bool,
    attribute: str,
    value: Any,
    said: str,
) -> None:
    """A wrong value: the attribute, the row, the value, and why it is none."""
    rows = [GOOD | {"scan_id": 1, "note": None}, GOOD | {"scan_id": 2}]
    rows[1][attribute] = value
    if form in (as_polars, as_arrow):  # a column of a frame is of one type: the bad value decides it
        rows[0][attribute] = value
    with refused(connection, scans, InvalidValue, inside=inside) as caught:
        scans.Scan.insert(form(rows))
    error = caught.value
    assert issubclass(caught.type, ValueError)
    assert (error.attribute, error.value) == (attribute, value)
    assert error.row == (0 if form in (as_polars, as_arrow) else 1)
    assert said in str(error)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_a_float_that_is_no_integer(
    connection: PostgresConnection, scans: SimpleNamespace, form: Form, value: float
) -> None:
    """Infinity and NaN are no integers."""
    with refused(connection, scans, InvalidValue, inside=False) as caught:
        scans.Scan.insert(form([GOOD | {"scan_id": value}]))
    assert caught.value.attribute == "scan_id"
    assert f"{value} is no uint8" in str(caught.value)


@inside_and_outside
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("among_themselves", [False, True], ids=["stored", "among themselves"])
def test_a_duplicate_key(
    connection: PostgresConnection, scans: SimpleNamespace, form: Form, inside: bool, among_themselves: bool
) -> None:
    """A key that is there, or is given twice: the row, the attributes with their values, and the constraint."""
    key = {"animal_id": 2, "scan_id": 1} if among_themselves else {"animal_id": 1, "scan_id": 1}
    with refused(connection, scans, DuplicateKey, inside=inside) as caught:
        scans.Scan.insert(form([GOOD, GOOD | key | {"note": "x"}]))
    error = caught.value
    assert error.key == key
    assert len(scans.Scan & error.key) == (0 if among_themselves else 1)
    assert (error.row, "row 1: " in str(error)) == (1, True)
    assert error.constraint == "scan_pkey"
    assert error.attribute == "animal_id, scan_id"
    assert f"animal_id = {key['animal_id']}, scan_id = 1" in str(error)
    assert "skip_duplicates" in str(error)


@inside_and_outside
def test_a_duplicate_under_a_unique_index(connection: PostgresConnection, scans: SimpleNamespace, inside: bool) -> None:
    """A value that a unique index holds already: the attribute and the value."""
    with refused(connection, scans, DuplicateKey, inside=inside) as caught:
        scans.Scan.insert1(GOOD | {"note": "first"})
    assert caught.value.key == {"note": "first"}
    assert "note = first" in str(caught.value)


@inside_and_outside
@pytest.mark.parametrize("form", FORMS)
def test_a_missing_parent(connection: PostgresConnection, scans: SimpleNamespace, form: Form, inside: bool) -> None:
    """A foreign key to no row: the row, the attribute, the value, the parent, and to insert it first."""
    with refused(connection, scans, MissingParent, inside=inside) as caught:
        scans.Scan.insert(form([GOOD, GOOD | {"animal_id": 9, "note": "x"}]))
    error = caught.value
    assert issubclass(caught.type, LookupError)
    assert error.key == {"animal_id": 9}
    assert (error.row, "row 1: " in str(error)) == (1, True)
    assert error.parent.endswith("animal")
    assert "animal_id = 9" in str(error)
    assert "Insert the parent first" in str(error)


def test_an_error_inside_a_transaction_takes_earlier_inserts_back(
    connection: PostgresConnection, scans: SimpleNamespace
) -> None:
    """What the transaction inserted before the refused row is gone too, whoever refused it."""
    for bad in (GOOD | {"depth": "deep"}, GOOD | {"animal_id": 9}):
        with nothing_changes(connection, scans.schema), pytest.raises(RowError), connection.transaction:
            scans.Animal.insert1((3,))
            scans.Scan.insert1(bad)


@pytest.mark.parametrize("rows", ["text", b"bytes", 5, {"animal_id": 1}, [5], ["text"], [{1, 2}]])
def test_what_is_no_sequence_of_rows(connection: PostgresConnection, scans: SimpleNamespace, rows: Any) -> None:
    """An object that holds no rows: what it is, and what a row is."""
    with refused(connection, scans, InvalidValue, inside=False) as caught:
        scans.Scan.insert(rows)
    assert "row" in str(caught.value)


# --- queries -----------------------------------------------------------------------------------------------------


def test_a_restriction_with_a_wrong_attribute(connection: PostgresConnection, scans: SimpleNamespace) -> None:
    """A condition on an unknown attribute: the name, the table, and the nearest attribute."""
    with nothing_changes(connection, scans.schema), pytest.raises(UnknownAttribute) as caught:
        (scans.Scan & "dept > 1").fetch()
    assert issubclass(caught.type, KeyError)
    assert caught.value.name == "dept"
    assert "there is no attribute 'dept'. Did you mean 'depth'?" in str(caught.value)


@pytest.mark.parametrize(
    ("condition", "kind", "said"),
    [
        ("depth >", InvalidTerm, "depth >"),
        ("depth > 1; DROP TABLE x", InvalidTerm, "DROP"),
        ("pg_sleep(10) > 0", InvalidTerm, "pg_sleep"),
        ("depth IN (SELECT 1)", InvalidTerm, "SELECT"),
        (5, InvalidCondition, "int cannot restrict"),
        ({"scan_id": "two"}, InvalidCondition, "attribute 'scan_id': 'two' is no uint8"),
    ],
)
def test_a_condition_that_is_none(
    connection: PostgresConnection, scans: SimpleNamespace, condition: Any, kind: type[Exception], said: str
) -> None:
    """A condition that cannot be read: the text or value at fault."""
    with nothing_changes(connection, scans.schema), pytest.raises(kind) as caught:
        (scans.Scan & condition).fetch()
    assert isinstance(caught.value, dj.DjarrowError)
    assert said in str(caught.value)


def test_a_join_of_namesakes_of_different_origin(
    connection: PostgresConnection, scans: SimpleNamespace, schema: dj.Schema
) -> None:
    """Namesakes that trace to different definitions: both origins, and the proj that resolves it."""

    @schema
    class Stack(dj.Manual):
        definition = "scan_id : uint8\n---\nplanes : uint8"

    Stack.insert1((1, 5))
    for combine in (operator.mul, operator.and_, operator.sub):
        with nothing_changes(connection, scans.schema), pytest.raises(IncompatibleOperands) as caught:
            combine(scans.Scan, Stack)
        assert issubclass(caught.type, ValueError)
        for word in ("'scan_id'", f"{schema.name}.scan.scan_id", f"{schema.name}.stack.scan_id", ".proj("):
            assert word in str(caught.value)
    assert len(scans.Scan * Stack.proj(stack_id="scan_id")) == 1


# --- the embedded server through dj.conn() -----------------------------------------------------------------------


def run(folder: Path, code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A Python process in this folder, with none of the settings that name a database."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DJ_", "DJARROW_"))}
    kept["PYTHONPATH"] = PLACES
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=folder,
        env=kept | environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


REPORT = """
import djarrow as dj
try:
    connection = dj.conn()
except dj.DjarrowError as error:
    print(type(error).__name__, isinstance(error, PermissionError), error)
else:
    print("connected", connection.read("SELECT 1 AS one").column("one")[0])
"""


def test_a_data_folder_that_may_not_be_written(tmp_path: Path) -> None:
    """No permission for the data folder: its path, the reason, what to do, and nothing is left there."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / ".djarrow").write_text("a file where a folder must be", encoding="utf-8")  # refuses root as well
    (folder / "datajoint.toml").write_text("", encoding="utf-8")
    done = run(folder, REPORT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("ServerFolderDenied True ")
    assert str(folder / ".djarrow") in done.stdout
    assert "DJARROW_URL" in done.stdout
    assert sorted(path.name for path in folder.iterdir()) == [".djarrow", "datajoint.toml"]


def test_a_port_that_is_busy(tmp_path: Path) -> None:
    """A busy port that the user asked for: it is named with what to do, and no server is left running."""
    folder = tmp_path / "project"
    folder.mkdir()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run(folder, REPORT, DJARROW_PG_PORT=str(port))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("ServerStartFailed False ")
    assert str(port) in done.stdout
    assert "DJARROW_PG_PORT" in done.stdout
    assert not (folder / ".djarrow" / "server" / "data" / "postmaster.pid").exists()
