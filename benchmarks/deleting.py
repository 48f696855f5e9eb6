"""Deleting a million rows over four levels, against the same DELETEs by hand, from the lowest table up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import adbc_driver_postgresql.dbapi as adbc
from attrs import frozen

import djarrow as dj
from benchmarks.paired import Ratio, compare
from benchmarks.server import own_server
from djarrow.engine.postgres import PostgresConnection
from djarrow.table.expression import QueryExpression

ROUNDS = 5
TABLES = ("study", "session", "trial", "sample")

FILL = (
    "INSERT INTO kept.study SELECT g, 'study ' || g FROM generate_series(1, {studies}) AS g",
    "INSERT INTO kept.session SELECT study, g, date '2024-01-01' FROM kept.study, generate_series(1, {a}) AS g",
    "INSERT INTO kept.trial SELECT study, session, g, 0.5 FROM kept.session, generate_series(1, {b}) AS g",
    "INSERT INTO kept.sample SELECT study, session, trial, g, g * 0.37 FROM kept.trial, generate_series(1, {c}) AS g",
)


@frozen
class Shape:
    """How many rows are below each row of the level above. deleted: studies that go, of those that there are."""

    name: str
    deleted: int
    below: tuple[int, int, int]

    @property
    def studies(self) -> int:
        """A tenth of them stays."""
        return self.deleted + max(self.deleted // 10, 1)


SHAPES = (
    Shape("10 + 1,000 + 100,000 + 900,000", 10, (100, 100, 9)),
    Shape("4 times 250,000", 250_000, (1, 1, 1)),
)


def run() -> Iterator[Ratio]:
    """By a condition, in two shapes; and everything."""
    with own_server() as (connection, _):
        driver = adbc.connect(connection.url, autocommit=True)
        for shape in SHAPES:
            study = _declared(connection, shape)
            condition = f"study <= {shape.deleted}"
            yield _compared(f"delete 1,000,000 rows, {shape.name}", study & condition, driver, f"WHERE {condition}")
        yield _compared("delete all rows of the same tables", study(), driver, "")
        driver.close()


def _declared(connection: PostgresConnection, shape: Shape) -> Any:
    """Tables of four levels, and a copy of their rows, which each measurement begins with."""
    for name in ("bench_deleting", "kept"):
        connection.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE")
    schema = dj.Schema("bench_deleting", connection=connection)

    @schema
    class Study(dj.Manual):
        definition = "study : int32\n---\nname : varchar(20)"

    @schema
    class Session(dj.Manual):
        definition = "-> Study\nsession : int32\n---\nday : date"

    @schema
    class Trial(dj.Manual):
        definition = "-> Session\ntrial : int32\n---\ndelay : float64"

    @schema
    class Sample(dj.Manual):
        definition = "-> Trial\nsample : int32\n---\nx : float64"

    Sample.declare()
    connection.execute("CREATE SCHEMA kept")
    for table in TABLES:
        connection.execute(f"CREATE TABLE kept.{table} AS SELECT * FROM bench_deleting.{table}")
    for text in FILL:
        a, b, c = shape.below
        connection.execute(text.format(studies=shape.studies, a=a, b=b, c=c))
    return Study


def _compared(name: str, query: QueryExpression, driver: adbc.Connection, where: str) -> Ratio:
    def ready() -> None:
        with driver.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")  # references are those of the copy
            cursor.execute(f"TRUNCATE {', '.join(f'bench_deleting.{table}' for table in TABLES)}")
            for table in TABLES:
                cursor.execute(f"INSERT INTO bench_deleting.{table} SELECT * FROM kept.{table}")
                cursor.execute(f"VACUUM ANALYZE bench_deleting.{table}")
            cursor.execute("SET session_replication_role = origin")
            cursor.execute("CHECKPOINT")

    def theirs() -> None:
        with driver.cursor() as cursor:
            cursor.execute("BEGIN")
            for table in reversed(TABLES):
                cursor.execute(f"DELETE FROM bench_deleting.{table} {where}")
            cursor.execute("COMMIT")

    return compare(name, query.delete, "the same DELETEs through ADBC", theirs, reach=1.2, rounds=ROUNDS, before=ready)
