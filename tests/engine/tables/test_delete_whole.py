"""All rows of a large table that nothing refers to go by TRUNCATE, where nobody could tell it from DELETE."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import polars as pl
import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import DeleteRefused

from .conftest import Ask
from .deleting import make, part, sizes

ROWS = 32_000


@pytest.fixture
def large(schema: dj.Schema) -> Any:
    """A table of more than a megabyte, which refers to another and to itself."""
    make(schema, "Kind", "kind : int8\n---").insert([(1,)])
    cls = make(
        schema,
        "Large",
        "n : int32\n---\n-> Kind\n-> [nullable] Large.proj(up='n')",
    )
    cls.insert(pl.DataFrame({"n": range(ROWS)}).with_columns(kind=pl.lit(1), up=pl.when(pl.col("n") > 0).then(0)))
    schema.connection.execute(f"ALTER TABLE {cls().full_table_name} SET (autovacuum_enabled = false)")  # it has locks
    return cls


@pytest.fixture
def file_of(schema: dj.Schema, ask: Ask) -> Callable[[str], int]:
    """The number of the file that holds a table, which TRUNCATE changes and DELETE does not."""

    def found(table: str) -> int:
        text = f"SELECT pg_relation_filenode('\"{schema.name}\".{table}'::regclass) AS file"
        number: int = ask(text)[0]["file"]
        return number

    return found


def test_a_large_table(large: Any, schema: dj.Schema, file_of: Any) -> None:
    """It is emptied at once, and the result is what DELETE would give."""
    before = file_of("large")
    deleted = large.delete()
    assert file_of("large") != before
    assert (deleted, deleted.counts) == (ROWS, {f"{schema.name}.large": ROWS})
    assert sizes(large) == [0]


@pytest.mark.parametrize(
    "obstacle",
    ["condition", "reference", "trigger", "transaction", "lock", "snapshot", "small", "rows of others", "publication"],
)
def test_what_stands_in_the_way(
    large: Any, schema: dj.Schema, second: PostgresConnection, file_of: Any, obstacle: str
) -> None:
    """With a condition, a table that refers to it, a trigger, in a transaction of the user's, while others use the
    table or have a snapshot, where a copy is told of DELETE only, and for few rows, it is the ordinary DELETE.
    """
    name, connection = f'"{schema.name}".large', schema.connection
    before, expected = file_of("large"), ROWS
    with second.begin():
        match obstacle:
            case "reference":
                make(schema, "Below", "-> Large\n---").declare()
            case "trigger":
                nothing = f'"{schema.name}".nothing()'
                body = "LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'"
                connection.execute(f"CREATE FUNCTION {nothing} RETURNS trigger {body}")
                connection.execute(f"CREATE TRIGGER t AFTER DELETE ON {name} FOR EACH ROW EXECUTE FUNCTION {nothing}")
            case "lock":
                second.read(f"SELECT 1 AS one FROM {name} LIMIT 1")
            case "snapshot":
                second.read("SELECT 1 AS one FROM pg_class LIMIT 1")
            case "small":
                assert (large & "n >= 100").delete() == ROWS - 100
                expected = 100
                connection.execute(f"VACUUM FULL {name}")
                before = file_of("large")
            case "rows of others":
                connection.execute(f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY")
            case "publication":
                connection.execute(f"CREATE PUBLICATION copied FOR TABLE {name} WITH (publish = 'insert, delete')")
        if obstacle == "transaction":
            with connection.transaction:
                assert large.delete() == expected
        else:
            assert (large & "n >= 0" if obstacle == "condition" else large()).delete() == expected
        if obstacle == "snapshot":
            assert len(dj.virtual(schema.name, connection=second)["Large"]) == ROWS
    connection.execute("DROP PUBLICATION IF EXISTS copied")
    assert file_of("large") == before
    assert sizes(large) == [0]


def test_a_part_is_refused_however_large(schema: dj.Schema) -> None:
    """The rows of a part belong to a master's, whatever the speed."""
    Master = make(schema, "Master", "m : int8\n---", Piece=part("Piece", "-> master\nn : int32\n---"))
    Master.insert1((1,))
    Master.Piece.insert(pl.DataFrame({"m": [1] * ROWS, "n": range(ROWS)}))
    with pytest.raises(DeleteRefused, match=r"part Master\.Piece"):
        Master.Piece.delete()
    assert Master.Piece.delete(part_integrity="ignore") == ROWS


def test_it_does_not_wait(large: Any, second: PostgresConnection) -> None:
    """A delete does not wait for a session that reads the table."""
    reading = threading.Event()
    done = threading.Event()

    def read() -> None:
        with second.begin():
            second.read(f"SELECT 1 AS one FROM {large().full_table_name} LIMIT 1")
            reading.set()
            done.wait(20)

    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(read)
        assert reading.wait(20)
        started = time.perf_counter()
        assert large.delete() == ROWS
        assert time.perf_counter() - started < 15
        done.set()
        reader.result()
