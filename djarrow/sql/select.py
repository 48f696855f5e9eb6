"""One SELECT being assembled, and the pieces that it is made of. What is assembled for which node: assembly.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import define, field
from sqlglot import exp

from djarrow.sql.tree import Expression, chain, number


@define
class Select:
    """One SELECT being assembled. columns: attribute -> expression; computed: those that are more than a column.

    closed: nothing more can be added to it, only around it.
    """

    source: Expression
    columns: dict[str, Expression]
    joins: list[Expression] = field(factory=list)
    where: list[Expression] = field(factory=list)
    computed: set[str] = field(factory=set)
    distinct: bool = False
    group: list[Expression] = field(factory=list)
    having: Expression | None = None
    order: list[Expression] = field(factory=list)
    limit: int | None = None
    offset: int = 0
    closed: bool = False

    def select(self, expressions: list[Expression]) -> exp.Select:
        """The finished SELECT of these expressions; of none, of the rows as such."""
        clauses: dict[str, Any] = {"from_": exp.From(this=self.source), "joins": self.joins}
        if self.where:
            clauses["where"] = exp.Where(this=chain(exp.And, self.where))
        if self.distinct:
            clauses["distinct"] = exp.Distinct()
        if self.group:
            clauses["group"] = exp.Group(expressions=self.group)
        if self.having is not None:
            clauses["having"] = exp.Having(this=self.having)
        if self.order:
            clauses["order"] = exp.Order(expressions=self.order)
        if self.limit is not None:
            clauses["limit"] = exp.Limit(expression=exp.Literal.number(self.limit))
        if self.offset:
            clauses["offset"] = exp.Offset(expression=exp.Literal.number(self.offset))
        return exp.Select(expressions=expressions or [number(1)], **clauses)


def quoted_name(text: str) -> exp.Identifier:
    """A name in quotes."""
    return exp.Identifier(this=text, quoted=True)


def plain_name(text: str) -> exp.Identifier:
    """An alias of ours, which needs no quotes."""
    return exp.Identifier(this=text, quoted=False)


def column(alias: str, name: str) -> Expression:
    """A column of the source of this alias."""
    return exp.Column(this=quoted_name(name), table=plain_name(alias))


def aliased(node: Expression, name: str) -> Expression:
    """An expression under a name, which a column of that name has already."""
    if isinstance(node, exp.Column) and node.name == name:
        return node
    return exp.Alias(this=node, alias=quoted_name(name))


def equality(left: Select, right: Select, name: str) -> Expression:
    """That an attribute is equal on both sides."""
    return exp.EQ(this=left.columns[name].copy(), expression=right.columns[name].copy())


def join_to(source: Expression, conditions: Sequence[Expression], side: str | None = None) -> Expression:
    """A JOIN of a source on conditions; of none, with every row."""
    if conditions:
        return exp.Join(this=source, side=side, on=chain(exp.And, conditions))
    return exp.Join(this=source, kind="CROSS") if side is None else join_to(source, [exp.Boolean(this=True)], side)
