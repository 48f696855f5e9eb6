"""Ctrl-C as the driver tells it: at any moment, and from a thread of its own."""

# ruff: noqa: PT012 - what raises is the block, with all that is in it

from __future__ import annotations

import threading
import time

import pytest

from djarrow.engine.interruption import Heeded


class Statement:
    """A statement that counts what is asked of it."""

    def __init__(self) -> None:
        self.closed = self.cancelled = 0

    def close(self) -> None:
        """Count it."""
        self.closed += 1

    def cancel(self) -> None:
        """Count it."""
        self.cancelled += 1


def test_what_the_driver_calls_stays() -> None:
    """It is one function for all statements: the driver keeps none, and calls it after the statement is gone."""
    with Heeded() as watch:
        assert watch(Statement()).cancel is watch(Statement()).cancel


def test_it_cancels_what_is_under_way() -> None:
    """The statement that was begun last is cancelled, unless it is closed, and the signal is raised at the end."""
    first, last = Statement(), Statement()
    with pytest.raises(KeyboardInterrupt), Heeded() as watch:
        earlier = watch(first).cancel
        watched = watch(last)
        assert watched.cancel is earlier
        earlier()
        watched.close()
        earlier()
    assert (first.cancelled, last.cancelled) == (0, 1)


def test_one_that_comes_after_the_end() -> None:
    """It is not lost: it comes as itself."""
    statement = Statement()
    with Heeded() as watch:
        cancel = watch(statement).cancel
    thread = threading.Thread(target=cancel)
    with pytest.raises(KeyboardInterrupt):
        thread.start()
        thread.join()
        time.sleep(1)
    assert statement.cancelled == 0


def test_statements_are_closed_once() -> None:
    """An interruption between two steps leaves none open, and closing again is nothing."""
    statement = Statement()
    with pytest.raises(KeyboardInterrupt), Heeded() as watch:
        watched = watch(statement)
        raise KeyboardInterrupt
    watched.close()
    assert statement.closed == 1
