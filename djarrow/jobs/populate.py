"""populate: make after make until no key is missing. One make: making.py."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from djarrow.errors import InvalidCondition, TransactionError
from djarrow.jobs.forms import Form, form_of
from djarrow.jobs.key_source import source_keys
from djarrow.jobs.making import Maker
from djarrow.jobs.provenance import ensure_makes
from djarrow.show.progress import progress_bar

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
    """What a populate did. done: keys that were made; seconds: how long it took.

    skipped: keys that were passed over: another process made them meanwhile, or make_query has no row for them, which
    stay pending.
    """

    done: int
    failures: tuple[Failure, ...] = field(default=())
    skipped: int = 0
    seconds: float = 0.0

    @property
    def failed(self) -> int:
        """How many makes failed."""
        return len(self.failures)


@frozen
class Options:
    """How a table is populated, as `populate` takes it."""

    suppress_errors: bool = False
    max_calls: int | None = None
    display_progress: bool = False
    make_kwargs: Mapping[str, Any] = field(factory=dict)
    batch_size: int | None = None


def populate(table: AutoPopulated, restrictions: Sequence[Any], options: Options) -> Populated:
    """What AutoPopulated.populate does."""
    started = time.monotonic()
    database = table.schema.writable(table.spec.name)
    if database.in_transaction:
        raise TransactionError("populate runs each make in a transaction of its own; call it outside of one.")
    keys, form = source_keys(table, restrictions), form_of(table)
    if form in (Form.BATCH, Form.QUERY):
        from djarrow.jobs.sets import populate_sets

        return populate_sets(table, form, keys, options)
    if options.batch_size is not None:
        text = f"populate: batch_size is for make_batch and make_query. {table.spec.name} defines {form.value}."
        raise InvalidCondition(text)
    pending = keys - table.proj()
    if options.max_calls is not None:
        pending = pending.top(options.max_calls)
    total = len(pending) if options.display_progress else None
    bar = progress_bar(str(table.spec.name), total, shown=options.display_progress)
    ensure_makes(database, table)
    maker = Maker(table, form, options.make_kwargs)
    done, skipped, failures = 0, 0, []
    with bar as advance, closing(_keys(pending)) as stream:
        for key in stream:
            try:
                made = maker.make(key)
            except Exception as error:
                error.add_note(f"In the make of {table.spec.name} for the key {key}.")
                if not options.suppress_errors:
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
