"""One open result on a session: read on demand, or all at once when the session is needed for something else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from djarrow.engine.base import Stream
from djarrow.engine.faults import translate
from djarrow.engine.session import Session

if TYPE_CHECKING:
    import pyarrow as pa


class Streaming:
    """The state of a stream. failed is told of an error while reading.

    release is called once, when the stream no longer needs its session: with True where all was read, so that the
    session can be used again at once.
    """

    def __init__(
        self,
        session: Session,
        cursor: Any,
        reader: Any,
        *,
        failed: Callable[[Exception], None],
        release: Callable[[bool], None],
    ) -> None:
        self.session = session
        self.failed = failed
        self.cursor = cursor
        self.reader = reader
        self.release: Callable[[bool], None] | None = release
        self.buffered: list[pa.RecordBatch] = []
        self.exhausted = False
        session.buffer_stream = self.buffer

    def as_stream(self) -> Stream:
        """What the reader of the result gets."""
        return Stream(self.reader.schema, self.batches(), self.close)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The batches, those read ahead first."""
        try:
            while (batch := self.step()) is not None:
                yield batch
        finally:
            self.close()

    def step(self) -> pa.RecordBatch | None:
        """The next batch, None at the end. Another thread may be reading ahead meanwhile: it holds the session then."""
        with self.session.lock:
            if self.buffered:
                return self.buffered.pop(0)
            return None if self.release is None else self.next_batch()

    def next_batch(self) -> pa.RecordBatch | None:
        """The next batch from the driver, None at the end. Raises the translated error."""
        import adbc_driver_postgresql.dbapi as adbc
        import pyarrow as pa

        try:
            return self.reader.read_next_batch()
        except StopIteration:
            self.exhausted = True
            return None
        except (adbc.Error, pa.ArrowException, OSError) as error:
            self.failed(error)
            self.close()
            raise translate(error) from error

    def buffer(self) -> None:
        """Read what is left into memory and let go of the session, which the caller holds."""
        while (batch := self.next_batch()) is not None:
            self.buffered.append(batch)
        self.close()

    def close(self) -> None:
        """Let go of the session, whether or not all was read."""
        release, self.release = self.release, None
        if release is None:
            return
        self.session.buffer_stream = None
        self.reader.close()
        self.cursor.close()
        release(self.exhausted)
