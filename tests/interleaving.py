"""Scripts that run at once on sessions of their own, one statement of the database at a time, in a chosen order.

A script is a function; every statement that it sends waits until it is its turn. So all orders in which two or three of
them can meet are tried, also those that a test of threads would meet once in a million times. Who may go next is chosen
among those that can: a session that waits for a lock of another goes on when it gets it. Which orders there are:
orders.py.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from attrs import define, field

from djarrow.engine.interruption import Heeded, Watched
from djarrow.engine.kept import Kept
from djarrow.engine.postgres import PostgresConnection

if TYPE_CHECKING:
    import pytest

Script = Callable[[], object]

Choose = Callable[["Turns", frozenset[int]], int]
"""Which of the scripts that can go on does so."""

LOOK = 0.003
"""Seconds after which the server is asked whether a statement that has not ended waits for another session."""

DEADLOCK = "1ms"
"""After which the server looks whether sessions wait for each other. Shorter than LOOK, so that by the time the next
statement is sent a session that waits has looked: it is always the last to wait that fails, in every run of an order.
"""

PATIENCE = 60.0
"""Seconds after which a script that neither goes on nor waits for a lock fails the test."""


@define
class _Worker:
    """A thread that runs scripts, one after the other, on one session. backend: the server's process of it."""

    tasks: queue.SimpleQueue[Callable[[], None] | None] = field(factory=queue.SimpleQueue)
    thread: threading.Thread | None = None
    backend: int = 0


@define
class Turns:
    """Who may send a statement, and what each has sent.

    connection: the scripts', on which the server is asked about them. pending: the statement that each waits to send;
    sent, failed: how many statements each has sent in this run, and how many of them failed.
    """

    connection: PostgresConnection
    changed: threading.Condition = field(factory=threading.Condition)
    pending: dict[int, str] = field(factory=dict)
    sent: dict[int, int] = field(factory=dict)
    failed: dict[int, int] = field(factory=dict)
    _is_over: bool = False
    _running: set[int] = field(factory=set)
    _may: set[int] = field(factory=set)
    _workers: dict[int, _Worker] = field(factory=dict)
    _local: threading.local = field(factory=threading.local)

    # --- on the threads of the scripts ---------------------------------------------------------------------------

    def execute(self, text: str, work: Callable[[], Any]) -> Any:
        """Send a statement when it is one's turn, where this thread runs a script."""
        number = getattr(self._local, "number", None)
        if number is None:
            return work()
        with self.changed:
            self.pending[number] = text
            self.changed.notify_all()
            self.changed.wait_for(lambda: number in self._may or self._is_over)
            self._may.discard(number)
            self.sent[number] += 1
        try:
            return work()
        except BaseException:
            self.failed[number] += 1
            raise

    def _work(self, number: int, worker: _Worker) -> None:
        self.connection.execute(f"SET deadlock_timeout = '{DEADLOCK}'")
        worker.backend = self.connection._sessions.own().backend
        while (task := worker.tasks.get()) is not None:
            self._local.number = None
            session = self.connection._sessions.own()
            session.kept = Kept()  # as of a session that has sent nothing yet
            self.connection.execute("DEALLOCATE ALL")
            assert session.backend == worker.backend, "a script has lost its session"
            self._local.number = number
            task()

    # --- on the thread of the test -------------------------------------------------------------------------------

    def run(self, scripts: Sequence[Script], choose: Choose) -> list[Any]:
        """Run scripts so that their statements come in the order that is chosen step by step.

        Gives what each returned, or what it raised.
        """
        numbers = range(len(scripts))
        told: list[Any] = [None] * len(scripts)
        self.pending, self._may, self._running = {}, set(), set(numbers)
        self.sent, self.failed = dict.fromkeys(numbers, 0), dict.fromkeys(numbers, 0)

        def task(number: int) -> Callable[[], None]:
            def work() -> None:
                try:
                    told[number] = scripts[number]()
                except Exception as error:  # noqa: BLE001 - it is what the test looks at
                    told[number] = error
                finally:
                    with self.changed:
                        self._running.discard(number)
                        self.changed.notify_all()

            return work

        for number in numbers:
            self._worker(number).tasks.put(task(number))
        self._settle(frozenset(numbers))
        while self._running:
            number = choose(self, frozenset(self.pending))
            with self.changed:
                del self.pending[number]
                self._may.add(number)
                self.changed.notify_all()
            self._settle(frozenset([number]))
        return told

    def _worker(self, number: int) -> _Worker:
        worker = self._workers.get(number)
        if worker is None:
            worker = self._workers[number] = _Worker()
            worker.thread = threading.Thread(target=self._work, args=(number, worker), daemon=True)
            worker.thread.start()
        return worker

    def close(self) -> None:
        """End the threads of the scripts. Where the test has failed within an order, the scripts end by themselves."""
        with self.changed:
            self._is_over = True
            self.changed.notify_all()
        for worker in self._workers.values():
            worker.tasks.put(None)
        for worker in self._workers.values():
            assert worker.thread is not None
            worker.thread.join(PATIENCE)

    def _settle(self, gone: frozenset[int]) -> None:
        """Wait until every script has a statement to send, waits for a lock of another, or has ended.

        gone: those that have just been let go on.
        """
        end, others = time.monotonic() + PATIENCE, gone
        while True:
            self._wait_for(others)
            with self.changed:
                others = self._busy
            if not others or (self.pending and self._wait_for_locks(others)):
                return
            assert time.monotonic() < end, f"the scripts {sorted(others)} do not go on"

    def _wait_for(self, numbers: frozenset[int]) -> None:
        """Wait until none of these is busy, but not for long."""
        with self.changed:
            self.changed.wait_for(lambda: not numbers & self._busy, LOOK)

    @property
    def _busy(self) -> frozenset[int]:
        return frozenset(self._running - self.pending.keys())

    def _wait_for_locks(self, numbers: frozenset[int]) -> bool:
        """Whether each waits for a lock of another script, which the server's table of locks tells at any time.

        Its own work can be in the way, too, as that of autovacuum; but not for long.
        """
        each = ", ".join(f"({self._workers[number].backend})" for number in numbers)
        scripts = ", ".join(str(worker.backend) for worker in self._workers.values())
        text = f"SELECT bool_and(pg_blocking_pids(pid) && ARRAY[{scripts}]) AS wait FROM (VALUES {each}) AS t (pid)"
        return bool(self.connection.query(text).column("wait")[0].as_py())


@contextlib.contextmanager
def stepped(monkeypatch: pytest.MonkeyPatch, connection: PostgresConnection) -> Iterator[Turns]:
    """Have every statement of a script wait for its turn."""
    turns = Turns(connection)

    class Stepped(Watched):
        """A statement of the driver that waits for its turn."""

        __slots__ = ("text",)

        def __init__(self, statement: Any) -> None:
            super().__init__(statement)
            self.text: str | None = "COPY"

        def set_sql_query(self, text: str) -> None:
            self.text = text
            self._statement.set_sql_query(text)

        def _in_turn(self, work: Callable[[], Any]) -> Any:
            text, self.text = self.text, None
            return work() if text is None else turns.execute(text, work)

        def prepare(self) -> None:
            """With what comes after it, one turn: the snapshot of a transaction can be taken here already."""
            self._in_turn(self._statement.prepare)

        def execute_query(self) -> Any:
            return self._in_turn(self._statement.execute_query)

        def execute_update(self) -> Any:
            return self._in_turn(self._statement.execute_update)

    def watched(self: Heeded, statement: Any) -> Watched:
        self._watched.append(Stepped(statement))
        return self._watched[-1]

    with monkeypatch.context() as patched:
        patched.setattr(Heeded, "_watch", watched)
        try:
            yield turns
        finally:
            turns.close()
