"""Streams: rows batch by batch, whatever else the connection does meanwhile, and nothing left open."""

# ruff: noqa: PT012 - what raises is the block of a transaction or stream, with all that is in it

from __future__ import annotations

import gc
import subprocess
import sys
import time
from itertools import islice

import pyarrow as pa
import pytest

from djarrow.engine.base import Stream
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import EngineError
from tests.memory import PEAK

BIG = "SELECT n::bigint AS n, repeat('x', 100) AS t FROM generate_series(1, 400000) AS n"
"""43 MB, which the driver gives in batches of some 16 MB."""


def values(stream: Stream) -> list[int]:
    """All numbers of a stream."""
    return [number for batch in stream for number in batch.column("n").to_pylist()]


def sessions_of(connection: PostgresConnection, watcher: PostgresConnection) -> int:
    """How many sessions the server has but the watcher's own."""
    connection.read("SELECT 1 AS one")
    query = "SELECT count(*) AS n FROM pg_stat_activity WHERE application_name = 'djarrow' AND pid <> pg_backend_pid()"
    return int(watcher.read(query).column("n")[0].as_py())


def test_a_stream_comes_in_batches(own: PostgresConnection) -> None:
    """A large result comes in more than one batch of the schema that was announced."""
    with own.stream(BIG) as stream:
        schema = stream.schema
        batches = list(stream)
    assert len(batches) > 1
    assert {batch.schema for batch in batches} == {schema}
    assert sum(batch.num_rows for batch in batches) == 400_000


def test_an_empty_stream_has_its_schema(own: PostgresConnection) -> None:
    """A result without rows still tells its columns."""
    with own.stream("SELECT 1::bigint AS n WHERE false") as stream:
        assert stream.schema == pa.schema([("n", pa.int64())])
        assert values(stream) == []


@pytest.mark.parametrize("inside", [False, True], ids=["outside", "inside a transaction"])
def test_another_statement_while_a_stream_is_open(own: PostgresConnection, *, inside: bool) -> None:
    """Both the stream and a statement run in its middle give their right rows."""

    def read_both() -> None:
        with own.stream(BIG) as stream:
            batches = iter(stream)
            first = next(batches).column("n").to_pylist()
            assert own.read("SELECT 7::bigint AS n").column("n").to_pylist() == [7]
            with own.stream("SELECT n::bigint AS n FROM generate_series(1, 3) AS n") as other:
                assert values(other) == [1, 2, 3]
            rest = [number for batch in batches for number in batch.column("n").to_pylist()]
        assert first + rest == list(range(1, 400_001))

    if inside:
        with own.transaction:
            read_both()
    else:
        read_both()


@pytest.mark.parametrize("inside", [False, True], ids=["outside", "inside a transaction"])
def test_two_streams_in_turn(own: PostgresConnection, *, inside: bool) -> None:
    """Two open streams, read alternately, keep their rows apart."""
    even = "SELECT (2 * n)::bigint AS n, repeat('x', 100) AS t FROM generate_series(1, 200000) AS n"
    odd = "SELECT (2 * n + 1)::bigint AS n, repeat('x', 100) AS t FROM generate_series(1, 200000) AS n"

    def read_both() -> tuple[list[int], list[int]]:
        with own.stream(even) as first, own.stream(odd) as second:
            found: tuple[list[int], list[int]] = ([], [])
            one, two = iter(first), iter(second)
            found[0].extend(next(one).column("n").to_pylist())
            found[1].extend(next(two).column("n").to_pylist())
            for batches, numbers in ((one, found[0]), (two, found[1])):
                for batch in batches:
                    numbers.extend(batch.column("n").to_pylist())
            return found

    if inside:
        with own.transaction:
            found = read_both()
    else:
        found = read_both()
    assert found == ([2 * n for n in range(1, 200_001)], [2 * n + 1 for n in range(1, 200_001)])


def test_a_commit_while_a_stream_is_open(own: PostgresConnection) -> None:
    """A stream that outlives its transaction still gives all of its rows."""
    with own.transaction:
        stream = own.stream(BIG)
        batches = iter(stream)
        first = next(batches).num_rows
    assert first + sum(batch.num_rows for batch in batches) == 400_000


@pytest.mark.parametrize("inside", [False, True], ids=["outside", "inside a transaction"])
def test_closing_early(own: PostgresConnection, *, inside: bool) -> None:
    """After a stream that was not read to its end, the connection answers as ever."""

    def close_one() -> None:
        with own.stream(BIG) as stream:
            assert next(iter(stream)).num_rows > 0
        assert own.read("SELECT 7::bigint AS n").column("n").to_pylist() == [7]
        with own.stream("SELECT 8::bigint AS n") as stream:
            assert values(stream) == [8]

    if inside:
        with own.transaction:
            close_one()
    else:
        close_one()


def test_closing_an_endless_stream_early_is_quick(own: PostgresConnection) -> None:
    """The rest of a result that nobody wants is not read."""
    started = time.monotonic()
    with own.stream("SELECT generate_series(1, 300000000)::bigint AS n") as stream:
        assert next(iter(stream)).num_rows > 0
    with own.stream("SELECT 8::bigint AS n") as stream:
        assert values(stream) == [8]
    assert time.monotonic() - started < 5


def test_a_stream_without_its_block_is_closed_when_forgotten(
    own: PostgresConnection, connection: PostgresConnection
) -> None:
    """A stream that is dropped half-read does not keep its session busy for ever."""
    before = sessions_of(own, connection)
    for _ in range(20):
        list(islice(own.stream(BIG), 1))
    gc.collect()
    assert sessions_of(own, connection) < before + 15


def test_an_error_at_the_start_is_translated(own: PostgresConnection) -> None:
    """A statement that the server refuses raises when the stream is opened."""
    with pytest.raises(EngineError, match="no_such_table") as caught:
        own.stream("SELECT n FROM no_such_table")
    assert caught.value.sqlstate == "42P01"


def test_an_error_in_the_middle_is_translated(own: PostgresConnection) -> None:
    """A run-time error at a late row raises while the stream is read, as an error of djarrow."""
    text = "SELECT (1 / (300000 - n))::bigint AS n, repeat('x', 100) AS t FROM generate_series(1, 400000) AS n"
    with pytest.raises(EngineError, match=r"^The database refused: division by zero\.$"), own.stream(text) as stream:
        values(stream)
    assert own.read("SELECT 1 AS one").num_rows == 1


def test_an_error_in_a_stream_aborts_the_transaction(own: PostgresConnection, numbers: str) -> None:
    """A stream's error that the block swallows does not end in a commit."""
    from djarrow.errors import TransactionError

    text = "SELECT (1 / (300000 - n))::bigint AS n, repeat('x', 100) AS t FROM generate_series(1, 400000) AS n"
    with pytest.raises(TransactionError), own.transaction:
        own.execute(f"INSERT INTO {numbers} VALUES (1)")
        with pytest.raises(EngineError), own.stream(text) as stream:
            values(stream)
    assert own.read(f"SELECT n FROM {numbers}").num_rows == 0


def test_a_stream_on_a_session_lost_meanwhile_reconnects(
    own: PostgresConnection, connection: PostgresConnection
) -> None:
    """A session that a finished stream left behind, and the server ended, does not fail the next stream."""
    with own.stream("SELECT pg_backend_pid()::bigint AS n") as stream:
        (backend,) = values(stream)
    connection.read(f"SELECT pg_terminate_backend({backend}, 5000) AS ended")
    with own.stream("SELECT 8::bigint AS n") as stream:
        assert values(stream) == [8]


def test_a_session_lost_in_a_stream_raises(own: PostgresConnection, connection: PostgresConnection) -> None:
    """A stream whose session ends in the middle raises instead of ending early."""
    from djarrow.errors import ConnectionFailed

    text = "SELECT pg_backend_pid()::bigint AS n FROM generate_series(1, 30000000)"
    with pytest.raises(ConnectionFailed), own.stream(text) as stream:
        batches = iter(stream)
        backend = next(batches).column("n")[0].as_py()
        connection.read(f"SELECT pg_terminate_backend({backend}, 5000) AS ended")
        for _ in batches:
            pass


def test_200_streams_leave_few_sessions(own: PostgresConnection, connection: PostgresConnection) -> None:
    """Sessions of streams are used again, read to the end or not, and no more of them are kept than a few."""
    before = sessions_of(own, connection)
    for number in range(200):
        with own.stream("SELECT n::bigint AS n FROM generate_series(1, 3) AS n") as stream:
            assert number % 10 == 0 or values(stream) == [1, 2, 3]
    open_at_once = [own.stream("SELECT 1::bigint AS n") for _ in range(8)]
    assert all(values(stream) == [1] for stream in open_at_once)
    assert sessions_of(own, connection) <= before + 5


MEASURE = (
    PEAK
    + """
import sys
import djarrow as dj
connection = dj.conn(sys.argv[1])
text = "SELECT n::bigint AS n, repeat('x', 100) AS t FROM generate_series(1, {rows}) AS n"
with connection.stream(text.format(rows=1000)) as stream:
    list(stream)
before, rows = peak(), 0
with connection.stream(text.format(rows=4_000_000)) as stream:
    for batch in stream:
        rows += batch.num_rows
assert rows == 4_000_000, rows
print(peak() - before)
"""
)


def test_memory_does_not_grow_with_the_result(url: str) -> None:
    """A stream of 430 MB is read with a small part of that memory."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, url], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 150  # MB; one batch is 16 MB
