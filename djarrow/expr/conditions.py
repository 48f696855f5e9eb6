"""Conditions: what can restrict a query. A closed union of frozen records, checked when built.

`A - c` is `A & Not(c)`, and Not is the exact complement: rows where c is NULL stay. Design section 6, 001 8.6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from djarrow.expr.terms import Term

if TYPE_CHECKING:
    from djarrow.expr.nodes import Node


@frozen
class Holds:
    """A term that is true."""

    term: Term


@frozen
class Always:
    """All rows, or none."""

    value: bool


@frozen
class All:
    """Every condition holds."""

    conditions: tuple[Condition, ...]


@frozen
class AnyOf:
    """At least one condition holds; none does when there are none."""

    conditions: tuple[Condition, ...]


@frozen
class Negated:
    """The condition does not hold: it is false or NULL."""

    condition: Condition


@frozen(eq=True)
class Matches:
    """A row of the other query matches on these attributes; with none, the other query has any row at all."""

    other: Node
    on: tuple[str, ...]


Condition = Holds | Always | All | AnyOf | Negated | Matches
