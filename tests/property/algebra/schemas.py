"""Random tables over two schemas: the text of each definition, and what it should mean, without asking djarrow."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from tests.property.algebra.kinds import KEY_TYPES, TYPES
from tests.property.naive import Attribute

NAMES = ("Alpha", "Beta", "Gamma", "Delta", "Epsilon", "Zeta")
SHARED_NAMES = ("v", "order", "user", "n")
"""Names that attributes of several tables have by chance; some of them are words of SQL."""


MOST_IN_KEY = 3


@dataclass(frozen=True)
class Reference:
    """A foreign key. pairs: (ours, the parent's); parent: the name of its class."""

    parent: str
    pairs: tuple[tuple[str, str], ...]
    nullable: bool = False
    unique: bool = False

    @property
    def line(self) -> str:
        """As a definition says it."""
        options = [word for word, given in (("nullable", self.nullable), ("unique", self.unique)) if given]
        renames = ", ".join(f"{ours}='{theirs}'" for ours, theirs in self.pairs if ours != theirs)
        words = f"[{', '.join(options)}] " if options else ""
        return f"-> {words}{self.parent}" + (f".proj({renames})" if renames else "")


@dataclass
class Table:
    """One table. schema: 0 or 1; types: of its own attributes; nullable: the attributes that may be NULL."""

    name: str
    schema: int
    attributes: dict[str, Attribute] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    key: tuple[str, ...] = ()
    nullable: set[str] = field(default_factory=set)
    references: list[Reference] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    rest: list[str] = field(default_factory=list)

    @property
    def definition(self) -> str:
        """The text of the class."""
        return "\n".join([*self.lines, "---", *self.rest])


class Drawing:
    """Draws the tables of one seed."""

    def __init__(self, chance: random.Random, prefix: str) -> None:
        self.chance = chance
        self.prefix = prefix
        self.tables: dict[str, Table] = {}

    def draw(self) -> dict[str, Table]:
        """2 to 6 tables. The first two have keys, so that later ones have something to refer to."""
        for number in range(self.chance.randint(2, 6)):
            table = Table(NAMES[number], self.chance.randint(0, 1))
            self.draw_key(table, least=number < 2)
            self.draw_rest(table)
            self.tables[table.name] = table
        return self.tables

    def draw_key(self, table: Table, *, least: bool) -> None:
        """References and own attributes, 0 to 3 in all; none only where the table may have one row at most."""
        if not least and self.chance.random() < 0.2:
            return
        for _ in range(self.chance.choice([0, 0, 1, 1, 2])):
            self.refer(table, in_key=True)
        own = self.chance.choice([0, 0, 1, 2] if table.key else [1, 1, 2, 3])
        for position in range(min(own, MOST_IN_KEY - len(table.key))):
            name = f"{table.name[0].lower()}{position}"
            self.own(table, name, self.chance.choice(KEY_TYPES), in_key=True)

    def draw_rest(self, table: Table) -> None:
        """Attributes of its own, references, and at times one to itself."""
        for _ in range(self.chance.choice([0, 1, 1, 2])):
            self.refer(table, in_key=False)
        if table.key and self.chance.random() < 0.15:
            self.refer_to_itself(table)
        for position in range(self.chance.randint(0 if table.attributes else 1, 4)):
            name = f"{table.name[0].lower()}{position}_"
            if self.chance.random() < 0.2:
                name = self.chance.choice(SHARED_NAMES)
            if name not in table.attributes:
                self.own(table, name, self.chance.choice(list(TYPES)), in_key=False)

    def own(self, table: Table, name: str, kind: str, *, in_key: bool) -> None:
        """An attribute of the table's own. In the key it has lineage, and elsewhere none."""
        null = not in_key and self.chance.random() < 0.7
        lineage = f"{self.prefix}{table.schema}.{table.name.lower()}.{name}" if in_key else None
        table.attributes[name] = Attribute(TYPES[kind][0], lineage)
        table.types[name] = kind
        (table.lines if in_key else table.rest).append(f"{name}{' = null' if null else ''} : {kind}")
        table.key += (name,) if in_key else ()
        table.nullable |= {name} if null else set()

    def refer(self, table: Table, *, in_key: bool) -> None:
        """A foreign key to a table that is there. A diamond shares an attribute of the key that has the same origin."""
        parents = [other for other in self.tables.values() if other.key]
        if parents:
            parent = self.chance.choice(parents)
            pairs = tuple((self.name_here(table, parent, old), old) for old in parent.key)
            self.add(table, parent, pairs, in_key=in_key)

    def name_here(self, table: Table, parent: Table, old: str) -> str:
        """The name that an attribute of a parent gets: its own, another one by chance, or where its own is taken."""
        present = table.attributes.get(old)
        homologous = present is not None and present.lineage == parent.attributes[old].lineage
        if self.chance.random() < 0.75 and (present is None or (homologous and old in table.key)):
            return old
        return f"{old}_{self.chance.choice('pqrstu')}{len(table.references)}"

    def refer_to_itself(self, table: Table) -> None:
        """A hierarchy: below the key, under other names, and nullable."""
        self.add(table, table, tuple((f"up_{old}", old) for old in table.key), in_key=False, hierarchy=True)

    def add(
        self, table: Table, parent: Table, pairs: tuple[tuple[str, str], ...], *, in_key: bool, hierarchy: bool = False
    ) -> None:
        new = [ours for ours, _ in pairs if ours not in table.attributes]
        if any(set(pairs) == set(other.pairs) for other in table.references if other.parent == parent.name):
            return
        if len({ours for ours, _ in pairs}) < len(pairs) or (not in_key and not new):
            return
        if in_key and len(table.key) + len(new) > MOST_IN_KEY:
            return
        nullable = not in_key and (hierarchy or self.chance.random() < 0.7)
        unique = not in_key and self.chance.random() < 0.2
        reference = Reference(parent.name, pairs, nullable, unique)
        for ours, theirs in pairs:
            table.attributes.setdefault(ours, parent.attributes[theirs])
        table.key += tuple(new) if in_key else ()
        table.nullable |= set(new) if nullable else set()
        table.references.append(reference)
        (table.lines if in_key else table.rest).append(reference.line)


def random_tables(seed: int, prefix: str) -> dict[str, Table]:
    """The tables of a seed, parents first. prefix: of the names of the two schemas."""
    return Drawing(random.Random(seed), prefix).draw()  # noqa: S311 - test data
