"""Under which account postgres runs: for root, for ordinary users, and for both on one folder."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import attrs
import psutil
import pytest

import djarrow
from djarrow.engine.embedded import EmbeddedServer, account
from djarrow.engine.embedded.binaries import find_binaries
from djarrow.errors import ServerFolderDenied

from .conftest import Query

as_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can be somebody else; the rest of the suite is this case"
)

_NAMESPACE = ("unshare", "--user", "--map-user={uid}", "--map-group={uid}", "--")
_JOIN = """
import sys
from pathlib import Path
from djarrow.engine.embedded import EmbeddedServer
from djarrow.errors import ServerError
try:
    print(EmbeddedServer(Path(sys.argv[1])).join())
except ServerError as error:
    print(type(error).__name__, error)
"""

_JOIN_WITHOUT_RIGHTS = """
import importlib, os, pkgutil, sys
from pathlib import Path
from djarrow.engine import embedded
from djarrow.errors import ServerError
for module in pkgutil.iter_modules(embedded.__path__):  # later, this user may not be able to read them
    if module.name != "supervisor":
        importlib.import_module(f"djarrow.engine.embedded.{module.name}")
os.setgroups([])
os.setgid(int(sys.argv[2]))
os.setuid(int(sys.argv[2]))
try:
    print(embedded.EmbeddedServer(Path(sys.argv[1])).join())
except ServerError as error:
    print(type(error).__name__, error)
"""

JoinAs = Callable[[int, Path], str]


def _join_without_rights(uid: int, root: Path) -> str:
    """What a user hears who comes to a folder: the URL or the error. The process gives up its rights after imports."""
    words = [sys.executable, "-c", _JOIN_WITHOUT_RIGHTS, str(root), str(uid)]
    joined = subprocess.run(words, capture_output=True, text=True, check=False, env={**os.environ, "HOME": "/"})
    assert joined.returncode == 0, joined.stderr
    return joined.stdout.strip()


@pytest.fixture
def join_as() -> JoinAs:
    """Join as another user, in a process that ends at once; gives the URL or the error.

    Where no Python is readable for that user, it is one of a user namespace: still not root to itself.
    """
    places = [Path(djarrow.__file__).parents[1], Path(attrs.__file__).parents[1]]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": ":".join(map(str, places)), "PYTHONDONTWRITEBYTECODE": "1"}

    def run(uid: int, program: str, *words: str) -> subprocess.CompletedProcess[str]:
        options = {"user": uid, "group": uid, "extra_groups": list[int]()} if program != "unshare" else {}
        return subprocess.run(  # type: ignore[call-overload,no-any-return]
            [program, *words], capture_output=True, text=True, env=environment, cwd="/", check=False, **options
        )

    def can_import(uid: int, python: str) -> bool:
        try:
            return run(uid, python, "-c", "import djarrow, sys; assert sys.version_info >= (3, 11)").returncode == 0
        except PermissionError:
            return False

    def join(uid: int, root: Path) -> str:
        python = next((name for name in (sys.executable, "/usr/bin/python3") if can_import(uid, name)), None)
        namespace = [word.format(uid=uid) for word in _NAMESPACE]
        command = [python] if python else [*namespace, sys.executable]
        joined = run(uid, *command, "-c", _JOIN, str(root))
        assert joined.returncode == 0, joined.stderr
        return joined.stdout.strip()

    return join


@pytest.fixture
def no_namespaces(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that allows no user namespaces; there is no way to have one for a test."""
    monkeypatch.setattr(account, "_namespace", lambda _: None)


def _account_of(server: EmbeddedServer) -> int:
    uid: int = psutil.Process(server.status().pid).uids().real
    return uid


def test_this_user(root: Path, query: Query) -> None:
    """Whoever runs this, root or not, gets a server, whose files are this user's."""
    assert query(EmbeddedServer(root).join(), "SELECT 1") == [(1,)]
    if shutil.which("unshare") or os.geteuid() != 0:
        assert (root / "data").stat().st_uid in (os.geteuid(), pwd.getpwnam("nobody").pw_uid)


@as_root
@pytest.mark.parametrize("uid", [pwd.getpwnam("nobody").pw_uid, 1234])
def test_an_ordinary_user(new_root: Path, join_as: JoinAs, query: Query, uid: int) -> None:
    """With and without a name in the list of users; root can use the server too, and takes nothing away."""
    url = join_as(uid, new_root)
    assert url.startswith("postgresql://djarrow:"), url
    owner = new_root.stat().st_uid
    server = EmbeddedServer(new_root)
    assert query(server.join(), "CREATE TABLE kept AS SELECT 7 AS n") == []
    server.stop()
    assert server.join() == url
    assert _account_of(server) == owner
    server.stop()
    assert {path.stat().st_uid for path in new_root.iterdir()} == {owner}
    assert join_as(uid, new_root) == url


@as_root
def test_a_folder_that_the_user_may_not_write(new_root: Path) -> None:
    """The error names the folder and what to do, and nothing is left behind."""
    project = new_root.parents[1]
    project.chmod(0o755)
    said = _join_without_rights(1234, new_root)
    assert said.startswith("ServerFolderDenied")
    assert str(new_root) in said
    assert "Give this user access" in said
    assert list(project.iterdir()) == []


@as_root
def test_the_folder_of_another_user(root: Path) -> None:
    """A server whose password is another user's secret cannot be joined."""
    root.chmod(0o755)
    said = _join_without_rights(1234, root)
    assert said.startswith("ServerFolderDenied")


@as_root
@pytest.mark.usefixtures("no_namespaces")
def test_root_without_namespaces(new_root: Path, query: Query) -> None:
    """Postgres runs as nobody, who owns the database files and reads no secret."""
    server = EmbeddedServer(new_root)
    assert query(server.join(), "SELECT 1") == [(1,)]
    nobody = pwd.getpwnam("nobody").pw_uid
    assert _account_of(server) == nobody
    assert (new_root / "data").stat().st_uid == nobody
    assert stat.S_IMODE(new_root.stat().st_mode) == 0o711
    assert (new_root / "state.json").stat().st_uid == 0
    server.stop()
    assert query(server.join(), "SELECT 1") == [(1,)]


@as_root
@pytest.mark.usefixtures("no_namespaces")
def test_binaries_that_nobody_may_read(
    new_root: Path, query: Query, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wheel that is private to root is copied into the folder, with the libraries that lie beside its package."""
    found = find_binaries().folder
    package = found.parents[1]
    for source in (found.parent, package.with_name(f"{package.name}.libs")):
        if source.is_dir():
            shutil.copytree(source, tmp_path / source.relative_to(package.parent), symlinks=True)
    tmp_path.chmod(0o700)
    monkeypatch.setenv("DJARROW_PG_BIN", str(tmp_path / found.relative_to(package.parent)))
    assert query(EmbeddedServer(new_root).join(), "SELECT 1") == [(1,)]


@as_root
@pytest.mark.usefixtures("no_namespaces")
def test_files_of_root_are_given_to_nobody(root: Path, query: Query) -> None:
    """A server that was made where namespaces are allowed works where they are not."""
    assert (root / "data").stat().st_uid == 0
    assert query(EmbeddedServer(root).join(), "SELECT 1") == [(1,)]


@as_root
@pytest.mark.usefixtures("no_namespaces")
def test_nobody_cannot_reach_the_folder(new_root: Path) -> None:
    """The error says so and what to do; no parent is opened for it."""
    project = new_root.parents[1]
    project.chmod(0o700)
    with pytest.raises(ServerFolderDenied, match="refuses to run") as failure:
        EmbeddedServer(new_root).join()
    assert str(new_root) in str(failure.value)
    assert "chmod o+x" in str(failure.value)
    assert stat.S_IMODE(project.stat().st_mode) == 0o700


@as_root
@pytest.mark.usefixtures("no_namespaces")
def test_programs_that_nobody_cannot_read_are_copied(
    root: Path, query: Query, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Programs in a closed folder of root are copied into the server's own."""
    from djarrow.engine.embedded.binaries import find_binaries

    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "pg").symlink_to(find_binaries().folder.parent)
    monkeypatch.setenv("DJARROW_PG_BIN", str(closed / "pg" / "bin"))
    assert query(EmbeddedServer(root).join(), "SELECT 1") == [(1,)]
    assert len(list(root.glob("postgresql-*/*/*/bin/postgres"))) == 1
