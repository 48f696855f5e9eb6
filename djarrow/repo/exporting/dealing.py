"""Tables that are dealt out to several readers of a snapshot. Of each, one thread reads and another one writes, some
batches later, so that the server, the driver and the disk work at once.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import pyarrow as pa

Work = TypeVar("Work")
Reader = TypeVar("Reader")
Result = TypeVar("Result")

HELD = 32 * 2**20
"""Bytes of batches that wait to be written, of each reader; one batch waits in any case."""


class GivenUp(Exception):
    """Work was given up, because other work has failed."""


def dealt_out(
    work: Sequence[Work],
    readers: Sequence[Reader],
    *,
    read: Callable[[Work, Reader], AbstractContextManager[Iterable[pa.RecordBatch]]],
    write: Callable[[Work, Iterator[pa.RecordBatch]], Result],
) -> list[Result]:
    """What each piece of work gives, in its order. Each is read by whichever reader is free; a single one is used here.

    read: opens the batches of a piece; write: makes what is wanted of them. What is raised for one piece is raised when
    the others have ended, which they do before their next batch.
    """
    left, lock, failed = iter(enumerate(work)), threading.Lock(), threading.Event()
    found: dict[int, Future[Result]] = {}

    def next_piece() -> tuple[int, Work] | None:
        with lock:
            return next(left, None)

    def lane(reader: Reader) -> None:
        with _behind(failed) as behind:
            while (piece := next_piece()) is not None:
                with read(piece[1], reader) as batches:
                    found[piece[0]] = behind.write(batches, partial(write, piece[1]))

    if len(readers) == 1:
        lane(readers[0])
    else:
        _at_once(lane, readers, failed)
    return [found[place].result() for place in range(len(work))]


def _at_once(lane: Callable[[Reader], None], readers: Sequence[Reader], failed: threading.Event) -> None:
    """Call it for each, in a thread of its own. Raises what one has raised that did not end because of another."""
    threads, lanes = ThreadPoolExecutor(len(readers), thread_name_prefix="djarrow-read"), list[Future[None]]()
    try:
        for reader in readers:
            lanes.append(threads.submit(lane, reader))  # one by one: those that were begun are waited for
    except BaseException:  # Ctrl-C
        failed.set()
        raise
    finally:
        _waited_out(lambda: wait(lanes), failed.set)
        threads.shutdown()
    errors = [error for each in lanes if (error := each.exception()) is not None]
    for error in sorted(errors, key=lambda error: isinstance(error, GivenUp)):
        raise error


def _waited_out(wait: Callable[[], object], stop: Callable[[], object]) -> None:
    """Wait to the end, though Ctrl-C interrupts it once or more: then have what is waited for stop, and raise it.

    Who lets go of a place to which another thread still writes, gives it to the next export too early.
    """
    interrupted: KeyboardInterrupt | None = None
    while True:
        try:
            if interrupted is not None:
                stop()
            wait()
            break
        except KeyboardInterrupt as error:
            interrupted = error
    if interrupted is not None:
        raise interrupted


# --- writing behind ------------------------------------------------------------------------------------------------


@contextmanager
def _behind(failed: threading.Event) -> Iterator[_Behind]:
    """For the block, a thread that writes. At its end all is written, or what went wrong is raised."""
    behind = _Behind(failed)
    try:
        yield behind
        behind.end()
    except BaseException:
        behind.give_up()
        behind.end()
        raise
    if behind.error is not None:
        raise behind.error


class _Behind:
    """A thread that writes what this one reads. failed: whether any work has failed, here or elsewhere.

    error: what went wrong here while writing. The lock is taken by itself, and not as `with self._changed`, which is
    Python's own code: Ctrl-C between two lines of that would leave it taken for good.
    """

    def __init__(self, failed: threading.Event) -> None:
        self.error: BaseException | None = None
        self._failed = failed
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._held = self._given = self._ended = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="djarrow-write")

    def write(
        self, batches: Iterable[pa.RecordBatch], write: Callable[[Iterator[pa.RecordBatch]], Result]
    ) -> Future[Result]:
        """Read all of the batches here; they are written there, after what was given before."""
        waiting: deque[pa.RecordBatch | None] = deque()
        future = self._thread.submit(self._write, write, waiting)
        self._given += 1
        for batch in batches:
            self._hand(waiting, batch, batch.nbytes)
        self._hand(waiting, None, 0)
        return future

    def _hand(self, waiting: deque[pa.RecordBatch | None], batch: pa.RecordBatch | None, size: int) -> None:
        with self._lock:
            self._changed.wait_for(lambda: not self._held or self._held + size <= HELD or self._failed.is_set())
            if self.error is not None:
                raise self.error
            if self._failed.is_set():
                raise GivenUp
            waiting.append(batch)
            self._held += size
            self._changed.notify_all()

    def _write(
        self, write: Callable[[Iterator[pa.RecordBatch]], Result], waiting: deque[pa.RecordBatch | None]
    ) -> Result:
        try:
            return write(self._taken(waiting))
        except BaseException as error:
            if not isinstance(error, GivenUp):
                self.error = error
            self.give_up()
            raise
        finally:
            with self._lock:
                self._ended += 1
                self._changed.notify_all()

    def _taken(self, waiting: deque[pa.RecordBatch | None]) -> Iterator[pa.RecordBatch]:
        """The batches as they come."""
        while True:
            with self._lock:
                self._changed.wait_for(lambda: waiting or self._failed.is_set())
                if self._failed.is_set():
                    raise GivenUp
                batch = waiting.popleft()
                if batch is None:
                    return
                self._held -= batch.nbytes
                self._changed.notify_all()
            yield batch

    def give_up(self) -> None:
        """Have all work end."""
        with self._lock:
            self._failed.set()
            self._changed.notify_all()

    def end(self) -> None:
        """Wait for what is being written: not for the thread, which Python takes for ended once Ctrl-C has interrupted
        that.
        """

        def wait() -> None:
            with self._lock:
                self._changed.wait_for(lambda: self._ended >= self._given)

        _waited_out(wait, self.give_up)
        self._thread.shutdown()
