"""What another process does of a populate by sets: it makes the keys of a batch. Finding the table there: remote.py.

Keys go there as an Arrow stream, those of the queue as their jobs; numbers and errors come back.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from djarrow.jobs.forms import form_of
from djarrow.jobs.key_source import source_keys
from djarrow.jobs.keys import Keys
from djarrow.jobs.options import Options
from djarrow.jobs.queue import Reserved
from djarrow.jobs.queued_sets import make_reserved
from djarrow.jobs.remote import Place, carried, found
from djarrow.jobs.sets import MakeKeys, Work, maker_of, making
from djarrow.settings import config

if TYPE_CHECKING:
    from djarrow.jobs.autopopulate import AutoPopulated
    from djarrow.jobs.queue import Job


@frozen
class SetTask:
    """Keys to make in one transaction, or in the halves of one. keys: an Arrow stream; jobs: theirs, in its place.

    settings: of who hands them out. The others are those of populate.
    """

    place: Place
    keys: bytes
    jobs: tuple[Job, ...]
    make_kwargs: Mapping[str, Any]
    settings: Mapping[str, Any]
    suppress_errors: bool
    refresh_stale: bool


@frozen
class SetReport:
    """What came of a task. failures: keys and what they raised; error: what ended it.

    well: whether all of it was made at once, in so many seconds; aside: those of it that any batch takes.
    """

    done: int
    skipped: int
    failures: tuple[tuple[dict[str, Any], Exception], ...] = field(default=())
    error: Exception | None = None
    well: bool = True
    seconds: float = 0.0
    aside: float = 0.0


def do_set(task: SetTask) -> SetReport:
    """Make the keys of a task."""
    with config.override(task.settings):
        return _do_set(task)


def _do_set(task: SetTask) -> SetReport:
    table, started = found(task.place), time.monotonic()
    options = Options(
        suppress_errors=task.suppress_errors, make_kwargs=task.make_kwargs, refresh_stale=task.refresh_stale
    )
    work = Work(table, form_of(table), options)
    make = making(maker_of(work))
    ended, well = None, True
    try:
        for keys in _parts(table, task):
            well = _make(work, make, keys) and well
    except Exception as error:  # noqa: BLE001 - who hands out raises it
        ended = carried(error, task.place, None)
    return SetReport(
        work.done,
        work.skipped,
        tuple((each.key, carried(each.error, task.place, each.key)) for each in work.failures),
        ended,
        well,
        time.monotonic() - started,
        work.aside,
    )


def _make(work: Work, make: MakeKeys, keys: Keys) -> bool:
    return make_reserved(work, make, keys) if keys.jobs else work.make(make, keys)


def _parts(table: AutoPopulated, task: SetTask) -> list[Keys]:
    """The keys of a task: together, but for those whose jobs it does not hold any more, which come first.

    Where a task is given again because a process died, it may have made a part of it: what is left is kept without
    the jobs of that.
    """
    heading = source_keys(table, ()).heading
    if not task.jobs:
        return [Keys.unpacked(heading, task.keys)]
    held = Reserved(table).held(task.jobs)
    parts = [job for job in task.jobs if job.hash not in held], [job for job in task.jobs if job.hash in held]
    return [Keys.reserved(heading, jobs) for jobs in parts if jobs]
