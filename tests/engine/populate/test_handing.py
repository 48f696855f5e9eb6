"""Executors that break, or are shut by someone, at any moment: nothing hangs, nothing is lost, and it is told."""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import MakeError
from djarrow.jobs import crews, remote

from .elsewhere import imported
from .test_executors import jobs, ledger, made, reserve_jobs

__all__ = ["reserve_jobs"]

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def pipeline(schema: dj.Schema, connection: PostgresConnection, tmp_path: Path) -> Iterator[ModuleType]:
    """Scan (20 rows), Result and Ledger in a module that other processes can import."""
    with imported(tmp_path) as module:
        module.schema.activate(schema.name, connection=connection)
        module.Scan.insert([{"scan_id": n} for n in range(20)])
        module.Ledger.declare()
        yield module


class Breaking(ThreadPoolExecutor):
    """Threads that are said to be broken where this task, counted from 1, is submitted; the first ones only look."""

    def __init__(self, size: int, at: int) -> None:
        super().__init__(size)
        self.left = at

    def submit(self, work: Callable[..., Any], /, *given: Any, **named: Any) -> Future[Any]:
        """Refuse the one."""
        self.left -= 1
        if not self.left:
            raise BrokenExecutor("gone")
        return super().submit(work, *given, **named)


@pytest.mark.parametrize("at", [2, 3, 5])
def test_processes_that_go_while_nothing_is_out(
    pipeline: ModuleType, monkeypatch: pytest.MonkeyPatch, at: int, reserve_jobs: bool
) -> None:
    """They are replaced, as where they go in the midst of a task, and every key is made once."""
    monkeypatch.setattr(crews.GivenExecutor, "renew", lambda _: True)
    with Breaking(1, at) as pool:
        assert pipeline.Result.populate(executor=pool, reserve_jobs=reserve_jobs).done == 20
    assert ledger(pipeline) == made(pipeline) == list(range(20))


@pytest.mark.parametrize("at", [2, 3])
def test_an_executor_that_breaks_while_nothing_is_out(pipeline: ModuleType, at: int, reserve_jobs: bool) -> None:
    """It is not ours to replace: that keys are left is an error, not an end."""
    with Breaking(1, at) as pool, pytest.raises(MakeError, match="takes no more work"):
        pipeline.Result.populate(executor=pool, reserve_jobs=reserve_jobs)
    assert ledger(pipeline) == made(pipeline) == list(range(at - 2))
    if reserve_jobs:
        assert jobs(pipeline) == [(n, "pending") for n in range(at - 2, 20)]


class Counting(ThreadPoolExecutor):
    """Threads that tell how many tasks were submitted."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.submitted = threading.Semaphore(0)

    def submit(self, work: Callable[..., Any], /, *given: Any, **named: Any) -> Future[Any]:
        """Submit it, and count it."""
        future = super().submit(work, *given, **named)
        self.submitted.release()
        return future


@pytest.mark.parametrize("max_calls", [3, None])
@pytest.mark.parametrize("cancel", [False, True], ids=["shut", "cancelled"])
def test_an_executor_that_is_shut_meanwhile(
    pipeline: ModuleType, monkeypatch: pytest.MonkeyPatch, max_calls: int | None, cancel: bool, reserve_jobs: bool
) -> None:
    """What runs is done, and that the rest was not is told, unless nothing was to follow."""
    pool, make, once = Counting(2), pipeline.Result.make, threading.Lock()

    def shutting(table: Any, key: dict[str, Any]) -> None:
        if once.acquire(blocking=False):
            for _ in range(2 + 3):  # the first two only look
                assert pool.submitted.acquire(timeout=30)
            pool.shutdown(wait=False, cancel_futures=cancel)
        elif max_calls:
            time.sleep(0.2)
        make(table, key)

    monkeypatch.setattr(pipeline.Result, "make", shutting)
    options = {"executor": pool, "reserve_jobs": reserve_jobs, "max_calls": max_calls}
    if max_calls and not cancel:
        assert pipeline.Result.populate(**options).done == max_calls
    else:
        with pytest.raises(MakeError, match="cancelled its tasks" if max_calls else "executor (has|takes)"):
            pipeline.Result.populate(**options)
    assert ledger(pipeline) == made(pipeline)
    assert len(made(pipeline)) < 20
    if reserve_jobs:
        assert {status for _, status in jobs(pipeline)} == {"pending"}


def test_an_executor_that_is_shut_before_it_begins(pipeline: ModuleType) -> None:
    """Where others have all its threads, and it is shut while populate waits for one."""
    pool, leave = Counting(1), threading.Event()
    pool.submit(leave.wait, 60)

    def shut() -> None:
        assert pool.submitted.acquire(timeout=30)
        assert pool.submitted.acquire(timeout=30)
        pool.shutdown(wait=False, cancel_futures=True)

    other = threading.Thread(target=shut)
    other.start()
    try:
        with pytest.raises(MakeError, match="cancelled its tasks"):
            pipeline.Result.populate(executor=pool, reserve_jobs=True)
    finally:
        leave.set()
        other.join()


def test_keys_of_others_say_nothing_of_the_pace(pipeline: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that another populate has made meanwhile take no time: the next task is no larger because of them."""
    sizes = []

    def passed_over(task: remote.Task) -> remote.Report:
        sizes.append(len(task.keys))
        return remote.Report(len(task.keys), 0, len(task.keys), seconds=1e-4)

    monkeypatch.setattr(remote, "do", passed_over)
    with ThreadPoolExecutor(1) as pool:
        assert pipeline.Result.populate(executor=pool).skipped == 20
    assert sizes == [1] * 20


def test_a_module_that_is_read_again(pipeline: ModuleType) -> None:
    """Threads make by the class that there is now, not by the one of before."""
    with ThreadPoolExecutor(1) as pool:
        pipeline.Result.populate(executor=pool, max_calls=1)
        connection, name = pipeline.schema.connection, pipeline.schema.name
        file = Path(str(pipeline.__file__))
        file.write_text(file.read_text("utf-8").replace('"added": added}', '"added": 77}'), "utf-8")
        importlib.invalidate_caches()
        importlib.reload(pipeline)
        pipeline.schema.activate(name, connection=connection)
        pipeline.Result.populate(executor=pool, max_calls=1)
    assert sorted(row["added"] for row in pipeline.Result.to_dicts()) == [0, 77]
    assert type(remote.found(remote.place_of(pipeline.Result(), connection))) is pipeline.Result
