"""How long a process waits for the embedded server: the first join, a later one, and one of a running server."""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.paired import Goal
from djarrow.engine.embedded import EmbeddedServer

ROUNDS = 7
GOALS = {"first": 1.5, "later": 0.3, "running": 0.005}
"""Seconds."""


def run() -> Iterator[Goal]:
    """The median of each kind of join."""
    for name, seconds in _measure(ROUNDS).items():
        yield Goal(f"embedded server, {name} join", statistics.median(seconds), GOALS[name])


def _measure(rounds: int) -> dict[str, list[float]]:
    """Seconds of each kind of join, one value a round, each round in a folder of its own."""
    times: dict[str, list[float]] = {name: [] for name in GOALS}
    for _ in range(rounds):
        place = Path(tempfile.mkdtemp(prefix="djarrow-bench-"))
        server, second = (EmbeddedServer(place / ".djarrow" / "server") for _ in range(2))
        try:
            times["first"].append(_seconds(server.join))
            server.stop()
            times["later"].append(_seconds(server.join))
            times["running"].append(_seconds(second.join))
            second.leave()
        finally:
            server.stop()
            shutil.rmtree(place)
    return times


def _seconds(action: Callable[[], object]) -> float:
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin
