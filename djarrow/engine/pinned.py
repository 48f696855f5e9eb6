"""One thread's transaction, read from other threads: Polars asks for the rows of a lazy query on threads of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from djarrow.engine.base import Stream, Streams

if TYPE_CHECKING:
    import pyarrow as pa


class Pinned:
    """Streams that read inside a transaction while it is open, and as other threads do after its end.

    inside: reads in the transaction. is_open: whether it still is. outside: streams elsewhere. Inside, results are read
    whole, because the transaction has one connection; the lock of its session keeps them one after the other.
    """

    def __init__(self, inside: Callable[[str], pa.Table], is_open: Callable[[], bool], outside: Streams) -> None:
        self.dialect = outside.dialect
        self._inside = inside
        self._is_open = is_open
        self._outside = outside

    def stream(self, text: str) -> Stream:
        """The result of a SELECT batch by batch."""
        if self._is_open():
            table = self._inside(text)
            return Stream(table.schema, iter(table.to_batches()), lambda: None)
        return self._outside.stream(text)
