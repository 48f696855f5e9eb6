"""One server for all processes that use a folder, from the first to join until the last has gone."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from djarrow.engine.embedded import EmbeddedServer, locks

if TYPE_CHECKING:
    from collections.abc import Callable

    import psutil

    from .conftest import Eventually, Query, SpawnUser

_WITHIN = 4.0  # seconds from the last one's leaving until nothing runs, with some room for a busy machine


def test_processes_that_start_at_once_share_a_server(new_root: Path, spawn_user: SpawnUser, query: Query) -> None:
    """Four processes that find an empty folder at the same instant get the same server."""
    users = [spawn_user(new_root) for _ in range(4)]
    urls = {user.url() for user in users}
    assert len(urls) == 1
    assert query(urls.pop(), "SELECT 1") == [(1,)]
    assert EmbeddedServer(new_root).status().users in (4, None)


def test_it_stops_after_the_last_has_left(
    root: Path,
    spawn_user: SpawnUser,
    eventually: Eventually,
    query: Query,
    processes: Callable[[Path], list[psutil.Process]],
) -> None:
    """While one is left it runs; then no process and no socket folder remain."""
    server = EmbeddedServer(root)
    url = server.join()
    [(sockets,)] = query(url, "SELECT current_setting('unix_socket_directories')")
    other = spawn_user(root)
    assert other.url() == url
    server.leave()
    assert query(url, "SELECT pg_sleep(1.6)::text") == [("",)]
    other.end()
    eventually(lambda: processes(root) == [], _WITHIN)
    assert server.url() is None
    assert not Path(sockets.strip('"')).exists()


def test_a_killed_user_is_gone(
    root: Path, spawn_user: SpawnUser, eventually: Eventually, processes: Callable[[Path], list[psutil.Process]]
) -> None:
    """The server goes away by itself when its only user is killed with -9."""
    user = spawn_user(root)
    assert user.url()
    user.kill()
    eventually(lambda: processes(root) == [], _WITHIN)


def test_joining_while_it_shuts_down_gives_a_fresh_server(root: Path, query: Query, eventually: Eventually) -> None:
    """Whoever joins during a shutdown waits for its end, and gets a server that lives."""
    server = EmbeddedServer(root)
    server.join()
    pid = server.status().pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)  # so that the shutdown hangs
    server.leave()
    eventually(lambda: _stays_locked(root / "users.lock"), _WITHIN)
    urls: list[str] = []
    joining = threading.Thread(target=lambda: urls.append(server.join()))
    joining.start()
    joining.join(0.3)
    assert urls == []
    os.kill(pid, signal.SIGCONT)
    joining.join(10)
    assert query(urls[0], "SELECT 1") == [(1,)]
    assert server.status().pid != pid


def _stays_locked(path: Path) -> bool:
    """Whether the lock stays exclusive for longer than a supervisor's look takes."""
    if not locks.is_held(path):
        return False
    time.sleep(0.1)
    return locks.is_held(path)


def test_a_forked_child_is_a_user_as_long_as_it_lives(
    root: Path, eventually: Eventually, processes: Callable[[Path], list[psutil.Process]]
) -> None:
    """The parent's leaving does not stop the server under a forked child; the child's end does."""
    server = EmbeddedServer(root)
    server.join()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writing)
        os.read(reading, 1)
        os._exit(0)
    os.close(reading)
    server.leave()
    time.sleep(1.6)
    assert server.url() is not None
    os.close(writing)
    os.waitpid(child, 0)
    eventually(lambda: processes(root) == [], _WITHIN)


def test_a_kept_server_needs_no_users(
    root: Path, eventually: Eventually, processes: Callable[[Path], list[psutil.Process]]
) -> None:
    """After keep it survives the coming and going of users, until stop; a start after that is an ordinary one."""
    server = EmbeddedServer(root)
    url = server.keep()
    assert server.join() == url
    server.leave()
    time.sleep(1.6)
    status = server.status()
    assert (status.running, status.kept, status.users) == (True, True, 0)
    server.stop()
    assert processes(root) == []
    server.join()
    assert not server.status().kept
    server.leave()
    eventually(lambda: processes(root) == [], _WITHIN)


def test_stop_stops_it_under_its_users(root: Path, spawn_user: SpawnUser, query: Query) -> None:
    """Stop does not wait for users; one that joins again gets a new server."""
    user = spawn_user(root)
    assert user.url()
    server = EmbeddedServer(root)
    server.stop()
    assert not server.status().running
    assert query(server.join(), "SELECT 1") == [(1,)]
