"""Whether what a query reads of each table is confined to rows that a key determines, proved from its structure alone.

Each attribute of each table that a query reads is a place. Conditions and matches say that a place has the values of
another one, or that of a constant; a table is confined where the attributes that tell its rows apart are given values
of the key, or those of a confined table that it is matched with. docs/decisions/019-strict-reads.md.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from typing import assert_never

from attrs import define, field, frozen

from djarrow.expr.conditions import All, Always, AnyOf, Condition, Holds, Matches, Negated, names_in
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
from djarrow.expr.terms import Call, Column, Term, Value
from djarrow.model.names import TableName

Names = frozenset[str]
Constant = Names | Mapping[str, Names]
"""Of a constant of a query, the attributes of the key that have its value; of given rows, those of each column."""


class Problem(enum.Enum):
    """What is wrong with reading a table."""

    FOREIGN = "not upstream"
    OTHER_KEYS = "other keys"


@frozen
class Rule:
    """What may be read of a table. attributes: what tells its rows upstream; options: for each way to it from the key,
    attribute -> attribute of the key that it has the value of. free: every row may be read.
    """

    attributes: tuple[str, ...] = ()
    options: tuple[Mapping[str, str], ...] = ()
    free: bool = False


def problems(
    structure: Node, constants: Sequence[Constant], rules: Mapping[TableName, Rule]
) -> tuple[tuple[TableName, Problem], ...]:
    """What of the query's tables is read against the rules, each table once. structure: its constants are slots."""
    flow = _Flow(constants, rules)
    flow.node(structure)
    flow.settle()
    found: dict[tuple[TableName, Problem], None] = {}
    for place in flow.read:
        if place.table not in rules:
            found[place.table, Problem.FOREIGN] = None
        elif not place.confined and not rules[place.table].free:
            found[place.table, Problem.OTHER_KEYS] = None
    return tuple(found)


Places = Mapping[str, int]
"""Attribute of a query -> the number of its place."""


@define
class _Read:
    """A table where a query reads it."""

    table: TableName
    places: Places
    confined: bool = False


@frozen
class _Meet:
    """A place that has what all of others have. rows: these are a key, whose rows lead to others, and not the same."""

    place: int
    others: tuple[int, ...]
    rows: bool = False


@define
class _Flow:
    """Places, and what is known of each: the key's attributes whose value it has, and whether a confined table gave it.

    onward: place -> places that have no other values than it has.
    """

    constants: Sequence[Constant]
    rules: Mapping[TableName, Rule]
    equal: list[Names] = field(factory=list)
    linked: list[bool] = field(factory=list)
    onward: list[list[int]] = field(factory=list)
    meets: list[_Meet] = field(factory=list)
    read: list[_Read] = field(factory=list)

    # --- building ------------------------------------------------------------------------------------------------

    def place(self) -> int:
        self.equal.append(frozenset())
        self.linked.append(False)
        self.onward.append([])
        return len(self.equal) - 1

    def places(self, names: Iterable[str]) -> Places:
        return {name: self.place() for name in names}

    def pass_on(self, source: Places, target: Places, names: Iterable[str]) -> None:
        for name in names:
            self.onward[source[name]].append(target[name])

    def both(self, one: Places, other: Places, names: Sequence[str]) -> None:
        self.pass_on(one, other, names)
        self.pass_on(other, one, names)

    def node(self, node: Node) -> Places:
        """The places of the attributes of a query, which stand for all that it reads."""
        match node:
            case Stored():
                return self._stored(node)
            case Rows():
                return self._rows(node)
            case Restricted():
                found = self.node(node.source)
                self.condition(node.condition, found)
                return found
            case Projected():
                return self._columns(node.columns, self.node(node.source))
            case Joined():
                left, right = self.node(node.left), self.node(node.right)
                self.pass_on(left, right, node.on)
                if not node.keep_left:
                    self.pass_on(right, left, node.on)
                return {**right, **left}
            case United():
                return self._united(node)
            case Distinct():
                found = self.node(node.source)
                return {name: found[name] for name in node.names}
            case Aggregated():
                groups, source = self.node(node.groups), self.node(node.source)
                self.pass_on(groups, source, node.on)
                if node.only_matching:
                    self.pass_on(source, groups, node.on)
                return self._columns(node.columns, groups)
            case First():
                return self._behind(self.node(node.source))
            case Climbed():
                return self._climbed(node)
            case Written():  # of the notes of a schema, which no result is made of
                return self.places(node.heading.names)
            case _:
                assert_never(node)

    def _stored(self, node: Stored) -> Places:
        found = self.places(node.heading.names)
        self.read.append(_Read(node.name, found))
        return found

    def _rows(self, node: Rows) -> Places:
        found = self.places(node.heading.names)
        constant = self.constants[node.table.number] if isinstance(node.table, Slot) else {}
        if isinstance(constant, Mapping):
            for name, place in found.items():
                self.equal[place] = constant.get(name, frozenset())
        return found

    def _columns(self, columns: Iterable[tuple[str, Term]], source: Places) -> Places:
        return {
            name: source[t.name] if isinstance(t, Column) and t.name in source else self.place() for name, t in columns
        }

    def _united(self, node: United) -> Places:
        """Rows of either: a key's values are those of both, and what only one has says nothing of the other's rows."""
        left, right = self.node(node.left), self.node(node.right)
        found = self.places(node.heading.names)
        for name in node.heading.primary_key:
            self.meets.append(_Meet(found[name], (left[name], right[name])))
        self.pass_on(found, left, node.heading.primary_key)
        self.pass_on(found, right, node.heading.primary_key)
        return found

    def _behind(self, source: Places) -> Places:
        """The same attributes, of which nothing that is said later changes what is read."""
        found = self.places(source)
        self.pass_on(source, found, source)
        return found

    def _climbed(self, node: Climbed) -> Places:
        source = self.node(node.source)
        key = tuple(source[name] for name in node.table.heading.primary_key)
        found = self.places(node.heading.names)
        self.meets += [_Meet(place, key, rows=True) for place in found.values()]
        return found

    def condition(self, condition: Condition, places: Places) -> None:
        """What a condition says of the attributes of the query that it restricts."""
        match condition:
            case Holds():
                self._holds(condition.term, places)
            case All():
                for part in condition.conditions:
                    self.condition(part, places)
            case AnyOf():
                names = sorted(names_in(condition))
                parts = [part for part in condition.conditions if part != Always(False)]
                each = [self._aside(part, places, names) for part in parts]
                self.meets += [_Meet(places[name], tuple(one[name] for one in each)) for name in names if each]
            case Negated():
                self._aside(condition.condition, places, sorted(names_in(condition)))
            case Matches():
                self.both(places, self.node(condition.other), condition.on)
            case Always():
                if not condition.value:
                    for place in places.values():
                        self.linked[place] = True
            case _:
                assert_never(condition)

    def _aside(self, condition: Condition, places: Places, names: Sequence[str]) -> Places:
        """A condition that need not hold. What it reads is confined as the query is, and says nothing of the query."""
        aside = self.places(names)
        self.pass_on(places, aside, names)
        self.condition(condition, aside)
        return aside

    def _holds(self, term: Term, places: Places) -> None:
        if not isinstance(term, Call):
            return
        if term.function == "and":
            for part in term.arguments:
                self._holds(part, places)
        elif term.function in ("=", "<=>") or (term.function == "in" and len(term.arguments) == 2):
            one, other = term.arguments
            if isinstance(one, Value):
                one, other = other, one
            if isinstance(one, Column) and isinstance(other, Column):
                self.onward[places[one.name]].append(places[other.name])
                self.onward[places[other.name]].append(places[one.name])
            elif isinstance(one, Column) and isinstance(other, Value) and isinstance(other.value, Slot):
                constant = self.constants[other.value.number]
                if not isinstance(constant, Mapping):
                    self.equal[places[one.name]] |= constant

    # --- settling ------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Follow what is known to all places that it says something of."""
        changed = True
        while changed:
            changed = self._follow()
            for meet in self.meets:
                changed |= self._met(meet)
            for read in self.read:
                if not read.confined and self._is_confined(read):
                    read.confined = changed = True
                    for place in read.places.values():
                        self.linked[place] = True

    def _follow(self) -> bool:
        changed = False
        waiting = [place for place in range(len(self.equal)) if self.linked[place] or self.equal[place]]
        while waiting:
            place = waiting.pop()
            for target in self.onward[place]:
                equal, linked = self.equal[target] | self.equal[place], self.linked[target] or self.linked[place]
                if (equal, linked) != (self.equal[target], self.linked[target]):
                    self.equal[target], self.linked[target], changed = equal, linked, True
                    waiting.append(target)
        return changed

    def _met(self, meet: _Meet) -> bool:
        equal = self.equal[meet.place]
        if not meet.rows:
            equal |= frozenset.intersection(*(self.equal[other] for other in meet.others))
        linked = self.linked[meet.place] or all(self.linked[other] for other in meet.others)
        if (equal, linked) == (self.equal[meet.place], self.linked[meet.place]):
            return False
        self.equal[meet.place], self.linked[meet.place] = equal, linked
        return True

    def _is_confined(self, read: _Read) -> bool:
        rule = self.rules.get(read.table)
        if rule is None or (rule.free and not rule.attributes):
            return False
        missing = [(name, self.equal[place]) for name in rule.attributes if not self.linked[place := read.places[name]]]
        if not missing:
            return True
        return any(all(option.get(name) in equal for name, equal in missing) for option in rule.options)
