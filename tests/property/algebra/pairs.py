"""A query of djarrow beside the relation that it should be, and what a step from one such pair to the next needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from djarrow.errors import QueryError
from tests.property import naive
from tests.property.algebra.drawing import Draw
from tests.property.algebra.loading import DataSet
from tests.property.naive import Refused, Relation


@dataclass
class Pair:
    """A query, or a table's class, which may stand for it anywhere; and what it should be."""

    query: Any
    relation: Relation
    text: str


@dataclass(frozen=True)
class Step:
    """An operator about to be drawn. pair: its operand; depth: of what it gives; expression: draws one of a depth."""

    draw: Draw
    data: DataSet
    pair: Pair
    depth: int
    expression: Callable[[int], Pair]

    def on(self, pair: Pair) -> Step:
        """A step from another pair, beside which only tables stand."""
        return replace(self, pair=pair, depth=1)

    def other(self) -> Pair:
        """Another operand, which is less deep; half of the time its key alone, which matches more."""
        other = self.expression(self.draw.number(0, min(self.depth - 1, 2)))
        return keys_of(other) if self.draw.flag() else other

    def take(self, text: str, build: Callable[[], Any], evaluate: Callable[[], Relation]) -> Pair:
        """Take the step on both sides. Where it must be refused, see that it is, and stay."""
        self.draw.note(text)
        try:
            relation = evaluate()
        except Refused as why:
            self.draw.note(f"    must be refused: {why}")
            with pytest.raises(QueryError):
                build()
            return self.pair
        return Pair(build(), relation, text)


def keys_of(pair: Pair) -> Pair:
    """A query's keys."""
    return Pair(pair.query.proj(), naive.project(pair.relation), f"{pair.text}.proj()")


def keeping(pair: Pair, names: list[str]) -> Pair:
    """The key and these attributes."""
    text = f"{pair.text}.proj({arguments(*map(repr, names))})"
    return Pair(pair.query.proj(*names), naive.project(pair.relation, names), text)


def takes(evaluate: Callable[..., Relation], left: Pair, right: Pair, *, by_name: bool = False) -> bool:
    """Whether an operator takes these two."""
    try:
        evaluate(_bare(left.relation), _bare(right.relation), by_name=by_name)
    except Refused:
        return False
    return True


def _bare(relation: Relation) -> Relation:
    return Relation(relation.attributes, relation.key, [])


def meeting(draw: Draw, left: Pair, right: Pair) -> Pair:
    """The right operand, with an attribute called as one of the left's that it mostly can be compared with."""
    ours, theirs = left.relation.attributes, right.relation.attributes
    any_kind = draw.number(0, 4) == 4
    choices = [
        (new, old)
        for new in ours
        for old in theirs
        if new not in theirs and (any_kind or naive.comparable(ours[new], theirs[old]))
    ]
    if not choices:
        return right
    new, old = draw.one(choices)
    relation = naive.project(right.relation, theirs, {new: old})
    return Pair(right.query.proj(..., **{new: old}), relation, f"{right.text}.proj(..., {new}={old!r})")


# --- arguments -----------------------------------------------------------------------------------------------------


def draw_by_name(draw: Draw) -> dict[str, bool]:
    """Now and then, the argument by which all that is called alike is matched."""
    return {"semantic_check": False} if draw.number(0, 5) == 5 else {}


def arguments(*parts: str, **options: Any) -> str:
    """The arguments of a call as they are written."""
    return ", ".join([*parts, *(f"{name}={value!r}" for name, value in options.items())])


def listed(item: Any) -> str:
    """A name, or `...`, as an argument is written."""
    return "..." if item is ... else repr(item)
