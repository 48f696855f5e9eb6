"""The rows of a table joined with their makes: on a server a statement, by the hidden column that no attribute is; in a
repository a query, of the files that tell of the rows (carried.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from attrs import evolve, frozen

from djarrow.expr.nodes import Joined, Node, Projected, Stored
from djarrow.expr.terms import Term, column
from djarrow.model.heading import Attribute, Heading, as_nullable
from djarrow.model.names import TableName
from djarrow.model.spec import TableSpec
from djarrow.sql.carried import Kind, carried_spec, make_name
from djarrow.sql.ddl import MADE, full_name
from djarrow.sql.literals import identifier
from djarrow.sql.makes import MAKES, makes_spec

TOLD = (
    *("started", "duration", "host", "user", "process", "version", "git_commit", "dirty", "fingerprint"),
    "keys",
)
"""What is told of a make."""


@frozen(cache_hash=True)
class Provenance:
    """The key of every row of a table and what is kept of its make; NULL of a row that no make has written.

    there: whether the database has what makes are kept in; before the first of them all is NULL.
    """

    spec: TableSpec
    there: bool

    @property
    def tables(self) -> frozenset[TableName]:
        """The tables that it reads."""
        name = self.spec.name
        return frozenset({name, *([TableName(name.schema, MAKES)] if self.there else [])})

    @cached_property
    def heading(self) -> Heading:
        """The table's key, and what is told, by names that the table leaves free."""
        own = self.spec.heading
        return Heading((*(own[name] for name in own.primary_key), *_told(self.spec).values()), own.primary_key)

    def __str__(self) -> str:
        return f"{self.spec.name}.provenance()"

    def text(self) -> str:
        """The statement."""
        key = [f"t.{identifier(name)}" for name in self.spec.heading.primary_key]
        told = _told(self.spec).values()
        if not self.there:
            absent = [f"NULL::{a.type.postgres} AS {identifier(a.name)}" for a in told]
            return f"SELECT {', '.join([*key, *absent])} FROM {full_name(self.spec.name)} AS t"
        columns = [f"m.{identifier(name)} AS {identifier(a.name)}" for name, a in zip(TOLD, told, strict=True)]
        makes = full_name(TableName(self.spec.name.schema, MAKES))
        return (
            f"SELECT {', '.join([*key, *columns])}\nFROM {full_name(self.spec.name)} AS t "
            f'LEFT JOIN {makes} AS m ON m."make" = t.{identifier(MADE)}'
        )


def of_files(spec: TableSpec) -> Node:
    """The same query, with the same heading, of the files of a repository. What has no file is a table without rows."""
    key, own = spec.heading.primary_key, spec.heading
    make = make_name(spec)
    told = _told(spec)
    rows, makes = (carried_spec(kind, spec) for kind in (Kind.ROWS, Kind.MAKES))
    of_make = Heading((makes.heading["make"], *(evolve(a, name=name) for name, a in told.items())), ("make",))
    there = _chosen(Stored(makes.name, of_make), {make: "make"} | {a.name: name for name, a in told.items()})
    with_make = Joined(
        _chosen(Stored(spec.name, own), {name: name for name in key}), Stored(rows.name, rows.heading), key, key, True
    )
    joined = Joined(with_make, there, (make,), key, True)
    return _chosen(joined, {name: name for name in (*key, *(a.name for a in told.values()))})


def _chosen(source: Node, names: Mapping[str, str]) -> Node:
    """Attributes of a query, new name -> name."""
    columns: list[tuple[str, Term]] = [(new, column(source.heading[name])) for new, name in names.items()]
    return Projected(source, tuple(columns))


def _told(spec: TableSpec) -> dict[str, Attribute]:
    """What is told of a make, by the names that it has there; each by a name that the table leaves free."""
    of_makes = makes_spec(spec.name.schema).heading
    told = [as_nullable(of_makes[name]) for name in TOLD]
    return {a.name: Attribute(_free(a.name, spec.heading), a.type, nullable=True, comment=a.comment) for a in told}


def _free(name: str, taken: Heading) -> str:
    """A name that is no attribute of the table: `host`, else `make_host`."""
    while name in taken:
        name = f"make_{name}"
    return name
