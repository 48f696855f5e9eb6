"""Which orders there are in which scripts can go on, so that each is tried once. How one is run: interleaving.py.

The orders are a tree: at each place one of the scripts that can go on does so. It is walked depth first, and every walk
begins anew, with the same rows. Orders that differ only in two neighbours of which neither can tell which was first
are one: of these one is walked. Which neighbours these are, Effect says; it says less than is true rather than more.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any

from attrs import define, field

from tests.interleaving import Choose, Script, Turns


Order = tuple[int, ...]
"""Whose statement comes when."""


class Effect(enum.IntEnum):
    """What a statement has to do with those of others."""

    NONE = 0
    """BEGIN, PREPARE, a read of the snapshot that its transaction has already, the end of one that has only read."""
    READ = 1
    """It sees what others have committed until then. So does one that writes in its own temporary tables."""
    WRITE = 2
    """It writes or locks rows, which others may wait for, and sees what they have committed."""
    END = 3
    """Others see what was written, and get the locks: the end of a transaction that wrote, or a write without one, or
    what fails."""

    def may_be_told_from(self, other: Effect) -> bool:
        """Whether it can matter which of two statements of different scripts is first."""
        both = sorted((self, other))
        return both[0] is not Effect.NONE and (both[1] is Effect.END or both[0] is both[1] is Effect.WRITE)


_NOT_CODE = re.compile(r"--[^\n]*|'(?:[^']|'')*'")
_OWN = re.compile(r'PREPARE |CREATE TEMPORARY TABLE |DROP TABLE "djarrow_update"|COPY$')
_DEFINES = re.compile(r"\b(CREATE|ALTER|DROP|TRUNCATE)\b", re.I)
_TABLE = re.compile(r'"\."')
_READS = re.compile(r"\s*(SELECT|WITH)\b")
_CHANGES = re.compile(
    r"\b(INSERT|UPDATE|DELETE|MERGE|FOR (KEY )?SHARE|LOCK|nextval|setval|pg_(try_)?advisory\w*|set_config)\b", re.I
)


@define
class _Session:
    """What the statements of a script have said of its transaction. sees: whether its snapshot is taken."""

    open: bool = False
    repeatable: bool = False
    sees: bool = False
    wrote: bool = False

    def effect(self, text: str) -> Effect:
        """What a statement does; noted for those that follow."""
        code = _NOT_CODE.sub("", text)
        if code.startswith("BEGIN"):
            assert not _CHANGES.search(code), code
            self.open, self.repeatable, self.sees, self.wrote = True, "READ COMMITTED" not in code, False, False
            return Effect.NONE
        if code in ("COMMIT", "ROLLBACK"):
            self.open = False
            return Effect.END if self.wrote else Effect.NONE
        if _OWN.match(code):
            return Effect.NONE
        assert not _DEFINES.search(code), f"others can see this in ways that are not known here: {code}"
        snapshot = self.open and self.repeatable
        sees, self.sees = self.sees, True
        if _READS.match(code) and not _CHANGES.search(code):
            is_blind = sees if snapshot else not _TABLE.search(code)
            return Effect.NONE if is_blind else Effect.READ
        self.wrote = True
        return Effect.WRITE if self.open else Effect.END


@define
class _Place:
    """A place in an order. ready: who can go on; asleep: whose turn is tried elsewhere, and what it does; chosen."""

    ready: frozenset[int]
    asleep: dict[int, Effect]
    chosen: int
    effect: Effect = Effect.END


@define
class Tree:
    """All orders of some scripts, each once. prune: whether orders of which nobody can tell the difference are one.

    walked: how many were; cut: how many walks came to orders that had been walked, and were ended anyhow.
    """

    turns: Turns
    scripts: Sequence[Script]
    begin: Callable[[], None]
    prune: bool = True
    walked: int = 0
    cut: int = 0
    _path: list[_Place] = field(factory=list)

    def walk(self) -> Iterator[tuple[Order, list[Any]]]:
        """Walk them; after each, the order, and what is told of the scripts."""
        while True:
            self.begin()
            order, told, whole = self._walk_once()
            self.walked += whole
            self.cut += not whole
            yield order, told
            if not self._turn_back():
                return

    def _walk_once(self) -> tuple[Order, list[Any], bool]:
        """Walk the path that is chosen, and on from there. Says whether that is a new order."""
        at, whole, order = 0, True, list[int]()
        sessions = [_Session() for _ in self.scripts]
        failures = 0

        def seen(turns: Turns) -> None:
            """What the last choice did is known."""
            nonlocal failures
            if at and at <= len(self._path) and whole:
                failed = sum(turns.failed.values())
                if failed != failures:
                    self._path[at - 1].effect = Effect.END
                failures = failed

        def choose(turns: Turns, ready: frozenset[int]) -> int:
            nonlocal at, whole
            seen(turns)
            if at == len(self._path) and whole:
                asleep = self._still_asleep()
                awake = ready - asleep.keys()
                if awake:
                    self._path.append(_Place(ready, asleep, min(awake)))
                else:
                    whole = False
            if whole:
                place = self._path[at]
                assert place.ready == ready, (tuple(order), place.ready, ready)
                number = place.chosen
                place.effect = sessions[number].effect(turns.pending[number])
            else:
                number = min(ready)
            at += 1
            order.append(number)
            return number

        told = self.turns.run(self.scripts, choose)
        seen(self.turns)
        return tuple(order), told, whole

    def _still_asleep(self) -> dict[int, Effect]:
        if not self._path or not self.prune:
            return {}
        last = self._path[-1]
        return {
            number: effect
            for number, effect in last.asleep.items()
            if number != last.chosen and not effect.may_be_told_from(last.effect)
        }

    def _turn_back(self) -> bool:
        """Choose the next path. False where there is none."""
        while self._path:
            place = self._path[-1]
            place.asleep[place.chosen] = place.effect
            if awake := place.ready - place.asleep.keys():
                place.chosen = min(awake)
                return True
            self._path.pop()
        return False


def drawn(turns: Turns, scripts: Sequence[Script], begin: Callable[[], None], most: int) -> Iterator[tuple[Order, list[Any]]]:
    """So many orders, drawn at random, the same in each run of the tests."""
    chance = Random(4)  # noqa: S311 - test data
    for _ in range(most):
        order = list[int]()

        def choose(_: Turns, ready: frozenset[int], order: list[int] = order) -> int:
            order.append(chance.choice(sorted(ready)))
            return order[-1]

        begin()
        told = turns.run(scripts, choose)
        yield tuple(order), told


def one_by_one(chosen: Sequence[int]) -> Choose:
    """Each script whole, in this order."""
    return lambda _, ready: next(number for number in chosen if number in ready)
