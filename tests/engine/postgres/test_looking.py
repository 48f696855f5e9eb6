"""A look at the database: bounded in time, and nothing is changed by it, whatever state the connection is in."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import ConnectionFailed, EngineError, MissingTable, TimedOut, TransactionError

Lose = Callable[[PostgresConnection], None]
BackendOf = Callable[[PostgresConnection], int]

ENDLESS = "SELECT count(*) AS n FROM generate_series(1, 1000000000000)"


def looked(connection: PostgresConnection, text: str, seconds: float = 5) -> list[object]:
    """The values of the first column."""
    with connection.look(seconds) as read:
        return list(read(text).column(0).to_pylist())


def test_a_look_reads(own: PostgresConnection, numbers: str) -> None:
    """A look gives the rows that a read gives, on the thread's own session."""
    own.execute(f"INSERT INTO {numbers} VALUES (1), (2)")
    assert looked(own, f"SELECT n FROM {numbers} ORDER BY n") == [1, 2]
    assert looked(own, "SELECT pg_backend_pid()") == own.read("SELECT pg_backend_pid()").column(0).to_pylist()


def test_a_look_cannot_write(own: PostgresConnection, numbers: str) -> None:
    """What would write is refused by the server."""
    with pytest.raises(EngineError, match="read-only"):
        looked(own, f"INSERT INTO {numbers} VALUES (1) RETURNING n")
    assert looked(own, f"SELECT count(*) FROM {numbers}") == [0]


def test_time_is_bounded(own: PostgresConnection) -> None:
    """A statement that takes longer is stopped; later ones have as long as they need."""
    begin = time.monotonic()
    with pytest.raises(TimedOut):
        looked(own, ENDLESS, seconds=0.2)
    assert time.monotonic() - begin < 5
    assert own.read("SELECT current_setting('statement_timeout')").column(0).to_pylist() == ["0"]
    assert not own.in_transaction


def test_in_a_transaction(own: PostgresConnection, numbers: str) -> None:
    """A look sees what the transaction wrote, and the transaction goes on and commits."""
    with own.transaction:
        own.execute(f"INSERT INTO {numbers} VALUES (1)")
        assert looked(own, f"SELECT n FROM {numbers}") == [1]
        assert own.read("SELECT current_setting('statement_timeout')").column(0).to_pylist() == ["0"]
        own.execute(f"INSERT INTO {numbers} VALUES (2)")
    assert looked(own, f"SELECT n FROM {numbers} ORDER BY n") == [1, 2]


@pytest.mark.parametrize(
    ("text", "error"), [(ENDLESS, TimedOut), ("SELECT n FROM no.where_", MissingTable), ("SELECT 1/0", EngineError)]
)
def test_a_failed_look_does_not_fail_the_transaction(
    own: PostgresConnection, numbers: str, text: str, error: type[Exception]
) -> None:
    """A look that is stopped or refused leaves the transaction as it was."""
    with own.transaction:
        own.execute(f"INSERT INTO {numbers} VALUES (1)")
        with pytest.raises(error):
            looked(own, text, seconds=0.2)
        own.execute(f"INSERT INTO {numbers} VALUES (2)")
    assert looked(own, f"SELECT n FROM {numbers} ORDER BY n") == [1, 2]


def test_a_look_keeps_no_locks(own: PostgresConnection, connection: PostgresConnection, numbers: str) -> None:
    """A table that a transaction only looked at can be dropped by others meanwhile."""
    connection.execute("CREATE TABLE engine_tests.other (n int)")
    with own.transaction:
        assert looked(own, "SELECT n FROM engine_tests.other") == []
        connection.execute("SET lock_timeout = '2s'")
        connection.execute("DROP TABLE engine_tests.other")
        connection.execute("RESET lock_timeout")


def fail_and_look(own: PostgresConnection) -> None:
    """Look in a transaction that has failed."""
    with own.transaction:
        with pytest.raises(EngineError):
            own.read("SELECT 1/0")
        with pytest.raises(TransactionError, match="aborted by an earlier error"):
            looked(own, "SELECT 1")


def test_a_failed_transaction_is_left_alone(own: PostgresConnection) -> None:
    """In a transaction that failed a look says so, and the end of the block still reports the failure."""
    with pytest.raises(TransactionError, match="nothing of it was kept"):
        fail_and_look(own)
    assert looked(own, "SELECT 1") == [1]


def test_a_stream_of_a_transaction_is_left_alone(own: PostgresConnection) -> None:
    """While a transaction streams, a look is refused and the stream goes on, unbuffered, to its end."""
    with own.transaction, own.stream("SELECT generate_series(1, 200000) AS n") as stream:
        first = next(iter(stream))
        with pytest.raises(TransactionError, match="streaming"):
            looked(own, "SELECT 1")
        rows = first.num_rows + sum(batch.num_rows for batch in stream)
        assert rows == 200_000
        assert looked(own, "SELECT 1") == [1]


def test_a_stream_outside_goes_on(own: PostgresConnection) -> None:
    """Outside of a transaction a stream has a session of its own, beside which a look reads."""
    with own.stream("SELECT generate_series(1, 200000) AS n") as stream:
        first = next(iter(stream))
        assert looked(own, "SELECT 1") == [1]
        assert first.num_rows + sum(batch.num_rows for batch in stream) == 200_000


def test_a_thread_without_a_session_keeps_none(own: PostgresConnection, connection: PostgresConnection) -> None:
    """In another thread a look opens a session, and closes it."""
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.extend(looked(own, "SELECT pg_backend_pid()")))
    thread.start()
    thread.join()
    assert found != looked(own, "SELECT pg_backend_pid()")
    alive = f"SELECT count(*) FROM pg_stat_activity WHERE pid = {found[0]}"
    deadline = time.monotonic() + 10
    while looked(connection, alive) != [0]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_lost_connection_is_told(own: PostgresConnection, lose: Lose, backend_of: BackendOf) -> None:
    """A look on a connection that is gone raises; the next one reads, on a session that it closes again."""
    lose(own)
    with pytest.raises(ConnectionFailed):
        looked(own, "SELECT 1")
    (pid,) = looked(own, "SELECT pg_backend_pid()")
    assert pid != backend_of(own)


def lose_and_look(own: PostgresConnection, lose: Lose) -> None:
    """Look twice in a transaction whose connection is gone."""
    with own.transaction:
        lose(own)
        for _ in range(2):
            with pytest.raises(ConnectionFailed):
                looked(own, "SELECT 1")


def test_a_connection_lost_in_a_transaction_is_told(own: PostgresConnection, lose: Lose) -> None:
    """Inside a transaction whose connection is gone, each look raises, and so does the end of the block."""
    with pytest.raises(TransactionError):
        lose_and_look(own, lose)


def test_a_server_that_is_gone_is_not_started(own: PostgresConnection) -> None:
    """A look brings no server back: that is for those who use the connection."""
    restarted: list[str] = []

    def restart() -> str:
        restarted.append(own.url)
        return own.url

    away = PostgresConnection(own.url, restart=restart)
    away.close()
    away._sessions.url = "postgresql://nobody@127.0.0.1:1/none"
    with pytest.raises(ConnectionFailed):
        looked(away, "SELECT 1")
    assert restarted == []
    assert away.read("SELECT 1 AS one").num_rows == 1
    assert restarted == [own.url]
    away.close()
