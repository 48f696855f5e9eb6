"""How long a process waits for the embedded server: the first join, a later one, and one of a running server.

python benchmarks/embedded_start.py [ROUNDS]
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from djarrow.engine.embedded import EmbeddedServer

if TYPE_CHECKING:
    from collections.abc import Callable

_GOALS = {"first": 1.5, "later": 0.3, "running": 0.005}  # seconds


def _seconds(action: Callable[[], object]) -> float:
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def measure(rounds: int) -> dict[str, list[float]]:
    """Seconds of each kind of join, one value a round, each round in a folder of its own."""
    times: dict[str, list[float]] = {name: [] for name in _GOALS}
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


def main() -> None:
    """Print medians, ranges, and the part of the goal that they take."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    print(f"{'join':10}{'median':>10}{'least':>10}{'most':>10}{'of goal':>10}")
    for name, values in measure(rounds).items():
        middle = statistics.median(values)
        numbers = "".join(f"{1000 * value:8.1f}ms" for value in (middle, min(values), max(values)))
        print(f"{name:10}{numbers}{middle / _GOALS[name]:>10.0%}")


if __name__ == "__main__":
    main()
