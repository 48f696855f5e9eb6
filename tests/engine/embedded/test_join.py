"""What a process gets that joins a server: a URL, a database, and nothing open to others."""

from __future__ import annotations

import stat
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psutil
import pytest

from djarrow.engine.embedded import EmbeddedServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Query


def test_the_first_join_makes_a_server(new_root: Path, query: Query) -> None:
    """Joining in an empty folder gives the URL of a database `djarrow` with the promised settings."""
    server = EmbeddedServer(new_root)
    assert not new_root.exists()
    begin = time.monotonic()
    url = server.join()
    assert time.monotonic() - begin < 7.5
    place = urlsplit(url)
    assert (place.scheme, place.username, place.hostname, place.path) == (
        "postgresql", "djarrow", "127.0.0.1", "/djarrow",
    )  # fmt: skip
    names = ("server_encoding", "data_checksums", "fsync", "max_connections", "shared_buffers", "listen_addresses")
    asked = ", ".join(f"current_setting('{name}')" for name in names)
    assert query(url, f"SELECT {asked}") == [("UTF8", "on", "on", "200", "128MB", "127.0.0.1")]
    collation = query(url, "SELECT datcollate::text FROM pg_database WHERE datname = current_database()")
    assert collation[0][0] in ("C.UTF-8", "C")


def test_a_later_join_finds_the_data(root: Path, query: Query) -> None:
    """What was committed is there after a stop, at the same port and with the same password."""
    server = EmbeddedServer(root)
    first = server.join()
    query(first, "CREATE TABLE kept AS SELECT 7 AS n")
    server.stop()
    begin = time.monotonic()
    later = server.join()
    assert time.monotonic() - begin < 1.5
    assert later == first
    assert query(later, "SELECT n FROM kept") == [(7,)]


def test_joining_a_running_server_is_cheap(root: Path) -> None:
    """Joining again, and joining from a second object, gives the same URL at once."""
    url = EmbeddedServer(root).join()
    begin = time.monotonic()
    second = EmbeddedServer(root)
    assert second.join() == second.join() == url
    assert time.monotonic() - begin < 0.1


def test_a_copied_folder_is_a_server_of_its_own(root: Path, made_once: Path) -> None:
    """A copy of a folder does not take the server of the original for its own."""
    original = EmbeddedServer(made_once)
    copy = EmbeddedServer(root)
    try:
        original.join()
        copy.join()
        assert original.status().pid != copy.status().pid
    finally:
        original.stop()


def test_no_password_no_access(root: Path, query: Query) -> None:
    """Over TCP and over the socket, a client without the password is refused."""
    url = EmbeddedServer(root).join()
    place = urlsplit(url)
    with pytest.raises(Exception, match="password"):
        query(f"postgresql://djarrow@127.0.0.1:{place.port}/djarrow", "SELECT 1")
    with pytest.raises(Exception, match="password"):
        query(f"postgresql://djarrow:wrong@127.0.0.1:{place.port}/djarrow", "SELECT 1")
    rules = query(url, "SELECT DISTINCT auth_method FROM pg_hba_file_rules")
    assert rules == [("scram-sha-256",)]


def test_it_listens_on_loopback_and_a_private_socket(root: Path, query: Query) -> None:
    """No other address is open, and the folder of the socket is open to its owner only."""
    server = EmbeddedServer(root)
    url = server.join()
    listening = [
        connection.laddr.ip
        for connection in psutil.Process(server.status().pid).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert listening == ["127.0.0.1"]
    [(quoted,)] = query(url, "SELECT current_setting('unix_socket_directories')")
    assert stat.S_IMODE(Path(quoted.strip('"')).stat().st_mode) == 0o700


def test_the_password_is_kept_to_itself(
    root: Path, processes: Callable[[Path], list[psutil.Process]], query: Query
) -> None:
    """It is in a private file and in the URL, and in no repr, command line, environment or log."""
    server = EmbeddedServer(root)
    url = server.join()
    query(url, "SELECT 1")
    password = urlsplit(url).password
    assert password is not None
    assert len(password) >= 24
    state = root / "state.json"
    assert password in state.read_text()
    assert stat.S_IMODE(state.stat().st_mode) == 0o600
    assert password not in f"{server!r} {server.status()!r} {server._folder.remembered()!r}"
    assert password not in (root / "postgres.log").read_text()
    listing = subprocess.run(["ps", "auxwwe"], capture_output=True, text=True, check=True).stdout
    assert str(root) in listing
    assert password not in listing
    assert len(processes(root)) > 3


def test_status_and_url_do_not_join(new_root: Path) -> None:
    """Asking makes no folder and starts nothing; while it runs they tell what is known."""
    server = EmbeddedServer(new_root)
    assert server.url() is None
    status = server.status()
    assert (status.running, status.pid, status.port, status.version) == (False, None, None, None)
    assert (status.users, status.kept, status.data) == (0, False, new_root / "data")
    assert not new_root.exists()
    url = server.join()
    observer = EmbeddedServer(new_root)
    assert observer.url() == url
    status = observer.status()
    assert status.running
    assert status.port == urlsplit(url).port
    assert status.version == int((new_root / "data" / "PG_VERSION").read_text())
    assert status.users in (1, None)
    server.stop()
    assert observer.url() is None


def test_leaving_and_stopping_twice_is_fine(made_once: Path) -> None:
    """Leaving without having joined and stopping what does not run do nothing."""
    server = EmbeddedServer(made_once)
    server.leave()
    server.stop()
    server.join()
    server.leave()
    server.leave()
    server.stop()
    server.stop()
