"""How many keys a batch has: as many as are made in about two seconds, found by what the last ones took."""

from __future__ import annotations

SECONDS = 2.0
"""What a batch is to take: the cost of a transaction does not count any more, and little is lost with one."""

FIRST = 100
"""Of the first batch of a table that has none yet. Later ones of the same code begin with what earlier ones took."""

LEAST, MOST = 1, 1_000_000

STEP = 20
"""A batch has at most so many times the keys of the last one, and at least such a part of them."""


class Pace:
    """The size of the next batch.

    fixed: it, where the user says so; first: that of the first one; seconds: what each is to take.
    """

    def __init__(self, fixed: int | None = None, *, seconds: float = SECONDS, first: int = FIRST) -> None:
        self._fixed = fixed
        self._seconds = seconds
        self.size = fixed or first

    def remember(self, keys: int, seconds: float) -> None:
        """An earlier batch of so many keys took so long, which the first one now goes by."""
        if self._fixed is None:
            most = min(max(self.size, keys * STEP), MOST)
            self.size = int(min(max(keys * self._seconds / max(seconds, 1e-9), LEAST), most))

    def took(self, keys: int, seconds: float, *, aside: float = 0.0) -> None:
        """A batch of so many keys took so long: the next one is to come closer to the time wished.

        aside: seconds of these that any batch takes, however few its keys are. They do not count; where they are many,
        what counts is to take as long.
        """
        if self._fixed is not None or not keys:
            return
        wished = keys * max(self._seconds, aside) / max(seconds - aside, 1e-9)
        step = min(max(wished, self.size / STEP), self.size * STEP)
        self.size = int(min(max(step, LEAST), MOST))
