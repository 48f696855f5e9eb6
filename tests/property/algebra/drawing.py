"""What random cases are drawn with: one source of whole numbers, from a seed or from hypothesis, which shrinks them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from hypothesis import note
from hypothesis import strategies as st

T = TypeVar("T")


@dataclass(frozen=True)
class Draw:
    """number: draws a whole number between two, both included. note: keeps what is said when a case fails."""

    number: Callable[[int, int], int]
    note: Callable[[str], object]

    def flag(self) -> bool:
        """True or False."""
        return bool(self.number(0, 1))

    def one(self, choices: Sequence[T]) -> T:
        """One of these, of which there must be some."""
        return choices[self.number(0, len(choices) - 1)]

    def some(self, choices: Sequence[T], *, least: int = 0, most: int | None = None) -> list[T]:
        """Some of these, each once, in any order; fewer than asked for where there are not so many."""
        left = list(choices)
        high = len(left) if most is None else min(most, len(left))
        return [left.pop(self.number(0, len(left) - 1)) for _ in range(self.number(min(least, high), high))]


def from_seed(seed: int, notes: list[str]) -> Draw:
    """The same case for the same seed; every seed another one."""
    return Draw(random.Random(seed).randint, notes.append)  # noqa: S311 - test data


def from_hypothesis(data: st.DataObject) -> Draw:
    """Cases that hypothesis makes smaller where they fail, and tries again in the next run."""
    return Draw(lambda low, high: data.draw(st.integers(low, high)), note)
