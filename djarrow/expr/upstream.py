"""The queries of what is upstream of some rows: one for each table of a plan of model/upstream.py, as a node."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from attrs import define, field

from djarrow.errors import QueryError
from djarrow.expr.conditions import Condition, Holds, Matches
from djarrow.expr.functions import BOOL
from djarrow.expr.identity import Identified
from djarrow.expr.nodes import Climbed, Distinct, First, Node, Projected, Restricted, Rise, Stored, United
from djarrow.expr.operators import all_of, negate, restrict
from djarrow.expr.terms import Call, Term, Value, column
from djarrow.model.names import TableName
from djarrow.model.spec import TableSpec
from djarrow.model.upstream import Pairs, Reached, Via
from djarrow.model.values import normalise

MOST = 1000
"""Tables that one query may read: where references outside of primary keys part and meet again and again, a table has
as many ways to it as there are paths, and its query would be too long to be planned."""


@define
class Upstream:
    """The plan and where it begins. start: the query of the first table's rows, or the values of its key that are known
    before it has any.
    """

    plan: Mapping[TableName, Reached]
    specs: Mapping[TableName, TableSpec]
    start: Node | Mapping[str, Any]
    _rows: dict[TableName, Node] = field(factory=dict, init=False)
    _sizes: dict[TableName, int] = field(factory=dict, init=False)

    @cached_property
    def first(self) -> TableName:
        """The table that this is upstream of."""
        return next(iter(self.plan))

    def rows(self, name: TableName) -> Node:
        """The rows of a table of the plan. Raises QueryError where that would read too many tables at once."""
        if name not in self._rows:
            if self._size(name) > MOST:
                raise QueryError(
                    f"rows of {self.first} depend on {name} by more than {MOST} ways. Ask for what is upstream of a "
                    "table between them."
                )
            self._rows[name] = self._found(name)
        return self._rows[name]

    def _size(self, name: TableName) -> int:
        """How many tables the query of a table reads."""
        if name not in self._sizes:
            sources = (via.source for via in self.plan[name].vias)
            self._sizes[name] = 1 + sum(self._size(source) for source in sources)
        return self._sizes[name]

    def _found(self, name: TableName) -> Node:
        one, stored = self.plan[name], self._stored(name)
        node: Node
        if name == self.first:
            if isinstance(self.start, Mapping):
                raise TypeError(f"{name} has no rows yet, and of its key only values are known")
            node = self.start
        else:
            node = restrict(stored, self._condition(one, stored))
        if not one.climbs:
            return node
        return Climbed(node, stored, tuple(Rise(self._stored(c.table), c.below, c.above) for c in one.climbs))

    def _stored(self, name: TableName) -> Stored:
        return Stored(name, self.specs[name].heading)

    def _condition(self, one: Reached, stored: Stored) -> Condition:
        """Which rows of a table are reached. By many ways: those among the keys of all, so that an index finds them."""
        if len(one.vias) == 1:
            via = one.vias[0]
            if (values := self._known(via)) is not None:
                return _equal(via, stored, values)
            return Matches(self._renamed(via), tuple(own for own, _ in via.pairs))
        key = stored.heading.primary_key
        keys = [Distinct(self._reached(via, stored), key) for via in one.vias]
        every: Node = keys[0]
        for more in keys[1:]:
            every = United(every, more)
        return Matches(every, key)

    def _known(self, via: Via) -> Mapping[str, Any] | None:
        """The values that rows are reached by, where these are known and no query is needed."""
        return self.start if via.source == self.first and isinstance(self.start, Mapping) else None

    def _reached(self, via: Via, stored: Stored) -> Node:
        values = self._known(via)
        return self._renamed(via) if values is None else Restricted(stored, _equal(via, stored, values))

    def _renamed(self, via: Via) -> Node:
        """The rows that refer, with the names that the attributes have where they refer to."""
        source = self.rows(via.source)
        heading = source.heading
        absent = [Holds(Call("is null", (column(heading[name]),), BOOL, nullable=False)) for name in via.present]
        source = restrict(source, all_of([negate(each) for each in absent]))
        return renamed(source, via.pairs)


def _equal(via: Via, stored: Stored, values: Mapping[str, Any]) -> Condition:
    """Equality of a table's attributes with values that are known."""
    equalities = []
    for own, there in via.pairs:
        attribute = stored.heading[own]
        value = Value(normalise(values[there], attribute.type), attribute.type)
        equalities.append(Holds(Call("=", (column(attribute), value), BOOL, nullable=attribute.nullable)))
    return all_of(equalities)


def renamed(source: Node, pairs: Pairs) -> Projected:
    """Rows under other names, pairs of (new, old). What else they have in their key has names that no attribute has."""
    heading = source.heading
    named: dict[str, Term] = {new: column(heading[old]) for new, old in pairs}
    held = {old for _, old in pairs}
    rest: dict[str, Term] = {f"_{n}": column(heading[n]) for n in heading.primary_key if n not in held}
    return Projected(source, (*named.items(), *rest.items()))


def all_rows_of(found: Identified, node: Node) -> Node:
    """The rows of the table that a query is about, with all of their attributes."""
    inner = node
    while isinstance(inner, Restricted | First):
        inner = inner.source
    if isinstance(inner, Stored):
        return node
    key = found.table.heading.primary_key
    return Restricted(found.table, Matches(renamed(node, tuple((own, found.names[own]) for own in key)), key))
