"""A few hundred keys on a Slurm of one node, whose jobs are Dask workers: each is made once."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from tests.engine.populate.elsewhere import imported

KEYS = 300

ROOT = Path(dj.__file__).parents[1]

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
"""Dask's own, of its sockets and event loops."""


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A Slurm that is started for the test: `$DJARROW_SLURM_UP start FOLDER`, and `stop FOLDER` at the end.

    Without the variable, the one that is there, as SLURM_CONF or the system's settings name it.
    """
    command = shlex.split(os.environ.get("DJARROW_SLURM_UP", ""))
    if not command:
        yield
        return
    folder = tmp_path / "slurm"
    done = subprocess.run([*command, "start", str(folder)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    monkeypatch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
    try:
        yield
    finally:
        subprocess.run([*command, "stop", str(folder)], timeout=60, check=False)


@pytest.fixture
def client(slurm: None, connection: PostgresConnection, tmp_path: Path) -> Iterator[Any]:
    """Two jobs of Slurm, each a Dask worker that connects as its environment says."""
    from dask_jobqueue import SLURMCluster
    from distributed import Client

    with (
        SLURMCluster(
            cores=1,
            processes=1,
            memory="1GB",
            walltime="00:10:00",
            python=sys.executable,
            local_directory=str(tmp_path),
            log_directory=str(tmp_path),
            job_script_prologue=[
                f"export DJARROW_URL={shlex.quote(connection.url)}",
                f"export PYTHONPATH={shlex.quote(os.pathsep.join([str(tmp_path), str(ROOT)]))}",
            ],
            scheduler_options={"dashboard_address": None},
        ) as cluster,
        Client(cluster) as opened,
    ):
        cluster.scale(jobs=2)
        yield opened


@pytest.mark.timeout(600)
@pytest.mark.parametrize("reserve_jobs", [False, True], ids=["listed", "reserved"])
def test_every_key_is_made_once(
    schema: dj.Schema, connection: PostgresConnection, client: Any, tmp_path: Path, reserve_jobs: bool
) -> None:
    """By processes that Slurm has started, which populate waits for."""
    with imported(tmp_path) as pipeline:
        pipeline.schema.activate(schema.name, connection=connection)
        pipeline.Scan.insert([{"scan_id": n, "task": "plain" if n == 5 else "", "seconds": 0.02} for n in range(KEYS)])
        started = time.monotonic()
        found = pipeline.Result.populate(executor=client, reserve_jobs=reserve_jobs, suppress_errors=True)
        seconds = time.monotonic() - started
        rows = pipeline.Result.to_dicts()
        assert (found.done, found.failed) == (KEYS - 1, 1), seconds
        assert type(found.failures[0].error) is pipeline.Plain
        assert sorted(row["scan_id"] for row in pipeline.Ledger.to_dicts()) == [n for n in range(KEYS) if n != 5]
        assert sorted(row["scan_id"] for row in rows) == [n for n in range(KEYS) if n != 5]
        by_slurm = {int(pid) for pid in client.run(os.getpid).values()}
        assert {row["process"] for row in rows} <= by_slurm
        jobs = subprocess.run(["squeue", "--noheader"], capture_output=True, text=True, check=True)
        assert len(jobs.stdout.splitlines()) == 2
