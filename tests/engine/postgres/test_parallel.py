"""One snapshot over several connections: what others do meanwhile does not show, and nothing waits for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import ConnectionFailed, EngineError, TransactionError

PARTS = 4


@pytest.fixture
def filled(numbers: str, connection: PostgresConnection) -> str:
    """A table of the numbers to 1,000."""
    connection.execute(f"INSERT INTO {numbers} SELECT generate_series(1, 1000)")
    return numbers


def texts(table: str) -> list[str]:
    """The table as a SELECT for each part."""
    return [f"SELECT n FROM {table} WHERE n % {PARTS} = {part}" for part in range(PARTS)]


def locks(table: str, meanwhile: Callable[[], None] = lambda: None) -> Callable[[bool], str]:
    """The statements that keep the table. meanwhile: is called when the snapshot is there, and no part is read."""
    called: list[bool] = []

    def lock(wait: bool) -> str:
        if not wait and not called:
            called.append(True)
            meanwhile()
        return f"LOCK TABLE {table} IN ACCESS SHARE MODE{'' if wait else ' NOWAIT'}"

    return lock


def total(tables: list[Any]) -> int:
    """How many rows all parts have."""
    return sum(table.num_rows for table in tables)


def test_all_parts_are_of_one_snapshot(own: PostgresConnection, connection: PostgresConnection, filled: str) -> None:
    """Rows that others insert, change and delete after the snapshot was taken show in no part."""

    def change() -> None:
        connection.execute(f"DELETE FROM {filled} WHERE n <= 500")
        connection.execute(f"INSERT INTO {filled} SELECT generate_series(2001, 2100)")

    parts = own.read_parallel(texts(filled), lock=locks(filled, change))
    assert sorted(n for part in parts for n in part.column("n").to_pylist()) == list(range(1, 1001))
    assert total(own.read_parallel(texts(filled), lock=locks(filled))) == 600


@pytest.mark.parametrize("statement", ["TRUNCATE {0}", "ALTER TABLE {0} ADD COLUMN added integer"])
def test_others_wait_and_nothing_hangs(
    own: PostgresConnection, connection: PostgresConnection, filled: str, statement: str
) -> None:
    """A TRUNCATE or ALTER that comes between waits for the read, which gives all rows of before."""
    done = threading.Thread(target=lambda: connection.execute(statement.format(filled)))

    def begin() -> None:
        done.start()
        waiting = "SELECT count(*) AS n FROM pg_locks WHERE NOT granted AND relation = '{0}'::regclass"
        deadline = time.monotonic() + 20
        while own.read(waiting.format(filled)).column("n")[0].as_py() == 0:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    parts = own.read_parallel(texts(filled), lock=locks(filled, begin))
    done.join(20)
    assert not done.is_alive()
    assert [part.num_rows for part in parts] == [250] * PARTS


def test_inside_a_transaction(own: PostgresConnection, filled: str) -> None:
    """Inside a transaction parts are refused with the reason, and the transaction goes on."""
    with own.transaction:
        own.execute(f"INSERT INTO {filled} VALUES (5000)")
        with pytest.raises(TransactionError, match="do not see what this transaction has changed"):
            own.read_parallel(texts(filled), lock=locks(filled))
    assert total(own.read_parallel(texts(filled), lock=locks(filled))) == 1001


@pytest.mark.parametrize("part", [0, 1])
def test_a_killed_part_raises(own: PostgresConnection, filled: str, part: int) -> None:
    """A part whose session the server ends raises, whichever it is, and the connection answers afterwards."""
    asked = texts(filled)
    asked[part] = "SELECT pg_terminate_backend(pg_backend_pid()) AS n"
    with pytest.raises(ConnectionFailed):
        own.read_parallel(asked, lock=locks(filled))
    assert total(own.read_parallel(texts(filled), lock=locks(filled))) == 1000


@pytest.mark.parametrize("part", [0, 1])
def test_an_error_in_a_part_is_translated(own: PostgresConnection, filled: str, part: int) -> None:
    """A run-time error of any part raises as an error of djarrow."""
    asked = texts(filled)
    asked[part] = f"SELECT 1 / (n - 500) AS n FROM {filled}"
    with pytest.raises(EngineError, match="division by zero"):
        own.read_parallel(asked, lock=locks(filled))
    assert total(own.read_parallel(texts(filled), lock=locks(filled))) == 1000


def test_lost_sessions_are_opened_again(own: PostgresConnection, connection: PostgresConnection, filled: str) -> None:
    """Sessions that the server ended since the last read do not fail the next one."""
    assert total(own.read_parallel(texts(filled), lock=locks(filled))) == 1000
    ended = connection.read(
        "SELECT pg_terminate_backend(pid, 5000) AS ended FROM pg_stat_activity "
        "WHERE query = 'COMMIT' AND state = 'idle' AND application_name = 'djarrow'"
    )
    assert ended.num_rows >= PARTS
    assert total(own.read_parallel(texts(filled), lock=locks(filled))) == 1000


@pytest.mark.parametrize("failing", [False, True], ids=["read", "failed"])
def test_nothing_is_left_open(
    own: PostgresConnection, connection: PostgresConnection, filled: str, *, failing: bool
) -> None:
    """After a read, and after one that failed, no transaction is open."""
    if failing:
        with pytest.raises(EngineError, match="division by zero"):
            own.read_parallel([*texts(filled), "SELECT 1 / 0 AS n"], lock=locks(filled))
    else:
        own.read_parallel(texts(filled) * 3, lock=locks(filled))
    none_inside(connection)


# --- readers of one snapshot ---------------------------------------------------------------------------------------


def streamed(readers: list[Any], table: str) -> list[list[int]]:
    """The numbers that each reader streams, each on a thread of its own."""
    found: list[list[int]] = [[] for _ in readers]

    def read(number: int) -> None:
        with readers[number].stream(f"SELECT n FROM {table} WHERE n % {len(readers)} = {number}") as stream:
            found[number] = [n for batch in stream for n in batch.column("n").to_pylist()]

    threads = [threading.Thread(target=read, args=(number,)) for number in range(len(readers))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def work_mem(reader: Any) -> Any:
    """A setting, as a reader sees it."""
    (batch,) = reader.stream("SELECT current_setting('work_mem') AS value")
    return batch.column("value")[0].as_py()


def test_readers_share_a_snapshot(own: PostgresConnection, connection: PostgresConnection, filled: str) -> None:
    """Each reader streams one result after the other, of the moment at which the block began, with the settings."""
    with own.snapshot_readers(PARTS, lock=locks(filled), settings={"jit": "off", "work_mem": "7MB"}) as readers:
        assert len(readers) == PARTS
        connection.execute(f"DELETE FROM {filled} WHERE n <= 500")
        for _ in range(2):
            assert sorted(n for part in streamed(readers, filled) for n in part) == list(range(1, 1001))
        assert [work_mem(reader) for reader in readers] == ["7MB"] * PARTS
    with own.snapshot_readers(1, lock=locks(filled)) as readers:
        assert len(streamed(readers, filled)[0]) == 500
        assert work_mem(readers[0]) != "7MB"


def test_a_reader_leaves_what_it_does_not_want(own: PostgresConnection, connection: PostgresConnection) -> None:
    """A stream that is not read to its end is given up by the next one, and by the end of the block."""
    long = "SELECT n FROM generate_series(1, 300000) AS n"
    with own.snapshot_readers(2, lock=lambda _: "SELECT 1 AS one") as readers:
        first = readers[0].stream(long)
        assert next(iter(first)).num_rows
        assert [b.to_pylist() for b in readers[0].stream("SELECT 1 AS n")] == [[{"n": 1}]]
        assert next(iter(readers[1].stream(long))).num_rows
    assert own.read("SELECT 1 AS n").num_rows == 1
    none_inside(connection)


@pytest.mark.parametrize("statement", ["TRUNCATE {0}", "ALTER TABLE {0} ADD COLUMN added integer"])
def test_fewer_readers_where_others_wait(
    own: PostgresConnection, connection: PostgresConnection, filled: str, statement: str
) -> None:
    """Where a TRUNCATE or ALTER waits for the first reader, that reads alone, and nothing hangs."""
    done = threading.Thread(target=lambda: connection.execute(statement.format(filled)))

    def begin() -> None:
        done.start()
        waiting = "SELECT count(*) AS n FROM pg_locks WHERE NOT granted AND relation = '{0}'::regclass"
        deadline = time.monotonic() + 20
        while own.read(waiting.format(filled)).column("n")[0].as_py() == 0:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    with own.snapshot_readers(PARTS, lock=locks(filled, begin)) as readers:
        assert len(readers) == 1
        assert len(streamed(readers, filled)[0]) == 1000
    done.join(20)
    assert not done.is_alive()


def test_readers_that_fail(own: PostgresConnection, connection: PostgresConnection, filled: str) -> None:
    """An error of a reader, or of the block, ends all of them; lost sessions are opened again; in a transaction: no."""
    with (
        pytest.raises(EngineError, match="division by zero"),
        own.snapshot_readers(PARTS, lock=locks(filled)) as readers,
    ):
        list(readers[1].stream(f"SELECT 1 / (n - 500) AS n FROM {filled}"))
    with pytest.raises(ConnectionFailed), own.snapshot_readers(PARTS, lock=locks(filled)) as readers:
        list(readers[1].stream("SELECT pg_terminate_backend(pg_backend_pid()) AS n"))
    with pytest.raises(ZeroDivisionError), own.snapshot_readers(PARTS, lock=locks(filled)) as readers:
        1 / len(next(iter(readers[0].stream(f"SELECT n FROM {filled} WHERE n < 0")), ()))
    with pytest.raises(EngineError, match="no_such"), own.snapshot_readers(2, lock=lambda _: "TABLE no_such"):
        pass
    none_inside(connection)
    with own.transaction, pytest.raises(TransactionError), own.snapshot_readers(2, lock=locks(filled)):
        pass
    with own.snapshot_readers(PARTS, lock=locks(filled)) as readers:
        streamed(readers, filled)
    ended = connection.read(
        "SELECT pg_terminate_backend(pid, 5000) AS ended FROM pg_stat_activity "
        "WHERE query = 'COMMIT' AND state = 'idle' AND application_name = 'djarrow'"
    )
    assert ended.num_rows >= PARTS
    with own.snapshot_readers(PARTS, lock=locks(filled)) as readers:
        assert len(streamed(readers, filled)) == PARTS


def none_inside(connection: PostgresConnection) -> None:
    """Fails unless soon no transaction is open: the server sees a moment later that a session was closed."""
    inside = "SELECT count(*) AS n FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'"
    ends = time.monotonic() + 10
    while connection.read(inside).column("n")[0].as_py():
        assert time.monotonic() < ends
