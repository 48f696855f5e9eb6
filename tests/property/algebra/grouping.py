"""Random steps that group rows: aggregation, and universal sets."""

from __future__ import annotations

from typing import Any

import djarrow as dj
from tests.property import naive
from tests.property.algebra.combining import draw_operands
from tests.property.algebra.drawing import Draw
from tests.property.algebra.pairs import Pair, Step, arguments, draw_by_name, listed, takes
from tests.property.algebra.selecting import draw_listing
from tests.property.algebra.totals import Aggregate, draw_aggregate
from tests.property.naive import Refused, Relation


def draw_aggregation(step: Step) -> Pair:
    """`A.aggr(B, ...)`, either way round."""
    draw = step.draw
    by_name = draw_by_name(draw)
    groups, source = draw_operands(step, naive.aggregate, by_name=bool(by_name))
    listing = draw_listing(draw, groups.relation)
    only = {"exclude_nonmatching": True} if draw.number(0, 3) == 0 else {}
    return aggregated(step, groups, source, listing=listing, options={**only, **by_name}, by_name=bool(by_name))


def draw_universal_aggregation(step: Step) -> Pair:
    """`U(...).aggr(A, ...)`."""
    draw, pair = step.draw, step.pair
    names = draw_names(draw, pair.relation)
    try:
        relation = naive.universal(names, pair.relation)
    except Refused:
        return draw_universal(step)
    groups = Pair(dj.U(*names), relation, f"dj.U({arguments(*map(repr, names))})")
    return aggregated(step, groups, pair, options={}, by_name=True)


def aggregated(
    step: Step,
    groups: Pair,
    source: Pair,
    *,
    listing: tuple[list[Any], set[str]] = ([], set()),
    options: dict[str, bool],
    by_name: bool,
) -> Pair:
    """Some aggregates; where the operands do not go together, just one."""
    draw = step.draw
    new: dict[str, Aggregate] = {"n9": Aggregate("count(*)", "int", lambda _, rows: len(rows))}
    if takes(naive.aggregate, groups, source, by_name=by_name):
        least = min(draw.number(0, 3), 1)
        wanted = draw.some(["n1", "n4", "n5", "a0"], least=least, most=2)
        new = {name: draw_aggregate(draw, groups.relation, source.relation) for name in wanted}
    texts = {name: total.text for name, total in new.items()}
    totals = {name: (total.kind, total.value) for name, total in new.items()}
    return step.take(
        f"{groups.text}.aggr({arguments(source.text, *map(listed, listing[0]), **options, **texts)})",
        lambda: groups.query.aggr(source.query, *listing[0], **options, **texts),
        lambda: naive.aggregate(
            groups.relation,
            source.relation,
            listing[1],
            totals,
            only_matching="exclude_nonmatching" in options,
            by_name=by_name,
        ),
    )


def draw_universal(step: Step) -> Pair:
    """`U(...) & A`."""
    draw, pair = step.draw, step.pair
    names = draw_names(draw, pair.relation)
    return step.take(
        f"(dj.U({arguments(*map(repr, names))}) & {pair.text})",
        lambda: dj.U(*names) & pair.query,
        lambda: naive.universal(names, pair.relation),
    )


def draw_names(draw: Draw, relation: Relation) -> list[str]:
    """A few attributes, and now and then a name that is none."""
    among = [*relation.attributes, *(["nowhere"] if draw.number(0, 9) == 0 else [])]
    names: list[str] = draw.some(among, most=2) if among else []
    return names
