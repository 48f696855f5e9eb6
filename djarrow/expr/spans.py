"""Which rows of its tables a query can depend on, by comparisons of attributes with constants: node -> spans.

Nothing is left out that a row of the result, or its absence, comes of. Only comparisons are understood whose meaning is
that of Python's: of integers, dates, strings and UUIDs with constants of the same kind.
"""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, assert_never

from djarrow.expr.conditions import All, Always, AnyOf, Condition, Holds, Matches, Negated
from djarrow.expr.nodes import (
    Aggregated,
    Climbed,
    Distinct,
    First,
    Joined,
    Node,
    Projected,
    Restricted,
    Rows,
    Slot,
    Stored,
    United,
    Written,
    tables,
)
from djarrow.expr.terms import Call, Column, Term, Value
from djarrow.model.names import TableName
from djarrow.model.spans import Row, Span, Spans, any_of, both
from djarrow.model.types import AttributeType, Family

FEW_ROWS = 10_000
"""Given rows up to which their values are looked at."""


def spans_of(node: Node) -> Spans:
    """What the query reads of each table."""
    reading = _Reading()
    reading.node(node, {})
    return reading.found


class _Reading:
    """Goes down a query with what is known of the rows that matter at each node."""

    def __init__(self) -> None:
        self.found: dict[TableName, list[Row]] = {}

    def node(self, node: Node, known: Row) -> None:
        known = {name: span for name, span in known.items() if name in node.heading}
        match node:
            case Stored():
                self.found.setdefault(node.name, []).append(known)
            case Rows():
                pass
            case Restricted():
                known = both(known, _said(node.condition))
                self.node(node.source, known)
                self._matched(node.condition, known)
            case Projected():
                self.node(node.source, _before(node.columns, known))
            case Joined():
                left = known if node.keep_left else both(known, _only(_facts(node.right), node.on))
                self.node(node.left, left)
                self.node(node.right, both(known, _only(_facts(node.left), node.on)))
            case United():
                self.node(node.left, known)
                self.node(node.right, known)
            case Distinct():
                self.node(node.source, known)
            case Aggregated():
                groups = _before(node.columns, known)
                self.node(node.groups, groups)
                self.node(node.source, _only(both(groups, _facts(node.groups)), node.on))
            case First():  # which rows are first depends on those that no one asks for
                self.node(node.source, {})
            case Climbed():
                self.node(node.source, {})
                for table in (node.table, *(rise.table for rise in node.rises)):
                    self.node(table, {})
            case Written():
                for name in tables(node):
                    self.found.setdefault(name, []).append({})
            case _:
                assert_never(node)

    def _matched(self, condition: Condition, known: Row) -> None:
        """What a condition matches with: no row of it matters that matches none of the rows that do."""
        match condition:
            case Matches():
                self.node(condition.other, _only(known, condition.on))
            case All() | AnyOf():
                for part in condition.conditions:
                    self._matched(part, known)
            case Negated():
                self._matched(condition.condition, known)
            case Holds() | Always():
                pass
            case _:
                assert_never(condition)


def _only(known: Row, names: Iterable[str]) -> Row:
    return {name: known[name] for name in names if name in known}


def _before(columns: Iterable[tuple[str, Term]], known: Row) -> Row:
    """What is known of attributes, as of those that they were before a projection."""
    found: Row = {}
    for name, term in columns:
        if isinstance(term, Column) and name in known:
            found = both(found, {term.name: known[name]})
    return found


# --- what rows have in common ------------------------------------------------------------------------------------


def _facts(node: Node) -> Row:
    """What every row of a query has."""
    match node:
        case Rows():
            return _given(node)
        case Restricted():
            return both(_facts(node.source), _said(node.condition))
        case Projected():
            return _after(node.columns, _facts(node.source))
        case Joined():
            left = _facts(node.left)
            return left if node.keep_left else both(left, _facts(node.right))
        case Distinct():
            return _only(_facts(node.source), node.names)
        case Aggregated():
            return _after(node.columns, _facts(node.groups))
        case First():
            return _facts(node.source)
        case Stored() | United() | Climbed() | Written():
            return {}
        case _:
            assert_never(node)


def _after(columns: Iterable[tuple[str, Term]], facts: Row) -> Row:
    return {name: facts[t.name] for name, t in columns if isinstance(t, Column) and t.name in facts}


def _given(node: Rows) -> Row:
    """The values of each column of rows that were given, of those without NULL."""
    if isinstance(node.table, Slot) or node.table.num_rows > FEW_ROWS:
        return {}
    found = {}
    for attribute in node.heading:
        column = node.table.column(attribute.name)
        if _understood(attribute.type) and not column.null_count:
            values = [_constant(value, attribute.type) for value in column.to_pylist()]
            if None not in values:
                found[attribute.name] = Span(values=frozenset(values))
    return found


def _said(condition: Condition) -> Row:
    """What a row has of which the condition holds."""
    match condition:
        case Holds():
            return _term(condition.term)
        case All():
            found: Row = {}
            for part in condition.conditions:
                found = both(found, _said(part))
            return found
        case AnyOf():
            return any_of(map(_said, condition.conditions))
        case Matches():
            return _only(_facts(condition.other), condition.on)
        case Negated() | Always():
            return {}
        case _:
            assert_never(condition)


def _term(term: Term) -> Row:
    if not isinstance(term, Call):
        return {}
    if term.function == "and":
        found: Row = {}
        for part in term.arguments:
            found = both(found, _term(part))
        return found
    if term.function == "or":
        return any_of(map(_term, term.arguments))
    first, *others = term.arguments
    if isinstance(first, Value) and len(others) == 1 and term.function in _TURNED:
        return _compared(_TURNED[term.function], others[0], [first])
    return _compared(term.function, first, others)


_TURNED = {"=": "=", "<=>": "<=>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def _compared(function: str, attribute: Term, others: Iterable[Term]) -> Row:
    """What a comparison of an attribute with constants says of it."""
    if not isinstance(attribute, Column) or not _understood(attribute.type):
        return {}
    values = []
    for other in others:
        value = _constant(other.value, attribute.type) if isinstance(other, Value) else None
        if value is None:
            return {}
        values.append(value)
    span = _span(function, values, ordered=attribute.type.family in _ORDERED)
    return {} if span is None else {attribute.name: span}


def _span(function: str, values: list[Any], *, ordered: bool) -> Span | None:
    match function, values:
        case (("=" | "<=>"), [value]):
            return Span(values=frozenset([value]))
        case "in", [_, *_]:
            return Span(values=frozenset(values))
        case (("<" | "<="), [value]) if ordered:
            return Span(high=value)
        case ((">" | ">="), [value]) if ordered:
            return Span(low=value)
        case "between", [low, high] if ordered:
            return Span(low, high)
    return None


_KINDS: Mapping[Family, type] = {
    Family.INTEGER: int,
    Family.DATE: datetime.date,
    Family.STRING: str,
    Family.ENUM: str,
    Family.UUID: uuid.UUID,
}
_ORDERED = frozenset({Family.INTEGER, Family.DATE, Family.STRING})


def _understood(kind: AttributeType) -> bool:
    """Whether Python compares values of the type as the engine does. Blanks at the end of a char may not count."""
    return kind.family in _KINDS and kind.row.name != "char"


def _constant(value: Any, kind: AttributeType) -> Any:
    """The value, if it is of the type's own kind, or None."""
    if kind.family is Family.UUID and isinstance(value, bytes):
        return uuid.UUID(bytes=value) if len(value) == 16 else None
    return value if type(value) is _KINDS[kind.family] else None
