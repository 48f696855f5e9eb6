"""The queue of a table's keys: entering them, reserving them for this process, and what becomes of them.

The statements: sql/jobs.py. Why so: docs/decisions/017-makes-and-jobs.md.
"""

from __future__ import annotations

import os
import socket
import threading
import traceback
import uuid
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from attrs import frozen

from djarrow.errors import ConnectionFailed, LeaseLost, MakeError
from djarrow.jobs.heartbeat import Heartbeat, warn
from djarrow.jobs.key_source import has_gone
from djarrow.jobs.validity import keys_to_make
from djarrow.settings import config
from djarrow.sql import jobs, leases, locks

if TYPE_CHECKING:
    from djarrow.engine.base import Database
    from djarrow.expr.nodes import Node
    from djarrow.jobs.autopopulate import AutoPopulated
    from djarrow.model.heading import Heading
    from djarrow.table.table import Home


@frozen
class Job:
    """A key that this process has reserved. hash: its name in the queue; token: the reservation's; made: its row was
    there already when it was reserved.
    """

    key: dict[str, Any]
    hash: str
    token: uuid.UUID
    made: bool = False


def ensure_queue(database: Database, schema: Home) -> None:
    """Make the queue of a schema where it is missing, in a transaction of its own.

    Raises MakeError where it may not.
    """
    name = schema.name
    if has_queue(database, name):
        return
    if not schema.makes_tables:
        raise MakeError(
            f"jobs are kept in {jobs.JOBS!r} of the schema, which is not there yet, and with create_tables=False none "
            "is made. Let a user who may make tables do this first.",
            table=f"{name}.{jobs.JOBS}",
        )
    with database.begin(isolation="READ COMMITTED"):
        database.read(locks.lock_declarations())
        database.execute(jobs.create_queue(name))


def has_queue(database: Database, schema: str) -> bool:
    """Whether a schema has a queue."""
    return bool(database.read(jobs.find_queue(schema), few=True).column("found")[0].as_py())


def refresh(
    table: AutoPopulated,
    restrictions: Sequence[Any] = (),
    *,
    order: str = "original",
    priority: int = jobs.USUAL_PRIORITY,
    delay: float = 0,
    ignored: bool = False,
    refresh_stale: bool = False,
    unless_pending: bool = False,
) -> tuple[int, int] | None:
    """Enter the pending keys of a table into the queue, and strike off those that are not pending any more.

    ignored: they are entered as such, and strike nothing off; pending jobs of theirs and those that failed become so.
    refresh_stale: those of stale results, too. unless_pending: nothing is done where the queue has jobs to be made now:
    of workers that begin, one enters them. Gives how many were added and removed, None where nothing was done. One
    statement, whatever their number. Raises TransactionError inside of a transaction.
    """
    database = table.schema.writable(table.spec.name)
    every = keys_to_make(table, (), refresh_stale=refresh_stale)
    chosen = keys_to_make(table, restrictions, refresh_stale=refresh_stale) if restrictions else every
    every._reader(), chosen._reader()  # tables that they read are made on first use
    text = jobs.refresh(
        table.spec,
        chosen.node,
        order,
        priority=priority,
        delay=delay,
        forget=None if ignored else every.node,
        ignored=ignored,
    )
    # It is never of a few rows, and what the server guesses of a queue that has just grown is far too few.
    with database.begin(isolation="READ COMMITTED", settings={"enable_nestloop": "off"}):
        database.read(locks.lock_refresh(table.spec.name), few=True)
        if unless_pending and database.read(jobs.find_pending(table.spec), few=True).column("found")[0].as_py():
            return None
        found = database.read(text, few=True)
    return int(found.column("added")[0].as_py()), int(found.column("removed")[0].as_py())


class Lease:
    """This process as a worker of a schema: while the block lasts, its reservations are its own.

    A thread prolongs the lease, on a session of its own. Where this process was away for longer, its keys are others',
    `lost` is true, and what it goes on to commit raises LeaseLost; `renew` begins anew, with another token. tell: is
    told where the lease cannot be prolonged, and where it can again.
    """

    def __init__(self, database: Database, schema: str, tell: Callable[[str], None] = warn) -> None:
        self._database = database
        self._schema = schema
        self._seconds: float = config["jobs.lease"]
        pause = config["jobs.heartbeat"] or self._seconds / 3
        self._heartbeat = Heartbeat(self._prolong, pause, f"this worker of {schema!r}", tell)
        self._now = _new_worker()

    @property
    def worker(self) -> leases.Worker:
        """What it is registered as now."""
        return self._now[0]

    @property
    def database(self) -> Database:
        """Where the schema is."""
        return self._database

    @property
    def lost(self) -> bool:
        """Whether the lease was given away."""
        return self._now[1].is_set()

    def __enter__(self) -> Self:
        self._database.execute(leases.register(self._schema, self.worker, self._seconds))
        self._heartbeat.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._heartbeat.end()
        try:
            self._database.execute(leases.leave(self._schema, self.worker.token))
        except ConnectionFailed:  # it ends by itself
            if error is None:
                raise

    def _prolong(self) -> None:
        worker, lost = self._now
        if not self._database.write(leases.renew(self._schema, worker.token, self._seconds)):
            lost.set()

    def renew(self) -> None:
        """Begin anew, after the lease was lost."""
        anew = _new_worker()
        self._database.execute(leases.register(self._schema, anew[0], self._seconds))
        self._now = anew  # not before: what is not registered cannot be prolonged


def _new_worker() -> tuple[leases.Worker, threading.Event]:
    """Another one, and what is set once its lease was given away."""
    return leases.Worker(uuid.uuid4(), socket.gethostname(), os.getpid()), threading.Event()


class Reserved:
    """The jobs of one table that were reserved, and what becomes of them: told by whichever process makes them."""

    def __init__(self, table: AutoPopulated) -> None:
        self._table = table
        self._spec = table.spec
        self._database: Database = table.schema.writable(table.spec.name)

    def held(self, reserved: Iterable[Job]) -> set[str]:
        """The hashes of those that their token still holds."""
        schema, table, held = self._spec.name.schema, self._spec.name.table, set[str]()
        for token, hashes in _by_token(reserved).items():
            found = self._database.read(jobs.held(schema, table, token, hashes), few=True)
            held.update(found.column("hash").to_pylist())
        return held

    def done(self, job: Job) -> None:
        """Take a job out of the queue whose row is there already."""
        self._finish(job, keep=config["jobs.keep_completed"])

    def _finish(self, job: Job, *, keep: bool) -> None:
        schema, table = self._spec.name.schema, self._spec.name.table
        self._database.execute(jobs.finish(schema, table, job.hash, job.token, keep=keep))

    def has_gone(self, job: Job) -> bool:
        """Whether the key of a job is none of the key source any more. Then the job is struck off."""
        gone = has_gone(self._table, job.key)
        if gone:
            self._finish(job, keep=False)
        return gone

    def failed(self, job: Job, error: BaseException) -> None:
        """Keep what a make raised, with its stack."""
        stack = "".join(traceback.format_exception(error))
        text = jobs.fail(
            self._spec.name.schema,
            self._spec.name.table,
            job.hash,
            job.token,
            message=_storable(f"{type(error).__name__}: {error}"),
            stack=_storable(stack),
        )
        if not self._database.write(text) and isinstance(error, LeaseLost) is False:
            error.add_note("Its lease was over before the error could be kept: another worker makes this key.")

    def give_back(self, reserved: Iterable[Job]) -> None:
        """Let others have jobs that this process does not come to."""
        schema, table = self._spec.name.schema, self._spec.name.table
        for token, hashes in _by_token(reserved).items():
            self._database.execute(jobs.give_back(schema, table, token, hashes))


class Queue(Reserved):
    """The jobs of one table, for a process with a lease. heading: of the key source's keys."""

    def __init__(self, table: AutoPopulated, heading: Heading, lease: Lease) -> None:
        super().__init__(table)
        self._heading = heading.select(heading.primary_key)
        self._lease = lease

    def reserve(self, most: int, *, priority: int | None = None, among: Node | None = None) -> list[Job]:
        """Up to so many jobs, for this process. None where there are none.

        Those of workers whose lease is over are taken back first.
        """
        if self._lease.lost:
            self._lease.renew()
        for last in (False, True):
            found = self._reserve(jobs.Reservation(most, priority, among))
            if found or last:
                return found
            if not self._database.read(jobs.take_back(self._spec.name.schema), few=True).column("n")[0].as_py():
                return []
        raise AssertionError  # pragma: no cover - the second turn returns

    def _reserve(self, wanted: jobs.Reservation) -> list[Job]:
        from djarrow.frame import results

        worker = self._lease.worker
        found = self._database.read(jobs.reserve(self._spec, self._heading, worker, wanted), few=True)
        hashes, made = found.column("_hash").to_pylist(), found.column("_made").to_pylist()
        keys: Iterable[dict[str, Any]] = ({} for _ in hashes)
        if self._heading.names:
            keys = results.to_dicts(
                results.declared(found.select(list(self._heading.names)), self._heading), self._heading
            )
        return [Job(key, of, worker.token, here) for key, of, here in zip(keys, hashes, made, strict=True)]


def _by_token(reserved: Iterable[Job]) -> dict[uuid.UUID, list[str]]:
    """The hashes of jobs by what holds them. A worker that lost its lease, and began anew, has several tokens."""
    found: dict[uuid.UUID, list[str]] = {}
    for job in reserved:
        found.setdefault(job.token, []).append(job.hash)
    return found


def _storable(text: str) -> str:
    """A text as PostgreSQL can keep it."""
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
