"""What lazy frames rely on in Polars. A release that changes one of these is seen here first."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal

import polars as pl
import pytest
from attrs import define, field
from polars.io.plugins import register_io_source

FRAME = pl.DataFrame(
    {"a": [1, 2, 3], "b": [1.0, 2.0, 3.0], "c": ["x", "y", "z"]}, schema={"a": pl.Int8, "b": pl.Float64, "c": pl.String}
)

ENGINES: list[Literal["in-memory", "streaming"]] = ["in-memory", "streaming"]


@define
class Asked:
    """A source that gives the frame and remembers what it was asked for."""

    columns: list[str] | None = None
    predicates: list[Any] = field(factory=list)
    rows: int | None = None

    def frame(self) -> pl.LazyFrame:
        """The lazy frame over the source."""
        return register_io_source(self.read, schema=FRAME.schema)

    def read(
        self, columns: list[str] | None, predicate: pl.Expr | None, rows: int | None, _: int | None
    ) -> Iterator[pl.DataFrame]:
        """The rows asked for."""
        self.columns, self.rows = columns, rows
        if predicate is not None:
            self.predicates.append(json.loads(predicate.meta.serialize(format="json")))
        found = FRAME if rows is None else FRAME.head(rows)
        found = found if predicate is None else found.filter(predicate)
        yield found if columns is None else found.select(columns)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_first_rows_come_before_the_predicate(engine: Literal["in-memory", "streaming"]) -> None:
    """A source asked for rows and a predicate is to take the rows first; the other way round, Polars takes them."""
    asked = Asked()
    assert asked.frame().head(2).filter(pl.col("a") > 1).collect(engine=engine)["a"].to_list() == [2]
    assert (asked.rows, len(asked.predicates)) == (2, 1)
    assert asked.frame().filter(pl.col("a") > 1).head(1).collect(engine=engine)["a"].to_list() == [2]
    assert (asked.rows, len(asked.predicates)) == (None, 2)


@pytest.mark.parametrize("engine", ENGINES)
def test_slices_with_an_offset_are_not_handed_over(engine: Literal["in-memory", "streaming"]) -> None:
    """Polars takes slices that do not begin at the first row by itself."""
    asked = Asked()
    assert asked.frame().slice(1, 1).collect(engine=engine)["a"].to_list() == [2]
    assert asked.rows is None


def test_columns_include_those_of_the_predicate() -> None:
    """The columns asked for are those that are needed; a count asks for one."""
    asked = Asked()
    asked.frame().filter(pl.col("a") > 1).select("b").collect()
    assert asked.columns == ["a", "b"]
    asked.frame().select(pl.len()).collect()
    assert asked.columns == ["a"]


def test_types_are_resolved() -> None:
    """Constants come in the type of what they meet, casts are explicit, and what never holds is settled."""
    asked = Asked()
    for predicate in (pl.col("a") > 1, pl.col("a") > 1.5, pl.col("a") > 300):
        asked.frame().filter(predicate).collect()
    column = {"Column": "a"}
    as_float = {"Cast": {"expr": column, "dtype": {"Literal": "Float64"}, "options": "NonStrict"}}
    assert asked.predicates[:2] == [
        {"BinaryExpr": {"left": column, "op": "Gt", "right": {"Literal": {"Scalar": {"Int8": 1}}}}},
        {"BinaryExpr": {"left": as_float, "op": "Gt", "right": {"Literal": {"Scalar": {"Float64": 1.5}}}}},
    ]
    assert set(asked.predicates[2]) == {"Ternary"}


def test_what_is_not_computed_row_by_row_is_kept_back() -> None:
    """Polars filters by itself where a row's result depends on other rows."""
    asked = Asked()
    for predicate in (pl.col("a").shift(1) > 1, pl.col("a") > pl.col("a").mean(), pl.Series([True, False, True])):
        asked.frame().filter(predicate).collect()
    assert asked.predicates == []


def test_a_part_of_a_conjunction_may_be_kept_back() -> None:
    """Of a conjunction with a part that may fail, the other is handed over alone; within a choice all of it is."""
    asked = Asked()
    conjunction = (pl.col("b") > 1) & (pl.col("b").cast(pl.Int8, strict=True) > 1)
    asked.frame().filter(conjunction).collect()
    asked.frame().filter(pl.when(conjunction).then(statement=True).otherwise(statement=False)).collect()
    bare, chosen = map(json.dumps, asked.predicates)
    assert "Strict" not in bare
    assert "Strict" in chosen


def test_lists_are_arrow_streams() -> None:
    """A list of constants is in the tree as the bytes of an Arrow stream of one column."""
    import pyarrow as pa

    asked = Asked()
    asked.frame().filter(pl.col("a").is_in([1, None])).collect()
    (tree,) = asked.predicates
    content = tree["Function"]["input"][1]["Literal"]["Scalar"]["List"]
    assert pa.ipc.open_stream(bytes(content)).read_all().column(0).to_pylist() == [1, None]


def test_json_has_no_nan() -> None:
    """NaN and the infinities are all null in the tree."""
    asked = Asked()
    for value in (float("nan"), float("inf"), float("-inf")):
        asked.frame().filter(pl.col("b") == value).collect()
    assert {json.dumps(tree["BinaryExpr"]["right"]) for tree in asked.predicates} == {
        '{"Literal": {"Scalar": {"Float64": null}}}'
    }


@pytest.mark.parametrize("engine", ENGINES)
def test_errors_of_a_source_come_as_they_are(engine: Literal["in-memory", "streaming"]) -> None:
    """What a source raises reaches whoever collects, not wrapped."""

    class Odd(Exception):
        pass

    def source(*_: object) -> Iterator[pl.DataFrame]:
        yield FRAME
        raise Odd

    with pytest.raises(Odd):
        register_io_source(source, schema=FRAME.schema).collect(engine=engine)
