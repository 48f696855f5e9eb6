"""make_batch and make_query in other processes: batches are handed out, and dead processes take nothing with them."""

from __future__ import annotations

import datetime
import decimal
import os
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import ConnectionFailed, LeaseLost, MakeError
from djarrow.jobs import crews, remote
from djarrow.jobs.keys import Keys
from djarrow.jobs.options import Populated
from djarrow.jobs.queue import Lease, Queue, ensure_queue, refresh
from djarrow.jobs.remote_sets import SetTask, do_set
from djarrow.sql import jobs as statements
from tests.engine.populate.elsewhere import HEAD, imported
from tests.engine.populate.test_executors import children

pytestmark = pytest.mark.timeout(300)

TEXT = (
    HEAD
    + '''
import polars as pl


@schema
class Scan(dj.Manual):
    definition = """
    scan_id : uint32
    ---
    task = "" : varchar(20)
    value = 0 : int32
    """


@schema
class Ledger(dj.Manual):
    definition = """
    entry : uuid
    ---
    scan_id : uint32
    """


@schema
class Batched(dj.Computed):
    definition = """
    -> Scan
    ---
    x : int32
    process : int64
    """

    class Bin(dj.Part):
        definition = """
        -> master
        bin : uint8
        ---
        """

    def make_batch(self, keys, added=0, pause=0):
        scans = (Scan & keys).to_polars()
        entries = [(uuid.uuid4(), number) for number in scans["scan_id"]]
        Ledger.insert(entries)
        tasks = set(scans["task"])
        time.sleep(pause * len(keys))
        if "plain" in tasks:
            raise Plain("no", 7)
        if "odd" in tasks:
            raise Odd("a", "b")
        if "cut" in tasks:
            schema.connection.query("SELECT pg_terminate_backend(pg_backend_pid())")
        if "exit" in tasks:
            sys.exit(3)
        died = Path(__file__).with_suffix(".died")
        if "die" in tasks or ("die once" in tasks and not died.exists()):
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        rows = scans.select("scan_id", x=pl.col("value") + added, process=pl.lit(os.getpid()))
        return {self: rows, self.Bin: scans.select("scan_id", bin=pl.lit(1))}


@schema
class Queried(dj.Computed):
    definition = """
    -> Scan
    ---
    x : uint8
    """

    def make_query(self):
        return (Scan & "value >= 0").proj(x="value")


@schema
class More(dj.Computed):
    definition = """
    -> Batched
    ---
    """

    def make_batch(self, keys):
        return keys
'''
)


@pytest.fixture
def pipeline(schema: dj.Schema, connection: PostgresConnection, tmp_path: Path) -> Iterator[ModuleType]:
    """Scan, Batched with its Bin, More of that, Queried and Ledger in a module that other processes can import."""
    with imported(tmp_path, TEXT) as module:
        module.schema.activate(schema.name, connection=connection)
        module.Ledger.declare()
        yield module


@pytest.fixture(params=[False, True], ids=["listed", "reserved"])
def reserve_jobs(request: pytest.FixtureRequest) -> bool:
    """Whether keys come out of the queue."""
    return bool(request.param)


def insert(pipeline: ModuleType, number: int, **tasks: int) -> None:
    """So many scans; tasks: which of them has which one."""
    of = {scan: task.replace("_", " ") for task, scan in tasks.items()}
    pipeline.Scan.insert([{"scan_id": n, "task": of.get(n, "")} for n in range(number)])


def ids(query: Any) -> list[int]:
    """The scans of a query, each as often as it is there."""
    return sorted(row["scan_id"] for row in query.to_dicts())


def jobs(pipeline: ModuleType) -> list[tuple[int, str]]:
    """The jobs of the queue, with their status."""
    text = f'SELECT (key ->> \'scan_id\')::int8 AS n, status::text AS status FROM "{pipeline.schema.name}"."~jobs"'
    rows = pipeline.schema.connection.query(f"{text} ORDER BY 1").to_pylist()
    return [(row["n"], row["status"]) for row in rows]


def makes(pipeline: ModuleType) -> list[dict[str, Any]]:
    """What is kept of the makes."""
    text = f'SELECT keys, process, table_name FROM "{pipeline.schema.name}"."~makes" ORDER BY started'
    rows: list[dict[str, Any]] = pipeline.schema.connection.query(text).to_pylist()
    return rows


@pytest.mark.parametrize("name", ["Batched", "Queried"])
def test_every_key_is_made_once(pipeline: ModuleType, reserve_jobs: bool, name: str) -> None:
    """In batches, by processes that are not this one; afterwards they are gone, and nothing is reserved."""
    insert(pipeline, 900)
    table = getattr(pipeline, name)
    found = table.populate(processes=2, reserve_jobs=reserve_jobs, batch_size=70)
    assert (found.done, found.skipped, found.failures) == (900, 0, ())
    assert ids(table) == list(range(900))
    kept = makes(pipeline)
    assert sorted(row["keys"] for row in kept) == [60, *[70] * 12]
    assert 1 <= len({row["process"] for row in kept}) <= 2
    assert os.getpid() not in {row["process"] for row in kept}
    if name == "Batched":
        assert ids(pipeline.Ledger) == ids(pipeline.Batched.Bin) == list(range(900))
    assert children() == []
    if reserve_jobs:
        assert jobs(pipeline) == []
        assert pipeline.schema.connection.query(f'SELECT 1 FROM "{pipeline.schema.name}"."~workers"').num_rows == 0


def test_batches_are_sized_by_time(pipeline: ModuleType) -> None:
    """Fast keys go out in larger batches than the first ones, and make_kwargs go with them."""
    insert(pipeline, 20_000)
    with ThreadPoolExecutor(2) as pool:
        assert pipeline.Batched.populate(executor=pool, make_kwargs={"added": 5}).done == 20_000
    sizes = [row["keys"] for row in makes(pipeline)]
    assert sizes.count(100) >= 1
    assert max(sizes) > 1000
    assert {row["x"] for row in pipeline.Batched.to_dicts()} == {5}


def test_slow_keys_go_out_in_small_batches(pipeline: ModuleType) -> None:
    """After the first ones, which a process has two of, batches are of as many keys as take two seconds."""
    insert(pipeline, 400)
    with ThreadPoolExecutor(1) as pool:
        pipeline.Batched.populate(executor=pool, make_kwargs={"pause": 0.03}, max_calls=3)
    first, second, third = (row["keys"] for row in makes(pipeline))
    assert first == second == 100
    assert 10 <= third <= 67


def test_failing_keys_are_found(pipeline: ModuleType, reserve_jobs: bool) -> None:
    """By halving, in the process that makes the batch; their errors arrive as they were, or as their text."""
    insert(pipeline, 60, plain=13, odd=45)
    found = pipeline.Batched.populate(processes=2, reserve_jobs=reserve_jobs, suppress_errors=True, batch_size=20)
    assert (found.done, found.failed) == (58, 2)
    plain, odd = sorted(found.failures, key=lambda failure: failure.key["scan_id"])
    assert (plain.key, odd.key) == ({"scan_id": 13}, {"scan_id": 45})
    assert type(plain.error) is pipeline.Plain
    assert type(odd.error) is MakeError
    assert "in make_batch" in "".join(plain.error.__notes__)
    left = [n for n in range(60) if n not in (13, 45)]
    assert ids(pipeline.Batched) == ids(pipeline.Ledger) == left
    if reserve_jobs:
        assert jobs(pipeline) == [(13, "error"), (45, "error")]


def test_failing_values_are_found(pipeline: ModuleType, reserve_jobs: bool) -> None:
    """The same where the database refuses what make_query gives, and keys without a row are passed over."""
    pipeline.Scan.insert([{"scan_id": n, "value": {7: 1000, 9: -1}.get(n, n)} for n in range(30)])
    with ThreadPoolExecutor(2) as pool:
        found = pipeline.Queried.populate(executor=pool, reserve_jobs=reserve_jobs, suppress_errors=True, batch_size=8)
    assert (found.done, found.skipped, [failure.key for failure in found.failures]) == (28, 1, [{"scan_id": 7}])
    if reserve_jobs:
        assert jobs(pipeline) == [(7, "error")]


def test_the_first_error_is_raised(pipeline: ModuleType, reserve_jobs: bool) -> None:
    """Nothing of its batch is kept, what runs is done, and the other keys are to be made still."""
    insert(pipeline, 400, plain=45)
    with pytest.raises(pipeline.Plain) as raised:
        pipeline.Batched.populate(processes=2, reserve_jobs=reserve_jobs, batch_size=10, make_kwargs={"pause": 0.005})
    assert "10 keys, the first of them {'scan_id': 40}" in "".join(raised.value.__notes__)
    made = ids(pipeline.Batched)
    assert set(range(40)) <= set(made)
    assert not set(range(40, 50)) & set(made)
    assert len(made) < 390
    assert ids(pipeline.Ledger) == made
    assert children() == []
    if reserve_jobs:
        assert jobs(pipeline) == [(n, "pending") for n in range(400) if n not in made]


def test_an_error_of_one_key_is_kept(pipeline: ModuleType) -> None:
    """Where the batch is one key, the error that is raised is in the queue, too."""
    insert(pipeline, 3, plain=0)
    with ThreadPoolExecutor(1) as pool, pytest.raises(pipeline.Plain):
        pipeline.Batched.populate(executor=pool, reserve_jobs=True, batch_size=1)
    assert jobs(pipeline)[0] == (0, "error")


def test_a_lost_connection_ends_it(pipeline: ModuleType) -> None:
    """It is no key's fault: the keys of the batch are pending at once, also where errors are collected."""
    insert(pipeline, 30, cut=12)
    with ThreadPoolExecutor(1) as pool, pytest.raises(ConnectionFailed):
        pipeline.Batched.populate(executor=pool, reserve_jobs=True, batch_size=5, suppress_errors=True)
    made = ids(pipeline.Batched)
    assert made in ([*range(10)], [*range(10), *range(15, 20)])  # the next batch may have begun
    assert jobs(pipeline) == [(number, "pending") for number in range(30) if number not in made]


def test_limit_and_max_calls(pipeline: ModuleType, reserve_jobs: bool) -> None:
    """A limit counts keys, max_calls batches; neither is passed."""
    insert(pipeline, 100)
    with ThreadPoolExecutor(2) as pool:
        options = {"executor": pool, "reserve_jobs": reserve_jobs, "batch_size": 10}
        assert pipeline.Batched.populate(max_calls=3, **options).done == 30
        assert pipeline.Batched.populate(limit=25, **options).done == 25
        assert pipeline.Batched.populate("scan_id >= 90", **options).done == 10
        assert pipeline.Batched.populate(max_calls=0, **options).done == 0
    assert len(pipeline.Batched) == 65
    assert sorted(row["keys"] for row in makes(pipeline)) == [5, *[10] * 6]
    if reserve_jobs:
        assert {status for _, status in jobs(pipeline)} == {"pending"}


def test_a_key_that_ends_its_process_is_blamed_alone(pipeline: ModuleType, reserve_jobs: bool) -> None:
    """Its batch is halved until it is alone; all other keys are made, each once."""
    insert(pipeline, 12, die=5)
    found = pipeline.Batched.populate(processes=2, reserve_jobs=reserve_jobs, suppress_errors=True, batch_size=2)
    assert [failure.key for failure in found.failures] == [{"scan_id": 5}]
    assert "ended before it could tell" in str(found.failures[0].error)
    assert found.done + found.skipped == 11
    left = [n for n in range(12) if n != 5]
    assert ids(pipeline.Batched) == ids(pipeline.Ledger) == left
    assert children() == []
    if reserve_jobs:
        assert jobs(pipeline) == [(5, "error")]


def test_a_process_that_is_killed_takes_nothing_with_it(pipeline: ModuleType, reserve_jobs: bool) -> None:
    """Its batch is made by others, though errors are not suppressed: nothing is wrong with it."""
    insert(pipeline, 60, die_once=25)
    found = pipeline.Batched.populate(processes=2, reserve_jobs=reserve_jobs, batch_size=10)
    assert (found.done + found.skipped, found.failed) == (60, 0)
    assert ids(pipeline.Batched) == ids(pipeline.Ledger) == list(range(60))
    assert sorted(row["keys"] for row in makes(pipeline)) == [10] * 6
    if reserve_jobs:
        assert jobs(pipeline) == []


def test_new_processes_that_are_killed_as_they_begin(pipeline: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are replaced as those were that had begun."""
    insert(pipeline, 20, die_once=7)
    renewed, original = list[None](), crews.OwnProcesses.renew

    def renew(self: crews.OwnProcesses) -> bool:
        again = original(self)
        renewed.append(None)
        if len(renewed) <= 2:
            for _ in range(self.size):
                self.submit(os._exit, 3)
        return again

    monkeypatch.setattr(crews.OwnProcesses, "renew", renew)
    found = pipeline.Batched.populate(processes=2, batch_size=5)
    assert (found.done + found.skipped, found.failed) == (20, 0)
    assert len(renewed) >= 3
    assert ids(pipeline.Batched) == ids(pipeline.Ledger) == list(range(20))
    assert children() == []


def test_a_make_that_exits_ends_populate(pipeline: ModuleType) -> None:
    """As it does where it runs in this process; its keys and the others are pending."""
    insert(pipeline, 30, exit=3)
    with pytest.raises(SystemExit):
        pipeline.Batched.populate(processes=2, reserve_jobs=True, suppress_errors=True, batch_size=5)
    assert not set(range(5)) & set(ids(pipeline.Batched))
    assert children() == []
    assert {status for _, status in jobs(pipeline)} == {"pending"}
    assert set(range(5)) <= {number for number, _ in jobs(pipeline)}


@pytest.mark.parametrize("name", ["Batched", "Queried"])
def test_stale_results_are_replaced(pipeline: ModuleType, reserve_jobs: bool, name: str) -> None:
    """With those that are missing, and each once; what depends on them is gone."""
    insert(pipeline, 60)
    table = getattr(pipeline, name)
    table.populate()
    pipeline.More.populate()
    pipeline.Ledger.delete(prompt=False)
    for number in range(25):
        pipeline.Scan.update1({"scan_id": number, "value": 7})
    pipeline.Scan.insert1({"scan_id": 60, "value": 7})
    with ThreadPoolExecutor(2) as pool:
        options = {"executor": pool, "reserve_jobs": reserve_jobs, "refresh_stale": True}
        found = table.populate(batch_size=4, **options)
        assert (found.done, found.skipped, found.failures, found.waiting) == (26, 0, (), 0)
        assert len(table.stale()) == 0
        assert table.populate(**options).done == 0
    assert ids(table & "x = 7") == [*range(25), 60]
    if name == "Batched":
        assert ids(pipeline.Ledger) == [*range(25), 60]
        assert ids(pipeline.More) == list(range(25, 60))


def test_a_killed_process_loses_no_old_result(pipeline: ModuleType, reserve_jobs: bool) -> None:
    """The batch whose results it was replacing is replaced by another."""
    insert(pipeline, 40)
    pipeline.Batched.populate()
    pipeline.Ledger.delete(prompt=False)
    for number in range(20):
        task = "die once" if number == 9 else ""
        pipeline.Scan.update1({"scan_id": number, "value": 7, "task": task})
    found = pipeline.Batched.populate(processes=2, reserve_jobs=reserve_jobs, refresh_stale=True, batch_size=5)
    assert (found.done + found.skipped, found.failed) == (20, 0)
    assert ids(pipeline.Batched) == list(range(40))
    assert ids(pipeline.Ledger) == list(range(20))
    assert len(pipeline.Batched.stale()) == 0


def test_two_coordinators(pipeline: ModuleType, reserve_jobs: bool) -> None:
    """Two that hand out the same keys, in batches of their own sizes, have each made once."""
    insert(pipeline, 150)
    pipeline.Batched.declare()

    def run(size: int) -> Populated:
        with ThreadPoolExecutor(2) as pool:
            found: Populated = pipeline.Batched.populate(executor=pool, reserve_jobs=reserve_jobs, batch_size=size)
            return found

    with ThreadPoolExecutor(2) as both:
        found = list(both.map(run, (7, 30)))
    assert sum(one.done for one in found) == 150
    assert [one.failures for one in found] == [(), ()]
    assert ids(pipeline.Batched) == ids(pipeline.Ledger) == list(range(150))


def _task(pipeline: ModuleType, keys: Keys, **options: Any) -> SetTask:
    place = remote.place_of(pipeline.Batched(), pipeline.schema.connection)
    packed = b"" if keys.jobs else keys.packed()
    return SetTask(place, packed, keys.jobs, {}, {}, **{"suppress_errors": False, "refresh_stale": False, **options})


def test_a_task_that_is_given_again(pipeline: ModuleType, connection: PostgresConnection) -> None:
    """As Dask does when a worker dies: what was committed is not made again, with jobs or without."""
    insert(pipeline, 20)
    table = pipeline.Batched()
    table.populate("FALSE")
    keys = Keys.read(connection, (pipeline.Scan & "scan_id < 10").proj().node)
    reports = [do_set(_task(pipeline, keys)) for _ in range(2)]
    assert [(one.done, one.skipped, one.error) for one in reports] == [(10, 0, None), (0, 10, None)]
    ensure_queue(connection, table.schema)
    refresh(table)
    with Lease(connection, pipeline.schema.name) as lease:
        reserved = Keys.reserved(keys.heading, Queue(table, keys.heading, lease).reserve(50))
        assert len(reserved) == 10
        reports = [do_set(_task(pipeline, reserved)) for _ in range(2)]
    assert [(one.done, one.skipped, one.error) for one in reports] == [(10, 0, None), (0, 10, None)]
    assert ids(pipeline.Ledger) == list(range(20))


@contextmanager
def _all_reserved(pipeline: ModuleType, connection: PostgresConnection, number: int) -> Iterator[Keys]:
    """So many keys of Batched, reserved by a lease that lasts as long as the block."""
    insert(pipeline, number)
    table, heading = pipeline.Batched(), pipeline.Scan.proj().heading
    table.populate("FALSE")
    ensure_queue(connection, table.schema)
    refresh(table)
    with Lease(connection, pipeline.schema.name) as lease:
        yield Keys.reserved(heading, Queue(table, heading, lease).reserve(50))


def test_a_task_that_is_given_again_in_part(pipeline: ModuleType, connection: PostgresConnection) -> None:
    """Where a process died amid the halves of a batch, what it made is passed over, and the rest is made: no lease was
    lost.
    """
    with _all_reserved(pipeline, connection, 12) as keys:
        do_set(_task(pipeline, keys.halves()[0]))
        report = do_set(_task(pipeline, keys, suppress_errors=True))
    assert (report.done, report.skipped, report.error, report.failures) == (6, 6, None, ())
    assert ids(pipeline.Batched) == ids(pipeline.Ledger) == list(range(12))
    assert jobs(pipeline) == []


def test_a_lost_lease_is_told(pipeline: ModuleType, connection: PostgresConnection) -> None:
    """A process whose batch is another worker's by then keeps nothing, and says so."""
    with _all_reserved(pipeline, connection, 5) as keys:
        connection.execute(f'UPDATE "{pipeline.schema.name}"."~workers" SET expires = now() - interval \'1 hour\'')
        connection.query(statements.take_back(pipeline.schema.name))
        report = do_set(_task(pipeline, keys))
        collected = do_set(_task(pipeline, keys, suppress_errors=True))
    assert type(report.error) is LeaseLost
    assert [type(error) for _, error in collected.failures] == [LeaseLost]
    assert len(pipeline.Batched) == len(pipeline.Ledger) == 0


def test_keys_of_every_type_go_there(schema: dj.Schema, connection: PostgresConnection) -> None:
    """What is packed here is there what it was."""

    @schema
    class Odd(dj.Manual):
        definition = """
        a : uuid
        b : date
        c : datetime
        d : decimal(9,3)
        e : varchar(30)
        f : enum('one', "it's", 'a "b"')
        g : bool
        h : uint64
        ---
        """

    rows = [
        (
            uuid.UUID(int=number),
            datetime.date(2020, 1, 1 + number),
            datetime.datetime(2020, 1, 1, 5, 6, 7, number),
            decimal.Decimal(number) / 8,
            f"ü % ' {number}",
            ("one", "it's", 'a "b"')[number % 3],
            number % 2 == 0,
            2**64 - 1 - number,
        )
        for number in range(9)
    ]
    Odd.insert(rows)
    keys = Keys.read(connection, Odd().node)
    there = Keys.unpacked(keys.heading, keys.packed())
    assert there.frame.equals(keys.frame)
    assert there.dicts() == keys.dicts()
    assert len(Odd & there.frame) == 9
    none = Keys.read(connection, (Odd & "FALSE").node)
    assert Keys.unpacked(none.heading, none.packed()).frame.equals(none.frame)


def test_classes_that_nobody_finds_are_refused(schema: dj.Schema) -> None:
    """Those of a function, before anything is made."""

    @schema
    class Scan(dj.Manual):
        definition = "scan_id : uint8\n---"

    @schema
    class Result(dj.Computed):
        definition = "-> Scan\n---"

        def make_batch(self, keys: Any) -> Any:
            return keys

    Scan.insert1((1,))
    with pytest.raises(MakeError, match="inside of a function"):
        Result.populate(processes=2)
    assert len(Result) == 0
