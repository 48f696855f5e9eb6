"""Which staged rows contradict those of a table that have their keys: the questions of a merge.

Values are equal as the content hash has it (docs/decisions/023-content-hashes.md): NaN to itself, -0.0 not to 0.0.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from attrs import evolve, frozen

from djarrow.model.heading import Attribute, Heading, as_nullable
from djarrow.model.names import TableName
from djarrow.model.spec import ForeignKey, TableSpec
from djarrow.model.types import Family, core
from djarrow.sql.ddl import MADE, compared, full_name
from djarrow.sql.literals import identifier

FIRST = 1_000
"""Of so many rows that contradict, at most, the values are told."""

WIDEST = 400
"""Of so many attributes at most: a SELECT has 1,664 columns."""


def comparable(spec: TableSpec) -> tuple[Attribute, ...]:
    """The attributes in which two rows of one key can differ: to PostgreSQL, 0.0 and -0.0 are one key."""
    key = spec.heading.primary_key
    return tuple(a for a in spec.heading if a.name not in key or a.type.family is Family.FLOAT)


def count_differing(spec: TableSpec, staging: TableName) -> str:
    """How many staged rows differ from that of their key, as `n`, and in which comparable attributes: d0, d1, ..."""
    flags = [f"{_differs(attribute)} AS d{number}" for number, attribute in enumerate(comparable(spec))]
    told = ", ".join(f"bool_or(t.d{number}) AS d{number}" for number in range(len(flags)))
    return f"SELECT count(*) AS n, {told}\n{_contradicted(spec, staging, flags)}"


@frozen(cache_hash=True)
class Differing:
    """The first staged rows that differ from those of their keys: the key, and both values of some attributes."""

    spec: TableSpec
    staging: TableName
    attributes: tuple[str, ...]

    @property
    def tables(self) -> frozenset[TableName]:
        """The tables that it reads."""
        return frozenset({self.spec.name})

    @cached_property
    def heading(self) -> Heading:
        """The key; of the attribute of place n the values in the database as a<n>, in the repository as b<n>, and as
        d<n> whether these differ. No attribute of the key has such a name by itself: those are k<n>.
        """
        own = self.spec.heading
        keys = [_renamed(own[name], f"k{n}") for n, name in enumerate(own.primary_key)]
        chosen = list(enumerate(own[name] for name in self.attributes))
        values = [_renamed(a, f"{side}{n}") for n, a in chosen for side in "ab"]
        flags = [Attribute(f"d{n}", core("bool"), nullable=True) for n, _ in chosen]
        return Heading((*keys, *values, *flags), tuple(a.name for a in keys))

    def __str__(self) -> str:
        return f"{self.spec.name}: rows that differ"

    def text(self) -> str:
        """The statement."""
        own = self.spec.heading
        chosen = [own[name] for name in self.attributes]
        there = [f"{compared(a, 't')} AS a{n}, {_differs(a)} AS d{n}" for n, a in enumerate(chosen)]
        columns = [f"s.{identifier(name)} AS k{n}" for n, name in enumerate(own.primary_key)]
        columns += [f"t.a{n}, {compared(a, 's')} AS b{n}, t.d{n}" for n, a in enumerate(chosen)]
        return (
            f"SELECT {', '.join(columns)}\n{_contradicted(self.spec, self.staging, there)}\n"
            f"{_ordered(own.primary_key)}LIMIT {FIRST}"
        )


@frozen(cache_hash=True)
class Foreign:
    """The first keys of staged rows of a part, new ones, whose master's row was there and is of another make.

    owner: the reference by which they belong to it. made: the make of that row in the repository, as an expression over
    a staged row s.
    """

    spec: TableSpec
    staging: TableName
    owner: ForeignKey
    made: str

    @property
    def tables(self) -> frozenset[TableName]:
        """The tables that it reads."""
        return frozenset({self.spec.name, self.owner.parent})

    @cached_property
    def heading(self) -> Heading:
        """The key."""
        own = self.spec.heading
        return own.select(own.primary_key)

    def __str__(self) -> str:
        return f"{self.spec.name}: rows of other makes"

    def count(self) -> str:
        """How many these are, as `n`."""
        return f"SELECT count(*) AS n\n{self._found()}"

    def text(self) -> str:
        """The statement."""
        key = self.spec.heading.primary_key
        columns = ", ".join(f"s.{identifier(name)}" for name in key)
        return f"SELECT {columns}\n{self._found()}\n{_ordered(key)}LIMIT {FIRST}"

    def _found(self) -> str:
        key = self.spec.heading.primary_key
        owned = " AND ".join(f"o.{identifier(parent)} = s.{identifier(child)}" for child, parent in self.owner.pairs)
        return (
            f"FROM {identifier(self.staging.table)} AS s\n"
            f"WHERE NOT EXISTS (SELECT FROM {full_name(self.spec.name)} AS t WHERE {_same(key)})\n"
            f"AND EXISTS (SELECT FROM {full_name(self.owner.parent)} AS o WHERE {owned} "
            f"AND o.{identifier(MADE)} IS DISTINCT FROM {self.made})"
        )


def _contradicted(spec: TableSpec, staging: TableName, columns: Sequence[str]) -> str:
    """Staged rows s beside what is asked, as t, of the rows of their keys that differ.

    By OFFSET each is looked up: a hash of the whole table would be made for each piece of the rows. All attributes of
    both side by side would be more columns than a SELECT has.
    """
    conditions = " OR ".join(map(_differs, comparable(spec)))
    looked_up = (
        f"SELECT {', '.join(columns)} FROM {full_name(spec.name)} AS t "
        f"WHERE {_same(spec.heading.primary_key)} AND ({conditions}) OFFSET 0"
    )
    return f"FROM {identifier(staging.table)} AS s CROSS JOIN LATERAL (\n{looked_up}\n) AS t"


def _same(key: Sequence[str]) -> str:
    return " AND ".join(f"t.{identifier(name)} = s.{identifier(name)}" for name in key) or "TRUE"


def _ordered(key: Sequence[str]) -> str:
    return f"ORDER BY {', '.join(f's.{identifier(name)}' for name in key)}\n" if key else ""


def _differs(attribute: Attribute) -> str:
    """Whether the values of an attribute in t and in s differ."""
    there, given = (compared(attribute, row) for row in "ts")
    match attribute.type.family:
        case Family.JSON:
            return f"{there}::text IS DISTINCT FROM {given}::text"  # to jsonb, 1 and 1.0 are equal
        case Family.FLOAT:
            signs = " <> ".join(f"float8send({value}::float8)" for value in (there, given))
            return f"({there} IS DISTINCT FROM {given} OR ({there} = 0 AND {signs}))"
        case _:
            return f"{there} IS DISTINCT FROM {given}"


def _renamed(attribute: Attribute, name: str) -> Attribute:
    return as_nullable(evolve(attribute, name=name, default=None, lineage=None))
