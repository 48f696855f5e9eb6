"""PostgreSQL through ADBC: one connection a thread, explicit transactions, streams on connections of their own.

Which server this is does not matter here: connect.py chooses it. Design section 3.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import urlsplit

from attrs import define

from djarrow.engine.base import Stream
from djarrow.engine.faults import is_lost, redact, translate
from djarrow.errors import ConnectionFailed, TransactionError

if TYPE_CHECKING:
    import pyarrow as pa

    from djarrow.model.names import TableName

Result = TypeVar("Result")

SETTINGS = {
    "TimeZone": "UTC",
    "standard_conforming_strings": "on",
    "application_name": "djarrow",
}
"""Set on every connection: compiled text and the reading of timestamps rely on them."""


@define(eq=False)
class _Session:
    """One connection of the driver, and what is under way on it.

    thread: whose it is; None for those that streams take in turn. lost: it is closed; a session that was lost inside
    a transaction stays its thread's until the end of the block, so that nothing of the block runs outside of it.
    """

    raw: Any
    process: int
    thread: threading.Thread | None
    in_transaction: bool = False
    failed: bool = False
    lost: bool = False
    buffer_stream: Callable[[], None] | None = None


class PostgresConnection:
    """A connection to a PostgreSQL server, which all threads may use: each has a session of its own.

    url is the one place that tells the password; repr does not. restart: brings a server back that does not answer,
    and gives its URL; the embedded server has one.
    """

    dialect = "postgres"

    def __init__(self, url: str, *, restart: Callable[[], str] | None = None) -> None:
        self.url = url
        self._restart = restart
        self._local = threading.local()
        self._lock = threading.Lock()
        self._idle: list[_Session] = []
        self._all: list[_Session] = []
        self._session()

    def __repr__(self) -> str:
        parts = urlsplit(self.url)
        if "@" not in parts.netloc:  # not the usual form: libpq also takes `host=... password=...`
            return f"PostgresConnection({redact(self.url)})"
        return f"PostgresConnection({parts.username or ''}@{parts.netloc.rpartition('@')[2]}{parts.path})"

    # --- sessions ------------------------------------------------------------------------------------------------

    def _open(self, thread: threading.Thread | None) -> _Session:
        self._close_orphans()
        try:
            raw = _connect(self.url)
        except ConnectionFailed:
            if self._restart is None:
                raise
            self.url = self._restart()
            raw = _connect(self.url)
        session = _Session(raw, os.getpid(), thread)
        calls = ", ".join(f"set_config('{name}', '{value}', false)" for name, value in SETTINGS.items())
        self._fetch(session, f"SELECT {calls}")
        with self._lock:
            self._all.append(session)
        return session

    def _session(self) -> _Session:
        """This thread's session. After a fork the parent's is left alone and a new one is opened."""
        session: _Session | None = getattr(self._local, "session", None)
        over = session is not None and session.lost and not session.in_transaction
        if session is None or over or session.process != os.getpid():
            session = self._local.session = self._open(threading.current_thread())
        return session

    def _close_orphans(self) -> None:
        """Close the sessions of threads that have ended."""
        with self._lock:
            sessions = list(self._all)
        for session in sessions:
            if session.thread is not None and not session.thread.is_alive() and session.process == os.getpid():
                self._discard(session)

    def _discard(self, session: _Session) -> None:
        session.lost = True
        with self._lock:
            self._all = [other for other in self._all if other is not session]
        with contextlib.suppress(Exception):  # the connection is lost already
            session.raw.close()

    @property
    def is_connected(self) -> bool:
        """Whether the server answers this thread's session."""
        try:
            self.read("SELECT 1 AS one")
        except ConnectionFailed:
            return False
        return True

    def close(self) -> None:
        """Close all sessions of this process. Using the connection again opens new ones."""
        with self._lock:
            sessions = list(self._all)
        for session in sessions:
            if session.process == os.getpid():  # a parent's are left alone: closing them would end the parent's
                self._discard(session)

    # --- running -------------------------------------------------------------------------------------------------

    def _run(self, session: _Session, work: Callable[[Any], Result]) -> Result:
        """Give work a cursor of the session; translate what the driver raises and note a failed transaction."""
        import adbc_driver_postgresql.dbapi as adbc

        _check_open(session)
        if session.buffer_stream is not None:
            session.buffer_stream()  # another statement would break the stream: read the rest of it first
        try:
            with session.raw.cursor() as cursor:
                return work(cursor)
        except adbc.Error as error:
            self._note_failure(session, error)
            raise translate(error) from error

    def _note_failure(self, session: _Session, error: Exception) -> None:
        session.failed = session.in_transaction
        if is_lost(error):
            self._discard(session)

    def _fetch(self, session: _Session, text: str, *, copy: bool = True) -> pa.Table:
        def work(cursor: Any) -> pa.Table:
            if not copy:
                cursor.adbc_statement.set_options(**{"adbc.postgresql.use_copy": "false"})
            cursor.execute(text)
            return cursor.fetch_arrow_table()

        return self._run(session, work)

    def _once_more(self, attempt: Callable[[_Session], Result]) -> Result:
        """Run what may safely be repeated; outside a transaction a lost connection is opened again, once."""
        session = self._session()
        try:
            return attempt(session)
        except ConnectionFailed:
            if session.in_transaction:
                raise
        return attempt(self._session())

    def read(self, text: str) -> pa.Table:
        """The whole result of a SELECT, in the driver's own types."""
        return self._once_more(lambda session: self._fetch(session, text))

    def query(self, text: str) -> pa.Table:
        """The result of any one statement of SQL, for what the algebra does not say. An Arrow table, maybe empty."""
        _check_control(text)
        return self._fetch(self._session(), text, copy=False)

    def execute(self, text: str) -> None:
        """Run one statement that gives no rows."""
        _check_control(text)
        self._run(self._session(), lambda cursor: cursor.execute(text))

    def ingest(self, table: TableName, rows: pa.Table) -> int:
        """Append rows through COPY, all or nothing; columns that are left out take their defaults. Returns how many."""

        def work(cursor: Any) -> int:
            return int(cursor.adbc_ingest(table.table, rows, mode="append", db_schema_name=table.schema))

        return self._run(self._session(), work)

    # --- streams -------------------------------------------------------------------------------------------------

    def stream(self, text: str) -> Stream:
        """The result of a SELECT batch by batch: in a transaction on its session, else on a session of its own."""
        session = self._session()
        if session.in_transaction:
            return self._stream(session, text, lambda: None)
        own = self._borrow()
        try:
            return self._stream(own, text, lambda: self._give_back(own))
        except ConnectionFailed:  # it was lost since another stream left it
            fresh = self._open(None)
            return self._stream(fresh, text, lambda: self._give_back(fresh))

    def _borrow(self) -> _Session:
        with self._lock:
            while self._idle:
                session = self._idle.pop()
                if session.process == os.getpid() and not session.lost:
                    return session
        return self._open(None)

    def _give_back(self, session: _Session) -> None:
        with self._lock:
            keep = not session.lost and len(self._idle) < 4
            if keep:
                self._idle.append(session)
        if not keep:
            self._discard(session)

    def _stream(self, session: _Session, text: str, release: Callable[[], None]) -> Stream:
        import adbc_driver_postgresql.dbapi as adbc

        _check_open(session)
        if session.buffer_stream is not None:
            session.buffer_stream()
        cursor = session.raw.cursor()
        try:
            cursor.execute(text)
            reader = cursor.fetch_record_batch()
        except adbc.Error as error:
            cursor.close()
            self._note_failure(session, error)
            release()
            raise translate(error) from error
        return _Streaming(self, session, cursor, reader, release).as_stream()

    # --- transactions --------------------------------------------------------------------------------------------

    @property
    def in_transaction(self) -> bool:
        """Whether this thread has a transaction open."""
        return self._session().in_transaction

    @property
    def transaction(self) -> contextlib.AbstractContextManager[Self]:
        """A transaction of this thread, in which every read sees one snapshot."""
        return self.begin()

    @contextlib.contextmanager
    def begin(self, *, isolation: str = "REPEATABLE READ", read_only: bool = False) -> Iterator[Self]:
        """As `transaction`, at this isolation level; read_only refuses writes."""
        if self.in_transaction:
            raise TransactionError("A transaction is open already, and transactions do not nest. End it first.")
        mode = " READ ONLY" if read_only else ""
        self._once_more(lambda session: self._fetch(session, f"BEGIN ISOLATION LEVEL {isolation}{mode}"))
        session = self._session()
        session.in_transaction, session.failed = True, False
        try:
            yield self
        except BaseException:
            self._rollback(session)
            raise
        self._commit(session)

    def _rollback(self, session: _Session) -> None:
        session.in_transaction = False
        if session.lost or session.process != os.getpid():
            return  # the server has rolled back; or the transaction is the parent process's
        try:
            self._fetch(session, "ROLLBACK")
        except ConnectionFailed:
            self._discard(session)

    def _commit(self, session: _Session) -> None:
        """COMMIT of an aborted transaction raises nothing, so ask first whether it is still alive."""
        try:
            if session.failed or session.lost or session.process != os.getpid():
                raise TransactionError(
                    "The transaction had failed before it should commit, and nothing of it was kept. "
                    "An error inside it was caught and passed over."
                )
            self._fetch(session, "SELECT 1")
            self._fetch(session, "COMMIT")
        except BaseException:
            self._rollback(session)
            raise
        session.in_transaction = False


class _Streaming:
    """One open result on a session: read on demand, or all at once when the session is needed for something else."""

    def __init__(
        self, owner: PostgresConnection, session: _Session, cursor: Any, reader: Any, release: Callable[[], None]
    ) -> None:
        self.owner = owner
        self.session = session
        self.cursor = cursor
        self.reader = reader
        self.release: Callable[[], None] | None = release
        self.buffered: list[pa.RecordBatch] = []
        self.exhausted = False
        session.buffer_stream = self.buffer

    def as_stream(self) -> Stream:
        return Stream(self.reader.schema, self.batches(), self.close)

    def batches(self) -> Iterator[pa.RecordBatch]:
        try:
            while True:
                if self.buffered:
                    yield self.buffered.pop(0)
                elif self.release is None:
                    return
                else:
                    batch = self.next_batch()
                    if batch is None:
                        return
                    yield batch
        finally:
            self.close()

    def next_batch(self) -> pa.RecordBatch | None:
        import adbc_driver_postgresql.dbapi as adbc
        import pyarrow as pa

        try:
            return self.reader.read_next_batch()
        except StopIteration:
            self.exhausted = True
            return None
        except (adbc.Error, pa.ArrowException, OSError) as error:
            self.owner._note_failure(self.session, error)
            self.close()
            raise translate(error) from error

    def buffer(self) -> None:
        """Read what is left into memory and let go of the session."""
        while (batch := self.next_batch()) is not None:
            self.buffered.append(batch)
        self.close()

    def close(self) -> None:
        release, self.release = self.release, None
        if release is None:
            return
        self.session.buffer_stream = None
        self.reader.close()
        self.cursor.close()
        if not self.exhausted and not self.session.in_transaction:
            self.owner._discard(self.session)  # its next statement would first have to read the rest
        release()


_CONTROL = re.compile(
    r"\s*(begin|start|commit|end|abort|rollback(?!\s+(?:work\s+|transaction\s+)?to\b))\b", re.IGNORECASE
)


def _check_control(text: str) -> None:
    """Refuse to end or begin a transaction by a statement: its block would then report what did not happen."""
    if found := _CONTROL.match(text):
        raise TransactionError(
            f"{found[1].upper()} is no statement to run: a transaction is `with connection.transaction:`, which "
            "commits at its end and rolls back on an exception."
        )


def _check_open(session: _Session) -> None:
    """Refuse a statement of a transaction whose connection is gone: elsewhere it would run outside the transaction."""
    if session.lost:
        raise ConnectionFailed(
            "The connection was lost inside a transaction, of which nothing was kept. Begin it anew."
        )


def _connect(url: str) -> Any:
    """A connection of the driver."""
    import adbc_driver_postgresql.dbapi as adbc

    try:
        return adbc.connect(url, autocommit=True)
    except adbc.Error as error:
        raise _without_context(translate(error)) from None  # the driver's text can hold the password


def _without_context(error: Exception) -> Exception:
    error.__context__ = None
    return error


__all__ = ["PostgresConnection", "redact"]
