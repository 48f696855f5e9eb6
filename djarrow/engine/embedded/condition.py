"""In which condition is the server of a folder? Told by the locks, which the kernel keeps true, and the pid file.

Not here: changing it (`launch.py` starts, `shutdown.py` ends).
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from attrs import frozen

from djarrow.engine.embedded import locks
from djarrow.engine.embedded.postmaster import Postmaster, is_postgres_of, read_pid_file

if TYPE_CHECKING:
    from djarrow.engine.embedded.folder import ServerFolder


class Condition(Enum):
    """What the server of a folder is doing."""

    AT_REST = "no process of postgres lives"
    STARTING = "postgres lives and does not take connections yet"
    READY = "postgres takes connections, and a supervisor watches over it"
    STOPPING = "postgres is shutting down"
    ORPHANED = "processes of postgres live without a supervisor"


@frozen
class Observation:
    """A condition, and the postmaster where it is known to be the one of this folder."""

    condition: Condition
    postmaster: Postmaster | None = None


def observe(folder: ServerFolder) -> Observation:
    """Look at the folder, changing nothing. Raises ServerFolderDenied when it cannot be read."""
    with folder.access():
        if not locks.is_held(folder.server_lock):
            return Observation(Condition.AT_REST)
        supervised = locks.is_held(folder.supervisor_lock)
        postmaster = read_pid_file(folder.data)
        if postmaster is not None and not is_postgres_of(postmaster.pid, folder.data):
            postmaster = None  # stale: left by a postgres that was killed
    if not supervised:
        return Observation(Condition.ORPHANED, postmaster)
    match postmaster and postmaster.status:
        case "ready":
            return Observation(Condition.READY, postmaster)
        case "stopping":
            return Observation(Condition.STOPPING, postmaster)
        case _:
            return Observation(Condition.STARTING, postmaster)
