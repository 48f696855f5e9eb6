"""Repositories: export and restore of ten million rows against the driver with pyarrow, verify against sha256sum."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import adbc_driver_postgresql.dbapi as adbc
import pyarrow.parquet as pq

import djarrow as dj
from benchmarks.inserting import DEFINITION, frame
from benchmarks.paired import Count, Goal, Ratio, compare
from benchmarks.server import own_server
from djarrow.engine.postgres import PostgresConnection
from tests.memory import PEAK

ROWS = 10_000_000
ROUNDS = 3

TABLES = 200


def run() -> Iterator[Ratio | Count | Goal]:
    """One table of nine attributes, exported to one file, verified and restored."""
    with own_server() as (connection, folder):
        schema = dj.Schema("bench_repository", connection=connection)
        table: dj.Table = schema(type("Measurement", (dj.Manual,), {"definition": DEFINITION}))()
        for part in frame(ROWS).iter_slices(1_000_000):
            table.insert(part)
        connection.execute("VACUUM ANALYZE")
        yield _export(table, folder, connection)
        yield _memory(folder, connection)
        yield _verify(folder / "ours")
        yield _restore(table, folder / "ours", connection)
        yield _opening(folder, connection)


def _export(table: dj.Table, folder: Path, connection: PostgresConnection) -> Ratio:
    """The driver streams the same SELECT into a writer with the same compression; no hashes, no manifest, no sync."""
    driver = adbc.connect(connection.url)
    text = f'SELECT * FROM {table.full_table_name} ORDER BY "subject", "trial"'

    def theirs() -> None:
        with driver.cursor() as cursor:
            cursor.execute(text)
            reader = cursor.fetch_record_batch()
            with pq.ParquetWriter(folder / "theirs.parquet", reader.schema, compression="zstd") as writer:
                for batch in reader:
                    writer.write_batch(batch)

    def before() -> None:
        shutil.rmtree(folder / "ours", ignore_errors=True)

    found = compare(
        f"export {ROWS:,} rows x 9",
        lambda: dj.export(type(table), folder / "ours"),
        "ADBC's stream into pyarrow's ParquetWriter",
        theirs,
        reach=1.15,
        rounds=ROUNDS,
        before=before,
    )
    driver.close()
    before()
    dj.export(type(table), folder / "ours")
    return found


EXPORT = (
    "import sys\n"
    + PEAK
    + """
import djarrow as dj
from djarrow.engine.connect import connect

dj.export(dj.Schema("bench_repository", connection=connect(sys.argv[1])), sys.argv[2])
print(round(peak()))
"""
)


def _memory(folder: Path, connection: PostgresConnection) -> Count:
    """The whole process that exports."""
    command = [sys.executable, "-c", EXPORT, connection.url, str(folder / "again")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    shutil.rmtree(folder / "again")
    return Count(f"peak memory in MB of exporting {ROWS:,} rows x 9", int(done.stdout), 600)


def _verify(path: Path) -> Ratio:
    """The same files, which both find in memory."""
    files = sorted(str(file) for file in path.rglob("*") if file.is_file())

    def ours() -> None:
        if not dj.verify(path):
            raise RuntimeError("The repository is damaged.")

    def theirs() -> None:
        subprocess.run(["sha256sum", *files], stdout=subprocess.DEVNULL, check=True)

    return compare(f"verify {ROWS:,} rows", ours, "sha256sum of the same files", theirs, reach=1 / 0.8, rounds=9)


def _restore(table: dj.Table, path: Path, connection: PostgresConnection) -> Ratio:
    """The driver's COPY from the same file, into a table with the same columns, checks and key, in one transaction."""
    driver = adbc.connect(connection.url)
    (file,) = path.rglob("*.parquet")

    def theirs() -> None:
        with driver.cursor() as cursor, pq.ParquetFile(file) as source:
            for batch in source.iter_batches(batch_size=65_536):
                cursor.adbc_ingest(table.spec.name.table, batch, mode="append", db_schema_name="bench_theirs")
        driver.commit()

    def before() -> None:
        connection.execute('DROP SCHEMA IF EXISTS "bench_ours" CASCADE')
        connection.execute('DROP SCHEMA IF EXISTS "bench_theirs" CASCADE')
        connection.execute('CREATE SCHEMA "bench_theirs"')
        connection.execute(
            f'CREATE TABLE "bench_theirs".{table.full_table_name.partition(".")[2]} '
            f"(LIKE {table.full_table_name} INCLUDING ALL)"
        )
        connection.execute("CHECKPOINT")

    found = compare(
        f"restore {ROWS:,} rows x 9",
        lambda: dj.restore(path, connection, rename={"bench_repository": "bench_ours"}),
        "ADBC's COPY from the same file",
        theirs,
        reach=1.25,
        rounds=ROUNDS,
        before=before,
    )
    driver.close()
    return found


def _opening(folder: Path, connection: PostgresConnection) -> Goal:
    """Two hundred tables, each with nine attributes and a reference to the one before it."""
    context: dict[str, Any] = {}
    schema = dj.Schema("bench_opening", context, connection=connection)
    names = [f"Table{number}" for number in range(TABLES)]
    for number, name in enumerate(names):
        reference = f"-> [nullable] {names[number - 1]}.proj(before='id')\n" if number else ""
        body = "".join(f"x{i} = null : float64  # value {i}\n" for i in range(7))
        made: type[dj.Table] = type(name, (dj.Manual,), {"definition": f"id : int32\n---\n{reference}{body}"})
        context[name] = schema(made)
    context[names[0]].insert([{"id": n} for n in range(10)])
    dj.export(schema, folder / "many")

    def opened() -> float:
        started = time.perf_counter()
        repository = dj.open(folder / "many")
        if len(repository["bench_opening"].Table0 & "id > 3") != 6:
            raise RuntimeError("The query has another answer.")
        seconds = time.perf_counter() - started
        repository.close()
        return seconds

    return Goal(
        f"open a repository of {TABLES} tables and query one", statistics.median(opened() for _ in range(9)), 0.3
    )
