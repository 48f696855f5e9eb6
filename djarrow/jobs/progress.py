"""How far tables are: their keys counted by what became of them, in one statement a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from attrs import asdict, frozen

from djarrow.errors import TimedOut
from djarrow.jobs.key_source import source_keys
from djarrow.jobs.populate import pending_keys
from djarrow.jobs.queue import has_queue
from djarrow.sql import jobs

if TYPE_CHECKING:
    import polars as pl

    from djarrow.engine.base import Database
    from djarrow.jobs.autopopulate import AutoPopulated


@frozen
class Progress:
    """The keys of a table. None where they could not be counted in time.

    total: of the key source; done: that have a row; the others by their jobs, pending also without one.
    """

    table: str
    total: int | None = None
    done: int | None = None
    pending: int | None = None
    reserved: int | None = None
    error: int | None = None
    ignored: int | None = None


def counted(tables: Iterable[AutoPopulated], seconds: float | None = None) -> Iterator[Progress]:
    """The progress of each table. seconds: that counting one may take."""
    queues: dict[str, bool] = {}
    for table in tables:
        database, schema = table.schema.writable(table.spec.name), table.spec.name.schema
        if schema not in queues:
            queues[schema] = has_queue(database, schema)
        yield _count(table, database, queued=queues[schema], seconds=seconds)


def _count(table: AutoPopulated, database: Database, *, queued: bool, seconds: float | None) -> Progress:
    every, missing, name = source_keys(table, ()), pending_keys(table, ()), str(table.spec.name)
    every._reader(), missing._reader()  # tables that they read are made on first use
    text = jobs.counts(table.spec, every.node, missing.node, queued=queued)
    try:
        if seconds is None:
            found = database.read(text, few=True)
        else:
            with database.look(seconds) as read:
                found = read(text)
    except TimedOut:
        return Progress(name)
    row = {column: int(value) for column, value in found.to_pylist()[0].items()}
    kept = row["reserved"] + row["error"] + row["ignored"]
    return Progress(
        name,
        total=row["total"],
        done=row["total"] - row["missing"],
        pending=row["missing"] - kept,
        reserved=row["reserved"],
        error=row["error"],
        ignored=row["ignored"],
    )


def frame(rows: Iterable[Progress]) -> pl.DataFrame:
    """The same as a frame."""
    import polars as pl

    numbers = ("total", "done", "pending", "reserved", "error", "ignored")
    return pl.DataFrame([asdict(row) for row in rows], schema={"table": pl.String, **dict.fromkeys(numbers, pl.Int64)})
