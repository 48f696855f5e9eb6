"""Reading and writing the flights: djarrow against the driver alone, doing the same on the same server."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import adbc_driver_postgresql.dbapi as adbc
import polars as pl

import djarrow as dj
from benchmarks.paired import Ratio, compare
from djarrow.demo.loading import frames
from djarrow.demo.pipeline import Flight, schema
from djarrow.engine.connect import conn
from djarrow.engine.embedded import EmbeddedServer
from djarrow.engine.postgres import PostgresConnection
from djarrow.frame.rows import to_arrow


def run() -> Iterator[Ratio]:
    """Fetch of all flights to Polars, and insert of the frame of flights."""
    with _server() as connection:
        for table, frame in frames():
            table.insert(frame)
            flights = frame  # the last table is Flight
        driver = adbc.connect(connection.url, autocommit=True)
        driver.cursor().execute("SET TimeZone = 'UTC'")
        connection.execute("VACUUM ANALYZE flights.flight")
        yield _fetch(driver)
        yield _insert(connection, driver, flights)
        connection.execute("VACUUM ANALYZE")
        yield _slice(driver)
        driver.close()


@contextmanager
def _server() -> Iterator[PostgresConnection]:
    """The pipeline declared on a server of its own."""
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedServer(Path(folder) / "server")
        connection = conn(server.join())
        try:
            schema.activate()
            yield connection
        finally:
            connection.close()
            server.stop()


def _fetch(driver: adbc.Connection) -> Ratio:
    """All flights to Polars; the driver runs the text that djarrow compiles."""
    text = Flight.to_sql(pretty=False)

    def theirs() -> object:
        with driver.cursor() as cursor:
            cursor.execute(text)
            return pl.from_arrow(cursor.fetch_arrow_table())

    return compare("fetch all flights to Polars", Flight.to_polars, "ADBC with the same SQL", theirs, reach=1.1)


def _insert(connection: PostgresConnection, driver: adbc.Connection, flights: pl.DataFrame) -> Ratio:
    """The frame of flights into the empty table; the driver gets the rows ready as Arrow, in the table's own types."""
    spec = Flight().spec
    ready = to_arrow(flights, spec.heading, str(spec.name))

    def theirs() -> object:
        with driver.cursor() as cursor:
            return cursor.adbc_ingest(spec.name.table, ready, mode="append", db_schema_name=spec.name.schema)

    def empty() -> None:
        connection.execute("TRUNCATE flights.flight")
        connection.execute("CHECKPOINT")

    return compare(
        "insert the frame of flights",
        lambda: Flight.insert(flights),
        "ADBC's COPY of the same rows",
        theirs,
        reach=1.25,
        rounds=7,
        before=empty,
    )


BY_HAND = {
    "flight": "SELECT * FROM flights.flight WHERE month = 6 ORDER BY 1, 2, 3, 4, 5, 6",
    "hour": "SELECT * FROM flights.hour WHERE month = 6 ORDER BY 1, 2, 3, 4",
    "month": 'SELECT * FROM flights."#month" WHERE month = 6 ORDER BY 1',
    "airline": """SELECT * FROM flights."#airline" AS a
        WHERE EXISTS (SELECT FROM flights.flight AS f WHERE f.month = 6 AND f.carrier = a.carrier) ORDER BY 1""",
    "plane": """SELECT * FROM flights.plane AS p
        WHERE tail_number IN (SELECT tail_number FROM flights.flight WHERE month = 6) ORDER BY 1""",
    "airport": """SELECT * FROM flights.airport AS a
        WHERE faa IN (SELECT origin FROM flights.flight WHERE month = 6)
        OR faa IN (SELECT destination FROM flights.flight WHERE month = 6) ORDER BY 1""",
}
"""The rows of a month and what they refer to, as one would write it."""


def _slice(driver: adbc.Connection) -> Ratio:
    """A month of flights with all that it needs; Polars writes the same rows, without hashes and manifest."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def theirs() -> None:
            for table, text in BY_HAND.items():
                pl.read_database(text, driver).write_parquet(folder / f"{table}.parquet", compression="zstd")

        def before() -> None:
            shutil.rmtree(folder / "ours", ignore_errors=True)

        def ours() -> None:
            dj.export(Flight & "month = 6", folder / "ours")

        return compare("export a month of flights", ours, "Polars by hand", theirs, reach=1.2, before=before)
