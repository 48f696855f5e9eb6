"""Ctrl-C while the driver works. It has the server cancel the statement, and tells that as any error, or not at all.

In the main thread the driver takes the signal while a call runs, and all that can be seen of it is that it cancels.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any


class Watched:
    """A statement of the driver, with all that it can do, which keeps whether it was to be cancelled."""

    __slots__ = ("_statement", "cancelled")

    def __init__(self, statement: Any) -> None:
        self._statement = statement
        self.cancelled = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._statement, name)

    def cancel(self) -> None:
        """What the driver calls on Ctrl-C."""
        self.cancelled = True
        self._statement.cancel()


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

    def __exit__(self, *_: object) -> None:
        if any(each.cancelled for each in self._watched):
            signal.raise_signal(signal.SIGINT)
