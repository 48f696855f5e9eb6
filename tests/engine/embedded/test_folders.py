"""Folders of all kinds: where the server may work, where it may not, and what it leaves alone."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from djarrow.engine.embedded import EmbeddedServer
from djarrow.errors import DjarrowError, ServerFolderDenied

if TYPE_CHECKING:
    from collections.abc import Callable

    import psutil

    from .conftest import Query


def test_any_name_will_do(root: Path, query: Query) -> None:
    """Spaces, letters of other scripts, quotes and long paths are no matter, and a folder may be renamed."""
    long = "long" * 20 + "/" + "name" * 30
    for name in ("a space, Füße und 数据", 'it\'s "quoted"', "-D", long):
        renamed = root.parents[1] / name / "server"
        renamed.parent.mkdir(parents=True)
        server = EmbeddedServer(root.rename(renamed))
        try:
            assert query(server.join(), "SELECT 1") == [(1,)]
        finally:
            server.stop()
        renamed.rename(root)


def test_a_first_start_in_a_long_path_with_all_of_it(new_root: Path, query: Query) -> None:
    """The same for making the files, and the socket is made elsewhere."""
    root = new_root.parent / "é ü 数" / ("long" * 40) / "server"
    server = EmbeddedServer(root)
    try:
        url = server.join()
        [(sockets,)] = query(url, "SELECT current_setting('unix_socket_directories')")
        assert str(root) not in sockets
    finally:
        server.stop()
    assert not Path(sockets.strip('"')).exists()


def test_the_folder_is_private_and_its_parents_are_left_alone(new_root: Path) -> None:
    """No parent changes its mode or owner; the folder itself is closed, and ignored by version control."""
    project = new_root.parents[1]
    project.chmod(0o751)
    before = project.stat()
    EmbeddedServer(new_root).join()
    after = project.stat()
    assert (before.st_mode, before.st_uid, before.st_gid) == (after.st_mode, after.st_uid, after.st_gid)
    assert stat.S_IMODE(new_root.stat().st_mode) == 0o700
    assert (new_root / ".gitignore").read_text() == "*\n"


def test_a_file_in_the_way(new_root: Path) -> None:
    """A folder that cannot be made is named, with what to do, and nothing is left behind."""
    project = new_root.parents[1]
    in_the_way = project / "deeper"
    in_the_way.write_text("mine")
    root = in_the_way / ".djarrow" / "server"
    with pytest.raises(ServerFolderDenied, match="Give this user access") as failure:
        EmbeddedServer(root).join()
    assert str(root) in str(failure.value)
    assert isinstance(failure.value, PermissionError)
    assert isinstance(failure.value, DjarrowError)
    assert list(project.iterdir()) == [in_the_way]
    assert in_the_way.read_text() == "mine"


def test_the_folder_itself_is_a_file(new_root: Path) -> None:
    """All that would change something there says so in the same words; asking is harmless."""
    new_root.parent.mkdir()
    new_root.write_text("mine")
    server = EmbeddedServer(new_root)
    for action in (server.join, server.keep, server.stop):
        with pytest.raises(ServerFolderDenied, match="cannot be made, read or written"):
            action()
    assert not server.status().running
    assert server.url() is None
    assert new_root.read_text() == "mine"


def test_a_relative_path_means_where_it_was_said(
    root: Path, monkeypatch: pytest.MonkeyPatch, processes: Callable[[Path], list[psutil.Process]]
) -> None:
    """The folder does not wander with the working folder of the process."""
    monkeypatch.chdir(root.parents[1])
    server = EmbeddedServer(Path(".djarrow/server"))
    monkeypatch.chdir("/")
    server.join()
    assert server.status().data == root / "data"
    assert processes(root) != []


def test_a_long_log_is_set_aside(root: Path) -> None:
    """The log does not grow for ever: a long one makes place at the next start."""
    (root / "postgres.log").write_bytes(b"old\n" * 1_000_001)
    EmbeddedServer(root).join()
    assert (root / "postgres.log").stat().st_size < 100_000
    assert (root / "postgres.log.old").stat().st_size > 4_000_000
