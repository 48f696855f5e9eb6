"""The sign of life that a worker gives from a thread of its own. What it prolongs: queue.py, the class Lease."""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Callable

from djarrow.errors import LeaseWarning


class Heartbeat:
    """Gives a sign of life every so many seconds, from its start until its end.

    One that fails is no end of it: the next is tried. That it failed is told once, with the reason, and once when it is
    back. who: whose it is, in these sentences.
    """

    def __init__(self, beat: Callable[[], None], pause: float, who: str, tell: Callable[[str], None]) -> None:
        self._beat = beat
        self._pause = pause
        self._who = who
        self._tell_all = tell
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="djarrow lease", daemon=True)

    def start(self) -> None:
        """Begin. The first sign comes after a pause."""
        self._thread.start()

    def end(self) -> None:
        """End, once the sign that is being given is."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        failed = False
        while not self._over.wait(self._pause):
            try:
                self._beat()
            except Exception as error:  # noqa: BLE001 - whatever it was, the next one is tried
                if not failed:
                    self._tell(
                        f"the sign of life of {self._who} failed, and is tried again every {self._pause:g} s. If none "
                        f"arrives before its lease ends, its keys are others'. {type(error).__name__}: {error}"
                    )
                failed = True
            else:
                if failed:
                    self._tell(f"the sign of life of {self._who} has arrived again.")
                failed = False

    def _tell(self, text: str) -> None:
        with contextlib.suppress(Exception):  # as where warnings are errors, which would end the thread
            self._tell_all(text)


def warn(text: str) -> None:
    """Tell where there is no log."""
    warnings.warn(text, LeaseWarning, stacklevel=1)
