"""Handing keys out to other processes: which ones next, how many at once, and what becomes of those that get lost.

What runs there: remote.py. What kinds of processes there are: crews.py. docs/executors.md.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Future, wait
from contextlib import closing, contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from attrs import define, field

from djarrow.errors import InvalidCondition, MakeError
from djarrow.jobs import remote
from djarrow.jobs.crews import IN_FLIGHT, Crew, crew_of
from djarrow.jobs.forms import Form, form_of
from djarrow.jobs.populate import MOST, Failure, Fill, Options, Run, keys_of, reserving
from djarrow.jobs.queue import Job, Queue
from djarrow.settings import config

if TYPE_CHECKING:
    from djarrow.expr.nodes import Node
    from djarrow.table.expression import QueryExpression

AIM = 0.5
"""Seconds of work in one task. With two of them a process, the last process ends about a second after the first."""

LOOK = 1.0
"""Seconds after which it is looked for processes that have come meanwhile, where none has ended a task."""


@define(eq=False)
class Item:
    """A key to make. lost: how often the process ended that was to make it, perhaps through another of its keys; from
    two on it goes out with no other beside it.
    """

    key: dict[str, Any]
    job: Job | None = None
    lost: int = 0


def hand_out(run: Run, restrictions: Sequence[Any], pending: QueryExpression, advance: Callable[[int], None]) -> None:
    """Have the processes that the options name make every key that is pending, or to be had of the queue."""
    form = form_of(run.table)
    if form in (Form.BATCH, Form.QUERY):
        text = f"populate: processes and executor are for makes of single keys. {run.table.spec.name} has {form.value}."
        raise InvalidCondition(text)
    database = run.table.schema.writable(run.table.spec.name)
    place = remote.place_of(run.table, database)
    with crew_of(run.options, database, place) as crew:
        coordinator = Coordinator(run, place, crew, advance)
        coordinator.await_crew()
        with _source(run, restrictions, pending, advance) as source:
            coordinator.work(source)


# --- where keys come from --------------------------------------------------------------------------------------------


class Source(Protocol):
    """Keys that are to be made."""

    def take(self, most: int) -> list[Item]:
        """The next ones; none where there are no more."""
        ...

    def give_back(self, items: Iterable[Item]) -> None:
        """Let others have those that were not made."""
        ...

    def failed(self, item: Item, error: Exception) -> None:
        """Keep what became of one that nobody could tell of."""
        ...


@contextmanager
def _source(
    run: Run, restrictions: Sequence[Any], pending: QueryExpression, advance: Callable[[int], None]
) -> Generator[Source, None, None]:
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

    def give_back(self, items: Iterable[Item]) -> None:
        """They are pending as long as they have no row."""

    def failed(self, item: Item, error: Exception) -> None:
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

    def give_back(self, items: Iterable[Item]) -> None:
        """They are pending again, where they are still ours."""
        self.queue.give_back([item.job for item in items if item.job is not None])

    def failed(self, item: Item, error: Exception) -> None:
        """Its job keeps it."""
        if item.job is not None:
            self.queue.failed(item.job, error)


# --- handing out -----------------------------------------------------------------------------------------------------


@define
class Coordinator:
    """One populate that others do. flying: what each task that was handed out is about.

    again: keys whose process ended; each goes out by itself then, and at last with no other beside it, so that no key
    is blamed for what another did. error: what ends it; most: keys in the next task.
    """

    run: Run
    place: remote.Place
    crew: Crew
    advance: Callable[[int], None]
    flying: dict[Future[remote.Report], list[Item]] = field(factory=dict)
    again: deque[Item] = field(factory=deque)
    settings: dict[str, Any] = field(factory=lambda: dict(config))
    most: int = 1
    dry: bool = False
    broken: BaseException | None = None
    error: Exception | None = None

    @property
    def _options(self) -> Options:
        return self.run.options

    def await_crew(self) -> None:
        """Wait until one of the processes is ready. Raises what keeps it from that: nothing was handed out yet."""
        try:
            tried = [self.crew.submit(remote.ready, self.place, self.settings) for _ in range(self.crew.size)]
            done, _ = wait(tried, return_when=FIRST_COMPLETED)
            for each in done:
                each.result()
        except BrokenExecutor as error:
            text = (
                "the processes that should make its keys ended as they began; what they wrote says why. In a script, "
                'populate is called under `if __name__ == "__main__":`, because new processes run the rest of it, too.'
            )
            raise self._error(text, error) from error

    def work(self, source: Source) -> None:
        """Hand keys out until there are no more. Raises the first error, unless errors are suppressed."""
        try:
            self._hand_out(source)
            while self.flying:
                done, _ = wait(self.flying, timeout=LOOK, return_when=FIRST_COMPLETED)
                for future in done:
                    self._take_in(future, source)
                self._hand_out(source)
        except BaseException:
            for future in self.flying:
                future.cancel()
            self.crew.abort()
            raise
        finally:
            source.give_back([*self.again, *(item for items in self.flying.values() for item in items)])
        if self.error is not None:
            raise self.error

    # --- out -----------------------------------------------------------------------------------------------------

    def _hand_out(self, source: Source) -> None:
        """Give every process what it may have."""
        if self.error is not None or self.run.is_over or not self._renewed():
            return
        while len(self.flying) < IN_FLIGHT * self.crew.size and self.broken is None:
            alone = any(item.lost > 1 for items in self.flying.values() for item in items)
            if alone or (self.again and self.again[0].lost > 1 and self.flying):
                return
            items = [self.again.popleft()] if self.again else self._next(source)
            if not items:
                return
            self._submit(items)

    def _next(self, source: Source) -> list[Item]:
        most, run = self.most, self.run
        if self._options.max_calls is not None:
            flying = sum(map(len, self.flying.values()))
            most = min(most, self._options.max_calls - run.done - run.skipped - len(run.failures) - flying)
        if self.dry or most <= 0:
            return []
        items = source.take(most)
        self.dry = not items
        return items

    def _submit(self, items: list[Item]) -> None:
        keys = tuple((item.key, item.job) for item in items)
        task = remote.Task(
            self.place,
            keys,
            self._options.make_kwargs,
            self.settings,
            ends=not self._options.suppress_errors,
            refresh_stale=self._options.refresh_stale,
        )
        try:
            self.flying[self.crew.submit(remote.do, task)] = items
        except BrokenExecutor as error:  # none of them was begun
            self.broken = error
            self.again.extendleft(reversed(items))

    def _renewed(self) -> bool:
        """Whether there are processes, again where they are gone and all is in that these did."""
        if self.broken is None or self.flying:
            return self.broken is None
        if not self.crew.renew():
            self.error = self._error(
                "a process of the executor ended abruptly, and it takes no more work. What was not made is still to be "
                "made.",
                self.broken,
            )
            return False
        self.broken = None
        self.await_crew()
        return True

    # --- in ------------------------------------------------------------------------------------------------------

    def _take_in(self, future: Future[remote.Report], source: Source) -> None:
        """What came of a task."""
        items = self.flying.pop(future)
        try:
            report = future.result()
        except Exception as error:  # noqa: BLE001 - it is raised when the others have ended
            if self.crew.is_lost(error):
                self._lost(items, source, error)
                return
            source.give_back(items)
            self._end(self._cancelled(error) if isinstance(error, CancelledError) else error, source)
        except BaseException:  # make wants to end the process, as where it runs in this one
            source.give_back(items)
            raise
        else:
            self.run.done, self.run.skipped = self.run.done + report.done, self.run.skipped + report.skipped
            source.give_back(items[report.begun :])
            for number, failure in report.failures:
                self._fail(items[number], failure, source)
            self.advance(report.begun)
            each = max(report.seconds / max(report.begun, 1), 1e-6)
            self.most = max(1, min(int(AIM / each), 4 * self.most, MOST))

    def _lost(self, items: list[Item], source: Source, error: Exception) -> None:
        """The process ended that did a task, or one that did another, and all processes with it."""
        shared = self.crew.takes_all(error)
        self.broken = error if shared else self.broken
        if items[0].lost > 1:  # it was alone
            ended = self._error(
                "the process that made it ended before it could tell what came of it: it was killed, out of memory, "
                "or make ended it.",
                error,
                items[0].key,
            )
            source.failed(items[0], ended)
            self._fail(items[0], ended, source)
            self.advance(1)
            return
        for item in items:
            item.lost += 1 if shared else 2
        self.again.extend(items)

    def _cancelled(self, error: Exception) -> MakeError:
        return self._error("the executor has cancelled its tasks.", error)

    def _error(self, text: str, cause: BaseException, key: dict[str, Any] | None = None) -> MakeError:
        error = MakeError(text, table=str(self.run.table.spec.name), key=key)
        error.__cause__ = cause
        return error

    def _fail(self, item: Item, error: Exception, source: Source) -> None:
        if self._options.suppress_errors:
            self.run.failures.append(Failure(item.key, error))
        else:
            self._end(error, source)

    def _end(self, error: Exception, source: Source) -> None:
        """Hand nothing more out, and take back what nobody has begun. What runs is waited for."""
        self.error = self.error or error
        for future in list(self.flying):
            if self.crew.cancel(future):
                source.give_back(self.flying.pop(future))
