"""Waiting for others: the locks that changing tables takes, how long it waits for them, and what is begun anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from djarrow.errors import DjarrowError, EngineError
from djarrow.model.names import TableName
from djarrow.sql.ddl import full_name
from djarrow.sql.literals import quoted

Result = TypeVar("Result")

SECONDS = 10
"""How long others may use the tables meanwhile. An open iteration of this very process would never end."""

ATTEMPTS = 5
"""How often work is begun that the server ended for the sake of another transaction."""

CONFLICT = "40001"

RETRIED = (CONFLICT, "40P01")
"""The states of such an end: a conflict of two transactions, and two that waited for each other."""

WAITED = "55P03"
"""The state of a lock that was not had in time."""


def lock_declarations() -> str:
    """Wait for other transactions that declare, alter or drop; held until ours ends."""
    return "SELECT pg_advisory_xact_lock(7305471234)"


def lock_refresh(table: TableName) -> str:
    """Wait for others that enter keys of a table into its queue: in another order, they would wait for each other."""
    return f"SELECT pg_advisory_xact_lock(hashtextextended({quoted(full_name(table))}, 7305471234))"


def wait_at_most() -> str:
    """Give up a lock, from here to the end of the transaction, that is not had within so long."""
    return f"SELECT set_config('lock_timeout', '{SECONDS}s', true) AS waiting"


def lock_tables(tables: Sequence[TableName]) -> str:
    """Keep everyone else from tables until the transaction ends."""
    return f"LOCK TABLE {', '.join(map(full_name, tables))} IN ACCESS EXCLUSIVE MODE"


def repeated(work: Callable[[], Result], refused: Callable[[str], DjarrowError], *, bounded: bool = True) -> Result:
    """What work gives, which is a whole transaction; begun anew where the server ended it for the sake of another one.

    refused: the error for others that did not end in time, of the reason. bounded: the time is SECONDS; else what the
    server or the session has set.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return work()
        except EngineError as error:
            if error.sqlstate == WAITED:
                time = (
                    f"more than {SECONDS} seconds" if bounded else "longer than `lock_timeout` of the session lets wait"
                )
                raise refused(
                    f"others have used the tables for {time}. End their transactions, and "
                    "iterations that were not exhausted, also those of this process"
                ) from error
            if error.sqlstate not in RETRIED or attempt == ATTEMPTS:
                raise
    raise AssertionError  # pragma: no cover - the last attempt returns or raises
