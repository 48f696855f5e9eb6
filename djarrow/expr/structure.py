"""The structure of a query, apart from its constants: queries that differ in nothing else are written by one text.

Taken out are what conditions compare with, rows given by the user, and statements that are written already. Constants
elsewhere belong to the structure: what is written for them can depend on their value.
"""

from __future__ import annotations

import operator
import weakref
from typing import Any, TypeVar, assert_never

from attrs import define, evolve, field, frozen

from djarrow.expr.conditions import All, Always, AnyOf, Condition, Holds, Matches, Negated
from djarrow.expr.nodes import (
    Aggregated,
    Climbed,
    Distinct,
    First,
    Joined,
    Node,
    Projected,
    Restricted,
    Rows,
    Slot,
    Stored,
    United,
    Written,
)
from djarrow.expr.terms import Call, Term, Value

Record = TypeVar("Record")


@frozen(eq=False)
class Query:
    """A node without its constants, and they beside it by the numbers of their slots: values, rows, statements."""

    structure: Node
    constants: tuple[Any, ...]


_COMPARISONS = frozenset({"=", "<>", "<", "<=", ">", ">=", "<=>", "in", "between"})
"""The functions whose constant arguments are written alike, whatever their value."""

_taken_apart: dict[int, tuple[weakref.ref[Node], Query | None]] = {}
"""By the identity of the node: comparing two of them would cost more than taking one apart. None for a node that has no
constants and is its own structure, which would keep itself alive here.
"""


def take_apart(node: Node) -> Query:
    """The structure of a query and its constants. Remembered as long as the node lives."""
    if (known := _known(node)) is not None:
        return known
    taking, identity = _Taking(), id(node)
    structure = taking.node(node)
    if structure is not node:
        structure = _same(structure)
    query = Query(structure, tuple(taking.constants))
    kept = None if structure is node else query
    _taken_apart[identity] = (weakref.ref(node, lambda _: _taken_apart.pop(identity, None)), kept)
    return query


_structures: dict[Node, Node] = {}
"""Each structure that was met, so that equal ones are one: whoever looks something up by it need not compare."""

_MOST = 2048


def _same(structure: Node) -> Node:
    if len(_structures) >= _MOST:
        _structures.clear()
    return _structures.setdefault(structure, structure)


def _known(node: Node) -> Query | None:
    """What was found of it before."""
    known = _taken_apart.get(id(node))
    return None if known is None or known[0]() is not node else known[1] or Query(node, ())


@define
class _Taking:
    """The constants met so far. Each method gives its argument without constants: itself where it has none."""

    constants: list[Any] = field(factory=list)

    def slot(self, constant: Any) -> Slot:
        self.constants.append(constant)
        return Slot(len(self.constants) - 1)

    def node(self, node: Node) -> Node:
        if not self.constants and (known := _known(node)) is not None:  # its slots have the first numbers
            self.constants += known.constants
            return known.structure
        match node:
            case Stored():
                return node
            case Written():
                return Written(node.heading, self.slot(node.statement))
            case Rows():
                return evolve(node, table=self.slot(node.table))
            case Restricted():
                source, condition = self.node(node.source), self.condition(node.condition)
                same = source is node.source and condition is node.condition
                return node if same else Restricted(source, condition)
            case First():
                source = self.node(node.source)
                return node if source is node.source else First(source, node.order, node.limit, node.offset)
            case Projected() | Distinct() | Climbed():
                return _changed(node, source=self.node(node.source))
            case Joined() | United():
                return _changed(node, left=self.node(node.left), right=self.node(node.right))
            case Aggregated():
                return self.aggregated(node)
            case _:
                assert_never(node)

    def aggregated(self, node: Aggregated) -> Node:
        """Of a universal set, groups are made of the source itself: they stay the same query."""
        if isinstance(node.groups, Distinct) and node.groups.source is node.source:
            source = self.node(node.source)
            return _changed(node, groups=_changed(node.groups, source=source), source=source)
        return _changed(node, groups=self.node(node.groups), source=self.node(node.source))

    def condition(self, condition: Condition) -> Condition:
        match condition:
            case Holds():
                term = self.term(condition.term)
                return condition if term is condition.term else Holds(term)
            case All() | AnyOf():
                return _changed(condition, conditions=self.all(condition.conditions, self.condition))
            case Negated():
                return _changed(condition, condition=self.condition(condition.condition))
            case Matches():
                return _changed(condition, other=self.node(condition.other))
            case Always():
                return condition
            case _:
                assert_never(condition)

    def term(self, term: Term) -> Term:
        if not isinstance(term, Call):
            return term
        take = self.compared if term.function in _COMPARISONS else self.term
        arguments = self.all(term.arguments, take)
        if arguments is term.arguments:
            return term
        return Call(term.function, arguments, term.type, term.nullable, term.distinct, term.options)

    def compared(self, term: Term) -> Term:
        if isinstance(term, Value) and term.value is not None:
            return Value(self.slot(term.value), term.type)
        return self.term(term)

    def all(self, parts: tuple[Any, ...], take: Any) -> tuple[Any, ...]:
        """Each part without its constants: the same tuple where there are none."""
        taken = tuple([take(part) for part in parts])
        return parts if all(map(operator.is_, taken, parts)) else taken


def _changed(record: Record, **fields: Any) -> Record:
    """The record with other fields: itself where they are the same. A key's own records are made without it, faster."""
    if all(getattr(record, name) is value for name, value in fields.items()):
        return record
    any_record: Any = record
    changed: Record = evolve(any_record, **fields)
    return changed
