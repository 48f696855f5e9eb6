"""Lazy frames of a transaction, collected on several threads: its one session serves them one after the other."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import polars as pl
import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection

ROWS = 20_000


@pytest.fixture
def numbers(schema: dj.Schema) -> type[dj.Manual]:
    """A table of some batches."""

    @schema
    class Number(dj.Manual):
        definition = "number : int32\n---\nhalf : float64\nword : varchar(20)"

    Number.insert(pl.DataFrame({"number": range(ROWS)}).with_columns(half=pl.col("number") / 2, word=pl.lit("x")))
    return Number


@pytest.mark.timeout(60)
def test_collected_by_many_threads(numbers: type[dj.Manual], connection: PostgresConnection) -> None:
    """Each thread gets its own rows, also while the transaction's thread reads and streams."""
    with connection.transaction:
        frames = [numbers.to_lazy().filter(pl.col("number") % 6 == part) for part in range(6)]
        stream = numbers.to_batches("number", order_by="KEY", rows=1000)
        first = next(stream).num_rows
        with ThreadPoolExecutor(6) as threads:
            found = [threads.submit(frame.collect) for frame in frames]
            counts = [len(numbers) for _ in range(10)]
            parts = [task.result() for task in found]
        assert first + sum(batch.num_rows for batch in stream) == ROWS
    assert counts == [ROWS] * 10
    assert [set(part["number"] % 6) for part in parts] == [{part} for part in range(6)]
    assert sum(part.height for part in parts) == ROWS


@pytest.mark.timeout(60)
def test_collected_in_the_background(numbers: type[dj.Manual], connection: PostgresConnection) -> None:
    """A collect that runs on does not mix its result with that of a read."""
    with connection.transaction:
        running = [numbers.to_lazy().collect(background=True) for _ in range(4)]
        assert [len(numbers) for _ in range(10)] == [ROWS] * 10
        assert [query.fetch_blocking().height for query in running] == [ROWS] * 4


@pytest.mark.timeout(60)
def test_planned_by_many_threads(numbers: type[dj.Manual], connection: PostgresConnection) -> None:
    """Threads that plan and collect one lazy frame at once each get the plan of their own filter."""

    def plan(part: int) -> tuple[str, int]:
        lazy = frame.filter(pl.col("number") % 6 == part).select("half")
        return lazy.explain(), lazy.collect().height

    with connection.transaction:
        frame = numbers.to_lazy()
        with ThreadPoolExecutor(6) as threads:
            found = list(threads.map(plan, [*range(6)] * 4))
    for number, (told, height) in enumerate(found):
        assert told.endswith(f"END = {number % 6}")
        assert height == len(range(number % 6, ROWS, 6))
