"""Who is connected: the list, which of them a restriction chooses, and ending them."""

from __future__ import annotations

import contextlib
import datetime
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import polars as pl
import pytest

import djarrow as dj
from djarrow.engine.connect import connect
from djarrow.engine.embedded import EmbeddedServer
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import AccessDenied, ConnectionFailed, InvalidCondition, InvalidTerm, NotConfirmed, UnknownAttribute
from djarrow.sql import connections

Backend = Callable[[PostgresConnection], int]


@pytest.fixture(scope="module")
def three(server: EmbeddedServer) -> Iterator[list[PostgresConnection]]:
    """Three connections."""
    url = server.url()
    assert url is not None
    made = [connect(url) for _ in range(3)]
    yield made
    for each in made:
        each.close()


@pytest.fixture
def victims(three: list[PostgresConnection]) -> list[PostgresConnection]:
    """Three connections to be ended, by application victim 0 to 2. They are those of the tests before, or new."""
    for number, each in enumerate(three):
        with contextlib.suppress(ConnectionFailed):  # a test has ended it: the next statement opens it anew
            each.execute("SELECT pg_advisory_unlock_all()")
        each.execute(f"SET application_name = 'victim {number}'")
    return three


def alive(own: PostgresConnection, ids: list[int]) -> list[bool]:
    """Which of these the server still has."""
    listed = set(dj.list_connections(own)["id"])
    return [each in listed for each in ids]


def test_the_list(own: PostgresConnection, victims: list[PostgresConnection], backend_of: Backend) -> None:
    """Each connection has a row of declared types: the asker's too, with what it runs."""
    frame = dj.list_connections(own)
    assert frame.schema == {a.name: a.type.polars for a in connections.HEADING}
    assert {backend_of(own), *map(backend_of, victims)} <= set(frame["id"])
    mine = frame.row(by_predicate=pl.col("id") == backend_of(own), named=True)
    (user,) = own.query("SELECT session_user::text AS u").column("u").to_pylist()
    assert (mine["user"], mine["application"], mine["state"], mine["blocked_by"]) == (user, "djarrow", "active", None)
    assert mine["transaction_started"] >= mine["started"]
    assert "pg_stat_activity" in mine["query"]
    theirs = frame.row(by_predicate=pl.col("id") == backend_of(victims[1]), named=True)
    assert (theirs["application"], theirs["state"], theirs["transaction_started"]) == ("victim 1", "idle", None)
    assert theirs["waiting_for"] is None


def test_who_waits_for_whom(own: PostgresConnection, victims: list[PostgresConnection], backend_of: Backend) -> None:
    """Of a connection that waits for a lock, the list tells what for and who has it; ending that one lets it go on."""
    holder, waiter = victims[:2]
    ids = backend_of(holder), backend_of(waiter)

    def wait() -> None:
        connect_again = waiter.read("SELECT pg_advisory_lock(4711), pg_backend_pid() AS pid")
        waiting.append(connect_again.column("pid")[0].as_py())

    waiting: list[int] = []
    holder.read("SELECT pg_advisory_lock(4711)")
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(wait)
        for _ in range(200):
            row = dj.list_connections(own).filter(pl.col("blocked_by").is_not_null())
            if row.height:
                break
            time.sleep(0.05)
        assert row["blocked_by"].to_list() == [str(ids[0])]
        assert row["waiting_for"].to_list() == ["Lock: advisory"]
        assert dj.kill(f"id in ({ids[0]})", own, prompt=False) == 1
        done.result()
    assert waiting == row["id"].to_list()


CHOICES: dict[str, Callable[[list[int], pl.DataFrame], Any]] = {
    "an id": lambda ids, _: ids[0],
    "an id of NumPy": lambda ids, _: np.int64(ids[0]),
    "ids": lambda ids, _: [ids[0]],
    "a tuple": lambda ids, _: (ids[0], -1),
    "a set": lambda ids, _: {ids[0]},
    "text": lambda *_: 'application = "victim 0"',
    "a mapping": lambda ids, _: {"id": ids[0], "application": "victim 0"},
    "mappings": lambda ids, _: [{"id": ids[0], "state": "busy"}, {"application": "victim 0"}],
    "all of": lambda *_: dj.AndList(["application like 'victim %'", {"application": "victim 0"}]),
    "none of": lambda *_: dj.AndList([dj.Not("application = 'victim 1'"), "application like 'victim _'",
                                      "application <> 'victim 2'"]),
    "Polars": lambda *_: pl.col("application") == "victim 0",
    "a frame": lambda _, frame: frame.filter(pl.col("application") == "victim 0"),
    "a frame of ids": lambda ids, _: pl.DataFrame({"id": [ids[0]]}),
    "NULL": lambda *_: "application = 'victim 0' and blocked_by is null and transaction_started is null",
}  # fmt: skip


@pytest.mark.parametrize("choose", CHOICES.values(), ids=CHOICES)
def test_which_are_ended(
    own: PostgresConnection,
    victims: list[PostgresConnection],
    backend_of: Backend,
    choose: Callable[[list[int], pl.DataFrame], Any],
) -> None:
    """An id, several, or whatever restricts a query chooses those that are ended, and no others."""
    ids = [backend_of(each) for each in victims]
    assert dj.kill(choose(ids, dj.list_connections(own)), own, prompt=False) == 1
    assert alive(own, ids) == [False, True, True]
    assert dj.kill(ids[0], own, prompt=False) == 0


def test_all_but_ones_own(own: PostgresConnection, victims: list[PostgresConnection], backend_of: Backend) -> None:
    """True is all but those of this connection, whatever threads and streams use; those are not ended by id either."""
    ids = [backend_of(each) for each in victims]
    stream = own.stream("SELECT generate_series(1, 1000000) AS n")
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(backend_of, own).result()
        mine = {*own.backends}
        assert {other, backend_of(own)} < mine
        assert dj.kill(list(mine), own, prompt=False) == 0
        with own.transaction:
            assert dj.kill('application like "victim %"', own, prompt=False) == 3
            assert backend_of(own) in mine
        assert sum(batch.num_rows for batch in stream) == 1_000_000
    assert alive(own, ids) == [False] * 3


def test_what_is_ended_loses_its_transaction(own: PostgresConnection, victims: list[PostgresConnection]) -> None:
    """A connection that is ended inside a transaction says so, and nothing of it is kept."""
    own.execute("CREATE TABLE kill_test (n int)")
    try:

        def work() -> None:
            with victims[0].transaction:
                victims[0].execute("INSERT INTO kill_test VALUES (1)")
                assert dj.kill({"application": "victim 0", "state": "idle in transaction"}, own, prompt=False) == 1
                victims[0].execute("INSERT INTO kill_test VALUES (2)")

        with pytest.raises(ConnectionFailed):
            work()
        assert own.query("SELECT * FROM kill_test").num_rows == 0
    finally:
        own.execute("DROP TABLE kill_test")


@pytest.mark.parametrize(
    ("restriction", "error"),
    [
        (None, InvalidCondition),
        ({"usr": "alice"}, UnknownAttribute),
        ({"application": "victim 0", "statee": "idle"}, UnknownAttribute),
        ([{"id": 1}, {"idd": 2}], UnknownAttribute),
        (dj.AndList([{"idd": 2}]), UnknownAttribute),
        (dj.Not({"idd": 2}), UnknownAttribute),
        ({}, InvalidCondition),
        ([{}], InvalidCondition),
        ([{"id": 1}, {}], InvalidCondition),
        (dj.AndList([]), InvalidCondition),
        (pl.DataFrame({"pid": [1]}), UnknownAttribute),
        (pl.LazyFrame({"pid": [1]}), UnknownAttribute),
        (np.array([(1,)], dtype=[("pid", "i8")]), UnknownAttribute),
        ("usr = 'alice'", UnknownAttribute),
        ("true; drop table x", InvalidTerm),
        (object(), InvalidCondition),
        (2.5, InvalidCondition),
    ],
)
def test_what_chooses_nothing_is_refused(
    own: PostgresConnection,
    victims: list[PostgresConnection],
    backend_of: Backend,
    restriction: Any,
    error: type[Exception],
) -> None:
    """Nothing, a column that is none, also in a mapping, or what is no condition: nobody is ended for a slip."""
    with pytest.raises(error):
        dj.kill(restriction, own, prompt=False)
    assert alive(own, [backend_of(each) for each in victims]) == [True] * 3


def test_nobody_is_meant(own: PostgresConnection) -> None:
    """A choice of nobody ends nobody, and asks nobody."""
    nobody: list[Any] = [[], False, -1, "id < 0", pl.DataFrame({"id": []})]
    assert [dj.kill(each, own) for each in nobody] == [0] * 5


def test_the_question(
    own: PostgresConnection, victims: list[PostgresConnection], backend_of: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What will be ended is shown in the order asked for, safe to show, and nothing is done without a yes."""
    victims[0].read("SELECT 'one \x1b[2J \u202e line' AS x")
    ids = [backend_of(each) for each in victims]
    with pytest.raises(NotConfirmed) as caught:
        dj.kill('application like "victim %"', own, "application DESC")
    lines = caught.value.question.splitlines()
    assert lines[0] == "Connected to the database:"
    assert [line.split()[0] for line in lines[1:4]] == [str(each) for each in reversed(ids)]
    assert lines[-1] == "End these 3 connections?"
    assert "\x1b" not in caught.value.question
    monkeypatch.setattr("builtins.input", lambda _: "n")
    assert dj.kill(ids[0], own, prompt=True) == 0
    assert alive(own, ids) == [True] * 3
    monkeypatch.setattr("builtins.input", lambda _: "y")
    assert dj.kill(ids[0], own, prompt=True) == 1
    with dj.config.override(safemode=False):
        assert dj.kill(ids[1], own) == 1
    assert alive(own, ids) == [False, False, True]


def test_a_number_that_another_one_has_now(
    own: PostgresConnection, victims: list[PostgresConnection], backend_of: Backend
) -> None:
    """A connection that began at another time than the one that was shown is left alone."""
    target = backend_of(victims[0])
    row = dj.list_connections(own).row(by_predicate=pl.col("id") == target, named=True)
    earlier = row["started"] - datetime.timedelta(microseconds=1)
    assert own.read(connections.end(target, earlier)).num_rows == 0
    assert alive(own, [target]) == [True]
    assert own.read(connections.end(target, row["started"])).to_pylist() == [{"ended": True}]


def test_without_the_right(own: PostgresConnection, victims: list[PostgresConnection], backend_of: Backend) -> None:
    """Where the server refuses to end somebody else's connection, that is told with whose, and it lives on."""
    ids = [backend_of(each) for each in victims]
    own.execute("CREATE ROLE visitor_kills")
    try:
        own.execute("SET ROLE visitor_kills")
        assert set(ids) <= set(dj.list_connections(own)["id"])
        first = "|".join(map(str, ids))
        with pytest.raises(AccessDenied, match=f"The connection ({first}) of .* was not ended, and 0 were before it"):
            dj.kill(ids, own, prompt=False)
    finally:
        own.execute("RESET ROLE")
        own.execute("DROP ROLE visitor_kills")
    assert alive(own, ids) == [True] * 3
