"""Workers that are killed and stopped in the midst of makes: each key is made once, and by one.."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from tests.nursery import kill_workers, nursery

pytestmark = pytest.mark.timeout(300)


def test_killed_workers_lose_nothing(connection: PostgresConnection, schema: dj.Schema, tmp_path: Path) -> None:
    """Sixty kills of four workers: each key is committed once, none is lost, none is left reserved."""
    with nursery(connection, str(schema.name), tmp_path) as opened:
        killed = kill_workers(opened, keys=250, kills=60)
    assert killed.kills == 60


def _await(condition: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.01)


def test_a_worker_that_was_stopped_has_lost_its_lease(
    connection: PostgresConnection, schema: dj.Schema, tmp_path: Path
) -> None:
    """Stopped in a make for twice the lease, it wakes up when another has made the key: nothing of its own is kept."""
    with nursery(connection, str(schema.name), tmp_path, lease=0.5, longer=1) as opened:
        opened.enter(range(1))
        first = opened.worker("once")
        _await(opened.began)
        os.kill(first, signal.SIGSTOP)
        time.sleep(1.0)
        second = opened.worker("once")
        told = tmp_path / f"told{second}"
        _await(told.exists)
        assert json.loads(told.read_text()) == ["done", 1]
        os.kill(first, signal.SIGCONT)
        told = tmp_path / f"told{first}"
        _await(told.exists)
        assert json.loads(told.read_text())[0] == "LeaseLost"
        assert opened.began() == [(0, first), (0, second)]
        assert opened.rows("__result", "n, pid") == opened.rows("Ledger", "n, pid") == [(0, second)]
        assert opened.rows("~jobs", "key_hash") == []
