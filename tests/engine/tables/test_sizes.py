"""size_on_disk: of tables and schemas, in the database and in a repository."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import MissingTable, NoSchema, QueryError


def declared(schema: dj.Schema) -> Any:
    """A table with a blob and an index."""

    @schema
    class Scan(dj.Manual):
        definition = """
        scan : int32
        ---
        note : varchar(20)
        image = null : blob
        index (note)
        """

    return Scan


def test_a_table_with_its_indexes_and_blobs(schema: dj.Schema) -> None:
    """The size counts blobs and indexes, is asked of the class or its instance, and makes the table as any use does."""
    Scan = declared(schema)
    empty = Scan.size_on_disk
    assert isinstance(empty, int)
    assert empty > 0  # the pages of its indexes
    Scan.insert1((1, "x", os.urandom(1_000_000)))
    assert empty + 1_000_000 <= Scan().size_on_disk < empty + 1_300_000
    before = Scan.size_on_disk
    Scan.insert([{"scan": n, "note": f"note {n}"} for n in range(2, 5000)])
    heap = f"SELECT pg_relation_size('\"{schema.name}\".scan') AS n"
    assert Scan.size_on_disk - before > schema.connection.query(heap).column("n")[0].as_py()


def test_a_schema(schema: dj.Schema) -> None:
    """A schema takes what its tables do, notes included; nothing before it has any."""
    assert schema.size_on_disk == 0
    Scan = declared(schema)
    assert schema.size_on_disk == 0
    Scan.insert1((1, "x", None))
    assert schema.size_on_disk == Scan.size_on_disk
    Scan.update1({"scan": 1, "note": "y"})
    assert schema.size_on_disk > Scan.size_on_disk


def test_a_table_that_is_gone(schema: dj.Schema, connection: PostgresConnection) -> None:
    """A table that somebody dropped has no size."""
    Scan = declared(schema)
    Scan.declare()
    connection.execute(f'DROP TABLE "{schema.name}".scan')
    with pytest.raises(MissingTable, match="does not hold it"):
        Scan.size_on_disk  # noqa: B018 - asking is what is tested


def test_a_schema_without_a_name(connection: PostgresConnection) -> None:
    """A schema that is not activated has no size, and neither has its class."""
    schema = dj.Schema(connection=connection)
    Scan = declared(schema)
    with pytest.raises(NoSchema, match="asking for its size"):
        schema.size_on_disk  # noqa: B018 - asking is what is tested
    with pytest.raises(NoSchema):
        Scan.size_on_disk  # noqa: B018 - asking is what is tested


def test_a_repository(schema: dj.Schema, tmp_path: Path) -> None:
    """In a repository a table takes what its files do, by its own class and by that of a module."""
    Scan = declared(schema)
    Scan.insert([(n, f"note {n}", os.urandom(100)) for n in range(1000)])
    dj.export(schema, tmp_path / "r")
    own = dj.open(tmp_path / "r")
    files = sum(file.stat().st_size for file in (tmp_path / "r").rglob("*.parquet"))
    held = own[str(schema.name)]
    assert (held.Scan.size_on_disk, held.size_on_disk) == (files, files)
    other = declared(dj.Schema("elsewhere", connection=schema.connection))
    with own.using(schema):
        assert Scan.size_on_disk == files
        with pytest.raises(QueryError, match=r"does not hold elsewhere\.scan"):
            other.size_on_disk  # noqa: B018 - asking is what is tested
