"""What differs between the engines in text: names of types, and how values of them are read."""

from __future__ import annotations

import enum

from djarrow.model.types import AttributeType, Family


class Dialect(enum.Enum):
    """An engine's SQL. The value is the name by which the SQL generator knows it, and of its column in model/types.py.

    Spark's is read by a Spark whose session is in UTC, over the exported files.
    """

    POSTGRES = "postgres"
    DUCKDB = "duckdb"
    SPARK = "spark"

    def type_name(self, kind: AttributeType) -> str:
        """The column type of an attribute type."""
        name: str = getattr(kind, self.value)
        return name

    def reads_as_text(self, kind: AttributeType) -> bool:
        """Whether values leave the engine as text and are cast in Arrow, which is exact and faster (model/types.py)."""
        return self is Dialect.POSTGRES and kind.row.as_text


def by_code_points(text: str, kind: AttributeType) -> str:
    """PostgreSQL's text of a column or its type, where strings are in the order of their code points.

    By itself PostgreSQL takes the collation of the database, which may be that of a language.
    """
    return f'{text} COLLATE "C"' if kind.family in (Family.STRING, Family.ENUM) else text
