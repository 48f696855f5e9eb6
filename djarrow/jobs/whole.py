"""What makes of many keys have in common: a transaction that is kept whole, and begun anew where others came first."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from attrs import frozen

from djarrow.engine.base import may_come_of_keeping
from djarrow.errors import (
    ConnectionFailed,
    DuplicateKey,
    EngineError,
    LeaseLost,
    MakeError,
    TransactionError,
    UnknownOutcome,
)
from djarrow.settings import config
from djarrow.sql import jobs
from djarrow.sql.ddl import MAKING
from djarrow.sql.locks import ATTEMPTS, RETRIED
from djarrow.sql.makes import Taking

if TYPE_CHECKING:
    from djarrow.engine.base import Database
    from djarrow.jobs.queue import Job
    from djarrow.model.names import TableName

Result = TypeVar("Result")

PAUSE = 0.02
"""The longest wait, in seconds, before keys that others stood in the way of are made anew; twice that each time."""

OF_NO_KEY = (ConnectionFailed, LeaseLost, UnknownOutcome)
"""Errors of a make that say nothing about its key."""


@frozen
class Made:
    """What became of the keys of one transaction: how many were made, and how many were passed over.

    aside: seconds that it took to find those that are stale, which hardly depends on how many keys are asked for.
    """

    done: int = 0
    skipped: int = 0
    aside: float = 0.0


def taking_jobs(name: TableName, held: Sequence[Job]) -> Taking | None:
    """How the jobs of a set of keys leave the queue; None where it has none."""
    if not held:
        return None
    hashes, keep = [job.hash for job in held], config["jobs.keep_completed"]
    return Taking(jobs.finish_jobs(name.schema, name.table, hashes, held[0].token, keep=keep), len(held))


def lease_lost(name: TableName) -> LeaseLost:
    """The error of a set of keys whose jobs are not all this process's any more."""
    return LeaseLost(
        "the worker was away for longer than its lease, and keys of the batch were given to another. Nothing was kept. "
        "If makes hold Python up for so long, set a longer `jobs.lease`.",
        table=str(name),
    )


def kept_whole(
    database: Database, number: uuid.UUID, insert: Callable[[], None], finish: Callable[[], Result], *, name: str
) -> Result:
    """Insert the rows of the make of this number, then finish, in one transaction. Gives what finish does.

    name: of the table. Raises MakeError where insert passed over an error of the database.
    """
    inserted = False
    try:
        with database.begin(settings={MAKING: str(number)}):  # by which its rows take the number
            insert()
            inserted = True
            return finish()
    except TransactionError as error:
        if not inserted or type(error) is not TransactionError:
            raise
        text = "it passed over an error of the database, so that nothing of it could be kept. Let the error out."
        raise MakeError(text, table=name) from error


def is_conflict(error: BaseException) -> bool:
    """Whether the server ended it for the sake of another transaction."""
    return isinstance(error, EngineError) and error.sqlstate in RETRIED


def begun_anew(work: Callable[[], Result], missing: Callable[[], int], before: Callable[[], int | None]) -> Result:
    """What work gives, which is a whole transaction; begun anew where the server ended it for the sake of another one,
    and where others made some of its keys meanwhile.

    missing: counts the keys that are to be made; before: how many these were when work began, None where it did not
    ask. As long as others make some of them each time, conflicts with these have no bound.
    """
    conflicts, known, kept = 0, None, False
    while True:
        try:
            return work()
        except DuplicateKey:
            last, known = before() if known is None else known, missing()
            if known == last:
                raise  # of its own doing: nobody has made any of its keys
        except EngineError as error:
            if may_come_of_keeping(error) and not kept:
                kept = True
                continue
            if not is_conflict(error):
                raise
            last, known = before() if known is None else known, missing()
            conflicts = 1 if last is not None and known < last else conflicts + 1
            if conflicts == ATTEMPTS:
                raise
            time.sleep(random.uniform(0, PAUSE * 2**conflicts))  # noqa: S311 - so that two do not meet again
