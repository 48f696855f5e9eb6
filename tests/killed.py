"""Processes that insert a frame and are killed meanwhile, and what is in the table afterwards."""

from __future__ import annotations

import random
import time

from attrs import frozen

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from tests.processes import started

SCRIPT = """
import sys
import polars as pl
import djarrow as dj
from djarrow.engine.connect import connect

url, schema, rows = sys.argv[1], sys.argv[2], int(sys.argv[3])
connection = connect(url)


@dj.Schema(schema, connection=connection)
class Sample(dj.Manual):
    definition = "n : int64\\n---\\nvalue : float64"


frame = pl.DataFrame({"n": range(rows), "value": [n / 3 for n in range(rows)]})
Sample.declare()
backend = connection.read("SELECT pg_backend_pid()::int8 AS pid").column("pid")[0].as_py()
print(backend, flush=True)
sys.stdin.readline()
Sample.insert(frame)
print("done", flush=True)
"""
"""Gets ready, tells its server's process, inserts when it is told to, and says when it has."""


@frozen
class Killed:
    """A process that was killed. seconds: after it was told to insert; done: it had said so; rows: in the table."""

    seconds: float
    done: bool
    rows: int


class Inserting:
    """A process that is ready to insert so many rows into the table `sample` of a schema."""

    def __init__(self, connection: PostgresConnection, schema: str, rows: int) -> None:
        self._connection = connection
        self._table = f'"{schema}".sample'
        self._process = started(SCRIPT, connection.url, schema, str(rows))
        assert self._process.stdout is not None
        self._backend = int(self._process.stdout.readline())

    def tell(self) -> None:
        """Have it insert."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")

    def duration(self) -> float:
        """How long its insert takes, when it is not killed. Empties the table."""
        started = time.monotonic()
        self.tell()
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "done\n"
        seconds = time.monotonic() - started
        self._process.communicate(timeout=30)
        self._connection.execute(f"TRUNCATE {self._table}")
        return seconds

    def kill_after(self, seconds: float) -> Killed:
        """Have it insert, and kill it after so long. Empties the table when its server's process is gone."""
        self.tell()
        time.sleep(seconds)
        self._process.kill()
        out, _ = self._process.communicate(timeout=30)
        self._wait_for_backend()
        rows = int(self._connection.read(f"SELECT count(*) AS n FROM {self._table}").column("n")[0].as_py())
        self._connection.execute(f"TRUNCATE {self._table}")
        return Killed(seconds, out == "done\n", rows)

    def _wait_for_backend(self) -> None:
        alive = f"SELECT pid FROM pg_stat_activity WHERE pid = {self._backend}"
        ends = time.monotonic() + 30
        while self._connection.read(alive).num_rows:
            assert time.monotonic() < ends, "the server's process did not notice that its client was killed"
            time.sleep(0.01)


def kill_at_moments(connection: PostgresConnection, schema: dj.Schema, *, rows: int, moments: int) -> list[Killed]:
    """Kill so many processes at moments that are spread at random over the time that an insert takes."""
    chance = random.Random(9)  # noqa: S311 - for moments
    whole = Inserting(connection, schema.name, rows).duration()
    steps = [(step + chance.random()) / moments for step in range(moments)]
    return [Inserting(connection, schema.name, rows).kill_after(whole * step) for step in steps]


def check_all_or_nothing(killed: list[Killed], rows: int) -> None:
    """Asserts that each left all rows or none, all where it had said so, and that some were killed before that."""
    assert {each.rows for each in killed} <= {0, rows}
    assert all(each.rows == rows for each in killed if each.done)
    assert any(each.rows == 0 for each in killed)
