"""Results over several connections that share a snapshot. Into which parts one is cut, table/partitions.py says.

Why through the driver of every other read, and not through ConnectorX: docs/decisions/009-parallel-reads.md.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from djarrow.engine.base import Stream
from djarrow.engine.session import Session
from djarrow.errors import EngineError

if TYPE_CHECKING:
    import pyarrow as pa

Lend = Callable[[], AbstractContextManager[Session]]
"""Lends a session for the time of a block."""

Fetch = Callable[[Session, str], "pa.Table"]
"""Runs a statement on a session."""

Send = Callable[[Session, str], Stream]
"""Streams the result of a statement on a session, which is not given back with it."""

BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
EXPORT = "SELECT pg_export_snapshot()::text AS id"
NOT_AVAILABLE = "55P03"
"""The state of a lock that somebody else waits for or has."""


def read_parts(texts: Sequence[str], lock: Callable[[bool], str], *, lend: Lend, fetch: Fetch) -> list[pa.Table]:
    """The results of the SELECTs in order: the first one's is read here, each other's by a thread of its own.

    The first session locks the tables and then takes the snapshot, which a TRUNCATE before would show through. The
    others must not wait for the same locks: behind someone who waits for the first, they would wait for ever.
    """
    with lend() as first:
        fetch(first, BEGIN)
        fetch(first, lock(True))
        snapshot = fetch(first, EXPORT).column("id")[0].as_py()
        with ThreadPoolExecutor(max(1, len(texts) - 1), thread_name_prefix="djarrow-part") as threads:
            others = [threads.submit(_read_in, snapshot, text, lock(False), lend, fetch) for text in texts[1:]]
            found = [fetch(first, texts[0])]
            answers = [other.result() for other in others]
        for text, answer in zip(texts[1:], answers, strict=True):
            found.append(fetch(first, text) if answer is None else answer)
        fetch(first, "COMMIT")
    return found


def _read_in(snapshot: str, text: str, lock: str, lend: Lend, fetch: Fetch) -> pa.Table | None:
    """The result in the snapshot of another session; None where others wait for a table."""
    with lend() as session:
        if not _joined(session, snapshot, lock, (), fetch):
            return None
        found = fetch(session, text)
        fetch(session, "COMMIT")
    return found


def _joined(session: Session, snapshot: str, lock: str, settings: Sequence[str], fetch: Fetch) -> bool:
    """Whether a session has begun a transaction in the snapshot of another one: not where others wait for a table."""
    fetch(session, BEGIN)
    fetch(session, f"SET TRANSACTION SNAPSHOT '{snapshot}'")
    try:
        fetch(session, lock)
    except EngineError as error:
        if error.sqlstate != NOT_AVAILABLE:
            raise
        fetch(session, "ROLLBACK")
        return False
    for text in settings:
        fetch(session, text)
    return True


# --- readers -------------------------------------------------------------------------------------------------------


class SnapshotReader:
    """Streams of one session, in a snapshot that others share: one at a time, for one thread at a time."""

    dialect = "postgres"

    def __init__(self, session: Session, send: Send) -> None:
        self._session = session
        self._send = send
        self._stream: Stream | None = None

    def stream(self, text: str) -> Stream:
        """The result of a SELECT batch by batch. What is left of the one before is not read any more."""
        self.close()
        self._stream = self._send(self._session, text)
        return self._stream

    def read(self, text: str) -> pa.Table:
        """The whole result of a SELECT."""
        import pyarrow as pa

        with self.stream(text) as stream:
            return pa.Table.from_batches(stream, stream.schema)

    def close(self) -> None:
        """Let go of an open stream."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()


@contextlib.contextmanager
def snapshot_readers(
    number: int, lock: Callable[[bool], str], settings: Sequence[str], *, lend: Lend, fetch: Fetch, send: Send
) -> Iterator[list[SnapshotReader]]:
    """Readers of one snapshot, each with a session of its own, for the time of the block.

    The first session locks the tables and waits for that; the others must not wait (above), so that there are fewer
    where somebody waits for one of the tables already. settings: statements for each transaction.
    """
    with contextlib.ExitStack() as stack:
        sessions = [stack.enter_context(lend())]
        for text in (BEGIN, *settings, lock(True)):
            fetch(sessions[0], text)
        snapshot = fetch(sessions[0], EXPORT).column("id")[0].as_py()
        while len(sessions) < number:
            session = stack.enter_context(lend())
            if not _joined(session, snapshot, lock(False), settings, fetch):
                break
            sessions.append(session)
        readers = [SnapshotReader(session, send) for session in sessions]
        try:
            yield readers
        finally:
            for reader in readers:
                reader.close()
        for session in sessions:
            fetch(session, "COMMIT")
