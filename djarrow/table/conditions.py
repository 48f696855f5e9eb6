"""What users restrict by -> conditions: text, mappings, lists, tables, Top, Not, AndList.

Specification: 001 8.6, 000 "Restriction".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any

from attrs import frozen

from djarrow.errors import InvalidCondition
from djarrow.expr import operators
from djarrow.expr.conditions import Always, Condition, Holds, Matches
from djarrow.expr.functions import BOOL
from djarrow.expr.nodes import Node, Rows
from djarrow.expr.terms import Call, Value, column
from djarrow.model.heading import Attribute, Heading
from djarrow.model.values import normalise

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


class AndList(list[Any]):
    """A list of conditions that must all hold. A plain list holds where any of its conditions does."""


@frozen
class Not:
    """The complement of a condition: `A & Not(c)` is `A - c`."""

    condition: Any


def to_condition(given: Any, source: Node) -> Condition:
    """The condition that an object of a user's expresses on a query.

    Raises InvalidCondition for what cannot restrict, and what the operators raise.
    """
    from djarrow.table.expression import QueryExpression, as_expression

    match given:
        case bool():
            return Always(given)
        case str():
            return operators.text_condition(given, source.heading)
        case Mapping():
            return mapping_condition(given, source.heading)
        case Not():
            return operators.negate(to_condition(given.condition, source))
        case AndList():
            return operators.all_of([to_condition(item, source) for item in given])
        case Top():
            raise InvalidCondition("Top stands by itself: `A & dj.Top(5)`.")
        case QueryExpression():
            return operators.matching(source, given.node)
        case type() if (expression := as_expression(given)) is not None:
            return operators.matching(source, expression.node)
        case Sequence() | Set() if not isinstance(given, bytes):
            return _any_condition(list(given), source)
    raise InvalidCondition(
        f"{type(given).__name__} cannot restrict a query. Use text, a mapping, a list of these, or a table."
    )


def queries_in(given: Any) -> Iterator[QueryExpression]:
    """The tables and queries that stand in what a user restricts by, also inside lists."""
    from djarrow.table.expression import as_expression

    match given:
        case Not():
            yield from queries_in(given.condition)
        case Sequence() | Set() if not isinstance(given, str | bytes):
            for item in given:
                yield from queries_in(item)
        case _ if (expression := as_expression(given)) is not None:
            yield expression


def _any_condition(items: list[Any], source: Node) -> Condition:
    """Any of a list. Many mappings of the same keys go as a table of constants, never as a long OR."""
    if len(items) > 1 and all(isinstance(item, Mapping) for item in items):
        common = _common_names(items, source.heading)
        if common is not None:
            return _among_rows(items, common, source.heading)
    return operators.any_of([to_condition(item, source) for item in items])


def _common_names(items: list[Mapping[str, Any]], heading: Heading) -> tuple[str, ...] | None:
    """The attributes that all mappings give, where none gives another and none gives NULL."""
    first = tuple(name for name in heading.names if name in items[0])
    for item in items:
        if tuple(name for name in heading.names if name in item) != first or any(item[n] is None for n in first):
            return None
    return first or None


def _among_rows(items: list[Mapping[str, Any]], names: tuple[str, ...], heading: Heading) -> Condition:
    attributes = tuple(heading[name] for name in names)
    distinct = dict.fromkeys(tuple(_value(item[a.name], a) for a in attributes) for item in items)
    return Matches(Rows(Heading(attributes, names), tuple(distinct)), names)


def mapping_condition(mapping: Mapping[str, Any], heading: Heading) -> Condition:
    """Equality with each value of the mapping; None means NULL. Keys that are no attributes are ignored (001 8.6.3)."""
    return operators.all_of([_equality(heading[n], v) for n, v in mapping.items() if n in heading])


def _equality(attribute: Attribute, value: Any) -> Condition:
    if value is None:
        return Holds(Call("is null", (column(attribute),), BOOL, nullable=False))
    constant = Value(_value(value, attribute), attribute.type)
    return Holds(Call("=", (column(attribute), constant), BOOL, nullable=attribute.nullable))


def _value(value: Any, attribute: Attribute) -> Any:
    try:
        return normalise(value, attribute.type)
    except ValueError as error:
        raise InvalidCondition(f"attribute {attribute.name!r}: {error}") from None


def apply(source: QueryExpression, given: Any, *, complement: bool = False) -> Node:
    """`A & given`, or `A - given` as complement."""
    if isinstance(given, Top):
        if complement:
            raise InvalidCondition("`A - Top` is not defined; restrict by the complement of its order.")
        return operators.top(source.node, given.limit, given.order_by, given.offset)
    condition = to_condition(given, source.node)
    return operators.restrict(source.node, operators.negate(condition) if complement else condition)
