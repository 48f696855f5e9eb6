"""Rows given by a user -> a source of columns in SQL: one literal a column, however many rows there are.

An array is parsed three times as fast as a list of VALUES by PostgreSQL, and fifteen times by DuckDB, and neither needs
a temporary table, so that it works in any transaction and on a server that only reads.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from djarrow.model.heading import Heading
from djarrow.model.types import AttributeType, Family
from djarrow.sql.dialects import Dialect
from djarrow.sql.literals import literal, quoted

if TYPE_CHECKING:
    import pyarrow as pa


def rows_text(table: pa.Table, heading: Heading, dialect: Dialect) -> str:
    """What stands before the alias that names the columns. table: as `frame/columns.py` makes it."""
    columns = [(table.column(attribute.name), attribute.type) for attribute in heading]
    return _SOURCES[dialect](columns)


Columns = list[tuple[Any, AttributeType]]


def _postgres(columns: Columns) -> str:
    arrays = (
        f"{_array(column, kind, Dialect.POSTGRES)}::{_element(kind, Dialect.POSTGRES)}[]" for column, kind in columns
    )
    return f"UNNEST({', '.join(arrays)})"


def _duckdb(columns: Columns) -> str:
    lists = (
        f"UNNEST(CAST({_array(column, kind, Dialect.DUCKDB)} AS {_element(kind, Dialect.DUCKDB)}[]))"
        for column, kind in columns
    )
    return f"(SELECT {', '.join(lists)})"


def _spark(columns: Columns) -> str:
    """Spark has no literal of a list: rows of VALUES, of which the first one's casts give the columns their types."""
    lists = [_values(column, kind) for column, kind in columns]
    types = [Dialect.SPARK.type_name(kind) for _, kind in columns]
    if not lists or not lists[0]:
        return f"(SELECT {', '.join(f'CAST(NULL AS {name})' for name in types)} WHERE FALSE)"
    first, *rest = zip(*lists, strict=True)
    rows = [[f"CAST({text} AS {name})" for text, name in zip(first, types, strict=True)], *rest]
    return f"(VALUES {', '.join('(' + ', '.join(row) + ')' for row in rows)})"


def _values(column: Any, kind: AttributeType) -> list[str]:
    """The literals of Spark for all values of a column."""
    values = column.to_pylist()
    if kind.family is Family.UUID:
        values = [None if value is None else uuid.UUID(bytes=value) for value in values]
    return [literal(value, kind, Dialect.SPARK) for value in values]


_SOURCES: dict[Dialect, Callable[[Columns], str]] = {
    Dialect.POSTGRES: _postgres,
    Dialect.DUCKDB: _duckdb,
    Dialect.SPARK: _spark,
}


def _element(kind: AttributeType, dialect: Dialect) -> str:
    """The type of an element: of a length or precision of its own it need not be, and a cast to one would cut it."""
    if kind.family in (Family.STRING, Family.ENUM):
        return "text" if dialect is Dialect.POSTGRES else "VARCHAR"
    if kind.family is Family.JSON and dialect is Dialect.DUCKDB:
        return "VARCHAR"  # the text of a list would be read as one document
    return "numeric" if kind.family is Family.DECIMAL and dialect is Dialect.POSTGRES else dialect.type_name(kind)


_BARE = frozenset({Family.INTEGER, Family.FLOAT, Family.DECIMAL, Family.BOOLEAN})
"""Families whose elements need no quotes."""


_BRACKETS = {Dialect.POSTGRES: ("{", "}"), Dialect.DUCKDB: ("[", "]")}


def _array(column: Any, kind: AttributeType, dialect: Dialect) -> str:
    """The literal of all values of a column, in the form that the engine casts to an array."""
    start, end = _BRACKETS[dialect]
    elements = _texts(column.drop_null(), kind, dialect)
    if kind.family not in _BARE:
        elements = ('"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' for text in elements)
    if column.null_count:
        present = iter(elements)
        elements = ("NULL" if absent else next(present) for absent in column.is_null().to_pylist())
    return quoted(f"{start}{','.join(elements)}{end}")


def _texts(column: Any, kind: AttributeType, dialect: Dialect) -> Iterable[str]:
    """The values as the engine reads them."""
    import pyarrow as pa

    texts: Iterable[str]
    match kind.family:
        case Family.STRING | Family.ENUM | Family.JSON:
            texts = column.to_pylist()
        case Family.UUID:
            texts = (str(uuid.UUID(bytes=value)) for value in column.to_pylist())
        case Family.BLOB:
            mark = "\\x"  # PostgreSQL has it before all of the digits, DuckDB before each byte's
            one = dialect is Dialect.POSTGRES
            texts = (
                mark + value.hex() if one else "".join(f"{mark}{b:02x}" for b in value) for value in column.to_pylist()
            )
        case Family.DECIMAL:
            texts = (format(value, "f") for value in column.to_pylist())  # Arrow writes small ones with an exponent
        case _:
            texts = column.cast(pa.string()).to_pylist()
    return texts
