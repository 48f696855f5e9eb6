"""The nodes of a query: frozen, comparable, each with its heading. operators.py checks operands and builds them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, assert_never

from attrs import evolve, frozen

from djarrow.expr.conditions import All, Always, AnyOf, Condition, Holds, Matches, Negated
from djarrow.expr.terms import Column, Term
from djarrow.model.heading import Attribute, Heading
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

    @cached_property
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
        """Renamed attributes and copies keep their lineage, computed ones have none."""
        return _projected(self.source.heading, self.columns)

    def __str__(self) -> str:
        return f"{self.source}.proj(...)"


def _projected(heading: Heading, columns: tuple[tuple[str, Term], ...]) -> Heading:
    """The heading of these columns over this one. Of an attribute and its copy, the first is in the key."""
    attributes = tuple(
        evolve(heading[term.name], name=name)
        if isinstance(term, Column)
        else Attribute(name, term.type, nullable=term.nullable)
        for name, term in columns
    )
    new_names = {term.name: name for name, term in reversed(columns) if isinstance(term, Column)}
    return Heading(attributes, tuple(new_names[name] for name in heading.primary_key))


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
    and aggregate calls; on: the matched namesakes, which include groups' key.
    """

    groups: Node
    source: Node
    on: tuple[str, ...]
    columns: tuple[tuple[str, Term], ...]

    @cached_property
    def heading(self) -> Heading:
        """The key is that of groups."""
        return _projected(self.groups.heading, self.columns)

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
    order: tuple[Order, ...]
    limit: int | None
    offset: int = 0

    @cached_property
    def heading(self) -> Heading:
        """The source's."""
        return self.source.heading

    def __str__(self) -> str:
        return f"{self.source} & Top(...)"


Node = Stored | Rows | Restricted | Projected | Joined | Aggregated | First


def operands(node: Node) -> tuple[Node, ...]:
    """The nodes directly inside a node, those of its conditions included."""
    match node:
        case Stored() | Rows():
            return ()
        case Restricted():
            return (node.source, *_matched(node.condition))
        case Projected() | First():
            return (node.source,)
        case Joined():
            return (node.left, node.right)
        case Aggregated():
            return (node.groups, node.source)
        case _:
            assert_never(node)


def _matched(condition: Condition) -> tuple[Node, ...]:
    """The nodes that a condition matches with."""
    match condition:
        case Matches():
            return (condition.other,)
        case All() | AnyOf():
            return tuple(node for part in condition.conditions for node in _matched(part))
        case Negated():
            return _matched(condition.condition)
        case Holds() | Always():
            return ()
        case _:
            assert_never(condition)


def walk(node: Node) -> Iterator[Node]:
    """The node and all nodes inside it."""
    pending = [node]
    while pending:
        current = pending.pop()
        yield current
        pending.extend(operands(current))


def tables(node: Node) -> set[TableName]:
    """The stored tables that a query reads."""
    return {part.name for part in walk(node) if isinstance(part, Stored)}
