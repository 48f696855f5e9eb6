"""Random conditions of any kind, and lists and complements of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import djarrow as dj
from tests.property import naive
from tests.property.algebra.drawing import Draw
from tests.property.algebra.given import Given, draw_frame, draw_mapping, draw_mappings
from tests.property.algebra.predicates import draw_polars
from tests.property.algebra.terms import draw_term
from tests.property.naive import Condition, Relation


def draw_text(draw: Draw, relation: Relation) -> Given:
    """A condition in words."""
    term = draw_term(draw, relation, "bool", 3)
    return Given(repr(term.text), lambda: term.text, lambda: naive.holds(term.value))


def draw_truth(draw: Draw, _: Relation) -> Given:
    """All rows, or none; in Python's own truth values or NumPy's."""
    value = draw.flag()
    return Given(str(value), lambda: value, lambda: lambda _: value)


# --- combinations ------------------------------------------------------------------------------------------------


def draw_inverse(draw: Draw, part: Callable[[], Given]) -> Given:
    """Not."""
    inner = part()

    def condition() -> Condition:
        inside = inner.condition()
        return lambda row: not inside(row)

    return Given(f"dj.Not({inner.text})", lambda: dj.Not(inner.given()), condition)


def draw_list(draw: Draw, part: Callable[[], Given]) -> Given:
    """All of an AndList, any of a list, a tuple, or a set of texts."""
    parts = [part() for _ in range(draw.number(0, 3))]
    choices = ["AndList", "list", "tuple", *(["set"] if all(p.text[0] in "'\"" for p in parts) else [])]
    form = draw.one(choices)
    combine = all if form == "AndList" else any

    def condition() -> Condition:
        inside = [each.condition() for each in parts]
        return lambda row: combine(each(row) for each in inside)

    text = f"{'dj.AndList' if form == 'AndList' else form}([{', '.join(each.text for each in parts)}])"
    make: Callable[[Any], Any] = {"AndList": dj.AndList, "list": list, "tuple": tuple, "set": set}[form]
    return Given(text, lambda: make(each.given() for each in parts), condition)


SIMPLE = (draw_text, draw_text, draw_text, draw_truth, draw_polars, draw_mapping, draw_mappings, draw_frame, draw_frame)


def draw_condition(draw: Draw, relation: Relation, query: Callable[[], Given], depth: int = 2) -> Given:
    """A condition of any kind. query: draws one by another query."""
    choice = draw.number(0, len(SIMPLE) + (4 if depth else 1))
    if choice < len(SIMPLE):
        return SIMPLE[choice](draw, relation)
    if choice < len(SIMPLE) + 2:
        return query()

    def part() -> Given:
        return draw_condition(draw, relation, query, depth - 1)

    return draw_inverse(draw, part) if choice == len(SIMPLE) + 2 else draw_list(draw, part)
