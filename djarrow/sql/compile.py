"""Query -> text. A node becomes one SELECT that is being assembled, that a tree of the SQL generator, and that text.

Restrictions, projections and joins flatten into one SELECT; LIMIT and grouping close it, and what is applied later
stands around it; a condition on a computed attribute stands around it too. Aliases are numbered from the outside in
order of appearance, so that the same query gives the same text. Design section 6.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, assert_never

from attrs import define, evolve, field, frozen
from sqlglot import exp
from sqlglot.errors import ErrorLevel

from djarrow.errors import QueryError
from djarrow.expr.conditions import All, Always, AnyOf, Condition, Holds, Matches, Negated
from djarrow.expr.constants import take_apart
from djarrow.expr.functions import FUNCTIONS
from djarrow.expr.nodes import (
    Aggregated,
    Distinct,
    First,
    Joined,
    Node,
    Order,
    Projected,
    Restricted,
    Rows,
    Stored,
    United,
)
from djarrow.expr.operators import join, project, restrict
from djarrow.expr.terms import Call, Cast, Column, Term, aggregates, names, names_outside
from djarrow.model.types import AttributeType
from djarrow.sql.collation import in_order
from djarrow.sql.dialects import Dialect
from djarrow.sql.forms import writer
from djarrow.sql.template import Template, Values
from djarrow.sql.terms import render
from djarrow.sql.tree import Expression, cast_to, chain, closed, function, number, typed


@frozen
class Compiled:
    """A statement: its template, and the constants that go into it."""

    template: Template
    constants: tuple[Any, ...]

    @property
    def text(self) -> str:
        """The text with the constants in it as typed literals."""
        return self.template.filled(self.constants)


def select(node: Node, dialect: Dialect, columns: tuple[str, ...] | None = None, *, pretty: bool = False) -> Compiled:
    """The SELECT that reads a query: all of its attributes, or these in this order."""
    return _memoised(_select, node, dialect, columns, pretty)


def count(node: Node, dialect: Dialect) -> Compiled:
    """The SELECT that counts the rows of a query, as `n`."""
    return _memoised(_count, node, dialect)


def exists(node: Node, dialect: Dialect) -> Compiled:
    """The SELECT that asks whether a query has any row, as `found`."""
    return _memoised(_exists, node, dialect)


def _memoised(compile_node: Any, node: Node, *arguments: Any) -> Compiled:
    """The template depends on the structure of a query alone, so that one entry serves reads that differ in a key."""
    try:
        query = take_apart(node)
        return Compiled(_template(compile_node, query.structure, *arguments), query.constants)
    except RecursionError:
        raise QueryError("the query has too many steps inside each other to be written as SQL.") from None


@lru_cache(maxsize=512)
def _template(compile_node: Any, structure: Node, *arguments: Any) -> Template:
    template: Template = compile_node(structure, *arguments)
    return template


def forget() -> None:
    """Compile everything anew from now on: for whoever measures what that costs."""
    _template.cache_clear()


def _select(node: Node, dialect: Dialect, columns: tuple[str, ...] | None, pretty: bool) -> Template:
    compiler = _Compiler(dialect)
    found = compiler.compile(node)
    chosen = node.heading.names if columns is None else columns
    listing = [compiler.output(name, found.columns[name], node.heading[name].type) for name in chosen]
    return compiler.finish(found.select(listing), pretty=pretty)


def _count(node: Node, dialect: Dialect) -> Template:
    compiler = _Compiler(dialect)
    found = compiler.opened(compiler.compile(node))
    total = exp.Alias(this=function("COUNT", exp.Star()), alias=_name("n"))
    return compiler.finish(found.select([total]))


def _exists(node: Node, dialect: Dialect) -> Template:
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


class _Compiler:
    """The state of one statement: the numbers given to aliases, and the values met."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.values = Values()
        self.aliases = 0

    def alias(self) -> str:
        self.aliases += 1
        return f"t{self.aliases}"

    def finish(self, tree: exp.Select, *, pretty: bool = False) -> Template:
        text = tree.sql(writer(self.dialect), copy=False, unsupported_level=ErrorLevel.RAISE, pretty=pretty)
        return self.values.template(text, self.dialect)

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
                return self.extended(node) if node.keep_left else self.joined(node)
            case United():
                return self.united(node)
            case Distinct():
                return self.distinct(node)
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
        target = exp.TableAlias(this=_plain_name(alias), columns=[_name(name) for name in node.heading.names])
        source = exp.Alias(this=self.values.rows(node.table, node.heading), alias=target)
        return _Select(source, {name: _column(alias, name) for name in node.heading.names})

    def opened(self, inner: _Select) -> _Select:
        """The same query as a SELECT to which anything may be added."""
        return self.wrapped(inner) if inner.closed else inner

    def wrapped(self, inner: _Select) -> _Select:
        """A SELECT around another one."""
        tree = inner.select([_aliased(node, name) for name, node in inner.columns.items()])
        return self.around(tree, tuple(inner.columns))

    def around(self, tree: Expression, names: Sequence[str]) -> _Select:
        """A SELECT of these columns of a subquery."""
        alias = self.alias()
        source = exp.Subquery(this=tree, alias=exp.TableAlias(this=_plain_name(alias)))
        return _Select(source, {name: _column(alias, name) for name in names})

    def plain(self, inner: _Select) -> _Select:
        """The same query as one source with columns: what an outer join can have on a side that it fills with NULL."""
        return self.wrapped(inner) if inner.closed or inner.joins or inner.where or inner.computed else inner

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

    def extended(self, node: Joined) -> _Select:
        """Left's rows with what the one matching row of the right one has, or NULL."""
        left = self.opened(self.compile(node.left))
        right = self.plain(self.compile(node.right))
        pairs = [_equality(left, right, name) for name in node.on]
        left.joins.append(_join(right.source, pairs, side="LEFT"))
        left.columns = {name: (left if name in left.columns else right).columns[name] for name in node.heading.names}
        return left

    def united(self, node: United) -> _Select:
        """The keys of both by UNION where there is nothing else, by FULL JOIN where there is."""
        key = node.heading.primary_key
        if len(node.heading) == len(key):
            return self.united_keys(node)
        left, right = (self.plain(self.compile(side)) for side in (node.left, node.right))
        pairs = [_equality(left, right, name) for name in key]
        columns = {**left.columns, **right.columns}
        for name in key:
            columns[name] = function("COALESCE", left.columns[name].copy(), right.columns[name].copy())
        return self.wrapped(_Select(left.source, columns, [_join(right.source, pairs, side="FULL")]))

    def united_keys(self, node: United) -> _Select:
        key = node.heading.primary_key
        trees = []
        for side in (node.left, node.right):
            found = self.compile(side)
            if found.order or found.limit is not None or found.offset:
                found = self.wrapped(found)  # ORDER BY and LIMIT would be those of the UNION
            trees.append(found.select([_aliased(found.columns[name].copy(), name) for name in key]))
        return self.around(exp.Union(this=trees[0], expression=trees[1], distinct=True), key)

    def distinct(self, node: Distinct) -> _Select:
        """Distinct values, none of them NULL; without attributes, one row where there is any."""
        found = self.opened(self.compile(node.source))
        if not node.names:
            found.limit, found.columns, found.closed = 1, {}, True
            return found
        found = self.of_values(found, node)
        found.distinct = not set(node.source.heading.primary_key) <= set(node.names)
        found.columns = {name: found.columns[name] for name in node.names}
        found.computed &= set(node.names)
        found.closed = found.distinct
        return found

    def of_values(self, found: _Select, node: Distinct) -> _Select:
        """The rows in which none of the attributes of a universal set is NULL."""
        if found.computed & set(node.names):
            found = self.wrapped(found)
        heading = node.source.heading
        for name in node.names:
            if heading[name].nullable:
                found.where.append(exp.Not(this=exp.Is(this=found.columns[name].copy(), expression=exp.Null())))
        return found

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
        node = in_order(order.term.type, node, self.dialect)
        return exp.Ordered(this=node, desc=order.descending, nulls_first=anywhere and order.descending)

    def aggregated(self, node: Aggregated) -> _Select:
        """Rows of groups LEFT JOIN the aggregates, which are computed first: no row of groups is counted as a match."""
        if isinstance(node.groups, Distinct) and node.groups.source == node.source:
            return self.grouped(node, node.groups)
        calls = _calls(node)
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

    def grouped(self, node: Aggregated, groups: Distinct) -> _Select:
        """The aggregates of a universal set: the groups are those of the values, so that one SELECT does."""
        found = self.of_values(self.opened(self.compile(node.source)), groups)
        read = {name for call in _calls(node) for name in names(call)}
        if found.computed & read:
            found = self.wrapped(found)
        found.group = [found.columns[name].copy() for name in groups.names]
        if not groups.names:  # SQL has one row over nothing, where there is no group
            found.having = _any_row()
        over = {call: self.render(call, found.columns) for call in _calls(node)}
        found.columns = {name: self.outer(term, found.columns, over) for name, term in node.columns}
        found.computed, found.closed = set(), True
        return found

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
        if node.only_matching and not node.on:  # SQL has one row over nothing, where there is no group
            tree.set("having", exp.Having(this=_any_row()))
        outer = node.on and not node.only_matching
        groups.joins.append(_join(source, pairs, side="LEFT" if outer else None))
        found = {call: _column(alias, name) for call, name in inner_names.items()}
        return found if node.only_matching else {call: _over_nothing(call, column) for call, column in found.items()}

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
    if conditions:
        return exp.Join(this=source, side=side, on=chain(exp.And, conditions))
    return exp.Join(this=source, kind="CROSS") if side is None else _join(source, [exp.Boolean(this=True)], side)


def _any_row() -> Expression:
    """That a group has any row."""
    return exp.GT(this=function("COUNT", exp.Star()), expression=number(0))


def _calls(node: Aggregated) -> list[Call]:
    """The aggregates that an aggregation computes, each once."""
    return list(dict.fromkeys(call for _, term in node.columns for call in aggregates(term)))


def _source_of(node: Aggregated, calls: list[Call]) -> Node:
    """What is aggregated: the rows of source that match groups, with the attributes of groups that the terms name."""
    wanted = {name for call in calls for name in names(call)} - set(node.source.heading.names)
    if wanted:
        groups = project(node.groups, *sorted(wanted))
        return join(node.source, groups, semantic_check=False)  # whether they match was settled when it was built
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
            return evolve(term, arguments=arguments)
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
