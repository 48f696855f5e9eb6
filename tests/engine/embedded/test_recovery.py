"""What is killed is recovered from: users, supervisor, postgres, all at once, and what they leave behind."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from djarrow.engine.embedded import EmbeddedServer
from djarrow.engine.embedded.binaries import find_binaries
from djarrow.errors import ServerStartFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .conftest import Eventually, Query

    Processes = Callable[[Path], list[psutil.Process]]


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """A living process that has nothing to do with any server."""
    process = subprocess.Popen(["sleep", "60"])
    yield process
    assert process.poll() is None, "somebody else's process was killed"
    process.kill()
    process.wait()


def _supervisor_of(root: Path, processes: Processes) -> psutil.Process:
    [found] = [process for process in processes(root) if "-S" in process.cmdline()]
    return found


def _kill(doomed: list[psutil.Process]) -> None:
    """End processes with -9; returns when they are dead, whether or not their parent has taken notice."""
    for process in doomed:
        with contextlib.suppress(psutil.NoSuchProcess):  # the death of another one took it along
            process.kill()
    while any(map(_is_alive, doomed)):
        time.sleep(0.005)


def _is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:  # it ended between the two questions
        return False


def test_the_supervisor_killed(root: Path, query: Query, processes: Processes) -> None:
    """The next join gives a server that lives, and there is only one postmaster."""
    server = EmbeddedServer(root)
    query(server.join(), "CREATE TABLE kept AS SELECT 7 AS n")
    old = server.status().pid
    _kill([_supervisor_of(root, processes)])
    assert query(server.join(), "SELECT n FROM kept") == [(7,)]
    assert server.status().pid != old
    assert _supervisor_of(root, processes).is_running()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="only Linux tells a child of its parent's death")
def test_the_supervisor_killed_and_nobody_joins(root: Path, eventually: Eventually, processes: Processes) -> None:
    """No orphan stays: postgres shuts down when its supervisor dies."""
    server = EmbeddedServer(root)
    server.join()
    _kill([_supervisor_of(root, processes)])
    eventually(lambda: processes(root) == [], 5.0)


def test_postgres_killed(root: Path, query: Query) -> None:
    """The next join starts it again with what was committed."""
    server = EmbeddedServer(root)
    query(server.join(), "CREATE TABLE kept AS SELECT 7 AS n")
    pid = server.status().pid
    assert pid is not None
    _kill([psutil.Process(pid)])
    assert query(server.join(), "SELECT n FROM kept") == [(7,)]
    assert server.status().pid != pid


def test_postgres_killed_while_a_query_runs(root: Path, query: Query, processes: Processes) -> None:
    """A backend that outlives its postmaster, busy with a query, is ended before the next start."""
    server = EmbeddedServer(root)
    url = server.join()
    busy = subprocess.Popen(
        [find_binaries().program("psql"), url, "-c", "SELECT count(*) FROM generate_series(1, 100000000000)"],
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    while not query(url, "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%1000000000__%' AND state = 'active'"):
        pass
    pid = server.status().pid
    assert pid is not None
    _kill([psutil.Process(pid)])
    assert query(server.join(), "SELECT 1") == [(1,)]
    busy.wait(10)


def test_all_killed_at_once(root: Path, query: Query, processes: Processes) -> None:
    """After the machine lost all its processes, the next join recovers, and removes the old socket folder."""
    server = EmbeddedServer(root)
    url = server.join()
    query(url, "CREATE TABLE kept AS SELECT 7 AS n")
    [(sockets,)] = query(url, "SELECT current_setting('unix_socket_directories')")
    _kill(processes(root))
    server.leave()
    assert query(server.join(), "SELECT n FROM kept") == [(7,)]
    assert not Path(sockets.strip('"')).exists()


def test_a_stale_pid_file_that_names_somebody_else(
    root: Path, bystander: subprocess.Popen[bytes], query: Query, processes: Processes
) -> None:
    """A living process that got the number of a killed postgres neither stops the start nor is harmed."""
    server = EmbeddedServer(root)
    server.join()
    pid_file = root / "data" / "postmaster.pid"
    _, *rest = pid_file.read_text().splitlines()
    _kill(processes(root))
    pid_file.write_text("\n".join([str(bystander.pid), *rest, ""]))
    assert server.url() is None
    assert query(server.join(), "SELECT 1") == [(1,)]
    pid_file.write_text("\n".join([str(bystander.pid), *rest, ""]))
    assert server.url() is None, "a pid file that names somebody else is not believed while the server runs either"
    _kill(processes(root))


def test_a_process_that_is_called_postgres_is_not_enough(root: Path, new_root: Path, made_once: Path) -> None:
    """A pid file that names the postgres of another folder does not stop the start, and that one goes on."""
    other = EmbeddedServer(made_once)
    try:
        other.join()
        shutil.copy(made_once / "data" / "postmaster.pid", root / "data" / "postmaster.pid")
        server = EmbeddedServer(root)
        assert server.url() is None
        server.join()
        server.stop()
        assert other.status().running
    finally:
        other.stop()


def test_a_server_started_by_hand_is_left_alone(root: Path, eventually: Eventually, processes: Processes) -> None:
    """A postgres that djarrow did not start on the folder is neither joined nor ended."""
    server = EmbeddedServer(root)
    server.join()
    # What a supervisor and its locks leave when their files are replaced: a postgres that holds no lock we know of.
    (root / "server.lock").unlink()
    pid = server.status().pid
    assert pid is None
    with pytest.raises(ServerStartFailed, match="did not start"):
        EmbeddedServer(root).join()
    (root / "users.lock").unlink()  # by which the supervisor sees that its folder is gone, and ends
    eventually(lambda: processes(root) == [], 5.0)


def test_a_removed_folder_ends_its_server(
    root: Path, eventually: Eventually, processes: Callable[[Path], list[psutil.Process]]
) -> None:
    """When the folder of a running server is deleted, the server ends, even with users."""
    server = EmbeddedServer(root)
    server.join()
    found = processes(root)
    subprocess.run(["rm", "-rf", root], check=True)  # the server removes files of its own at the same time
    eventually(lambda: not any(process.is_running() for process in found), 5.0)
    server.leave()


def test_a_first_start_that_was_killed(new_root: Path, query: Query) -> None:
    """Half-made files of a killed first start are made anew."""
    staging = new_root / "data.new"
    staging.mkdir(parents=True)
    (staging / "PG_VERSION").write_text("18\n")
    assert query(EmbeddedServer(new_root).join(), "SELECT 1") == [(1,)]
    assert not staging.exists()


def test_settings_of_older_files(root: Path, query: Query) -> None:
    """Files of an older version, whose configuration lacks a setting, start with it; what is written there counts."""
    configuration = root / "data" / "postgresql.conf"
    written = configuration.read_text()
    line = "max_locks_per_transaction = 1024\n"
    for text, expected in ((line, "1024"), ("", "1024"), (line.replace("1024", "99"), "99")):
        configuration.write_text(written.replace(line, text))
        server = EmbeddedServer(root)
        assert query(server.join(), "SELECT current_setting('max_locks_per_transaction')") == [(expected,)]
        server.leave()
        server.stop()
    assert written.count(line) == 1


def test_a_failed_start_tells_the_log(root: Path, eventually: Eventually) -> None:
    """What postgres said is in the error, and this process is no user afterwards."""
    with (root / "data" / "postgresql.conf").open("a") as file:
        file.write("no_such_setting = 1\n")
    server = EmbeddedServer(root)
    with pytest.raises(ServerStartFailed, match="no_such_setting") as failure:
        server.join()
    assert "no_such_setting" in failure.value.log
    assert server.status().users == 0
    eventually(lambda: list(root.glob("sockets-*")) == [], 5.0)  # the supervisor removes it, after postgres has ended


def test_a_damaged_state_is_told(root: Path) -> None:
    """Without the password the data are not touched, and the error tells the file but not what is in it."""
    state = root / "state.json"
    server = EmbeddedServer(root)
    for damage in ("", "[]", state.read_text()[:-1]):
        state.write_text(damage)
        with pytest.raises(ServerStartFailed, match=r"state\.json.*damaged") as failure:
            server.join()
        assert failure.value.__cause__ is None
    state.unlink()
    with pytest.raises(ServerStartFailed, match=r"state\.json.*gone"):
        server.join()
