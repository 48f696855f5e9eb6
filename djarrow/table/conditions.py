"""What users restrict by -> conditions: text, mappings, lists, frames, tables, Polars expressions, Top, Not, AndList.

Rows that they hold, frames and lists of mappings, are given_rows.py's question. Specification: 001 8.6, 000
"Restriction".
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any

from attrs import frozen

from djarrow.errors import InvalidCondition
from djarrow.expr import operators
from djarrow.expr.conditions import Always, Condition, Holds
from djarrow.expr.functions import BOOL
from djarrow.expr.nodes import Node
from djarrow.expr.order import top
from djarrow.expr.terms import Call, Value, column
from djarrow.frame.given_frames import as_frame, as_record
from djarrow.model.heading import Attribute, Heading
from djarrow.model.values import normalise
from djarrow.table.given_rows import Unmatched, among_frame, among_mappings, check_equal
from djarrow.table.universal import U

if TYPE_CHECKING:
    from djarrow.table.expression import QueryExpression


@frozen
class Top:
    """The first rows: `A & dj.Top(5, order_by="age DESC")`. Specification: 000 "Restriction by dj.Top".

    limit: number of rows, None for all after the offset. order_by: terms with ASC or DESC, `"KEY"` the primary key;
    rows that it leaves equal come in key order, NULLs last. What is applied later applies to these rows only.
    """

    limit: int | None = 1
    order_by: str | Sequence[str] | None = "KEY"
    offset: int = 0


def as_expression(given: Any) -> QueryExpression | None:
    """The expression that an object stands for: an expression itself, or a table class. Else None."""
    from djarrow.table.expression import as_expression

    return as_expression(given)


class AndList(list[Any]):
    """A list of conditions that must all hold. A plain list holds where any of its conditions does."""


@frozen
class Not:
    """The complement of a condition: `A & Not(c)` is `A - c`."""

    condition: Any


def to_condition(
    given: Any,
    source: Node,
    unmatched: Unmatched | None = None,
    *,
    semantic_check: bool = True,
    operator: str = "&",
) -> Condition:
    """The condition that an object of a user's expresses on a query.

    unmatched: takes the names of what has none of the attributes. semantic_check: without it, queries match by name
    alone. operator: as messages show it. Raises InvalidCondition for what cannot restrict, and what the operators
    raise.
    """
    unmatched = [] if unmatched is None else unmatched

    def inner(item: Any) -> Condition:
        return to_condition(item, source, unmatched, semantic_check=semantic_check)

    if (expression := as_expression(given)) is not None:
        return operators.matching(source, expression.node, operator=operator, semantic_check=semantic_check)
    match given:
        case bool() | U():
            return Always(given is not False)
        case _ if type(given).__module__ == "numpy" and type(given).__name__.rstrip("_") == "bool":
            return Always(bool(given))
        case str():
            return operators.text_condition(given, source.heading)
        case Mapping():
            return mapping_condition(given, source.heading, unmatched)
        case Not():
            return operators.negate(inner(given.condition))
        case AndList():
            return operators.all_of([inner(item) for item in given])
        case Top():
            raise InvalidCondition("Top stands by itself: `A & dj.Top(5)`.")
    if isinstance(given, Sequence | Set) and not isinstance(given, bytes | bytearray | memoryview | range):
        return _any_condition(list(given), source.heading, unmatched, inner)
    if is_polars_expression(given):
        from djarrow.table import predicates

        return predicates.condition(given, source.heading)
    if (record := as_record(given)) is not None:
        return mapping_condition(record, source.heading, unmatched)
    if (frame := as_frame(given)) is not None:
        return among_frame(frame, source.heading, unmatched)
    raise InvalidCondition(
        f"{type(given).__name__} cannot restrict a query. "
        "Use text, a mapping, a Polars expression, a list of these, a frame, or a table."
    )


def is_polars_expression(given: Any) -> bool:
    """Whether it is a Polars expression: whoever has one has imported Polars, which most restrictions do not need."""
    polars = sys.modules.get("polars")
    return polars is not None and isinstance(given, polars.Expr)


def queries_in(given: Any) -> Iterator[QueryExpression]:
    """The tables and queries that stand in what a user restricts by, also inside lists."""
    match given:
        case Not():
            yield from queries_in(given.condition)
        case list() | tuple() | set() | frozenset():
            for item in given:
                yield from queries_in(item)
        case _ if (expression := as_expression(given)) is not None:
            yield expression


def _any_condition(
    items: list[Any], heading: Heading, unmatched: Unmatched, inner: Callable[[Any], Condition]
) -> Condition:
    """Any of a list. Mappings go as a table of constants, never as a long OR; a single one as it is."""
    records = [(item, item if isinstance(item, Mapping) else as_record(item)) for item in items]
    mappings = [record for _, record in records if record is not None]
    others = [item for item, record in records if record is None]
    conditions = [inner(item) for item in others]
    if len(mappings) == 1:
        conditions.append(mapping_condition(mappings[0], heading, unmatched))
    among = among_mappings(mappings, heading, unmatched) if len(mappings) > 1 else ()
    return operators.any_of([*conditions, *among])


def mapping_condition(mapping: Mapping[str, Any], heading: Heading, unmatched: Unmatched) -> Condition:
    """Equality with each value of the mapping; None means NULL. Keys that are no attributes are ignored (001 8.6.3)."""
    equalities = [_equality(heading[n], v) for n, v in mapping.items() if n in heading]
    if mapping and not equalities:
        unmatched.append(tuple(map(str, mapping)))
    return operators.all_of(equalities)


def _equality(attribute: Attribute, value: Any) -> Condition:
    if value is None:
        return Holds(Call("is null", (column(attribute),), BOOL, nullable=False))
    constant = Value(_value(value, attribute), attribute.type)
    if constant.value is None:  # NaT of NumPy, NA of pandas
        return _equality(attribute, None)
    check_equal(attribute)
    return Holds(Call("=", (column(attribute), constant), BOOL, nullable=attribute.nullable))


def _value(value: Any, attribute: Attribute) -> Any:
    try:
        return normalise(value, attribute.type)
    except ValueError as error:
        raise InvalidCondition(f"attribute {attribute.name!r}: {error}") from None


def apply(
    source: QueryExpression, given: Any, unmatched: Unmatched, *, complement: bool = False, semantic_check: bool = True
) -> Node:
    """`A & given`, or `A - given` as complement. unmatched: takes the names of what has none of A's attributes."""
    if isinstance(given, Top):
        if complement:
            raise InvalidCondition("`A - Top` is not defined; restrict by the complement of its order.")
        return top(source.node, given.limit, given.order_by, given.offset)
    operator = "-" if complement else "&"
    condition = to_condition(given, source.node, unmatched, semantic_check=semantic_check, operator=operator)
    return operators.restrict(source.node, operators.negate(condition) if complement else condition)
