"""dj.U: all possible entities with given attributes, which a query makes finite. Specification: 000, 001 8.11."""

from __future__ import annotations

from types import EllipsisType
from typing import TYPE_CHECKING, Any, NoReturn

from djarrow.errors import InvalidCondition, QueryError, told
from djarrow.expr import operators

if TYPE_CHECKING:
    from djarrow.table.expression import QueryExpression


class U:
    """A universal set: `dj.U('city', 'state')` is every city of every state that could be.

    `U('a') & A` are the distinct values of a in A, which are its key; rows where a is NULL have none. `U() & A` is one
    row, without attributes, if A has any. `U('a').aggr(A, n='count(*)')` aggregates A by those values. Its attributes
    match any of the same name. By itself it is infinite and cannot be read, joined or complemented.
    """

    def __init__(self, *names: str) -> None:
        for name in names:
            if not isinstance(name, str):
                raise InvalidCondition(
                    f"a universal set is made of names of attributes, one argument each, not {told(name)}."
                )
        self.names = tuple(dict.fromkeys(names))

    def __repr__(self) -> str:
        return f"U({', '.join(map(repr, self.names))})"

    def __and__(self, other: Any) -> QueryExpression:
        """The distinct values of these attributes in a table or query. Raises UnknownAttribute, InvalidCondition."""
        source = self._operand(other, "&")
        return source._derive(operators.distinct(self.names, source.node))

    def aggr(self, other: Any, /, *attributes: str | EllipsisType, **new: str) -> QueryExpression:
        """Aggregates over the rows of another query for each combination of values in it: `(U & A).aggr(A, ...)`.

        Raises UnknownAttribute, InvalidTerm or InvalidCondition.
        """
        source = self._operand(other, "aggr")
        return source._derive(operators.aggregate_universal(self.names, source.node, *attributes, **new))

    def _operand(self, other: Any, operator: str) -> QueryExpression:
        from djarrow.table.expression import as_expression

        expression = as_expression(other)
        if expression is None:
            raise InvalidCondition(
                f"{self!r} {operator} {type(other).__name__}: a universal set takes a table or query, which makes it "
                "finite. Restrict that one by further conditions."
            )
        return expression

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise QueryError(
            f"{self!r} has every entity that could be, and only `U & A` and `U.aggr(A, ...)` make it finite. "
            f"Write `{self!r} & A` for the values that A has; the result can be joined, complemented and read."
        )

    __mul__ = __rmul__ = __sub__ = __add__ = __radd__ = __iter__ = __len__ = __bool__ = __contains__ = _refuse

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in _OF_QUERIES:
            raise AttributeError(f"{self!r} has no attribute {name!r}.")
        return self._refuse


_READS = ("fetch", "fetch1", "keys", "head", "tail", "preview", "to_sql", "explain")
_FORMS = ("dicts", "polars", "arrow", "batches", "arrays", "numpy", "pandas", "lazy")
_OPERATORS = ("delete", "join", "extend", "union", "proj", "restrict", "top")
_OF_QUERIES = frozenset((*_READS, *_OPERATORS, *(f"to_{form}" for form in _FORMS)))
"""What can be asked of a query and not of a universal set."""
