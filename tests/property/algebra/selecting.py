"""Random steps from one operand: restriction, the first rows, projection."""

from __future__ import annotations

from typing import Any

import djarrow as dj
from tests.property import naive
from tests.property.algebra.conditions import draw_condition
from tests.property.algebra.drawing import Draw
from tests.property.algebra.given import Given
from tests.property.algebra.pairs import Pair, Step, arguments, draw_by_name, listed, meeting
from tests.property.algebra.terms import Term, draw_computed, read
from tests.property.naive import Refused, Relation


def draw_restriction(step: Step) -> Pair:
    """`A & c`, `A - c`, or by name."""
    draw, pair = step.draw, step.pair
    by_name = draw_by_name(draw)

    def query() -> Given:
        other = step.other()
        other = meeting(draw, pair, other) if by_name else other
        return Given(
            other.text,
            lambda: other.query,
            lambda: naive.matches(pair.relation, other.relation, by_name=bool(by_name)),
        )

    made = draw_condition(draw, pair.relation, query)
    complement = draw_complement(draw, pair, made)

    def build() -> Any:
        if by_name:
            return pair.query.restrict(dj.Not(made.given()) if complement else made.given(), **by_name)
        return pair.query - made.given() if complement else pair.query & made.given()

    argument = f"dj.Not({made.text})" if complement else made.text
    return step.take(
        f"{pair.text}.restrict({argument}, semantic_check=False)"
        if by_name
        else f"({pair.text} {'-' if complement else '&'} {made.text})",
        build,
        lambda: naive.restrict(pair.relation, made.condition(), complement=complement),
    )


def draw_complement(draw: Draw, pair: Pair, made: Given) -> bool:
    """Whether to take the other rows: mostly so that some are left, because of no rows little can be wrong."""
    complement: bool = draw.flag()
    try:
        left = naive.restrict(pair.relation, made.condition(), complement=complement).rows
    except Refused:
        return complement
    return complement if left or draw.number(0, 5) == 0 else not complement


def draw_top(step: Step) -> Pair:
    """`A & Top(limit, order_by, offset)`."""
    draw, pair = step.draw, step.pair
    order: list[tuple[Term, bool]] = []
    for _number in range(draw.number(0, 2)):
        term = draw_computed(draw, pair.relation)
        if pair.relation.attributes and draw.number(0, 2):
            name = draw.one(list(pair.relation.attributes))
            term = read(name, pair.relation.attributes[name].kind)
        if term.names:
            order.append((term, draw.flag()))
    limit = draw.one([None, 1, 2, 3, 5, 8, 0])
    offset = draw.one([0, 0, 0, 0, 1, 2])
    texts = [term.text + (" DESC" if descending else "") for term, descending in order]
    values = [(term.value, descending) for term, descending in order]
    return step.take(
        f"({pair.text} & dj.Top({limit}, {texts}, {offset}))",
        lambda: pair.query & dj.Top(limit, texts, offset),
        lambda: naive.top(pair.relation, values, limit, offset),
    )


# --- projection --------------------------------------------------------------------------------------------------

NEW_NAMES = ("a0", "b0", "c0", "g0_", "n1", "n2", "n3", "order", "v", "t1")


def draw_projection(step: Step) -> Pair:
    """Attributes kept, left out, renamed, copied and computed."""
    draw, pair = step.draw, step.pair
    names = list(pair.relation.attributes)
    listing, kept = draw_listing(draw, pair.relation)
    renamed: dict[str, str] = {}
    copied: dict[str, str] = {}
    computed: dict[str, Term] = {}
    for name in draw.some(NEW_NAMES, most=3):
        what = draw.one(["rename", "copy", "compute"]) if names else "compute"
        old = draw.one(names) if names else ""
        if what == "rename" and old not in renamed.values():
            renamed[name] = old
        elif what == "copy":
            copied[name] = old
        else:
            computed[name] = draw_computed(draw, pair.relation)
    texts = renamed | {n: _copy(o) for n, o in copied.items()} | {n: term.text for n, term in computed.items()}
    terms = {name: (term.kind, term.value) for name, term in computed.items()}
    return step.take(
        f"{pair.text}.proj({arguments(*map(listed, listing), **texts)})",
        lambda: pair.query.proj(*listing, **texts),
        lambda: naive.project(pair.relation, kept, renamed, copied, terms),
    )


def _copy(name: str) -> str:
    return f"(`{name}`)" if name in ("order", "user") else f"({name})"


def draw_listing(draw: Draw, relation: Relation) -> tuple[list[Any], set[str]]:
    """The names that proj and aggr are given, and which attributes they keep beside the key."""
    names = list(relation.attributes)
    chosen = draw.some(names) if names else []
    match draw.one(["names", "all", "all but"]):
        case "names":
            return chosen, set(chosen)
        case "all":
            return [...], set(names)
    left_out = [name for name in chosen if name not in relation.key]
    return [..., *(f"-{name}" for name in left_out)], set(names) - set(left_out)
