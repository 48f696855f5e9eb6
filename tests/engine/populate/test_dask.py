"""populate on a Dask cluster of this machine, where `distributed` is installed. On Slurm: tests/slurm."""

# ruff: noqa: E402 - what is imported after importorskip need not be there

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

distributed = pytest.importorskip("distributed")

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import InvalidCondition, MakeError
from djarrow.jobs.remote_sets import do_set
from tests.soak.test_sets_elsewhere import TEXT as SETS
from tests.soak.test_sets_elsewhere import ids, jobs, makes

from .elsewhere import imported

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
"""Dask's own, of its sockets and event loops."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the workers find modules."""
    return tmp_path_factory.mktemp("dask")


@pytest.fixture(params=[False, True], ids=["listed", "reserved"])
def reserve_jobs(request: pytest.FixtureRequest) -> bool:
    """Whether keys come out of the queue."""
    return bool(request.param)


@pytest.fixture
def pipeline(schema: dj.Schema, connection: PostgresConnection, folder: Path) -> Iterator[ModuleType]:
    """Scan, Result and Ledger in a module that the workers can import."""
    with imported(folder) as module:
        module.schema.activate(schema.name, connection=connection)
        yield module


@pytest.fixture
def sets(schema: dj.Schema, connection: PostgresConnection, folder: Path) -> Iterator[ModuleType]:
    """Scan, Batched with its Bin, More of that, Queried and Ledger in a module that the workers can import."""
    with imported(folder, SETS) as module:
        module.schema.activate(schema.name, connection=connection)
        module.Ledger.declare()
        yield module


@pytest.fixture(scope="module")
def environment(connection: PostgresConnection, folder: Path) -> Iterator[None]:
    """That of workers, which connect as they are set, and find the modules by PYTHONPATH."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJARROW_URL", connection.url)
        patch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]))
        patch.syspath_prepend(str(folder))
        yield


@pytest.fixture(scope="module")
def cluster(environment: None, folder: Path) -> Iterator[Any]:
    """Two worker processes of one thread each. When they die, Dask does not repeat their tasks, nor gives them up."""
    import dask

    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0, "distributed.deploy.lost-worker-timeout": "1h"}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, local_directory=str(folder)
        ) as opened,
    ):
        yield opened


@pytest.fixture
def client(cluster: Any) -> Iterator[Any]:
    """A client of the cluster, which has its two workers."""
    with distributed.Client(cluster) as opened:
        opened.wait_for_workers(2, timeout=60)
        yield opened


def made(pipeline: ModuleType) -> list[int]:
    """The keys that have a row."""
    return sorted(row["scan_id"] for row in pipeline.Result.to_dicts())


def ledger(pipeline: ModuleType) -> list[int]:
    """The keys whose makes were committed, once for each commit."""
    return sorted(row["scan_id"] for row in pipeline.Ledger.to_dicts())


def test_a_cluster_makes_every_key_once(pipeline: ModuleType, client: Any) -> None:
    """Listed and reserved, with an error; a key that kills its workers is told; the cluster is left open."""
    pipeline.Scan.insert([{"scan_id": n, "task": "plain" if n == 9 else ""} for n in range(60)])
    found = pipeline.Result.populate(executor=client, suppress_errors=True, make_kwargs={"added": 2})
    assert (found.done, found.failed) == (59, 1)
    assert type(found.failures[0].error) is pipeline.Plain
    assert len({row["process"] for row in pipeline.Result.to_dicts()} - {os.getpid()}) == 2

    pipeline.Scan.insert([{"scan_id": n, "task": "die" if n == 70 else ""} for n in range(60, 120)])
    found = pipeline.Result.populate("scan_id >= 60", executor=client, reserve_jobs=True, suppress_errors=True)
    assert [failure.key for failure in found.failures] == [{"scan_id": 70}]
    assert type(found.failures[0].error) is MakeError
    assert made(pipeline) == ledger(pipeline) == [n for n in range(120) if n not in (9, 70)]
    text = f'SELECT status::text AS status FROM "{pipeline.schema.name}"."~jobs"'
    assert [row["status"] for row in pipeline.schema.connection.query(text).to_pylist()] == ["error"]
    assert client.submit(sum, (3, 4)).result() == 7


def test_what_a_cluster_cannot_find_is_refused(
    pipeline: ModuleType, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A class of this script, and a client that does not wait."""
    pipeline.Scan.insert1({"scan_id": 1})
    cls = pipeline.Result
    cls.__module__ = "__main__"
    monkeypatch.setattr(sys.modules["__main__"], "Result", cls, raising=False)
    with pytest.raises(MakeError, match="Move it to a module"):
        cls.populate(executor=client)
    cls.__module__ = pipeline.__name__

    class Asynchronous:
        asynchronous = True
        get_executor = nthreads = None

    with pytest.raises(InvalidCondition, match="asynchronous=False"):
        cls.populate(executor=Asynchronous())
    assert made(pipeline) == []


# --- sets of keys ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Batched", "Queried"])
def test_sets_are_made_once(sets: ModuleType, client: Any, reserve_jobs: bool, name: str) -> None:
    """In batches, by the workers, with what fails told alone; then those that are stale again, and no others."""
    bad = 1000 if name == "Queried" else 7
    sets.Scan.insert(
        [{"scan_id": n, "task": "plain" if n == 30 else "", "value": bad if n == 30 else 7} for n in range(300)]
    )
    table = getattr(sets, name)
    options = {"executor": client, "reserve_jobs": reserve_jobs, "suppress_errors": True}
    found = table.populate(batch_size=20, **options)
    assert (found.done, found.skipped, [failure.key for failure in found.failures]) == (299, 0, [{"scan_id": 30}])
    if name == "Batched":
        assert type(found.failures[0].error) is sets.Plain
        assert ids(sets.Ledger) == ids(sets.Batched.Bin) == [n for n in range(300) if n != 30]
    assert ids(table) == [n for n in range(300) if n != 30]
    assert {row["process"] for row in makes(sets)} <= set(client.run(os.getpid).values())
    if reserve_jobs:
        assert jobs(sets) == [(30, "error")]

    sets.Ledger.delete(prompt=False)
    for number in range(10):
        sets.Scan.update1({"scan_id": number, "value": 8})
    found = table.populate("scan_id < 20", refresh_stale=True, batch_size=4, **options)
    assert (found.done, found.skipped, found.failures) == (10, 0, ())
    assert ids(table & "x = 8") == list(range(10))
    assert ids(sets.Ledger) == (list(range(10)) if name == "Batched" else [])


def test_stale_keys_are_replaced_once(pipeline: ModuleType, client: Any) -> None:
    """Key by key, while a worker that replaces one is killed."""
    pipeline.Scan.insert([{"scan_id": n} for n in range(40)])
    pipeline.Result.populate()
    pipeline.Ledger.delete(prompt=False)
    for number in range(20):
        pipeline.Scan.update1({"scan_id": number, "task": "die once" if number == 9 else "again"})
    found = pipeline.Result.populate(executor=client, reserve_jobs=True, refresh_stale=True)
    assert (found.done + found.skipped, found.failed) == (20, 0)
    assert ledger(pipeline) == list(range(20))
    assert made(pipeline) == list(range(40))
    assert len(pipeline.Result.stale()) == 0


@pytest.mark.parametrize(("reserve_jobs", "repeats"), [(False, 3), (True, 0)])
def test_a_worker_that_is_killed_takes_nothing_with_it(
    sets: ModuleType, client: Any, cluster: Any, reserve_jobs: bool, repeats: int
) -> None:
    """Its batch is made by another, whether Dask repeats the task, or says that its worker died."""
    cluster.scheduler.allowed_failures = repeats
    try:
        sets.Scan.insert([{"scan_id": n, "task": "die once" if n == 25 else ""} for n in range(60)])
        found = sets.Batched.populate(executor=client, reserve_jobs=reserve_jobs, batch_size=10)
    finally:
        cluster.scheduler.allowed_failures = 0
    assert (found.done + found.skipped, found.failed) == (60, 0)
    assert ids(sets.Batched) == ids(sets.Ledger) == list(range(60))
    assert sorted(row["keys"] for row in makes(sets)) == [10] * 6
    if reserve_jobs:
        assert jobs(sets) == []


def test_a_key_that_kills_its_workers_is_blamed_alone(sets: ModuleType, client: Any) -> None:
    """Its batch is halved until it is alone."""
    sets.Scan.insert([{"scan_id": n, "task": "die" if n == 5 else ""} for n in range(12)])
    found = sets.Batched.populate(executor=client, reserve_jobs=True, suppress_errors=True, batch_size=2)
    assert [failure.key for failure in found.failures] == [{"scan_id": 5}]
    assert "ended before it could tell" in str(found.failures[0].error)
    assert ids(sets.Batched) == ids(sets.Ledger) == [n for n in range(12) if n != 5]
    assert jobs(sets) == [(5, "error")]


# --- what ends it ----------------------------------------------------------------------------------------------------


@contextmanager
def once_some_are_made(table: Any, then: Callable[[], Any]) -> Generator[None, None, None]:
    """Do something in the midst of a populate."""

    def wait() -> None:
        while not len(table):
            time.sleep(0.05)
        then()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    yield
    thread.join(30)


def test_cancelled_tasks_end_it(sets: ModuleType, client: Any) -> None:
    """It is told, the keys are to be made still, and the client is left as it is."""
    sets.Scan.insert([{"scan_id": n} for n in range(400)])
    sets.Batched.declare()

    def cancel() -> None:
        client.cancel([distributed.Future(key, client=client) for key in list(client.futures)], force=True)

    options = {"executor": client, "reserve_jobs": True}
    with once_some_are_made(sets.Batched, cancel), pytest.raises(MakeError, match="cancelled"):
        sets.Batched.populate(batch_size=10, make_kwargs={"pause": 0.02}, **options)
    assert client.submit(sum, (3, 4)).result() == 7  # after what had begun, as there are two workers
    check_the_rest_is_to_be_made(sets, options)


def check_the_rest_is_to_be_made(sets: ModuleType, options: dict[str, Any]) -> None:
    """Some keys were made, each once, the others are pending, and the next populate makes those."""
    now = set(ids(sets.Batched))
    assert 0 < len(now) < 400
    if options["reserve_jobs"]:
        assert {(n, "pending") for n in range(400) if n not in now} == set(jobs(sets))
    found = sets.Batched.populate(**options)
    assert (found.done + found.skipped, found.failed) == (400 - len(now), 0)
    assert ids(sets.Batched) == ids(sets.Ledger) == list(range(400))


@pytest.fixture
def mortal(environment: None, connection: PostgresConnection) -> Iterator[tuple[Any, subprocess.Popen[str]]]:
    """A client of one worker, and its scheduler's process, which can be killed."""
    import dask

    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host=127.0.0.1", "--port=0", "--no-dashboard"]
    with (
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as scheduler,
        dask.config.set({"distributed.comm.timeouts.connect": "2s"}),
    ):
        assert scheduler.stderr is not None
        (address,) = itertools.islice(filter(None, (re.search(r"tcp://\S+", line) for line in scheduler.stderr)), 1)
        command = [sys.executable, "-m", "distributed.cli.dask_worker", address[0], "--nthreads=1", "--no-nanny"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as worker:
            client = distributed.Client(address[0], timeout="5s")
            try:
                yield client, scheduler
            finally:
                client.close()
                worker.kill()
                scheduler.kill()


@pytest.mark.parametrize(("reserve_jobs", "how"), [(True, "scheduler"), (False, "client")])
def test_a_lost_scheduler_ends_it(sets: ModuleType, mortal: Any, reserve_jobs: bool, how: str) -> None:
    """It is killed, or the client is closed: that is told, nothing is made twice, and what was not made is pending."""
    client, scheduler = mortal
    sets.Scan.insert([{"scan_id": n} for n in range(400)])
    sets.Batched.declare()
    end = scheduler.kill if how == "scheduler" else client.close
    with once_some_are_made(sets.Batched, end), pytest.raises(MakeError, match=r"scheduler|takes no more work"):
        sets.Batched.populate(executor=client, reserve_jobs=reserve_jobs, batch_size=10, make_kwargs={"pause": 0.02})
    check_the_rest_is_to_be_made(sets, {"reserve_jobs": reserve_jobs})


def test_a_result_that_is_never_told_ends_it(sets: ModuleType, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dask does not end a future whose result is on its way when the client is closed."""
    sets.Scan.insert([{"scan_id": n} for n in range(400)])
    sets.Batched.declare()
    submit = type(client.get_executor()).submit

    def mute(self: Any, work: Any, *given: Any) -> Future[Any]:
        future: Future[Any] = submit(self, work, *given)
        return Future() if work is do_set else future

    monkeypatch.setattr(type(client.get_executor()), "submit", mute)
    with once_some_are_made(sets.Batched, client.close), pytest.raises(MakeError, match="closed"):
        sets.Batched.populate(executor=client, reserve_jobs=True, batch_size=10)
    assert len(sets.Batched) <= 40
    assert {status for _, status in jobs(sets)} == {"pending"}


def test_a_closed_client_is_told(sets: ModuleType, client: Any) -> None:
    """Before a key is reserved for it."""
    client.close()
    with pytest.raises(MakeError, match="the executor was closed"):
        sets.Batched.populate(executor=client, reserve_jobs=True)


def test_arguments_that_cannot_go_there_are_refused(sets: ModuleType, client: Any) -> None:
    """Before a key is reserved for them."""
    sets.Scan.insert1({"scan_id": 1})
    with pytest.raises(MakeError, match="make_kwargs cannot go"):
        sets.Batched.populate(executor=client, reserve_jobs=True, make_kwargs={"added": threading.Lock()})
    assert sets.Batched.populate(executor=client, reserve_jobs=True, make_kwargs={"added": 3}).done == 1
