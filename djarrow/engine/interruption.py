"""Ctrl-C while the driver works. It has the server cancel the statement, and tells that as any error, or not at all.

In the main thread the driver takes the signal while a call runs, and all that can be seen of it is that it cancels.
"""

from __future__ import annotations

import _thread
import signal
import threading
from collections.abc import Callable
from typing import Any

_lock = threading.RLock()
_latest: Watched | None = None
"""The statement that was begun last in the main thread."""


class Watched:
    """A statement of the driver, with all that it can do, which keeps whether it was to be cancelled."""

    __slots__ = ("_statement", "cancelled", "is_heeded", "is_open")

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


class Heeded:
    """Raises the signal again at the end of the block, after an error too, if it came while a statement worked.

    It has its usual effect: a KeyboardInterrupt, or what the program has set. The block is given a Watch.
    """

    __slots__ = ("_watched",)

    def __init__(self) -> None:
        self._watched: list[Watched] = []

    def __enter__(self) -> Watch:
        return self._watch

    def _watch(self, statement: Any) -> Watched:
        self._watched.append(Watched(statement))
        return self._watched[-1]

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is not None and not issubclass(kind, Exception):
                for each in self._watched:  # it came between two steps, and a connection with an open one cannot close
                    each.close()
        finally:
            with _lock:
                for each in self._watched:
                    each.is_heeded = False
            if any(each.cancelled for each in self._watched):
                signal.raise_signal(signal.SIGINT)
