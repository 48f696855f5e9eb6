"""Values as text of SQL: each type, and strings that try to be more than that."""

from __future__ import annotations

import datetime
import decimal
import math
import uuid
from typing import Any

import pytest

from djarrow.errors import QueryError
from djarrow.expr.functions import FUNCTIONS
from djarrow.model.types import ROWS, core
from djarrow.sql.dialects import Dialect
from djarrow.sql.functions import RENDER
from djarrow.sql.literals import identifier, literal, quoted

P, K = Dialect.POSTGRES, Dialect.DUCKDB

LITERALS: list[tuple[Any, str, str, str]] = [
    (5, "int8", "5", "5"),
    (-(2**63), "int64", "-9223372036854775808", "-9223372036854775808"),
    (2**64 - 1, "uint64", "18446744073709551615", "18446744073709551615"),
    (decimal.Decimal("1E+3"), "decimal", "1000", "1000"),
    (decimal.Decimal("-0.0500"), "decimal", "-0.0500", "-0.0500"),
    (0.1, "float64", "CAST('0.1' AS double precision)", "CAST('0.1' AS DOUBLE)"),
    (0.1, "float32", "CAST('0.1' AS real)", "CAST('0.1' AS FLOAT)"),
    (-0.0, "float64", "CAST('-0.0' AS double precision)", "CAST('-0.0' AS DOUBLE)"),
    (math.nan, "float64", "CAST('NaN' AS double precision)", "CAST('NaN' AS DOUBLE)"),
    (-math.inf, "float32", "CAST('-Infinity' AS real)", "CAST('-Infinity' AS FLOAT)"),
    (True, "bool", "TRUE", "TRUE"),
    ("a'b\\c\n%s", "varchar", "'a''b\\c\n%s'", "'a''b\\c\n%s'"),
    ("low", "enum", "'low'", "'low'"),
    (datetime.date(1, 2, 3), "date", "CAST('0001-02-03' AS date)", "CAST('0001-02-03' AS DATE)"),
    (datetime.time(1, 2, 3, 4), "time", "CAST('01:02:03.000004' AS time)", "CAST('01:02:03.000004' AS TIME)"),
    (
        datetime.datetime(2024, 1, 2, tzinfo=datetime.UTC), "timestamp",
        "CAST('2024-01-02 00:00:00+00:00' AS timestamptz)", "CAST('2024-01-02 00:00:00+00:00' AS TIMESTAMPTZ)",
    ),
    (
        datetime.datetime(2024, 1, 2, 3), "datetime",
        "CAST('2024-01-02 03:00:00' AS timestamp)", "CAST('2024-01-02 03:00:00' AS TIMESTAMP)",
    ),
    (
        uuid.UUID(int=1), "uuid",
        "CAST('00000000-0000-0000-0000-000000000001' AS uuid)", "CAST('00000000-0000-0000-0000-000000000001' AS UUID)",
    ),
    ('{"a": "it\'s"}', "json", "CAST('{\"a\": \"it''s\"}' AS jsonb)", "CAST('{\"a\": \"it''s\"}' AS JSON)"),
    (b"\x00'", "blob", "'\\x0027'::bytea", "unhex('0027')"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "kind", "postgres", "duckdb"), LITERALS, ids=lambda given: str(given)[:30])
def test_literals(value: Any, kind: str, postgres: str, duckdb: str) -> None:
    """A value is written as a literal of its type."""
    assert literal(value, core(kind), P) == postgres
    assert literal(value, core(kind), K) == duckdb


def test_every_type_has_a_literal_here() -> None:
    """No type of the table goes without a test; those that are written like another one aside."""
    alike = {"char", "uint8", "int16", "uint16", "int32", "uint32", "<dj_blob>"}
    assert {kind for _, kind, _, _ in LITERALS} | alike == set(ROWS)


def test_null() -> None:
    """None is NULL, of any type."""
    assert {literal(None, core(name), dialect) for name in ROWS for dialect in Dialect} == {"NULL"}


@pytest.mark.parametrize(
    "hostile",
    ["'", "''", "\\'", "'; DROP TABLE x; --", "$$", "E'\\n'", "\u2019", "\ud7ff", "{0}", "%(x)s", "\x01", "a" * 9000],
)
def test_hostile_strings(hostile: str) -> None:
    """A string's quotes are doubled and nothing else is changed, so that it ends where it ends."""
    text = quoted(hostile)
    assert text[0] == text[-1] == "'"
    assert "'" not in text[1:-1].replace("''", "")
    assert text[1:-1].replace("''", "'") == hostile


def test_no_nul() -> None:
    """A NUL character is refused: no text of SQL carries it, and it marks the places of values."""
    for kind in ("varchar", "enum", "json"):
        with pytest.raises(QueryError, match="NUL"):
            literal("a\0b", core(kind), P)


def test_other_objects() -> None:
    """What is no value of a type is refused."""
    with pytest.raises(QueryError, match="object"):
        literal(object(), core("varchar"), P)


def test_identifiers() -> None:
    """A name stands in quotes, and quotes in it are doubled."""
    assert identifier('a"b') == '"a""b"'


def test_every_function_is_written() -> None:
    """The table of what may be called and the table of how it is written have the same names."""
    assert sorted(RENDER) == sorted(FUNCTIONS)
