"""Random Polars predicates over rows of extremes: the database keeps the rows that Polars keeps.

Predicates are drawn by type, so that most of them are valid; those that Polars refuses of a frame are not compared.
DJARROW_FUZZ=<examples> runs that many; the default is a sample.
"""

from __future__ import annotations

import contextlib
import datetime
import decimal
import operator
import os
import random
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import polars as pl
import pytest
from attrs import frozen
from hypothesis import HealthCheck, event, given, note, settings
from hypothesis import strategies as st

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import InvalidCondition
from djarrow.repo.opening.repository import Repository
from tests.described import drop_schemas

UTC = datetime.UTC
INTEGERS = {"i8": (-(2**7), 2**7 - 1), "u8": (0, 2**8 - 1), "i16": (-(2**15), 2**15 - 1), "i32": (-(2**31), 2**31 - 1),
            "u32": (0, 2**32 - 1), "i64": (-(2**63), 2**63 - 1), "u64": (0, 2**64 - 1)}  # fmt: skip
FLOATS = [0.0, -0.0, 1.0, -1.5, 0.1, 2.5, 1e-40, 1e38, float("nan"), float("inf"), float("-inf")]
DOUBLES = [*FLOATS, 5e-324, 1e-200, 1e200, 1.7e308, -1.7e308, 0.1 + 0.2]
DECIMALS = [decimal.Decimal(text) for text in ("0.00", "-0.05", "12.35", "99999.99", "-99999.99")]
STRINGS = [
    "",
    "a",
    "A",
    "ab",
    "ä",
    "ß",
    "%",
    "_",
    "\\",
    "a%b_c\\d",
    "'",
    "\n",
    "🎈",
    "a\nb",
    "é",
    "e\u0301",
    "👩\u200d🔬",
]
DATES = [datetime.date(1, 1, 1), datetime.date(1582, 10, 10), datetime.date(1969, 12, 31), datetime.date(1970, 1, 1),
         datetime.date(2000, 2, 29), datetime.date(2024, 12, 30), datetime.date(9999, 12, 31)]  # fmt: skip
TIMES = [datetime.time(0), datetime.time(0, 0, 0, 1), datetime.time(12, 30, 59, 500_000),
         datetime.time(23, 59, 59, 999_999)]  # fmt: skip
WALLS = [datetime.datetime.combine(day, time) for day in DATES for time in TIMES]
TAGS = [uuid.UUID(int=value) for value in (0, 1, 2**127 - 1, 2**127, 2**128 - 1)]
ROWS = 80
EXAMPLES = int(os.environ.get("DJARROW_FUZZ", "150"))


def _whole(low: int, high: int) -> list[int]:
    """The extremes of a range and what lies around 0."""
    return [value for value in (low, low + 1, -1, 0, 1, 2, 7, high // 2, high - 1, high) if low <= value <= high]


VALUES: dict[str, list[Any]] = {
    **{name: _whole(*limits) for name, limits in INTEGERS.items()},
    "f32": FLOATS, "f64": DOUBLES, "exact": DECIMALS, "truth": [True, False], "letters": STRINGS,
    "choice": ["low", "high", "a"], "day": DATES, "clock": TIMES, "wall": WALLS,
    "moment": [wall.replace(tzinfo=UTC) for wall in WALLS], "tag": TAGS,
}  # fmt: skip
"""Attribute -> its values: the extremes of its type, and ordinary ones."""


@frozen(repr=False)
class Sources:
    """The rows as a frame, and the two databases that hold them."""

    table: type[dj.Manual]
    frame: pl.DataFrame
    schema: dj.Schema
    repository: Repository

    def places(self) -> Iterator[contextlib.AbstractContextManager[Any]]:
        """Where a query runs: on the server, and on the repository."""
        yield contextlib.nullcontext()
        yield self.repository.using(self.schema)


@pytest.fixture(scope="module")
def sources(connection: PostgresConnection, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sources]:
    """A table of rows in which the values of each type occur, and NULL."""
    draw = random.Random(1)  # noqa: S311 - the same rows in every run
    drop_schemas(connection, "predicates")
    schema = dj.Schema("predicates", connection=connection)
    attributes = "\n".join(f"{name} = null : {kind}" for name, kind in zip(VALUES, KINDS, strict=True))

    class Extreme(dj.Manual):
        definition = f"id : int32\n---\n{attributes}"

    table: type[dj.Manual] = schema(Extreme)
    table.insert(
        {"id": number, **{
            name: draw.choice([*values, None]) for name, values in VALUES.items()
        }}
        for number in range(ROWS)
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("predicates") / "repository"
    dj.export(schema, folder)
    repository = dj.open(folder)
    yield Sources(table, table.to_polars(order_by="KEY"), schema, repository)
    repository.close()
    drop_schemas(connection, "predicates")


# --- predicates --------------------------------------------------------------------------------------------------

Expressions = st.SearchStrategy[pl.Expr]

KINDS = ("int8", "uint8", "int16", "int32", "uint32", "int64", "uint64", "float32", "float64", "decimal(7,2)", "bool",
         "varchar(20)", "enum('low', 'high', 'a')", "date", "time", "datetime", "timestamp", "uuid")  # fmt: skip
"""The types of the attributes, in the order of VALUES."""

DTYPES: dict[str, Any] = {
    "i8": pl.Int8, "u8": pl.UInt8, "i16": pl.Int16, "i32": pl.Int32, "u32": pl.UInt32, "i64": pl.Int64,
    "u64": pl.UInt64, "f64": pl.Float64, "exact": pl.Decimal(7, 2), "truth": pl.Boolean, "letters": pl.String,
    "choice": pl.String,
    "day": pl.Date, "wall": pl.Datetime("us"), "moment": pl.Datetime("us", "UTC"), "tag": pl.Binary,
}  # fmt: skip
"""What a list of values of an attribute is given as."""

NUMBERS = [*INTEGERS, "f32", "f64"]
MOMENTS = ["day", "wall", "moment"]
COMPARE = [operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge,
           pl.Expr.eq_missing, pl.Expr.ne_missing]  # fmt: skip
COMPUTE: list[Callable[[pl.Expr, Any], pl.Expr]] = [
    operator.add,
    operator.sub,
    operator.mul,
    operator.truediv,
    operator.floordiv,
    operator.mod,
    lambda left, _: -left,
    lambda left, _: left.abs(),
    lambda left, _: left.floor(),
    lambda left, _: left.ceil(),
    lambda left, right: left.fill_null(right),
]
PARTS = ["year", "quarter", "month", "day", "weekday", "ordinal_day"]
CLOCK_PARTS = ["hour", "minute", "second"]


def _constant(name: str) -> st.SearchStrategy[Any]:
    """A value of an attribute; the bytes of a UUID, as Polars has it."""
    return st.sampled_from(VALUES[name]).map(lambda value: value.bytes if isinstance(value, uuid.UUID) else value)


@st.composite
def comparisons(draw: st.DrawFn) -> pl.Expr:
    """An attribute with a value of its type, or of a near one."""
    name = draw(st.sampled_from(list(VALUES)))
    compare = draw(st.sampled_from(COMPARE))
    other = draw(st.sampled_from(NUMBERS)) if name in NUMBERS else name
    found: pl.Expr = compare(pl.col(name), draw(_constant(other)))
    return found


@st.composite
def pairs(draw: st.DrawFn) -> pl.Expr:
    """Two attributes of types that are compared."""
    names = draw(st.sampled_from([NUMBERS, ["day", "wall"], ["exact", "i32"], ["exact", "f64"], ["letters"]]))
    left, right = (draw(st.sampled_from(names)) for _ in range(2))
    found: pl.Expr = draw(st.sampled_from(COMPARE))(pl.col(left), pl.col(right))
    return found


@st.composite
def memberships(draw: st.DrawFn) -> pl.Expr:
    """is_in and is_between."""
    name = draw(st.sampled_from([name for name in VALUES if name not in ("f32", "clock")]))
    values = draw(st.lists(st.none() | _constant(name), max_size=4))
    low, high = draw(_constant(name)), draw(_constant(name))
    closed: Any = draw(st.sampled_from(["both", "left", "right", "none"]))
    listed = pl.col(name).is_in(pl.Series(values, dtype=DTYPES[name], strict=False).implode())
    return draw(st.sampled_from([listed, pl.col(name).is_between(low, high, closed=closed)]))


@st.composite
def numbers(draw: st.DrawFn, depth: int = 2) -> pl.Expr:
    """Arithmetic over attributes and constants."""
    if depth == 0 or draw(st.booleans()):
        name = draw(st.sampled_from(NUMBERS))
        wide = draw(st.sampled_from([None, pl.Int64, pl.Float64]))
        return pl.col(name) if wide is None else pl.col(name).cast(wide, strict=False)
    left = draw(numbers(depth - 1))
    right: Any = draw(st.one_of(numbers(depth - 1), st.integers(-3, 200), st.sampled_from([0.5, 1e200, -2.0, 1e-200])))
    apply = draw(st.sampled_from(COMPUTE))
    found: pl.Expr = apply(left, right)
    return found


@st.composite
def computed(draw: st.DrawFn) -> pl.Expr:
    """Arithmetic compared."""
    found: pl.Expr = draw(st.sampled_from(COMPARE))(draw(numbers()), draw(st.one_of(numbers(), st.integers(-3, 300))))
    return found


@st.composite
def strings(draw: st.DrawFn) -> pl.Expr:
    """Searches in strings."""
    text, wanted = pl.col("letters"), draw(st.sampled_from(STRINGS))
    searches: list[Callable[[], pl.Expr]] = [
        lambda: text.str.starts_with(wanted),
        lambda: text.str.ends_with(wanted),
        lambda: text.str.contains(wanted, literal=True),
        lambda: text.str.contains(wanted, strict=False),
        lambda: text.str.len_chars() == len(wanted),
        lambda: text.str.to_lowercase() == wanted,
        lambda: text.fill_null(wanted) == wanted,
    ]
    return draw(st.sampled_from(searches))()


@st.composite
def moments(draw: st.DrawFn) -> pl.Expr:
    """Parts of dates and times."""
    name = draw(st.sampled_from([*MOMENTS, "clock"]))
    parts = CLOCK_PARTS if name == "clock" else PARTS if name == "day" else [*PARTS, *CLOCK_PARTS]
    part: pl.Expr = getattr(pl.col(name).dt, draw(st.sampled_from(parts)))()
    dates = pl.col(draw(st.sampled_from(["wall", "moment"]))).dt.date()
    compare = draw(st.sampled_from(COMPARE))
    found: pl.Expr = draw(
        st.sampled_from([compare(part, draw(st.integers(0, 60))), compare(dates, draw(_constant("day")))])
    )
    return found


def probes() -> Expressions:
    """Tests of one attribute."""
    null = st.sampled_from(list(VALUES)).map(lambda name: pl.col(name).is_null())
    odd = st.sampled_from(["f32", "f64"]).flatmap(
        lambda name: st.sampled_from([pl.col(name).is_nan(), pl.col(name).is_finite(), pl.col(name).is_infinite()])
    )
    return null | odd | st.just(pl.col("truth"))


def predicates() -> Expressions:
    """Any of these, joined by logic."""
    simple = comparisons() | pairs() | memberships() | computed() | strings() | moments() | probes()
    return st.recursive(
        simple,
        lambda inner: st.one_of(
            st.tuples(inner, inner).map(lambda both: both[0] & both[1]),
            st.tuples(inner, inner).map(lambda both: both[0] | both[1]),
            st.tuples(inner, inner).map(lambda both: both[0] ^ both[1]),
            inner.map(lambda one: ~one),
            st.tuples(inner, inner, inner).map(lambda all_: pl.when(all_[0]).then(all_[1]).otherwise(all_[2])),
        ),
        max_leaves=5,
    )


@pytest.mark.timeout(120 + EXAMPLES)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(predicate=predicates())
def test_the_same_rows_as_polars(sources: Sources, predicate: pl.Expr) -> None:
    """A lazy frame gives the rows that Polars keeps of the frame; so does a restriction, where it is not refused."""
    try:
        wanted = sources.frame.filter(predicate)["id"].to_list()
    except (pl.exceptions.PolarsError, TypeError):
        event("Polars refuses it")
        return
    note(str(predicate))
    for place in sources.places():
        with place:
            lazy = sources.table.to_lazy(order_by="KEY").filter(predicate).select("id")
            restricted = _restricted(sources.table, predicate)
            if restricted is not None:
                assert restricted.to_polars("id", order_by="KEY")["id"].to_list() == wanted
        assert lazy.collect()["id"].to_list() == wanted
    kept = any(word in lazy.explain() for word in ("FILTER", "In Polars"))
    event("in part, or in Polars" if kept else "all in the database")


def _restricted(table: Any, predicate: pl.Expr) -> Any:
    """The restricted table, None where it is refused."""
    try:
        return table & predicate
    except InvalidCondition:
        return None
