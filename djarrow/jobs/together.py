"""Small makes, as many at a time as take little together, in one transaction. A make that takes long has its own.

docs/decisions/022-small-makes-share-a-transaction.md.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import define, field

from djarrow.errors import DjarrowError, UnknownOutcome
from djarrow.jobs.ahead import Habits
from djarrow.jobs.provenance import author_of
from djarrow.jobs.shared import Shared
from djarrow.jobs.whole import taking_jobs
from djarrow.sql import makes
from djarrow.table.declaring.classes import parts_of
from djarrow.table.writing.permission import Making, during

if TYPE_CHECKING:
    from djarrow.engine.base import Database
    from djarrow.jobs.autopopulate import AutoPopulated
    from djarrow.jobs.queue import Job


SETTINGS = {"jit": "off"}
"""Of many reads in one statement PostgreSQL believes that compiling them pays."""


@define
class Attempt:
    """What came of one key. made: False where its row was there already, or it failed. began: by the clock of `time`;
    number: of its make.
    """

    key: dict[str, Any]
    job: Job | None
    began: float
    number: uuid.UUID = field(factory=uuid.uuid4)
    seconds: float = 0.0
    made: bool = False
    error: BaseException | None = None

    @property
    def interrupted(self) -> bool:
        """Whether it was ended by what is no error, such as Ctrl-C."""
        return self.error is not None and not isinstance(self.error, Exception)


class _Apart(Exception):
    """These makes cannot share a transaction."""


class Together:
    """Makes keys of one table in one transaction. options: further arguments of make."""

    def __init__(self, table: AutoPopulated, options: Mapping[str, Any]) -> None:
        self._table = table
        self._spec = table.spec
        self._options = options
        self._author = author_of(table)
        self._habits: Habits = {}
        self._own = (table.spec.name, *(part().spec.name for part in parts_of(type(table)).values()))
        self._database: Database = table.schema.writable(table.spec.name)

    def make(
        self, keys: Sequence[tuple[dict[str, Any], Job | None]], *, seconds: float, over: Callable[[bool], bool]
    ) -> list[Attempt] | None:
        """Make the first of the keys, for so many seconds. What came of each of them, once all that were made are kept.

        None where nothing is kept, and each key is to be made alone: one of them has ended the transaction, or written
        what cannot be undone without the others, or changed what others have read, or left no row. over: whether no
        other make is to begin; it is told whether the last one failed.

        Where COMMIT was not answered, UnknownOutcome is the error of each. After one that was interrupted, the others
        are kept where that is possible; where it is not, what interrupted it is raised.
        """
        database, attempts = self._database, list[Attempt]()
        shared = Shared(database, self._own, [key for key, _ in keys], self._habits)
        try:
            with database.begin(settings=SETTINGS), database.ahead(shared.before_statement):
                self._attempt(shared, keys, attempts, seconds, over)
                shared.send()
                self._finish([attempt for attempt in attempts if attempt.made])
        except UnknownOutcome as unknown:
            for attempt in attempts:
                if attempt.made:  # each has an error of its own, of which it is told for which key
                    attempt.made, attempt.error = False, UnknownOutcome(unknown.transaction, since=unknown.since)
                    attempt.error.__cause__ = unknown
        except (_Apart, DjarrowError):
            interruption = attempts[-1].error if attempts and attempts[-1].interrupted else None
            if interruption is not None:
                raise interruption from None
            return None
        return attempts

    def _attempt(
        self,
        shared: Shared,
        keys: Sequence[tuple[dict[str, Any], Job | None]],
        attempts: list[Attempt],
        seconds: float,
        over: Callable[[bool], bool],
    ) -> None:
        there = self._made(keys)
        began = time.monotonic()
        for at, (key, job) in enumerate(keys):
            last = attempts[-1] if attempts else None
            if last and (last.interrupted or time.monotonic() - began > seconds or over(last.error is not None)):
                break
            attempt = Attempt(key, job, time.monotonic())
            if at not in there:
                self._make(shared, at, attempt)
            attempt.seconds = time.monotonic() - attempt.began
            attempts.append(attempt)

    def _make(self, shared: Shared, at: int, attempt: Attempt) -> None:
        user: Any = self._table
        shared.begin(at, attempt.number)
        try:
            with during(Making(self._spec.name, attempt.key, maker=self._table, shared=shared)):
                user.make(dict(attempt.key), **self._options)
        except BaseException as error:
            undone = shared.undo()
            if not undone and isinstance(error, Exception):
                raise _Apart from error
            if not undone:
                raise
            attempt.error = error
        else:
            if shared.changes:
                raise _Apart
            attempt.made = True

    def _made(self, keys: Sequence[tuple[dict[str, Any], Job | None]]) -> frozenset[int]:
        """The places of the keys that have a row. A job tells whether there is one."""
        if keys[0][1] is not None:
            return frozenset()
        text = makes.rows_of(self._spec, [key for key, _ in keys])
        return frozenset(self._database.read(text, few=True).column(0).to_pylist())

    def _finish(self, made: Sequence[Attempt]) -> None:
        """Keep what is kept of the makes. Raises _Apart where one left no row, or its job is not ours any more."""
        if not made:
            return
        now = time.monotonic()
        kept = [makes.Kept(each.number, each.seconds, now - each.began, each.key) for each in made]
        taking = taking_jobs(self._spec.name, [each.job for each in made if each.job is not None])
        text = makes.finish_together(self._spec, self._author, kept, taking)
        if self._database.write(text) != [(len(made),)]:
            raise _Apart
