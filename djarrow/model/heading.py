"""Heading: the ordered attributes of a table or query, with type, key, nullability and lineage. Design section 6."""

from __future__ import annotations

import datetime
import decimal
import enum
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from djarrow.errors import UnknownAttribute
from djarrow.model.names import TableName
from djarrow.model.types import AttributeType

if TYPE_CHECKING:
    import pyarrow as pa

DefaultValue = bool | int | float | decimal.Decimal | str | datetime.date | datetime.time | datetime.datetime


class Special(enum.Enum):
    """Defaults that are not values."""

    NULL = "null"
    NOW = "NOW"
    AUTO = "auto_increment"
    """The next number, which the database gives (001 5.8.5)."""


Default = Special | DefaultValue
"""What an omitted field becomes. A required attribute has None instead."""


@frozen(order=True)
class Origin:
    """The definition that an attribute traces to through an unbroken chain of foreign keys: its lineage."""

    table: TableName
    attribute: str

    def __str__(self) -> str:
        return f"{self.table}.{self.attribute}"


@frozen
class Attribute:
    """One attribute. lineage is None for native secondary and computed attributes, which match nothing."""

    name: str
    type: AttributeType
    nullable: bool = False
    default: Default | None = None
    comment: str = ""
    lineage: Origin | None = None


@frozen(eq=False)
class Heading:
    """Attributes by name, in order, and the names that make up the primary key, which may be none (one row at most).

    Iterating gives the attributes; `heading["name"]` one; `name in heading` asks.
    """

    attributes: tuple[Attribute, ...]
    primary_key: tuple[str, ...]

    def __eq__(self, other: object) -> bool:
        """Most headings that are compared are the same one, which then costs nothing."""
        if self is other or not isinstance(other, Heading):
            return self is other
        return (self.attributes, self.primary_key) == (other.attributes, other.primary_key)

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.attributes, self.primary_key))

    @cached_property
    def _by_name(self) -> dict[str, Attribute]:
        return {attribute.name: attribute for attribute in self.attributes}

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all attributes, in order."""
        return tuple(self._by_name)

    @property
    def secondary(self) -> tuple[str, ...]:
        """The names of the attributes outside the primary key, in order."""
        return tuple(name for name in self._by_name if name not in self.primary_key)

    def __iter__(self) -> Iterator[Attribute]:
        return iter(self.attributes)

    def __len__(self) -> int:
        return len(self.attributes)

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __getitem__(self, name: str) -> Attribute:
        return self.attribute(name, where="heading")

    def attribute(self, name: str, *, where: str) -> Attribute:
        """The attribute of this name. Raises UnknownAttribute; where says what asked for it."""
        try:
            return self._by_name[name]
        except KeyError:
            raise UnknownAttribute(name, self._by_name, where=where) from None

    def select(self, names: tuple[str, ...]) -> Heading:
        """Only these attributes, in this order; the key is what is left of it."""
        return Heading(tuple(self[name] for name in names), tuple(k for k in self.primary_key if k in names))

    @cached_property
    def arrow_schema(self) -> pa.Schema:
        """The Arrow schema that every result of this heading has, also an empty one."""
        import pyarrow as pa

        return pa.schema([pa.field(a.name, a.type.arrow, nullable=a.nullable) for a in self.attributes])

    def __str__(self) -> str:
        key = ", ".join(f"*{name}" for name in self.primary_key)
        rest = ", ".join(self.secondary)
        return ", ".join(part for part in (key, rest) if part)


def as_nullable(attribute: Attribute) -> Attribute:
    """The same attribute, which may now be NULL."""
    return evolve(attribute, nullable=True)
