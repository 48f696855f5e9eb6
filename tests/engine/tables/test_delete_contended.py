"""Deletes while others insert and delete: no orphan, no error but those to try again, and the counts are true."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import EngineError, IntegrityError
from djarrow.sql import locks
from tests.contending import DELETERS, contend, log_deletes, logged, pipeline

from .deleting import make, orphans, sizes


def check_contention(connection: PostgresConnection, name: str, seconds: float) -> None:
    """Run the processes, and see that all is as it should be."""
    tables = pipeline(name, connection)
    tables.Piece.declare()
    log_deletes(connection, name)
    outcomes = contend(connection.url, name, seconds)
    assert [error for outcome in outcomes for error in outcome.errors] == []
    deletes = outcomes[-DELETERS:]
    reported: Counter[str] = sum((outcome.deleted for outcome in deletes), Counter())
    assert reported == logged(connection, name)
    assert all(outcome.done > 0 for outcome in outcomes), outcomes
    assert len(reported) == 5, reported
    assert orphans(connection, name) == 0


@pytest.mark.timeout(120)
def test_inserters_and_deleters(schema: dj.Schema, connection: PostgresConnection) -> None:
    """Three processes insert and two delete for four seconds."""
    check_contention(connection, str(schema.name), 4)


def test_a_row_added_below(schema: dj.Schema, second: PostgresConnection) -> None:
    """A row that another transaction adds below what goes, and commits while the delete waits, goes at the next try."""
    A = make(schema, "A", "a : int8\n---")
    B = make(schema, "B", "-> A\nb : int8\n---")
    A.insert([(1,), (2,)])
    B.insert([(1, 1)])
    with ThreadPoolExecutor(1) as pool:
        with second.begin():
            second.execute(f'INSERT INTO "{schema.name}".b VALUES (1, 2)')
            deleting = pool.submit((A & "a = 1").delete)
            _wait_for_a_lock(second)
        deleted = deleting.result(30)
    assert list(deleted.counts.values()) == [1, 2]
    assert sizes(A, B) == [1, 0]


def test_a_row_added_below_a_restricting_reference(schema: dj.Schema, second: PostgresConnection) -> None:
    """The same of a foreign key with ON DELETE RESTRICT, as DataJoint-Python has them."""
    A = make(schema, "A", "a : int8\n---")
    A.insert([(1,), (2,)])
    child = f'"{schema.name}".b'
    second.execute(
        f'CREATE TABLE {child} (b int PRIMARY KEY, a bigint REFERENCES "{schema.name}".a ON DELETE RESTRICT)'
    )
    with ThreadPoolExecutor(1) as pool:
        with second.begin():
            second.execute(f"INSERT INTO {child} VALUES (1, 1)")
            deleting = pool.submit((A & "a = 1").delete)
            _wait_for_a_lock(second)
        deleted = deleting.result(30)
    assert list(deleted.counts.values()) == [1, 1]
    second.execute(f"INSERT INTO {child} VALUES (2, 2)")
    with pytest.raises(IntegrityError, match="RESTRICT") as caught:
        second.execute(f'DELETE FROM "{schema.name}".a')
    assert caught.value.key == {"a": "2"}


CHOSEN: dict[str, Callable[[Any, Any], Any]] = {
    "plain": lambda a, _: a & "x = 1",
    "projected": lambda a, _: a.proj(y="x") & "y = 1",
    "joined": lambda a, b: a * b & "x = 1",
    "first rows": lambda a, _: a & dj.Top(1, order_by="x"),
    "by a query of its own": lambda a, _: a & (a.proj(y="x") & "y = 1").proj(),
    "those below": lambda _, b: b.proj(z="y") & "z = 1",
}


@pytest.mark.parametrize("choose", CHOSEN.values(), ids=CHOSEN)
def test_a_row_that_is_changed_meanwhile(
    schema: dj.Schema, second: PostgresConnection, choose: Callable[[Any, Any], Any]
) -> None:
    """A row that is no longer among those chosen when its change is committed stays."""
    A = make(schema, "A", "a : int8\n---\nx : int8")
    B = make(schema, "B", "-> A\n---\ny : int8")
    A.insert([(1, 1), (2, 2)])
    B.insert([(1, 1), (2, 2)])
    with ThreadPoolExecutor(1) as pool:
        with second.begin():
            second.execute(f'UPDATE "{schema.name}".a SET x = 3 WHERE a = 1')
            second.execute(f'UPDATE "{schema.name}".b SET y = 3 WHERE a = 1')
            deleting = pool.submit(choose(A, B).delete)
            _wait_for_a_lock(second)
        deleting.result(30)
    assert 1 in A.fetch("a")
    assert 1 in B.fetch("a")


def test_a_row_that_is_moved_meanwhile(schema: dj.Schema, second: PostgresConnection) -> None:
    """A row of a hierarchy that another transaction has put below another one stays."""
    H = make(schema, "H", "h : int8\n---\n-> [nullable] H.proj(up='h')")
    H.insert([(1, None), (2, None)])
    H.insert1((3, 1))
    with ThreadPoolExecutor(1) as pool:
        with second.begin():
            second.execute(f'UPDATE "{schema.name}".h SET up = 2 WHERE h = 3')
            deleting = pool.submit((H & "h = 1").delete)
            _wait_for_a_lock(second)
        deleting.result(30)
    assert H.fetch("h", order_by="KEY").tolist() == [2, 3]


def _wait_for_a_lock(connection: PostgresConnection) -> None:
    waiting = "SELECT count(*) AS n FROM pg_locks WHERE NOT granted"
    pause = threading.Event()
    for _ in range(200):
        if connection.read(waiting).column("n")[0].as_py():
            return
        pause.wait(0.05)
    raise AssertionError("nobody waits")


@pytest.fixture
def hidden(schema: dj.Schema, connection: PostgresConnection) -> Iterator[tuple[str, Any, Any]]:
    """A role from which the rows of B are hidden, with A that these refer to: deleting from A never succeeds for it."""
    A = make(schema, "A", "a : int8\n---")
    B = make(schema, "B", "-> A\nb : int8\n---")
    A.insert1((1,))
    B.insert1((1, 1))
    role = f"{schema.name}_hidden"
    connection.execute(f'CREATE ROLE "{role}"')
    connection.execute(f'GRANT USAGE ON SCHEMA "{schema.name}" TO "{role}"')
    connection.execute(f'ALTER TABLE "{schema.name}".b ENABLE ROW LEVEL SECURITY')
    yield role, A, B
    connection.execute(f'DROP OWNED BY "{role}"')
    connection.execute(f'DROP ROLE "{role}"')


@pytest.mark.parametrize("rights", ["SELECT, DELETE, UPDATE", "SELECT, DELETE"])
def test_after_the_last_attempt(
    schema: dj.Schema, connection: PostgresConnection, hidden: tuple[str, Any, Any], rights: str
) -> None:
    """Where rows were in the way each time, the error says that nothing went, and that it can be tried again.

    A user who may not lock rows is no exception.
    """
    role, A, B = hidden
    connection.execute(f'GRANT {rights} ON ALL TABLES IN SCHEMA "{schema.name}" TO "{role}"')
    connection.execute(f'SET ROLE "{role}"')
    try:
        with pytest.raises(EngineError, match=f"each of the {locks.ATTEMPTS} times.*still referenced") as caught:
            A.delete()
        assert caught.value.sqlstate == "40001"
        with pytest.raises(EngineError, match="since the transaction began") as caught, connection.transaction:
            (A & "a = 1").delete()
        assert caught.value.sqlstate == "40001"
    finally:
        connection.execute("RESET ROLE")
    assert sizes(A, B) == [1, 1]
