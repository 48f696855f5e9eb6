"""The nodes of a query -> one SELECT that is being assembled.

Restrictions, projections and joins flatten into one SELECT; LIMIT and grouping close it, and what is applied later
stands around it; a condition on a computed attribute stands around it too. Aliases are numbered from the outside in
order of appearance, so that the same query gives the same text. Design section 6.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import assert_never

from sqlglot import exp
from sqlglot.errors import ErrorLevel

from djarrow.errors import QueryError
from djarrow.expr.conditions import All, Always, AnyOf, Condition, Holds, Matches, Negated, may_be_null, names_in
from djarrow.expr.functions import FUNCTIONS
from djarrow.expr.nodes import (
    Aggregated,
    Climbed,
    Distinct,
    First,
    Joined,
    Node,
    Order,
    Projected,
    Restricted,
    Rise,
    Rows,
    Stored,
    United,
    Written,
)
from djarrow.expr.operators import join, project, restrict
from djarrow.expr.terms import Call, Column, Term, aggregates, names, names_outside, with_columns_for
from djarrow.model.types import AttributeType
from djarrow.sql.carried import is_carried
from djarrow.sql.collation import in_order
from djarrow.sql.dialects import Dialect
from djarrow.sql.forms import writer
from djarrow.sql.select import Select, aliased, column, equality, join_to, plain_name, quoted_name
from djarrow.sql.template import Template, Values
from djarrow.sql.terms import render
from djarrow.sql.tree import Expression, cast_to, chain, closed, function, number, typed


class Assembly:
    """One statement, from the nodes of a query: the numbers given to aliases, and the values met."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._values = Values()
        self._aliases = 0

    def _alias(self) -> str:
        self._aliases += 1
        return f"t{self._aliases}"

    def finish(self, tree: Expression, *, pretty: bool = False) -> Template:
        """The template of a finished tree."""
        text = tree.sql(writer(self._dialect), copy=False, unsupported_level=ErrorLevel.RAISE, pretty=pretty)
        return self._values.template(text, self._dialect)

    def _render(self, term: Term, columns: dict[str, Expression]) -> Expression:
        return render(term, columns, self._values, self._dialect)

    def output(self, name: str, node: Expression, kind: AttributeType) -> Expression:
        """An expression of the outermost SELECT, in the form in which it leaves the engine."""
        node = node.copy()
        return aliased(cast_to(node, "text") if self._dialect.reads_as_text(kind) else node, name)

    # --- nodes ---------------------------------------------------------------------------------------------------

    def select(self, node: Node) -> Select:
        """The SELECT of a node."""
        match node:
            case Stored():
                return self._stored(node)
            case Rows():
                return self._rows(node)
            case Written():
                return self._written(node)
            case Restricted():
                return self._restricted(node)
            case Projected():
                return self._projected(node)
            case Joined():
                return self._extended(node) if node.keep_left else self._joined(node)
            case United():
                return self._united(node)
            case Distinct():
                return self._distinct(node)
            case Aggregated():
                return self._aggregated(node)
            case First():
                return self._first(node)
            case Climbed():
                return self._climbed(node)
            case _:
                assert_never(node)

    def _stored(self, node: Stored) -> Select:
        if self._dialect is Dialect.POSTGRES and is_carried(node.name):
            raise QueryError(
                "how rows came was asked of a repository, inside a `using` block. Ask for it outside, where the "
                'database answers; the text for the repository is `to_sql("duckdb")`.'
            )
        alias = self._alias()
        table = exp.Table(this=quoted_name(node.name.table), db=quoted_name(node.name.schema))
        source = exp.Alias(this=table, alias=exp.TableAlias(this=plain_name(alias)))
        return Select(source, {a.name: self._recast(column(alias, a.name), a.type) for a in node.heading})

    def _recast(self, column: Expression, kind: AttributeType) -> Expression:
        """A column of a table, in the type that terms expect whoever made the table (model/types.py)."""
        other = kind.row.recast if self._dialect is Dialect.POSTGRES else None
        return column if other is None else cast_to(column, other)

    def _rows(self, node: Rows) -> Select:
        alias = self._alias()
        target = exp.TableAlias(this=plain_name(alias), columns=[quoted_name(name) for name in node.heading.names])
        source = exp.Alias(this=self._values.rows(node.table, node.heading), alias=target)
        return Select(source, {name: column(alias, name) for name in node.heading.names})

    def _written(self, node: Written) -> Select:
        alias = self._alias()
        return Select(
            exp.Alias(this=self._values.written(node.statement), alias=exp.TableAlias(this=plain_name(alias))),
            {a.name: self._recast(column(alias, a.name), a.type) for a in node.heading},
        )

    def opened(self, inner: Select) -> Select:
        """The same query as a SELECT to which anything may be added."""
        return self._wrapped(inner) if inner.closed else inner

    def _wrapped(self, inner: Select) -> Select:
        """A SELECT around another one."""
        tree = inner.select([aliased(node, name) for name, node in inner.columns.items()])
        return self._around(tree, tuple(inner.columns))

    def _around(self, tree: Expression, names: Sequence[str]) -> Select:
        """A SELECT of these columns of a subquery."""
        alias = self._alias()
        source = exp.Subquery(this=tree, alias=exp.TableAlias(this=plain_name(alias)))
        return Select(source, {name: column(alias, name) for name in names})

    def _plain(self, inner: Select) -> Select:
        """The same query as one source with columns: what an outer join can have on a side that it fills with NULL."""
        return self._wrapped(inner) if inner.closed or inner.joins or inner.where or inner.computed else inner

    def _restricted(self, node: Restricted) -> Select:
        found = self.opened(self.select(node.source))
        if found.computed & names_in(node.condition):
            found = self._wrapped(found)
        found.where.append(self._condition(node.condition, found))
        return found

    def _projected(self, node: Projected) -> Select:
        found = self.select(node.source)
        computing = [term for _, term in node.columns if not isinstance(term, Column)]
        if any(names(term) & found.computed for term in computing):
            found = self._wrapped(found)
        columns = {name: self._value(term, found.columns) for name, term in node.columns}
        found.computed = {
            name for name, term in node.columns if not isinstance(term, Column) or term.name in found.computed
        }
        found.columns = columns
        return found

    def _value(self, term: Term, columns: dict[str, Expression]) -> Expression:
        """A computed attribute, of its type also where it is a constant."""
        return typed(term, self._render(term, columns), term.type, self._dialect)

    def _joined(self, node: Joined) -> Select:
        """The right one's tables after the left's. What equals an attribute of a table further right than the first
        is a condition of the whole: in ON it would name a table that is not there yet.
        """
        left = self.opened(self.select(node.left))
        right = self.opened(self.select(node.right))
        first = right.source.alias_or_name
        here: list[Expression] = []
        later: list[Expression] = []
        for name in node.on:
            tables = {column.table for column in right.columns[name].find_all(exp.Column)}
            (here if tables <= {first} else later).append(equality(left, right, name))
        left.joins.append(join_to(right.source, here))
        left.joins += right.joins
        left.where += later + right.where
        both = {**right.columns, **left.columns}
        left.computed = {n for n in both if n in (left.computed if n in left.columns else right.computed)}
        left.columns = {name: both[name] for name in node.heading.names}
        return left

    def _extended(self, node: Joined) -> Select:
        """Left's rows with what the one matching row of the right one has, or NULL."""
        left = self.opened(self.select(node.left))
        right = self._plain(self.select(node.right))
        pairs = [equality(left, right, name) for name in node.on]
        left.joins.append(join_to(right.source, pairs, side="LEFT"))
        left.columns = {name: (left if name in left.columns else right).columns[name] for name in node.heading.names}
        return left

    def _united(self, node: United) -> Select:
        """The keys of both by UNION where there is nothing else, by FULL JOIN where there is."""
        key = node.heading.primary_key
        if len(node.heading) == len(key):
            return self._united_keys(node)
        left, right = (self._plain(self.select(side)) for side in (node.left, node.right))
        pairs = [equality(left, right, name) for name in key]
        columns = {**left.columns, **right.columns}
        for name in key:
            columns[name] = function("COALESCE", left.columns[name].copy(), right.columns[name].copy())
        return self._wrapped(Select(left.source, columns, [join_to(right.source, pairs, side="FULL")]))

    def _united_keys(self, node: United) -> Select:
        key = node.heading.primary_key
        trees = []
        for side in (node.left, node.right):
            found = self.select(side)
            if found.order or found.limit is not None or found.offset:
                found = self._wrapped(found)  # ORDER BY and LIMIT would be those of the UNION
            trees.append(found.select([aliased(found.columns[name].copy(), name) for name in key]))
        return self._around(exp.Union(this=trees[0], expression=trees[1], distinct=True), key)

    def _distinct(self, node: Distinct) -> Select:
        """Distinct values, none of them NULL; without attributes, one row where there is any."""
        found = self.opened(self.select(node.source))
        if not node.names:
            found.limit, found.columns, found.closed = 1, {}, True
            return found
        found = self._of_values(found, node)
        found.distinct = not set(node.source.heading.primary_key) <= set(node.names)
        found.columns = {name: found.columns[name] for name in node.names}
        found.computed &= set(node.names)
        found.closed = found.distinct
        return found

    def _of_values(self, found: Select, node: Distinct) -> Select:
        """The rows in which none of the attributes of a universal set is NULL."""
        if found.computed & set(node.names):
            found = self._wrapped(found)
        heading = node.source.heading
        for name in node.names:
            if heading[name].nullable:
                found.where.append(exp.Not(this=exp.Is(this=found.columns[name].copy(), expression=exp.Null())))
        return found

    def _first(self, node: First) -> Select:
        found = self.opened(self.select(node.source))
        terms = [(order, self._render(order.term, found.columns)) for order in node.order]
        # A constant, as a computed attribute may be, orders nothing, and in ORDER BY means the number of a column.
        found.order = [self._ordered(order, term) for order, term in terms if term.find(exp.Column)]
        found.limit, found.offset = node.limit, node.offset
        found.closed = True
        return found

    def _climbed(self, node: Climbed) -> Select:
        """The table's rows whose keys a recursion finds: those of source, and step by step those that they refer to."""
        found = self._stored(node.table)
        key = node.table.heading.primary_key
        climbing, rising = self._alias(), self._alias()
        start = self.opened(self.select(node.source))
        first = start.select([aliased(start.columns[name].copy(), name) for name in key])
        steps: list[exp.Query] = [self._rise(rise, key) for rise in node.rises]
        union = reduce(lambda one, other: exp.Union(this=one, expression=other, distinct=False), steps)
        above = exp.Subquery(this=union, alias=exp.TableAlias(this=plain_name(rising)))
        pairs = [exp.EQ(this=column(rising, f"_{n}"), expression=column(climbing, name)) for n, name in enumerate(key)]
        step = Select(exp.Table(this=plain_name(climbing)), {}, [join_to(above, pairs)])
        more = step.select([column(rising, name) for name in key])
        named = exp.TableAlias(this=plain_name(climbing), columns=[quoted_name(name) for name in key])
        reached = exp.CTE(this=exp.Union(this=first, expression=more, distinct=True), alias=named)
        chosen = Select(exp.Table(this=plain_name(climbing)), {}).select([column(climbing, name) for name in key])
        chosen.set("with_", exp.With(expressions=[reached], recursive=True))
        keys = self._around(chosen, key)
        found.joins.append(
            join_to(keys.source, [exp.EQ(this=found.columns[n].copy(), expression=keys.columns[n]) for n in key])
        )
        return found

    def _rise(self, rise: Rise, key: Sequence[str]) -> exp.Select:
        """The references of a table as pairs of keys: below as _0, _1, above by the names of the key."""
        found = self._stored(rise.table)
        below = [exp.Alias(this=found.columns[own], alias=quoted_name(f"_{n}")) for n, own in enumerate(rise.below)]
        above = [aliased(found.columns[own].copy(), name) for own, name in zip(rise.above, key, strict=True)]
        return found.select([*below, *above])

    def _ordered(self, order: Order, node: Expression) -> Expression:
        """One term of ORDER BY. Where there are no NULLs, PostgreSQL's own place for them lets it use an index."""
        anywhere = self._dialect is Dialect.POSTGRES and not order.term.nullable
        node = in_order(order.term.type, node, self._dialect)
        return exp.Ordered(this=node, desc=order.descending, nulls_first=anywhere and order.descending)

    def _aggregated(self, node: Aggregated) -> Select:
        """Rows of groups LEFT JOIN the aggregates, which are computed first: no row of groups is counted as a match."""
        if isinstance(node.groups, Distinct) and node.groups.source == node.source:
            return self._grouped(node, node.groups)
        calls = _calls(node)
        if not calls:
            return self._projected(Projected(node.groups, node.columns))
        groups = self.opened(self.select(node.groups))
        free = {name for _, term in node.columns if not isinstance(term, Column) for name in names_outside(term)}
        if free & groups.computed:
            groups = self._wrapped(groups)
        alias = self._alias()
        over = self.join_aggregates(groups, node, calls, alias)
        columns = {name: self._outer(term, groups.columns, over) for name, term in node.columns}
        groups.computed = {
            name for name, term in node.columns if not isinstance(term, Column) or term.name in groups.computed
        }
        groups.columns = columns
        return groups

    def _grouped(self, node: Aggregated, groups: Distinct) -> Select:
        """The aggregates of a universal set: the groups are those of the values, so that one SELECT does."""
        found = self._of_values(self.opened(self.select(node.source)), groups)
        read = {name for call in _calls(node) for name in names(call)}
        if found.computed & read:
            found = self._wrapped(found)
        found.group = [found.columns[name].copy() for name in groups.names]
        if not groups.names:  # SQL has one row over nothing, where there is no group
            found.having = _any_row()
        over = {call: self._render(call, found.columns) for call in _calls(node)}
        found.columns = {name: self._outer(term, found.columns, over) for name, term in node.columns}
        found.computed, found.closed = set(), True
        return found

    def join_aggregates(
        self, groups: Select, node: Aggregated, calls: list[Call], alias: str
    ) -> dict[Call, Expression]:
        """Join the SELECT of the aggregates to groups. Returns what stands for each call in a row of groups."""
        inner = self.opened(self.select(_source_of(node, calls)))
        # No attribute may begin with an underscore, so that these names are free.
        inner_names = {call: f"_{position}" for position, call in enumerate(calls, 1)}
        listing = [aliased(inner.columns[name].copy(), name) for name in node.on]
        listing += [aliased(self._render(call, inner.columns), inner_names[call]) for call in calls]
        tree = inner.select(listing)
        if node.on:
            tree.set("group", exp.Group(expressions=[inner.columns[name].copy() for name in node.on]))
        source = exp.Subquery(this=tree, alias=exp.TableAlias(this=plain_name(alias)))
        pairs = [exp.EQ(this=groups.columns[n].copy(), expression=column(alias, n)) for n in node.on]
        if node.only_matching and not node.on:  # SQL has one row over nothing, where there is no group
            tree.set("having", exp.Having(this=_any_row()))
        outer = node.on and not node.only_matching
        groups.joins.append(join_to(source, pairs, side="LEFT" if outer else None))
        found = {call: column(alias, name) for call, name in inner_names.items()}
        return found if node.only_matching else {call: _over_nothing(call, column) for call, column in found.items()}

    def _outer(self, term: Term, columns: dict[str, Expression], over: dict[Call, Expression]) -> Expression:
        """A term of an aggregation with its aggregates already computed."""
        found = {f"\0{i}": node for i, node in enumerate(over.values())}
        replaced = {call: f"\0{i}" for i, call in enumerate(over)}
        return self._value(with_columns_for(term, replaced), {**columns, **found})

    # --- conditions ----------------------------------------------------------------------------------------------

    def _condition(self, condition: Condition, found: Select) -> Expression:
        match condition:
            case Holds():
                return self._render(condition.term, found.columns)
            case Always():
                return exp.Boolean(this=condition.value)
            case All():
                return chain(exp.And, [self._condition(c, found) for c in condition.conditions])
            case AnyOf():
                return chain(exp.Or, [self._condition(c, found) for c in condition.conditions])
            case Negated():
                inner = self._condition(condition.condition, found)
                if may_be_null(condition.condition):
                    inner = function("COALESCE", inner, exp.Boolean(this=False))
                return exp.Not(this=closed(inner))
            case Matches():
                return self._matches(condition, found)
            case _:
                assert_never(condition)

    def _matches(self, condition: Matches, found: Select) -> Expression:
        other = self.opened(self.select(condition.other))
        other.where += [equality(other, found, name) for name in condition.on]
        return exp.Exists(this=other.select([]))


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
