"""One result over several connections that share a snapshot. Into which parts it is cut, table/partitions.py says.

Why through the driver of every other read, and not through ConnectorX: docs/decisions/009-parallel-reads.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from djarrow.engine.session import Session
from djarrow.errors import EngineError

if TYPE_CHECKING:
    import pyarrow as pa

Lend = Callable[[], AbstractContextManager[Session]]
"""Lends a session for the time of a block."""

Fetch = Callable[[Session, str], "pa.Table"]
"""Runs a statement on a session."""

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
        fetch(session, BEGIN)
        fetch(session, f"SET TRANSACTION SNAPSHOT '{snapshot}'")
        try:
            fetch(session, lock)
        except EngineError as error:
            if error.sqlstate != NOT_AVAILABLE:
                raise
            fetch(session, "ROLLBACK")
            return None
        found = fetch(session, text)
        fetch(session, "COMMIT")
    return found
