"""The nodes of a query: frozen, comparable, each with its heading. operators.py builds them and checks what is built."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from attrs import evolve, field, frozen

from djarrow.expr.conditions import Condition
from djarrow.expr.terms import Column, Term
from djarrow.model.heading import Attribute, Heading, as_nullable
from djarrow.model.names import TableName


@frozen(cache_hash=True)
class Stored:
    """A table of the database, or of a repository that holds the same table."""

    name: TableName
    heading: Heading

    def __str__(self) -> str:
        return str(self.name)


@frozen(cache_hash=True)
class Rows:
    """Rows given by the user, as constants: what a list of mappings restricts by."""

    heading: Heading
    rows: tuple[tuple[Any, ...], ...]

    def __str__(self) -> str:
        return f"{len(self.rows)} rows"


@frozen(cache_hash=True)
class Restricted:
    """The rows of source where the condition holds. Heading and key are the source's."""

    source: Node
    condition: Condition

    @property
    def heading(self) -> Heading:
        """The source's."""
        return self.source.heading

    def __str__(self) -> str:
        return str(self.source)


@frozen(cache_hash=True)
class Projected:
    """Attributes of source, kept, renamed or computed: (new name, term), the key first."""

    source: Node
    columns: tuple[tuple[str, Term], ...]

    @cached_property
    def heading(self) -> Heading:
        """Renamed attributes keep their lineage, computed ones have none."""
        attributes = tuple(_projected(self.source.heading, name, term) for name, term in self.columns)
        new_names = {term.name: name for name, term in reversed(self.columns) if isinstance(term, Column)}
        return Heading(attributes, tuple(new_names[name] for name in self.source.heading.primary_key))

    def __str__(self) -> str:
        return f"{self.source}.proj(...)"


def _projected(heading: Heading, name: str, term: Term) -> Attribute:
    if isinstance(term, Column):
        return evolve(heading[term.name], name=name)
    return Attribute(name, term.type, nullable=term.nullable)


@frozen(cache_hash=True)
class Joined:
    """Matching pairs of rows of left and right. on: the namesakes, which are all homologous."""

    left: Node
    right: Node
    on: tuple[str, ...]
    primary_key: tuple[str, ...]

    @cached_property
    def heading(self) -> Heading:
        """The key's attributes first, then left's, then right's. A matched attribute cannot be NULL."""
        found: dict[str, Attribute] = {a.name: a for a in self.left.heading}
        for attribute in self.right.heading:
            found.setdefault(attribute.name, attribute)
        for name in self.on:
            found[name] = evolve(found[name], nullable=False)
        rest = tuple(name for name in found if name not in self.primary_key)
        return Heading(tuple(found[name] for name in self.primary_key + rest), self.primary_key)

    def __str__(self) -> str:
        return f"({self.left} * {self.right})"


@frozen(cache_hash=True)
class Aggregated:
    """Every row of groups, with terms over its matching rows of source. columns: (name, term) over groups' attributes
    and aggregate calls; on: the matched namesakes, which include groups' key."""

    groups: Node
    source: Node
    on: tuple[str, ...]
    columns: tuple[tuple[str, Term], ...]

    @cached_property
    def heading(self) -> Heading:
        """The key is that of groups."""
        attributes = tuple(_projected(self.groups.heading, name, term) for name, term in self.columns)
        return Heading(attributes, self.groups.heading.primary_key)

    def __str__(self) -> str:
        return f"{self.groups}.aggr({self.source}, ...)"


@frozen
class Order:
    """One term of an order. NULLs come last either way."""

    term: Term
    descending: bool = False


@frozen(cache_hash=True)
class First:
    """The first rows of source in an order: dj.Top. limit None means all after the offset.

    Everything applied later applies to these rows only.
    """

    source: Node
    order: tuple[Order, ...] = field(converter=tuple)
    limit: int | None
    offset: int = 0

    @property
    def heading(self) -> Heading:
        """The source's."""
        return self.source.heading

    def __str__(self) -> str:
        return f"{self.source} & Top(...)"


Node = Stored | Rows | Restricted | Projected | Joined | Aggregated | First

__all__ = [
    "Aggregated",
    "First",
    "Joined",
    "Node",
    "Order",
    "Projected",
    "Restricted",
    "Rows",
    "Stored",
    "as_nullable",
    "tables",
]


def tables(node: Node) -> set[TableName]:
    """The stored tables that a query reads."""
    from djarrow.expr.conditions import All, AnyOf, Condition, Matches, Negated

    def of_condition(condition: Condition) -> set[TableName]:
        match condition:
            case Matches():
                return tables(condition.other)
            case All() | AnyOf():
                return set().union(*map(of_condition, condition.conditions))
            case Negated():
                return of_condition(condition.condition)
            case _:
                return set()

    match node:
        case Stored():
            return {node.name}
        case Rows():
            return set()
        case Restricted():
            return tables(node.source) | of_condition(node.condition)
        case Projected() | First():
            return tables(node.source)
        case Joined():
            return tables(node.left) | tables(node.right)
        case Aggregated():
            return tables(node.groups) | tables(node.source)
