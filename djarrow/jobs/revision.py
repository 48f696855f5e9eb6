"""The git commit that the source of a class was checked out from."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

from attrs import evolve, frozen

from djarrow.jobs.code.names import module_of

SECONDS = 10
"""How long git may take for one question; on a large work tree over a network, the look for changes takes seconds."""

CONFIGURED = ("-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}")
"""Settings that keep a repository from having programs of its own run by a look at it."""

KEPT = (
    *("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM"),
    *("GIT_CEILING_DIRECTORIES", "GIT_DISCOVERY_ACROSS_FILESYSTEM", "GIT_EXEC_PATH"),
)
"""Variables of git that say how it is installed. The others name a repository: that of a hook which runs us, say."""


@frozen
class Revision:
    """commit: in hex. dirty: what is checked out differs, has Python files besides, or could not be compared."""

    commit: str
    dirty: bool


def revision_of(table_class: type) -> Revision | None:
    """The commit that the source of a class belongs to.

    None without git, outside of a repository, before its first commit, where the repository ignores the file (an
    installed package), where git refuses (a repository of somebody else), and for a class that has no file. A
    repository is asked once in a process: what is loaded does not change with what is checked out later.
    """
    module = sys.modules.get(module_of(table_class))
    file = getattr(module, "__file__", None)
    if not isinstance(file, str) or not Path(file).is_file():
        return None
    path = Path(file).resolve()
    root = _root(path.parent)
    if root is None:
        return None
    tracked = _tracked(path)
    if not tracked and _ignored(path):
        return None
    found = _revision(root)
    return found if found is None or tracked else evolve(found, dirty=True)


@functools.cache
def _root(folder: Path) -> str | None:
    """The work tree that a folder lies in."""
    answer = _git(folder, "rev-parse", "--show-toplevel")
    return None if answer is None else os.fsdecode(answer.removesuffix(b"\n"))


@functools.cache
def _tracked(path: Path) -> bool:
    """Whether the repository has a file."""
    return _git(path.parent, "--literal-pathspecs", "ls-files", "--error-unmatch", "--", path.name) is not None


@functools.cache
def _ignored(path: Path) -> bool:
    """Whether the repository leaves a file out, or cannot say."""
    return _git(path.parent, "check-ignore", "--quiet", "--", f"./{path.name}", ends=1) is None


@functools.cache
def _revision(root: str) -> Revision | None:
    folder = Path(root)
    commit = _git(folder, "rev-parse", "--verify", "HEAD^{commit}")
    if commit is None:
        return None
    changes = _git(folder, "status", "--porcelain", "-z", "--untracked-files=all", "--ignore-submodules=untracked")
    dirty = changes is None or any(_counts(line) for line in changes.split(b"\0") if line)
    return Revision(commit.decode("ascii").strip(), dirty)


def _counts(line: bytes) -> bool:
    """Whether a line of the status is a change of what is tracked, or a Python file that is not."""
    return not line.startswith(b"?? ") or line.endswith((b".py", b".pyi"))


def _git(folder: Path, *arguments: str, ends: int = 0) -> bytes | None:
    """What git answers in a folder; None where it is not installed, takes too long or ends with another code."""
    program = shutil.which("git")
    if program is None:
        return None
    # absolute, as a relative entry of PATH would be looked up in the folder of the repository
    line = [str(Path(program).absolute()), "--no-pager", *CONFIGURED, *arguments]
    try:
        run = subprocess.run(
            line,
            cwd=folder,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return run.stdout if run.returncode == ends else None


def _environment() -> dict[str, str]:
    """The environment without the variables of a git that called us, as in a hook; nothing is asked or written."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name in KEPT}
    return kept | {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "", "LC_ALL": "C"}
