"""Random expressions: operators inside each other, tables innermost."""

from __future__ import annotations

from collections.abc import Callable

from tests.property.algebra import combining, grouping, selecting
from tests.property.algebra.drawing import Draw
from tests.property.algebra.loading import DataSet
from tests.property.algebra.pairs import Pair, Step

MOST_ROWS = 60
"""Beyond these an expression grows no further: the evaluator tries every pair of rows."""

WEIGHTS: dict[Callable[[Step], Pair], int] = {
    selecting.draw_restriction: 3,
    selecting.draw_projection: 2,
    selecting.draw_top: 2,
    combining.draw_join: 2,
    combining.draw_extension: 1,
    combining.draw_union: 1,
    grouping.draw_aggregation: 2,
    grouping.draw_universal: 1,
    grouping.draw_universal_aggregation: 1,
}
"""The operators, and how often each is drawn."""
STEPS = [step for step, weight in WEIGHTS.items() for _ in range(weight)]


def draw_pair(draw: Draw, data: DataSet, depth: int) -> Pair:
    """An expression of this depth, and what it should be."""
    if depth == 0:
        name = draw.one(list(data.classes))
        table, relation = data.classes[name], data.relations[name]
        return Pair(table, relation, name) if draw.flag() else Pair(table(), relation, f"{name}()")
    pair = draw_pair(draw, data, depth - 1)
    if len(pair.relation.rows) > MOST_ROWS:
        return pair
    return draw.one(STEPS)(step_from(draw, data, pair, depth))


def draw_part(draw: Draw, data: DataSet, pair: Pair) -> Pair:
    """Some rows of a query."""
    return selecting.draw_restriction(step_from(draw, data, pair, 1))


def step_from(draw: Draw, data: DataSet, pair: Pair, depth: int) -> Step:
    """A step from a pair to an expression of this depth."""
    return Step(draw, data, pair, depth, lambda deep: draw_pair(draw, data, deep))
