"""One row by its key: djarrow, which makes the query, against the driver's own read with bound values."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import adbc_driver_postgresql.dbapi as adbc

import djarrow as dj
from benchmarks.paired import Ratio, compare
from djarrow.engine.connect import connect
from djarrow.engine.embedded import EmbeddedServer

DEFINITION = """
subject : int32
trial : int32
---
number : int64
x = null : float64
y : float32
name : varchar(30)
flag : bool
day : date
at : timestamp
"""
BOUND = "SELECT * FROM single_row.trial WHERE subject = $1 AND trial = $2"


def run() -> Iterator[Ratio]:
    """The same row again, and another row each time; a hundred rows a round."""
    with _table() as (table, driver):
        for name, keys in (("the same row", lambda: (5, 7)), ("another row each time", _others())):
            yield _compared(name, table, driver, keys)


def _others() -> Callable[[], tuple[int, int]]:
    numbers = count()
    return lambda: divmod(next(numbers) * 7919 % 100_000, 1000)


def _compared(name: str, table: type[dj.Manual], driver: adbc.Connection, key: Callable[[], tuple[int, int]]) -> Ratio:
    def ours() -> None:
        for _ in range(100):
            subject, trial = key()
            (table & {"subject": subject, "trial": trial}).fetch1()

    def theirs() -> None:
        for _ in range(100):
            with driver.cursor() as cursor:
                cursor.execute(BOUND, key())
                cursor.fetch_arrow_table()

    return compare(f"fetch1 by key, {name}, 100 times", ours, "ADBC with bound values", theirs, reach=1.5)


@contextmanager
def _table() -> Iterator[tuple[type[dj.Manual], adbc.Connection]]:
    """A table of 100,000 rows on a server of its own, and a connection of the driver to it."""
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedServer(Path(folder) / "server")
        connection = connect(server.join())
        schema = dj.Schema("single_row", connection=connection)
        table = schema(type("Trial", (dj.Manual,), {"definition": DEFINITION}))
        schema.activate()
        connection.execute(
            "INSERT INTO single_row.trial SELECT n / 1000, n % 1000, n, n / 7.0, n, 'name' || n, n % 2 = 0, "
            "'2024-01-01'::date + n % 1000, '2024-01-01'::timestamptz FROM generate_series(0, 99999) AS n"
        )
        connection.execute("VACUUM ANALYZE single_row.trial")
        driver = adbc.connect(connection.url, autocommit=True)
        driver.cursor().execute("SET TimeZone = 'UTC'")
        try:
            yield table, driver
        finally:
            driver.close()
            connection.close()
            server.stop()
