"""Results of DuckDB that end where rows have more text and bytes than is said, and others that do not change."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest

from djarrow.engine import duckdb_rows
from djarrow.engine.duckdb import View

VIEW = View("lab.day", "", None, 1, longest=100_000, together=2**31, size=1_000)


def guarded(text: str, *views: View, memory: int = 0) -> Any:
    """The relation of a statement, held to what is said of these tables."""
    return duckdb_rows.guarded(duckdb.connect().sql(text), text, views, memory)


@pytest.mark.parametrize("views", [[], [VIEW]])
def test_a_result_of_any_columns_stays_as_it_is(views: list[View]) -> None:
    """Two of one name, names with quotes, none of text, and as many as a table of PostgreSQL has."""
    odd = guarded('SELECT \'a\' AS a, 2 AS a, NULL AS "x""y", \'b\'::BLOB AS "so far"', *views)
    assert odd.columns == ["a", "a", 'x"y', "so far"]
    assert odd.fetchall() == [("a", 2, None, b"b")]
    assert guarded("SELECT 1 AS n", *views).fetchall() == [(1,)]
    many = guarded("SELECT " + ", ".join(f"'{n}' AS c{n}" for n in range(1_600)), *views)
    assert many.fetchall() == [tuple(map(str, range(1_600)))]


@pytest.mark.parametrize("views", [[], [VIEW]])
def test_rows_stay_in_order(views: list[View]) -> None:
    """Also those of many chunks, of several threads."""
    rows = guarded("SELECT i::VARCHAR AS t, hash(i) AS h FROM range(300000) r(i) ORDER BY h DESC LIMIT 200000", *views)
    found = [h for _, h in rows.fetchall()]
    assert len(found) == 200_000
    assert found == sorted(found, reverse=True)


def test_a_row_that_is_too_long() -> None:
    """It may be four times as long as is said of the tables, as often as the text has them, and 256 KiB in any case."""
    assert len(guarded("SELECT repeat('x', 262144) AS t").fetchall()) == 1
    with pytest.raises(duckdb.Error, match="a long row"):
        guarded("SELECT repeat('x', 262145) AS t").fetchall()
    assert len(guarded('SELECT repeat(\'x\', 800000) AS "day", 1 AS "day"', VIEW).fetchall()) == 1


def test_long_rows_together() -> None:
    """Of a table with a long row among others, so many rows as are read at once have no more than is said, or memory
    for them is there; of other tables they may.
    """
    text = "SELECT repeat('x', 200000) AS t FROM range(2048)"
    with pytest.raises(duckdb.Error, match="a long row"):
        guarded(text, VIEW).fetchall()
    assert guarded(text, VIEW, memory=2**31).to_arrow_reader(1).read_next_batch().num_rows == 1
    alike = View("lab.day", "", None, 1, longest=100_000, together=2**28, size=1_000)
    assert guarded(text, alike).to_arrow_reader(1).read_next_batch().num_rows == 1
    apart = "SELECT repeat('x', CASE WHEN i % 2100 = 0 THEN 20000000 ELSE 1 END) AS t FROM range(42000) r(i)"
    far = View("lab.day", "", None, 1, longest=20_000_000, together=2**40, size=1_000)
    assert sum(batch.num_rows for batch in guarded(apart, far).to_arrow_reader(1_000)) == 42_000
