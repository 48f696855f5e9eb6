"""Real servers in folders of their own, processes that use them, and a look at the end that no process is left."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import adbc_driver_postgresql.dbapi as postgres
import psutil
import pytest
from attrs import frozen

import djarrow
from djarrow.engine.embedded import EmbeddedServer

_JOIN_AND_WAIT = """
import sys
from pathlib import Path
from djarrow.engine.embedded import EmbeddedServer
print(EmbeddedServer(Path(sys.argv[1])).join(), flush=True)
sys.stdin.read()
"""

Query = Callable[[str, str], list[tuple[Any, ...]]]
Eventually = Callable[[Callable[[], bool], float], None]


@frozen
class User:
    """Another process that joins a server and uses it until it is told to end, or killed."""

    process: subprocess.Popen[str]

    def url(self) -> str:
        """The URL that the process was given; waits for it."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def end(self) -> None:
        """Let it end in order."""
        self.process.communicate("")

    def kill(self) -> None:
        """End it with -9."""
        self.process.kill()
        self.process.communicate()


class SpawnUser(Protocol):
    """Starts a process that joins the server of a folder."""

    def __call__(self, root: Path) -> User: ...


def processes_of(root: Path) -> list[psutil.Process]:
    """All processes, the supervisor and those of postgres, that belong to a server's folder."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):  # gone, or somebody else's
            supervises = str(root) in process.cmdline() and "-S" in process.cmdline()
            if supervises or process.cwd() == str(root / "data"):
                found.append(process)
    return found


def _environment() -> dict[str, str]:
    places = [str(Path(djarrow.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, places))}


@pytest.fixture
def environment() -> dict[str, str]:
    """The environment of a process that is to find the djarrow under test."""
    return _environment()


@pytest.fixture
def eventually() -> Eventually:
    """Wait until a condition holds, and fail when it does not within so many seconds."""

    def wait(condition: Callable[[], bool], within: float) -> None:
        end = time.monotonic() + within
        while not condition():
            assert time.monotonic() < end, f"not within {within} s"
            time.sleep(0.02)

    return wait


@pytest.fixture
def processes() -> Callable[[Path], list[psutil.Process]]:
    """All processes, supervisors and postgres, that belong to a server's folder."""
    return processes_of


@pytest.fixture
def query() -> Query:
    """Run one statement on a connection of its own; gives the rows, if it has any."""

    def run(url: str, sql: str) -> list[tuple[Any, ...]]:
        with postgres.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return [] if cursor.description is None or not cursor.description else cursor.fetchall()

    return run


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings of whoever runs the tests do not reach them."""
    monkeypatch.delenv("DJARROW_PG_PORT", raising=False)
    monkeypatch.delenv("DJARROW_PG_BIN", raising=False)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a server that was started once and stopped, to be copied."""
    root = tmp_path_factory.mktemp("made") / ".djarrow" / "server"
    server = EmbeddedServer(root)
    server.join()
    server.stop()
    return root


@pytest.fixture
def new_root() -> Iterator[Path]:
    """The folder of a server that was never started, in a place that other users reach; stopped at the end."""
    place = Path(tempfile.mkdtemp(prefix="djarrow test é "))
    place.chmod(0o777)
    root = place / ".djarrow" / "server"
    yield root
    if root.is_dir():
        EmbeddedServer(root).stop()
    left = processes_of(root)
    shutil.rmtree(place)
    assert left == []


@pytest.fixture
def root(new_root: Path, made_once: Path) -> Path:
    """The folder of a server that was started before and does not run now."""
    shutil.copytree(made_once, new_root)
    return new_root


@pytest.fixture
def spawn_user() -> Iterator[SpawnUser]:
    """Start processes that use a server; those that are left at the end are killed."""
    users: list[User] = []

    def spawn(root: Path) -> User:
        command = [sys.executable, "-c", _JOIN_AND_WAIT, str(root)]
        pipe = subprocess.PIPE
        users.append(User(subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=_environment())))
        return users[-1]

    yield spawn
    for user in users:
        if user.process.returncode is None:
            user.kill()
