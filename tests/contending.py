"""Processes that insert and delete in one pipeline at once: a diamond of four levels with a part, and what came of it.

Every row that is deleted is written to a log by a trigger, in the transaction that deletes it: what the log holds was
deleted, and what deletes reported must agree with it.
"""

from __future__ import annotations

import multiprocessing
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from attrs import field, frozen

import djarrow as dj
from djarrow.engine.connect import connect
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import DjarrowError, MissingParent
from djarrow.table.expression import QueryExpression

INSERTERS, DELETERS = 3, 2
RETRYABLE = ("40001", "40P01")
TABLES = ("source", "left", "right", "bottom", "bottom__piece")


@frozen
class Outcome:
    """What one process did. deleted: rows by table; errors: those that are none of the usual ones, as text."""

    done: int = 0
    retryable: int = 0
    orphaned: int = 0
    deleted: Counter[str] = field(factory=Counter)
    errors: tuple[str, ...] = ()


def pipeline(name: str, connection: PostgresConnection) -> SimpleNamespace:
    """Left and Right refer to Source, one by its key and one beside it; Bottom to both; its part, to Right as well."""
    schema = dj.Schema(name, connection=connection)

    @schema
    class Source(dj.Manual):
        definition = "source : int32\n---"

    @schema
    class Left(dj.Manual):
        definition = "-> Source\nleft : int32\n---"

    @schema
    class Right(dj.Manual):
        definition = "right : int32\n---\n-> Source"

    @schema
    class Bottom(dj.Manual):
        definition = "-> Left\n-> Right\n---"

        class Piece(dj.Part):
            definition = "-> master\npiece : int8\n---\n-> [nullable] Source.proj(seen='source')"

    return SimpleNamespace(Source=Source, Left=Left, Right=Right, Bottom=Bottom, Piece=Bottom.Piece)


def log_deletes(connection: PostgresConnection, name: str) -> None:
    """Let every deleted row be written to a log, from here on."""
    schema = f'"{name}"'
    connection.execute(f'CREATE TABLE {schema}."Log" (name text, key text)')
    connection.execute(
        f"CREATE FUNCTION {schema}.log() RETURNS trigger LANGUAGE plpgsql AS "
        f"'BEGIN INSERT INTO {schema}.\"Log\" VALUES (TG_TABLE_NAME, OLD::text); RETURN OLD; END'"
    )
    for table in TABLES:
        connection.execute(
            f'CREATE TRIGGER log AFTER DELETE ON {schema}."{table}" FOR EACH ROW EXECUTE FUNCTION {schema}.log()'
        )


def logged(connection: PostgresConnection, name: str) -> Counter[str]:
    """How many rows of each table were deleted."""
    rows = connection.query(f'SELECT name, count(*) AS n FROM "{name}"."Log" GROUP BY name').to_pylist()
    return Counter({f"{name}.{row['name']}": row["n"] for row in rows})


def contend(url: str, name: str, seconds: float) -> list[Outcome]:
    """Let inserters and deleters run at once for so long. The last DELETERS of the outcomes are theirs."""
    works = [inserting] * INSERTERS + [deleting] * DELETERS
    spawned = multiprocessing.get_context("spawn")
    with _importable(), ProcessPoolExecutor(len(works), mp_context=spawned) as pool:
        running = [pool.submit(work, url, name, seconds, seed) for seed, work in enumerate(works)]
        return [each.result(timeout=seconds + 120) for each in running]


@contextmanager
def _importable() -> Iterator[None]:
    """New processes look for modules where this one does, and pytest need not have the tests there."""
    root = str(Path(__file__).parents[1])
    sys.path.insert(0, root)
    try:
        yield
    finally:
        sys.path.remove(root)


def inserting(url: str, name: str, seconds: float, seed: int) -> Outcome:
    """Insert rows of all levels, one after the other or in one transaction."""
    chance = random.Random(seed)  # noqa: S311 - test data

    def once(tables: SimpleNamespace, connection: PostgresConnection) -> Counter[str]:
        source, left, right = chance.randint(1, 6), chance.randint(1, 5), chance.randint(1, 12)
        if chance.random() < 0.3:
            with connection.begin(isolation="READ COMMITTED"):
                _insert(tables, source, left, right)
        else:
            _insert(tables, source, left, right)
        return Counter()

    return _repeat(url, name, seconds, once)


def _insert(tables: SimpleNamespace, source: int, left: int, right: int) -> None:
    tables.Source.insert1((source,), skip_duplicates=True)
    tables.Left.insert([(source, n) for n in range(left)], skip_duplicates=True)
    tables.Right.insert1((right, source), skip_duplicates=True)
    tables.Bottom.insert([(source, n, right) for n in range(left)], skip_duplicates=True)
    tables.Piece.insert([(source, n, right, 1, source) for n in range(left)], skip_duplicates=True)


def deleting(url: str, name: str, seconds: float, seed: int) -> Outcome:
    """Delete rows of every level, with all that depends on them."""
    chance = random.Random(seed)  # noqa: S311 - test data

    def once(tables: SimpleNamespace, connection: PostgresConnection) -> Counter[str]:
        number = chance.randint(1, 6)
        query: QueryExpression = chance.choice(
            [
                tables.Source & {"source": number},
                tables.Source & dj.Top(2),
                tables.Left & {"source": number},
                tables.Right & {"right": number},
                tables.Bottom & {"right": number},
            ]
        )
        return Counter(query.delete(part_integrity="cascade").counts)

    return _repeat(url, name, seconds, once)


def _repeat(url: str, name: str, seconds: float, once: Any) -> Outcome:
    connection = connect(url)
    tables = pipeline(name, connection)
    end, done, retryable, orphaned = time.monotonic() + seconds, 0, 0, 0
    deleted: Counter[str] = Counter()
    errors = []
    while time.monotonic() < end:
        try:
            deleted += once(tables, connection)
            done += 1
        except MissingParent:
            orphaned += 1
        except DjarrowError as error:
            if getattr(error, "sqlstate", None) in RETRYABLE:
                retryable += 1
            else:
                errors.append(f"{type(error).__name__}: {error}")
    connection.close()
    return Outcome(done, retryable, orphaned, deleted, tuple(errors))
