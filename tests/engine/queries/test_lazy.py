"""Lazy frames and restriction by Polars expressions: the rows are those that Polars itself keeps of the fetched frame.

Each predicate is run on both engines. Specification: 000 "Fetch"; design section 7.
"""

from __future__ import annotations

import datetime
import decimal
import gc
import uuid
import zoneinfo
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import polars as pl
import polars.selectors as cs
import pytest
from polars.testing import assert_frame_equal

import djarrow as dj
from djarrow.errors import InvalidCondition, UnknownAttribute
from djarrow.table import lazy as lazy_frames

from .conftest import Evaluate, Lazily

c = pl.col
UTC = datetime.UTC
TAG = uuid.UUID(int=2**127 + 5).bytes

TRANSLATED: list[pl.Expr] = [
    # comparison with constants, of each type
    c("i8") > 5,
    c("i8") > 300,
    c("i8") <= -128,
    c("u8") >= -1,
    c("i8") > 5.5,
    c("i64") == 9_007_199_254_740_993,
    c("i64") == 9_007_199_254_740_992.0,
    c("i64") < 2**63,
    c("u64") == 2**64 - 1,
    c("u64") > 5,
    c("f32") == 0.1,
    c("f32") > 0.1,
    c("f32") < 0,
    c("f64") > 1,
    c("f64") >= 2.5,
    c("f64") != 2.5,
    c("exact") > 1,
    c("exact") > 0.5,
    c("exact") == decimal.Decimal("12.35"),
    c("exact") < decimal.Decimal("0.7555"),
    c("truth") == True,  # noqa: E712 - it is an expression
    c("truth") == 1,
    ~c("truth"),
    c("truth"),
    c("truth") < True,
    c("letters") == "O'Neil \\ 100% ü",
    c("letters") != "",
    c("letters") > "O",
    c("letters") <= c("fixed"),
    c("letters").is_between(pl.lit(""), pl.lit("o")),
    c("fixed") == "ab",
    c("choice") == "high",
    c("choice") != "high",
    c("choice").cast(pl.String, strict=False) == "low",
    c("choice") > "low",
    ~(c("choice") < "low"),
    pl.lit("low") >= c("choice"),
    c("f64").floor() == 2,
    c("f64").ceil() == 3,
    c("day") > datetime.date(2000, 1, 1),
    c("day") > datetime.datetime(2000, 1, 1, 5),
    c("clock") >= datetime.time(13, 5, 59, 500_000),
    c("moment") > datetime.datetime(2000, 1, 1, tzinfo=UTC),
    c("moment") == datetime.datetime(2024, 2, 29, 23, 59, 59, 750_000, UTC),
    c("moment") > datetime.date(2024, 2, 29),
    c("moment").is_in([datetime.datetime(1970, 1, 1, 9, tzinfo=zoneinfo.ZoneInfo("Asia/Tokyo"))]),
    c("wall") < datetime.datetime(2000, 1, 1),
    c("wall") < datetime.date(2000, 1, 1),
    c("tag") == TAG,
    c("tag") > bytes(16),
    c("tag") <= TAG,
    c("raw") == b"",
    # attributes with each other
    c("i8") < c("u8"),
    c("i32") > c("i16"),
    c("u64") > c("i64"),
    c("i64") > c("f64"),
    c("f32") < c("f64"),
    c("exact") > c("i32"),
    c("day") < c("wall"),
    c("letters") == c("fixed"),
    c("i8") == c("i8"),
    c("f64") == c("f64"),
    # NULL
    c("f64").is_null(),
    c("doc").is_null(),
    c("raw").is_not_null(),
    c("i8").eq_missing(100),
    c("i8").ne_missing(100),
    c("i8").eq_missing(None),
    c("f64").ne_missing(c("f32")),
    # NaN and the infinities
    c("f64").is_nan(),
    c("f64").is_not_nan(),
    c("f32").is_infinite(),
    c("f64").is_finite(),
    ~c("f32").is_finite(),
    # logic, also where something is NULL
    (c("i8") > 5) & (c("f64") > 1),
    (c("i8") > 5) | (c("f64") > 1),
    (c("i8") > 5) | c("truth"),
    (c("i8") > 5) ^ c("truth"),
    ~((c("i8") > 5) & c("truth")),
    pl.any_horizontal("truth", c("i8") > 5),
    pl.all_horizontal("truth", c("i8") > 5),
    (c("i8") > 5) | c("i8").is_null(),
    # membership
    c("i8").is_in([7, 100]),
    c("i8").is_in([7, None]),
    ~c("i8").is_in([7, None]),
    ~c("i8").is_in([]),
    c("i8").is_in([None]),
    c("i8").is_in([7, 1000]),
    c("u64").is_in([2**64 - 1, 0]),
    c("i64").is_in(list(range(-200, 200))),
    ~c("i64").is_in(list(range(-200, 200))),
    c("f64").is_in([float("nan"), 2.5]),
    c("f32").is_in(pl.Series([0.1, float("-inf")], dtype=pl.Float32).implode()),
    c("letters").is_in(["", "O'Neil \\ 100% ü", "nul \0"]),
    c("choice").is_in(["high"]),
    c("truth").is_in([True]),
    c("day").is_in([datetime.date(1, 1, 1), datetime.date(2024, 2, 29)]),
    c("wall").is_in([datetime.datetime(2024, 12, 30, 6, 7, 8)]),
    c("moment").is_in([datetime.datetime(1970, 1, 1, tzinfo=UTC)]),
    c("exact").is_in([decimal.Decimal("12.35"), decimal.Decimal("-0.05")]),
    c("tag").is_in([TAG, b"short"]),
    c("raw").is_in([b"\0\xff"]),
    *(c("i16").is_between(-9, 30_000, closed=closed) for closed in ("both", "left", "right", "none")),
    c("day").is_between(datetime.date(1, 1, 1), datetime.date(2024, 2, 29), closed="none"),
    c("f64").is_between(0, c("exact").cast(pl.Float64, strict=False)),
    # strings
    c("letters").str.starts_with("O'N"),
    c("letters").str.starts_with("O_N"),
    c("letters").str.ends_with("% ü"),
    c("letters").str.ends_with("%"),
    c("letters").str.contains("\\ 1", literal=True),
    c("letters").str.contains("_", literal=True),
    c("letters").str.contains("Neil"),
    c("letters").str.contains(""),
    ~c("letters").str.contains("Neil"),
    c("letters").str.len_chars() == 15,
    # dates
    c("day").dt.year() == 2024,
    c("day").dt.month().is_in([1, 2]),
    c("moment").dt.day() == 29,
    c("moment").dt.hour() == 23,
    c("wall").dt.minute() > 7,
    c("moment").dt.second() == 59,
    c("clock").dt.second() == 59,
    c("clock").dt.hour() == 13,
    c("day").dt.weekday() == 4,
    c("wall").dt.weekday() == 1,
    c("day").dt.ordinal_day() == 60,
    c("wall").dt.quarter() == 4,
    c("moment").dt.date() == datetime.date(2024, 2, 29),
    c("wall").dt.date() == c("day"),
    c("day").dt.year() < 100,
    # choice
    c("i8").fill_null(0) >= 0,
    c("f64").fill_null(1.0) == 1,
    c("letters").fill_null("none") == "none",
    pl.coalesce("i8", c("i8") // 2) == 7,
    pl.when(c("truth")).then(c("i8")).otherwise(3) > 2,
    pl.when(c("i8") > 5).then(None).otherwise(c("i16")) < 0,
    # arithmetic that cannot leave the range of its type
    c("i8") % 3 == 1,
    c("i16") % 7 == 5,
    c("i16") // 7 == -2,
    c("i64") // 10 < 0,
    c("u8") // 3 == 66,
    c("u64") % 10 == 5,
    c("i8").cast(pl.Int64) + 1 > 8,
    c("i8").cast(pl.Int32) * c("u8") > 100,
    c("u8").cast(pl.Int16) - 100 > 0,
    c("truth").cast(pl.Int8, strict=False) == 1,
    c("i8") + c("u8") > 0,
    c("f32").cast(pl.Float64, strict=False) * c("i64").cast(pl.Float64, strict=False) > 1,
    c("f64").abs() > 2,
    -c("f64") < -2,
    c("i8") / 2 > 10,
    c("i32") / 7 == 11 / 7,
    c("i8").alias("other") > 5,
]
"""What the database computes to the end: Polars has nothing left to filter."""

IN_PART: list[pl.Expr] = [
    (c("i8") > 5) & (c("letters").str.to_uppercase() == "B"),
    (c("letters").str.contains("N.*l")) & c("truth"),
    (c("i8") < 0) & (c("f64").sin() < 2) & (c("f64").is_not_null()),
    c("i8") + 100 > 50,
    c("i64") + 1 > 0,
    c("i64") - 1 > 0,
    c("i64") * 3 > 0,
    c("i64") * c("i32") > 0,
    c("u8") - 1 > 100,
    c("u64") + 1 > 5,
    c("u64") - c("u8") > 5,
    c("u64") * 2 == 10,
    c("i8").abs() >= 0,
    -c("i16") > 0,
    c("f64") * 2 > 4,
    c("f64") * 1e200 > 4,
    c("f64") + 1.5 == 4,
    c("f64") - c("exact").cast(pl.Float64, strict=False) > 0,
    c("f64") / 2 > 1,
    c("f64") / c("i8") > 0,
    c("f64") / 0 > 0,
    c("i8") / c("u8") > 0.5,
    c("f32").cast(pl.Float64) / c("i16") > 1,
    ~(c("i8") + 100 > 50),
]
"""What the database computes in part, or but for rows in which arithmetic leaves its range."""

LEFT: list[pl.Expr] = [
    c("letters").str.to_lowercase() == "",
    c("letters").str.contains("^O"),
    c("letters").str.len_bytes() > 3,
    c("f64") > float("inf"),
    c("f64").eq_missing(float("nan")),
    c("f64") % 2 == 0.5,
    c("f32") * 2 > 1,
    c("i8") % c("u8") == 0,
    c("i8") % -3 == 1,
    c("i8") // 0 == 1,
    c("i8") & 4 == 4,
    c("exact") + 1 > 2,
    c("f64").sqrt() > 1,
    c("f64").cast(pl.Int32, strict=False) > 1,
    c("i32").cast(pl.Float32, strict=False) > 1,
    c("letters") == "nul \0",
    c("doc") == "[]",
    c("day") + datetime.timedelta(days=1) > datetime.date(2000, 1, 1),
    c("clock") == pl.lit(1, pl.Time),
    c("moment").cast(pl.Datetime("us", "Asia/Tokyo")).dt.hour() == 8,
    c("moment").dt.convert_time_zone("Asia/Tokyo").dt.hour() == 8,
    c("wall").dt.replace_time_zone("UTC") == c("moment"),
    c("i8").replace(7, 8) == 8,
    c("i8").is_in([7, None], nulls_equal=True),
]
"""What Polars computes by itself."""

MAY_FAIL: list[pl.Expr] = [
    c("choice").cast(pl.String) == "low",
    c("truth").cast(pl.Int8) == 1,
    c("f32").cast(pl.Float64) * c("i64").cast(pl.Float64) > 1,
    c("f64").is_between(0, c("exact").cast(pl.Float64)),
]
"""What Polars keeps to itself, because it takes these casts for ones that may fail. As a restriction it translates."""


@pytest.fixture(scope="module")
def fetched(tables: SimpleNamespace) -> pl.DataFrame:
    """The whole table."""
    frame: pl.DataFrame = tables.Kinds.to_polars(order_by="KEY")
    return frame


def filtered(fetched: pl.DataFrame, predicate: pl.Expr) -> pl.DataFrame:
    """The keys that Polars keeps of the whole table."""
    return fetched.filter(predicate).select("id")


def told(lazily: Lazily, tables: SimpleNamespace, predicate: pl.Expr) -> tuple[pl.DataFrame, str]:
    """The keys that a lazy frame gives, and what its plan says."""
    lazy = lazily(tables.Kinds, order_by="KEY").filter(predicate).select("id")
    return lazy.collect(), lazy.explain()


@pytest.mark.parametrize("predicate", TRANSLATED, ids=str)
def test_translated(tables: SimpleNamespace, fetched: pl.DataFrame, lazily: Lazily, predicate: pl.Expr) -> None:
    """The database computes the predicate, with Polars's result, in a lazy frame and as a restriction."""
    wanted = filtered(fetched, predicate)
    found, said = told(lazily, tables, predicate)
    assert_frame_equal(found, wanted)
    assert not any(word in said for word in ("In Polars", "FILTER"))
    assert_frame_equal(lazily(tables.Kinds & predicate, order_by="KEY").select("id").collect(), wanted)
    rest = lazily(tables.Kinds - predicate).select("id").collect()["id"].to_list()
    assert sorted(rest + wanted["id"].to_list()) == [1, 2, 3, 4]


@pytest.mark.parametrize("predicate", IN_PART, ids=str)
def test_in_part(tables: SimpleNamespace, fetched: pl.DataFrame, lazily: Lazily, predicate: pl.Expr) -> None:
    """The database computes what it can, Polars the rest; it is refused as a restriction."""
    found, said = told(lazily, tables, predicate)
    assert_frame_equal(found, filtered(fetched, predicate))
    assert "WHERE" in said
    assert "In Polars" in said
    with pytest.raises(InvalidCondition, match="to_lazy"):
        tables.Kinds & predicate


@pytest.mark.parametrize("predicate", LEFT, ids=str)
def test_left_to_polars(tables: SimpleNamespace, fetched: pl.DataFrame, lazily: Lazily, predicate: pl.Expr) -> None:
    """Polars computes what the database would compute otherwise or not at all; it is refused as a restriction."""
    found, said = told(lazily, tables, predicate)
    assert_frame_equal(found, filtered(fetched, predicate))
    assert "WHERE" not in said
    assert "In Polars" in said
    with pytest.raises(InvalidCondition, match="to_lazy"):
        tables.Kinds & predicate


@pytest.mark.parametrize("predicate", MAY_FAIL, ids=str)
def test_what_polars_keeps_to_itself(
    tables: SimpleNamespace, fetched: pl.DataFrame, lazily: Lazily, predicate: pl.Expr
) -> None:
    """What Polars does not hand over stands in the plan as its filter; as a restriction the database computes it."""
    wanted = filtered(fetched, predicate)
    found, said = told(lazily, tables, predicate)
    assert_frame_equal(found, wanted)
    assert "FILTER" in said
    assert not any(word in said for word in ("WHERE", "In Polars"))
    restricted = lazily(tables.Kinds & predicate, order_by="KEY").select("id")
    assert_frame_equal(restricted.collect(), wanted)
    assert "WHERE" in restricted.explain()


def test_a_part_that_polars_keeps_to_itself(tables: SimpleNamespace, fetched: pl.DataFrame, lazily: Lazily) -> None:
    """Polars hands over a part of a conjunction and filters by the rest: a restriction has all of it or is refused."""
    may_fail = c("i8").fill_null(0.5) < 50  # for Polars, a cast to Float64 that may fail
    found, said = told(lazily, tables, ~c("truth") & may_fail)
    assert_frame_equal(found, filtered(fetched, ~c("truth") & may_fail))
    assert "WHERE" in said
    assert len(lazily(tables.Kinds & (c("truth") & may_fail)).collect()) == 0
    assert len(lazily(tables.Kinds & may_fail).collect()) == 3


@pytest.mark.parametrize("steps", [50, 500, 1100])
def test_many_steps(tables: SimpleNamespace, lazily: Lazily, steps: int) -> None:
    """A predicate of any size gives the rows of Polars; one of too many steps is refused as a restriction."""
    predicate = c("i16") == -9
    for number in range(steps):
        predicate = (c("i8") == number % 50 + 10) | predicate
    found, said = told(lazily, tables, predicate)
    assert found["id"].to_list() == [4]
    assert ("WHERE" in said) == (steps < 100)
    if steps > 100:
        with pytest.raises(InvalidCondition, match="steps"):
            tables.Kinds & predicate
    else:
        assert len(lazily(tables.Kinds & predicate).collect()) == 1


# --- what a lazy frame reads -------------------------------------------------------------------------------------

Query = Callable[[pl.LazyFrame], pl.LazyFrame]


def selects(plan: str) -> list[str]:
    """The SELECTs that a plan shows, in its order."""
    lines = [line.partition("In the database: ")[2] for line in plan.splitlines()]
    return [line.partition(" -- In Polars:")[0] for line in lines if line]


over_five = c("i8").map_batches(lambda column: column > 5, pl.Boolean, is_elementwise=True)

QUERIES: list[tuple[Query, str]] = [
    (lambda lazy: lazy, ""),
    (lambda lazy: lazy.select("i8", "id"), ""),
    (lambda lazy: lazy.select(c("i8") * 2, "letters"), ""),
    (lambda lazy: lazy.head(2), "LIMIT 2"),
    (lambda lazy: lazy.head(0), ""),
    (lambda lazy: lazy.first(), "LIMIT 1"),
    (lambda lazy: lazy.select("letters").head(3), "LIMIT 3"),
    (lambda lazy: lazy.slice(1, 2), "LIMIT 3"),
    (lambda lazy: lazy.slice(-3, 2), ""),
    (lambda lazy: lazy.slice(3), ""),
    (lambda lazy: lazy.tail(2), ""),
    (lambda lazy: lazy.last(), ""),
    (lambda lazy: lazy.select(pl.len()), ""),
    (lambda lazy: lazy.drop(cs.all()), ""),
    (lambda lazy: lazy.filter(c("i8") > 5).drop(cs.all()), "WHERE"),
    (lambda lazy: lazy.filter(c("i8") > 5).select(pl.len()), "WHERE"),
    (lambda lazy: lazy.head(2).select(pl.len()), "LIMIT 2"),
    (lambda lazy: lazy.filter(c("i8") > 5).select("letters"), "WHERE"),
    (lambda lazy: lazy.filter(c("i8") > 5).head(1), "WHERE"),
    (lambda lazy: lazy.head(2).filter(c("i8") < 5), "LIMIT 2"),
    (lambda lazy: lazy.head(3).filter(c("letters").str.to_uppercase() == ""), "LIMIT 3"),
    (lambda lazy: lazy.head(3).filter(c("i8") > 5, c("letters").str.to_uppercase() != ""), "LIMIT 3"),
    (lambda lazy: lazy.filter(c("i8").is_null()).filter(c("f64").is_null()), "WHERE"),
    (lambda lazy: lazy.rename({"i8": "small"}).filter(c("small") > 5).select("small"), "WHERE"),
    (lambda lazy: lazy.with_columns(twice=c("f64") * 2).filter(c("twice") > 4).select("twice", "id"), ""),
    (lambda lazy: lazy.filter(c("i8") > c("i8").mean()), ""),
    (lambda lazy: lazy.filter(c("i8").shift(1) > 0), ""),
    (lambda lazy: lazy.filter(pl.Series([True, False, True, False])), ""),
    (lambda lazy: lazy.filter(c("i8").map_batches(lambda column: column > 5, pl.Boolean)), ""),
    (lambda lazy: lazy.filter(over_five, c("f64") > 0).select("id"), "WHERE"),
    (lambda lazy: lazy.filter(False), ""),
    (lambda lazy: lazy.filter(pl.lit(None, pl.Boolean)), ""),
    (lambda lazy: lazy.filter(c("truth").is_not_null()).group_by("truth").agg(c("i8").sum()).sort("truth"), "WHERE"),
    (lambda lazy: lazy.join(lazy.select("id", other="i16"), on="id").filter(c("other") < 0).sort("id"), ""),
    (lambda lazy: lazy.join(pl.LazyFrame({"i8": [7], "x": [1]}, {"i8": pl.Int8, "x": pl.Int8}), on="i8"), ""),
    (lambda lazy: pl.concat([lazy, lazy.filter(c("i8") > 5)]), ""),
    (lambda lazy: lazy.sort("i64", nulls_last=True).head(2), ""),
    (lambda lazy: lazy.unique("truth", keep="first", maintain_order=True), ""),
    (lambda lazy: lazy.select(c("i8").sum(), c("f64").max()), ""),
    (lambda lazy: lazy.with_row_index(), ""),
    (lambda lazy: lazy.with_row_index().select("index"), ""),
    (lambda lazy: lazy.with_row_index().select("i8", "index").filter(c("index") > 1, c("i8") > 5), ""),
    (lambda lazy: lazy.filter(c("i8") > 5).with_row_index().select("index", "letters").head(1), "WHERE"),
]


@pytest.mark.parametrize("engine", ["in-memory", "streaming"])
@pytest.mark.parametrize("number", range(len(QUERIES)))
def test_lazy_queries(
    tables: SimpleNamespace,
    fetched: pl.DataFrame,
    lazily: Lazily,
    number: int,
    engine: Literal["in-memory", "streaming"],
) -> None:
    """A lazy query gives the rows, columns and types that it gives over the fetched frame, however often collected."""
    query, _ = QUERIES[number]
    lazy = query(lazily(tables.Kinds, order_by="KEY"))
    wanted = query(fetched.lazy()).collect()
    assert_frame_equal(lazy.collect(engine=engine), wanted)
    assert_frame_equal(lazy.collect(engine=engine), wanted)


@pytest.mark.parametrize("number", range(len(QUERIES)))
def test_plans_say_what_runs(tables: SimpleNamespace, sent: list[str], lazily: Lazily, number: int) -> None:
    """The SELECTs of a plan are those that a collect sends, and to show them sends none."""
    query, _ = QUERIES[number]
    lazy = query(lazily(tables.Kinds, order_by="KEY"))
    shown = selects(lazy.explain())
    assert sent == []
    lazy.collect()
    assert set(sent) == set(shown)


@pytest.mark.parametrize(("query", "part"), [(query, part) for query, part in QUERIES if part])
def test_pushed_down(tables: SimpleNamespace, lazily: Lazily, query: Query, part: str) -> None:
    """Filters and the first rows are part of the SELECT."""
    assert part in query(lazily(tables.Kinds)).explain()


def test_only_the_columns_that_are_needed(tables: SimpleNamespace, lazily: Lazily) -> None:
    """Columns that the lazy query does not use are not read, nor those that it uses for what the database computes."""
    lazy = lazily(tables.Kinds).filter(c("i8") > 5).select("letters")
    assert 'SELECT t1."letters" FROM' in lazy.explain()
    also = lazy.filter(c("letters").str.to_uppercase() != "")
    assert 'SELECT t1."letters" FROM' in also.explain()


def test_a_schema_without_reading(tables: SimpleNamespace, sent: list[str], lazily: Lazily) -> None:
    """The schema of the lazy frame is that of the declared types, and costs no read."""
    assert lazily(tables.Kinds).collect_schema() == tables.Kinds.to_polars().schema
    assert sent == []


def test_no_rows(tables: SimpleNamespace, lazily: Lazily) -> None:
    """A result without rows has its columns and types."""
    assert_frame_equal(lazily(tables.Absent).collect(), tables.Absent.to_polars())


def test_attributes_order_and_limit(tables: SimpleNamespace, lazily: Lazily) -> None:
    """The arguments of other reads: what is applied to the lazy frame applies to those rows only."""
    lazy = lazily(tables.Subject, "name", order_by="subject_id DESC", limit=3, offset=1)
    assert lazy.collect_schema().names() == ["name"]
    assert lazy.collect()["name"].to_list() == ["Cyd", "Bob", "Ann"]
    assert lazy.filter(c("name") != "Cyd").head(1).collect()["name"].to_list() == ["Bob"]
    assert lazy.head(2).collect()["name"].to_list() == ["Cyd", "Bob"]
    with pytest.raises(UnknownAttribute):
        lazily(tables.Subject, "nam")
    with pytest.raises(InvalidCondition):
        lazily(tables.Subject, limit=-1)


def test_queries_as_lazy_frames(tables: SimpleNamespace, lazily: Lazily) -> None:
    """Any query has a lazy frame; filters on computed attributes and aggregates run in the database."""
    query = tables.Subject.aggr(tables.Session, n="count(*)", twice="2 * subject_id")
    lazy = lazily(query, order_by="KEY").filter(c("n") > 0, c("twice") < 6).select("subject_id", "n")
    assert lazy.collect().rows() == [(1, 3), (2, 1)]
    assert "In Polars" not in lazy.explain()


def test_sink(tables: SimpleNamespace, lazily: Lazily, tmp_path: Path) -> None:
    """A lazy frame is written to a file in a stream."""
    lazily(tables.Kinds, "id", "i8", "letters", order_by="KEY").filter(c("i8") > 5).sink_parquet(tmp_path / "rows")
    assert_frame_equal(
        pl.read_parquet(tmp_path / "rows"),
        tables.Kinds.to_polars("id", "i8", "letters", order_by="KEY").filter(c("i8") > 5),
    )


LISTS: dict[str, tuple[list[Any], list[int]]] = {
    "i64": ([*range(-50_000, 0), 2**63 - 1], [4]),
    "u64": ([*range(1, 50_000), 2**64 - 1], [1, 4]),
    "i8": ([*range(50, 5_000)], [1]),
    "letters": ([f"'{number}\\{{," for number in range(200)] + ["O'Neil \\ 100% ü", "nul \0"], [1]),
    "day": ([datetime.date(2024, 1, 1) + datetime.timedelta(days=day) for day in range(300)], [1]),
    "tag": ([uuid.UUID(int=number).bytes for number in range(200)], [2]),
    "exact": ([decimal.Decimal(number) / 100 for number in range(1000, 2000)], [1]),
    "f64": ([number / 2 for number in range(200)], [1, 4]),
}
"""Attribute -> a long list, and the keys of the rows whose values are in it."""


@pytest.mark.parametrize("name", LISTS)
def test_long_lists(tables: SimpleNamespace, lazily: Lazily, name: str) -> None:
    """A long list is looked up in the database, in time that one can wait for, with the rows of a short one."""
    values, wanted = LISTS[name]
    lazy = lazily(tables.Kinds, order_by="KEY").filter(c(name).is_in(values))
    assert lazy.collect()["id"].to_list() == wanted
    assert "In Polars" not in lazy.explain()


# --- what plans say ----------------------------------------------------------------------------------------------


def unwanted(_: pl.DataFrame) -> pl.DataFrame:
    """A function of the user's that explain() must not call."""
    raise AssertionError("it was called")


def test_each_source_of_a_plan(tables: SimpleNamespace, sent: list[str], lazily: Lazily) -> None:
    """Of two queries that are joined, grouped and put under a frame, each stands in the plan with its SELECT."""
    upper = c("name").str.to_uppercase() != "BOB"
    sessions = lazily(tables.Session).filter(c("x") > 0)
    subjects = lazily(tables.Subject).filter(c("subject_id") < 9, upper).map_batches(unwanted)
    both = sessions.join(subjects, on="subject_id").group_by("name").agg(c("x").sum()).with_columns(y=c("x") * 2)
    for lazy in (both, pl.LazyFrame({"name": ["Ann"]}).join(both, on="name"), pl.concat([both, both.head(1)])):
        plan = lazy.explain()
        first, second, *_ = selects(plan)
        assert 'WHERE t1."x" > ' in first
        assert 'WHERE t1."subject_id" < 9' in second
        assert "to_uppercase" in plan.partition("In Polars: ")[2]
        assert "Uppercase of the Polars expression is not computed by the database" in plan
    assert sent == []


def test_a_frame_that_is_used_twice(tables: SimpleNamespace, sent: list[str], lazily: Lazily) -> None:
    """A lazy query that uses one lazy frame twice reads it once, so that both uses agree; of two, each is read."""
    lazy, other = lazily(tables.Session), lazily(tables.Session)
    key = ["subject_id", "session"]
    assert len(selects(lazy.join(lazy, on=key).explain())) == 1
    assert lazy.join(lazy, on=key).collect().height == len(tables.Session())
    assert len(sent) == 1
    assert lazy.join(other, on=key).collect().height == len(tables.Session())
    assert len(sent) == 3


def test_forms_of_plans(tables: SimpleNamespace, lazily: Lazily) -> None:
    """A tree shows the SELECT, too. A plan that is not optimized hands nothing over and has none yet."""
    lazy = lazily(tables.Session).filter(c("x") > 0).select("x")
    (select,) = selects(lazy.explain())
    assert select in lazy.explain(format="tree")
    assert "Query" in lazy.explain(optimized=False)
    assert selects(lazy.explain(optimized=False)) == []


def test_plans_of_odd_values(tables: SimpleNamespace, lazily: Lazily) -> None:
    """Whatever stands in a SELECT stands in the plan, in both forms."""
    lazy = lazily(tables.Kinds).filter(c("letters").is_in(["%s {0}\t\\ 100%", "O'Neil \\ 100% ü", "-- In Polars: '"]))
    assert lazy.collect()["id"].to_list() == [1]
    for form in ("plain", "tree"):
        assert "%s {0}" in lazy.explain(format=form)


def test_plans_leave_nothing_behind(tables: SimpleNamespace, lazily: Lazily) -> None:
    """A lazy frame that is filtered in many ways does not keep what it has read."""
    lazy = lazily(tables.Session)
    for number in range(20):
        lazy.filter(c("x") > number).collect()
        lazy.filter(c("x") > number).explain()
    gc.collect()
    assert [kept for kept in gc.get_objects() if isinstance(kept, lazy_frames.Query | lazy_frames.Scan)] == []


# --- restriction by expressions ----------------------------------------------------------------------------------


def test_expressions_among_conditions(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """A Polars expression stands wherever a condition does."""
    over = c("x") > 0
    keys = [(row["subject_id"], row["session"]) for row in evaluate(tables.Session & [over, "session = 3"])]
    assert keys == [(1, 1), (1, 3), (2, 1)]
    assert len(evaluate(tables.Session & dj.AndList([over, {"subject_id": 1}]))) == 1
    assert len(evaluate(tables.Session & dj.Not(over))) == 3
    assert len(evaluate(tables.Session & pl.lit(value=True))) == 5
    assert evaluate(tables.Session & pl.lit(value=False)) == []
    assert len(evaluate((tables.Session & over).proj(y="x + 1") & (c("y") < 3))) == 1


REFUSED: list[tuple[pl.Expr, str]] = [
    (c("nope") > 1, "nope"),
    (c("x"), "not true or false"),
    (c("x") > "a", "the types differ"),
    (c("x") > c("x").mean(), "row by row"),
    (c("x").shift(1) > 1, "row by row"),
    (pl.len() > 1, "row by row"),
    (c("x").sin() > 0.5, "Sin"),
    (c("x") > float("inf"), "is_finite"),
    (pl.when(c("x") > 0).then(1).otherwise(None) == 1, "cast them, as in"),
    (pl.all() > 1, "Polars refuses .*multiple|Polars refuses .*compare"),
]


@pytest.mark.parametrize(("expression", "why"), REFUSED, ids=str)
def test_refused_expressions(tables: SimpleNamespace, expression: pl.Expr, why: str) -> None:
    """What no query can be restricted by is refused, and the error names the part."""
    with pytest.raises(InvalidCondition, match=why):
        tables.Session & expression
