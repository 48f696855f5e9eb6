"""Values -> typed literals: the one place where a value becomes text of SQL."""

from __future__ import annotations

import datetime
import decimal
import math
import struct
import uuid
from typing import Any

from djarrow.errors import QueryError
from djarrow.model.names import UNKEPT
from djarrow.model.types import AttributeType, Family
from djarrow.sql.dialects import Dialect


def literal(value: Any, kind: AttributeType, dialect: Dialect) -> str:
    """The text of a value that `model/values.py` gave, a UUID also as its 16 bytes.

    Raises QueryError for a string that SQL cannot carry.
    """
    match value:
        case None:
            return "NULL"
        case bool():
            return "TRUE" if value else "FALSE"
        case int():
            return str(value)
        case decimal.Decimal():
            return format(value, "f")
        case float():
            return cast_text(_float_text(_rounded(value, kind)), kind, dialect)
        case str() if kind.family is Family.JSON:
            return cast_text(value, kind, dialect)
        case str():
            return quoted(value, dialect)
        case bytes() if kind.family is Family.UUID:
            return cast_text(str(uuid.UUID(bytes=value)), kind, dialect)
        case bytes():
            return _BYTES[dialect].format(value.hex())
        case datetime.datetime() | datetime.date() | datetime.time() | uuid.UUID():
            return cast_text(_plain(value), kind, dialect)
    raise QueryError(f"a value of type {type(value).__name__} cannot be written in SQL.")


def _plain(value: datetime.date | datetime.time | uuid.UUID) -> str:
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ")
    return value.isoformat() if isinstance(value, datetime.date | datetime.time) else str(value)


def _rounded(value: float, kind: AttributeType) -> float:
    """PostgreSQL refuses the text of a number that float32 rounds to zero."""
    if kind.row.name != "float32" or not 0 < abs(value) < 1e-37:
        return value
    held: float = struct.unpack("<f", struct.pack("<f", value))[0]
    return held


def _float_text(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return repr(value) if math.isfinite(value) else ("Infinity" if value > 0 else "-Infinity")


def cast_text(text: str, kind: AttributeType, dialect: Dialect) -> str:
    """A quoted text, cast to the type."""
    return f"CAST({quoted(text, dialect)} AS {dialect.type_name(kind)})"


_BYTES = {
    Dialect.POSTGRES: "'\\x{}'::bytea",
    Dialect.DUCKDB: "unhex('{}')",
    Dialect.SPARK: "X'{}'",
}


def quoted(text: str, dialect: Dialect = Dialect.POSTGRES) -> str:
    """A string literal. PostgreSQL and DuckDB take backslashes as they are (standard_conforming_strings); in Spark one
    escapes what comes after it, two literals side by side, as a doubled quote looks, are one without the quote, and
    `${` would be taken for a variable before the text is read at all.
    """
    if UNKEPT.search(text):
        raise QueryError("a string with NUL or half a surrogate pair cannot be written in SQL.")
    if dialect is Dialect.SPARK:
        return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("${", "\\u0024{") + "'"
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A name in quotes: an unquoted `user` means something else to PostgreSQL."""
    return '"' + name.replace('"', '""') + '"'
