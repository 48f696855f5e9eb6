"""How changes of rows pass down: the tables upstream of one, in order, and the references by which rows are reached.

A master and its parts are one: a change of a part's row, or of a row that this refers to, is one of its master's for
all that refers to the master. Pure; what is changed is asked in sql/stale.py. docs/decisions/020-stale-results.md.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import define, field, frozen

from djarrow.model import graph
from djarrow.model.names import TableName
from djarrow.model.spec import ForeignKey, TableSpec

Specs = Mapping[TableName, TableSpec]


@frozen
class Part:
    """A part of a master, whose changes are the master's. owner: by which its rows belong to the master, or to another
    part of it. references: those to tables of others, which come before.
    """

    spec: TableSpec
    owner: ForeignKey
    references: tuple[ForeignKey, ...] = ()


@frozen
class Stage:
    """A table upstream, or the one that is asked about.

    references: to tables that come before. own: to other rows of the table itself. parts: those that hang on other
    parts first.
    """

    spec: TableSpec
    references: tuple[ForeignKey, ...] = ()
    own: tuple[ForeignKey, ...] = ()
    parts: tuple[Part, ...] = ()


def stages(first: TableName, specs: Specs) -> tuple[Stage, ...]:
    """A table and all upstream of it, upstream first, so that the table is the last. specs: of all that are known."""
    return _Flow(first, specs).stages()


@define
class _Flow:
    """What is known so far. edges: table -> what must come before it."""

    first: TableName
    specs: Specs
    edges: dict[TableName, set[TableName]] = field(init=False)
    found: dict[TableName, Stage] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self.edges = {name: {p for p in spec.parents if p in self.specs} for name, spec in self.specs.items()}

    def stages(self) -> tuple[Stage, ...]:
        pending = [self.first]
        while pending:
            name = pending.pop()
            if name not in self.found:
                self.found[name] = stage = self._stage(self.specs[name])
                pending += [key.parent for key in stage.references]
                pending += [key.parent for part in stage.parts for key in part.references]
        order = graph.topological_order({name: self.edges[name] for name in self.found})
        return tuple(self.found[name] for name in order)

    def _stage(self, spec: TableSpec) -> Stage:
        keys = [key for key in spec.foreign_keys if key.parent in self.specs]
        own = tuple(key for key in keys if key.parent == spec.name)
        return Stage(spec, tuple(key for key in keys if key.parent != spec.name), own, self._parts(spec.name))

    def _parts(self, master: TableName) -> tuple[Part, ...]:
        family = {name for name, spec in self.specs.items() if spec.master == master}
        owners = {name: owner for name in family if (owner := self._owner(name, master)) is not None}
        below = {name: [] if owner.parent == master else [owner.parent] for name, owner in owners.items()}
        order = [name for name in graph.topological_order(below) if name in owners]
        inside = {master, *family}
        return tuple(
            Part(self.specs[name], owners[name], self._outside(name, master, inside)) for name in reversed(order)
        )

    def _owner(self, part: TableName, master: TableName) -> ForeignKey | None:
        """The reference by which rows of a part belong to its master."""
        keys = [key for key in self.specs[part].foreign_keys if not key.nullable and key.parent != part]
        direct = (key for key in keys if key.parent == master)
        fellows = (key for key in keys if key.parent in self.specs and self.specs[key.parent].master == master)
        return next(direct, None) or next(fellows, None)

    def _outside(self, part: TableName, master: TableName, inside: set[TableName]) -> tuple[ForeignKey, ...]:
        """The references of a part to other tables; not to those that depend on its master: these come later."""
        found = []
        for key in self.specs[part].foreign_keys:
            if key.parent in inside or key.parent not in self.specs:
                continue
            if master not in graph.ancestors(key.parent, self.edges):
                self.edges[master].add(key.parent)
                found.append(key)
        return tuple(found)
