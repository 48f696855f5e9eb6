"""populate(refresh_stale=True) by sets of keys: the stale results of a batch go in the transaction that makes it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import DjarrowError, EngineError, LeaseLost, RefreshRefused
from djarrow.jobs.keys import Keys
from djarrow.jobs.on_server import QueryMaker
from djarrow.jobs.queue import refresh
from djarrow.jobs.refreshing import Refreshing
from djarrow.sql import jobs as statements

from ...crossed import crossed
from ...described import drop_schemas

if TYPE_CHECKING:
    import polars as pl


@pytest.fixture
def second(connection: PostgresConnection, schema: dj.Schema) -> Iterator[dj.Schema]:
    """Another schema, dropped before the first one."""
    made = dj.Schema(f"{schema.name}b", connection=connection)
    yield made
    drop_schemas(connection, made.name)


@pytest.fixture(params=["make_batch", "make_query"])
def form(request: pytest.FixtureRequest) -> str:
    """By which of the two forms results are made."""
    return str(request.param)


@pytest.fixture
def pipeline(schema: dj.Schema, second: dj.Schema, form: str) -> SimpleNamespace:
    """Scan (10 rows, two frames each), Stats of it with its part Bin, and More of that in another schema.

    A scan whose value is above 255 fails, and make_query has no row for one whose value is below 0.
    """

    @schema
    class Scan(dj.Manual):
        definition = "scan_id : uint8\n---\nvalue : int32"

    @schema
    class Frame(dj.Manual):
        definition = "-> Scan\nframe : uint8\n---"

    made = SimpleNamespace(calls=[], behave=lambda keys: None)

    class Bin(dj.Part):
        definition = "-> master\n-> Frame\n---"

    def make_batch(self: Any, keys: pl.DataFrame) -> Any:
        made.calls.append(keys["scan_id"].to_list())
        made.behave(keys)
        return {self: (Scan & keys).proj(x="value"), self.Bin: Frame & keys}

    def make_query(self: Any) -> Any:
        return {self: (Scan & "value >= 0").proj(x="value"), self.Bin: Frame}

    def more_batch(self: Any, keys: pl.DataFrame) -> Any:
        return (Stats & keys).proj(more="x + 1")

    def more_query(self: Any) -> Any:
        return Stats.proj(more="x + 1")

    own, further = {"make_batch": (make_batch, more_batch), "make_query": (make_query, more_query)}[form]
    Stats: Any = schema(type("Stats", (dj.Computed,), {"definition": "-> Scan\n---\nx : uint8", "Bin": Bin, form: own}))
    More: Any = second(type("More", (dj.Computed,), {"definition": "-> Stats\n---\nmore : int32", form: further}))
    Scan.insert([(number, number) for number in range(10)])
    Frame.insert([(number, frame) for number in range(10) for frame in range(2)])
    Stats.populate()
    More.populate()
    made.calls.clear()
    return SimpleNamespace(Scan=Scan, Stats=Stats, More=More, made=made, schema=schema, second=second, form=form)


@pytest.fixture(params=[False, True], ids=["listed", "reserved"])
def reserve_jobs(request: pytest.FixtureRequest) -> bool:
    """Whether keys come out of the queue."""
    return bool(request.param)


def ids(query: Any) -> list[int]:
    """The scans of a query."""
    return [row["scan_id"] for row in query.to_dicts(order_by="scan_id")]


def correct(pipeline: SimpleNamespace, *numbers: int, value: int = 99) -> None:
    """Change the value of these scans."""
    for number in numbers:
        pipeline.Scan.update1({"scan_id": number, "value": value})


def makes(connection: PostgresConnection, pipeline: SimpleNamespace) -> list[int]:
    """For how many keys each make of Stats was, the first one first."""
    text = f'SELECT keys FROM "{pipeline.schema.name}"."~makes" WHERE table_name = \'__stats\' ORDER BY started'
    return [row["keys"] for row in connection.query(text).to_pylist()]


def jobs(connection: PostgresConnection, schema: dj.Schema) -> list[tuple[str, str]]:
    """Key and status of the jobs of a schema."""
    text = f'SELECT key::text AS key, status::text AS status FROM "{schema.name}"."~jobs" ORDER BY "_number"'
    return [(row["key"], row["status"]) for row in connection.query(text).to_pylist()]


def in_thread(work: Callable[[], object]) -> None:
    """Do work in a thread, which has a session of its own."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result(timeout=20)


# --- what is replaced --------------------------------------------------------------------------------------------


def test_stale_results_are_replaced(
    pipeline: SimpleNamespace, connection: PostgresConnection, reserve_jobs: bool
) -> None:
    """They alone, with what is missing, as one make; what depends on them is gone until its own populate."""
    correct(pipeline, 1, 2)
    pipeline.Scan.insert1((20, 7))
    found = pipeline.Stats.populate(refresh_stale=True, reserve_jobs=reserve_jobs)
    assert (found.done, found.skipped, found.failed, found.waiting) == (3, 0, 0, 0)
    assert makes(connection, pipeline) == [10, 3]
    if pipeline.form == "make_batch":
        assert pipeline.made.calls == [[1, 2, 20]]
    assert [row["x"] for row in pipeline.Stats.to_dicts("x", order_by="scan_id")] == [0, 99, 99, *range(3, 10), 7]
    assert len(pipeline.Stats.Bin) == 20
    assert len(pipeline.Stats.stale()) == 0
    assert ids(pipeline.More) == [0, *range(3, 10)]
    assert len((pipeline.Stats * pipeline.Stats.provenance()) & {"keys": 3}) == 3
    assert pipeline.More.populate(refresh_stale=True, reserve_jobs=reserve_jobs).done == 3
    assert (pipeline.More & {"scan_id": 1}).fetch1("more") == 100
    assert len(pipeline.More.stale()) == 0
    assert pipeline.Stats.populate(refresh_stale=True, reserve_jobs=reserve_jobs).done == 0
    if reserve_jobs:
        for each in (pipeline.schema, pipeline.second):
            assert jobs(connection, each) == []
            assert connection.query(f'SELECT 1 FROM "{each.name}"."~workers"').num_rows == 0


def test_without_it_they_stay(pipeline: SimpleNamespace) -> None:
    """A populate that is not told to replace makes what is missing only."""
    correct(pipeline, 1)
    assert pipeline.Stats.populate().done == 0
    assert ids(pipeline.Stats.stale()) == [1]


def test_accepted_results_stay(pipeline: SimpleNamespace, connection: PostgresConnection) -> None:
    """What was accepted is not replaced, also where it has a job from before."""
    pipeline.Stats.populate(reserve_jobs=True)
    correct(pipeline, 1, 2)
    assert refresh(pipeline.Stats(), refresh_stale=True) == (2, 0)
    pipeline.Stats.accept("scan_id = 1")
    found = pipeline.Stats.populate(refresh_stale=True, reserve_jobs=True)
    assert (found.done, found.skipped) == (1, 1)
    assert (pipeline.Stats & {"scan_id": 1}).fetch1("x") == 1
    assert jobs(connection, pipeline.schema) == []


def test_batches(pipeline: SimpleNamespace, connection: PostgresConnection, reserve_jobs: bool) -> None:
    """batch_size, max_calls, restrictions and limit count for stale keys as for missing ones."""
    correct(pipeline, *range(10))
    options = {"refresh_stale": True, "reserve_jobs": reserve_jobs}
    assert pipeline.Stats.populate("scan_id > 0", batch_size=2, max_calls=2, **options).done == 4
    assert ids(pipeline.Stats.stale()) == [0, 5, 6, 7, 8, 9]
    assert pipeline.Stats.populate("scan_id > 0", batch_size=2, limit=3, **options).done == 3
    assert ids(pipeline.Stats.stale()) == [0, 8, 9]
    assert makes(connection, pipeline) == [10, 2, 2, 2, 1]
    assert pipeline.Stats.populate(max_calls=0, **options).done == 0
    assert pipeline.Stats.populate(**options).done == 3


def test_without_a_size_they_go_in_batches_too(pipeline: SimpleNamespace, connection: PostgresConnection) -> None:
    """The first has as many keys as earlier makes take two seconds for, by make_query as by make_batch."""
    pipeline.Scan.insert([(number, 1) for number in range(10, 250)])
    pipeline.Stats.populate()
    slow = f'UPDATE "{pipeline.schema.name}"."~makes" SET "duration" = "keys" * 0.02'
    connection.execute(slow)
    before = makes(connection, pipeline)
    correct(pipeline, *range(110))
    assert pipeline.Stats.populate(refresh_stale=True).done == 110
    assert makes(connection, pipeline)[len(before) :] == [100, 10]


def test_order(pipeline: SimpleNamespace) -> None:
    """The last keys go first where that is wished."""
    correct(pipeline, *range(10))
    assert pipeline.Stats.populate(refresh_stale=True, batch_size=4, max_calls=1, order="reverse").done == 4
    assert ids(pipeline.Stats.stale()) == list(range(6))


def test_upstream_goes_first(pipeline: SimpleNamespace, reserve_jobs: bool) -> None:
    """A result of a stale one is not made again from that: it waits, and is told."""
    correct(pipeline, 1, 2)
    found = pipeline.More.populate(refresh_stale=True, reserve_jobs=reserve_jobs)
    assert (found.done, found.waiting) == (0, 2)
    assert len(pipeline.More) == 10
    pipeline.Stats.populate(refresh_stale=True)
    found = pipeline.More.populate(refresh_stale=True, reserve_jobs=reserve_jobs)
    assert (found.done, found.waiting) == (2, 0)


def test_what_has_come_to_wait(pipeline: SimpleNamespace, connection: PostgresConnection) -> None:
    """A stale result that has a job, and whose input has become stale since, is left as it is and is told."""
    pipeline.More.populate(reserve_jobs=True)
    correct(pipeline, 1)
    pipeline.Stats.accept()
    assert refresh(pipeline.More(), refresh_stale=True) == (1, 0)
    correct(pipeline, 1, value=50)
    found = pipeline.More.populate(refresh_stale=True, reserve_jobs=True)
    assert (found.done, found.skipped, found.waiting) == (0, 1, 1)
    assert ids(pipeline.More.stale()) == [1]
    assert jobs(connection, pipeline.second) == []


def test_a_key_source_of_fewer_attributes(schema: dj.Schema, form: str) -> None:
    """All rows of a key are replaced where one of them is stale."""

    @schema
    class Scan(dj.Manual):
        definition = "scan_id : uint8\n---\nvalue : float64"

    @schema
    class Method(dj.Manual):
        definition = "method : uint8\n---\nfactor : float64"

    def make_batch(self: Any, keys: pl.DataFrame) -> Any:
        return ((Scan & keys) * Method).proj(result="value * factor")

    def make_query(self: Any) -> Any:
        return (Scan * Method).proj(result="value * factor")

    made = {"make_batch": make_batch, "make_query": make_query}[form]
    body = {"definition": "-> Scan\n-> Method\n---\nresult : float64", form: made}
    Both: Any = schema(type("Both", (dj.Computed,), {**body, "key_source": property(lambda _: Scan.proj())}))
    Scan.insert([(1, 1.0), (2, 2.0)])
    Method.insert([(1, 1.0), (2, 2.0)])
    assert Both.populate().done == 2
    Scan.update1({"scan_id": 2, "value": 5.0})
    assert Both.populate(refresh_stale=True).done == 1
    Method.update1({"method": 2, "factor": 3.0})
    assert Both.populate(refresh_stale=True).done == 2
    assert [row["result"] for row in Both.to_dicts("result", order_by="KEY")] == [1.0, 3.0, 5.0, 15.0]
    assert Both.populate(refresh_stale=True).done == 0


@pytest.mark.parametrize("form", ["make_query"], indirect=True)
def test_a_stale_result_that_the_query_gives_no_more(pipeline: SimpleNamespace, reserve_jobs: bool) -> None:
    """It goes with what depends on it, and its key is passed over and stays pending."""
    correct(pipeline, 1, value=-1)
    correct(pipeline, 2)
    found = pipeline.Stats.populate(refresh_stale=True, reserve_jobs=reserve_jobs)
    assert (found.done, found.skipped) == (1, 1)
    assert ids(pipeline.Stats) == [0, *range(2, 10)]
    assert ids(pipeline.More) == [0, *range(3, 10)]
    assert len(pipeline.Stats.Bin) == 18
    correct(pipeline, 3, value=-1)
    found = pipeline.Stats.populate("scan_id = 3", refresh_stale=True, reserve_jobs=reserve_jobs)
    assert (found.done, found.skipped) == (0, 1)
    assert 3 not in ids(pipeline.Stats)
    assert pipeline.Stats.progress() == (2, 10)


# --- what fails --------------------------------------------------------------------------------------------------


def test_what_fails_keeps_its_old_rows(
    pipeline: SimpleNamespace, connection: PostgresConnection, reserve_jobs: bool
) -> None:
    """It and all that depends on it stays, and is stale; the others are found by halving, and made."""
    correct(pipeline, 1, 2, 3, 4, 5)
    correct(pipeline, 4, value=1000)
    with pytest.raises(DjarrowError):
        pipeline.Stats.populate(refresh_stale=True, reserve_jobs=reserve_jobs)
    assert ids(pipeline.Stats.stale()) == [1, 2, 3, 4, 5]
    assert len(pipeline.More) == 10
    found = pipeline.Stats.populate(refresh_stale=True, suppress_errors=True, reserve_jobs=reserve_jobs)
    assert (found.done, [failure.key for failure in found.failures]) == (4, [{"scan_id": 4}])
    assert (pipeline.Stats & {"scan_id": 4}).fetch1("x") == 4
    assert len(pipeline.Stats.Bin & {"scan_id": 4}) == 2
    assert ids(pipeline.Stats.stale()) == [4]
    assert ids(pipeline.More) == [0, 4, 6, 7, 8, 9]
    if reserve_jobs:
        assert jobs(connection, pipeline.schema) == [('{"scan_id": 4}', "error")]


def test_rows_entered_by_hand_are_not_lost(pipeline: SimpleNamespace) -> None:
    """A batch with stale results that such rows depend on is refused; where errors are collected, these results."""

    @pipeline.second
    class Note(dj.Manual):
        definition = "-> pipeline.More\n---\ntext : varchar(20)"

    Note.insert([(1, "by hand"), (3, "too")])
    correct(pipeline, 1, 2, 3)
    with pytest.raises(RefreshRefused, match=f"2 of {pipeline.second.name}.note"):
        pipeline.Stats.populate(refresh_stale=True)
    assert (len(Note), ids(pipeline.Stats.stale()), len(pipeline.More)) == (2, [1, 2, 3], 10)
    assert pipeline.made.calls == []
    found = pipeline.Stats.populate(refresh_stale=True, suppress_errors=True)
    assert found.done == 1
    assert [failure.key for failure in found.failures] == [{"scan_id": 1}, {"scan_id": 3}]
    for failure in found.failures:
        assert isinstance(failure.error, RefreshRefused)
        assert failure.error.key == failure.key
    assert (len(Note), ids(pipeline.Stats.stale())) == (2, [1, 3])
    Note.delete(prompt=False)
    assert pipeline.Stats.populate(refresh_stale=True).done == 2


def _steal(connection: PostgresConnection, schema: dj.Schema) -> None:
    """As if the lease had been over, and another worker had the jobs."""
    connection.execute(f'UPDATE "{schema.name}"."~workers" SET expires = now() - interval \'1 hour\'')
    connection.query(statements.take_back(schema.name or ""))


@pytest.mark.parametrize("form", ["make_batch"], indirect=True)
def test_a_lost_lease_replaces_nothing(pipeline: SimpleNamespace, connection: PostgresConnection) -> None:
    """A batch whose jobs are another worker's by then leaves the old results."""
    correct(pipeline, 1, 2)
    pipeline.made.behave = lambda keys: in_thread(lambda: _steal(connection, pipeline.schema))
    with pytest.raises(LeaseLost):
        pipeline.Stats.populate(refresh_stale=True, reserve_jobs=True)
    assert ids(pipeline.Stats.stale()) == [1, 2]
    assert len(pipeline.More) == 10


@pytest.mark.parametrize("form", ["make_query"], indirect=True)
def test_a_lost_lease_deletes_nothing(pipeline: SimpleNamespace, connection: PostgresConnection) -> None:
    """Nor does one whose results would only go, because the query gives none any more."""
    from djarrow.jobs.queue import Lease, Queue

    pipeline.Stats.populate(reserve_jobs=True)
    correct(pipeline, 1, value=-1)
    refresh(pipeline.Stats(), refresh_stale=True)
    table = pipeline.Stats()
    heading = table.key_source.proj().heading
    with Lease(connection, pipeline.schema.name) as lease:
        held = Queue(table, heading, lease).reserve(5)
        keys = Keys.reserved(heading, held)
        _steal(connection, pipeline.schema)
        with pytest.raises(LeaseLost):
            QueryMaker(table, {}, Refreshing(table)).make(keys.node, keys.jobs)
    assert ids(pipeline.Stats.stale()) == [1]
    assert len(pipeline.More) == 10


# --- others at work ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sizes", "form", "reserve_jobs"),
    crossed(
        [(None, None), (3, 40), (1, 30), (None, 7)],
        ["make_batch", "make_query"],
        [False, True, True, False],
    ),
    indirect=["form", "reserve_jobs"],
)
def test_several_that_replace_at_once(
    pipeline: SimpleNamespace, connection: PostgresConnection, reserve_jobs: bool, sizes: tuple[int | None, ...]
) -> None:
    """Each stale key is replaced once however their batches overlap, as a ledger without a key tells; none fails."""
    pipeline.Scan.insert([(number, 1) for number in range(10, 60)])
    pipeline.Stats.populate()
    pipeline.More.populate()
    correct(pipeline, *range(60))
    ledger = f'"{pipeline.schema.name}"."Ledger"'
    connection.execute(f"CREATE TABLE {ledger} (scan int)")
    connection.execute(
        f"CREATE FUNCTION {ledger}() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN INSERT INTO {ledger} VALUES (NEW.scan_id); RETURN NEW; END $$"
    )
    name = pipeline.Stats.full_table_name
    connection.execute(f"CREATE TRIGGER ledger AFTER INSERT ON {name} FOR EACH ROW EXECUTE FUNCTION {ledger}()")
    together = threading.Barrier(2, timeout=20)

    def run(size: int | None) -> Any:
        together.wait()
        return pipeline.Stats.populate(refresh_stale=True, reserve_jobs=reserve_jobs, batch_size=size)

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(run, sizes))
    assert sum(one.done for one in found) == 60
    assert [one.failures for one in found] == [(), ()]
    written = connection.query(f"SELECT scan FROM {ledger} ORDER BY scan").column("scan").to_pylist()
    assert written == list(range(60))
    assert (len(pipeline.Stats), len(pipeline.Stats.Bin), len(pipeline.Stats.stale())) == (60, 20, 0)


def test_a_large_batch_beside_many_small_ones(
    pipeline: SimpleNamespace, connection: PostgresConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as others make some of its keys each time, it is begun anew more often than conflicts are."""
    correct(pipeline, *range(10))
    here, others = threading.get_ident(), list(range(9, 1, -1))
    original = Refreshing.clear_stale

    def clear_stale(self: Refreshing, keys: Any) -> int:
        if threading.get_ident() == here and others:
            connection.query("SELECT 1")  # what it sees is settled, and another one replaces a key of it
            in_thread(lambda: pipeline.Stats.populate({"scan_id": others.pop()}, refresh_stale=True))
        return original(self, keys)

    monkeypatch.setattr(Refreshing, "clear_stale", clear_stale)
    found = pipeline.Stats.populate(refresh_stale=True)
    assert (found.done, found.skipped, others) == (2, 8, [])
    assert makes(connection, pipeline) == [10, *[1] * 8, 2]
    assert len(pipeline.Stats.stale()) == 0


def test_a_conflict_that_never_ends(
    pipeline: SimpleNamespace, connection: PostgresConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where others are in the way and make none of its keys, the fifth conflict of one is raised; nothing changed."""
    correct(pipeline, 1, 2)
    attempts, original = list[None](), Refreshing.clear_stale

    def clear_stale(self: Refreshing, keys: Any) -> int:
        connection.query("SELECT 1")
        text = f"UPDATE {pipeline.Stats.full_table_name} SET x = x WHERE scan_id = 1"
        in_thread(lambda: connection.execute(text))
        attempts.append(None)
        return original(self, keys)

    monkeypatch.setattr(Refreshing, "clear_stale", clear_stale)
    with pytest.raises(EngineError):
        pipeline.Stats.populate(refresh_stale=True)
    assert len(attempts) == 10
    assert ids(pipeline.Stats.stale()) == [1, 2]
    assert len(pipeline.More) == 10


@pytest.mark.parametrize("form", ["make_batch"], indirect=True)
def test_what_was_replaced_meanwhile_is_skipped(pipeline: SimpleNamespace) -> None:
    """Keys that another process made anew since they were listed are not in the batch."""
    correct(pipeline, 1, 2, 3, 4)
    other: list[Any] = []

    def behave(keys: pl.DataFrame) -> None:
        if not other:
            other.append(None)
            in_thread(lambda: other.append(pipeline.Stats.populate("scan_id = 3", refresh_stale=True)))

    pipeline.made.behave = behave
    found = pipeline.Stats.populate(refresh_stale=True, batch_size=2)
    assert other[1].done == 1
    assert (found.done, found.skipped) == (3, 1)
    assert pipeline.made.calls == [[1, 2], [3], [4]]


@pytest.mark.parametrize("form", ["make_batch"], indirect=True)
def test_a_change_while_it_is_replaced(pipeline: SimpleNamespace) -> None:
    """A change that comes after the batch has read is not lost: the new result is stale."""
    correct(pipeline, 1, 2)
    pipeline.made.behave = lambda keys: in_thread(lambda: correct(pipeline, 1, value=77))
    assert pipeline.Stats.populate(refresh_stale=True).done == 2
    assert ids(pipeline.Stats.stale()) == [1]
    pipeline.made.behave = lambda keys: None
    assert pipeline.Stats.populate(refresh_stale=True).done == 1
    assert (pipeline.Stats & {"scan_id": 1}).fetch1("x") == 77


def test_corrections_makes_and_refreshes_at_once(pipeline: SimpleNamespace) -> None:
    """While inputs are corrected, results are replaced and others made from them: no error, and in the end all hold."""
    over = threading.Event()

    def correcting() -> None:
        for number in range(60):
            correct(pipeline, number % 10, value=number)

    def populating(table: Any) -> int:
        done = 0
        while not over.is_set():
            done += table.populate(refresh_stale=True).done
        return done

    with ThreadPoolExecutor(4) as pool:
        working = [pool.submit(populating, table) for table in (pipeline.Stats, pipeline.Stats, pipeline.More)]
        try:
            pool.submit(correcting).result(60)
        finally:
            over.set()
        assert all(one.result(60) > 0 for one in working)
    for table in (pipeline.Stats, pipeline.More):
        table.populate(refresh_stale=True)
        assert len(table.stale()) == 0
    expected = [1 + value for value in pipeline.Scan.fetch("value").tolist()]
    assert [row["more"] for row in pipeline.More.to_dicts("more", order_by="scan_id")] == expected
