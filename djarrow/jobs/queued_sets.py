"""Sets of keys out of the queue: jobs are reserved as many at a time as the pace is, and end with their transaction."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from djarrow.errors import ConnectionFailed, LeaseLost
from djarrow.jobs.key_source import source_keys
from djarrow.jobs.keys import Keys
from djarrow.jobs.pace import Pace
from djarrow.jobs.queue import Lease, Queue, ensure_queue, refresh

if TYPE_CHECKING:
    from djarrow.jobs.autopopulate import AutoPopulated
    from djarrow.jobs.queue import Job
    from djarrow.jobs.sets import MakeKeys, Work
    from djarrow.show.progress import Advance

MOST = 10_000
"""How many jobs are reserved at once: what a dead worker keeps from others until its lease is over."""


class QueuedSets:
    """The jobs of a table, as a populate by sets takes them."""

    def __init__(self, table: AutoPopulated, restrictions: Sequence[Any], work: Work) -> None:
        self._table = table
        self._restrictions = restrictions
        self._work = work
        self._options = work.options
        self._keys = source_keys(table, restrictions)

    def make_all(self, make: MakeKeys, advance: Advance) -> None:
        """Make keys as other processes leave them, until nothing is to be had."""
        name, schema = self._table.spec.name, self._table.schema
        database = schema.writable(name)
        ensure_queue(database, schema)
        with Lease(database, name.schema) as lease:
            self._loop(Queue(self._table, self._keys.heading, lease), make, advance)

    def _loop(self, queue: Queue, make: MakeKeys, advance: Advance) -> None:
        options, pace = self._options, Pace(self._options.batch_size)
        left = sys.maxsize if options.limit is None else options.limit
        calls, filled = options.max_calls, not options.refresh
        self._work.failed = lambda keys, error: self._failed(queue, keys, error)
        among = self._keys.node if self._restrictions else None
        while left and calls != 0 and not options.stop():
            most = min(pace.size, left, MOST)
            reserved = queue.reserve(most, priority=options.priority, among=among)
            if not reserved and filled:
                return
            if not reserved:
                refresh(self._table, self._restrictions, order=options.order, refresh_stale=options.refresh_stale)
                filled = True
                continue
            begun = time.monotonic()
            if self._make(queue, reserved, make):
                pace.took(len(reserved), time.monotonic() - begun, aside=self._work.aside)
            advance(len(reserved))
            left, calls = left - len(reserved), calls and calls - 1

    def _make(self, queue: Queue, reserved: Sequence[Job], make: MakeKeys) -> bool:
        """Make a batch. What ends populate gives its jobs back, or says in the queue which key it was."""
        keys = Keys.reserved(self._keys.heading, reserved)
        try:
            return self._work.make(make, keys)
        except BaseException as error:
            if isinstance(error, ConnectionFailed | LeaseLost):
                raise  # the jobs are taken back when the lease is over, or are others' already
            if len(reserved) == 1 and isinstance(error, Exception):
                self._failed(queue, keys, error)
            else:
                queue.give_back(reserved)
            raise

    def _failed(self, queue: Queue, keys: Keys, error: Exception) -> bool:
        """Say in the queue what became of the job of a key that fails. False where the key is gone."""
        (job,) = keys.jobs
        if isinstance(error, LeaseLost):
            return True
        if not self._table.key_source & job.key:
            queue.done(job)
            return False
        queue.failed(job, error)
        return True
