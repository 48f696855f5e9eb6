"""Inserting: frames, dicts, duplicates, one row, and ten million rows of a file, against the driver and the peer."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import adbc_driver_postgresql.dbapi as adbc
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

import djarrow as dj
from benchmarks.paired import Count, Ratio, compare
from benchmarks.server import own_server
from tests.memory import PEAK
from tests.peer import Peer, PeerWorker
from tests.peer.environment import interpreter

ROWS = 1_000_000
SOME = 200_000
FILE_ROWS = 10_000_000

DEFINITION = """
# 9 attributes of the kinds that measurements have
subject : int16
trial : int32
---
x : float64
y = null : float64
n : int32
name : varchar(12)
day : date
ok = null : bool
moment : datetime
"""


def frame(rows: int) -> pl.DataFrame:
    """Rows of the table, in the order of its key."""
    g = pl.int_range(rows, eager=True).alias("g")
    return pl.DataFrame(g).select(
        subject=(pl.col("g") // 1000 % 30_000).cast(pl.Int16),
        trial=pl.col("g").cast(pl.Int32),
        x=pl.col("g") * 0.37,
        y=pl.when(pl.col("g") % 10 > 0).then(pl.col("g") / 7.0),
        n=(pl.col("g") % 5000).cast(pl.Int32),
        name=pl.format("name {}", pl.col("g") % 977),
        day=pl.date(2020, 1, 1) + pl.duration(days=pl.col("g") % 1500),
        ok=pl.when(pl.col("g") % 7 > 0).then(pl.col("g") % 2 == 0),
        moment=pl.datetime(2024, 1, 1) + pl.duration(seconds=pl.col("g")),
    )


def run() -> Iterator[Ratio | Count]:
    """A frame, one row, dicts and duplicates, and the memory that a file of ten million rows takes."""
    with own_server() as (connection, folder):
        schema = dj.Schema("bench_inserting", connection=connection)
        table: dj.Table = schema(type("Measurement", (dj.Manual,), {"definition": DEFINITION}))()
        table.declare()
        driver = adbc.connect(connection.url)
        yield _frame(table, driver)
        yield _insert1(table, driver)
        driver.close()
        peer = Peer(interpreter(folder), connection.url)
        with peer.worker(PEER, definition=DEFINITION, rows=SOME) as worker:
            yield _dicts(table, worker)
            yield _duplicates(table, worker)
        yield _memory(table, folder, connection.url)


def _empty(table: dj.Table) -> None:
    connection = table.schema.writable()
    connection.execute(f"TRUNCATE {table.full_table_name}")
    connection.execute("CHECKPOINT")


def _frame(table: dj.Table, driver: adbc.Connection) -> Ratio:
    """A Polars frame; the driver has the same rows ready as Arrow, and commits."""
    rows = frame(ROWS)
    arrow = rows.to_arrow().cast(_plain(rows.to_arrow().schema))
    name = table.spec.name

    def theirs() -> None:
        with driver.cursor() as cursor:
            cursor.adbc_ingest(name.table, arrow, mode="append", db_schema_name=name.schema)
        driver.commit()

    return compare(
        f"insert a frame of {ROWS:,} rows x 9",
        lambda: table.insert(rows),
        "ADBC's COPY of the same rows",
        theirs,
        reach=1.25,
        rounds=7,
        before=lambda: _empty(table),
    )


def _plain(schema: pa.Schema) -> pa.Schema:
    """Without the layouts that the driver does not take."""
    return pa.schema([(f.name, pa.string() if pa.types.is_large_string(f.type) else f.type) for f in schema])


def _insert1(table: dj.Table, driver: adbc.Connection) -> Ratio:
    """A hundred rows one by one, each committed; the driver binds the values."""
    rows = frame(100).to_dicts()
    names = ", ".join(f'"{name}"' for name in rows[0])
    places = ", ".join(f"${number}" for number in range(1, len(rows[0]) + 1))
    text = f"INSERT INTO {table.full_table_name} ({names}) VALUES ({places})"

    def ours() -> None:
        for row in rows:
            table.insert1(row)

    def theirs() -> None:
        with driver.cursor() as cursor:
            for row in rows:
                cursor.execute(text, tuple(row.values()))
                driver.commit()

    return compare(
        "insert1, 100 times",
        ours,
        "ADBC's INSERT with bound values and a commit",
        theirs,
        reach=1.5,
        before=lambda: _empty(table),
    )


PEER = """
import datetime

START, DAY = datetime.datetime(2024, 1, 1), datetime.date(2020, 1, 1)
RECORDS = [
    {
        "subject": g // 1000 % 30_000,
        "trial": g,
        "x": g * 0.37,
        "y": g / 7.0 if g % 10 else None,
        "n": g % 5000,
        "name": f"name {g % 977}",
        "day": DAY + datetime.timedelta(days=g % 1500),
        "ok": g % 2 == 0 if g % 7 else None,
        "moment": START + datetime.timedelta(seconds=g),
    }
    for g in range(rows)
]


@dj.Schema("bench_peer")
class Measurement(dj.Manual):
    definition = definition


def empty():
    Measurement().delete_quick()


def insert():
    Measurement.insert(RECORDS)
    return len(Measurement())


def skip():
    Measurement.insert(RECORDS, skip_duplicates=True)
    return len(Measurement())
"""
"""What the peer's process runs."""


def _dicts(table: dj.Table, worker: PeerWorker) -> Ratio:
    """Dicts, as programs make them."""
    rows = frame(SOME).to_dicts()

    def before() -> None:
        _empty(table)
        worker.call("empty")

    return compare(
        f"insert {SOME:,} dicts",
        lambda: table.insert(rows),
        "DataJoint-Python, insert",
        lambda: worker.call("insert"),
        reach=0.1,
        rounds=3,
        before=before,
    )


def _duplicates(table: dj.Table, worker: PeerWorker) -> Ratio:
    """Rows all of which are there."""
    rows = frame(SOME).to_dicts()
    table.insert(rows, skip_duplicates=True)
    if table.insert(rows, skip_duplicates=True).skipped != worker.call("skip"):
        raise RuntimeError("The rows are not all there.")
    return compare(
        f"insert {SOME:,} dicts that are there, skip_duplicates",
        lambda: table.insert(rows, skip_duplicates=True),
        "DataJoint-Python, the same",
        lambda: worker.call("skip"),
        reach=0.1,
        rounds=3,
    )


LOAD = (
    PEAK
    + """
import sys
from pathlib import Path
import djarrow as dj
lab = dj.VirtualModule("lab", "bench_inserting", connection=dj.conn(sys.argv[1]))
inserted = lab.Measurement.insert(Path(sys.argv[2]))
assert inserted == int(sys.argv[3]), inserted
print(round(peak()))
"""
)
"""What a process of its own runs."""


def _memory(table: dj.Table, folder: Path, url: str) -> Count:
    """A Parquet file as Polars and pyarrow write them, in row groups of a million rows."""
    path = folder / "rows.parquet"
    rows = frame(FILE_ROWS).to_arrow()
    pq.write_table(rows, path, row_group_size=1_000_000)
    del rows
    _empty(table)
    done = subprocess.run(
        [sys.executable, "-c", LOAD, url, str(path), str(FILE_ROWS)], capture_output=True, text=True, check=True
    )
    return Count(f"peak memory in MB of inserting a Parquet file of {FILE_ROWS:,} rows x 9", int(done.stdout), 600)
