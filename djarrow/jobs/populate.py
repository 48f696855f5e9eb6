"""populate: make after make until no key is missing. One make: making.py; keys that processes share: queue.py."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Any, Protocol

from attrs import define, field, frozen

from djarrow.errors import ConnectionFailed, InvalidCondition, LeaseLost, TransactionError
from djarrow.expr.nodes import Node
from djarrow.jobs.forms import Form, form_of
from djarrow.jobs.key_source import source_keys
from djarrow.jobs.making import Maker
from djarrow.jobs.pace import Pace
from djarrow.jobs.provenance import ensure_makes
from djarrow.jobs.queue import Job, Lease, Queue, Reserved, ensure_queue, refresh
from djarrow.jobs.refreshing import Refreshing
from djarrow.jobs.together import Attempt, Together
from djarrow.jobs.validity import keys_to_make, waiting_keys
from djarrow.model.names import TableName
from djarrow.settings import config
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
    waiting: of a populate that replaces stale results, keys that it left: results upstream are stale, and go first.
    """

    done: int
    failures: tuple[Failure, ...] = field(default=())
    skipped: int = 0
    seconds: float = 0.0
    waiting: int = 0

    @property
    def failed(self) -> int:
        """How many makes failed."""
        return len(self.failures)


@frozen
class Outcome:
    """What came of a key, for whoever is told of each. made: False where its row was there already, or it failed."""

    table: TableName
    key: Mapping[str, Any]
    seconds: float
    made: bool = False
    error: Exception | None = None


ORDERS = ("original", "reverse", "random")


@frozen
class Options:
    """How a table is populated, as `populate` takes it.

    refresh: whether keys are entered into the queue when it has none left. stop: asked between two keys whether to end.
    report: told of every key. lease: under which keys are reserved; where there is none, the populate takes one for
    itself.
    """

    suppress_errors: bool = False
    reserve_jobs: bool = False
    order: str = "original"
    limit: int | None = None
    max_calls: int | None = None
    display_progress: bool = False
    make_kwargs: Mapping[str, Any] = field(factory=dict)
    priority: int | None = None
    batch_size: int | None = None
    refresh: bool = True
    processes: int | None = 1
    executor: Any = None
    refresh_stale: bool = False
    stop: Callable[[], bool] = field(default=lambda: False)
    report: Callable[[Outcome], None] = field(default=lambda _: None)
    lease: Lease | None = None

    @property
    def is_elsewhere(self) -> bool:
        """Whether other processes make, and this one hands out keys."""
        return self.executor is not None or self.processes != 1

    def check(self) -> None:
        """Raise InvalidCondition for what no populate can be told."""
        if self.order not in ORDERS:
            raise InvalidCondition(f"populate: order is one of {', '.join(ORDERS)}, not {self.order!r}.")
        for name, value in (("limit", self.limit), ("max_calls", self.max_calls)):
            if value is not None and (type(value) is not int or value < 0):
                raise InvalidCondition(f"populate: {name} is a number of keys, not {value!r}.")
        if self.processes is not None and (type(self.processes) is not int or self.processes < 1):
            raise InvalidCondition(
                f"populate: processes is a number from 1, or None for one a processor, not {self.processes!r}."
            )
        if self.executor is not None and self.processes != 1:
            raise InvalidCondition("populate: pass processes or executor, not both: an executor has its own.")
        if self.priority is not None and (type(self.priority) is not int or not self.reserve_jobs):
            raise InvalidCondition(
                "populate: priority is a whole number, and only jobs have one: pass reserve_jobs=True."
            )


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
    run = Run(table, maker, options, _together(table, form, options))
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


def _together(table: AutoPopulated, form: Form, options: Options) -> Together | None:
    """What makes small makes share a transaction. Those of other forms compute outside of one."""
    if form is not Form.PLAIN or options.refresh_stale or not config["jobs.together"]:
        return None
    return Together(table, options.make_kwargs)


def pending_keys(table: AutoPopulated, restrictions: Sequence[Any]) -> QueryExpression:
    """The keys of the key source, so restricted, that have no row yet."""
    return keys_to_make(table, restrictions, refresh_stale=False)


def _total(pending: QueryExpression, options: Options) -> int:
    """How many keys there are to do."""
    return min(len(pending), *(most for most in (options.limit, options.max_calls) if most is not None), sys.maxsize)


Wanted = tuple[dict[str, Any], Job | None]
"""A key to be made, and its job where it is of the queue."""

SHARED_FOR = 2.0
"""A transaction that is shared is over after so many times what it was to take: makes may take longer than the last."""


def _pace() -> Pace:
    return Pace(seconds=config["jobs.together"], first=1)


@define
class Run:
    """The makes of one populate, or those of it that one process does, and what came of them.

    together: makes several keys in one transaction; None where each has its own.
    """

    table: AutoPopulated
    maker: Maker
    options: Options
    together: Together | None = None
    done: int = 0
    skipped: int = 0
    failures: list[Failure] = field(factory=list)
    _cut: set[str] = field(factory=set)
    """The jobs, by hash, in whose make the connection was lost."""
    _pace: Pace = field(factory=_pace)
    _alone: int = 0
    """How many of the next keys are to be made alone."""

    @property
    def _calls(self) -> int:
        return self.done + self.skipped + len(self.failures)

    @property
    def is_over(self) -> bool:
        """Whether there were as many calls as there may be, or it was to stop."""
        return self._calls == self.options.max_calls or self.options.stop()

    @property
    def size(self) -> int:
        """How many keys it takes next, as long as there are so many."""
        if self.together is None or self._alone:
            return 1
        left = None if self.options.max_calls is None else self.options.max_calls - self._calls
        return self._pace.size if left is None else max(1, min(self._pace.size, left))

    def make(self, keys: Sequence[Wanted], reserved: Reserved | None = None) -> int:
        """Make the first of some keys: one, or as many as are made together. Gives how many they were.

        Raises what a make raises, unless errors are suppressed; its job keeps it.
        """
        started = time.monotonic()
        attempts = self._make_together(keys[: self.size]) or [self._make_alone(*keys[0])]
        for attempt in attempts:
            self._settle(attempt, reserved)
        self._alone = max(0, self._alone - 1)
        self._pace.took(len(attempts), time.monotonic() - started)
        return len(attempts)

    def _make_together(self, keys: Sequence[Wanted]) -> list[Attempt] | None:
        """What came of them; None where each is to be made alone, the next ones of these, too."""
        if self.together is None or len(keys) == 1:
            return None

        def over(failed: bool) -> bool:
            return (failed and not self.options.suppress_errors) or self.options.stop()

        attempts = self.together.make(keys, seconds=SHARED_FOR * config["jobs.together"], over=over)
        if attempts is None:
            self._alone, self._pace = len(keys), _pace()
        return attempts

    def _make_alone(self, key: dict[str, Any], job: Job | None) -> Attempt:
        attempt = Attempt(key, job, time.monotonic())
        try:
            attempt.made = self.maker.make(key, job)
        except BaseException as error:  # noqa: BLE001 - it is raised once it is settled
            attempt.error = error
        attempt.seconds = time.monotonic() - attempt.began
        return attempt

    def _settle(self, attempt: Attempt, reserved: Reserved | None) -> None:
        """Count what came of a key, and say it in the queue. Raises its error, unless errors are suppressed."""
        key, job, error = attempt.key, attempt.job, attempt.error
        if error is None:
            self._tell(key, attempt.seconds, made=attempt.made)
            self.done, self.skipped = self.done + attempt.made, self.skipped + (not attempt.made)
            if not attempt.made and reserved is not None and job is not None:
                reserved.done(job)
            return
        error.add_note(f"In the make of {self.table.spec.name} for the key {key}.")
        if not isinstance(error, Exception):
            if reserved is not None and job is not None:
                reserved.give_back([job])
            raise error
        if reserved is not None and job is not None and self._is_settled(error, job, reserved):
            self.skip(key)
            return
        self._tell(key, attempt.seconds, error=error)
        if not self.options.suppress_errors:
            raise error
        self.failures.append(Failure(key, error))

    def skip(self, key: dict[str, Any]) -> None:
        """Pass over a key whose row is there already, or which has gone since its job was entered."""
        self._tell(key, 0.0)
        self.skipped += 1

    def _is_settled(self, error: Exception, job: Job, reserved: Reserved) -> bool:
        """Say in the queue what became of a job that was not made. Whether that is all, because its key is gone.

        A lost connection is none of its faults, and the key is pending again; but where it is lost twice, maybe it is.
        """
        if isinstance(error, ConnectionFailed) and job.hash not in self._cut:
            self._cut.add(job.hash)
            reserved.give_back([job])
        elif not isinstance(error, LeaseLost):
            if not isinstance(error, ConnectionFailed) and reserved.has_gone(job):
                return True
            reserved.failed(job, error)
        return False

    def _tell(self, key: dict[str, Any], seconds: float, *, made: bool = False, error: Exception | None = None) -> None:
        self.options.report(Outcome(self.table.spec.name, key, seconds, made, error))


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
