"""populate on a Dask cluster of this machine, where `distributed` is installed. On Slurm: tests/slurm."""

# ruff: noqa: E402 - what is imported after importorskip need not be there

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

distributed = pytest.importorskip("distributed")

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import InvalidCondition, MakeError

from .elsewhere import imported

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
"""Dask's own, of its sockets and event loops."""


@pytest.fixture
def pipeline(schema: dj.Schema, connection: PostgresConnection, tmp_path: Path) -> Iterator[ModuleType]:
    """Scan, Result and Ledger in a module that the workers can import."""
    with imported(tmp_path) as module:
        module.schema.activate(schema.name, connection=connection)
        yield module


@pytest.fixture
def client(connection: PostgresConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Two worker processes that connect as they are set, by the environment, and find the module by PYTHONPATH."""
    monkeypatch.setenv("DJARROW_URL", connection.url)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    import dask

    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, local_directory=str(tmp_path)
        ) as cluster,
        distributed.Client(cluster) as opened,
    ):
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
