"""Computing 2,000 keys that take no time to compute: key by key, in batches and on the server, against the peer.

The peer calls make for every key, which is its only form. Both read one value of the parent and insert one row a key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import polars as pl

import djarrow as dj
from benchmarks.paired import Ratio, compare
from benchmarks.server import own_server
from tests.peer import Peer, PeerWorker
from tests.peer.environment import interpreter

KEYS = 2_000

SCAN = "scan : int32\n---\nvalue : float64"
RESULT = "-> Scan\n---\ndouble : float64"


def run() -> Iterator[Ratio]:
    """The three forms against the peer's populate."""
    with own_server() as (connection, folder):
        tables = _declare(dj.Schema("bench_computing", connection=connection))
        peer = Peer(interpreter(folder), connection.url)
        with peer.worker(PEER, scan=SCAN, result=RESULT, keys=KEYS) as worker:
            yield _compared("make", tables["Made"], worker, reach=1 / 3)
            yield _compared("make_batch", tables["Batched"], worker, reach=1 / 50)
            yield _compared("make_query", tables["Queried"], worker, reach=1 / 200)


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


def _compared(form: str, table: Any, worker: PeerWorker, *, reach: float) -> Ratio:
    def ours() -> None:
        if table.populate().done != KEYS:
            raise RuntimeError("Not all keys were made.")

    def theirs() -> None:
        if worker.call("populate") != KEYS:
            raise RuntimeError("The peer did not make all keys.")

    def before() -> None:
        connection = table.schema.writable()
        connection.execute(f"TRUNCATE {table.full_table_name}")
        worker.call("empty")
        connection.execute("CHECKPOINT")

    return compare(
        f"populate {KEYS:,} keys by {form}",
        ours,
        "DataJoint-Python's populate",
        theirs,
        reach=reach,
        rounds=3,
        before=before,
    )


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


def populate():
    Result.populate()
    return len(Result())
"""
"""What the peer's process runs."""
