"""Spans: which values of an attribute matter to a query, as far as its text says so. Reading more is never wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from typing import Any

from attrs import frozen

from djarrow.model.names import TableName


@frozen
class Span:
    """Values from low to high, both included, None for no end; of these only those in values, where it is given."""

    low: Any = None
    high: Any = None
    values: frozenset[Any] | None = None

    def __contains__(self, value: Any) -> bool:
        if self.values is not None and value not in self.values:
            return False
        return (self.low is None or self.low <= value) and (self.high is None or value <= self.high)

    def __and__(self, other: Span) -> Span:
        """The values in both."""
        if self.values is not None and other.values is not None:
            values: frozenset[Any] | None = self.values & other.values
        else:
            values = other.values if self.values is None else self.values
        return Span(_of(max, self.low, other.low), _of(min, self.high, other.high), values)

    def __or__(self, other: Span) -> Span:
        """Values among which are all that are in one of both."""
        if self.values is not None and other.values is not None:
            mine, theirs = (frozenset(value for value in span.values or () if value in span) for span in (self, other))
            return Span(values=mine | theirs)
        if self.values is not None or other.values is not None:
            return Span()
        low = None if self.low is None or other.low is None else _of(min, self.low, other.low)
        high = None if self.high is None or other.high is None else _of(max, self.high, other.high)
        return Span(low, high)


def _of(choose: Any, one: Any, other: Any) -> Any:
    """The tighter bound; none of two that cannot be compared."""
    found = [bound for bound in (one, other) if bound is not None]
    try:
        return choose(found) if found else None
    except TypeError:
        return None


Row = Mapping[str, Span]
"""What the rows of a table that matter have: attribute -> its values."""

Spans = Mapping[TableName, Sequence[Row]]
"""What a query reads of each table: the rows that agree with one of these, for each time that it reads the table."""


def both(one: Row, other: Row) -> dict[str, Span]:
    """What rows have that agree with both."""
    return {**one, **{name: one[name] & span if name in one else span for name, span in other.items()}}


def any_of(rows: Iterable[Row]) -> dict[str, Span]:
    """What rows have that agree with one of these."""
    found = list(rows)
    if not found:
        return {}
    shared = set(found[0]).intersection(*found[1:])
    return {name: reduce(Span.__or__, (row[name] for row in found)) for name in shared}
