"""Query expressions: the algebra as users write it. Each operator gives a new expression; nothing runs here.

Reading is reading.py's question. Specification: 000 "Query Operators", 001 chapter 8; design section 6.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import EllipsisType
from typing import TYPE_CHECKING, Any, ClassVar

from djarrow.errors import InvalidCondition, QueryError, UpdateRefused, told
from djarrow.expr import operators
from djarrow.frame.given_frames import as_record
from djarrow.model.heading import Heading
from djarrow.table import conditions
from djarrow.table.methods import on_class_too, property_on_class_too
from djarrow.table.reading import Reading
from djarrow.table.universal import U

if TYPE_CHECKING:
    from djarrow.engine.base import Reader
    from djarrow.expr.nodes import Node
    from djarrow.table.writing.deleted import Deleted


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
    if isinstance(given, U):
        given._refuse()
    if expression is None:
        raise InvalidCondition(f"the other operand of {operator} must be a table or query, not {type(given).__name__}.")
    return expression


class QueryExpression(Reading):
    """A query: what rows there are, not the rows. Tables are expressions too, and so are results of operators.

    node: what the query is; its heading is known without a database.
    """

    _is_table: ClassVar[bool] = False
    _roots: tuple[QueryExpression, ...]
    """The tables that the query is made of, each once, that of its first operand first."""
    _unmatched: tuple[tuple[str, ...], ...] = ()
    """The names of each mapping or frame in it that has none of the attributes which it should restrict."""

    def __init__(
        self, node: Node, source: QueryExpression, *others: QueryExpression, unmatched: Iterable[tuple[str, ...]] = ()
    ) -> None:
        self._node = node
        self._roots = tuple({type(root): root for one in (source, *others) for root in one._roots}.values())
        inherited = [names for one in (source, *others) for names in one._unmatched]
        self._unmatched = (*inherited, *unmatched)

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
        first, *others = self._roots
        for other in others:
            other._reader()  # its table is made on first use, too
        return first._reader()

    def _derive(self, node: Node, *others: QueryExpression) -> QueryExpression:
        return QueryExpression(node, self, *others)

    def _check_place(self, *others: QueryExpression) -> None:
        for other in others:
            if self._place() is not other._place():
                raise QueryError(f"{self.node} and {other.node} live in different databases and cannot be combined.")

    def _place(self) -> object:
        """What two operands must share to be combined."""
        return self._roots[0]._place()

    def __repr__(self) -> str:
        from djarrow.table.preview import as_text

        return as_text(self)

    def _repr_html_(self) -> str:
        from djarrow.table.preview import as_html

        return as_html(self)

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        from djarrow.table.preview import as_bundle

        return as_bundle(self)

    @on_class_too
    def preview(self, limit: int | None = None, width: int | None = None) -> str:
        """The text that a terminal shows of the query, as a use of it: connects, makes its tables, and raises.

        limit: rows at most; width: cells of a value at most; where not given, the settings `display.limit` (12) and
        `display.width` (40) of `dj.config`. Raises what reading raises; TimedOut where the first rows take too long.
        """
        from djarrow.table.preview import preview

        return preview(self, self._active_reader(), limit, width)

    @on_class_too
    def update1(self, row: Any) -> None:  # noqa: ARG002 - as a table has it
        """Refused: a row is changed in its table, which it is named to by its key, and not in a query."""
        raise UpdateRefused(
            "update1 is of a table, and this is a query. The row is named by its primary key: `Table.update1({...})`.",
            table=str(self.node),
        )

    __hash__ = object.__hash__

    # --- operators -----------------------------------------------------------------------------------------------

    def __and__(self, condition: Any) -> QueryExpression:
        """`A & c`: the rows where c holds. c: text, a mapping, a list of conditions, a table or query, dj.Top, ..."""
        return self.restrict(condition)

    def __sub__(self, condition: Any) -> QueryExpression:
        """`A - c`: the exact complement of `A & c`; rows where c is NULL stay."""
        return self._restricted(condition, complement=True)

    def __mul__(self, other: Any) -> QueryExpression:
        """`A * B`: matching pairs of rows. Raises IncompatibleOperands for namesakes of different origin."""
        return self.join(other)

    def __add__(self, other: Any) -> QueryExpression:
        """`A + B`: the rows of both; those of the same key are one. Raises IncompatibleOperands (001 8.10)."""
        return self.union(other)

    def __contains__(self, row: Any) -> bool:
        """`row in A`: whether A has a row with these values. Raises UnknownAttribute for one that A has not."""
        values = row if isinstance(row, Mapping) else as_record(row)
        if values is None:
            raise InvalidCondition(f"a row is asked for by a mapping of attributes to values, not by {told(row)}.")
        for name in values:
            self.heading.attribute(name, where="in")
        return bool(self & values)

    @on_class_too
    def restrict(self, *given: Any, semantic_check: bool = True) -> QueryExpression:
        """The rows where all conditions hold: `A.restrict(c, d)` is `A & c & d`.

        semantic_check: False matches tables and queries by name alone, whatever their attributes trace to.
        """
        result: QueryExpression = self
        for condition in given:
            result = result._restricted(condition, semantic_check=semantic_check)
        return result

    def _restricted(self, given: Any, *, complement: bool = False, semantic_check: bool = True) -> QueryExpression:
        try:
            others = tuple(conditions.queries_in(given))
            self._check_place(*others)
            unmatched: list[tuple[str, ...]] = []
            node = conditions.apply(self, given, unmatched, complement=complement, semantic_check=semantic_check)
        except RecursionError:
            raise InvalidCondition("the condition is nested too deeply, or holds itself.") from None
        return QueryExpression(node, self, *others, unmatched=unmatched)

    @on_class_too
    def proj(self, /, *attributes: str | EllipsisType, **new: str) -> QueryExpression:
        """Select, rename and compute attributes; the primary key is always kept. Specification: 000 "Projection".

        attributes: names, `...` for all, `'-a'` for all but a. new: `new='old'` renames, `copy='(old)'` copies,
        `new='expression'` computes. Raises UnknownAttribute, InvalidTerm or IncompatibleOperands.
        """
        return self._derive(operators.project(self.node, *attributes, **new))

    @on_class_too
    def join(self, other: Any, *, left: bool = False, semantic_check: bool = True) -> QueryExpression:
        """`A.join(B)` is `A * B`: matching pairs of rows. Specification: 000 "Join".

        left: rows of A without a match stay, with NULL for what is B's; A must determine B, that is, have every
        attribute of its key. semantic_check: False matches by name alone. Raises IncompatibleOperands.
        """
        right = operand(other, "*")
        self._check_place(right)
        build = operators.extend if left else operators.join
        return self._derive(build(self.node, right.node, semantic_check=semantic_check), right)

    @on_class_too
    def extend(self, other: Any, *, semantic_check: bool = True) -> QueryExpression:
        """Every row of A with the attributes of its one match in B, or NULL: `A.join(B, left=True)`.

        Raises IncompatibleOperands unless A determines B, that is, has every attribute of its key.
        """
        return self.join(other, left=True, semantic_check=semantic_check)

    @on_class_too
    def union(self, other: Any, *, semantic_check: bool = True) -> QueryExpression:
        """`A + B`: the rows of both. Rows of the same key are one row, and what only the other one has is NULL.

        Both must have the same primary key and no other attribute in common. Raises IncompatibleOperands otherwise.
        Specification: 001 8.10.
        """
        right = operand(other, "+")
        self._check_place(right)
        return self._derive(operators.union(self.node, right.node, semantic_check=semantic_check), right)

    @on_class_too
    def aggr(
        self,
        other: Any = None,
        /,
        *attributes: str | EllipsisType,
        exclude_nonmatching: bool = False,
        semantic_check: bool = True,
        **new: str,
    ) -> QueryExpression:
        """Aggregates over the matching rows of another query: `A.aggr(B, n='count(*)', m='avg(x)')`.

        Has A's key and every row of A; over no rows, count is 0 and the rest NULL. attributes: those of A to keep
        beside its key. exclude_nonmatching: leave out rows of A without a match. semantic_check: False matches by name
        alone. Without B it is `A.proj`. Raises IncompatibleOperands unless B has A's key. Specification: 001 8.9.
        """
        if other is None:
            return self.proj(*attributes, **new)
        right = operand(other, "aggr")
        self._check_place(right)
        node = operators.aggregate(
            self.node,
            right.node,
            *attributes,
            exclude_nonmatching=exclude_nonmatching,
            semantic_check=semantic_check,
            **new,
        )
        return self._derive(node, right)

    @on_class_too
    def top(
        self, limit: int | None = 1, order_by: str | Sequence[str] | None = "KEY", offset: int = 0
    ) -> QueryExpression:
        """`A & dj.Top(limit, order_by, offset)`."""
        return self & conditions.Top(limit, order_by, offset)

    @on_class_too
    def provenance(self) -> QueryExpression:
        """What made the rows, of a table that fills itself or of its part: its key, and the columns started, duration
        (seconds), host, user, process, version (of djarrow), git_commit, dirty (changed since that), fingerprint (of
        the code of make) and keys (for how many keys the make was).

        A column whose name the table has is called `make_...`. All are NULL of a row that was inserted by hand.
        Raises QueryError of other tables, and of a repository that was exported with `provenance=False`.
        docs/validity.md.
        """
        from djarrow.table.provenance import provenance

        return provenance(self)

    # --- writing -------------------------------------------------------------------------------------------------

    @on_class_too
    def delete(self, prompt: bool | None = None, *, dry_run: bool = False, part_integrity: str = "enforce") -> Deleted:
        """Delete the rows of the table that these are, and all rows that depend on them, in one transaction.

        Works on every expression that tells which rows of its first table it means: restricted, projected, joined,
        aggregated, Top. What goes is shown first and asked for: prompt: False does not ask, True asks, None asks where
        someone can answer and `safemode` is on. dry_run: count only. part_integrity: of rows of parts that would go
        without their master's, "enforce" refuses, "cascade" deletes the masters along, "ignore" deletes them alone.

        Returns how many rows of the table went, with `.counts` of every table that lost rows; 0 where the answer was
        no. Raises DeleteRefused, NotConfirmed where there is nobody to ask, AccessDenied, MissingTable, or EngineError
        with sqlstate 40001 or 40P01 where others kept changing the same rows; then nothing was deleted.
        Specification: 000 "Delete", 001 7.3; docs/writing.md.
        """
        from djarrow.table.writing.delete import delete

        return delete(self, prompt=prompt, dry_run=dry_run, part_integrity=part_integrity)
