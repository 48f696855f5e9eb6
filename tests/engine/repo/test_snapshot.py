"""All tables of an export show the database at one moment, whatever others do while it runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import djarrow as dj
from djarrow.engine.connect import connect
from djarrow.engine.postgres import PostgresConnection

from .conftest import Opener

ROWS = 300_000


@pytest.fixture
def other(connection: PostgresConnection) -> Iterator[PostgresConnection]:
    """Another client of the same server."""
    opened = connect(connection.url)
    yield opened
    opened.close()


@pytest.fixture
def family(schema: dj.Schema) -> dj.Schema:
    """Parents, which are exported first, then something large, then their children."""

    @schema
    class Adult(dj.Manual):
        definition = "n : int32"

    @schema
    class Bulk(dj.Manual):
        definition = "b : int32"

    @schema
    class Child(dj.Manual):
        definition = """
        -> Adult
        -> Bulk
        """

    schema.activate()
    schema.connection.execute(f'INSERT INTO "{schema.name}".bulk SELECT generate_series(1, {ROWS})')
    Adult.insert1((0,))
    Child.insert1((0, 1))
    return schema


def test_rows_committed_meanwhile_are_in_no_table(
    family: dj.Schema, other: PostgresConnection, folder: Path, opened: Opener
) -> None:
    """While a writer commits pairs of parent and child, an export has each pair whole or not at all."""
    stop, begun = threading.Event(), threading.Event()

    def write() -> int:
        number = 0
        while not stop.is_set():
            number += 1
            parent = f'INSERT INTO "{family.name}".adult VALUES ({number})'
            child = f'INSERT INTO "{family.name}".child VALUES ({number}, 1)'
            other.execute(f"DO $$ BEGIN {parent}; {child}; END $$")
            begun.set()
        return number

    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(write)
        try:
            assert begun.wait(10)
            dj.export(family, folder)
        finally:
            stop.set()
        written = writer.result()
    tables = opened(folder)[family.name]
    held = len(tables.Adult)
    assert 1 < held < written  # the writer was at work before, and while the tables were read
    assert len(tables.Child) == held
    assert not tables.Child - tables.Adult
    assert not tables.Adult - tables.Child


@pytest.mark.parametrize("statement", ["TRUNCATE {0}.child", "DROP TABLE {0}.child"])
def test_others_wait(
    family: dj.Schema, other: PostgresConnection, folder: Path, opened: Opener, statement: str
) -> None:
    """A TRUNCATE or DROP of a table that is still to be read waits until the export has ended."""
    with ThreadPoolExecutor(1) as pool:
        export = pool.submit(dj.export, family, folder)
        _wait_until_locked(other, family.name, "bulk")  # which is read before the children
        other.execute(statement.format(family.name))
        export.result()
    assert len(opened(folder)[family.name].Child) == 1
    assert len(opened(folder)[family.name].Bulk) == ROWS


def _wait_until_locked(connection: PostgresConnection, schema: str, table: str) -> None:
    locks = (
        f"SELECT count(*) AS n FROM pg_locks WHERE relation = '{schema}.{table}'::regclass AND pid <> pg_backend_pid()"
    )
    deadline = time.monotonic() + 10
    while connection.read(locks).column("n")[0].as_py() == 0:
        assert time.monotonic() < deadline, "the export locked nothing"


def test_the_export_waits_for_a_drop(
    family: dj.Schema, other: PostgresConnection, folder: Path, opened: Opener
) -> None:
    """An export that begins while another transaction holds a table waits, and then sees what that one committed."""
    begun = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        with other.transaction:
            other.execute(f'TRUNCATE "{family.name}".child')
            begun.set()
            export = pool.submit(dj.export, family, folder)
            time.sleep(0.3)
            assert not export.done()
        export.result()
    assert len(opened(folder)[family.name].Child) == 0
