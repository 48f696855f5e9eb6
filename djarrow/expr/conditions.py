"""Conditions: what can restrict a query. A closed union of frozen records, checked when built.

`A - c` is `A & Not(c)`, and Not is the exact complement: rows where c is NULL stay. Design section 6, 001 8.6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from attrs import frozen

from djarrow.expr.terms import Term, names

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


def names_in(condition: Condition) -> set[str]:
    """The attributes of the restricted query that a condition reads."""
    match condition:
        case Holds():
            return names(condition.term)
        case All() | AnyOf():
            return set().union(*map(names_in, condition.conditions))
        case Negated():
            return names_in(condition.condition)
        case Matches():
            return set(condition.on)
        case Always():
            return set()
        case _:
            assert_never(condition)


def may_be_null(condition: Condition) -> bool:
    """Whether a condition can be NULL in a row, and not only true or false."""
    match condition:
        case Holds():
            return condition.term.nullable
        case All() | AnyOf():
            return any(map(may_be_null, condition.conditions))
        case _:
            return False
