"""Which rows of which table an expression means, for whoever changes them: refused where it is not certain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from djarrow.errors import DeleteRefused, hint_nearest
from djarrow.expr.identity import identified
from djarrow.expr.nodes import Stored
from djarrow.table.source import current_offline

if TYPE_CHECKING:
    from djarrow.expr.nodes import Node
    from djarrow.model.names import TableName
    from djarrow.table.expression import QueryExpression
    from djarrow.table.schema import Schema


@frozen
class Target:
    """Rows of a table of the database. node: the query that tells which; key: what holds the table's key in it."""

    schema: Schema
    table: Stored
    node: Node
    key: tuple[str, ...]

    @property
    def name(self) -> TableName:
        """The table."""
        return self.table.name

    @property
    def whole(self) -> bool:
        """Whether it is all rows of the table, whatever they are."""
        return isinstance(self.node, Stored)


def target(expression: QueryExpression) -> Target:
    """The rows that an expression means. Raises DeleteRefused."""
    from djarrow.table.schema import Schema
    from djarrow.table.table import Table

    node, root = expression.node, expression._roots[0]
    found = identified(node)
    if found is None or found.key is None or not isinstance(root, Table) or found.table.name != root.spec.name:
        raise DeleteRefused(
            f"{node} has rows of its own, and does not tell which rows of a table go. Restrict the table by it: "
            f"`({root.node} & query).delete()`.",
            table=str(root.node),
        )
    name = str(found.table.name)
    if current_offline() is not None:
        raise DeleteRefused(
            "queries run on a repository here, which is read only. Delete outside of the `using` block.", table=name
        )
    if found.table.name.is_note:
        raise DeleteRefused(f"{name} is a note about the tables of its schema, and stays.", table=name)
    if not isinstance(root.schema, Schema):
        raise DeleteRefused(f"{name} is a table of a repository, which is read only.", table=name)
    _check_matched(expression, name)
    return Target(root.schema, found.table, node, found.key)


def _check_matched(expression: QueryExpression, table: str) -> None:
    """Refuse what restricts by nothing: queries ignore unknown keys (001 8.6.3), and here all rows would go for one."""
    if not expression._unmatched:
        return
    names = expression._unmatched[0]
    known = {name for root in expression._roots for name in root.heading.names}
    raise DeleteRefused(
        f"a restriction by {', '.join(map(repr, names))} restricts nothing: none of these is an attribute of what is "
        f"restricted.{hint_nearest(names[0], known)} Correct it, or leave it out to mean all rows.",
        table=table,
    )
