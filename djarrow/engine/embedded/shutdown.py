"""Ending what runs in a folder, in order where that is possible. Signals go only to processes known to be its postgres.

For use under the boot lock. The supervisor has its own, simpler way: postgres is its child.
"""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

from djarrow.engine.embedded import locks
from djarrow.engine.embedded.condition import observe
from djarrow.engine.embedded.postmaster import find_postgres_of
from djarrow.errors import ServerError

if TYPE_CHECKING:
    from djarrow.engine.embedded.folder import ServerFolder

_FAST_SHUTDOWN = 20.0  # seconds until the shutdown becomes an immediate one, from which the next start recovers
_WITHOUT_POSTMASTER = 1.0  # seconds for the processes of a killed postmaster to notice
_PATIENCE = 40.0


def end(folder: ServerFolder) -> None:
    """Return when no process of postgres and no supervisor is left. Raises ServerError when that takes too long."""
    begin = time.monotonic()
    sent: set[tuple[int, signal.Signals]] = set()
    while locks.is_held(folder.server_lock) or locks.is_held(folder.supervisor_lock):
        elapsed = time.monotonic() - begin
        for pid, number in _due(folder, elapsed):
            if (pid, number) not in sent:
                sent.add((pid, number))
                _send(pid, number)
        if elapsed > _PATIENCE:
            raise ServerError(
                f"the embedded server in {folder.root} did not stop within {_PATIENCE:.0f} s. If it was started in "
                f"another container or on another machine, stop it there; its log is {folder.log}."
            )
        time.sleep(0.005)


def _due(folder: ServerFolder, elapsed: float) -> list[tuple[int, signal.Signals]]:
    """The signals that are due after this time."""
    postmaster = observe(folder).postmaster
    if postmaster is not None:
        return [(postmaster.pid, signal.SIGQUIT if elapsed > _FAST_SHUTDOWN else signal.SIGINT)]
    if elapsed < _WITHOUT_POSTMASTER:
        return []
    # A backend whose postmaster was killed notices at the end of its query, which may be hours away.
    return [(pid, signal.SIGQUIT) for pid in find_postgres_of(folder.data)]


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:  # it ended between the look and the signal
        return
