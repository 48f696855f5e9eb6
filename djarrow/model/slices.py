"""Which rows a slice of a database has: those that are chosen, all that they refer to, and, where asked, what depends
on them.

A plan of sets of rows. Each set is told by ways: its rows are those that a query chooses, that rows of another set
refer to, or that refer to such rows. A master and its parts are one entity: rows of a master bring those of its parts.
A part that is chosen by itself brings its master's row alone, as in dj.trace. Pure: the text is sql/slices.py's.
docs/decisions/025-slices.md.
"""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property

from attrs import define, field, frozen

from djarrow.model import graph
from djarrow.model.names import TableName
from djarrow.model.spec import ForeignKey, TableSpec

Specs = Mapping[TableName, TableSpec]


@frozen
class Choice:
    """What is chosen of a table. whole: all of its rows, with all rows of the tables that these refer to.

    alone: a part, if it is one, is chosen by itself, and not because its master is.
    """

    table: TableName
    whole: bool = False
    alone: bool = True


class Role(enum.Enum):
    """Why a set of rows is there."""

    CHOSEN = "chosen"
    """By a choice, or below such rows, where what depends on them is asked for."""
    NEEDED = "needed"
    """Because others refer to them, or they are chosen. Those of a master bring its parts'."""
    NAMED = "named"
    """Of a part: others refer to them, or they are chosen. They bring their master's."""
    BROUGHT = "brought"
    """Of a part, by its master's."""


@frozen
class Rows:
    """A set of rows of a table. turn: what is chosen with the same parts by themselves has one turn."""

    table: TableName
    role: Role
    turn: int = 0


@frozen
class Picked:
    """Those of a choice, by its number."""

    choice: int


@frozen
class Same:
    """Those of another set of the same table."""

    source: Rows


@frozen
class Above:
    """Those that rows of another set refer to."""

    source: Rows
    reference: ForeignKey


@frozen
class Below:
    """Those that refer to rows of another set."""

    source: Rows
    reference: ForeignKey


Way = Picked | Same | Above | Below


@frozen
class Plan:
    """whole: the tables of which all rows are taken. rows: of each other table, the sets that make up what is taken.

    ways: of each set. order: the sets, those together that depend on each other, each after all that it depends on.
    """

    whole: frozenset[TableName]
    rows: Mapping[TableName, tuple[Rows, ...]]
    ways: Mapping[Rows, tuple[Way, ...]]
    order: tuple[tuple[Rows, ...], ...]

    @property
    def tables(self) -> frozenset[TableName]:
        """The tables of which rows are taken."""
        return self.whole | self.rows.keys()

    def is_recursive(self, group: Sequence[Rows]) -> bool:
        """Whether the sets of a group depend on themselves."""
        return len(group) > 1 or any(source_of(way) == group[0] for way in self.ways[group[0]])


def source_of(way: Way) -> Rows | None:
    """The set that a way begins at."""
    return None if isinstance(way, Picked) else way.source


def plan(choices: Sequence[Choice], specs: Specs, *, below: bool = False) -> Plan:
    """What is taken. specs: of all tables that there are. below: what depends on the chosen rows is taken, too."""
    return _Planning(choices, specs, below).plan()


@define
class _Planning:
    """The sets found so far."""

    choices: Sequence[Choice]
    specs: Specs
    below: bool
    ways: dict[Rows, dict[Way, None]] = field(factory=dict)
    turns: list[TableName | None] = field(factory=list)
    waiting: list[Rows] = field(factory=list)

    def plan(self) -> Plan:
        for number, choice in enumerate(self.choices):
            if not choice.whole or self.below:
                self.add(Rows(choice.table, Role.CHOSEN, self.turn(choice)), Picked(number))
        while self.waiting:
            for rows, way in list(self.following(self.waiting.pop())):
                self.add(rows, way)
        return self.finished()

    def add(self, rows: Rows, way: Way) -> None:
        if rows not in self.ways:
            self.ways[rows] = {}
            self.waiting.append(rows)
        self.ways[rows][way] = None

    def finished(self) -> Plan:
        """The plan, without what adds nothing."""
        taken: dict[TableName, dict[Rows, None]] = defaultdict(dict)
        ways, real = simplified({rows: tuple(its) for rows, its in self.ways.items()})
        for rows in self.ways:
            last = Role.BROUGHT if self.is_brought(rows.table, rows.turn) else Role.NEEDED
            if rows.role is last and rows.table not in self.whole:
                taken[rows.table][real[rows]] = None
        sources = {rows: [s for way in its if (s := source_of(way)) is not None] for rows, its in ways.items()}
        order = tuple(graph.components(sources))
        return Plan(self.whole, {name: tuple(its) for name, its in taken.items()}, ways, order)

    # --- the graph -----------------------------------------------------------------------------------------------

    @cached_property
    def parents(self) -> graph.Parents:
        return graph.parents_of(self.specs.values())

    @cached_property
    def references_to(self) -> dict[TableName, list[tuple[TableName, ForeignKey]]]:
        found: dict[TableName, list[tuple[TableName, ForeignKey]]] = defaultdict(list)
        for name, spec in self.specs.items():
            for key in spec.foreign_keys:
                found[key.parent].append((name, key))
        return found

    @cached_property
    def owners(self) -> dict[TableName, ForeignKey]:
        """Part -> the reference by which its rows belong to their master's, or to those of another part of it."""
        found: dict[TableName, ForeignKey] = {}
        for name in graph.topological_order(self.parents):
            if (master := graph.master_of(name, self.parents)) in self.specs:
                keys = [key for key in self.specs[name].foreign_keys if key.parent != name]
                direct = [key for key in keys if key.parent == master]
                by_part = [key for key in keys if key.parent in found and self.masters[key.parent] == master]
                if every := sorted([*direct, *by_part], key=lambda key: key.nullable):
                    found[name] = every[0]
        return found

    @cached_property
    def masters(self) -> dict[TableName, TableName | None]:
        return {name: graph.master_of(name, self.parents) for name in self.specs}

    @cached_property
    def parts(self) -> dict[TableName, list[TableName]]:
        """Master -> its parts."""
        found: dict[TableName, list[TableName]] = defaultdict(list)
        for name in self.owners:
            found[self.master(name)].append(name)
        return found

    def master(self, part: TableName) -> TableName:
        """That of a part that has an owner."""
        master = self.masters[part]
        assert master is not None  # noqa: S101 - only parts have owners
        return master

    def entity(self, name: TableName) -> dict[str, str] | None:
        """Attribute of the master's key -> the same one here, of a part, or of the master itself. None if not here."""
        if name not in self.owners:
            return {own: own for own in self.specs[name].heading.primary_key}
        owner = self.owners[name]
        here = {there: own for own, there in owner.pairs}
        above = self.entity(owner.parent)
        if above is None or not set(above.values()) <= here.keys():
            return None
        return {key: here[there] for key, there in above.items()}

    def stays(self, name: TableName, key: ForeignKey) -> bool:
        """Whether a reference leads to a row of the same entity, which comes with it: its owner's, or a fellow's."""
        if self.owners.get(name) == key:
            return True
        if self.head(name) != self.head(key.parent):
            return False
        mine, theirs, here = self.entity(name), self.entity(key.parent), {there: own for own, there in key.pairs}
        if mine is None or theirs is None or not set(theirs.values()) <= here.keys():
            return False
        return mine == {own: here[there] for own, there in theirs.items()}

    def head(self, name: TableName) -> TableName:
        return self.master(name) if name in self.owners else name

    # --- turns and whole tables ----------------------------------------------------------------------------------

    def alone(self, choice: Choice) -> TableName | None:
        """The master of a part that is chosen by itself, which then brings no parts."""
        return self.master(choice.table) if choice.alone and choice.table in self.owners else None

    def turn(self, choice: Choice) -> int:
        alone = self.alone(choice)
        if alone not in self.turns:
            self.turns.append(alone)
        return self.turns.index(alone)

    def is_brought(self, name: TableName, turn: int) -> bool:
        return name in self.owners and self.master(name) != self.turns[turn]

    @cached_property
    def whole(self) -> frozenset[TableName]:
        """The tables chosen whole, and those that come with them: their parts, and all that these refer to."""
        found: set[TableName] = set()
        for alone in {self.alone(choice) for choice in self.choices if choice.whole}:
            waiting = [choice.table for choice in self.choices if choice.whole and self.alone(choice) == alone]
            reached: set[TableName] = set()
            while waiting:
                if (name := waiting.pop()) not in reached:
                    reached.add(name)
                    waiting += self.specs[name].parents
                    waiting += [] if name == alone else self.parts.get(name, ())
            found |= reached
        return frozenset(found)

    def is_settled(self, name: TableName, turn: int) -> bool:
        """Whether all that comes with any row of a table is taken whole."""
        head = self.head(name) if self.is_brought(name, turn) else name
        parts = [] if head == self.turns[turn] else self.parts.get(head, ())
        return self.whole.issuperset({head, *parts})

    # --- ways ----------------------------------------------------------------------------------------------------

    def following(self, rows: Rows) -> Iterator[tuple[Rows, Way]]:
        """The sets that rows of a set bring, and how."""
        name, turn = rows.table, rows.turn
        if rows.role is Role.CHOSEN:
            yield from self.needed(name, turn, Same(rows))
            for child, key in self.references_to[name] if self.below else ():
                yield Rows(child, Role.CHOSEN, turn), Below(rows, key)
            return
        if rows.role is Role.NAMED:
            yield from self.needed(self.owners[name].parent, turn, Above(rows, self.owners[name]))
            return
        for key in self.specs[name].foreign_keys:
            if rows.role is Role.NEEDED or not self.stays(name, key):
                yield from self.needed(key.parent, turn, Above(rows, key))
        for part in self.parts.get(self.head(name), ()):
            if self.is_brought(part, turn) and self.owners[part].parent == name:
                yield Rows(part, Role.BROUGHT, turn), Below(rows, self.owners[part])

    def needed(self, name: TableName, turn: int, way: Way) -> Iterable[tuple[Rows, Way]]:
        """The rows of a table that a way leads to, with all that they need."""
        if not self.is_settled(name, turn):
            yield Rows(name, Role.NAMED if self.is_brought(name, turn) else Role.NEEDED, turn), way


# --- what adds nothing ---------------------------------------------------------------------------------------------


def simplified(ways: Mapping[Rows, tuple[Way, ...]]) -> tuple[dict[Rows, tuple[Way, ...]], dict[Rows, Rows]]:
    """The sets without those that are just another one, and without ways back to where rows came from; and for each
    set which one it is now.
    """
    found, real = dict(ways), {rows: rows for rows in ways}
    while True:
        kept = {rows: tuple(way for way in its if not _is_back(way, rows, found)) for rows, its in found.items()}
        same = _same(kept)
        led = {rows: dict.fromkeys(_led(way, same) for way in its) for rows, its in kept.items() if rows not in same}
        kept = {rows: tuple(its) for rows, its in led.items()}
        real = {rows: same.get(its, its) for rows, its in real.items()}
        if kept == found:
            return found, real
        found = kept


def _is_back(way: Way, rows: Rows, ways: Mapping[Rows, tuple[Way, ...]]) -> bool:
    """Whether rows of a set are asked for because others refer to them that are there for this reference alone."""
    return isinstance(way, Above) and _came_by(way.source, way.reference, rows, ways)


def _came_by(source: Rows, key: ForeignKey, rows: Rows, ways: Mapping[Rows, tuple[Way, ...]]) -> bool:
    inside = {rows, *(way.source for way in ways[rows] if isinstance(way, Same))}
    return all(
        (isinstance(way, Below) and way.reference == key and way.source in inside)
        or (isinstance(way, Same) and _came_by(way.source, key, rows, ways))
        for way in ways[source]
    )


def _same(ways: Mapping[Rows, tuple[Way, ...]]) -> dict[Rows, Rows]:
    """Set -> another one with the same rows, of those that are one of a table's others or come by the same ways."""
    same: dict[Rows, Rows] = {}
    first: dict[tuple[TableName, frozenset[Way]], Rows] = {}
    for rows, its in ways.items():
        if len(its) == 1 and isinstance(its[0], Same):
            same[rows] = its[0].source
        elif its:
            other = first.setdefault((rows.table, frozenset(its)), rows)
            if other != rows:
                same[rows] = other

    def last(rows: Rows) -> Rows:
        return last(same[rows]) if rows in same else rows

    return {rows: last(rows) for rows in same}


def _led(way: Way, same: Mapping[Rows, Rows]) -> Way:
    """The way, from the set that its source is the same as."""
    match way:
        case Picked():
            return way
        case Same():
            return Same(same.get(way.source, way.source))
        case Above() | Below():
            return type(way)(same.get(way.source, way.source), way.reference)
