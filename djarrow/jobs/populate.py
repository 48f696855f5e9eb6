"""populate: make after make, each in one transaction that commits only if the row is there."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from djarrow.errors import MakeError
from djarrow.jobs.progress import progress_bar
from djarrow.table.insert import making

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
    pending = pending_keys(table, restrictions)
    total = _number_to_do(pending, max_calls) if display_progress else None
    done, skipped, failures = 0, 0, []
    with progress_bar(str(table.spec.name), total) as advance:
        for key in _first(pending, max_calls):
            try:
                made = make_one(table, key)
            except Exception as error:
                if not suppress_errors:
                    raise
                failures.append(Failure(key, error))
            else:
                done, skipped = done + made, skipped + (not made)
            advance()
    return Populated(done, tuple(failures), skipped, time.monotonic() - started)


def pending_keys(table: AutoPopulated, restrictions: Sequence[Any]) -> QueryExpression:
    """The keys of the key source, so restricted, that have no row yet."""
    return table.key_source.restrict(*restrictions).proj() - table.proj()


def _number_to_do(pending: QueryExpression, max_calls: int | None) -> int:
    found = len(pending)
    return found if max_calls is None else min(found, max_calls)


def _first(pending: QueryExpression, max_calls: int | None) -> Iterator[dict[str, Any]]:
    """The keys, streamed, as many as wanted."""
    if max_calls == 0:
        return
    for number, key in enumerate(pending if max_calls is None else pending.top(max_calls), 1):
        yield key
        if number == max_calls:
            return


def make_one(table: AutoPopulated, key: dict[str, Any]) -> bool:
    """One make in one transaction. False where the row was there already: another process made it."""
    database = table.schema.writable()
    with database.transaction:
        if table & key:
            return False
        token = making.set(table.spec.name)
        try:
            table.make(dict(key))
        finally:
            making.reset(token)
        if not table & key:
            raise MakeError(
                "make ended without inserting its row. Insert one, or restrict `key_source` to the keys that have one.",
                table=str(table.spec.name),
                key=key,
            )
    return True
