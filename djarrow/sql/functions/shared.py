"""What builds a function, and the two shapes that functions of any family have."""

from __future__ import annotations

from collections.abc import Callable

from djarrow.expr.terms import Call
from djarrow.sql.dialects import Dialect
from djarrow.sql.tree import Expression, cast, function

Build = Callable[[Call, list[Expression], Dialect], Expression]


def plain(name: str) -> Build:
    """The function of the same meaning under this name."""
    return lambda _, nodes, __: function(name, *nodes)


def casting(name: str) -> Build:
    """A function whose own result is of another type than stated."""
    return lambda call, nodes, dialect: cast(function(name, *nodes), call.type, dialect)
