"""Handing out what is to be made to other processes: how much at once, and what becomes of what gets lost with one.

What is handed out, single keys or sets of them: executors.py and sets_elsewhere.py. The processes: crews.py.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Future, wait
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from attrs import define, field

from djarrow.errors import MakeError
from djarrow.jobs import remote
from djarrow.jobs.crews import IN_FLIGHT, Crew
from djarrow.settings import config

if TYPE_CHECKING:
    from djarrow.jobs.autopopulate import AutoPopulated
    from djarrow.jobs.options import Options

LOOK = 1.0
"""Seconds after which it is looked for processes that have come meanwhile, where none has ended a task."""


@define(eq=False)
class Lost:
    """What is handed out. lost: how often the process ended that was to make it, perhaps through another that it had;
    from two on it goes out with nothing else beside it.
    """

    lost: int = field(default=0, kw_only=True)


_CANCELLED = (
    "the executor has cancelled its tasks, as where it was closed, or has lost its scheduler. What was not made is "
    "still to be made."
)
_GONE = "the executor was closed, or has lost its scheduler. What was not made is still to be made."

Unit = TypeVar("Unit", bound=Lost)
Report = TypeVar("Report")
Result = TypeVar("Result")


class Source(Protocol[Unit]):
    """What is to be made."""

    def take(self, most: int) -> list[Unit]:
        """The next of it, so many keys at most; none where there is no more."""
        ...

    def give_back(self, units: Iterable[Unit]) -> None:
        """Let others have what was not made."""
        ...

    def failed(self, unit: Unit, error: Exception) -> None:
        """Keep what became of a key that nobody could tell of."""
        ...


class Tally(Protocol):
    """A populate, and what has come of it."""

    @property
    def table(self) -> AutoPopulated:
        """Whose keys are made."""
        ...

    @property
    def options(self) -> Options:
        """How."""
        ...

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to begin."""
        ...


Populate = TypeVar("Populate", bound=Tally)


@define
class HandingOut(ABC, Generic[Populate, Unit, Report]):
    """One populate that others do. flying: what each task that was handed out is about.

    again: what a process had that ended; each goes out by itself then, and at last with nothing beside it, so that no
    key is blamed for what another did. error: what ends it.
    """

    run: Populate
    place: remote.Place
    crew: Crew
    advance: Callable[[int], None]
    flying: dict[Future[Report], list[Unit]] = field(factory=dict, init=False)
    again: deque[Unit] = field(factory=deque, init=False)
    settings: dict[str, Any] = field(factory=lambda: dict(config), init=False)
    dry: bool = field(default=False, init=False)
    broken: BaseException | None = field(default=None, init=False)
    error: Exception | None = field(default=None, init=False)

    # --- what differs --------------------------------------------------------------------------------------------

    @abstractmethod
    def _next(self, source: Source[Unit]) -> list[Unit]:
        """What the next task is about; nothing where none is to follow."""
        ...

    @abstractmethod
    def _begin(self, units: list[Unit]) -> Future[Report]:
        """Have one of the processes do it. Raises BrokenExecutor where they are gone."""
        ...

    @abstractmethod
    def _told(self, units: list[Unit], report: Report, source: Source[Unit]) -> None:
        """A process has done a task, and says what came of it."""
        ...

    @abstractmethod
    def _ended_its_process(self, unit: Unit, error: Exception, source: Source[Unit]) -> None:
        """A process ended while it made this and nothing else."""
        ...

    # --- what does not -------------------------------------------------------------------------------------------

    def await_crew(self) -> None:
        """Wait until one of the processes is ready. Raises what keeps it from that: nothing was handed out yet."""
        try:
            self._await_one()
        except CancelledError as error:
            raise self._cancelled(error) from error
        except Exception as error:
            if not self.crew.is_lost(error):
                raise
            if self.crew.is_gone():
                raise self._error(_GONE, error) from error
            text = (
                "the processes that should make its keys ended as they began; what they wrote says why. In a script, "
                'populate is called under `if __name__ == "__main__":`, because new processes run the rest of it, too. '
                "An executor of which a process has ended before takes no more work."
            )
            raise self._error(text, error) from error

    def _await_one(self) -> None:
        tried = [self.crew.submit(remote.ready, self.place, self.settings) for _ in range(self.crew.size)]
        while not (done := _finished(tried)):
            if self.crew.is_gone():
                raise self._error(_GONE)
        for each in done:
            each.result()

    def work(self, source: Source[Unit]) -> None:
        """Hand out until there is no more. Raises the first error, unless errors are suppressed."""
        try:
            self._hand_out(source)
            while self.flying:
                done = _finished(self.flying)
                for future in done:
                    if future in self.flying:  # else it was taken back when another had ended
                        self._take_in(future, source)
                if not done and self.crew.is_gone():
                    self.error = self.error or self._error(_GONE)
                    break
                self._hand_out(source)
        except BaseException:
            for future in self.flying:
                future.cancel()
            self.crew.abort()
            raise
        finally:
            source.give_back([*self.again, *(unit for units in self.flying.values() for unit in units)])
        if self.error is not None:
            raise self.error

    # --- out -----------------------------------------------------------------------------------------------------

    def _hand_out(self, source: Source[Unit]) -> None:
        """Give every process what it may have."""
        while self.error is None and not self.run.is_over and self._renewed():
            units = self._wanted(source)
            if not units:
                return
            self._submit(units, source)

    def _wanted(self, source: Source[Unit]) -> list[Unit]:
        """What goes out now: nothing where all have enough to do, or where what goes alone is out, or is to be next."""
        if len(self.flying) >= IN_FLIGHT * self.crew.size:
            return []
        alone = any(unit.lost > 1 for units in self.flying.values() for unit in units)
        if alone or (self.again and self.again[0].lost > 1 and self.flying):
            return []
        return [self.again.popleft()] if self.again else self._next(source)

    def _submit(self, units: list[Unit], source: Source[Unit]) -> None:
        try:
            self.flying[self._begin(units)] = units
        except BaseException as error:  # nothing of it was begun
            self.again.extendleft(reversed(units))
            if isinstance(error, BrokenExecutor):
                self.broken = error
            elif isinstance(error, RuntimeError):  # somebody has shut the executor
                text = f"the executor takes no more work: {error}. What was not made is still to be made."
                self._end(self._error(text, error), source)
            else:
                raise

    def _renewed(self) -> bool:
        """Whether there are processes, again where they are gone and all is in that these did.

        Whatever ends processes may end the new ones, too, as they begin: they had come up before, and are tried again.
        """
        if self.broken is None or self.flying:
            return self.broken is None
        for last in (False, False, True):
            if not self.crew.renew():
                self.error = self._error(
                    "a process of the executor ended abruptly, and it takes no more work. What was not made is still "
                    "to be made.",
                    self.broken,
                )
                return False
            try:
                (self.await_crew if last else self._await_one)()
            except BrokenExecutor as error:
                self.broken = error
                continue
            self.broken = None
            return True
        raise AssertionError  # pragma: no cover - the last turn returns or raises

    # --- in ------------------------------------------------------------------------------------------------------

    def _take_in(self, future: Future[Report], source: Source[Unit]) -> None:
        """What came of a task."""
        units = self.flying.pop(future)
        try:
            report = future.result()
        except Exception as error:  # noqa: BLE001 - it is raised when the others have ended
            if self.crew.is_lost(error):
                self._lost(units, source, error)
                return
            source.give_back(units)
            self._end(self._cancelled(error) if isinstance(error, CancelledError) else error, source)
        except BaseException:  # make wants to end the process, as where it runs in this one
            source.give_back(units)
            raise
        else:
            self._told(units, report, source)

    def _lost(self, units: list[Unit], source: Source[Unit], error: Exception) -> None:
        """The process ended that did a task, or one that did another, and all processes with it."""
        shared = self.crew.takes_all(error)
        self.broken = error if shared else self.broken
        if units[0].lost > 1:  # it was alone
            self._ended_its_process(units[0], error, source)
            return
        for unit in units:
            unit.lost += 1 if shared else 2
        self.again.extend(units)

    def _cancelled(self, error: Exception) -> MakeError:
        return self._error(_CANCELLED, error)

    def _ended(self, error: Exception, key: dict[str, Any]) -> MakeError:
        """The error of a key that ends its process."""
        text = (
            "the process that made it ended before it could tell what came of it: it was killed, out of memory, or "
            "make ended it."
        )
        return self._error(text, error, key)

    def _error(self, text: str, cause: BaseException | None = None, key: dict[str, Any] | None = None) -> MakeError:
        error = MakeError(text, table=str(self.run.table.spec.name), key=key)
        error.__cause__ = cause
        return error

    def _end(self, error: Exception, source: Source[Unit]) -> None:
        """Hand nothing more out, and take back what nobody has begun. What runs is waited for."""
        self.error = self.error or error
        for future in list(self.flying):
            if self.crew.cancel(future):
                source.give_back(self.flying.pop(future))


def _finished(futures: Iterable[Future[Result]]) -> list[Future[Result]]:
    """Those that are done, once one of them is; none where that takes longer than LOOK.

    Each is asked: of those that an executor cancels as it is shut, `wait` never hears.
    """
    asked = list(futures)
    if not any(future.done() for future in asked):
        wait(asked, timeout=LOOK, return_when=FIRST_COMPLETED)
    return [future for future in asked if future.done()]
