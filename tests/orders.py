"""The orders in which the statements of scripts can come, so that each is tried once. How one is run: interleaving.py.

They are a tree: at each place one of the scripts that can go on does so. It is walked depth first, and every walk
begins anew with the same rows. Of orders that differ only in the place of neighbours of which nobody can tell which was
first, one is walked ("sleep sets": Godefroid, Partial-Order Methods for the Verification of Concurrent Systems, 1996).
What a statement has to do with others: effects.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any

from attrs import define, field

from tests.effects import Effect, Transaction
from tests.interleaving import Choose, Script, Turns

Order = tuple[int, ...]
"""Whose statement comes when, each by the number of its script."""

Told = tuple[Order, list[Any]]
"""An order, and what the scripts returned or raised in it."""


AGAIN = 5
"""How often a walk may leave its path, one time after the other."""


@define
class _Place:
    """A place in an order.

    ready: who can go on there; chosen: who does, and with which effect; asleep: who need not, because those orders are
    walked already, and with which effect that was.
    """

    ready: frozenset[int]
    asleep: dict[int, Effect]
    chosen: int
    effect: Effect = Effect.END


@define
class Tree:
    """All orders of some scripts. begin: puts the rows there before each; prune: whether orders are left out that
    nobody can tell from one that is walked.

    walked: how many orders were; cut: how many walks came to a place from which all was walked. These go to the end,
    too, and tell what came of it. lost: how many left their path, because a script that could go on where the path was
    found could not, or the other way round, as where it had taken longer than it may. These are walked again.
    """

    turns: Turns
    scripts: Sequence[Script]
    begin: Callable[[], None]
    prune: bool = True
    walked: int = 0
    cut: int = 0
    lost: int = 0
    _path: list[_Place] = field(factory=list)

    def walk(self) -> Iterator[Told]:
        """Walk them, one after the other."""
        lost = 0
        while True:
            self.begin()
            walk = _Walk(self._path, self._asleep, [Transaction() for _ in self.scripts])
            told = self.turns.run(self.scripts, walk.choose)
            walk.look_back(self.turns)
            yield tuple(walk.order), told
            if walk.lost_at is not None:
                self.lost, lost = self.lost + 1, lost + 1
                assert lost < AGAIN, f"each time another script can go on after {walk.order[: walk.lost_at]}"
                continue
            lost = 0
            self.walked += not walk.is_cut
            self.cut += walk.is_cut
            if not self._turn():
                return

    def _asleep(self) -> dict[int, Effect]:
        """Who is asleep at the end of the path: who was before, and does nothing that the last statement could tell."""
        if not self._path or not self.prune:
            return {}
        last = self._path[-1]
        return {
            number: effect for number, effect in last.asleep.items() if not effect.matters_before_or_after(last.effect)
        }

    def _turn(self) -> bool:
        """Turn back to the last place where another script can be chosen, and choose it. False where there is none."""
        while self._path:
            place = self._path[-1]
            place.asleep[place.chosen] = place.effect
            if awake := place.ready - place.asleep.keys():
                place.chosen = min(awake)
                return True
            self._path.pop()
        return False


@define
class _Walk:
    """One walk along a path, and on from its end.

    asleep: who is, there; transactions: those of the scripts; is_cut: nobody is awake; lost_at: where it left the path.
    """

    path: list[_Place]
    asleep: Callable[[], dict[int, Effect]]
    transactions: list[Transaction]
    order: list[int] = field(factory=list)
    is_cut: bool = False
    lost_at: int | None = None
    _failures: int = 0

    def choose(self, turns: Turns, ready: frozenset[int]) -> int:
        """Who goes on."""
        self.look_back(turns)
        at = len(self.order)
        if at == len(self.path) and self._is_known:
            asleep = self.asleep()
            if awake := ready - asleep.keys():
                self.path.append(_Place(ready, asleep, min(awake)))
            else:
                self.is_cut = True
        if self.is_cut:
            number = min(ready)
        else:
            place = self.path[at]
            number = place.chosen
            assert place.ready == ready, (
                f"after {self.order} {ready} can go on, and an earlier time {place.ready} could"
            )
            place.effect = self.transactions[number].effect(turns.pending[number])
        self.order.append(number)
        return number

    @property
    def _is_known(self) -> bool:
        return not self.is_cut and self.lost_at is None

    def look_back(self, turns: Turns) -> None:
        """A statement that failed ended its transaction, or had that of another end: it let go of its locks."""
        failures = sum(turns.failed.values())
        if failures > self._failures and self._is_known:
            self.path[len(self.order) - 1].effect = Effect.END
        self._failures = failures


def drawn(turns: Turns, scripts: Sequence[Script], begin: Callable[[], None], most: int) -> Iterator[Told]:
    """So many orders, drawn at random, the same in every run of the tests. begin: puts the rows there before each."""
    chance = Random(4)  # noqa: S311 - test data
    for _ in range(most):
        order = list[int]()

        def choose(_: Turns, ready: frozenset[int], order: list[int] = order) -> int:
            order.append(chance.choice(sorted(ready)))
            return order[-1]

        begin()
        told = turns.run(scripts, choose)
        yield tuple(order), told


def one_by_one(numbers: Sequence[int]) -> Choose:
    """Each script whole, in this order."""
    return lambda _, ready: next(number for number in numbers if number in ready)
