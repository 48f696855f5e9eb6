"""Workers that start within milliseconds, so that kills hit their makes and not their beginning.

One process is started that has loaded everything and has made a key, and forks a worker whenever it is told to. Forked
processes open sessions of their own. A make notes that it began in a file, works for a while, and writes the key into a
ledger without a unique key, in the transaction that inserts its row: a key that was committed twice is there twice.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

from djarrow.engine.postgres import PostgresConnection
from tests.processes import started

SCRIPT = """
import json, os, random, signal, sys, time

import djarrow as dj
from djarrow.engine.connect import connect

url, schema_name, folder, lease, longer = sys.argv[1:4] + [float(text) for text in sys.argv[4:6]]
schema = dj.Schema(schema_name, connection=connect(url))
dj.config["jobs.lease"] = lease
began = os.open(os.path.join(folder, "began"), os.O_WRONLY | os.O_APPEND | os.O_CREAT)


@schema
class Scan(dj.Manual):
    definition = "n : int32\\n---\\nvalue : int32"


@schema
class Result(dj.Computed):
    definition = "-> Scan\\n---\\nvalue : int32\\npid : int64"

    def make(self, key):
        os.write(began, f"{key['n']} {os.getpid()}\\n".encode())
        value = (Scan & key).fetch1("value")
        schema.connection.execute(f'INSERT INTO "{schema_name}"."Ledger" VALUES ({key["n"]}, {os.getpid()})')
        time.sleep(1.5 * lease if random.random() < longer else random.uniform(0, 0.02))
        self.insert1({**key, "value": value + 1, "pid": os.getpid()})


def forever():
    while True:
        Result.populate(reserve_jobs=True, suppress_errors=True)
        time.sleep(0.05)


def once():
    try:
        found = Result.populate(reserve_jobs=True)
        told = ["done", found.done]
    except Exception as error:
        told = [type(error).__name__, str(error)]
    with open(os.path.join(folder, f"told{os.getpid()}.part"), "w") as file:
        json.dump(told, file)
    os.rename(file.name, file.name[:-5])


Scan.insert1((-1, 0))
Result.populate(reserve_jobs=True)
(Scan & "n = -1").delete(prompt=False)
os.truncate(began, 0)
schema.connection.execute(f'DELETE FROM "{schema_name}"."Ledger"')
children = []
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
print("ready", flush=True)
for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        random.seed()
        try:
            {"forever": forever, "once": once}[line.strip()]()
        finally:
            os._exit(1)
    children.append(pid)
    print(pid, flush=True)
for pid in children:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
"""


@define
class Nursery:
    """A process that forks workers of one table. folder: where these leave notes; lease: seconds; longer: the share of
    makes that take longer than that.
    """

    connection: PostgresConnection
    schema: str
    folder: Path
    lease: float = 1.0
    longer: float = 0.03
    process: Any = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{self.schema}"')
        self.connection.execute(f'CREATE TABLE "{self.schema}"."Ledger" (n int, pid bigint)')
        words = (self.connection.url, self.schema, str(self.folder), str(self.lease), str(self.longer))
        self.process = started(SCRIPT, *words)
        assert self.process.stdout.readline() == "ready\n"

    def worker(self, what: str = "forever") -> int:
        """The number of a new worker, which populates `forever` or `once`."""
        self.process.stdin.write(f"{what}\n")
        return int(self.process.stdout.readline())

    def began(self) -> list[tuple[int, int]]:
        """The keys whose makes began, and in which process, in order."""
        lines = (self.folder / "began").read_text().splitlines()
        return [(int(n), int(pid)) for n, pid in map(str.split, lines)]

    def close(self) -> None:
        """End the workers, and the process."""
        self.process.communicate(timeout=30)

    # --- what is there -------------------------------------------------------------------------------------------

    def enter(self, keys: range) -> None:
        """Let there be keys to make."""
        text = f"SELECT n, 10 * n FROM generate_series({keys.start}, {keys.stop - 1}) AS n"
        self.connection.execute(f'INSERT INTO "{self.schema}".scan {text}')

    def rows(self, table: str, columns: str) -> list[tuple[Any, ...]]:
        """Some columns of a table, sorted."""
        found = self.connection.query(f'SELECT {columns} FROM "{self.schema}"."{table}"').to_pylist()
        return sorted(tuple(row.values()) for row in found)

    def made(self) -> int:
        """How many keys have a row."""
        return len(self.rows("__result", "n"))


@contextlib.contextmanager
def nursery(connection: PostgresConnection, schema: str, folder: Path, **given: Any) -> Iterator[Nursery]:
    """A nursery for the time of the block."""
    opened = Nursery(connection, schema, folder, **given)
    try:
        yield opened
    finally:
        opened.close()


@frozen
class Killed:
    """What came of it. kills: how many workers were killed; begun: how often a make began; seconds."""

    kills: int
    begun: int
    seconds: float


def kill_workers(opened: Nursery, *, keys: int, kills: int, workers: int = 4, patience: float = 60) -> Killed:
    """Let workers make keys, and kill one with -9 every 10 to 60 ms, and put another in its place; then let them end.

    It is one at random of those that have begun a make: others have nothing to lose. On a busy machine it takes a while
    until there is such a one.

    Asserts that each key was committed once, none was lost, none is left in the queue, and that kills ended makes.
    patience: seconds after the last kill.
    """
    chance = random.Random(11)  # noqa: S311 - for moments
    started = time.monotonic()
    opened.enter(range(keys))
    alive = [opened.worker() for _ in range(workers)]
    for _ in range(kills):
        time.sleep(chance.uniform(0.01, 0.06))
        victim = chance.choice(_at_work(opened, alive))
        os.kill(alive[victim], signal.SIGKILL)
        alive[victim] = opened.worker()
    before = opened.made()
    assert before < keys, "all keys were made before the last kill"
    end = time.monotonic() + patience
    while opened.made() < keys or opened.rows("~jobs", "key_hash"):
        assert time.monotonic() < end, (opened.made(), opened.rows("~jobs", "key::text, status::text, error_message"))
        time.sleep(0.05)
    check(opened, keys)
    assert len(opened.began()) >= keys + kills // 6
    return Killed(kills, len(opened.began()), time.monotonic() - started)


def _at_work(opened: Nursery, alive: list[int]) -> list[int]:
    """The places of those that have begun a make; of all, where none has within a second."""
    end = time.monotonic() + 1
    while time.monotonic() < end:
        begun = {pid for _, pid in opened.began()}
        if found := [place for place, pid in enumerate(alive) if pid in begun]:
            return found
        time.sleep(0.005)
    return list(range(len(alive)))


def check(opened: Nursery, keys: int) -> None:
    """Asserts that what is there is what one undisturbed worker would have left."""
    ledger = Counter(n for (n,) in opened.rows("Ledger", "n"))
    assert {n: times for n, times in ledger.items() if times > 1} == {}
    assert sorted(ledger) == list(range(keys))
    assert opened.rows("__result", "n, value") == [(n, 10 * n + 1) for n in range(keys)]
    assert opened.rows("Ledger", "n, pid") == opened.rows("__result", "n, pid")
    assert len(opened.rows("~makes", "make::text")) == keys + 1  # and that of the nursery itself
    assert opened.rows("~jobs", "key_hash") == []
