"""Makes of many keys that meet others: what another process makes meanwhile, conflicts, lost connections."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import ConnectionFailed, DuplicateKey, EngineError
from djarrow.jobs import remote, remote_sets
from djarrow.jobs.pace import Pace

if TYPE_CHECKING:
    import polars as pl


@pytest.fixture
def pipeline(schema: dj.Schema) -> SimpleNamespace:
    """Scan of 20 rows, and Result whose make_batch says what keys it gets and does what `behave` says before it ends.

    `other(keys)` makes keys of Result in another session.
    """

    @schema
    class Scan(dj.Manual):
        definition = "scan_id : uint8\n---\nuses = 0 : uint32"

    made = SimpleNamespace(calls=[], behave=lambda *_: None)

    @schema
    class Result(dj.Computed):
        definition = "-> Scan\n---\nby = '' : varchar(10)"

        def make_batch(self, keys: pl.DataFrame) -> pl.DataFrame:
            made.calls.append(keys["scan_id"].to_list())
            made.behave(self, keys)
            return keys

    Scan.insert([{"scan_id": number} for number in range(20)])
    Result.declare()

    def other(keys: list[int]) -> None:
        rows = [{"scan_id": key, "by": "other"} for key in keys]
        in_thread(lambda: Result.insert(rows, allow_direct_insert=True))

    return SimpleNamespace(Scan=Scan, Result=Result, made=made, other=other)


def in_thread(work: Callable[[], object]) -> None:
    """Do work in a thread, which has a session of its own."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result(timeout=20)


def test_keys_made_since_they_were_listed_are_left_out(pipeline: SimpleNamespace) -> None:
    """Each batch asks anew which of its keys have a row by now."""

    def behave(table: Any, keys: pl.DataFrame) -> None:
        if keys["scan_id"][0] == 0:
            pipeline.other([6, 8, 12])

    pipeline.made.behave = behave
    result = pipeline.Result.populate(batch_size=5)
    assert pipeline.made.calls == [[0, 1, 2, 3, 4], [5, 7, 9], [10, 11, 13, 14], [15, 16, 17, 18, 19]]
    assert (result.done, result.skipped, result.failed) == (17, 3, 0)
    assert len(pipeline.Result & "by = 'other'") == 3


def test_a_batch_all_of_which_was_made_is_no_call(pipeline: SimpleNamespace) -> None:
    """Where nothing is left of a batch, make_batch is not called for it."""

    def behave(table: Any, keys: pl.DataFrame) -> None:
        if keys["scan_id"][0] == 0:
            pipeline.other([5, 6, 7, 8, 9])

    pipeline.made.behave = behave
    result = pipeline.Result.populate(batch_size=5, max_calls=3)
    assert pipeline.made.calls == [[0, 1, 2, 3, 4], [10, 11, 12, 13, 14]]
    assert (result.done, result.skipped) == (10, 5)


@pytest.mark.parametrize("elsewhere", [False, True])
def test_keys_of_others_say_nothing_of_the_pace(
    pipeline: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, *, elsewhere: bool
) -> None:
    """Those that make_batch was not called for took no time: the next batch is not to be larger because of them."""
    told = []

    def took(self: Pace, keys: int, seconds: float, *, aside: float = 0.0) -> None:
        told.append(keys)

    def behave(table: Any, keys: pl.DataFrame) -> None:
        if keys["scan_id"][0] == 0:
            pipeline.other([5, 6, 7, 8, 9, 11])

    monkeypatch.setattr(Pace, "took", took)
    monkeypatch.setattr(remote, "found", lambda _: pipeline.Result())
    monkeypatch.setattr(remote_sets, "found", lambda _: pipeline.Result())
    monkeypatch.setattr(remote, "place_of", lambda *_: remote.Place("", "", "", "", ""))
    pipeline.made.behave = behave
    with ThreadPoolExecutor(1) as pool:
        found = pipeline.Result.populate(batch_size=5, executor=pool if elsewhere else None)
    assert (found.done, found.skipped) == (14, 6)
    assert told == [5, 0, 4, 5]


def test_keys_made_during_the_call(pipeline: SimpleNamespace) -> None:
    """Where others make keys of a batch while it runs, it begins anew with those that are left."""

    def behave(table: Any, keys: pl.DataFrame) -> None:
        if len(pipeline.made.calls) == 1:
            pipeline.other([2, 3])
        if len(pipeline.made.calls) == 2:
            pipeline.other([0])

    pipeline.made.behave = behave
    result = pipeline.Result.populate("scan_id < 5")
    assert pipeline.made.calls == [[0, 1, 2, 3, 4], [0, 1, 4], [1, 4]]
    assert (result.done, result.skipped, result.failed) == (2, 3, 0)


def test_a_duplicate_of_its_own_is_an_error(pipeline: SimpleNamespace) -> None:
    """A row that make_batch inserts twice is not taken for another process's: it is raised at once."""
    pipeline.made.behave = lambda table, keys: table.insert(keys)
    with pytest.raises(DuplicateKey):
        pipeline.Result.populate()
    assert len(pipeline.made.calls) == 1
    assert len(pipeline.Result) == 0


def test_two_populates_share_the_keys(pipeline: SimpleNamespace) -> None:
    """Two at once make each key once, and neither fails."""
    together = threading.Barrier(2, timeout=20)

    def behave(table: Any, keys: pl.DataFrame) -> None:
        if keys["scan_id"][0] == 0:
            together.wait()  # both are making the first batch, so that one of them must lose

    pipeline.made.behave = behave
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda _: pipeline.Result.populate(batch_size=6), range(2)))
    assert sum(result.done for result in results) == 20
    assert sum(result.skipped for result in results) >= 6
    assert [result.failures for result in results] == [(), ()]
    assert len(pipeline.Result) == 20


def test_four_populates_of_every_batch_size(pipeline: SimpleNamespace, connection: PostgresConnection) -> None:
    """However the batches of several processes overlap, each key is made once, as a ledger without a key tells."""
    ledger = f'"{pipeline.Result().spec.name.schema}"."Ledger"'
    connection.execute(f"CREATE TABLE {ledger} (scan int)")

    def behave(table: Any, keys: pl.DataFrame) -> None:
        values = ", ".join(f"({key})" for key in keys["scan_id"])
        connection.execute(f"INSERT INTO {ledger} VALUES {values}")

    pipeline.made.behave = behave
    pipeline.Scan.insert([{"scan_id": number} for number in range(20, 250)])
    with ThreadPoolExecutor(4) as pool:
        sizes = (3, 7, 40, None)
        results = list(pool.map(lambda size: pipeline.Result.populate(batch_size=size, suppress_errors=True), sizes))
    assert [result.failures for result in results] == [()] * 4
    assert sum(result.done for result in results) == 250
    written = connection.query(f"SELECT scan FROM {ledger} ORDER BY scan").column("scan").to_pylist()
    assert written == list(range(250))


def test_a_conflict_is_tried_again(pipeline: SimpleNamespace, connection: PostgresConnection) -> None:
    """A batch that loses to another's update of a row (40001) runs again and then commits."""
    update = f"UPDATE {pipeline.Scan().full_table_name} SET uses = uses + 1"

    def behave(table: Any, keys: pl.DataFrame) -> None:
        if len(pipeline.made.calls) == 1:
            in_thread(lambda: connection.execute(update))
        connection.execute(update)

    pipeline.made.behave = behave
    assert pipeline.Result.populate().done == 20
    assert len(pipeline.made.calls) == 2
    assert (pipeline.Scan & {"scan_id": 0}).fetch1("uses") == 2


def test_a_conflict_that_never_ends_is_raised(pipeline: SimpleNamespace) -> None:
    """After five attempts halves are tried, and of one key the conflict is an error of the caller's."""

    def behave(table: Any, keys: pl.DataFrame) -> None:
        raise EngineError("could not serialize access", sqlstate="40001")

    pipeline.made.behave = behave
    with pytest.raises(EngineError, match="could not serialize"):
        pipeline.Result.populate()
    assert [len(keys) for keys in pipeline.made.calls] == [20] * 5 + [10] * 5 + [5] * 5 + [2] * 5 + [1] * 5
    assert len(pipeline.Result) == 0


def test_others_in_the_way_of_one_key(pipeline: SimpleNamespace) -> None:
    """All other keys are made before that is raised, as halves of their batch, where they come before it."""

    def behave(table: Any, keys: pl.DataFrame) -> None:
        if 19 in keys["scan_id"]:
            raise EngineError("could not serialize access", sqlstate="40001")

    pipeline.made.behave = behave
    with pytest.raises(EngineError, match="could not serialize"):
        pipeline.Result.populate()
    assert len(pipeline.Result) == 19


@pytest.mark.parametrize("suppress", [False, True])
def test_a_lost_connection_is_no_keys_error(
    pipeline: SimpleNamespace, connection: PostgresConnection, *, suppress: bool
) -> None:
    """Where the connection is lost, populate ends with that, and does not look for a key to blame."""

    def behave(table: Any, keys: pl.DataFrame) -> None:
        (row,) = connection.query("SELECT pg_backend_pid() AS id").to_pylist()
        in_thread(lambda: connection.query(f"SELECT pg_terminate_backend({row['id']})"))

    pipeline.made.behave = behave
    with pytest.raises(ConnectionFailed):
        pipeline.Result.populate(suppress_errors=suppress)
    assert len(pipeline.made.calls) == 1
    assert len(pipeline.Result) == 0
    pipeline.made.behave = lambda *_: None
    assert pipeline.Result.populate().done == 20


def test_a_query_begins_anew(schema: dj.Schema, connection: PostgresConnection) -> None:
    """Where another session has inserted keys and commits while make_query's rows go in, the rest is made."""

    @schema
    class Scan(dj.Manual):
        definition = "scan_id : uint8\n---"

    @schema
    class Result(dj.Computed):
        definition = "-> Scan\n---\nby = '' : varchar(10)"

        def make_query(self) -> Any:
            return Scan.proj()

    Scan.insert([(number,) for number in range(10)])
    Result.declare()
    inserted, may_commit = threading.Event(), threading.Event()

    def other() -> None:
        with connection.transaction:
            Result.insert([{"scan_id": 4, "by": "other"}], allow_direct_insert=True)
            inserted.set()
            may_commit.wait(20)

    with ThreadPoolExecutor(2) as pool:
        running = pool.submit(other)
        assert inserted.wait(20)
        populating = pool.submit(Result.populate)
        while not waiting_for_another(connection):
            assert not populating.done()
        may_commit.set()
        running.result(timeout=20)
        result = populating.result(timeout=20)
    assert (result.done, result.skipped, result.failed) == (9, 0, 0)
    assert len(Result) == 10


def waiting_for_another(connection: PostgresConnection) -> bool:
    """Whether a statement waits for the end of another transaction."""
    waiting = connection.query("SELECT 1 FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted")
    return bool(waiting.num_rows)
