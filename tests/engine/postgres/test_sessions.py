"""Sessions: one a thread, one of its own after a fork, none left behind."""

# ruff: noqa: PT012 - what raises is the block of a transaction or stream, with all that is in it

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import adbc_driver_manager
import pytest

from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import ConnectionFailed, TransactionError

BackendOf = Callable[[PostgresConnection], int]


def test_each_thread_has_a_session(own: PostgresConnection, backend_of: BackendOf) -> None:
    """Threads that run at once have different sessions, and each keeps its own."""
    together = threading.Barrier(4)

    def twice(_: int) -> tuple[int, int]:
        together.wait(10)
        return backend_of(own), backend_of(own)

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(twice, range(4)))
    assert all(first == second for first, second in found)
    assert len({first for first, _ in found} | {backend_of(own)}) == 5


def test_a_transaction_is_its_threads_own(own: PostgresConnection, numbers: str) -> None:
    """What a thread does in its transaction, another does not see or join."""
    with own.transaction:
        own.execute(f"INSERT INTO {numbers} VALUES (1)")
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(lambda: own.in_transaction).result() is False
            assert pool.submit(lambda: own.read(f"SELECT n FROM {numbers}").num_rows).result() == 0


def test_threads_that_ended_leave_no_sessions(own: PostgresConnection, connection: PostgresConnection) -> None:
    """Sessions of threads that are gone are closed when another thread comes."""
    query = "SELECT count(*) AS n FROM pg_stat_activity WHERE application_name = 'djarrow'"
    before = connection.read(query).column("n")[0].as_py()
    for _ in range(30):
        thread = threading.Thread(target=lambda: own.read("SELECT 1 AS one"))
        thread.start()
        thread.join(10)
    assert connection.read(query).column("n")[0].as_py() <= before + 2


def in_child(work: Callable[[], bool], *, leave: Callable[[int], object]) -> int:
    """Run work in a forked child, which reports by its exit status whether it was true."""
    child = os.fork()
    if child == 0:
        status = 2
        try:
            status = 0 if work() else 1
        finally:
            leave(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_forked_child_has_a_session_of_its_own(own: PostgresConnection, backend_of: BackendOf) -> None:
    """A child works on a new session, and the parent's session is as it was."""
    before = backend_of(own)
    with own.stream("SELECT 1::bigint AS n") as stream:
        list(stream)  # leaves a session that the child must not take either
    assert in_child(lambda: backend_of(own) != before, leave=os._exit) == 0
    assert backend_of(own) == before
    with own.stream("SELECT 8::bigint AS n") as stream:
        assert [batch.column("n").to_pylist() for batch in stream] == [[8]]


def test_a_child_that_closes_does_not_close_the_parents(own: PostgresConnection, backend_of: BackendOf) -> None:
    """Closing the connection in a child leaves the parent's session alone."""
    before = backend_of(own)

    def close() -> bool:
        backend_of(own)
        own.close()
        return backend_of(own) != before

    assert in_child(close, leave=os._exit) == 0
    assert backend_of(own) == before


def test_a_fork_inside_a_transaction_does_not_end_it(own: PostgresConnection, numbers: str) -> None:
    """A child born inside a transaction does not see its rows, and the parent commits."""
    with own.transaction:
        own.execute(f"INSERT INTO {numbers} VALUES (1)")
        child = os.fork()
        if child == 0:
            os._exit(0 if own.read(f"SELECT n FROM {numbers}").num_rows == 0 else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert own.read(f"SELECT n FROM {numbers}").num_rows == 1


def test_a_closed_connection_opens_again(own: PostgresConnection, backend_of: BackendOf) -> None:
    """Using a connection after close() opens a new session."""
    before = backend_of(own)
    own.close()
    assert backend_of(own) != before


def test_closing_inside_a_transaction_ends_it(own: PostgresConnection, numbers: str) -> None:
    """close() inside a block loses the transaction: later statements of the block and its end raise."""
    with pytest.raises((ConnectionFailed, TransactionError)), own.transaction:
        own.execute(f"INSERT INTO {numbers} VALUES (1)")
        own.close()
        with pytest.raises(ConnectionFailed, match="Begin it anew"):
            own.execute(f"INSERT INTO {numbers} VALUES (2)")
    assert own.read(f"SELECT n FROM {numbers}").num_rows == 0


def test_the_session_reads_in_utc(own: PostgresConnection) -> None:
    """Every session, also of another thread, has the settings that compiled text relies on."""
    query = "SELECT current_setting('TimeZone') AS zone"
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(own.read, query).result().to_pylist() == own.read(query).to_pylist() == [{"zone": "UTC"}]


def test_the_texts_of_values_are_the_same_everywhere(own: PostgresConnection) -> None:
    """What a server, a database or a user has for the texts of values does not reach a session: they are exact."""
    others = {"extra_float_digits": "0", "DateStyle": "German", "IntervalStyle": "iso_8601", "bytea_output": "escape"}
    for name, value in others.items():
        own.execute(f"ALTER ROLE CURRENT_USER SET {name} = '{value}'")
    own.close()
    try:
        values = "1.0000000000000002::float8, date '2024-02-01', interval '1 day', '\\x6162'::bytea"
        shown = own.query(f"SELECT concat_ws(' ', {values}) AS x")
        assert shown.to_pylist() == [{"x": "1.0000000000000002 2024-02-01 1 day \\x6162"}]
    finally:
        for name in others:
            own.execute(f"ALTER ROLE CURRENT_USER RESET {name}")


def test_a_session_that_cannot_be_closed_is_ended(own: PostgresConnection, connection: PostgresConnection) -> None:
    """An interruption can leave a statement open, and the driver then closes nothing: the server ends the session."""
    session = own._sessions.own()
    statement = adbc_driver_manager.AdbcStatement(session.raw.adbc_connection)
    own._sessions.discard(session)
    alive = connection.read(f"SELECT count(*) AS n FROM pg_stat_activity WHERE pid = {session.backend}")
    for _ in range(100):
        if not alive.column("n")[0].as_py():
            break
        time.sleep(0.05)
        alive = connection.read(f"SELECT count(*) AS n FROM pg_stat_activity WHERE pid = {session.backend}")
    assert alive.to_pylist() == [{"n": 0}]
    statement.close()
    session.raw.close()
    assert own.read("SELECT 1 AS one").num_rows == 1
