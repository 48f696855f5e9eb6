"""Reading a table of a million rows: djarrow against the driver alone, DataJoint-Python, and itself over more rows."""

from __future__ import annotations

import time
from collections.abc import Iterator

import adbc_driver_postgresql.dbapi as adbc
import connectorx
import polars as pl

import djarrow as dj
from benchmarks.paired import Growth, Ratio, compare
from benchmarks.server import own_server
from djarrow.engine.postgres import PostgresConnection
from tests.peer import Peer, PeerWorker
from tests.peer.environment import interpreter

ROWS = 1_000_000
SIZES = (10_000, 100_000, 1_000_000, 10_000_000)

DEFINITION = """
# 9 attributes of the kinds that measurements have
subject : uint16
trial : int32
---
x : float64
y = null : float32
n : int32
name : varchar(12)
day : date
ok = null : bool
moment : timestamp
"""

FILL = """INSERT INTO bench_reading.{table}
SELECT g % 1000, g, g * 0.37, CASE WHEN g % 10 > 0 THEN g / 7.0 END, g % 5000, 'name ' || g % 977,
    date '2020-01-01' + g % 1500, CASE WHEN g % 7 > 0 THEN g % 2 = 0 END,
    timestamptz '2024-01-01 00:00+00' + g * interval '1 second'
FROM generate_series(1, {rows}) AS g"""


def run() -> Iterator[Ratio | Growth]:
    """Fetch of all rows, of one row, and of ten to ten million."""
    with own_server() as (connection, folder):
        tables = {rows: _filled(connection, rows) for rows in SIZES}
        driver = adbc.connect(connection.url, autocommit=True)
        driver.cursor().execute("SET TimeZone = 'UTC'")
        yield _fetch(tables[ROWS], driver)
        yield _fetch1(tables[ROWS], driver)
        yield _scaling(tables)
        yield _partitions(tables[ROWS], connection.url)
        driver.close()
        peer = Peer(interpreter(folder), connection.url)
        with peer.worker(PEER) as worker:
            yield _against_the_peer(tables[ROWS], worker)


def _filled(connection: PostgresConnection, rows: int) -> dj.Table:
    """A table of so many rows, on which the server has finished its own work."""
    schema = dj.Schema("bench_reading", connection=connection)
    table: dj.Table = schema(type(f"Rows{rows}", (dj.Manual,), {"definition": DEFINITION}))()
    table.declare()
    connection.execute(FILL.format(table=table.spec.name.table, rows=rows))
    connection.execute(f"VACUUM (FREEZE, ANALYZE) bench_reading.{table.spec.name.table}")
    return table


def _fetch(table: dj.Table, driver: adbc.Connection) -> Ratio:
    """All rows to Polars; the driver runs the text that djarrow compiles."""
    text = table.to_sql(pretty=False)

    def theirs() -> object:
        with driver.cursor() as cursor:
            cursor.execute(text)
            return pl.from_arrow(cursor.fetch_arrow_table())

    return compare(f"fetch {ROWS:,} rows x 9 to Polars", table.to_polars, "ADBC with the same SQL", theirs, reach=1.1)


def _fetch1(table: dj.Table, driver: adbc.Connection) -> Ratio:
    """A hundred rows by key, each another one; the driver binds the values and gives a dict too."""
    keys = [{"subject": g % 1000, "trial": g} for g in range(5000, 5100)]
    text = (table & keys[0]).to_sql(pretty=False).replace(" = 0", " = $1").replace(" = 5000", " = $2")

    def ours() -> object:
        return [(table & key).fetch1() for key in keys]

    def theirs() -> object:
        rows = []
        with driver.cursor() as cursor:
            for key in keys:
                cursor.execute(text, (key["subject"], key["trial"]))
                rows += cursor.fetch_arrow_table().to_pylist()
        return rows

    if ours() != theirs():
        raise RuntimeError("djarrow and the driver give other rows.")
    return compare("fetch1 by key, 100 times", ours, "ADBC with bound values", theirs, reach=1.5)


def _scaling(tables: dict[int, dj.Table]) -> Growth:
    """The time that a row adds, from ten thousand rows to ten million: the best of some reads, less one of no rows."""
    fixed = _best(tables[SIZES[0]], 50, limit=0)
    seconds = {rows: _best(table, max(4, min(50, 5_000_000 // rows))) - fixed for rows, table in tables.items()}
    return Growth("fetch to Arrow, time a row", seconds, reach=1.2)


def _best(table: dj.Table, times: int, limit: int | None = None) -> float:
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        table.to_arrow(limit=limit)
        taken.append(time.perf_counter() - started)
    return min(taken)


def _partitions(table: dj.Table, url: str) -> Ratio:
    """The same rows over two connections, by ConnectorX in two ranges of the key, and by djarrow in one snapshot."""
    text = table.to_sql(pretty=False)
    parts = [f"{text} WHERE t1.trial <= {ROWS // 2}", f"{text} WHERE t1.trial > {ROWS // 2}"]

    def theirs() -> pl.DataFrame:
        frame: pl.DataFrame = connectorx.read_sql(url, parts, return_type="polars")
        return frame

    if theirs().height != ROWS:
        raise RuntimeError("ConnectorX reads other rows.")
    return compare(
        f"fetch {ROWS:,} rows x 9 over two connections",
        lambda: table.to_polars(partitions=2),
        "ConnectorX with two queries",
        theirs,
        reach=1,
        rounds=7,
    )


def _against_the_peer(table: dj.Table, worker: PeerWorker) -> Ratio:
    """The same rows to Polars by DataJoint-Python, from the same table."""
    if (found := worker.call("fetch")) != ROWS:
        raise RuntimeError(f"The peer reads {found} rows.")
    return compare(
        f"fetch {ROWS:,} rows x 9 to Polars",
        table.to_polars,
        "DataJoint-Python's to_polars",
        lambda: worker.call("fetch"),
        reach=1 / 25,
        rounds=3,
    )


PEER = """
rows = dj.VirtualModule("module", "bench_reading").Rows1000000


def fetch():
    return len(rows().to_polars())
"""
"""What the peer's process runs."""
