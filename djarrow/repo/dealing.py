"""Work that is dealt out to several readers of a snapshot, each of which a thread uses."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Work = TypeVar("Work")
Reader = TypeVar("Reader")
Result = TypeVar("Result")

Stopped = Callable[[], None]
"""Raises where the work of another thread has failed, so that this one ends too."""


class Given(Exception):
    """Work was given up, because that of another thread has failed."""


def dealt_out(
    do: Callable[[Work, Reader, Stopped], Result], work: Sequence[Work], readers: Sequence[Reader]
) -> list[Result]:
    """What each piece of work gives, in its order; each is done with whichever reader is free.

    What one of them raises is raised when the others have ended, which they do when they next ask `Stopped`.
    """
    if len(readers) == 1:
        return [do(piece, readers[0], lambda: None) for piece in work]
    free: queue.SimpleQueue[Reader] = queue.SimpleQueue()
    for reader in readers:
        free.put(reader)
    failed = threading.Event()

    def stopped() -> None:
        if failed.is_set():
            raise Given

    def one(piece: Work) -> Result:
        stopped()
        reader = free.get()
        try:
            return do(piece, reader, stopped)
        except BaseException:
            failed.set()
            raise
        finally:
            free.put(reader)

    with ThreadPoolExecutor(len(readers), thread_name_prefix="djarrow-export") as threads:
        futures = [threads.submit(one, piece) for piece in work]
        try:
            return [future.result() for future in futures]
        except Given:
            raise next(
                error for future in futures if not isinstance(error := future.exception(), Given | None)
            ) from None
        except BaseException:  # Ctrl-C, too
            failed.set()
            raise
