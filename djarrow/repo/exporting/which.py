"""What a manifest says of which rows of each table an export has: all, those chosen, or what comes with others.

What these rows are: selection.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from attrs import frozen

from djarrow.expr.nodes import Node
from djarrow.model import graph
from djarrow.model.graph import Parents
from djarrow.model.names import TableName
from djarrow.model.slices import Choice, Plan
from djarrow.repo.manifest import Extent
from djarrow.show.text import ELLIPSIS

LONGEST = 10_000
"""Characters of a restriction that are told: one by a frame has as many as the frame."""


@frozen
class Which:
    """Which rows of a table are exported. restriction: what was chosen of it, as a SELECT of the keys."""

    extent: Extent = Extent.ALL
    restriction: str | None = None


def which_rows(choices: Sequence[tuple[Choice, Node]], plan: Plan, below: Parents) -> dict[TableName, Which]:
    """Table -> which of its rows are taken. below: what refers to what, where what depends on chosen rows is taken."""
    nodes: dict[TableName, list[Node]] = {}
    for choice, node in choices:
        nodes.setdefault(choice.table, []).append(node)
    dependent = _below(nodes, below)
    found = {}
    for name in plan.tables:
        if name in plan.whole:
            found[name] = Which()
        elif name in nodes:
            found[name] = Which(Extent.RESTRICTED, _text(nodes[name]))
        else:
            found[name] = Which(Extent.DEPENDENT if name in dependent else Extent.NEEDED)
    return found


def _below(tables: Iterable[TableName], parents: Parents) -> set[TableName]:
    """The tables that depend on some of these."""
    children = graph.children_of(parents)
    return set().union(*(graph.ancestors(table, children) for table in tables))


def _text(nodes: Sequence[Node]) -> str:
    """The SELECT of the keys of all rows that these queries choose, as `to_sql` writes it."""
    from djarrow.sql import compile as compiler
    from djarrow.sql.dialects import Dialect

    columns = nodes[0].heading.primary_key or nodes[0].heading.names[:1]
    each = [compiler.select(node, Dialect.POSTGRES, columns).text for node in nodes]
    text = each[0] if len(each) == 1 else "\nUNION\n".join(f"({one})" for one in each)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + ELLIPSIS
