"""What offline queries rely on in DuckDB: the settings that make it agree with PostgreSQL, and how it reads Parquet."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from djarrow.engine.duckdb import SETTINGS


@pytest.fixture
def plain() -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB as it comes."""
    opened = duckdb.connect(":memory:")
    yield opened
    opened.close()


@pytest.fixture
def agreed(plain: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """DuckDB with the settings of offline queries."""
    for name, value in SETTINGS.items():
        plain.execute(f"SET {name} = {value}")
    return plain


def one(database: duckdb.DuckDBPyConnection, text: str) -> Any:
    """The one value of a query."""
    return database.sql(f"SELECT {text} AS v").to_arrow_table().column("v")[0].as_py()


def test_division(agreed: duckdb.DuckDBPyConnection) -> None:
    """`/` of whole numbers has a fraction and `//` has none; both are written where they are meant."""
    assert one(agreed, "7 / 2") == 3.5
    assert one(agreed, "-7 // 2") == -3
    assert one(agreed, "-7 % 2") == -1


def test_nulls_are_last_either_way(agreed: duckdb.DuckDBPyConnection) -> None:
    """Without NULLS LAST in the text, NULLs come last in both directions."""
    rows = "(VALUES (1), (NULL), (2)) AS t(a)"
    for direction, wanted in (("ASC", [1, 2, None]), ("DESC", [2, 1, None])):
        found = agreed.sql(f"SELECT a FROM {rows} ORDER BY a {direction}").to_arrow_table()
        assert found.column("a").to_pylist() == wanted


def test_moments_are_utc(agreed: duckdb.DuckDBPyConnection) -> None:
    """The day of a moment is that in UTC."""
    assert one(agreed, "CAST(TIMESTAMPTZ '2024-02-29 23:30:00+00' AS DATE)").isoformat() == "2024-02-29"
    assert one(agreed, "EXTRACT(HOUR FROM TIMESTAMPTZ '2024-02-29 23:30:00+05')") == 18


def test_nan_is_equal_to_itself_and_greatest(agreed: duckdb.DuckDBPyConnection) -> None:
    """NaN compares as in PostgreSQL."""
    nan = "CAST('NaN' AS DOUBLE)"
    assert one(agreed, f"{nan} = {nan}") is True
    assert one(agreed, f"{nan} > CAST('Infinity' AS DOUBLE)") is True
    assert math.isnan(one(agreed, f"greatest({nan}, 1)"))


def test_strings_compare_by_bytes(agreed: duckdb.DuckDBPyConnection) -> None:
    """Strings compare exactly and by code point, and a backslash in a literal is one."""
    assert one(agreed, "'a' = 'A'") is False
    assert one(agreed, "'B' < 'a'") is True
    assert one(agreed, r"length('a\n')") == 3


def test_like_has_no_escape_of_its_own(agreed: duckdb.DuckDBPyConnection) -> None:
    """A backslash escapes in a pattern only where the text says so."""
    assert one(agreed, r"'a%' LIKE 'a\%'") is False
    assert one(agreed, r"'a%' LIKE 'a\%' ESCAPE '\'") is True


def test_sums_of_whole_numbers_are_wider(agreed: duckdb.DuckDBPyConnection) -> None:
    """SUM of BIGINT is a HUGEINT, which the text casts back."""
    assert agreed.sql("SELECT typeof(SUM(a)) AS t FROM (VALUES (1::BIGINT)) AS t(a)").to_arrow_table().to_pylist() == [
        {"t": "HUGEINT"}
    ]


def test_overflow_is_an_error(agreed: duckdb.DuckDBPyConnection) -> None:
    """A whole number that does not fit raises, as in PostgreSQL."""
    with pytest.raises(duckdb.Error, match=r"Overflow|out of range"):
        one(agreed, "9223372036854775807::BIGINT + 1::BIGINT")


@pytest.fixture
def with_statistics(tmp_path: Path) -> Path:
    """A Parquet file with a NaN, and statistics of the column that leave it out, as pyarrow writes them."""
    path = tmp_path / "floats.parquet"
    pq.write_table(pa.table({"n": [1, 2, 3], "x": [1.0, math.nan, 2.0]}), path, write_statistics=True)
    return path


def test_statistics_lose_nan(agreed: duckdb.DuckDBPyConnection, with_statistics: Path, tmp_path: Path) -> None:
    """A filter drops NaN rows of files with statistics of floats; without statistics of them it finds every row."""
    question = "SELECT n FROM read_parquet('{}') WHERE x > 5 ORDER BY n"
    bare = tmp_path / "bare.parquet"
    pq.write_table(pq.read_table(with_statistics), bare, write_statistics=["n"])
    assert agreed.sql(question.format(bare)).to_arrow_table().column("n").to_pylist() == [2]
    assert agreed.sql(question.format(with_statistics)).to_arrow_table().column("n").to_pylist() == []


def test_settings_are_known(agreed: duckdb.DuckDBPyConnection) -> None:
    """Every setting still exists and holds what was set."""
    for name, value in SETTINGS.items():
        held = one(agreed, f"current_setting('{name}')")
        assert str(held).lower() == value.strip("'").lower(), name
