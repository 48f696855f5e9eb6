"""File locks that the kernel lets go when a process dies, however it dies. Not here: which lock means what."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from djarrow.errors import ServerStartFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

# Descriptors held for the length of one call. A child forked by another thread meanwhile would keep the lock for as
# long as it lives, so it closes them. A user's lock is not among them: a forked child is a user like its parent.
_held_briefly: set[int] = set()


def _close_in_child() -> None:
    for descriptor in _held_briefly:
        os.close(descriptor)
    _held_briefly.clear()


os.register_at_fork(after_in_child=_close_in_child)


def acquire_shared(path: Path, *, patience: float) -> int:
    """A descriptor that shares the lock until it, and each copy that a forked child has, is closed.

    Raises ServerStartFailed when the lock is held exclusively for longer than the patience, in seconds.
    """
    descriptor = _acquire(path, shared=True, patience=patience)
    _held_briefly.discard(descriptor)
    return descriptor


@contextlib.contextmanager
def held(path: Path, *, patience: float) -> Iterator[int]:
    """Hold the lock exclusively inside the block; gives its descriptor. Raises like acquire_shared."""
    descriptor = _acquire(path, shared=False, patience=patience)
    try:
        yield descriptor
    finally:
        release(descriptor)


def is_held(path: Path) -> bool:
    """Whether some process holds the lock exclusively. A file that does not exist is held by nobody."""
    if not path.exists():
        return False
    descriptor = _open(path)
    try:
        return not _try(descriptor, shared=True)
    finally:
        release(descriptor)


def release(descriptor: int) -> None:
    """Close a descriptor. Closing, not unlocking: unlocking would take the lock from forked children as well."""
    _held_briefly.discard(descriptor)
    os.close(descriptor)


def count_shared(path: Path) -> int | None:
    """How many hold the lock as shared; None where the system does not tell, which is everywhere but Linux."""
    if not path.exists():
        return 0
    descriptor = _open(path)
    try:
        if _try(descriptor, shared=False):
            return 0
    finally:
        release(descriptor)
    table = Path("/proc/locks")
    if not table.exists():
        return None
    file = path.stat()
    place = f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}:{file.st_ino}"
    rows = (line.split() for line in table.read_text().splitlines())
    # "1: FLOCK ADVISORY READ 4711 fe:00:1234 0 EOF"; one that waits has "->" in the second place. Overlay file systems
    # show another device: then no row matches, and the count is unknown.
    return sum(row[1:4] == ["FLOCK", "ADVISORY", "READ"] and row[5] == place for row in rows) or None


def _acquire(path: Path, *, shared: bool, patience: float) -> int:
    descriptor = _open(path)
    end = time.monotonic() + patience
    try:
        while not _try(descriptor, shared=shared):
            if time.monotonic() > end:
                raise ServerStartFailed(
                    f"{path}: another process has held this lock for {patience:.0f} s. It is starting or stopping the "
                    "embedded server and may hang: find it with `fuser`, end it and try again."
                )
            time.sleep(0.003)
    except BaseException:
        release(descriptor)
        raise
    return descriptor


def _open(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    _held_briefly.add(descriptor)
    return descriptor


def _try(descriptor: int, *, shared: bool) -> bool:
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
