"""The statement that joins the rows of a table with their makes, by the hidden column that no attribute is."""

from __future__ import annotations

from functools import cached_property

from attrs import frozen

from djarrow.model.heading import Attribute, Heading, as_nullable
from djarrow.model.names import TableName
from djarrow.model.spec import TableSpec
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
        own, of_makes = self.spec.heading, makes_spec(self.spec.name.schema).heading
        told = [as_nullable(of_makes[name]) for name in TOLD]
        named = tuple(Attribute(_free(a.name, own), a.type, nullable=True, comment=a.comment) for a in told)
        return Heading((*(own[name] for name in own.primary_key), *named), own.primary_key)

    def __str__(self) -> str:
        return f"{self.spec.name}.provenance()"

    def text(self) -> str:
        """The statement."""
        key = [f"t.{identifier(name)}" for name in self.spec.heading.primary_key]
        told = self.heading.attributes[len(key) :]
        if not self.there:
            absent = [f"NULL::{a.type.postgres} AS {identifier(a.name)}" for a in told]
            return f"SELECT {', '.join([*key, *absent])} FROM {full_name(self.spec.name)} AS t"
        columns = [f"m.{identifier(name)} AS {identifier(a.name)}" for name, a in zip(TOLD, told, strict=True)]
        makes = full_name(TableName(self.spec.name.schema, MAKES))
        return (
            f"SELECT {', '.join([*key, *columns])}\nFROM {full_name(self.spec.name)} AS t "
            f'LEFT JOIN {makes} AS m ON m."make" = t.{identifier(MADE)}'
        )


def _free(name: str, taken: Heading) -> str:
    """A name that is no attribute of the table: `host`, else `make_host`."""
    while name in taken:
        name = f"make_{name}"
    return name
