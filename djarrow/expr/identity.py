"""Which rows of a table a query tells apart: those of its first operand, followed through every operator by name.

Lineage alone would not do: a hierarchy has several attributes of one lineage, and renaming can give one of them the
name of the key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import assert_never

from attrs import frozen

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
    Stored,
    United,
    Written,
)
from djarrow.expr.terms import Column, Term


@frozen
class Identified:
    """A table, and what its attributes are called in the query; those that the query lacks are left out."""

    table: Stored
    names: Mapping[str, str]

    @property
    def key(self) -> tuple[str, ...] | None:
        """The names of the table's primary key in the query, in its order. None where one of them is missing."""
        found = [self.names.get(name) for name in self.table.heading.primary_key]
        return None if None in found else tuple(name for name in found if name is not None)


def identified(node: Node) -> Identified | None:
    """The table whose rows a query is about. None of a union, of a universal set, and of rows that were given."""
    match node:
        case Stored():
            return Identified(node, {name: name for name in node.heading.names})
        case Restricted() | First():
            return identified(node.source)
        case Projected():
            return _renamed(identified(node.source), node.columns)
        case Climbed():
            return identified(node.table)
        case Joined():
            return identified(node.left)
        case Aggregated():
            return _renamed(identified(node.groups), node.columns)
        case United() | Distinct() | Rows() | Written():
            return None
        case _:
            assert_never(node)


def _renamed(found: Identified | None, columns: Sequence[tuple[str, Term]]) -> Identified | None:
    """The same after a projection. Of an attribute and its copies, the first counts: all have its values."""
    if found is None:
        return None
    new = {term.name: name for name, term in reversed(columns) if isinstance(term, Column)}
    return Identified(found.table, {own: new[name] for own, name in found.names.items() if name in new})
