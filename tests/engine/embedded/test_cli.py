"""`djarrow server` as its user sees it: what it prints, where, and its exit codes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from djarrow.engine.embedded import EmbeddedServer

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(root: Path, environment: dict[str, str]) -> Run:
    """Run a command in the folder of the project."""

    def call(*words: str, cwd: Path = root.parents[1], **settings: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from djarrow.cli.server import app; app()", *words]
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            cwd=cwd,
            check=False,
            timeout=60,
            env=environment | {"COLUMNS": "200"} | settings,
        )

    return call


def test_start_status_url_stop(run: Run, root: Path) -> None:
    """A started server stays without users until stop; only `url` tells the password."""
    asked = run("status")
    assert (asked.returncode, asked.stderr) == (3, "")
    assert "no" in asked.stdout
    assert run("url").returncode == 3
    started = run("start")
    assert started.returncode == 0, started.stderr
    asked = run("status", "--folder", str(root.parents[1]), cwd=Path("/"))
    assert asked.returncode == 0
    server = EmbeddedServer(root)
    status = server.status()
    url = run("url").stdout.strip()
    assert url == server.url()
    password = urlsplit(url).password
    assert password is not None
    assert password not in asked.stdout + started.stdout
    for word in ("yes", str(status.pid), str(status.port), str(status.version), str(status.data), "users"):
        assert word in asked.stdout
    assert run("stop").returncode == 0
    assert not server.status().running
    assert "not running" in run("stop").stdout


def test_psql(run: Run, root: Path) -> None:
    """It starts the server, passes arguments and the exit code through, and tells nobody the password."""
    asked = run("psql", "-At", "-c", "SELECT current_database(), 6 * 7")
    assert (asked.stdout, asked.returncode) == ("djarrow|42\n", 0)
    state = (root / "state.json").read_text()
    seen = run("psql", "-At", "-c", r"\! ps -ww -o args= -C psql").stdout
    assert "psql -h 127.0.0.1" in seen
    assert not any(word in state for word in seen.split() if len(word) > 20)
    assert run("psql", "-c", "SELECT nonsense").returncode == 1


def test_an_error_is_a_message_without_traceback(run: Run, tmp_path: Path) -> None:
    """What was wrong and what to do, on standard error, exit code 1."""
    failed = run("start", DJARROW_PG_BIN=str(tmp_path))
    assert (failed.returncode, failed.stdout) == (1, "")
    assert "DJARROW_PG_BIN" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert "no programs of PostgreSQL were found" in failed.stderr
    failed = run("start", DJARROW_PG_PORT="x")
    assert (failed.returncode, failed.stderr.count("\n")) == (1, 1)
