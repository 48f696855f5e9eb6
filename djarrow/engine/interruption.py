"""Ctrl-C while the driver works. It has the server cancel the statement, and tells that as any error, or not at all.

In the main thread the driver takes the signal while a call runs, and all that can be seen of it is that it cancels.
"""

from __future__ import annotations

import _thread
import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

_lock = threading.RLock()
_latest: Watched | None = None
"""The statement that was begun last in the main thread."""


class Watched:
    """A statement of the driver, with all that it can do, which keeps whether it was to be cancelled."""

    def __init__(self, statement: Any) -> None:
        self._statement = statement
        self.cancelled = False
        self.is_open = True
        self.is_heeded = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._statement, name)

    @property
    def cancel(self) -> Callable[[], None]:
        """What the driver calls on Ctrl-C; it asks for that just before it works on the statement."""
        global _latest  # noqa: PLW0603 - there is one main thread, and one handler of its signals
        if threading.current_thread() is threading.main_thread():
            _latest = self
        return _cancel

    def close(self) -> None:
        """Close the statement, not while it is being cancelled, and once: the driver counts."""
        with _lock:
            if self.is_open:
                self.is_open = False
                self._statement.close()


def _cancel() -> None:
    """Cancel what is under way.

    A thread of the driver calls this without keeping it, also after the call has ended: then a method of a statement
    would be gone, and the process with it. So it is a function that stays.
    """
    with _lock:
        if _latest is None or not _latest.is_heeded:
            _thread.interrupt_main()
            return
        _latest.cancelled = True
        if _latest.is_open:
            _latest._statement.cancel()


Watch = Callable[[Any], Watched]
"""Watches a statement: gives what is to be used in its place."""


@contextlib.contextmanager
def heeded() -> Iterator[Watch]:
    """Raise the signal again at the end of the block, after an error too, if it came while a statement worked.

    It has its usual effect: a KeyboardInterrupt, or what the program has set.
    """
    watched: list[Watched] = []

    def watch(statement: Any) -> Watched:
        watched.append(Watched(statement))
        return watched[-1]

    try:
        yield watch
    except Exception:
        raise
    except BaseException:  # it came between two steps, and a connection with an open statement cannot be closed
        for each in watched:
            each.close()
        raise
    finally:
        with _lock:
            for each in watched:
                each.is_heeded = False
        if any(each.cancelled for each in watched):
            signal.raise_signal(signal.SIGINT)
