"""What of a query is read: which attributes, in which order, how many rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from djarrow.errors import InvalidCondition, told

if TYPE_CHECKING:
    from djarrow.expr.nodes import First, Node
    from djarrow.model.heading import Heading

OrderBy = str | Sequence[str] | None


@frozen
class Selection:
    """What of a query is read. attributes: in this order, `"KEY"` for those of the key; all when empty."""

    attributes: tuple[str, ...] = ()
    order_by: OrderBy = None
    limit: int | None = None
    offset: int = 0

    @property
    def bounded(self) -> bool:
        """Whether not all rows are read."""
        return self.limit is not None or self.offset != 0

    def heading(self, whole: Heading) -> Heading:
        """The heading of the result. Raises UnknownAttribute, or InvalidCondition for what is no name."""
        if not self.attributes:
            return whole
        for given in self.attributes:
            if not isinstance(given, str):
                raise InvalidCondition(f"what is read are names of attributes, one argument each, not {told(given)}.")
        names = dict.fromkeys(n for a in self.attributes for n in (whole.primary_key if a == "KEY" else (a,)))
        for name in names:
            whole.attribute(name, where="fetch")
        return whole.select(tuple(names))

    def rows(self, node: Node) -> First:
        """Which rows, and in which order: in none where any will do. Raises UnknownAttribute or InvalidTerm."""
        from djarrow.expr.order import top

        found = top(node, self.limit, self.order_by, self.offset)
        return evolve(found, order=()) if self.order_by is None else found

    def text(self, node: Node, dialect: str) -> str:
        """The SELECT that reads it."""
        from djarrow.expr.order import ordered
        from djarrow.sql import compile as compiler
        from djarrow.sql.dialects import Dialect

        rows = self.rows(node)
        read = ordered(node, rows.order, rows.limit, rows.offset)
        return compiler.select(read, Dialect(dialect), self.heading(node.heading).names).text
