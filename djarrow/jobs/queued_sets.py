"""Sets of keys out of the queue: jobs are reserved as many at a time as the pace is, and end with their transaction."""

from __future__ import annotations

import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from djarrow.errors import ConnectionFailed, LeaseLost
from djarrow.jobs.key_source import source_keys
from djarrow.jobs.keys import Keys
from djarrow.jobs.queue import Lease, Queue, Reserved, ensure_queue, refresh

if TYPE_CHECKING:
    from djarrow.jobs.autopopulate import AutoPopulated
    from djarrow.jobs.options import Options
    from djarrow.jobs.sets import MakeKeys, Work

MOST = 10_000
"""How many jobs are reserved at once: what a dead worker keeps from others until its lease is over."""


class QueuedSets:
    """The jobs of a table, as a populate by sets takes them, under the lease of this process."""

    def __init__(self, table: AutoPopulated, restrictions: Sequence[Any], options: Options, lease: Lease) -> None:
        keys = source_keys(table, restrictions)
        self._table = table
        self._restrictions = restrictions
        self._options = options
        self._heading = keys.heading
        self._among = keys.node if restrictions else None
        self._queue = Queue(table, keys.heading, lease)
        self._left = sys.maxsize if options.limit is None else options.limit
        self._filled = not options.refresh

    def take(self, most: int) -> Keys | None:
        """Keys as other processes leave them, so many at most; None where nothing is to be had."""
        while self._left:
            wanted = min(most, self._left, MOST)
            if found := self._queue.reserve(wanted, priority=self._options.priority, among=self._among):
                self._left -= len(found)
                return Keys.reserved(self._heading, found)
            if self._filled:
                return None
            refresh(
                self._table,
                self._restrictions,
                order=self._options.order,
                refresh_stale=self._options.refresh_stale,
            )
            self._filled = True
        return None

    def give_back(self, keys: Keys) -> None:
        """They are pending again, where they are still ours."""
        self._queue.give_back(keys.jobs)

    def failed(self, keys: Keys, error: Exception) -> None:
        """The jobs of keys keep what became of them."""
        for job in keys.jobs:
            self._queue.failed(job, error)


@contextmanager
def queued_sets(
    table: AutoPopulated, restrictions: Sequence[Any], options: Options
) -> Generator[QueuedSets, None, None]:
    """The jobs of a table, while this process has a lease."""
    database, schema = table.schema.writable(table.spec.name), table.schema
    ensure_queue(database, schema)
    with Lease(database, table.spec.name.schema) if options.lease is None else nullcontext(options.lease) as lease:
        yield QueuedSets(table, restrictions, options, lease)


def make_reserved(work: Work, make: MakeKeys, keys: Keys) -> bool:
    """Make a batch of jobs. What ends populate gives its jobs back, or says in the queue which key it was."""
    reserved = Reserved(work.table)
    work.failed = lambda failing, error: _failed(reserved, failing, error)
    try:
        return work.make(make, keys)
    except BaseException as error:
        if isinstance(error, ConnectionFailed | LeaseLost):
            raise  # the jobs are taken back when the lease is over, or are others' already
        if len(keys) == 1 and isinstance(error, Exception):
            _failed(reserved, keys, error)
        else:
            reserved.give_back(keys.jobs)
        raise


def _failed(reserved: Reserved, keys: Keys, error: Exception) -> bool:
    """Say in the queue what became of the job of a key that fails. False where the key is gone."""
    (job,) = keys.jobs
    if isinstance(error, LeaseLost):
        return True
    if reserved.has_gone(job):
        return False
    reserved.failed(job, error)
    return True
