"""Two pieces of work timed in turn, A B A B ..., so that a machine that slows down slows both."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable

from attrs import frozen


@frozen
class Ratio:
    """What a comparison gave: medians in seconds, and the median of the ratios pair by pair."""

    name: str
    peer: str
    ours: float
    theirs: float
    ratio: float
    low: float
    high: float
    reach: float

    @property
    def reached(self) -> bool:
        """Whether the ratio is as wanted."""
        return self.ratio <= self.reach

    def __str__(self) -> str:
        verdict = "reached" if self.reached else "NOT REACHED"
        return (
            f"{self.name}: {self.ours * 1000:,.0f} ms against {self.theirs * 1000:,.0f} ms of {self.peer}; "
            f"ratio {self.ratio:.3g} ({self.low:.3g} to {self.high:.3g}), wanted {self.reach:.3g} at most: {verdict}"
        )


@frozen
class Goal:
    """A time in seconds that has a limit and no peer."""

    name: str
    seconds: float
    reach: float

    @property
    def reached(self) -> bool:
        """Whether the time is as wanted."""
        return self.seconds <= self.reach

    def __str__(self) -> str:
        verdict = "reached" if self.reached else "NOT REACHED"
        return f"{self.name}: {self.seconds * 1000:,.1f} ms, wanted {self.reach * 1000:,.0f} ms at most: {verdict}"


@frozen
class Growth:
    """How the time of some work grows with its size. seconds: by number of rows."""

    name: str
    seconds: dict[int, float]
    reach: float

    @property
    def worst(self) -> float:
        """The time that a row takes at its slowest, over that at its fastest."""
        each = [seconds / rows for rows, seconds in self.seconds.items()]
        return max(each) / min(each)

    @property
    def reached(self) -> bool:
        """Whether time grows as rows do."""
        return self.worst <= self.reach

    def __str__(self) -> str:
        verdict = "reached" if self.reached else "NOT REACHED"
        each = ", ".join(f"{s / rows * 1e6:.3f} us of {rows:,}" for rows, s in self.seconds.items())
        return f"{self.name}: {each}; {self.worst:.2f} times apart, wanted {self.reach:.2f} at most: {verdict}"


@frozen
class Count:
    """A number of things that has a limit."""

    name: str
    number: int
    reach: int

    @property
    def reached(self) -> bool:
        """Whether the number is as wanted."""
        return self.number <= self.reach

    def __str__(self) -> str:
        verdict = "reached" if self.reached else "NOT REACHED"
        return f"{self.name}: {self.number}, wanted {self.reach} at most: {verdict}"


def compare(
    name: str,
    ours: Callable[[], object],
    peer: str,
    theirs: Callable[[], object],
    *,
    reach: float,
    rounds: int = 15,
    before: Callable[[], object] = lambda: None,
) -> Ratio:
    """Time both, each after `before`, which is not counted. One round of both first, uncounted."""
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds + 1):
        pair = ((ours, times[0]), (theirs, times[1]))
        for work, taken in pair if number % 2 else reversed(pair):
            before()
            gc.collect()
            started = time.perf_counter()
            work()
            seconds = time.perf_counter() - started
            if number:
                taken.append(seconds)
    ratios = sorted(a / b for a, b in zip(*times, strict=True))
    quarter = len(ratios) // 4
    return Ratio(
        name,
        peer,
        statistics.median(times[0]),
        statistics.median(times[1]),
        statistics.median(ratios),
        ratios[quarter],
        ratios[-quarter - 1],
        reach,
    )
