"""Which processes are the postgres of a folder, and what its pid file says. No process is believed by its number alone.

Not here: the locks, which tell whether anything runs at all (`condition.py`).
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROC = Path("/proc")


@frozen
class Postmaster:
    """What postmaster.pid says: the process, its port, and its status: starting, ready or stopping."""

    pid: int
    port: int | None
    status: str


def read_pid_file(data: Path) -> Postmaster | None:
    """What the pid file of a data folder says, true or stale; None when there is none or its writing has just begun."""
    try:
        lines = (data / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return None
    if not lines or not lines[0].lstrip("-").isdigit():
        return None
    port = int(lines[3]) if len(lines) > 3 and lines[3].isdigit() else None
    # The line with the status is written last; a postgres in single-user mode has a negative number and none.
    return Postmaster(abs(int(lines[0])), port, lines[7].strip() if len(lines) > 7 else "starting")


def cluster_name(data: Path) -> str:
    """A name for the command lines of the processes, by which they are found where there is no /proc."""
    return "djarrow-" + hashlib.sha256(os.fsencode(data.resolve())).hexdigest()[:16]


def is_postgres_of(pid: int, data: Path) -> bool:
    """Whether the process lives and is a postgres that works in this data folder."""
    if not _PROC.joinpath("self", "stat").exists():
        return pid in _listed_by_ps(data)
    try:
        name = (_PROC / str(pid) / "comm").read_text(encoding="utf-8", errors="replace").strip()
        # By what it works in, not by a path: the same folder has many, in mounts and containers.
        return name in ("postgres", "postmaster") and (_PROC / str(pid) / "cwd").samefile(data)
    except (FileNotFoundError, ProcessLookupError):
        return False
    except PermissionError:  # another user's: postgres works only in a folder of its own user, so not of ours
        return False


def find_postgres_of(data: Path) -> list[int]:
    """All processes of postgres, whoever their parent is, that work in this data folder."""
    if not _PROC.joinpath("self", "stat").exists():
        return list(_listed_by_ps(data))
    numbers = (int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit())
    return [pid for pid in numbers if is_postgres_of(pid, data)]


def _listed_by_ps(data: Path) -> Iterator[int]:
    """The processes of postgres with our cluster name in their command line, which the supervisor has in its too."""
    listing = subprocess.run(
        ["/bin/ps", "-axww", "-o", "pid=,command="], capture_output=True, text=True, check=True, errors="replace"
    )
    name = cluster_name(data)
    for line in listing.stdout.splitlines():
        pid, _, command = line.strip().partition(" ")
        if name in command and "postgres" in command and Path(sys.executable).name not in command:
            yield int(pid)
