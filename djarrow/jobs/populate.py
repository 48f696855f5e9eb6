"""populate: make after make, each in one transaction that commits only if the row is there."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from djarrow.errors import DjarrowError, DuplicateKey, EngineError, MakeError, TransactionError
from djarrow.jobs.key_source import source_keys
from djarrow.show.progress import progress_bar
from djarrow.sql.locks import ATTEMPTS, RETRIED
from djarrow.table.writing.permission import Making, making

if TYPE_CHECKING:
    from djarrow.jobs.autopopulate import AutoPopulated
    from djarrow.table.expression import QueryExpression


@frozen
class Failure:
    """A make that failed: its key and what it raised."""

    key: dict[str, Any]
    error: Exception


@frozen
class Populated:
    """What a populate did. done: makes that committed; skipped: keys that another process made meanwhile; seconds."""

    done: int
    failures: tuple[Failure, ...] = field(default=())
    skipped: int = 0
    seconds: float = 0.0

    @property
    def failed(self) -> int:
        """How many makes failed."""
        return len(self.failures)


def populate(
    table: AutoPopulated,
    restrictions: Sequence[Any],
    *,
    suppress_errors: bool,
    max_calls: int | None,
    display_progress: bool,
) -> Populated:
    """What AutoPopulated.populate does."""
    started = time.monotonic()
    if table.schema.writable().in_transaction:
        raise TransactionError("populate runs each make in a transaction of its own; call it outside of one.")
    pending = pending_keys(table, restrictions)
    if max_calls is not None:
        pending = pending.top(max_calls)
    total = len(pending) if display_progress else None
    bar = progress_bar(str(table.spec.name), total, shown=display_progress)
    done, skipped, failures = 0, 0, []
    with bar as advance, closing(_keys(pending)) as keys:
        for key in keys:
            try:
                made = make_one(table, key)
            except Exception as error:
                error.add_note(f"In the make of {table.spec.name} for the key {key}.")
                if not suppress_errors:
                    raise
                failures.append(Failure(key, error))
            else:
                done, skipped = done + made, skipped + (not made)
            advance(1)
    return Populated(done, tuple(failures), skipped, time.monotonic() - started)


def _keys(pending: QueryExpression) -> Generator[dict[str, Any], None, None]:
    """The keys, streamed. Closing it gives back the stream's connection, also where a make raised."""
    yield from pending


def pending_keys(table: AutoPopulated, restrictions: Sequence[Any]) -> QueryExpression:
    """The keys of the key source, so restricted, that have no row yet."""
    return source_keys(table, restrictions) - table.proj()


def make_one(table: AutoPopulated, key: dict[str, Any]) -> bool:
    """One make in one transaction. False where the row is there already: another process made it."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _attempt(table, key)
        except (DuplicateKey, EngineError) as error:
            if not _in_the_way(error):
                raise
            if table & key:
                return False
            if attempt == ATTEMPTS or isinstance(error, DuplicateKey):
                raise
    raise AssertionError  # pragma: no cover - the last attempt returns or raises


def _in_the_way(error: DjarrowError) -> bool:
    """Whether the error can come of another process that works on the same rows: a duplicate, or a conflict."""
    conflict = isinstance(error, EngineError) and error.sqlstate in RETRIED
    return conflict or isinstance(error, DuplicateKey)


def _attempt(table: AutoPopulated, key: dict[str, Any]) -> bool:
    with table.schema.writable().transaction:
        if table & key:
            return False
        token = making.set(Making(table.spec.name, dict(key), table))
        try:
            table.make(dict(key))
        finally:
            making.reset(token)
        _check_made(table, key)
    return True


def _check_made(table: AutoPopulated, key: dict[str, Any]) -> None:
    name = str(table.spec.name)
    try:
        made = bool(table & key)
    except TransactionError as error:
        text = "make passed over an error of the database, so that nothing of it could be kept. Let it out of make."
        raise MakeError(text, table=name, key=key) from error
    if not made:
        text = "make ended without inserting its row. Insert one, or restrict `key_source` to the keys that have one."
        raise MakeError(text, table=name, key=key)
