"""Query expressions: the algebra as users write it. Each operator gives a new expression; nothing runs here.

Reading is reading.py's question. Specification: 000 "Query Operators", 001 chapter 8; design section 6.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import EllipsisType
from typing import TYPE_CHECKING, Any, ClassVar

from djarrow.errors import InvalidCondition, QueryError
from djarrow.expr import operators
from djarrow.model.heading import Heading
from djarrow.table import conditions
from djarrow.table.methods import on_class_too, property_on_class_too
from djarrow.table.reading import Reading

if TYPE_CHECKING:
    from djarrow.engine.base import Reader
    from djarrow.expr.nodes import Node


def as_expression(given: Any) -> QueryExpression | None:
    """The expression that an operand stands for: an expression itself, or a table class. Else None."""
    if isinstance(given, QueryExpression):
        return given
    if isinstance(given, type) and issubclass(given, QueryExpression) and given._is_table:
        table: type[Any] = given  # a table class is made without arguments
        expression: QueryExpression = table()
        return expression
    return None


def operand(given: Any, operator: str) -> QueryExpression:
    """An operand that must be a query. Raises InvalidCondition."""
    expression = as_expression(given)
    if expression is None:
        raise InvalidCondition(f"the other operand of {operator} must be a table or query, not {type(given).__name__}.")
    return expression


class QueryExpression(Reading):
    """A query: what rows there are, not the rows. Tables are expressions too, and so are results of operators.

    node: what the query is; its heading is known without a database.
    """

    _is_table: ClassVar[bool] = False

    def __init__(self, node: Node, source: QueryExpression, *others: QueryExpression) -> None:
        self._node = node
        self._origin = source
        self._others = others

    @property
    def node(self) -> Node:
        """The tree of operators that this query is."""
        return self._node

    @property_on_class_too
    def heading(self) -> Heading:
        """The attributes of the result: name, type, key, nullability, lineage."""
        return self.node.heading

    @property_on_class_too
    def primary_key(self) -> tuple[str, ...]:
        """The names of the attributes that tell rows apart."""
        return self.heading.primary_key

    def _reader(self) -> Reader:
        for other in self._others:
            other._reader()  # its tables are made on first use, too
        return self._origin._reader()

    def _derive(self, node: Node, *others: QueryExpression) -> QueryExpression:
        return QueryExpression(node, self, *others)

    def _check_place(self, *others: QueryExpression) -> None:
        for other in others:
            if self._place() is not other._place():
                raise QueryError(f"{self.node} and {other.node} live in different databases and cannot be combined.")

    def _place(self) -> object:
        """What two operands must share to be combined."""
        return self._origin._place()

    def __repr__(self) -> str:
        return f"<{self.node}: {self.heading}>"

    __hash__ = object.__hash__

    # --- operators -----------------------------------------------------------------------------------------------

    def __and__(self, condition: Any) -> QueryExpression:
        """`A & c`: the rows where c holds. c: text, a mapping, a list of conditions, a table or query, dj.Top, ..."""
        others = tuple(conditions.queries_in(condition))
        self._check_place(*others)
        return self._derive(conditions.apply(self, condition), *others)

    def __sub__(self, condition: Any) -> QueryExpression:
        """`A - c`: the exact complement of `A & c`; rows where c is NULL stay."""
        others = tuple(conditions.queries_in(condition))
        self._check_place(*others)
        return self._derive(conditions.apply(self, condition, complement=True), *others)

    def __mul__(self, other: Any) -> QueryExpression:
        """`A * B`: matching pairs of rows. Raises IncompatibleOperands for namesakes of different origin."""
        right = operand(other, "*")
        self._check_place(right)
        return self._derive(operators.join(self.node, right.node), right)

    @on_class_too
    def restrict(self, *given: Any) -> QueryExpression:
        """The rows where all conditions hold: `A.restrict(c, d)` is `A & c & d`."""
        result: QueryExpression = self
        for condition in given:
            result = result & condition
        return result

    @on_class_too
    def proj(self, /, *attributes: str | EllipsisType, **new: str) -> QueryExpression:
        """Select, rename and compute attributes; the primary key is always kept. Specification: 000 "Projection".

        attributes: names, `...` for all, `'-a'` for all but a. new: `new='old'` renames, `copy='(old)'` copies,
        `new='expression'` computes. Raises UnknownAttribute, InvalidTerm or IncompatibleOperands.
        """
        return self._derive(operators.project(self.node, *attributes, **new))

    @on_class_too
    def aggr(self, other: Any, /, *attributes: str | EllipsisType, **new: str) -> QueryExpression:
        """Aggregates over the matching rows of another query: `A.aggr(B, n='count(*)', m='avg(x)')`.

        Has A's key and every row of A; over no rows, count is 0 and the rest NULL. attributes: those of A to keep
        beside its key. Raises IncompatibleOperands unless B has A's key. Specification: 001 8.9.
        """
        right = operand(other, "aggr")
        self._check_place(right)
        return self._derive(operators.aggregate(self.node, right.node, *attributes, **new), right)

    @on_class_too
    def top(
        self, limit: int | None = 1, order_by: str | Sequence[str] | None = "KEY", offset: int = 0
    ) -> QueryExpression:
        """`A & dj.Top(limit, order_by, offset)`."""
        return self & conditions.Top(limit, order_by, offset)
