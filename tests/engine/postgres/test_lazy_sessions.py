"""Where a lazy frame reads: on sessions of its own, inside a transaction in that, and what it leaves behind."""

from __future__ import annotations

import os
import threading
import traceback
from collections.abc import Iterator

import polars as pl
import pytest

import djarrow as dj
from djarrow.engine.connect import connect
from djarrow.engine.embedded import EmbeddedServer
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import DjarrowError
from tests.described import drop_schemas

ROWS = 200_000


@pytest.fixture
def own(server: EmbeddedServer) -> Iterator[PostgresConnection]:
    """A connection that no other test uses, so that its sessions can be counted."""
    url = server.url()
    assert url is not None
    opened = connect(url)
    yield opened
    drop_schemas(opened, "lazy_sessions")
    opened.close()


@pytest.fixture
def numbers(own: PostgresConnection) -> type[dj.Manual]:
    """A table of many rows."""
    schema = dj.Schema("lazy_sessions", connection=own)

    @schema
    class Number(dj.Manual):
        definition = """
        number : int32
        ---
        half : float64
        """

    table: type[dj.Manual] = Number
    table.insert(pl.DataFrame({"number": range(ROWS)}).with_columns(half=pl.col("number") / 2))
    return table


def streams_of(connection: PostgresConnection) -> int:
    """The sessions that streams have opened and that are not closed."""
    return sum(session.thread is None and not session.lost for session in connection._sessions._all)


def test_a_transaction_is_read_from_within(numbers: type[dj.Manual], own: PostgresConnection) -> None:
    """A lazy frame made in a transaction sees what it has written, also where Polars reads it twice."""
    with own.transaction:
        lazy = numbers.to_lazy()
        numbers.insert1((-1, 0.0))
        assert lazy.filter(pl.col("number") < 1).sort("number").collect()["number"].to_list() == [-1, 0]
        both = lazy.head(10).join(lazy, on="number").select(pl.len())
        assert both.collect(engine="streaming").item() == 10
        assert both.collect(engine="in-memory").item() == 10
        assert numbers.to_lazy().select(pl.len()).collect().item() == ROWS + 1


def test_after_its_transaction(numbers: type[dj.Manual], own: PostgresConnection) -> None:
    """A lazy frame made in a transaction is read as others are when that is over."""
    with own.transaction:
        lazy = numbers.to_lazy().filter(pl.col("number") < 0)
        assert lazy.collect().height == 0
    numbers.insert1((-1, 0.0))
    assert lazy.collect().height == 1


def test_each_collect_reads_anew(numbers: type[dj.Manual]) -> None:
    """What is there when a lazy frame is collected counts, not when it was made."""
    lazy = numbers.to_lazy().filter(pl.col("number") < 0)
    assert lazy.collect().height == 0
    numbers.insert1((-1, 0.0))
    assert lazy.collect().height == 1


def test_plans_ask_for_nothing(numbers: type[dj.Manual], own: PostgresConnection) -> None:
    """A plan shows its SELECT where the server would answer nothing: in a transaction that has failed."""

    def fail() -> None:
        with own.transaction:
            lazy = numbers.to_lazy().filter(pl.col("half") > 1)
            with pytest.raises(DjarrowError):
                own.query("SELECT 1/0")
            assert 'FROM "lazy_sessions"."number"' in lazy.explain()
            with pytest.raises(DjarrowError):
                lazy.collect()

    with pytest.raises(DjarrowError):
        fail()
    assert streams_of(own) == 0


@pytest.mark.parametrize("engine", ["in-memory", "streaming"])
def test_streams_end(numbers: type[dj.Manual], own: PostgresConnection, engine: pl._typing.EngineType) -> None:
    """Collecting, also only the first rows of a filter, leaves no more sessions than wait for the next stream."""
    lazy = numbers.to_lazy()
    for _ in range(12):
        assert lazy.filter(pl.col("half") >= 0).head(3).collect(engine=engine).height == 3
        assert lazy.join(lazy, on="number").select(pl.len()).collect(engine=engine).item() == ROWS
    assert streams_of(own) <= 4


def test_threads(numbers: type[dj.Manual]) -> None:
    """Threads may collect one lazy frame at once."""
    lazy = numbers.to_lazy()
    found: list[int] = []
    threads = [
        threading.Thread(
            target=lambda part=part: found.append(lazy.filter(pl.col("number") % 4 == part).collect().height)
        )
        for part in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [ROWS // 4] * 4


@pytest.mark.parametrize("engine", ["in-memory", "streaming"])
def test_errors_reach_the_caller(
    numbers: type[dj.Manual], own: PostgresConnection, engine: pl._typing.EngineType
) -> None:
    """What the database refuses reaches whoever collects, as an error of djarrow."""
    lazy = numbers.proj(beyond="number * 52000000000000").to_lazy()  # too large after most of the rows
    with pytest.raises(DjarrowError):
        lazy.collect(engine=engine)
    own.execute('DROP TABLE "lazy_sessions"."number"')
    with pytest.raises(DjarrowError):
        numbers.to_lazy().filter(pl.col("half") > 1).collect(engine=engine)


def test_a_forked_child_after_lazy_frames(numbers: type[dj.Manual], own: PostgresConnection) -> None:
    """Threads of Polars that streamed do not stand in the way of a child, which has none of them."""
    assert numbers.to_lazy().filter(pl.col("half") > 1).collect().height > 0
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = int(len(own.read("SELECT 1 AS one")) != 1)
        except BaseException:
            traceback.print_exc()  # the parent learns of the status only
            raise
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
