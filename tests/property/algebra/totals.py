"""Random aggregates: the text that a user writes, and what it makes of the rows of a group."""

from __future__ import annotations

import operator
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.property import naive
from tests.property.algebra.drawing import Draw
from tests.property.algebra.terms import Term, draw_term, greatest, kinds_of, least
from tests.property.naive import Relation, Row


@dataclass(frozen=True)
class Aggregate:
    """A term over many rows, of a group."""

    text: str
    kind: str
    value: naive.Total


def _total(values: list[Any]) -> Any:
    return sum(values[1:], values[0]) if values else None


def _mean(values: list[Any]) -> Any:
    return sum(values) / len(values) if values else None


def _together(values: list[str]) -> str | None:
    return ",".join(sorted(values, reverse=True)) if values else None


SAME = "same"
"""A result of the kind of what is aggregated."""

AGGREGATES: tuple[tuple[str, tuple[str, ...], str, Callable[[list[Any]], Any]], ...] = (
    ("count({})", (), "int", len),
    ("count(distinct {})", (), "int", lambda values: len(set(map(naive.rank, values)))),
    ("sum({})", ("int",), "big", _total),
    ("sum({})", ("decimal",), "decimal", _total),
    ("avg({})", ("int",), "float", _mean),
    *(
        (f"{name}({{}})", ("big", "wide", "str", "decimal", "date", "timestamp", "datetime", "float"), SAME, function)
        for name, function in (
            ("min", lambda values: least(*values) if values else None),
            ("max", lambda values: greatest(*values) if values else None),
        )
    ),
    ("count_if({})", ("bool",), "int", sum),
    ("bool_and({})", ("bool",), "bool", lambda values: all(values) if values else None),
    ("bool_or({})", ("bool",), "bool", lambda values: any(values) if values else None),
    ("median({})", ("int",), "float", lambda values: float(statistics.median(values)) if values else None),
    ("group_concat({0} order by {0} desc)", ("str",), "str", _together),
    ("min({})", ("int",), "big", lambda values: min(values, default=None)),
    ("max({})", ("int",), "big", lambda values: max(values, default=None)),
)
"""Text, the kinds that it takes (any, where there are none), the kind that comes out, and the value of many."""


def draw_aggregate(draw: Draw, groups: Relation, source: Relation) -> Aggregate:
    """An aggregate, some in an expression, some with attributes of the group in it."""
    inside = Relation(source.attributes | groups.attributes, (), [])
    if draw.number(0, 4) == 0:
        return Aggregate("count(*)", "int", lambda _, rows: len(rows))
    kind = draw.one(kinds_of(inside))
    text, _, result, value = draw.one([row for row in AGGREGATES if kind in (row[1] or (kind,))])
    of = draw_term(draw, inside, kind, 1)
    total = Aggregate(
        text.format(of.text), kind if result == SAME else result, lambda _, rows: value(present(of, rows))
    )
    if result == "int" and draw.flag():
        outside = draw_term(draw, groups, "int", 1)
        plus = naive.strict(operator.add)
        return Aggregate(
            f"{total.text} + {outside.text}",
            "big",
            lambda row, rows: plus(total.value(row, rows), outside.value(row)),
        )
    if total.kind == "big" and draw.flag():
        return Aggregate(
            f"coalesce({total.text}, -7)",
            "big",
            lambda row, rows: -7 if (found := total.value(row, rows)) is None else found,
        )
    return total


def present(term: Term, rows: list[Row]) -> list[Any]:
    """The values of a term in rows that are not NULL."""
    return [value for value in map(term.value, rows) if value is not None]
