"""What goes when rows of a table go: a plan over the references between tables. Pure; its text is sql/delete.py's.

A row goes because it refers to one that goes. Which rows of a table do, is told by links: its columns are those of a
row that goes in a table before. A link reaches as far up as its columns do, so that a table whose key holds that of the
first one is asked for that alone, and paths that mean the same are one link.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain

from attrs import define, evolve, field, frozen

from djarrow.model import graph
from djarrow.model.names import TableName

ENFORCE, IGNORE, CASCADE = "enforce", "ignore", "cascade"
PART_INTEGRITY = (ENFORCE, IGNORE, CASCADE)
"""What becomes of parts whose master would stay: they are refused, they go alone, or their master goes, too."""


@frozen
class Reference:
    """A foreign key of the database. pairs: (column, the parent's).

    strict: no column is NULL, and every row was checked and is at once, so that each row of the table refers to one.
    """

    table: TableName
    parent: TableName
    pairs: tuple[tuple[str, str], ...]
    strict: bool = True

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the table."""
        return tuple(column for column, _ in self.pairs)

    @property
    def parent_columns(self) -> tuple[str, ...]:
        """Those of the parent."""
        return tuple(column for _, column in self.pairs)


@frozen
class Link:
    """Rows go whose columns are those of a row that goes in source, which comes before. pairs: (column, source's).

    strict: each row has one there. alike: the source is the first table, and what chooses rows of it asks for columns
    only that are here under the same names: it chooses here as well.
    """

    source: TableName
    pairs: frozenset[tuple[str, str]]
    strict: bool = True
    alike: bool = False


@frozen
class Step:
    """A table that loses rows.

    key: its primary key in the database. own: its references to itself. whole: all of its rows go. owner: of a part
    whose rows could go without their master's, the reference by which they belong to it. claims: of a master that
    goes with its parts, the owners of these.
    """

    table: TableName
    key: tuple[str, ...]
    links: tuple[Link, ...] = ()
    own: tuple[Reference, ...] = ()
    whole: bool = False
    owner: Reference | None = None
    claims: tuple[Reference, ...] = ()

    @property
    def identity(self) -> tuple[str, ...]:
        """Columns that tell rows of a hierarchy apart: the key, or, of other software, what it refers to itself by."""
        return self.key or self.own[0].parent_columns


@frozen
class Plan:
    """The tables that lose rows, parents first. first: that of the expression. above: those that others refer to."""

    first: TableName
    steps: tuple[Step, ...]
    above: frozenset[TableName]

    def number(self, table: TableName) -> int | None:
        """The place of a table among the steps; None of one that loses no rows."""
        return next((number for number, step in enumerate(self.steps) if step.table == table), None)

    def needed(self, step: Step) -> tuple[str, ...]:
        """The columns of a step's rows that others ask for."""
        columns: dict[str, None] = {}
        for other in self.steps:
            for link in other.links:
                if link.source == step.table and not link.alike:
                    columns |= dict.fromkeys(theirs for _, theirs in sorted(link.pairs))
            if other.owner is not None and other.owner.parent == step.table:
                columns |= dict.fromkeys(other.owner.parent_columns)
        if step.owner is not None:
            columns |= dict.fromkeys(step.owner.columns)
        return tuple(columns)


def plan(
    first: TableName,
    references: Sequence[Reference],
    keys: Mapping[TableName, tuple[str, ...]],
    *,
    whole: bool,
    part_integrity: str,
    asked: Collection[str] | None = None,
) -> Plan:
    """What goes with rows of the first table. keys: the primary keys. whole: all of its rows go.

    asked: the columns that alone decide which rows of the first table go; None where there is more to it. Raises
    CyclicDependency for tables of other software that refer to each other in a circle.
    """
    return _Planning(first, references, keys, whole, part_integrity, asked).plan()


@define
class _Planning:
    """The steps that are known so far."""

    first: TableName
    references: Sequence[Reference]
    keys: Mapping[TableName, tuple[str, ...]]
    whole: bool
    part_integrity: str
    asked: Collection[str] | None
    steps: dict[TableName, Step] = field(factory=dict)
    by_table: dict[TableName, list[Reference]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.by_table = defaultdict(list)
        for one in self.references:
            self.by_table[one.table].append(one)

    def plan(self) -> Plan:
        parents = self._parents()
        reached = self._reached(parents)
        order = graph.topological_order({name: parents[name] for name in reached})
        for name in order:
            self.steps[name] = self._step(name, parents)
        above = frozenset(one.parent for one in self.references if one.table in self.steps)
        return Plan(self.first, tuple(self.steps.values()), above)

    def _parents(self) -> dict[TableName, tuple[TableName, ...]]:
        found: dict[TableName, dict[TableName, None]] = {self.first: {}, **{name: {} for name in self.keys}}
        for one in self.references:
            found.setdefault(one.parent, {})
            if one.parent != one.table:
                found.setdefault(one.table, {})[one.parent] = None
        return {name: tuple(of) for name, of in found.items()}

    def _reached(self, parents: graph.Parents) -> Collection[TableName]:
        """The first table and all below it; where masters go along, those and what is below them, too."""
        children = graph.children_of(parents)
        reached: dict[TableName, None] = {}
        pending = [self.first]
        while pending:
            name = pending.pop()
            if name not in reached:
                reached[name] = None
                pending += children[name]
                if self.part_integrity == CASCADE and (owner := self._owner(name, parents)) is not None:
                    pending.append(owner.parent)
        return reached

    def _of(self, name: TableName) -> Iterable[Reference]:
        """The references of a table to others."""
        return (one for one in self.by_table[name] if one.parent != name)

    def _owner(self, name: TableName, parents: graph.Parents) -> Reference | None:
        """The reference by which rows of a part belong to its master: to that, or to another part of it."""
        master = graph.master_of(name, parents)
        if master is None:
            return None
        mine = list(self._of(name))
        siblings = (one for one in mine if graph.master_of(one.parent, parents) == master)
        return next(chain((one for one in mine if one.parent == master), siblings), None)

    def _step(self, name: TableName, parents: graph.Parents) -> Step:
        incoming = [one for one in self._of(name) if one.parent in self.steps]
        own = tuple(one for one in self.by_table[name] if one.parent == name)
        whole = self.whole and name == self.first
        whole = whole or any(one.strict and self.steps[one.parent].whole for one in incoming)
        links = tuple(dict.fromkeys(map(self._link, incoming)))
        claims = self._claims(name, parents)
        owner = None if self.part_integrity == IGNORE else self._owner(name, parents)
        step = Step(name, self.keys.get(name, ()), () if whole else links, () if whole else own, whole, owner, claims)
        return evolve(step, owner=None) if owner is not None and self._goes_with(step, owner) else step

    def _link(self, one: Reference) -> Link:
        """Why rows go by a reference: for the parent's own reason, where the columns that tell it are here, too."""
        parent, mine = self.steps[one.parent], {theirs: ours for ours, theirs in one.pairs}
        alone = one.parent != self.first and len(parent.links) == 1 and not parent.own and not parent.claims
        if alone and one.strict and {column for column, _ in parent.links[0].pairs} <= set(mine):
            above = parent.links[0]
            pairs = frozenset((mine[column], theirs) for column, theirs in above.pairs)
            return self._alike(Link(above.source, pairs, above.strict))
        return self._alike(Link(one.parent, frozenset(one.pairs), one.strict))

    def _alike(self, link: Link) -> Link:
        """The link, by what chooses the first rows, where that can be asked here."""
        if link.source != self.first or self.asked is None or not link.strict:
            return link
        first = self.steps[self.first]
        more = first.own or first.links or first.claims  # then more go than are chosen
        same = {ours for ours, theirs in link.pairs if ours == theirs}
        return link if more or not set(self.asked) <= same else evolve(link, alike=True)

    def _goes_with(self, step: Step, owner: Reference) -> bool:
        """Whether each row of a part that goes is one whose master goes, whatever the rows are."""
        if owner.parent not in self.steps or step.table == self.first or step.own or step.claims:
            return False
        if step.whole:
            return self.steps[owner.parent].whole
        return set(step.links) == {self._link(owner)}

    def _claims(self, name: TableName, parents: graph.Parents) -> tuple[Reference, ...]:
        """Where masters go along, the parts that can go for another reason than their master."""
        if self.part_integrity != CASCADE:
            return ()
        owners = (self._owner(part, parents) for part in list(self.by_table))
        mine = (one for one in owners if one is not None and one.parent == name)
        return tuple(one for one in mine if self._can_go_alone(one.table, parents))

    def _can_go_alone(self, part: TableName, parents: graph.Parents) -> bool:
        return part == self.first or len(self.by_table[part]) > 1 or bool(self._claims(part, parents))
