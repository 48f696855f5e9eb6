"""A lazy frame with a filter of one row in a thousand, against SQL by hand through the driver into Polars."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import adbc_driver_postgresql.dbapi as adbc
import polars as pl

import djarrow as dj
from benchmarks.paired import Ratio, compare
from djarrow.engine.connect import conn
from djarrow.engine.embedded import EmbeddedServer

ROWS = 1_000_000

QUERY = 'SELECT "number", "part", "half", "word" FROM "lazy"."number" WHERE "part" = 7'


def run() -> Iterator[Ratio]:
    """One row in a thousand of a million, by a filter on an attribute without an index."""
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedServer(Path(folder) / "server")
        connection = conn(server.join())
        table = _declare(dj.Schema("lazy", connection=connection))
        table.insert(_rows())
        connection.execute("VACUUM ANALYZE lazy.number")
        driver = adbc.connect(connection.url, autocommit=True)
        try:
            yield _filtered(table, driver)
        finally:
            driver.close()
            connection.close()
            server.stop()


def _declare(schema: dj.Schema) -> type[dj.Manual]:
    @schema
    class Number(dj.Manual):
        definition = """
        number : int32
        ---
        part : int16
        half : float64
        word : varchar(20)
        """

    table: type[dj.Manual] = Number
    return table


def _rows() -> pl.DataFrame:
    number = pl.col("number")
    return pl.DataFrame({"number": range(ROWS)}).select(
        "number", part=number % 1000, half=number / 2, word=pl.format("word {}", number % 100)
    )


def _filtered(table: type[dj.Manual], driver: adbc.Connection) -> Ratio:
    def ours() -> object:
        return table.to_lazy().filter(pl.col("part") == 7).collect()

    def theirs() -> object:
        with driver.cursor() as cursor:
            cursor.execute(QUERY)
            return pl.from_arrow(cursor.fetch_arrow_table())

    return compare("to_lazy, one row in a thousand of 1M", ours, "ADBC with SQL by hand", theirs, reach=1.3)
