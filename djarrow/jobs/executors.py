"""Handing single keys out to other processes: which ones next, and how many at once.

What handing out is: handing.py. What runs there: remote.py. Sets of keys: sets_elsewhere.py. docs/executors.md.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing, contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

from attrs import define, field

from djarrow.jobs import remote
from djarrow.jobs.crews import crew_of
from djarrow.jobs.handing import HandingOut, Lost, Source
from djarrow.jobs.options import Failure
from djarrow.jobs.populate import MOST, Fill, keys_of, reserving
from djarrow.jobs.queue import Job, Queue
from djarrow.jobs.run import Run

if TYPE_CHECKING:
    from djarrow.expr.nodes import Node
    from djarrow.table.expression import QueryExpression

AIM = 0.5
"""Seconds of work in one task. With two of them a process, the last process ends about a second after the first."""


@define(eq=False)
class Item(Lost):
    """A key to make."""

    key: dict[str, Any]
    job: Job | None = None


def hand_out(run: Run, restrictions: Sequence[Any], pending: QueryExpression, advance: Callable[[int], None]) -> None:
    """Have the processes that the options name make every key that is pending, or to be had of the queue."""
    database = run.table.schema.writable(run.table.spec.name)
    place = remote.place_of(run.table, database)
    with crew_of(run.options, database, place) as crew:
        coordinator = Coordinator(run, place, crew, advance)
        coordinator.await_crew()
        with _source(run, restrictions, pending, advance) as source:
            coordinator.work(source)


# --- where keys come from --------------------------------------------------------------------------------------------


@contextmanager
def _source(
    run: Run, restrictions: Sequence[Any], pending: QueryExpression, advance: Callable[[int], None]
) -> Generator[Source[Item], None, None]:
    if run.options.reserve_jobs:
        with reserving(run, restrictions) as (queue, among, fill):
            yield Reserving(queue, run, among, fill, advance, run.options.limit, filled=not run.options.refresh)
    else:
        with closing(keys_of(pending, run.options)) as keys:
            yield Listed(keys)


@define
class Listed:
    """The keys that are pending, as a query lists them."""

    keys: Iterator[dict[str, Any]]

    def take(self, most: int) -> list[Item]:
        """The next ones."""
        return [Item(key) for key in islice(self.keys, most)]

    def give_back(self, units: Iterable[Item]) -> None:
        """They are pending as long as they have no row."""

    def failed(self, unit: Item, error: Exception) -> None:
        """It is told to the caller only."""


@define
class Reserving:
    """Keys of the queue, under the lease of this process.

    fill: enters pending keys, once what had been entered is taken. left: so many more may be taken, where that is
    bounded.
    """

    queue: Queue
    run: Run
    among: Node | None
    fill: Fill
    advance: Callable[[int], None]
    left: int | None
    filled: bool

    def take(self, most: int) -> list[Item]:
        """The next ones that have no row yet. Where stale results are replaced, who makes them looks at each row."""
        while True:
            wanted = most if self.left is None else min(most, self.left)
            found = self.queue.reserve(wanted, priority=self.run.options.priority, among=self.among) if wanted else []
            if self.left is not None:
                self.left -= len(found)
            replaces = self.run.options.refresh_stale
            for job in found:
                if job.made and not replaces:
                    self.queue.done(job)
                    self.run.skipped += 1
                    self.advance(1)
            items = [Item(job.key, job) for job in found if replaces or not job.made]
            if items or (not found and (self.filled or not wanted)):
                return items
            if not found:
                self.fill(surely=True)
                self.filled = True

    def give_back(self, units: Iterable[Item]) -> None:
        """They are pending again, where they are still ours."""
        self.queue.give_back([item.job for item in units if item.job is not None])

    def failed(self, unit: Item, error: Exception) -> None:
        """Its job keeps it."""
        if unit.job is not None:
            self.queue.failed(unit.job, error)


# --- handing out -----------------------------------------------------------------------------------------------------


@define
class Coordinator(HandingOut[Run, Item, remote.Report]):
    """One populate that others do, key by key. most: keys in the next task."""

    most: int = field(default=1, init=False)

    def _next(self, source: Source[Item]) -> list[Item]:
        most, run = self.most, self.run
        if run.options.max_calls is not None:
            flying = sum(map(len, self.flying.values()))
            most = min(most, run.options.max_calls - run.done - run.skipped - len(run.failures) - flying)
        if self.dry or most <= 0:
            return []
        items = source.take(most)
        self.dry = not items
        return items

    def _begin(self, units: list[Item]) -> Future[remote.Report]:
        options = self.run.options
        task = remote.Task(
            self.place,
            tuple((item.key, item.job) for item in units),
            options.make_kwargs,
            self.settings,
            ends=not options.suppress_errors,
            refresh_stale=options.refresh_stale,
        )
        return self.crew.submit(remote.do, task)

    def _told(self, units: list[Item], report: remote.Report, source: Source[Item]) -> None:
        self.run.done, self.run.skipped = self.run.done + report.done, self.run.skipped + report.skipped
        source.give_back(units[report.begun :])
        for number, failure in report.failures:
            self._fail(units[number], failure, source)
        self.advance(report.begun)
        if made := report.done + len(report.failures):  # those that were passed over took no time
            each = max(report.seconds / made, 1e-6)
            self.most = max(1, min(int(AIM / each), 4 * self.most, MOST))

    def _ended_its_process(self, unit: Item, error: Exception, source: Source[Item]) -> None:
        ended = self._ended(error, unit.key)
        source.failed(unit, ended)
        self._fail(unit, ended, source)
        self.advance(1)

    def _fail(self, item: Item, error: Exception, source: Source[Item]) -> None:
        if self.run.options.suppress_errors:
            self.run.failures.append(Failure(item.key, error))
        else:
            self._end(error, source)
