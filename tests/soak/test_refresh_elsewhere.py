"""populate(refresh_stale=True) in other processes: each stale result is replaced once, whichever process dies."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import LeaseLost, RefreshRefused
from djarrow.jobs import remote
from djarrow.jobs.options import Populated
from djarrow.jobs.queue import Lease, Queue, refresh
from tests.engine.populate.elsewhere import TEXT, imported

pytestmark = pytest.mark.timeout(300)

FURTHER = '''

@schema
class More(dj.Computed):
    definition = """
    -> Result
    ---
    process : int64
    """

    def make(self, key):
        self.insert1({**key, "process": os.getpid()})


@schema
class Note(dj.Manual):
    definition = """
    -> More
    ---
    """
'''


@pytest.fixture
def pipeline(schema: dj.Schema, connection: PostgresConnection, tmp_path: Path) -> Iterator[ModuleType]:
    """Scan (40 rows), Result, More of that, Note of that, and Ledger, in a module that other processes can import."""
    with imported(tmp_path, TEXT + FURTHER) as module:
        module.schema.activate(schema.name, connection=connection)
        module.Scan.insert([{"scan_id": n} for n in range(40)])
        module.Result.populate()
        module.More.populate()
        module.Note.declare()
        module.Ledger.delete(prompt=False)
        yield module


@pytest.fixture(params=[False, True], ids=["listed", "reserved"])
def reserve_jobs(request: pytest.FixtureRequest) -> bool:
    """Whether keys come out of the queue."""
    return bool(request.param)


def change(pipeline: ModuleType, *numbers: int, task: str = "again") -> None:
    """Correct these scans, so that their results do not hold any more."""
    for number in numbers:
        pipeline.Scan.update1({"scan_id": number, "task": task})


def ids(query: object) -> list[int]:
    """The scans of a query, each as often as it is there."""
    return sorted(row["scan_id"] for row in query.to_dicts())  # type: ignore[attr-defined]


def jobs(pipeline: ModuleType) -> list[tuple[int, str]]:
    """The jobs of the queue, with their status."""
    text = f'SELECT (key ->> \'scan_id\')::int8 AS n, status::text AS status FROM "{pipeline.schema.name}"."~jobs"'
    rows = pipeline.schema.connection.query(f"{text} ORDER BY 1").to_pylist()
    return [(row["n"], row["status"]) for row in rows]


def test_stale_results_are_replaced(pipeline: ModuleType, reserve_jobs: bool) -> None:
    """With those that are missing, each once, by processes that are not this one; what depends on them is gone."""
    change(pipeline, *range(20))
    pipeline.Scan.insert([{"scan_id": n} for n in range(40, 50)])
    found = pipeline.Result.populate(processes=2, reserve_jobs=reserve_jobs, refresh_stale=True)
    assert (found.done, found.skipped, found.failures, found.waiting) == (30, 0, (), 0)
    assert ids(pipeline.Ledger) == [*range(20), *range(40, 50)]
    assert ids(pipeline.Result) == list(range(50))
    processes = {row["scan_id"]: row["process"] for row in pipeline.Result.to_dicts()}
    assert {number for number, process in processes.items() if process == os.getpid()} == set(range(20, 40))
    assert ids(pipeline.More) == list(range(20, 40))
    assert len(pipeline.Result.stale()) == 0
    if reserve_jobs:
        assert jobs(pipeline) == []
    again = pipeline.Result.populate(processes=2, reserve_jobs=reserve_jobs, refresh_stale=True)
    assert (again.done, again.skipped) == (0, 0)


def test_those_that_wait_are_told(pipeline: ModuleType, reserve_jobs: bool) -> None:
    """A result of a stale one is not handed out."""
    change(pipeline, 1, 2)
    found = pipeline.More.populate(processes=2, reserve_jobs=reserve_jobs, refresh_stale=True)
    assert (found.done, found.waiting) == (0, 2)
    assert len(pipeline.More) == 40


def test_without_it_they_stay(pipeline: ModuleType) -> None:
    """A populate by processes that is not told to replace makes what is missing only."""
    change(pipeline, 1)
    pipeline.Scan.insert1({"scan_id": 40})
    assert pipeline.Result.populate(processes=2).done == 1
    assert ids(pipeline.Result.stale()) == [1]


def test_errors_leave_the_old_rows(pipeline: ModuleType, reserve_jobs: bool) -> None:
    """Those of a make, and the refusal to delete what was entered by hand, arrive; what they are of has not changed."""
    change(pipeline, *range(8))
    change(pipeline, 3, task="plain")
    pipeline.Note.insert1({"scan_id": 5})
    found = pipeline.Result.populate(processes=2, reserve_jobs=reserve_jobs, refresh_stale=True, suppress_errors=True)
    assert found.done == 6
    plain, refused = sorted(found.failures, key=lambda failure: failure.key["scan_id"])
    assert (plain.key, refused.key) == ({"scan_id": 3}, {"scan_id": 5})
    assert type(plain.error) is pipeline.Plain
    assert type(refused.error) is RefreshRefused
    assert "1 of " in str(refused.error)
    assert ids(pipeline.Result.stale()) == [3, 5]
    assert ids(pipeline.More) == [3, 5, *range(8, 40)]
    if reserve_jobs:
        assert jobs(pipeline) == [(3, "error"), (5, "error")]


def test_a_process_that_is_killed_takes_nothing_with_it(pipeline: ModuleType, reserve_jobs: bool) -> None:
    """The result that it was replacing is replaced by another, and each once."""
    change(pipeline, *range(30))
    change(pipeline, 12, task="die once")
    found = pipeline.Result.populate(processes=2, reserve_jobs=reserve_jobs, refresh_stale=True)
    assert (found.done + found.skipped, found.failed) == (30, 0)
    assert ids(pipeline.Ledger) == list(range(30))
    assert ids(pipeline.Result) == list(range(40))
    assert len(pipeline.Result.stale()) == 0
    if reserve_jobs:
        assert jobs(pipeline) == []


def test_a_key_that_ends_its_process_keeps_its_old_row(pipeline: ModuleType) -> None:
    """All others are replaced, and it is told."""
    change(pipeline, *range(4))
    change(pipeline, 2, task="die")
    found = pipeline.Result.populate(processes=2, reserve_jobs=True, refresh_stale=True, suppress_errors=True)
    assert [failure.key for failure in found.failures] == [{"scan_id": 2}]
    assert ids(pipeline.Result.stale()) == [2]
    assert ids(pipeline.More) == [2, *range(4, 40)]


def test_accepted_results_with_a_job(pipeline: ModuleType) -> None:
    """A result that was accepted since its key was entered is left as it is, and its job is done."""
    pipeline.Result.populate(reserve_jobs=True)
    change(pipeline, 1, 2)
    assert refresh(pipeline.Result(), refresh_stale=True) == (2, 0)
    pipeline.Result.accept("scan_id = 1")
    with ThreadPoolExecutor(2) as pool:
        found = pipeline.Result.populate(executor=pool, reserve_jobs=True, refresh_stale=True)
    assert (found.done, found.skipped) == (1, 1)
    assert ids(pipeline.Ledger) == [2]
    assert jobs(pipeline) == []


def test_a_task_that_is_given_again(pipeline: ModuleType) -> None:
    """As Dask does when a worker dies: what was replaced by then is not made again."""
    change(pipeline, 1, 2)
    place = remote.place_of(pipeline.Result(), pipeline.schema.connection)
    keys = tuple(({"scan_id": number}, None) for number in (1, 2))
    task = remote.Task(place, keys, {}, {}, ends=True, refresh_stale=True)
    first, again = remote.do(task), remote.do(task)
    assert (first.done, first.skipped) == (2, 0)
    assert (again.done, again.skipped) == (0, 2)
    assert ids(pipeline.Ledger) == [1, 2]


def test_a_stale_key_whose_lease_was_lost(pipeline: ModuleType, connection: PostgresConnection) -> None:
    """Its old row does not make it done: that nothing was kept is told."""
    pipeline.Result.populate(reserve_jobs=True)
    change(pipeline, 1)
    refresh(pipeline.Result(), refresh_stale=True)
    place = remote.place_of(pipeline.Result(), connection)
    heading = pipeline.Scan.proj().heading
    with Lease(connection, pipeline.schema.name) as lease:
        (job,) = Queue(pipeline.Result(), heading, lease).reserve(5)
        assert job.made
        connection.execute(f'UPDATE "{pipeline.schema.name}"."~jobs" SET "_token" = gen_random_uuid()')
        report = remote.do(remote.Task(place, ((job.key, job),), {}, {}, ends=True, refresh_stale=True))
    assert (report.done, report.skipped) == (0, 0)
    assert [type(error) for _, error in report.failures] == [LeaseLost]
    assert ids(pipeline.Result.stale()) == [1]


def test_two_coordinators(pipeline: ModuleType, reserve_jobs: bool) -> None:
    """Two that hand out the same stale keys have each of them replaced once."""
    change(pipeline, *range(40))

    def run(_: int) -> Populated:
        with ThreadPoolExecutor(2) as pool:
            found: Populated = pipeline.Result.populate(executor=pool, reserve_jobs=reserve_jobs, refresh_stale=True)
            return found

    with ThreadPoolExecutor(2) as both:
        found = list(both.map(run, range(2)))
    assert sum(one.done for one in found) == 40
    assert [one.failures for one in found] == [(), ()]
    assert ids(pipeline.Ledger) == list(range(40))
