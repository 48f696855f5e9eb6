"""Queries over the flights: what compiling costs against DataJoint-Python, what the SQL costs against SQL by hand."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import adbc_driver_postgresql.dbapi as adbc
import duckdb
import polars as pl

import djarrow as dj
from benchmarks.paired import Ratio, compare
from djarrow.demo.loading import frames
from djarrow.demo.pipeline import Airline, Airport, Flight, Hour, Month, Plane, Weather, schema
from djarrow.engine.connect import conn
from djarrow.engine.duckdb import SETTINGS
from djarrow.engine.embedded import EmbeddedServer
from djarrow.engine.postgres import PostgresConnection
from djarrow.sql.compile import forget
from djarrow.table.expression import QueryExpression
from tests.peer import Peer, PeerWorker
from tests.peer.environment import interpreter

TIMES = 50
"""How often one measurement compiles for the first time."""

AGAIN = 1000
"""How often it compiles once more: so often that the caches of the processor are warm for both."""

DEFINITIONS = {
    table.__name__: (table.__mro__[1].__name__, re.sub(r"\buint\d+", "int64", table.definition))
    for table in (Airline, Month, Airport, Plane, Hour, Weather, Flight)
}
"""The pipeline for the peer, which has no unsigned types: it declares tables of its own and knows their lineage."""


def run() -> Iterator[Ratio]:
    """Compile, first and again; a join of five with an aggregation; a query offline."""
    with _flights() as (connection, folder):
        peer = Peer(interpreter(folder), connection.url)
        with peer.worker(PEER, times=TIMES, times_again=AGAIN, definitions=DEFINITIONS) as worker:
            yield from _compile(worker)
        driver = adbc.connect(connection.url, autocommit=True)
        driver.cursor().execute("SET TimeZone = 'UTC'")
        yield _join(driver)
        driver.close()
        dj.export(schema, folder / "repository")
        yield _offline(folder / "repository")


@contextmanager
def _flights() -> Iterator[tuple[PostgresConnection, Path]]:
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedServer(Path(folder) / "server")
        connection = conn(server.join())
        try:
            schema.activate()
            for table, frame in frames():
                table.insert(frame)
            connection.execute("VACUUM ANALYZE")
            yield connection, Path(folder)
        finally:
            connection.close()
            server.stop()


# --- compiling -------------------------------------------------------------------------------------------------------


def _five_joins() -> QueryExpression:
    origins = Airport.proj("latitude", "altitude", origin="faa")
    return Flight * Airline * Plane.proj("model", "seats") * Hour * Weather.proj("wind_speed") * origins


def _compile(worker: PeerWorker) -> Iterator[Ratio]:
    def first() -> None:
        for _ in range(TIMES):
            forget()
            _five_joins().to_sql(pretty=False)

    def again() -> None:
        for _ in range(AGAIN):
            built.to_sql(pretty=False)

    built = _five_joins()
    if (attributes := worker.call("attributes")) != len(built.heading):
        raise RuntimeError(f"The peer's query has {attributes} attributes, djarrow's {len(built.heading)}.")
    theirs = "DataJoint-Python's make_sql"
    yield compare(
        "compile a join of five, built and written for the first time, 50 times",
        first,
        theirs,
        lambda: worker.call("first"),
        reach=1,
    )
    yield compare("compile it again, 1,000 times", again, theirs, lambda: worker.call("again"), reach=0.05)


PEER = """
schema, tables = dj.Schema("bench_flights"), {}
for name, (tier, definition) in definitions.items():
    tables[name] = schema(type(name, (getattr(dj, tier),), {"definition": definition}), context=tables)


def five_joins():
    origins = tables["Airport"].proj("latitude", "altitude", origin="faa")
    planes, weather = tables["Plane"].proj("model", "seats"), tables["Weather"].proj("wind_speed")
    return tables["Flight"] * tables["Airline"] * planes * tables["Hour"] * weather * origins


def attributes():
    return len(five_joins().heading.names)


def first():
    for _ in range(times):
        five_joins().make_sql()


built = five_joins()


def again():
    for _ in range(times_again):
        built.make_sql()
"""
"""What the peer's process runs."""

# --- running ---------------------------------------------------------------------------------------------------------


def _delays() -> QueryExpression:
    """How late the planes of each model were with each airline in each month, in what wind."""
    flights = Flight.proj("tail_number", "departure_delay", "distance") * Plane.proj("model", "seats")
    joined = flights * Hour.proj("day") * Weather.proj("wind_speed") * Airport.proj("altitude", origin="faa") * Month
    return dj.U("carrier", "month", "model").aggr(
        joined, flights="count(*)", delay="avg(departure_delay)", wind="max(wind_speed)", seats="sum(seats)"
    )


BY_HAND = """
SELECT f.carrier, f.month, p.model, count(*) AS flights, avg(f.departure_delay::float8) AS delay,
    max(w.wind_speed) AS wind, sum(p.seats)::bigint AS seats
FROM {schema}.flight AS f
JOIN {schema}.plane AS p ON p.tail_number = f.tail_number
JOIN {schema}.hour AS h ON h.month = f.month AND h.time_hour = f.time_hour
JOIN {schema}.weather AS w ON w.month = f.month AND w.time_hour = f.time_hour AND w.origin = f.origin
JOIN {schema}.airport AS a ON a.faa = f.origin
JOIN {schema}."#month" AS m ON m.month = f.month
GROUP BY f.carrier, f.month, p.model
"""
"""What somebody who knows the tables would write."""


def _rows(frame: object) -> list[tuple[object, ...]]:
    if not isinstance(frame, pl.DataFrame):
        raise TypeError(type(frame))
    return frame.with_columns(pl.col("delay").round(6)).sort("carrier", "month", "model").rows()


def _join(driver: adbc.Connection) -> Ratio:
    query, text = _delays(), BY_HAND.format(schema="flights")

    def theirs() -> object:
        with driver.cursor() as cursor:
            cursor.execute(text)
            return pl.from_arrow(cursor.fetch_arrow_table())

    if _rows(query.to_polars()) != _rows(theirs()):
        raise RuntimeError("The query by hand gives other rows.")
    return compare(
        "a join of five with an aggregation over the flights",
        query.to_polars,
        "ADBC with SQL by hand",
        theirs,
        reach=1.1,
    )


def _offline(folder: Path) -> Ratio:
    query = _delays()
    database = duckdb.connect(":memory:")
    for name in ("TimeZone", "integer_division", "ieee_floating_point_ops", "default_null_order"):
        database.execute(f"SET {name} = {SETTINGS[name]}")
    repository = dj.open(folder)
    database.execute("CREATE SCHEMA flights")
    for entry in repository.manifest.tables:
        files = ", ".join(f"'{folder / file.path}'" for file in entry.files)
        name = f'"{entry.name.schema}"."{entry.name.table}"'
        database.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet([{files}])")
    text = BY_HAND.format(schema="flights")

    def theirs() -> object:
        return database.sql(text).pl()

    with repository.using(schema):
        if _rows(query.to_polars()) != _rows(theirs()):
            raise RuntimeError("The query by hand gives other rows.")
        return compare("the same offline", query.to_polars, "DuckDB with SQL by hand", theirs, reach=1.1)
