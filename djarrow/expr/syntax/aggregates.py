"""Aggregates that are more than a name and a term: percentiles, and text joined in an order."""

from __future__ import annotations

from typing import Any

from djarrow.expr.syntax.reader import Reader, Special, exactly, text_of
from djarrow.expr.terms import Term, Value


def _share(reader: Reader, tree: Any) -> float:
    term = reader.read(tree)
    share = float(term.value) if isinstance(term, Value) and not isinstance(term.value, str | None) else -1.0
    if not 0 <= share <= 1:
        raise reader.refuse("the share of a percentile is a number from 0 to 1 as it stands: percentile(x, 0.9).")
    return share


def _percentile(reader: Reader, written: str, tree: Any) -> Term:
    values, share = exactly(reader, written, tree, 2)
    return reader.apply("percentile", reader.read(values), options=(_share(reader, share),))


def within_group(reader: Reader, tree: Any) -> Term:
    """`percentile_cont(0.9) within group (order by x)`."""
    aggregate, order = tree.this, tree.expression.expressions
    if aggregate.name.lower() != "percentile_cont" or len(aggregate.expressions) != 1 or len(order) != 1:
        raise reader.refuse("WITHIN GROUP is read of percentile_cont(share) only; group_concat takes ORDER BY inside.")
    share = _share(reader, aggregate.expressions[0])
    if order[0].args.get("desc"):
        share = 1 - share
    return reader.apply("percentile", reader.read(order[0].this), options=(share,))


def _group_concat(reader: Reader, written: str, tree: Any) -> Term:
    """Values in the order that is stated, and then of themselves, so that the same rows give the same text."""
    values, *rest = tree.expressions or [None]
    if values is None or len(rest) > (written == "string_agg"):
        raise reader.refuse(
            "group_concat takes one term, group_concat(x order by y separator ', '); string_agg a separator too."
        )
    separator = text_of(reader, written, rest[0]) if rest else ","
    if tree.args.get("separator") is not None:
        separator = tree.args["separator"].this
    term = reader.read(values)
    ordered = tree.args["order"].expressions if tree.args.get("order") is not None else []
    order = [(reader.read(item.this), "desc" if item.args.get("desc") else "asc") for item in ordered]
    if tree.args.get("distinct") and any(by != term for by, _ in order):
        raise reader.refuse(f"{written}(distinct x) is ordered by x only.")
    order = [*order, *([] if any(by == term for by, _ in order) else [(term, "asc")])]
    directions = tuple(direction for _, direction in order)
    by = [by for by, _ in order]
    distinct = bool(tree.args.get("distinct"))
    return reader.apply("group_concat", term, *by, distinct=distinct, options=(separator, *directions))


AGGREGATES: dict[str, Special] = {
    **dict.fromkeys(("percentile", "percentile_cont", "quantile", "quantile_cont"), _percentile),
    **dict.fromkeys(("group_concat", "string_agg"), _group_concat),
}
