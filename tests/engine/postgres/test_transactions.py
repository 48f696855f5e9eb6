"""Transactions: commit is checked, everything else rolls back, and nothing nests."""

# ruff: noqa: PT012 - what raises is the block of a transaction, with all that is in it

from __future__ import annotations

from collections.abc import Callable

import pytest

from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import ConnectionFailed, DuplicateKey, EngineError, TransactionError

Count = Callable[[str], int]
Lose = Callable[[PostgresConnection], None]
BackendOf = Callable[[PostgresConnection], int]


def test_a_transaction_commits_at_its_end(own: PostgresConnection, numbers: str, count: Count) -> None:
    """Rows are seen by others after the block and not before."""
    with own.transaction:
        assert own.in_transaction
        own.execute(f"INSERT INTO {numbers} VALUES (1)")
        assert count(numbers) == 0
    assert count(numbers) == 1
    assert not own.in_transaction


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_any_exception_rolls_back(
    own: PostgresConnection, numbers: str, count: Count, error: type[BaseException]
) -> None:
    """An exception leaves nothing, passes through as itself, and the connection works on."""
    with pytest.raises(error), own.transaction:
        own.execute(f"INSERT INTO {numbers} VALUES (1)")
        raise error
    assert count(numbers) == 0
    assert not own.in_transaction
    with own.transaction:
        own.execute(f"INSERT INTO {numbers} VALUES (2)")
    assert count(numbers) == 1


def test_an_error_passed_over_inside_raises_at_commit(own: PostgresConnection, numbers: str, count: Count) -> None:
    """A database error that the block swallows cannot end in a commit that seems to succeed."""
    with pytest.raises(TransactionError, match="nothing of it was kept"), own.transaction:
        own.execute(f"INSERT INTO {numbers} VALUES (1)")
        with pytest.raises(DuplicateKey):
            own.execute(f"INSERT INTO {numbers} VALUES (1)")
    assert count(numbers) == 0
    assert not own.in_transaction


def test_an_aborted_transaction_refuses_further_statements(own: PostgresConnection) -> None:
    """After an error inside, the next statement says that the transaction was aborted."""
    with pytest.raises(TransactionError, match="aborted by an earlier error"), own.transaction:
        with pytest.raises(EngineError):
            own.read("SELECT 1 / 0 AS x")
        own.read("SELECT 1 AS x")


def test_a_failed_transaction_does_not_taint_the_next(own: PostgresConnection, numbers: str, count: Count) -> None:
    """The transaction after a failed one commits."""
    with pytest.raises(EngineError), own.transaction:
        own.read("SELECT 1 / 0 AS x")
    with own.transaction:
        own.execute(f"INSERT INTO {numbers} VALUES (1)")
    assert count(numbers) == 1


def test_an_error_outside_a_transaction_does_not_taint_the_next(
    own: PostgresConnection, numbers: str, count: Count
) -> None:
    """A statement that failed by itself leaves the next transaction alone."""
    with pytest.raises(EngineError):
        own.read("SELECT 1 / 0 AS x")
    with own.transaction:
        own.execute(f"INSERT INTO {numbers} VALUES (1)")
    assert count(numbers) == 1


@pytest.mark.parametrize(
    "statement",
    [
        *("ROLLBACK", "commit", " END", "BEGIN", "start transaction", "ABORT", "prepare transaction 'x'", "; COMMIT"),
        *("-- why\n COMMIT", "/* why */ COMMIT", "/* a /* b */ COMMIT */ -- c\n/**/\t;ROLLBACK"),
    ],
)
def test_transactions_are_not_ended_by_statements(
    own: PostgresConnection, numbers: str, count: Count, statement: str
) -> None:
    """A statement that would end or begin a transaction behind the block's back is refused."""
    with own.transaction:
        own.execute(f"INSERT INTO {numbers} VALUES (1)")
        for run in (own.execute, own.query):
            with pytest.raises(TransactionError, match="with connection"):
                run(statement)
    assert count(numbers) == 1


def test_savepoints_are_statements_like_any_other(own: PostgresConnection, numbers: str, count: Count) -> None:
    """Going back to a savepoint is no end of the transaction."""
    with own.transaction:
        own.execute(f"INSERT INTO {numbers} VALUES (1)")
        own.execute("SAVEPOINT here")
        own.execute(f"INSERT INTO {numbers} VALUES (2)")
        own.execute("ROLLBACK TO here")
    assert count(numbers) == 1


def test_transactions_do_not_nest(own: PostgresConnection, numbers: str, count: Count) -> None:
    """A second one inside the first is refused, and the first goes on."""
    with own.transaction:
        own.execute(f"INSERT INTO {numbers} VALUES (1)")
        with pytest.raises(TransactionError, match="do not nest"), own.transaction:
            pass
        own.execute(f"INSERT INTO {numbers} VALUES (2)")
    assert count(numbers) == 2


def test_reads_inside_see_one_snapshot(
    own: PostgresConnection, connection: PostgresConnection, numbers: str, count: Count
) -> None:
    """What others commit meanwhile is not seen before the transaction ends."""
    query = f"SELECT count(*) AS n FROM {numbers}"
    with own.transaction:
        assert own.read(query).column("n").to_pylist() == [0]
        connection.execute(f"INSERT INTO {numbers} VALUES (1)")
        assert own.read(query).column("n").to_pylist() == [0]
        with own.stream(query) as stream:
            assert [row for batch in stream for row in batch.to_pylist()] == [{"n": 0}]
    assert own.read(query).column("n").to_pylist() == [1]


def test_a_read_only_transaction_refuses_writes(own: PostgresConnection, numbers: str) -> None:
    """begin(read_only=True) lets nothing be written."""
    with pytest.raises(TransactionError, match="in a read-only transaction"), own.begin(read_only=True):
        own.execute(f"INSERT INTO {numbers} VALUES (1)")


def test_a_deferred_check_fails_the_commit(own: PostgresConnection, connection: PostgresConnection) -> None:
    """What the server finds only at COMMIT is an error of the block, and nothing is kept."""
    connection.execute("CREATE SCHEMA deferred_tests")
    try:
        connection.execute("CREATE TABLE deferred_tests.t (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
        with pytest.raises(DuplicateKey), own.transaction:
            own.execute("INSERT INTO deferred_tests.t VALUES (1), (1)")
        assert connection.read("SELECT n FROM deferred_tests.t").num_rows == 0
        assert not own.in_transaction
    finally:
        connection.execute("DROP SCHEMA deferred_tests CASCADE")


# --- lost connections --------------------------------------------------------------------------------------------


def test_a_connection_lost_inside_raises(own: PostgresConnection, numbers: str, count: Count, lose: Lose) -> None:
    """Inside a transaction a lost connection is never silently opened again."""
    with pytest.raises(ConnectionFailed), own.transaction:
        own.execute(f"INSERT INTO {numbers} VALUES (1)")
        lose(own)
        own.execute(f"INSERT INTO {numbers} VALUES (2)")
    assert count(numbers) == 0
    assert not own.in_transaction
    assert own.read("SELECT 1 AS one").num_rows == 1


def test_a_connection_lost_before_the_commit_raises(
    own: PostgresConnection, numbers: str, count: Count, lose: Lose
) -> None:
    """A connection lost after the last statement does not report a commit."""
    with pytest.raises((ConnectionFailed, TransactionError)), own.transaction:
        own.execute(f"INSERT INTO {numbers} VALUES (1)")
        lose(own)
    assert count(numbers) == 0


def test_a_lost_connection_that_the_block_passes_over_raises_at_commit(
    own: PostgresConnection, numbers: str, count: Count, lose: Lose
) -> None:
    """Swallowing the loss inside does not let what follows count as the transaction."""
    with pytest.raises((ConnectionFailed, TransactionError)), own.transaction:
        lose(own)
        with pytest.raises(ConnectionFailed):
            own.read("SELECT 1 AS one")
        own.execute(f"INSERT INTO {numbers} VALUES (1)")
    assert count(numbers) == 0


def test_outside_a_read_reconnects_once(own: PostgresConnection, lose: Lose, backend_of: BackendOf) -> None:
    """Outside a transaction a read on a lost connection gives its rows, on a new session."""
    before = backend_of(own)
    lose(own)
    assert own.read("SELECT 7 AS n").column("n").to_pylist() == [7]
    assert backend_of(own) != before


def test_a_transaction_begins_on_a_new_session_after_a_loss(
    own: PostgresConnection, numbers: str, count: Count, lose: Lose
) -> None:
    """A connection lost before a transaction is opened again by it."""
    lose(own)
    with own.transaction:
        own.execute(f"INSERT INTO {numbers} VALUES (1)")
    assert count(numbers) == 1


def test_a_write_outside_on_a_lost_connection_is_not_repeated(
    own: PostgresConnection, numbers: str, count: Count, lose: Lose
) -> None:
    """A write whose fate is unknown raises instead of running twice; the next one works."""
    lose(own)
    with pytest.raises(ConnectionFailed):
        own.execute(f"INSERT INTO {numbers} VALUES (1)")
    own.execute(f"INSERT INTO {numbers} VALUES (2)")
    assert count(numbers) == 1


def test_is_connected_after_a_loss(own: PostgresConnection, lose: Lose) -> None:
    """is_connected answers for the session that the next statement would use."""
    lose(own)
    assert own.is_connected
