"""The commit of the code: what it is, when it counts as changed, and when there is none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from djarrow.jobs import revision
from djarrow.jobs.revision import Revision, revision_of

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")

HOSTILE = "a b'c\"d%s;$(touch owned)\n-é"


@pytest.fixture(autouse=True)
def forget(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing is known of any repository, and no settings of the user's git count."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    caches = (revision._root, revision._tracked, revision._ignored, revision._revision)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


def git(folder: Path, *arguments: str) -> str:
    """Run git as somebody."""
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@lab.org")
    run = subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return run.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one commit, in a folder of a hostile name."""
    folder = tmp_path / HOSTILE
    (folder / "lab").mkdir(parents=True)
    git(folder, "init", "--quiet")
    (folder / "lab" / "tables.py").write_text("class Rate: pass\n", "utf-8")
    (folder / "data.csv").write_text("1\n", "utf-8")
    (folder / ".gitignore").write_text("ignored/\n", "utf-8")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "First")
    return folder


def class_in(file: Path, monkeypatch: pytest.MonkeyPatch) -> type:
    """A class whose module has this file."""
    module = ModuleType("module_of_a_lab")
    module.__file__ = str(file)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return type("Rate", (), {"__module__": module.__name__})


@pytest.fixture
def rate(repository: Path, monkeypatch: pytest.MonkeyPatch) -> type:
    """A class of the repository."""
    return class_in(repository / "lab" / "tables.py", monkeypatch)


def test_a_clean_commit(rate: type, repository: Path) -> None:
    """The commit that is checked out, and that nothing differs from it; the folder's name runs nothing."""
    assert revision_of(rate) == Revision(git(repository, "rev-parse", "HEAD"), dirty=False)
    assert not list(repository.parent.rglob("owned"))


def write(repository: Path, name: str) -> None:
    """Write a file, which may be there."""
    (repository / name).parent.mkdir(exist_ok=True)
    (repository / name).write_text("class Rate: 'changed'\n", "utf-8")


@pytest.mark.parametrize("name", ["lab/tables.py", "data.csv", "new.py", "folder/new\n.py"])
def test_dirty(rate: type, repository: Path, name: str) -> None:
    """A change of a tracked file anywhere, or a Python file that is not tracked, is told."""
    write(repository, name)
    assert revision_of(rate) == Revision(git(repository, "rev-parse", "HEAD"), dirty=True)


@pytest.mark.parametrize("name", ["new.csv", "ignored/new.py"])
def test_not_dirty(rate: type, repository: Path, name: str) -> None:
    """Data that is not tracked, and what the repository ignores, changes no code."""
    write(repository, name)
    found = revision_of(rate)
    assert found is not None
    assert not found.dirty


@pytest.mark.parametrize("change", [("add", "lab"), ("rm", "--quiet", "data.csv"), ("mv", "data.csv", "moved.csv")])
def test_staged(rate: type, repository: Path, change: tuple[str, ...]) -> None:
    """A change that is staged is one."""
    if change[0] == "add":
        write(repository, "lab/tables.py")
    git(repository, *change)
    found = revision_of(rate)
    assert found is not None
    assert found.dirty


def test_hidden_untracked_files(rate: type, repository: Path) -> None:
    """Settings of the user's that hide untracked files do not hide them here."""
    git(repository, "config", "status.showUntrackedFiles", "no")
    write(repository, "new.py")
    found = revision_of(rate)
    assert found is not None
    assert found.dirty


@pytest.mark.parametrize("name", ["script", ":(top)x", "*"])
def test_an_untracked_script(name: str, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source file that is not tracked makes it dirty whatever its name ends with."""
    write(repository, name)
    found = revision_of(class_in(repository / name, monkeypatch))
    assert found is not None
    assert found.dirty


def test_asked_once(rate: type, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repository is asked once in a process, also for another class of it."""
    first = revision_of(rate)
    monkeypatch.setattr(revision, "_git", None)
    assert revision_of(rate) is first


def test_none_without_git(rate: type, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without git on PATH there is no revision."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert revision_of(rate) is None


def test_none_outside_of_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside of a repository there is none."""
    (tmp_path / "tables.py").write_text("", "utf-8")
    assert revision_of(class_in(tmp_path / "tables.py", monkeypatch)) is None


def test_none_before_the_first_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repository without a commit has none."""
    git(tmp_path, "init", "--quiet")
    (tmp_path / "tables.py").write_text("", "utf-8")
    assert revision_of(class_in(tmp_path / "tables.py", monkeypatch)) is None


def test_none_of_an_installed_package(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package in a folder that the repository ignores, as an environment's, is not of that repository."""
    write(repository, "ignored/tables.py")
    assert revision_of(class_in(repository / "ignored" / "tables.py", monkeypatch)) is None


def test_none_without_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A class of a notebook, of a module that is gone or of Python itself has none."""
    assert revision_of(type("Rate", (), {"__module__": "module_that_is_not"})) is None
    assert revision_of(class_in(tmp_path / "gone.py", monkeypatch)) is None
    assert revision_of(int) is None


def test_the_repository_of_a_hook(
    rate: type, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variables that git sets for hooks, which name another repository, do not mislead."""
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "--quiet")
    git(other, "commit", "--quiet", "--allow-empty", "--message", "Other")
    commit = git(repository, "rev-parse", "HEAD")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / "index"))
    assert revision_of(rate) == Revision(commit, dirty=False)


def test_nothing_of_the_repository_runs(rate: type, repository: Path) -> None:
    """A file-system monitor that the repository's settings name does not run."""
    program = repository.parent / "monitor"
    program.write_text(f"#!/bin/sh\ntouch '{repository.parent}/ran'\n", "utf-8")
    program.chmod(0o755)
    git(repository, "config", "core.fsmonitor", str(program))
    found = revision_of(rate)
    assert found is not None
    assert not (repository.parent / "ran").exists()


def test_nothing_is_written(rate: type, repository: Path) -> None:
    """A look refreshes no index, which would be in the way of git elsewhere."""
    index = repository / ".git" / "index"
    os.utime(repository / "data.csv", (1, 1))
    before = index.read_bytes()
    found = revision_of(rate)
    assert found is not None
    assert not found.dirty
    assert index.read_bytes() == before


def test_a_git_that_hangs(rate: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A git that does not answer is waited for so long and no longer."""
    (tmp_path / "git").write_text("#!/bin/sh\nexec sleep 60\n", "utf-8")
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setattr(revision, "SECONDS", 0.2)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert revision_of(rate) is None


def test_a_comparison_that_takes_too_long(rate: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where only the look for changes takes too long, the commit is told and counts as changed."""
    real = shutil.which("git")
    script = f'#!/bin/sh\ncase "$*" in *status*) exec sleep 60;; esac\nexec {real} "$@"\n'
    (tmp_path / "git").write_text(script, "utf-8")
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setattr(revision, "SECONDS", 2)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    found = revision_of(rate)
    assert found is not None
    assert found.dirty
