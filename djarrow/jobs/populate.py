"""populate: make after make until no key is missing. The makes of one process: run.py; keys that processes share:
queue.py.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Any, Protocol

from djarrow.errors import InvalidCondition, TransactionError
from djarrow.expr.nodes import Node
from djarrow.jobs.forms import Form, form_of
from djarrow.jobs.key_source import source_keys
from djarrow.jobs.making import Maker
from djarrow.jobs.options import Options, Populated
from djarrow.jobs.provenance import ensure_makes
from djarrow.jobs.queue import Job, Lease, Queue, ensure_queue, refresh
from djarrow.jobs.refreshing import Refreshing
from djarrow.jobs.run import Run, Wanted, sharing
from djarrow.jobs.validity import keys_to_make, waiting_keys
from djarrow.settings import config
from djarrow.show.progress import progress_bar

if TYPE_CHECKING:
    from djarrow.jobs.autopopulate import AutoPopulated
    from djarrow.table.expression import QueryExpression


def populate(table: AutoPopulated, restrictions: Sequence[Any], options: Options) -> Populated:
    """What AutoPopulated.populate does."""
    options.check()
    database = table.schema.writable(table.spec.name)
    if database.in_transaction:
        raise TransactionError("populate runs each make in a transaction of its own; call it outside of one.")
    pending = keys_to_make(table, restrictions, refresh_stale=options.refresh_stale)
    form = form_of(table)
    if form in (Form.BATCH, Form.QUERY):
        from djarrow.jobs.sets import populate_sets

        return populate_sets(table, form, restrictions, options)
    if options.batch_size is not None:
        text = f"populate: batch_size is for make_batch and make_query. {table.spec.name} defines {form.value}."
        raise InvalidCondition(text)
    with config.override({name: config[name] for name in ASKED_OFTEN}):
        return _key_by_key(table, form, pending, restrictions, options)


ASKED_OFTEN = ("strict_reads", "jobs.together", "jobs.keep_completed")
"""Settings that every make asks for. They are looked up once: that takes as long as a statement."""


def _key_by_key(
    table: AutoPopulated, form: Form, pending: QueryExpression, restrictions: Sequence[Any], options: Options
) -> Populated:
    started, database = time.monotonic(), table.schema.writable(table.spec.name)
    maker = Maker(table, form, options.make_kwargs, Refreshing(table) if options.refresh_stale else None)
    ensure_makes(database, table)
    run = Run(table, maker, options, sharing(table, form, options))
    total = _total(pending, options) if options.display_progress else None
    with progress_bar(str(table.spec.name), total, shown=options.display_progress) as advance:
        if options.is_elsewhere:
            from djarrow.jobs.executors import hand_out

            hand_out(run, restrictions, pending, advance)
        elif options.reserve_jobs:
            _reserved(run, restrictions, advance)
        else:
            _listed(run, pending, advance)
    waiting = len(waiting_keys(table, restrictions)) if options.refresh_stale else 0
    return Populated(run.done, tuple(run.failures), run.skipped, time.monotonic() - started, waiting)


def pending_keys(table: AutoPopulated, restrictions: Sequence[Any]) -> QueryExpression:
    """The keys of the key source, so restricted, that have no row yet."""
    return keys_to_make(table, restrictions, refresh_stale=False)


def _total(pending: QueryExpression, options: Options) -> int:
    """How many keys there are to do."""
    return min(len(pending), *(most for most in (options.limit, options.max_calls) if most is not None), sys.maxsize)


# --- keys as they are listed -----------------------------------------------------------------------------------------


def _listed(run: Run, pending: QueryExpression, advance: Callable[[int], None]) -> None:
    """Every key that is pending now."""
    waiting = list[Wanted]()
    with closing(keys_of(pending, run.options)) as keys:
        while not run.is_over:
            waiting += ((key, None) for key in islice(keys, max(0, run.size - len(waiting))))
            if not waiting:
                return
            made = run.make(waiting)
            del waiting[:made]
            advance(made)


def keys_of(pending: QueryExpression, options: Options) -> Generator[dict[str, Any], None, None]:
    """The keys, streamed. Closing it gives back the stream's connection, also where a make raised."""
    if options.limit is not None:
        pending = pending.top(options.limit)
    match options.order:
        case "original":
            yield from pending
        case "reverse":
            yield from pending.to_dicts(order_by="KEY DESC")
        case _:
            import random

            keys = pending.to_dicts()
            random.shuffle(keys)
            yield from keys


# --- keys out of the queue -------------------------------------------------------------------------------------------

AIM = 2.0
"""Seconds of work that are reserved at once. A key that takes longer is reserved alone."""

MOST = 1000


class Fill(Protocol):
    """Enters pending keys into the queue. False where it has some, as when another process has just done so."""

    def __call__(self, *, surely: bool) -> bool:
        """surely: enter them all the same."""
        ...


def _reserved(run: Run, restrictions: Sequence[Any], advance: Callable[[int], None]) -> None:
    """Keys as other processes leave them, until nothing is to be had."""
    with reserving(run, restrictions) as (queue, among, fill):
        for waiting in _jobs(queue, run, among, fill):
            while waiting and not run.is_over:
                made = _make_first(run, waiting, queue)
                del waiting[:made]
                advance(made)


def _make_first(run: Run, waiting: Sequence[Job], queue: Queue) -> int:
    """Make the first of some jobs. Gives how many these were."""
    first = waiting[0]
    if run.options.refresh_stale:
        return run.make([(first.key, first)], queue)
    if first.made:
        queue.done(first)
        run.skip(first.key)
        return 1
    return run.make([(job.key, job) for job in takewhile(lambda job: not job.made, waiting[: run.size])], queue)


@contextmanager
def reserving(run: Run, restrictions: Sequence[Any]) -> Generator[tuple[Queue, Node | None, Fill], None, None]:
    """The queue of the table, while this process has a lease; among which keys it reserves; and what enters them."""
    table = run.table
    database = table.schema.writable(table.spec.name)
    ensure_queue(database, table.schema)
    keys = source_keys(table, restrictions)

    def fill(*, surely: bool) -> bool:
        options = run.options
        stale = options.refresh_stale
        surely = surely or bool(restrictions) or options.priority is not None or stale
        done = refresh(table, restrictions, order=options.order, refresh_stale=stale, unless_pending=not surely)
        return done is not None

    own = run.options.lease
    with Lease(database, table.spec.name.schema) if own is None else nullcontext(own) as lease:
        yield Queue(table, keys.heading, lease), keys.node if restrictions else None, fill


def _jobs(queue: Queue, run: Run, among: Node | None, fill: Fill) -> Iterator[list[Job]]:
    """Jobs batch by batch, each as large as AIM allows. Those that whoever makes them leaves in it are given back.

    fill: enters pending keys, once what had been entered is done: that takes time where there are many.
    """
    most, left = 1, sys.maxsize if run.options.limit is None else run.options.limit
    filled, tried = not run.options.refresh, False
    while left and not run.is_over:
        reserved = queue.reserve(min(most, left), priority=run.options.priority, among=among)
        if not reserved and filled:
            return
        if not reserved:
            filled, tried = fill(surely=tried), True
            continue
        started, size = time.monotonic(), len(reserved)
        try:
            yield reserved
        finally:
            if reserved:
                queue.give_back(reserved)
        left -= size
        each = max((time.monotonic() - started) / size, 1e-6)
        most = max(1, min(int(AIM / each), 4 * most, MOST))
