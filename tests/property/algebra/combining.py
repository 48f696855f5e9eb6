"""Random steps from two operands: joins, extensions and unions, and how two are found that go together."""

from __future__ import annotations

from collections.abc import Callable

from tests.property import naive
from tests.property.algebra.pairs import Pair, Step, arguments, draw_by_name, keeping, keys_of, meeting, takes
from tests.property.algebra.selecting import draw_restriction
from tests.property.naive import Relation

MOST_PAIRS = 600
"""What the evaluator, which tries every pair of rows, does in little time."""


def draw_join(step: Step) -> Pair:
    """`A * B`, either way round."""
    draw = step.draw
    by_name = draw_by_name(draw)
    left, right = draw_operands(step, naive.join, by_name=bool(by_name))
    written = f"{left.text}.join({arguments(right.text, **by_name)})" if by_name else f"({left.text} * {right.text})"
    return step.take(
        written,
        lambda: left.query.join(right.query, **by_name) if by_name else left.query * right.query,
        lambda: naive.join(left.relation, right.relation, by_name=bool(by_name)),
    )


def draw_extension(step: Step) -> Pair:
    """`A.extend(B)`, or `A.join(B, left=True)`, which is the same."""
    draw = step.draw
    by_name = draw_by_name(draw)
    left, right = draw_operands(step, naive.extend, by_name=bool(by_name))
    method, options = draw.one([("extend", by_name), ("join", {"left": True, **by_name})])
    return step.take(
        f"{left.text}.{method}({arguments(right.text, **options)})",
        lambda: getattr(left.query, method)(right.query, **options),
        lambda: naive.extend(left.relation, right.relation, by_name=bool(by_name)),
    )


def draw_union(step: Step) -> Pair:
    """`A + B`. Mostly of two queries on the same rows, each with attributes of its own, because others are refused."""
    draw, pair = step.draw, step.pair
    if draw.number(0, 3):
        secondary = [name for name in pair.relation.attributes if name not in pair.relation.key]
        ours = draw.some(secondary) if secondary else []
        left = draw_restriction(step.on(pair))
        right = draw_restriction(step.on(pair))
        left, right = keeping(left, ours), keeping(right, [name for name in secondary if name not in ours])
    else:
        left, right = pair, step.other()
    by_name = draw_by_name(draw) if of_known_types(left.relation, right.relation) else {}
    return step.take(
        f"{left.text}.union({arguments(right.text, **by_name)})" if by_name else f"({left.text} + {right.text})",
        lambda: left.query.union(right.query, **by_name) if by_name else left.query + right.query,
        lambda: naive.union(left.relation, right.relation, by_name=bool(by_name)),
    )


ONE_TYPE = {"wide", "bool", "date", "timestamp", "datetime", "uuid"}
"""Kinds of one type each. A union takes keys of equal types only, and the evaluator knows kinds."""


def of_known_types(left: Relation, right: Relation) -> bool:
    """Whether it is known that namesakes have the same type, or another one."""
    shared = [(left.attributes[name], right.attributes[name]) for name in left.attributes if name in right.attributes]
    return all(a.kind != b.kind or a.kind in ONE_TYPE or (a.lineage and a.lineage == b.lineage) for a, b in shared)


def draw_operands(step: Step, evaluate: Callable[..., Relation], *, by_name: bool) -> tuple[Pair, Pair]:
    """Two operands, one of them this. Mostly in a form that the operator takes; now and then as they come.

    Of the right one often a part, so that some rows of the left have no match.
    """
    draw, pair = step.draw, step.pair
    other = draw_relative(step) if draw.flag() else step.other()
    if len(pair.relation.rows) * len(other.relation.rows) > MOST_PAIRS:
        other = Pair(
            other.query & "FALSE", naive.restrict(other.relation, lambda _: False), f"({other.text} & 'FALSE')"
        )
    left, right = (pair, other) if draw.flag() else (other, pair)
    if by_name:
        right = meeting(draw, left, right)
    if draw.number(0, 4) == 0:
        return left, right
    choices = [(left, right), (right, left), (keys_of(left), right), (left, keys_of(right))]
    fitting = [two for two in choices if takes(evaluate, *two, by_name=by_name)]
    left, right = draw.one(fitting) if fitting else (left, keys_of(left))
    return left, draw_restriction(step.on(right)) if draw.flag() else right


def draw_relative(step: Step) -> Pair:
    """A table, or a part of its rows, that has an attribute of the same origin as one of the pair's."""
    draw, data, pair = step.draw, step.data, step.pair
    origins = {attribute.lineage for attribute in pair.relation.attributes.values()} - {None}
    names = [name for name, found in data.relations.items() if origins & {a.lineage for a in found.attributes.values()}]
    if not names:
        return step.expression(0)
    name = draw.one(names)
    relative = Pair(data.classes[name], data.relations[name], name)
    return draw_restriction(step.on(relative)) if draw.flag() else relative
