"""Handing sets of keys out to other processes: batches as large as in one process, each a transaction there.

What handing out is: handing.py. What runs there: remote_sets.py. docs/executors.md.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from attrs import define

from djarrow.jobs import remote
from djarrow.jobs.crews import crew_of
from djarrow.jobs.handing import HandingOut, Lost, Source
from djarrow.jobs.keys import Keys, KeyStream
from djarrow.jobs.options import Failure
from djarrow.jobs.pace import Pace
from djarrow.jobs.queued_sets import QueuedSets, queued_sets
from djarrow.jobs.remote_sets import SetReport, SetTask, do_set
from djarrow.jobs.sets import Work

if TYPE_CHECKING:
    from djarrow.table.expression import QueryExpression


@define(eq=False)
class Batch(Lost):
    """Keys to make together."""

    keys: Keys


def hand_out(work: Work, restrictions: Sequence[Any], pending: QueryExpression, advance: Callable[[int], None]) -> None:
    """Have the processes that the options name make every key that is pending, or to be had of the queue."""
    options, database = work.options, work.table.schema.writable(work.table.spec.name)
    place = remote.place_of(work.table, database)
    with crew_of(options, database, place) as crew:
        coordinator = SetCoordinator(work, place, crew, advance, work.pace(), options.max_calls)
        coordinator.await_crew()
        with _source(work, restrictions, pending) as source:
            coordinator.work(source)


@contextmanager
def _source(work: Work, restrictions: Sequence[Any], pending: QueryExpression) -> Generator[Source[Batch], None, None]:
    if work.options.reserve_jobs:
        with queued_sets(work.table, restrictions, work.options) as jobs:
            yield ReservedBatches(jobs)
    else:
        with closing(KeyStream(pending, work.options.order)) as keys:
            yield ListedBatches(keys)


@define
class ListedBatches:
    """The keys that are pending, as a query lists them."""

    keys: KeyStream

    def take(self, most: int) -> list[Batch]:
        """The next ones."""
        keys = self.keys.take(most)
        return [] if keys is None else [Batch(keys)]

    def give_back(self, units: Iterable[Batch]) -> None:
        """They are pending as long as they have no row."""

    def failed(self, unit: Batch, error: Exception) -> None:
        """It is told to the caller only."""


@define
class ReservedBatches:
    """Keys of the queue, under the lease of this process."""

    jobs: QueuedSets

    def take(self, most: int) -> list[Batch]:
        """The next ones."""
        keys = self.jobs.take(most)
        return [] if keys is None else [Batch(keys)]

    def give_back(self, units: Iterable[Batch]) -> None:
        """They are pending again, where they are still ours."""
        for batch in units:
            self.jobs.give_back(batch.keys)

    def failed(self, unit: Batch, error: Exception) -> None:
        """Its job keeps it."""
        self.jobs.failed(unit.keys, error)


@define
class SetCoordinator(HandingOut[Work, Batch, SetReport]):
    """One populate by sets that others do. left: how many batches may still be begun; None where that has no bound."""

    pace: Pace
    left: int | None

    def _next(self, source: Source[Batch]) -> list[Batch]:
        if self.dry or self.left == 0:
            return []
        batches = source.take(self.pace.size)
        self.dry = not batches
        self.left = self.left and self.left - len(batches)
        return batches

    def _begin(self, units: list[Batch]) -> Future[SetReport]:
        (batch,), options = units, self.run.options
        task = SetTask(
            self.place,
            b"" if batch.keys.jobs else batch.keys.packed(),
            batch.keys.jobs,
            options.make_kwargs,
            self.settings,
            suppress_errors=options.suppress_errors,
            refresh_stale=options.refresh_stale,
        )
        return self.crew.submit(do_set, task)

    def _told(self, units: list[Batch], report: SetReport, source: Source[Batch]) -> None:
        (batch,), run = units, self.run
        run.done, run.skipped = run.done + report.done, run.skipped + report.skipped
        run.failures += [Failure(key, error) for key, error in report.failures]
        if report.error is not None:
            source.give_back(units)
            self._end(report.error, source)
            return
        if report.well:
            self.pace.took(run.asked(batch.keys, report.done), report.seconds, aside=report.aside)
        self.advance(len(batch.keys))

    def _ended_its_process(self, unit: Batch, error: Exception, source: Source[Batch]) -> None:
        """It is looked for in halves, each alone, until the key is that does it."""
        if len(unit.keys) > 1:
            self.again.extendleft(Batch(half, lost=unit.lost) for half in reversed(unit.keys.halves()))
            return
        (key,) = unit.keys.dicts()
        ended = self._ended(error, key)
        source.failed(unit, ended)
        self.advance(1)
        if self.run.options.suppress_errors:
            self.run.failures.append(Failure(key, ended))
        else:
            self._end(ended, source)
