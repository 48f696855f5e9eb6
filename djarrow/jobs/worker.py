"""A worker: a process that makes keys out of the queue until nothing is left, or forever. Its command: cli/worker.py.

The makes run in a thread of their own, so that signals reach the main one at once, and so that the driver, which takes
Ctrl-C for the main thread's statements, does not end that of a make that is to be finished. docs/jobs.md.
"""

from __future__ import annotations

import contextlib
import contextvars
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from djarrow.errors import ConnectionFailed, EngineError, LeaseLost
from djarrow.jobs.forms import Form, form_of
from djarrow.jobs.options import Options, Outcome
from djarrow.jobs.populate import populate
from djarrow.jobs.queue import Lease, ensure_queue
from djarrow.sql import jobs, leases
from djarrow.sql.locks import RETRIED

if TYPE_CHECKING:
    from djarrow.engine.base import Database
    from djarrow.jobs.autopopulate import AutoPopulated

SLICE = 1000
"""How many keys of a table, or batches of them, are made before the next table has its turn: what failed is held."""

PATIENCE = 5.0
"""Seconds for giving keys back when the process is to end at once."""


@frozen
class Orders:
    """What a worker is to do.

    forever: look again every `poll` seconds where nothing is left, and after the connection was lost. priority: no
    jobs that come after this one. limit: at most so many jobs. refresh_stale: also make results anew that do not hold
    any more. report: told of every job; warn: of what is no job's.
    """

    forever: bool = False
    priority: int | None = None
    limit: int | None = None
    poll: float = 5.0
    refresh_stale: bool = False
    report: Callable[[Outcome], None] = field(default=lambda _: None)
    warn: Callable[[str], None] = field(default=lambda _: None)


@define(eq=False)
class Worker:
    """Makes the keys of tables, parents first. done, failed: how many jobs it has made, and how many failed."""

    tables: Sequence[AutoPopulated]
    orders: Orders
    done: int = 0
    failed: int = 0
    _stopping: threading.Event = field(factory=threading.Event)
    _leases: dict[str, Lease] = field(factory=dict)
    _alive: set[tuple[str, str]] = field(factory=set)
    """Other workers that were heard of while this one had nothing to do: schema and token."""
    _error: BaseException | None = None

    # --- from the main thread ------------------------------------------------------------------------------------

    def run(self) -> None:
        """Work until nothing is left, or it is stopped. Raises what no single key is to blame for.

        Idle is a worker when no key is pending and no worker that has died holds one: of those that hold keys it waits
        for a sign of life, or for the end of the lease. Keys that are scheduled for later are left.
        """
        for table in self.tables:
            form_of(table)
        context = contextvars.copy_context()  # the settings of the block that it runs in
        thread = threading.Thread(target=context.run, args=(self._work,), name="djarrow worker", daemon=True)
        thread.start()
        while thread.is_alive():
            thread.join(0.2)
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """Finish the make that runs, and give the other keys back."""
        self._stopping.set()

    @property
    def stopped(self) -> bool:
        """Whether it was told to stop."""
        return self._stopping.is_set()

    def give_back(self) -> None:
        """Give all keys back now, in a bounded time, that of the make that runs among them: it can commit no more.

        For a process that ends right after. Where the server is out of reach, the keys return when the lease is over.
        """
        thread = threading.Thread(target=self._give_back, name="djarrow gives back", daemon=True)
        thread.start()
        thread.join(PATIENCE)

    def _give_back(self) -> None:
        limits = {"statement_timeout": f"{int(PATIENCE * 500)}ms"}
        for schema, lease in list(self._leases.items()):
            with contextlib.suppress(Exception), lease.database.begin(isolation="READ COMMITTED", settings=limits):
                for table in self.tables:
                    if table.spec.name.schema == schema:
                        lease.database.execute(jobs.give_back(schema, table.spec.name.table, lease.worker.token))
                lease.database.execute(leases.leave(schema, lease.worker.token))

    # --- in the thread of the makes ------------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            while not self._is_over:
                if self._round() or self._is_over:
                    self._alive.clear()
                    continue
                if not self.orders.forever and self._is_idle():
                    break
                self._stopping.wait(self._pause)
        except BaseException as error:  # noqa: BLE001 - raised again in the main thread
            self._error = error
        finally:
            self._end_leases(self._error)

    @property
    def _is_over(self) -> bool:
        return self.stopped or self._left == 0

    @property
    def _left(self) -> int | None:
        """How many jobs it may still do."""
        return None if self.orders.limit is None else max(0, self.orders.limit - self.done - self.failed)

    @property
    def _pause(self) -> float:
        """Seconds until it looks again. For those that may be dead it looks more often."""
        return self.orders.poll if self.orders.forever else min(self.orders.poll, 1.0)

    def _round(self) -> int:
        """Let every table have its turn. Gives how many jobs were had."""
        had = 0
        for table in self.tables:
            if self._is_over:
                break
            try:
                had += self._turn(table)
            except ConnectionFailed as error:
                self._end_leases(error)  # what they held returns when they are over
                if not self.orders.forever:
                    raise
                self.orders.warn(f"The connection was lost, and is tried again in {self.orders.poll:g} s: {error}")
                return 0
            except EngineError as error:  # others that work on the same jobs
                self._end_leases(error)
                if error.sqlstate not in RETRIED:
                    raise
                had += 1  # it is worth another round
        return had

    def _turn(self, table: AutoPopulated) -> int:
        """Some keys of a table. Gives how many jobs were had."""
        database, schema = table.schema.writable(table.spec.name), table.spec.name.schema
        before = self.done + self.failed
        by_sets = form_of(table) in (Form.BATCH, Form.QUERY)
        most = SLICE if self._left is None or by_sets else min(SLICE, self._left)
        options = Options(
            suppress_errors=True,
            reserve_jobs=True,
            max_calls=most,
            limit=self._left if by_sets else None,
            priority=self.orders.priority,
            refresh_stale=self.orders.refresh_stale,
            stop=self._stopping.is_set,
            report=self._told,
            lease=self._lease(database, table, schema),
        )
        found = populate(table, (), options)
        return max(found.done + found.failed + found.skipped, self.done + self.failed - before)

    def _told(self, outcome: Outcome) -> None:
        if outcome.error is None:
            self.done += outcome.made
        elif not isinstance(outcome.error, LeaseLost | ConnectionFailed):
            self.failed += 1
        self.orders.report(outcome)

    def _lease(self, database: Database, table: AutoPopulated, schema: str) -> Lease:
        """The lease of this worker in a schema, which it keeps over all of its turns."""
        if schema not in self._leases:
            ensure_queue(database, table.schema)
            lease = Lease(database, schema, self.orders.warn)
            self._leases[schema] = lease.__enter__()
        return self._leases[schema]

    def _end_leases(self, error: BaseException | None) -> None:
        """Strike it off everywhere. error: with which it ends; then another one on the way is passed over."""
        leases, self._leases = self._leases, {}
        for lease in leases.values():
            try:
                lease.__exit__(None if error is None else type(error), error, None)
            except Exception as another:  # noqa: BLE001 - its leases end by themselves
                self._error = self._error or another

    # --- whether there may be more -------------------------------------------------------------------------------

    def _is_idle(self) -> bool:
        """Whether whoever else holds keys of the tables is alive. Waits for a sign of life where that is not known."""
        first = self._holders()
        unknown = {who: seen for who, seen in first.items() if who not in self._alive}
        if not unknown:
            return True
        while unknown and not self.stopped:
            self._stopping.wait(self._pause)
            now = self._holders()
            if any(over for _, over in now.values()):
                break  # these keys are taken back by the next round
            self._alive |= {who for who, seen in now.items() if who in unknown and unknown[who] != seen}
            unknown = {who: seen for who, seen in unknown.items() if who in now and who not in self._alive}
        return False  # they may have given keys back meanwhile

    def _holders(self) -> dict[tuple[str, str], tuple[str | None, bool]]:
        """Other workers that hold keys of the tables: schema and token -> (end of the lease, whether it is over)."""
        found: dict[tuple[str, str], tuple[str | None, bool]] = {}
        for schema, lease in list(self._leases.items()):
            names = [table.spec.name.table for table in self.tables if table.spec.name.schema == schema]
            for row in lease.database.read(jobs.holders(schema, names), few=True).to_pylist():
                if row["token"] != str(lease.worker.token):
                    found[schema, row["token"]] = (row["expires"], row["over"])
        return found
