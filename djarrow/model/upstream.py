"""Which rows of which tables a row depends on: every table upstream of one, and by which attributes it is reached.

A master and its parts are one: who depends on a row of the master depends on its parts, and on what these refer to. A
part that is asked for by itself brings its master alone. Pure: queries are made in expr/upstream.py.
docs/decisions/019-strict-reads.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property

from attrs import define, evolve, field, frozen

from djarrow.errors import CyclicDependency
from djarrow.model import graph
from djarrow.model.names import TableName
from djarrow.model.spec import ForeignKey, TableSpec

Pairs = tuple[tuple[str, str], ...]
Specs = Mapping[TableName, TableSpec]


@frozen
class Via:
    """Rows are reached from those of another table. pairs: (attribute here, attribute there).

    present: attributes there that must not be NULL, since the rows refer to nothing otherwise.
    """

    source: TableName
    pairs: Pairs
    present: tuple[str, ...] = ()


@frozen
class Climb:
    """A reference to another row of the same master: in this table, from below, the names of its key, to above."""

    table: TableName
    below: tuple[str, ...]
    above: tuple[str, ...]


@frozen
class Reached:
    """A table upstream, by each of these ways.

    climbs: references between its own rows, or its parts', which are followed to any depth. brought: it is a part whose
    rows come with its master's, its only source.
    """

    table: TableName
    vias: tuple[Via, ...] = ()
    climbs: tuple[Climb, ...] = ()
    brought: bool = False


def upstream(first: TableName, specs: Specs) -> dict[TableName, Reached]:
    """The table and everything upstream of it, downstream first. specs: those of all tables that there are."""
    return _Search(first, specs).run()


def determined(
    first: TableName, known: frozenset[str], reached: Mapping[TableName, Reached]
) -> dict[TableName, Reached]:
    """What of it the values of these attributes of the first table determine, before that has any row.

    The first table stands there as the source of these values. Its parts have no rows yet, either.
    """
    found = {first: evolve(reached[first], climbs=())}
    for name, one in list(reached.items())[1:]:
        mine = one.brought and one.vias[0].source == first
        vias = tuple(via for via in one.vias if via.source in found and _is_known(via, first, known))
        if vias and not mine:
            found[name] = evolve(one, vias=vias)
    return found


def _is_known(via: Via, first: TableName, known: frozenset[str]) -> bool:
    return via.source != first or {there for _, there in via.pairs} <= known


@define
class _Search:
    """The tables found so far."""

    first: TableName
    specs: Specs
    found: dict[TableName, Reached] = field(factory=dict)

    @cached_property
    def parents(self) -> graph.Parents:
        return graph.parents_of(self.specs.values())

    @cached_property
    def owners(self) -> dict[TableName, tuple[TableName, Pairs]]:
        """Part -> its master, and (attribute of the part, attribute of the master's key); of parts that are brought.

        Not brought are the parts beside the one that is asked for, and those of a master that its own parts depend on
        by way of other tables: there would be no order then.
        """
        found = {name: owned for name in self.specs if (owned := self._owned(name)) is not None}
        alone = {found[self.first][0]} if self.first in found else set()
        heads = {name: found[name][0] if name in found else name for name in self.specs}
        groups: dict[TableName, set[TableName]] = {head: set() for head in heads.values()}
        for name, its in self.parents.items():
            groups[heads[name]] |= {heads[p] for p in its if p in heads} - {heads[name]}
        alone |= {head for head in groups if head in graph.ancestors(head, groups)}
        return {name: owned for name, owned in found.items() if owned[0] not in alone}

    def _owned(self, name: TableName) -> tuple[TableName, Pairs] | None:
        """The master of a part and how its key is held, directly or by way of another part."""
        master = graph.master_of(name, self.parents)
        if master is None or master not in self.specs:
            return None
        keys = self.specs[name].primary_foreign_keys
        if direct := next((key for key in keys if key.parent == master), None):
            return master, direct.pairs
        for key in keys:
            if graph.master_of(key.parent, self.parents) == master and key.parent != name:
                above = self._owned(key.parent)
                if above is not None:
                    mine = {there: here for here, there in key.pairs}
                    return master, tuple((mine[there], its) for there, its in above[1])
        return None

    @cached_property
    def parts(self) -> dict[TableName, list[TableName]]:
        """Master -> the parts that it brings."""
        found: dict[TableName, list[TableName]] = {}
        for name, (master, _) in self.owners.items():
            found.setdefault(master, []).append(name)
        return found

    def head(self, name: TableName) -> TableName:
        """The master of a part that is brought; else the table itself."""
        return self.owners[name][0] if name in self.owners else name

    def members(self, head: TableName) -> tuple[TableName, ...]:
        """A master and the parts that it brings."""
        return (head, *self.parts.get(head, ()))

    def run(self) -> dict[TableName, Reached]:
        for head in self._in_order():
            vias = () if head == self.first else tuple(dict.fromkeys(self._incoming(head)))
            self.found[head] = Reached(head, vias, tuple(self._climbs(head)))
            for part in self.members(head)[1:]:
                self.found[part] = Reached(part, (Via(head, self.owners[part][1]),), brought=True)
        return self.found

    def _in_order(self) -> Iterator[TableName]:
        """The first table, then the masters and other tables upstream, each after all that depend on it."""
        parents: dict[TableName, set[TableName]] = {}
        waiting = [self.first]
        while waiting:
            head = waiting.pop()
            if head not in parents:
                above = {self.head(p) for name in self.members(head) for p in self.parents[name] if p in self.specs}
                parents[head] = above - {head}
                waiting += parents[head]
        try:
            return reversed(graph.topological_order(parents))
        except CyclicDependency:  # tables of other software, which refer to each other
            return iter(parents)

    def _incoming(self, head: TableName) -> Iterator[Via]:
        """How rows of a master are reached from the tables found so far, or from any of its parts' references."""
        members = self.members(head)
        for name in self.found:
            for key in self.specs[name].foreign_keys:
                if key.parent in members:
                    yield from self._lifted(self._via(name, key))

    def _via(self, name: TableName, key: ForeignKey) -> Via:
        pairs = self._of_head(key)
        held = {here for _, here in pairs}
        heading = self.specs[name].heading
        return Via(name, pairs, tuple(a for a in key.attributes if heading[a].nullable and a not in held))

    def _of_head(self, key: ForeignKey) -> Pairs:
        """(attribute of the master's key, attribute here) of a reference to the master or to one of its parts."""
        mine = {there: here for here, there in key.pairs}
        if key.parent not in self.owners:
            return tuple((there, here) for here, there in key.pairs)
        return tuple((its, mine[there]) for there, its in self.owners[key.parent][1])

    def _lifted(self, via: Via) -> Iterator[Via]:
        """The same from further downstream, where the attributes stand there, too: from the first table, if they can.

        So a chain of foreign keys in primary keys is one step, however long it is.
        """
        child = self.found[via.source]
        here = {there for _, there in via.pairs} | set(via.present)
        fits = all(here <= {own for own, _ in each.pairs} for each in child.vias)
        if child.table == self.first or child.climbs or child.brought or not child.vias or not fits:
            yield via
            return
        for below in child.vias:
            yield from self._lifted(self._composed(via, below))

    def _composed(self, via: Via, below: Via) -> Via:
        held = dict(below.pairs)
        pairs = tuple((own, held[there]) for own, there in via.pairs)
        kept = {there for _, there in pairs}
        heading = self.specs[below.source].heading
        lost = [there for _, there in below.pairs if heading[there].nullable and there not in kept]
        return Via(below.source, pairs, tuple(dict.fromkeys((*below.present, *lost))))

    def _climbs(self, head: TableName) -> Iterator[Climb]:
        """References between rows of one master, or of its parts, that name another row."""
        members = self.members(head)
        key = self.specs[head].heading.primary_key
        for name in members:
            owned = self.owners[name][1] if name in self.owners else tuple((own, own) for own in key)
            below = {its: own for own, its in owned}
            for reference in self.specs[name].foreign_keys:
                if reference.parent in members:
                    above = dict(self._of_head(reference))
                    climb = Climb(name, tuple(below[n] for n in key), tuple(above[n] for n in key))
                    if climb.below != climb.above:
                        yield climb
