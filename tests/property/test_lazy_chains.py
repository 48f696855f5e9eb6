"""Random chains of operations: a lazy frame of the database gives what Polars gives of the fetched frame.

DJARROW_FUZZ=<examples> runs that many; the default is a sample.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from typing import Literal

import polars as pl
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import djarrow as dj

c = pl.col
EXAMPLES = int(os.environ.get("DJARROW_FUZZ", "60"))
ENGINES: tuple[Literal["in-memory", "streaming"], ...] = ("in-memory", "streaming")
ROWS = pl.DataFrame(
    {
        "n": range(9),
        "a": [1, 2, 3, 4, None, 6, 7, 8, -1],
        "b": [1.0, 2.0, 3.0, 4.0, 5.0, None, 7.0, 8.0, -0.0],
        "s": ["a", "b", "c", "d", "b", None, "a", "", "é"],
    },
    schema={"n": pl.Int32, "a": pl.Int16, "b": pl.Float64, "s": pl.String},
)

Frame = pl.LazyFrame
Step = Callable[[Frame, Frame], Frame]
"""From the frame so far, and the one that everything began with, to the next."""


def predicate(chance: random.Random, names: list[str]) -> pl.Expr:
    """A predicate over some of these columns: all, in part or not at all computed by the database."""
    number = chance.randint(-1, 8)
    of = {
        "a": [c("a") > number, c("a") + 30_000 > number, c("a").shift(1) > 2, c("a") > c("a").mean()],
        "b": [c("b") < number, (c("b") > 2) | c("b").is_null(), c("b").sqrt() < 2, c("b").cast(pl.Int8) > 1],
        "s": [c("s") == "b", c("s").str.to_uppercase() != "B", c("s").map_batches(lambda s: s != "a", pl.Boolean)],
        "n": [c("n").is_in([1, 4, number]), c("n").cum_count() > 2],
        "index": [c("index") > 1],
        "z": [c("z") > number],
    }
    return chance.choice([each for name in names for each in of.get(name, [])] or [pl.lit(value=True)])


def step(chance: random.Random, names: list[str]) -> Step:
    """An operation that frames of these columns have."""
    some, one, number = chance.sample(names, chance.randint(1, len(names))), chance.choice(names), chance.randint(-4, 6)
    kept, more, also = predicate(chance, names), predicate(chance, names), predicate(chance, ["n", "a", "b", "s"])
    steps: list[Step] = [
        lambda frame, _: frame.filter(kept),
        lambda frame, _: frame.filter(kept, more),
        lambda frame, _: frame.select(some),
        lambda frame, _: frame.drop(one),
        lambda frame, _: frame.head(abs(number)),
        lambda frame, _: frame.tail(abs(number)),
        lambda frame, _: frame.slice(number, abs(number)),
        lambda frame, _: frame.reverse(),
        lambda frame, _: frame.sort(one, maintain_order=True),
        lambda frame, _: frame.unique(one, keep="first", maintain_order=True),
        lambda frame, _: frame.group_by(one, maintain_order=True).agg(pl.all().first()),
        lambda frame, _: frame.map_batches(lambda part: part),
        lambda frame, _: frame.select(pl.len()),
        lambda frame, _: pl.concat([frame, frame.filter(kept)]),
    ]
    if "index" not in names:
        steps += [lambda frame, _: frame.with_row_index(offset=abs(number))] * 2
    if "b" in names:
        steps.append(lambda frame, _: frame.with_columns(z=c("b") * 2))
    if "n" in names:
        steps += [
            lambda frame, first: frame.join(first.filter(also), on="n", how="semi", maintain_order="left"),
            lambda frame, first: frame.join(
                first.filter(also).select("n", other="a"), on="n", how="left", maintain_order="left_right"
            ).drop("other"),
            lambda frame, _: pl.LazyFrame({"n": [4, 1, 99]}, {"n": pl.Int32}).join(
                frame, on="n", maintain_order="left_right"
            ),
        ]
    return chance.choice(steps)


@pytest.fixture
def items(schema: dj.Schema) -> type[dj.Manual]:
    """The table of these rows."""

    @schema
    class Item(dj.Manual):
        definition = "n : int32\n---\na = null : int16\nb = null : float64\ns = null : varchar(5)"

    Item.insert(ROWS)
    return Item


def result(frame: Frame, engine: Literal["in-memory", "streaming"]) -> pl.DataFrame | None:
    """The rows; None where Polars refuses or gives up."""
    try:
        return frame.collect(engine=engine)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return None


@pytest.mark.timeout(120 + EXAMPLES)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(seed=st.integers(0, 2**32), length=st.integers(1, 6))
def test_the_same_rows_as_polars(items: type[dj.Manual], seed: int, length: int) -> None:
    """After whatever operations the rows are those of the fetched frame, and the plan can be shown before."""
    chance = random.Random(seed)  # noqa: S311 - the same steps for the same seed
    first, read = ROWS.lazy(), items.to_lazy(order_by="KEY")
    frame, lazy = first, read
    for _ in range(length):
        names = frame.collect_schema().names()
        if not names:
            break
        apply = step(chance, names)
        frame, lazy = apply(frame, first), apply(lazy, read)
    note(lazy.explain(optimized=False))
    wanted = [result(frame, engine) for engine in ENGINES]
    if wanted[0] is None or wanted[1] is None or not wanted[0].equals(wanted[1]):
        return
    lazy.explain()
    for engine in ENGINES:
        assert_frame_equal(lazy.collect(engine=engine), wanted[0])
