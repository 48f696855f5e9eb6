"""Scripts that run at once on sessions of their own, one statement of the database at a time, in a given order.

A script is a function; every statement that it sends waits until it is its turn. So all orders in which two or three of
them can meet are tried, also those that a test of threads would meet once in a million times. A session that waits for
a lock of another is passed over until it goes on.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import define, field

from djarrow.engine.postgres import PostgresConnection

if TYPE_CHECKING:
    import pytest

Script = Callable[[], object]

LOOK = 0.01
"""Seconds after which the server is asked whether a statement that has not ended waits for another session."""


@define
class Turns:
    """Who may send a statement. steps: how many each script has sent; backends: the server's process of each.

    connection: on which the server is asked about them.
    """

    connection: PostgresConnection
    changed: threading.Condition = field(factory=threading.Condition)
    waiting: set[int] = field(factory=set)
    ended: set[int] = field(factory=set)
    may: set[int] = field(factory=set)
    steps: dict[int, int] = field(factory=dict)
    backends: dict[int, int] = field(factory=dict)
    local: threading.local = field(factory=threading.local)

    def pause(self, backend: int) -> None:
        """Wait for one's turn, where this thread runs a script."""
        number = getattr(self.local, "number", None)
        if number is None:
            return
        with self.changed:
            self.backends[number] = backend
            self.steps[number] = self.steps.get(number, 0) + 1
            self.waiting.add(number)
            self.changed.notify_all()
            assert self.changed.wait_for(lambda: number in self.may, 60)
            self.may.discard(number)
            self.waiting.discard(number)

    def grant(self, number: int) -> None:
        """Let a script send a statement, where it has one, and wait until that has ended, or waits for a lock."""
        if not self._settled(number):
            return
        with self.changed:
            if number in self.ended:
                return
            self.may.add(number)
            self.waiting.discard(number)
            self.changed.notify_all()
        self._settled(number)

    def _settled(self, number: int) -> bool:
        """Whether a script has a statement to send, or none any more; False where it waits for a lock of another."""
        while True:
            with self.changed:
                if self.changed.wait_for(lambda: number in self.waiting | self.ended, LOOK):
                    return True
            if self._waits_for_lock(number):
                return False

    def _waits_for_lock(self, number: int) -> bool:
        backend = self.backends.get(number)
        if backend is None:
            return False
        found = self.connection.query(f"SELECT wait_event_type AS what FROM pg_stat_activity WHERE pid = {backend}")
        return bool(found.column("what").to_pylist() == ["Lock"])


@contextlib.contextmanager
def stepped(monkeypatch: pytest.MonkeyPatch, connection: PostgresConnection) -> Iterator[Turns]:
    """Have every statement of this process wait for its turn."""
    turns, heeding = Turns(connection), PostgresConnection._heeding

    def waiting(self: PostgresConnection, session: Any, work: Any) -> Any:
        turns.pause(session.backend)
        return heeding(self, session, work)

    with monkeypatch.context() as patched:
        patched.setattr(PostgresConnection, "_heeding", waiting)
        yield turns


def run(
    turns: Turns, scripts: Sequence[Script], order: Sequence[int], *, only: Sequence[int] | None = None
) -> list[str]:
    """Run scripts, or only some, so that their statements come in this order; what is left comes after it.

    Gives "" of each that ended well, else the state of the database's error, or the name of its class.
    """
    numbers = range(len(scripts)) if only is None else only
    told = [""] * len(scripts)
    turns.waiting, turns.ended, turns.may, turns.steps = set(), set(), set(), {}
    turns.backends = {}

    def work(number: int) -> None:
        turns.local.number = number
        try:
            scripts[number]()
        except Exception as error:  # noqa: BLE001 - it is what the test looks at
            told[number] = getattr(error, "sqlstate", None) or type(error).__name__
        finally:
            with turns.changed:
                turns.ended.add(number)
                turns.changed.notify_all()

    threads = [threading.Thread(target=work, args=(number,)) for number in numbers]
    for thread in threads:
        thread.start()
    for number in order:
        turns.grant(number)
    end = time.monotonic() + 60
    while len(turns.ended) < len(numbers):
        assert time.monotonic() < end, "the scripts wait for each other"
        for number in numbers:
            turns.grant(number)
    for thread in threads:
        thread.join(60)
    return told


def orders(steps: Mapping[int, int], most: int | None) -> list[tuple[int, ...]]:
    """All orders of so many steps of each script, or so many of them, drawn at random."""
    every = [number for number, count in sorted(steps.items()) for _ in range(count)]
    chance = random.Random(4)  # noqa: S311 - test data
    if most is None:
        return sorted(set(_distinct(dict(steps))))
    return [tuple(chance.sample(every, len(every))) for _ in range(most)]


def _distinct(left: dict[int, int]) -> Iterator[tuple[int, ...]]:
    if not any(left.values()):
        yield ()
    for number in [number for number, count in left.items() if count]:
        for rest in _distinct({**left, number: left[number] - 1}):
            yield (number, *rest)
