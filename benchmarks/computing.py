"""Computing 2,000 keys that take no time to compute: key by key, in batches and on the server, against the peer; what
strict reads take of it; and whether reserving a key takes longer where a million wait.

The peer calls make for every key, which is its only form. Both read one value of the parent and insert one row a key.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import polars as pl

import djarrow as dj
from benchmarks.paired import Goal, Ratio, compare
from benchmarks.server import own_server
from djarrow.engine.postgres import PostgresConnection
from djarrow.jobs.queue import Lease, Queue, ensure_queue, refresh
from tests.peer import Peer, PeerWorker
from tests.peer.environment import interpreter

KEYS = 2_000

SCAN = "scan : int32\n---\nvalue : float64"
RESULT = "-> Scan\n---\ndouble : float64"


def run() -> Iterator[Ratio | Goal]:
    """The three forms against the peer's populate; then what is measured against ourselves."""
    with own_server() as (connection, folder):
        tables = _declare(dj.Schema("bench_computing", connection=connection))
        peer = Peer(interpreter(folder), connection.url)
        with peer.worker(PEER, scan=SCAN, result=RESULT, keys=KEYS) as worker:
            yield _compared("make", tables["Made"], worker, reach=1 / 3)
            yield _compared("make out of the queue", tables["Made"], worker, reach=1 / 4, reserve_jobs=True)
            yield _compared("make_batch", tables["Batched"], worker, reach=1 / 50)
            yield _compared("make_query", tables["Queried"], worker, reach=1 / 200)
        yield _by_hand(tables["Queried"])
        yield _strict(tables["Made"])
        yield from _queue(connection)


def _declare(schema: dj.Schema) -> dict[str, Any]:
    """One parent, and a table for each form of make."""

    @schema
    class Scan(dj.Manual):
        definition = SCAN

    def make(self: Any, key: dict[str, Any]) -> None:
        self.insert1({**key, "double": 2 * (Scan & key).fetch1("value")})

    def make_batch(self: Any, keys: pl.DataFrame) -> pl.DataFrame:  # noqa: ARG001 - a method
        return (Scan & keys).to_polars().select("scan", double=pl.col("value") * 2)

    def make_query(self: Any) -> Any:  # noqa: ARG001 - a method
        return Scan.proj(double="value * 2")

    Scan.insert(pl.DataFrame({"scan": range(KEYS), "value": 0.5}))
    return {
        "Made": _computed(schema, "Made", make=make),
        "Batched": _computed(schema, "Batched", make_batch=make_batch),
        "Queried": _computed(schema, "Queried", make_query=make_query),
    }


def _computed(schema: dj.Schema, name: str, **form: Callable[..., Any]) -> Any:
    table: Any = schema(type(name, (dj.Computed,), {"definition": RESULT, **form}))()
    table.declare()
    return table


def _compared(form: str, table: Any, worker: PeerWorker, *, reach: float, reserve_jobs: bool = False) -> Ratio:
    def ours() -> None:
        if table.populate(reserve_jobs=reserve_jobs).done != KEYS:
            raise RuntimeError("Not all keys were made.")

    def theirs() -> None:
        if worker.call("populate_reserved" if reserve_jobs else "populate") != KEYS:
            raise RuntimeError("The peer did not make all keys.")

    def before() -> None:
        connection = table.schema.writable()
        _empty(table)
        worker.call("empty")
        connection.execute("VACUUM")  # of the locks that references have left on the parents' rows
        connection.execute("CHECKPOINT")

    return compare(
        f"populate {KEYS:,} keys by {form}",
        ours,
        f"DataJoint-Python's populate({'reserve_jobs=True' if reserve_jobs else ''})",
        theirs,
        reach=reach,
        rounds=7,
        before=before,
    )


def _empty(table: Any) -> None:
    table.schema.writable().execute(f"TRUNCATE {table.full_table_name}")


def _by_hand(table: Any) -> Ratio:
    """make_query against the INSERT of the same rows, with its check of the reference."""
    connection = table.schema.writable()
    insert = (
        f'INSERT INTO {table.full_table_name} ("scan", "double") SELECT "scan", "value" * 2 '
        f'FROM "{table.schema.name}"."scan"'
    )

    def before() -> None:
        _empty(table)
        connection.execute("VACUUM")
        connection.execute("CHECKPOINT")

    return compare(
        f"populate {KEYS:,} keys by make_query",
        table.populate,
        "INSERT ... SELECT by hand, which is committed",
        lambda: connection.query(insert),
        reach=2,
        rounds=7,
        before=before,
    )


def _strict(table: Any) -> Ratio:
    """Makes whose reads are looked at, against makes whose reads are not."""

    def populate(strict: str) -> None:
        with dj.config.override(strict_reads=strict):
            table.populate()

    return compare(
        f"populate {KEYS:,} keys with strict_reads",
        lambda: populate("error"),
        "the same without",
        lambda: populate("off"),
        reach=1.1,
        rounds=15,
        before=lambda: _empty(table),
    )


SIZES = (1_000, 1_000_000)
BATCH, BATCHES = 25, 30


def _queue(connection: PostgresConnection) -> Iterator[Goal | Ratio]:
    """Entering keys into a queue, and reserving them, where there are few and where there are a million."""
    seconds = {}
    for size in SIZES:
        schema = dj.Schema(f"bench_queue{size}", connection=connection)

        @schema
        class Scan(dj.Manual):
            definition = SCAN

        made = _computed(schema, "Made", make=lambda self, key: self.insert1({**key, "double": 0.0}))
        Scan.insert(pl.DataFrame({"scan": pl.int_range(size, eager=True, dtype=pl.Int32)}).with_columns(value=0.5))
        ensure_queue(connection, schema)
        started = time.perf_counter()
        refresh(made)
        entered = time.perf_counter() - started
        yield Goal(f"enter {size:,} keys into the queue, in one statement", entered, reach=60)
        with Lease(connection, schema.name) as lease:
            queue = Queue(made, made.key_source.heading, lease)
            queue.reserve(BATCH)  # reads what is not in memory yet
            taken = []
            for _ in range(BATCHES):
                started = time.perf_counter()
                queue.reserve(BATCH)
                taken.append((time.perf_counter() - started) / BATCH)
        seconds[size] = statistics.median(taken)
    few, many = (seconds[size] for size in SIZES)
    name = f"reserve a key of {SIZES[1]:,}, {BATCH} at a time"
    yield Ratio(name, f"one of {SIZES[0]:,}", many, few, many / few, many / few, many / few, reach=1.3)


PEER = """
schema = dj.Schema("bench_peer")


@schema
class Scan(dj.Manual):
    definition = scan


@schema
class Result(dj.Computed):
    definition = result

    def make(self, key):
        self.insert1({**key, "double": 2 * (Scan & key).fetch1("value")})


Scan.insert([(key, 0.5) for key in range(keys)])
Result()


def empty():
    Result().delete_quick()
    Result().jobs.delete_quick()


def populate():
    Result.populate()
    return len(Result())


def populate_reserved():
    Result.populate(reserve_jobs=True)
    return len(Result())
"""
"""What the peer's process runs."""
