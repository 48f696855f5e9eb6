"""One thread's transaction, read from other threads: Polars asks for the rows of a lazy query on threads of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from djarrow.engine.base import Reader, Stream

if TYPE_CHECKING:
    import pyarrow as pa


class PinnedReader:
    """Reads inside a transaction while it is open, and as other threads do after its end.

    inside: reads in the transaction. is_open: whether it still is. outside: reads elsewhere. Results are read whole and
    one after the other, because the transaction has one connection.
    """

    def __init__(self, inside: Callable[[str], pa.Table], is_open: Callable[[], bool], outside: Reader) -> None:
        self.dialect = outside.dialect
        self._inside = inside
        self._is_open = is_open
        self._outside = outside
        self._lock = threading.Lock()

    def read(self, text: str) -> pa.Table:
        """The whole result of a SELECT, in the driver's own types."""
        with self._lock:
            if self._is_open():
                return self._inside(text)
        return self._outside.read(text)

    def stream(self, text: str) -> Stream:
        """The result of a SELECT batch by batch."""
        with self._lock:
            if self._is_open():
                table = self._inside(text)
                return Stream(table.schema, iter(table.to_batches()), lambda: None)
        return self._outside.stream(text)

    def pinned(self) -> Reader:
        """Itself."""
        return self
