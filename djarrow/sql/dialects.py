"""What differs between the engines in text: names of types, and how values of them are read."""

from __future__ import annotations

import enum

from djarrow.model.types import AttributeType


class Dialect(enum.Enum):
    """An engine's SQL. The value is the name by which the SQL generator knows it."""

    POSTGRES = "postgres"
    DUCKDB = "duckdb"

    def type_name(self, kind: AttributeType) -> str:
        """The column type of an attribute type."""
        return kind.postgres if self is Dialect.POSTGRES else kind.duckdb

    def reads_as_text(self, kind: AttributeType) -> bool:
        """Whether values leave the engine as text and are cast in Arrow, which is exact and faster (model/types.py)."""
        return self is Dialect.POSTGRES and kind.row.as_text
