"""populate by sets of keys: batch after batch by make_batch, or all of them by make_query. One set: batch.py and
on_server.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, Protocol

from attrs import evolve

from djarrow.errors import ConnectionFailed, InvalidCondition, LeaseLost, MakeError
from djarrow.jobs.batch import BatchMaker
from djarrow.jobs.forms import Form
from djarrow.jobs.key_source import source_keys
from djarrow.jobs.keys import Keys, KeyStream
from djarrow.jobs.on_server import QueryMaker
from djarrow.jobs.options import Failure, Options, Outcome, Populated
from djarrow.jobs.pace import Pace
from djarrow.jobs.provenance import ensure_makes, last_batch
from djarrow.jobs.refreshing import Refreshing
from djarrow.jobs.validity import keys_to_make, waiting_keys
from djarrow.jobs.whole import Made, is_conflict
from djarrow.show.progress import Advance, progress_bar

if TYPE_CHECKING:
    from djarrow.expr.nodes import Node
    from djarrow.jobs.autopopulate import AutoPopulated
    from djarrow.table.expression import QueryExpression

MakeKeys = Callable[[Keys], Made]
"""Makes keys in one transaction. Raises what goes wrong; then nothing was kept."""


def populate_sets(table: AutoPopulated, form: Form, restrictions: Sequence[Any], options: Options) -> Populated:
    """What populate does by make_batch or make_query."""
    started = time.monotonic()
    keys = source_keys(table, restrictions)
    pending = keys_to_make(table, restrictions, refresh_stale=options.refresh_stale)
    _check(table, pending, options)
    database = table.schema.writable(table.spec.name)
    ensure_makes(database, table)
    work = Work(table, form, options)
    if options.limit is not None:
        pending = pending.top(options.limit)
    total = len(pending) if options.display_progress else None
    with progress_bar(str(table.spec.name), total, shown=options.display_progress) as advance:
        maker = maker_of(work)
        if isinstance(maker, QueryMaker):
            maker.check(keys.node)
        if options.is_elsewhere:
            from djarrow.jobs.sets_elsewhere import hand_out

            hand_out(work, restrictions, pending, advance)
        elif options.reserve_jobs:
            from djarrow.jobs.queued_sets import make_reserved, queued_sets

            make = making(maker)
            with queued_sets(table, restrictions, options) as jobs:
                work.by_batches(lambda batch: make_reserved(work, make, batch), jobs, advance)
        elif not (isinstance(maker, QueryMaker) and work.on_server(maker, keys.node, advance)):
            make = making(maker)
            with closing(KeyStream(pending, options.order)) as listed:
                work.by_batches(lambda batch: work.make(make, batch), listed, advance)
    waiting = len(waiting_keys(table, restrictions)) if options.refresh_stale else 0
    return Populated(work.done, tuple(work.failures), work.skipped, time.monotonic() - started, waiting)


def maker_of(work: Work) -> BatchMaker | QueryMaker:
    """What makes sets of keys, here."""
    table, options = work.table, work.options
    kind = QueryMaker if work.form is Form.QUERY else BatchMaker
    return kind(table, options.make_kwargs, Refreshing(table) if options.refresh_stale else None)


def making(maker: BatchMaker | QueryMaker) -> MakeKeys:
    """The same for keys that are held."""
    if isinstance(maker, BatchMaker):
        return maker.make

    def make(keys: Keys) -> Made:
        made = maker.make(keys.node, keys.jobs)
        return evolve(made, skipped=len(keys) - made.done)

    return make


def _check(table: AutoPopulated, pending: QueryExpression, options: Options) -> None:
    size = options.batch_size
    if size is not None and (type(size) is not int or size < 1):
        raise InvalidCondition(f"populate: batch_size is a number of keys, from 1 up, not {size!r}.")
    if not pending.primary_key:
        text = "its key has no attributes, so that there is one key at most: define `make(self, key)` for it."
        raise MakeError(text, table=str(table.spec.name))


class SetsOfKeys(Protocol):
    """Keys that are to be made."""

    def take(self, most: int) -> Keys | None:
        """The next ones, so many at most; None where there are no more."""
        ...


class Work:
    """A populate by sets, and what it has done so far.

    failed: is told of a key that is alone and fails; whether that counts as a failure. aside: of the last set of keys
    that was made.
    """

    def __init__(self, table: AutoPopulated, form: Form, options: Options) -> None:
        self.done = self.skipped = 0
        self.aside = 0.0
        self.failures: list[Failure] = []
        self.options = options
        self.failed: Callable[[Keys, Exception], bool] = lambda _, __: True
        self.table = table
        self.form = form

    @property
    def is_over(self) -> bool:
        """Whether it was to stop."""
        return self.options.stop()

    def by_batches(self, make: Callable[[Keys], bool], keys: SetsOfKeys, advance: Advance) -> None:
        """Make all keys, as many at a time as the pace is. Those of a batch are held, no others."""
        pace, left = self.pace(), self.options.max_calls
        while (left is None or left > 0) and not self.is_over:
            batch = keys.take(pace.size)
            if batch is None:
                return
            begun, done = time.monotonic(), self.done
            if make(batch):
                pace.took(self.asked(batch, self.done - done), time.monotonic() - begun, aside=self.aside)
            advance(len(batch))
            left = left and left - 1

    def pace(self) -> Pace:
        """The size of batches, which begins with what earlier ones of this table took."""
        fixed = self.options.batch_size
        pace = Pace(fixed)
        if fixed is None and (last := last_batch(self.table.schema.writable(self.table.spec.name), self.table)):
            pace.remember(*last)
        return pace

    def asked(self, batch: Keys, done: int) -> int:
        """How many keys of a batch took the time that it took: make_batch is not asked for those that others made."""
        return done if self.form is Form.BATCH else len(batch)

    def on_server(self, maker: QueryMaker, keys: Node, advance: Advance) -> bool:
        """Make all pending ones of the keys at once. False where they are to be made in batches: that is wished, or
        some of them fail.
        """
        if not (self._at_once and maker.stay(keys)):
            return False
        error = self._once(lambda: maker.make(keys), lambda: "all pending keys", several=True)
        if error is None:
            advance(self.done + self.skipped)
        return error is None

    @property
    def _at_once(self) -> bool:
        """Whether nothing says that keys are to be cut, or none to be made.

        Stale keys are: those of the query change with what is deleted, so that they are read first.
        """
        options = self.options
        cut = options.batch_size is not None or options.limit is not None or options.refresh_stale
        return not cut and options.max_calls != 0 and not options.stop()

    def make(self, make: MakeKeys, keys: Keys) -> bool:
        """Make keys. Where they fail and errors are collected: each half of them, until those that fail are alone.

        Where others stand in the way again and again, halves are tried in any case: these have fewer in theirs.
        Gives whether all went well. Of keys whose lease was lost, the first stands for all.
        """
        begun, before = time.monotonic(), self.done
        error = self._once(lambda: make(keys), lambda: _told(keys), several=len(keys) > 1)
        seconds = time.monotonic() - begun
        if error is None:
            self._report(keys, seconds, made=self.done - before)
        elif isinstance(error, LeaseLost):  # all of them are others' by now
            self.failures.append(Failure(keys.dicts(1)[0], error))
            self._report(keys, seconds, error=error)
        elif len(keys) == 1:
            fails = self.failed(keys, error)
            if fails:
                self.failures.append(Failure(keys.dicts()[0], error))
            else:
                self.skipped += 1
            self._report(keys, seconds, error=error if fails else None)
        else:
            for half in keys.halves():
                self.make(make, half)
        return error is None

    def _report(self, keys: Keys, seconds: float, *, made: int = 0, error: Exception | None = None) -> None:
        (first,) = keys.dicts(1)
        self.options.report(Outcome(self.table.spec.name, first, seconds, made, error, len(keys)))

    def _once(self, work: Callable[[], Made], which: Callable[[], str], *, several: bool) -> Exception | None:
        """Count what it made. An error is given where errors are collected, and where others were in the way of several
        keys; that of the connection is no key's.
        """
        try:
            made = work()
        except Exception as error:
            given = self.options.suppress_errors or (several and is_conflict(error))
            if not given or isinstance(error, ConnectionFailed):
                error.add_note(f"In the {self.form.value} of {self.table.spec.name} for {which()}.")
                raise
            return error
        self.done, self.skipped, self.aside = self.done + made.done, self.skipped + made.skipped, made.aside
        return None


def _told(keys: Keys) -> str:
    (first,) = keys.dicts(1)
    return f"the key {first}" if len(keys) == 1 else f"{len(keys)} keys, the first of them {first}"
