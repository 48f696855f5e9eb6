"""Polars expressions over a heading: what of them the database computes. The rules are in expr/predicates/."""

from __future__ import annotations

import json
from collections.abc import Iterator

import polars as pl
from polars.io.plugins import register_io_source

from djarrow.errors import InvalidCondition
from djarrow.expr.conditions import Condition
from djarrow.expr.operators import all_of
from djarrow.expr.predicates.translate import Predicate, predicate
from djarrow.model.heading import Heading

_UNSIMPLIFIED = pl.QueryOptFlags(simplify_expression=False)
"""A condition that is always true or false would otherwise not be told from one that was held back."""


def schema_of(heading: Heading) -> pl.Schema:
    """The Polars schema of a heading."""
    return pl.Schema({attribute.name: attribute.type.polars for attribute in heading})


def translated(resolved: pl.Expr, heading: Heading) -> Predicate:
    """What of a predicate, whose types Polars has resolved, becomes conditions."""
    return _parts(resolved, heading, chosen=False)


def condition(expression: pl.Expr, heading: Heading) -> Condition:
    """A Polars expression as a condition. Raises InvalidCondition, naming the part, unless all of it translates."""
    found = _parts(_resolved(expression, heading), heading, chosen=True)
    if found.left:
        raise InvalidCondition(
            f"{' '.join(found.left)} Restrict by text instead, or let Polars compute it: `.to_lazy().filter(...)`."
        )
    return all_of(found.conditions)


def _parts(resolved: pl.Expr, heading: Heading, *, chosen: bool) -> Predicate:
    """The translation of an expression, or of what it chooses by."""
    try:
        tree = json.loads(resolved.meta.serialize(format="json"))
        return predicate(tree["Ternary"]["predicate"] if chosen else tree, heading)
    except RecursionError:
        return Predicate((), ("The Polars expression has too many steps inside each other for the database.",))
    except pl.exceptions.ComputeError:
        return Predicate((), ("The Polars expression has a function of Python, which the database cannot call.",))


def _resolved(expression: pl.Expr, heading: Heading) -> pl.Expr:
    """`when(expression).then(True).otherwise(False)` as Polars hands it to a source: names looked up, casts explicit.

    Of a bare conjunction it might hand over a part, and filter by the rest itself.
    """
    seen: list[pl.Expr | None] = []
    schema = schema_of(heading)

    def source(_: list[str] | None, given: pl.Expr | None, *__: int | None) -> Iterator[pl.DataFrame]:
        seen.append(given)
        yield pl.DataFrame(schema=schema)

    whole = pl.when(expression).then(statement=True).otherwise(statement=False)
    try:
        register_io_source(source, schema=schema).filter(whole).collect(engine="in-memory", optimizations=_UNSIMPLIFIED)
    except (pl.exceptions.PolarsError, TypeError) as error:
        raise InvalidCondition(f"Polars refuses {_shown(expression)}: {error}") from error
    if len(seen) != 1 or seen[0] is None:
        raise InvalidCondition(
            f"{_shown(expression)} is not computed row by row from the attributes, or in too many steps, so that it "
            "restricts no query. Let Polars compute it: `.to_lazy().filter(...)`."
        )
    return seen[0]


def _shown(expression: pl.Expr) -> str:
    text = str(expression)
    return text if len(text) <= 100 else f"{text[:97]}..."
