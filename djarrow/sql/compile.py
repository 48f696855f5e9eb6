"""Query -> text. A node becomes one SELECT that is being assembled, that a tree of the SQL generator, and that text.

Restrictions, projections and joins flatten into one SELECT; LIMIT and grouping close it, and what is applied later
stands around it; a condition on a computed attribute stands around it too. Aliases are numbered from the outside in
order of appearance, so that the same query gives the same text. Design section 6.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, assert_never

from attrs import define, field, frozen
from sqlglot import exp
from sqlglot.errors import ErrorLevel

from djarrow.errors import QueryError
from djarrow.expr.conditions import All, Always, AnyOf, Condition, Holds, Matches, Negated
from djarrow.expr.functions import FUNCTIONS
from djarrow.expr.nodes import (
    Aggregated,
    First,
    Joined,
    Node,
    Order,
    Projected,
    Restricted,
    Rows,
    Stored,
    walk,
)
from djarrow.expr.operators import join, project, restrict
from djarrow.expr.terms import Call, Cast, Column, Term, aggregates, names, names_outside
from djarrow.model.types import AttributeType
from djarrow.sql.dialects import Dialect
from djarrow.sql.literals import literal
from djarrow.sql.terms import MARK, Values, render
from djarrow.sql.tree import Expression, cast, cast_to, chain, closed, function, number, typed


@frozen
class Compiled:
    """Text with numbered marks for values, and the values beside it."""

    marked: str
    values: tuple[tuple[Any, AttributeType], ...]
    dialect: Dialect

    @property
    def text(self) -> str:
        """The text with the values in it as typed literals."""

        def put(match: re.Match[str]) -> str:
            value, kind = self.values[int(match[1])]
            return literal(value, kind, self.dialect)

        return _MARKED.sub(put, self.marked)


_MARKED = re.compile(f"{MARK}(\\d+){MARK}")


def select(node: Node, dialect: Dialect, columns: tuple[str, ...] | None = None, *, pretty: bool = False) -> Compiled:
    """The SELECT that reads a query: all of its attributes, or these in this order."""
    return _memoised(_select, node, dialect, columns, pretty)


def count(node: Node, dialect: Dialect) -> Compiled:
    """The SELECT that counts the rows of a query, as `n`."""
    return _memoised(_count, node, dialect)


def exists(node: Node, dialect: Dialect) -> Compiled:
    """The SELECT that asks whether a query has any row, as `found`."""
    return _memoised(_exists, node, dialect)


MEMOISED_ROWS = 1000
"""Queries with more constant rows than this are compiled anew each time: the memo would keep all of their values."""


def _memoised(compile_node: Any, node: Node, *arguments: Any) -> Compiled:
    rows = sum(len(part.rows) for part in walk(node) if isinstance(part, Rows))
    try:
        if rows > MEMOISED_ROWS:
            return _compiled.__wrapped__(compile_node, node, *arguments)
        return _compiled(compile_node, node, *arguments)
    except RecursionError:
        raise QueryError("the query has too many steps inside each other to be written as SQL.") from None


@lru_cache(maxsize=512)
def _compiled(compile_node: Any, node: Node, *arguments: Any) -> Compiled:
    compiled: Compiled = compile_node(node, *arguments)
    return compiled


def _select(node: Node, dialect: Dialect, columns: tuple[str, ...] | None, pretty: bool) -> Compiled:
    compiler = _Compiler(dialect)
    found = compiler.compile(node)
    chosen = node.heading.names if columns is None else columns
    listing = [compiler.output(name, found.columns[name], node.heading[name].type) for name in chosen]
    return compiler.finish(found.select(listing), pretty=pretty)


def _count(node: Node, dialect: Dialect) -> Compiled:
    compiler = _Compiler(dialect)
    found = compiler.opened(compiler.compile(node))
    total = exp.Alias(this=function("COUNT", exp.Star()), alias=_name("n"))
    return compiler.finish(found.select([total]))


def _exists(node: Node, dialect: Dialect) -> Compiled:
    compiler = _Compiler(dialect)
    inner = compiler.compile(node).select([])
    answer = exp.Alias(this=exp.Exists(this=inner), alias=_name("found"))
    return compiler.finish(exp.Select(expressions=[answer]))


def _name(text: str) -> exp.Identifier:
    return exp.Identifier(this=text, quoted=True)


def _plain_name(text: str) -> exp.Identifier:
    return exp.Identifier(this=text, quoted=False)


def _column(alias: str, name: str) -> Expression:
    return exp.Column(this=_name(name), table=_plain_name(alias))


@define
class _Select:
    """One SELECT being assembled. columns: attribute -> expression; computed: those that are more than a column.

    closed: nothing more can be added to it, only around it.
    """

    source: Expression
    columns: dict[str, Expression]
    joins: list[Expression] = field(factory=list)
    where: list[Expression] = field(factory=list)
    computed: set[str] = field(factory=set)
    order: list[Expression] = field(factory=list)
    limit: int | None = None
    offset: int = 0
    closed: bool = False

    def select(self, expressions: list[Expression]) -> exp.Select:
        """The finished SELECT of these expressions; of none, of the rows as such."""
        clauses: dict[str, Any] = {"from_": exp.From(this=self.source), "joins": self.joins}
        if self.where:
            clauses["where"] = exp.Where(this=chain(exp.And, self.where))
        if self.order:
            clauses["order"] = exp.Order(expressions=self.order)
        if self.limit is not None:
            clauses["limit"] = exp.Limit(expression=exp.Literal.number(self.limit))
        if self.offset:
            clauses["offset"] = exp.Offset(expression=exp.Literal.number(self.offset))
        return exp.Select(expressions=expressions or [number(1)], **clauses)


class _Compiler:
    """The state of one statement: the numbers given to aliases, and the values met."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.values = Values()
        self.aliases = 0

    def alias(self) -> str:
        self.aliases += 1
        return f"t{self.aliases}"

    def finish(self, tree: exp.Select, *, pretty: bool = False) -> Compiled:
        text = tree.sql(self.dialect.value, copy=False, unsupported_level=ErrorLevel.RAISE, pretty=pretty)
        return Compiled(text, tuple(self.values.items), self.dialect)

    def render(self, term: Term, columns: dict[str, Expression]) -> Expression:
        return render(term, columns, self.values, self.dialect)

    def output(self, name: str, node: Expression, kind: AttributeType) -> Expression:
        """An expression of the outermost SELECT, in the form in which it leaves the engine."""
        node = node.copy()
        return _aliased(cast_to(node, "text") if self.dialect.reads_as_text(kind) else node, name)

    # --- nodes ---------------------------------------------------------------------------------------------------

    def compile(self, node: Node) -> _Select:
        match node:
            case Stored():
                return self.stored(node)
            case Rows():
                return self.rows(node)
            case Restricted():
                return self.restricted(node)
            case Projected():
                return self.projected(node)
            case Joined():
                return self.joined(node)
            case Aggregated():
                return self.aggregated(node)
            case First():
                return self.first(node)
            case _:
                assert_never(node)

    def stored(self, node: Stored) -> _Select:
        alias = self.alias()
        table = exp.Table(this=_name(node.name.table), db=_name(node.name.schema))
        source = exp.Alias(this=table, alias=exp.TableAlias(this=_plain_name(alias)))
        return _Select(source, {a.name: self.recast(_column(alias, a.name), a.type) for a in node.heading})

    def recast(self, column: Expression, kind: AttributeType) -> Expression:
        """A column of a table, in the type that terms expect whoever made the table (model/types.py)."""
        other = kind.row.recast if self.dialect is Dialect.POSTGRES else None
        return column if other is None else cast_to(column, other)

    def rows(self, node: Rows) -> _Select:
        alias = self.alias()
        tuples = [exp.Tuple(expressions=self.row(row, node, first=i == 0)) for i, row in enumerate(node.rows)]
        target = exp.TableAlias(this=_plain_name(alias), columns=[_name(name) for name in node.heading.names])
        source = exp.Subquery(this=exp.Values(expressions=tuples), alias=target)
        return _Select(source, {name: _column(alias, name) for name in node.heading.names})

    def row(self, row: tuple[Any, ...], node: Rows, *, first: bool) -> list[Expression]:
        """One tuple of VALUES; the first one's casts give the columns their types."""
        marks: list[Expression] = []
        for value, attribute in zip(row, node.heading, strict=True):
            mark = self.values.mark(value, attribute.type)
            marks.append(cast(mark, attribute.type, self.dialect) if first else mark)
        return marks

    def opened(self, inner: _Select) -> _Select:
        """The same query as a SELECT to which anything may be added."""
        return self.wrapped(inner) if inner.closed else inner

    def wrapped(self, inner: _Select) -> _Select:
        """A SELECT around another one."""
        alias = self.alias()
        tree = inner.select([_aliased(node, name) for name, node in inner.columns.items()])
        source = exp.Subquery(this=tree, alias=exp.TableAlias(this=_plain_name(alias)))
        return _Select(source, {name: _column(alias, name) for name in inner.columns})

    def restricted(self, node: Restricted) -> _Select:
        found = self.opened(self.compile(node.source))
        if found.computed & _condition_names(node.condition):
            found = self.wrapped(found)
        found.where.append(self.condition(node.condition, found))
        return found

    def projected(self, node: Projected) -> _Select:
        found = self.compile(node.source)
        computing = [term for _, term in node.columns if not isinstance(term, Column)]
        if any(names(term) & found.computed for term in computing):
            found = self.wrapped(found)
        columns = {name: self.value(term, found.columns) for name, term in node.columns}
        found.computed = {
            name for name, term in node.columns if not isinstance(term, Column) or term.name in found.computed
        }
        found.columns = columns
        return found

    def value(self, term: Term, columns: dict[str, Expression]) -> Expression:
        """A computed attribute, of its type also where it is a constant."""
        return typed(term, self.render(term, columns), term.type, self.dialect)

    def joined(self, node: Joined) -> _Select:
        """The right one's tables after the left's. What equals an attribute of a table further right than the first
        is a condition of the whole: in ON it would name a table that is not there yet.
        """
        left = self.opened(self.compile(node.left))
        right = self.opened(self.compile(node.right))
        first = right.source.alias_or_name
        here: list[Expression] = []
        later: list[Expression] = []
        for name in node.on:
            tables = {column.table for column in right.columns[name].find_all(exp.Column)}
            (here if tables <= {first} else later).append(_equality(left, right, name))
        left.joins.append(_join(right.source, here))
        left.joins += right.joins
        left.where += later + right.where
        both = {**right.columns, **left.columns}
        left.computed = {n for n in both if n in (left.computed if n in left.columns else right.computed)}
        left.columns = {name: both[name] for name in node.heading.names}
        return left

    def first(self, node: First) -> _Select:
        found = self.opened(self.compile(node.source))
        terms = [(order, self.render(order.term, found.columns)) for order in node.order]
        # A constant, as a computed attribute may be, orders nothing, and in ORDER BY means the number of a column.
        found.order = [self.ordered(order, term) for order, term in terms if term.find(exp.Column)]
        found.limit, found.offset = node.limit, node.offset
        found.closed = True
        return found

    def ordered(self, order: Order, node: Expression) -> Expression:
        """One term of ORDER BY. Where there are no NULLs, PostgreSQL's own place for them lets it use an index."""
        anywhere = self.dialect is Dialect.POSTGRES and not order.term.nullable
        return exp.Ordered(this=node, desc=order.descending, nulls_first=anywhere and order.descending)

    def aggregated(self, node: Aggregated) -> _Select:
        """Rows of groups LEFT JOIN the aggregates, which are computed first: no row of groups is counted as a match."""
        calls = list(dict.fromkeys(call for _, term in node.columns for call in aggregates(term)))
        if not calls:
            return self.projected(Projected(node.groups, node.columns))
        groups = self.opened(self.compile(node.groups))
        free = {name for _, term in node.columns if not isinstance(term, Column) for name in names_outside(term)}
        if free & groups.computed:
            groups = self.wrapped(groups)
        alias = self.alias()
        over = self.join_aggregates(groups, node, calls, alias)
        columns = {name: self.outer(term, groups.columns, over) for name, term in node.columns}
        groups.computed = {
            name for name, term in node.columns if not isinstance(term, Column) or term.name in groups.computed
        }
        groups.columns = columns
        return groups

    def join_aggregates(
        self, groups: _Select, node: Aggregated, calls: list[Call], alias: str
    ) -> dict[Call, Expression]:
        """Join the SELECT of the aggregates to groups. Returns what stands for each call in a row of groups."""
        inner = self.opened(self.compile(_source_of(node, calls)))
        # No attribute may begin with an underscore, so that these names are free.
        inner_names = {call: f"_{position}" for position, call in enumerate(calls, 1)}
        listing = [_aliased(inner.columns[name].copy(), name) for name in node.on]
        listing += [_aliased(self.render(call, inner.columns), inner_names[call]) for call in calls]
        tree = inner.select(listing)
        if node.on:
            tree.set("group", exp.Group(expressions=[inner.columns[name].copy() for name in node.on]))
        source = exp.Subquery(this=tree, alias=exp.TableAlias(this=_plain_name(alias)))
        pairs = [exp.EQ(this=groups.columns[n].copy(), expression=_column(alias, n)) for n in node.on]
        groups.joins.append(_join(source, pairs, side="LEFT"))
        return {call: _over_nothing(call, _column(alias, name)) for call, name in inner_names.items()}

    def outer(self, term: Term, columns: dict[str, Expression], over: dict[Call, Expression]) -> Expression:
        """A term of an aggregation with its aggregates already computed."""
        found = {f"\0{i}": node for i, node in enumerate(over.values())}
        replaced = {call: f"\0{i}" for i, call in enumerate(over)}
        return self.value(_replace(term, replaced), {**columns, **found})

    # --- conditions ----------------------------------------------------------------------------------------------

    def condition(self, condition: Condition, found: _Select) -> Expression:
        match condition:
            case Holds():
                return self.render(condition.term, found.columns)
            case Always():
                return exp.Boolean(this=condition.value)
            case All():
                return chain(exp.And, [self.condition(c, found) for c in condition.conditions])
            case AnyOf():
                return chain(exp.Or, [self.condition(c, found) for c in condition.conditions])
            case Negated():
                inner = self.condition(condition.condition, found)
                if _may_be_null(condition.condition):
                    inner = function("COALESCE", inner, exp.Boolean(this=False))
                return exp.Not(this=closed(inner))
            case Matches():
                return self.matches(condition, found)
            case _:
                assert_never(condition)

    def matches(self, condition: Matches, found: _Select) -> Expression:
        other = self.opened(self.compile(condition.other))
        other.where += [_equality(other, found, name) for name in condition.on]
        return exp.Exists(this=other.select([]))


def _aliased(node: Expression, name: str) -> Expression:
    if isinstance(node, exp.Column) and node.name == name:
        return node
    return exp.Alias(this=node, alias=_name(name))


def _equality(left: _Select, right: _Select, name: str) -> Expression:
    return exp.EQ(this=left.columns[name].copy(), expression=right.columns[name].copy())


def _join(source: Expression, conditions: Sequence[Expression], side: str | None = None) -> Expression:
    if not conditions:
        return exp.Join(this=source, kind="CROSS")
    return exp.Join(this=source, side=side, on=chain(exp.And, conditions))


def _source_of(node: Aggregated, calls: list[Call]) -> Node:
    """What is aggregated: the rows of source that match groups, with the attributes of groups that the terms name."""
    wanted = {name for call in calls for name in names(call)} - set(node.source.heading.names)
    if wanted:
        return join(node.source, project(node.groups, *sorted(wanted)))
    if isinstance(node.groups, Stored):
        return node.source
    return restrict(node.source, Matches(node.groups, node.on))


def _over_nothing(call: Call, node: Expression) -> Expression:
    """The aggregate of a row of groups without matches: what SQL says of the empty set."""
    default = FUNCTIONS[call.function].over_nothing
    return node if default is None else function("COALESCE", node, number(default))


def _replace(term: Term, replaced: dict[Call, str]) -> Term:
    match term:
        case Call() if term in replaced:
            return Column(replaced[term], term.type, term.nullable)
        case Call():
            arguments = tuple(_replace(argument, replaced) for argument in term.arguments)
            return Call(term.function, arguments, term.type, term.nullable, term.distinct)
        case Cast():
            return Cast(_replace(term.term, replaced), term.type)
        case _:
            return term


def _condition_names(condition: Condition) -> set[str]:
    """The attributes of the restricted query that a condition reads."""
    match condition:
        case Holds():
            return names(condition.term)
        case All() | AnyOf():
            return set().union(*map(_condition_names, condition.conditions))
        case Negated():
            return _condition_names(condition.condition)
        case Matches():
            return set(condition.on)
        case Always():
            return set()
        case _:
            assert_never(condition)


def _may_be_null(condition: Condition) -> bool:
    match condition:
        case Holds():
            return condition.term.nullable
        case All() | AnyOf():
            return any(map(_may_be_null, condition.conditions))
        case _:
            return False


def ordered(node: Node, order: tuple[Order, ...], limit: int | None, offset: int) -> Node:
    """The same rows in an order, for reading."""
    return First(node, order, limit, offset) if order or limit is not None or offset else node
