"""What lazy frames rely on in Polars. A release that changes one of these is seen here first."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal

import polars as pl
import pytest
from attrs import define, field
from polars.io.plugins import register_io_source
from polars.lazyframe.resolver import FilterExpr, LazyFrameResolver, ResolvedLazyFrameProps

FRAME = pl.DataFrame(
    {"a": [1, 2, 3], "b": [1.0, 2.0, 3.0], "c": ["x", "y", "z"]}, schema={"a": pl.Int8, "b": pl.Float64, "c": pl.String}
)

ENGINES: list[Literal["in-memory", "streaming"]] = ["in-memory", "streaming"]


@define
class Asked:
    """A source that gives the frame and remembers what it was asked for."""

    predicates: list[Any] = field(factory=list)
    rows: int | None = None

    def frame(self) -> pl.LazyFrame:
        """The lazy frame over the source."""
        return register_io_source(self.read, schema=FRAME.schema)

    def read(
        self, columns: list[str] | None, predicate: pl.Expr | None, rows: int | None, _: int | None
    ) -> Iterator[pl.DataFrame]:
        """The rows asked for."""
        self.rows = rows
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


# --- resolvers ---------------------------------------------------------------------------------------------------


@define
class Request:
    """What a plan asked a resolver for."""

    columns: list[str] | None
    only_for_filters: int | None
    rows: int | None
    filters: list[Any]


class Planned(LazyFrameResolver):
    """A resolver that applies those filters that are of one column, and remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.reads = 0

    def schema(self) -> pl.Schema:
        """The columns on offer."""
        return FRAME.schema

    def resolve_lazyframe(
        self,
        *,
        projection: list[str] | None,
        limit: int | None,
        filters: list[FilterExpr],
        filter_drop_columns_idx: int | None,
        **_: object,
    ) -> tuple[pl.LazyFrame, ResolvedLazyFrameProps]:
        """A source of the columns that are needed after the filters that are applied."""
        trees = [json.loads(each.expr.meta.serialize(format="json")) for each in filters]
        self.asked.append(Request(projection, filter_drop_columns_idx, limit, trees))
        applied = [number for number, each in enumerate(filters) if len(each.expr.meta.root_names()) == 1]
        rest = [each.expr for number, each in enumerate(filters) if number not in applied]
        names = FRAME.columns if projection is None else projection[:filter_drop_columns_idx]
        needed = list(dict.fromkeys([*names, *(name for each in rest for name in each.meta.root_names())]))
        frame = FRAME.filter(*(filters[number].expr for number in applied)).select(needed or FRAME.columns[:1])

        def read(
            columns: list[str] | None, predicate: pl.Expr | None, rows: int | None, _: int | None
        ) -> Iterator[pl.DataFrame]:
            self.reads += 1
            part = frame if rows is None else frame.head(rows)
            part = part if predicate is None else part.filter(predicate)
            yield part if columns is None else part.select(columns) if columns else pl.DataFrame(height=part.height)

        scan = register_io_source(read, schema=frame.schema, explain_name="mine", explain_detail="how")
        return scan, ResolvedLazyFrameProps(applied_filters=applied)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_resolver_is_asked_by_the_plan(engine: Literal["in-memory", "streaming"]) -> None:
    """A resolver is asked once for a plan, which shows the source that it gave and does not read it."""
    planned = Planned()
    lazy = planned.lazy().filter(pl.col("a") > 1).select("c")
    for _ in range(2):
        assert "PYTHON[mine] SCAN" in lazy.explain(engine=engine)
        assert "INFO: how" in lazy.explain(engine=engine)
    assert (len(planned.asked), planned.reads) == (1, 0)
    assert lazy.collect(engine=engine)["c"].to_list() == ["y", "z"]
    assert (len(planned.asked), planned.reads) == (1, 1)


def test_first_rows_and_filters_are_not_asked_for_at_once() -> None:
    """A resolver is asked for the first rows, or for filters, whichever comes first in the query."""
    planned = Planned()
    lazy = planned.lazy()
    assert lazy.head(2).filter(pl.col("a") > 1).collect()["a"].to_list() == [2]
    assert lazy.filter(pl.col("a") > 1).head(1).collect()["a"].to_list() == [2]
    assert lazy.slice(1, 1).collect()["a"].to_list() == [2]
    assert lazy.tail(1).collect()["a"].to_list() == [3]
    assert [(each.rows, len(each.filters)) for each in planned.asked] == [(2, 0), (None, 1), (2, 0), (None, 0)]


def test_the_columns_that_only_filters_need() -> None:
    """The columns asked for are those that are needed, and those of the filters after them; a count asks for one."""
    planned = Planned()
    planned.lazy().filter(pl.col("a") > 1).select("b").collect()
    planned.lazy().select(pl.len()).collect()
    planned.lazy().collect()
    assert [(each.columns, each.only_for_filters) for each in planned.asked] == [
        (["b", "a"], 1),
        (["a"], 1),
        (None, None),
    ]


def test_filters_come_one_by_one() -> None:
    """A conjunction is split, types are resolved, and Polars filters by what the resolver does not apply."""
    planned = Planned()
    lazy = planned.lazy().filter((pl.col("a") > 1) & (pl.col("a") < pl.col("b") + 1))
    assert "SELECTION" in lazy.explain()
    assert lazy.collect()["a"].to_list() == [2, 3]
    one = {"BinaryExpr": {"left": {"Column": "a"}, "op": "Gt", "right": {"Literal": {"Scalar": {"Int8": 1}}}}}
    assert len(planned.asked[0].filters) == 2
    assert one in planned.asked[0].filters


def test_functions_of_python_are_handed_to_a_resolver_as_they_are() -> None:
    """A filter that calls Python row by row is handed over without being pickled, which would need a package more."""
    given: list[pl.Expr] = []

    class Keeping(Planned):
        def resolve_lazyframe(
            self, *, filters: list[FilterExpr], **_: object
        ) -> tuple[pl.LazyFrame, ResolvedLazyFrameProps]:
            given.extend(each.expr for each in filters)
            return FRAME.lazy().filter(*given), ResolvedLazyFrameProps(applied_filters=range(len(filters)))

    over_one = pl.col("a").map_batches(lambda column: column > 1, pl.Boolean, is_elementwise=True)
    assert Keeping().lazy().filter(over_one).collect()["a"].to_list() == [2, 3]
    assert [each.meta.root_names() for each in given] == [["a"]]


def test_filters_that_are_not_handed_to_a_resolver() -> None:
    """Polars keeps what depends on other rows, and what may fail, also where a source would be given it."""
    planned = Planned()
    kept: list[pl.Expr | pl.Series] = [
        pl.col("a").shift(1) > 1,
        pl.col("a") > pl.col("a").mean(),
        pl.Series([True, False, True]),
        pl.col("b").cast(pl.Int8) > 1,
        pl.col("a").map_batches(lambda column: column > 1, pl.Boolean),
    ]
    for predicate in kept:
        lazy = planned.lazy().filter(predicate)
        assert "FILTER" in lazy.explain()
        lazy.collect()
    assert [each.filters for each in planned.asked] == [[]] * len(kept)


def test_a_resolver_is_kept_with_its_answers() -> None:
    """Polars lets go of no answer of a resolver while the frame lives, so that djarrow makes one for each plan."""
    planned = Planned()
    for lazy, kept in (
        (planned.lazy(), 3),
        (pl.LazyFrame(schema=FRAME.schema).pipe_with_schema(lambda *_: planned.lazy()), 1),
    ):
        for number in range(3):
            told = lazy.filter(pl.col("a") > number).explain()
        assert f"cached_resolves: {kept}" in told


def test_rows_that_are_numbered() -> None:
    """The streaming engine fails where rows of a resolver are numbered, unless there is a step between."""
    lazy = Planned().lazy()
    numbered = lazy.unnest([]).with_row_index().select("b", "index")
    assert numbered.collect(engine="streaming")["index"].to_list() == [0, 1, 2]
    with pytest.raises(pl.exceptions.PanicException):
        lazy.with_row_index().select("b", "index").collect(engine="streaming")


@pytest.mark.parametrize("engine", ENGINES)
def test_errors_of_a_resolver_come_as_they_are(engine: Literal["in-memory", "streaming"]) -> None:
    """What a resolver raises reaches whoever collects or looks at the plan."""

    class Odd(Exception):
        pass

    class Raising(Planned):
        def resolve_lazyframe(self, **_: object) -> tuple[pl.LazyFrame, ResolvedLazyFrameProps]:
            raise Odd

    with pytest.raises(Odd):
        Raising().lazy().collect(engine=engine)
    with pytest.raises(Odd):
        Raising().lazy().explain(engine=engine)


@pytest.mark.parametrize("engine", ENGINES)
def test_frames_without_columns(engine: Literal["in-memory", "streaming"]) -> None:
    """A source that is asked for no columns gives a frame of as many rows."""
    lazy = Planned().lazy().unnest([])
    assert lazy.drop("a", "b", "c").collect(engine=engine).shape == (3, 0)
    assert lazy.with_row_index().select("index").collect(engine=engine).height == 3
