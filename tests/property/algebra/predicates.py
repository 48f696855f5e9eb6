"""Random Polars expressions that restrict: what Polars says of a frame of the same rows, stated row by row."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import polars as pl

from tests.property import naive
from tests.property.algebra.drawing import Draw
from tests.property.algebra.given import Given, shown
from tests.property.algebra.terms import CONSTANTS
from tests.property.naive import Relation


@dataclass(frozen=True)
class Predicate:
    """An expression, and its truth in a row."""

    text: str
    expression: pl.Expr
    value: naive.Value


KINDS = ("int", "big", "float", "str", "bool", "date", "decimal")
"""Kinds whose values Polars compares with a constant as it stands."""
COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
CONNECTIVES: dict[str, tuple[Callable[[Any, Any], Any], Callable[..., bool | None]]] = {
    "&": (operator.and_, naive.both),
    "|": (operator.or_, naive.either),
}


def draw_polars(draw: Draw, relation: Relation) -> Given:
    """A Polars expression as a condition."""
    made = draw_predicate(draw, relation, 2)
    return Given(made.text, lambda: made.expression, lambda: naive.holds(made.value))


def draw_predicate(draw: Draw, relation: Relation, depth: int) -> Predicate:
    """An expression that is true, false or NULL."""
    names = relation.of_kind(*KINDS)
    if depth and draw.flag():
        left, right = (draw_predicate(draw, relation, depth - 1) for _ in range(2))
        return _combined(draw.one(["~", *CONNECTIVES]), left, right)
    if not names:
        name = draw.one(list(relation.attributes)) if relation.attributes else None
        return _constant(draw.flag()) if name is None else _absent(name)
    name = draw.one(names)
    return _absent(name) if draw.number(0, 3) == 0 else _compared(draw, relation, name)


def _combined(sign: str, left: Predicate, right: Predicate) -> Predicate:
    if sign == "~":
        return Predicate(f"~{left.text}", ~left.expression, lambda row: naive.negation(left.value(row)))
    combine, function = CONNECTIVES[sign]
    return Predicate(
        f"({left.text} {sign} {right.text})",
        combine(left.expression, right.expression),
        lambda row: function(left.value(row), right.value(row)),
    )


def _constant(truth: bool) -> Predicate:
    return Predicate(f"pl.lit({truth})", pl.lit(truth), lambda _: truth)


def _absent(name: str) -> Predicate:
    return Predicate(f"pl.col({name!r}).is_null()", pl.col(name).is_null(), lambda row: row[name] is None)


def _compared(draw: Draw, relation: Relation, name: str) -> Predicate:
    """With a value that is there, or with one of few; or whether it is among several."""
    kind = relation.attributes[name].kind
    values = [row[name] for row in relation.rows if row[name] is not None]
    values = [value for value in values if kind != "float" or math.isfinite(value)]  # other constants are refused
    values += CONSTANTS.get(kind, ()) if kind in ("int", "big", "bool") else ()
    if not values:
        return _absent(name)
    if draw.number(0, 3) == 0:
        several = draw.some(values, least=1, most=3)
        return Predicate(
            f"pl.col({name!r}).is_in({shown(several)})",
            pl.col(name).is_in(several),
            lambda row: None if row[name] is None else any(naive.equal(row[name], value) for value in several),
        )
    signs = ("==", "!=") if kind == "str" else COMPARISONS  # Polars has an order of enums that no engine has
    sign = draw.one(list(signs))
    value = draw.one(values)
    compare = naive.strict(lambda x, y: COMPARISONS[sign](naive.rank(x), naive.rank(y)))
    return Predicate(
        f"(pl.col({name!r}) {sign} {shown(value)})",
        COMPARISONS[sign](pl.col(name), value),
        lambda row: compare(row[name], value),
    )
