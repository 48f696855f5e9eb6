"""The nodes of a query: frozen, comparable, each with its heading. operators.py checks operands and builds them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Protocol, assert_never

from attrs import evolve, field, frozen

from djarrow.expr.conditions import All, Always, AnyOf, Condition, Holds, Matches, Negated
from djarrow.expr.terms import Column, Term
from djarrow.model.heading import Attribute, Heading, as_nullable
from djarrow.model.names import TableName

if TYPE_CHECKING:
    import pyarrow as pa


@frozen(cache_hash=True)
class Stored:
    """A table of the database, or of a repository that holds the same table."""

    name: TableName
    heading: Heading

    def __str__(self) -> str:
        return str(self.name)


@frozen
class Slot:
    """Where a constant of a query stood before it was taken out (structure.py): its number among them."""

    number: int


def _identity(table: pa.Table | Slot) -> object:
    return table if isinstance(table, Slot) else id(table)


@frozen(cache_hash=True)
class Rows:
    """Rows given as constants: what a frame or a list of mappings restricts by, and lists that are no tables.

    table: a column for each attribute, in the form in which it goes to the database; NULL where the attribute may be.
    Two of them are equal only where they are the same.
    """

    heading: Heading
    table: pa.Table | Slot = field(eq=_identity)

    def __str__(self) -> str:
        return "the rows given"


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
    """Matching pairs of rows of left and right. on: the namesakes.

    keep_left: rows of left without a match stay, with NULL for what is right's; left then determines right.
    """

    left: Node
    right: Node
    on: tuple[str, ...]
    primary_key: tuple[str, ...]
    keep_left: bool = False

    @cached_property
    def heading(self) -> Heading:
        """The key's attributes first, then left's, then right's. What had to match cannot be NULL."""
        found: dict[str, Attribute] = {a.name: a for a in self.left.heading}
        for attribute in self.right.heading:
            found.setdefault(attribute.name, as_nullable(attribute) if self.keep_left else attribute)
        for name in () if self.keep_left else self.on:
            found[name] = evolve(found[name], nullable=False)
        rest = tuple(name for name in found if name not in self.primary_key)
        return Heading(tuple(found[name] for name in self.primary_key + rest), self.primary_key)

    def __str__(self) -> str:
        return f"({self.left} * {self.right})"


@frozen(cache_hash=True)
class United:
    """The rows of left and of right; those of the same key are one row, and what only the other one has is NULL.

    Both have the same key, and no other attribute in common.
    """

    left: Node
    right: Node

    @cached_property
    def heading(self) -> Heading:
        """The key, then left's other attributes, then right's, all of which may be NULL."""
        key = self.left.heading.primary_key
        others = [a for side in (self.left, self.right) for a in side.heading if a.name not in key]
        return Heading((*(self.left.heading[name] for name in key), *map(as_nullable, others)), key)

    def __str__(self) -> str:
        return f"({self.left} + {self.right})"


@frozen(cache_hash=True)
class Distinct:
    """The distinct values of some attributes of source, which are its key: dj.U(names) & source. None of them is NULL.

    Without names, one row if source has any.
    """

    source: Node
    names: tuple[str, ...]

    @cached_property
    def heading(self) -> Heading:
        """The named attributes, with their lineage."""
        attributes = tuple(evolve(self.source.heading[name], nullable=False) for name in self.names)
        return Heading(attributes, self.names)

    def __str__(self) -> str:
        return f"(U({', '.join(map(repr, self.names))}) & {self.source})"


@frozen(cache_hash=True)
class Aggregated:
    """Every row of groups, with terms over its matching rows of source. columns: (name, term) over groups' attributes
    and aggregate calls; on: the matched namesakes, which include groups' key.

    only_matching: rows of groups without a match are left out.
    """

    groups: Node
    source: Node
    on: tuple[str, ...]
    columns: tuple[tuple[str, Term], ...]
    only_matching: bool = False

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


@frozen(cache_hash=True)
class Rise:
    """References among the rows of one master: in each row of table, from the key in below to the key in above."""

    table: Stored
    below: tuple[str, ...]
    above: tuple[str, ...]


@frozen(cache_hash=True)
class Climbed:
    """The rows of source, which are rows of table, and all rows of table that references lead to, to any depth."""

    source: Node
    table: Stored
    rises: tuple[Rise, ...]

    @cached_property
    def heading(self) -> Heading:
        """The table's."""
        return self.table.heading

    def __str__(self) -> str:
        return f"{self.table} above {self.source}"


class Statement(Protocol):
    """A SELECT that no other nodes make up: a frozen record, equal to another where its text is the same.

    Its columns are those of the heading, in PostgreSQL's types.
    """

    @property
    def tables(self) -> frozenset[TableName]:
        """The tables that it reads."""
        ...

    def text(self) -> str:
        """The statement, for PostgreSQL."""
        ...


@frozen(cache_hash=True)
class Written:
    """Rows that a statement of its own gives: over the notes of a schema, which only the database keeps, or of a slice.

    In the structure of a query the statement is taken out, as constants are.
    """

    heading: Heading
    statement: Statement | Slot

    def __str__(self) -> str:
        return str(self.statement)


Node = Stored | Rows | Written | Restricted | Projected | Joined | United | Distinct | Aggregated | First | Climbed


def operands(node: Node) -> tuple[Node, ...]:
    """The nodes directly inside a node, those of its conditions included."""
    match node:
        case Stored() | Rows() | Written():
            return ()
        case Restricted():
            return (node.source, *matched_with(node.condition))
        case Projected() | First() | Distinct():
            return (node.source,)
        case Joined() | United():
            return (node.left, node.right)
        case Aggregated():
            return (node.groups, node.source)
        case Climbed():
            return (node.source, node.table, *(rise.table for rise in node.rises))
        case _:
            assert_never(node)


def matched_with(condition: Condition) -> tuple[Node, ...]:
    """The nodes that a condition matches with."""
    match condition:
        case Matches():
            return (condition.other,)
        case All() | AnyOf():
            return tuple(node for part in condition.conditions for node in matched_with(part))
        case Negated():
            return matched_with(condition.condition)
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
    found: set[TableName] = set()
    for part in walk(node):
        if isinstance(part, Stored):
            found.add(part.name)
        elif isinstance(part, Written) and not isinstance(part.statement, Slot):
            found |= part.statement.tables
    return found
