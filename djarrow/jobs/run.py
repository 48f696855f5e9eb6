"""The makes of one populate that this process does: alone or together, and what came of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from attrs import define, field

from djarrow.errors import ConnectionFailed, LeaseLost
from djarrow.jobs.forms import Form
from djarrow.jobs.key_source import has_gone
from djarrow.jobs.making import Maker
from djarrow.jobs.options import Failure, Options, Outcome
from djarrow.jobs.pace import Pace
from djarrow.jobs.queue import Job, Reserved
from djarrow.jobs.together import Attempt, Together
from djarrow.jobs.whole import OF_NO_KEY
from djarrow.settings import config

if TYPE_CHECKING:
    from djarrow.jobs.autopopulate import AutoPopulated


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
        if job is None and not isinstance(error, OF_NO_KEY) and has_gone(self.table, key):
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


def sharing(table: AutoPopulated, form: Form, options: Options) -> Together | None:
    """What makes small makes share a transaction. Those of other forms compute outside of one."""
    if form is not Form.PLAIN or options.refresh_stale or not config["jobs.together"]:
        return None
    return Together(table, options.make_kwargs)
