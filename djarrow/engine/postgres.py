"""PostgreSQL through ADBC: one connection a thread, transactions in a block, streams on connections of their own.

Which server this is does not matter here: connect.py chooses it. Design section 3.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import urlsplit

from attrs import evolve

from djarrow.engine import few_rows, parallel
from djarrow.engine.base import Ready, Stream, Streams, may_come_of_keeping
from djarrow.engine.faults import is_lost, redact, translate
from djarrow.engine.interruption import Heeded, Watch, Watched
from djarrow.engine.kept import Kept
from djarrow.engine.looking import Read, look
from djarrow.engine.pinned import Pinned
from djarrow.engine.session import Session, check_open, open_session
from djarrow.engine.streaming import Streaming
from djarrow.engine.transactions import Status, Transactions, Written, begin_statement, set_local, told_by
from djarrow.errors import ConnectionFailed, DjarrowError, EngineError, TransactionError

if TYPE_CHECKING:
    import pyarrow as pa

    from djarrow.model.names import TableName

Result = TypeVar("Result")

MAX_IDLE = 4
"""Sessions that wait for the next stream."""

ASKING_SECONDS = 5
"""How long a server may take to answer, and the network to carry, a question for a transaction's outcome."""


class PostgresConnection:
    """A connection to a PostgreSQL server, which all threads may use: each has a session of its own.

    url is the one place that tells the password; repr does not. restart: brings a server back that does not answer,
    and gives its URL; the embedded server has one.
    """

    dialect = "postgres"
    narrowed = None  # it has indexes

    def __init__(self, url: str, *, restart: Callable[[], str] | None = None) -> None:
        self.url = url
        self._restart = restart
        self._local = threading.local()
        self._lock = threading.Lock()
        self._idle: list[Session] = []
        self._all: list[Session] = []
        self._transactions = Transactions(self._run_few, self._fetch_few, self._discard, self._asking)
        self._session()

    def __repr__(self) -> str:
        parts = urlsplit(self.url)
        if "@" not in parts.netloc:  # not the usual form: libpq also takes `host=... password=...`
            return f"PostgresConnection({redact(self.url)})"
        return f"PostgresConnection({parts.username or ''}@{parts.netloc.rpartition('@')[2]}{parts.path})"

    # --- sessions ------------------------------------------------------------------------------------------------

    def _open(self, thread: threading.Thread | None, *, within: int | None = None) -> Session:
        """A new session. within: seconds in which the server must answer, where not as long as the network waits."""
        self._close_orphans()
        try:
            session = open_session(self.url, thread, within=within)
        except ConnectionFailed:
            if self._restart is None:
                raise
            self.url = self._restart()
            session = open_session(self.url, thread, within=within)
        with self._lock:
            self._all.append(session)
        return session

    def _session(self) -> Session:
        """This thread's session. After a fork the parent's is left alone and a new one is opened."""
        session: Session | None = getattr(self._local, "session", None)
        over = session is not None and session.lost and not session.in_transaction
        if session is None or over or session.foreign:
            session = self._local.session = self._open(threading.current_thread())
        return session

    def _close_orphans(self) -> None:
        """Close the sessions of threads that have ended."""
        with self._lock:
            sessions = list(self._all)
        for session in sessions:
            if session.thread is not None and not session.foreign and not session.thread.is_alive():
                self._discard(session)

    def _discard(self, session: Session) -> None:
        session.lost = True
        with self._lock:
            self._all = [other for other in self._all if other is not session]
        import adbc_driver_postgresql.dbapi as adbc

        with contextlib.suppress(adbc.Error):  # the connection is lost already
            try:
                session.raw.close()
            except RuntimeError:  # an interruption has left a statement open: then the driver closes no connection
                self._end(session.backend)

    def _end(self, backend: int) -> None:
        """Have the server end a session that cannot be closed here: its transaction would keep its locks."""
        with (
            contextlib.suppress(DjarrowError),  # out of reach: there the network's end ends it
            contextlib.closing(open_session(self.url, None, within=ASKING_SECONDS).raw) as other,
        ):
            few_rows.run(other, f"SELECT pg_terminate_backend({backend})", Watched)

    @property
    def url_of_children(self) -> str | None:
        """What processes that this one starts connect with; None of an embedded server, which they join themselves."""
        return self.url if self._restart is None else None

    @property
    def is_connected(self) -> bool:
        """Whether the server answers this thread's session."""
        try:
            self.read("SELECT 1 AS one")
        except ConnectionFailed:
            return False
        return True

    @property
    def backends(self) -> frozenset[int]:
        """The processes of the server that serve the sessions of this process."""
        with self._lock:
            return frozenset(session.backend for session in self._all if not session.foreign)

    def close(self) -> None:
        """Close all sessions of this process. Using the connection again opens new ones."""
        with self._lock:
            sessions = list(self._all)
        for session in sessions:
            if not session.foreign:  # a parent's are left alone: closing them would end the parent's
                self._discard(session)

    # --- running -------------------------------------------------------------------------------------------------

    def _run(self, session: Session, work: Callable[[Any], Result]) -> Result:
        """Let work have a cursor of the session."""

        def with_cursor(watch: Watch) -> Result:
            with session.raw.cursor() as cursor:
                cursor._stmt = watch(cursor._stmt)
                return work(cursor)

        return self._heeding(session, with_cursor)

    def _heeding(self, session: Session, work: Callable[[Watch], Result]) -> Result:
        """Let the driver work on a session; translate what it raises, and note a failed transaction."""
        import adbc_driver_postgresql.dbapi as adbc

        with session.lock:
            check_open(session)
            self._run_ahead(session)
            session.written = None
            if session.buffer_stream is not None:
                session.buffer_stream()  # another statement would break the stream: read the rest of it first
            with Heeded() as watch:
                try:
                    return work(watch)
                except adbc.Error as error:
                    self._note_failure(session, error)
                    raise translate(error) from error

    def _run_ahead(self, session: Session) -> None:
        """Let run what is to come before a statement: on the same session, whichever thread has the statement."""
        if session.ahead is None:
            return
        own, self._local.session = getattr(self._local, "session", None), session
        try:
            session.ahead()
        finally:
            self._local.session = own

    def _note_failure(self, session: Session, error: Exception) -> None:
        session.failed = session.in_transaction
        if is_lost(error):
            self._discard(session)

    def _fetch(self, session: Session, text: str) -> pa.Table:
        """The result of a statement, through COPY where it has rows."""

        def work(cursor: Any) -> pa.Table:
            cursor.execute(text)
            return cursor.fetch_arrow_table()

        return self._run(session, work)

    def _fetch_few(self, session: Session, text: str) -> pa.Table:
        """The same of few rows or none: one round trip to the server, where COPY takes three."""
        return self._heeding(session, lambda watch: few_rows.fetch(session.raw, text, watch))

    def _run_few(self, session: Session, text: str) -> None:
        """The same of a statement without rows."""
        self._heeding(session, lambda watch: few_rows.run(session.raw, text, watch))

    def _once_more(self, attempt: Callable[[Session], Result]) -> Result:
        """Run what may safely be repeated; outside a transaction a lost connection is opened again, once."""
        session = self._session()
        try:
            return attempt(session)
        except ConnectionFailed:
            if session.in_transaction:
                raise
        return attempt(self._session())

    def read(self, text: str, *, few: bool = False) -> pa.Table:
        """The whole result of a SELECT, in the driver's own types.

        few: some rows at most. They are read without COPY, which saves a third of the time of one row and costs 1.7
        times that of many.
        """
        fetch = self._fetch_few if few else self._fetch
        return self._once_more(lambda session: fetch(session, text))

    def has_rows(self, text: str) -> bool:
        """Whether a SELECT has rows, which are not read: one turn to the server, where a result takes three."""

        def ask(session: Session) -> bool:
            return self._heeding(session, lambda watch: few_rows.run(session.raw, text, watch)) > 0

        return self._once_more(ask)

    def write(self, text: str, *, ready: Ready | None = None) -> list[tuple[Any, ...]]:
        """Run an INSERT, UPDATE or DELETE that ends in RETURNING, of a few rows; the rows that it returns.

        In a transaction it asks, in the same turn, what COMMIT would have to ask before. ready: the same, as a
        statement to be kept; not where `may_come_of_keeping` held for an error of this session.
        """
        session = self._session()
        if not session.in_transaction:
            return self._heeding(session, lambda watch: few_rows.rows(session.raw, text, watch))
        asks = f", {told_by(session)}"
        keeping = None if ready is None else session.kept
        try:
            kept = None if ready is None or keeping is None else self._kept(session, keeping, ready, asks)
            statement = kept or f"{text}{asks}"
            found = self._heeding(session, lambda watch: few_rows.rows(session.raw, statement, watch))
        except EngineError as error:
            if keeping is not None and may_come_of_keeping(error):
                session.kept = None
            raise
        if found:
            session.written = Written.told(found[-1][-1])
        return [row[:-1] for row in found]

    def _kept(self, session: Session, kept: Kept, ready: Ready, asks: str) -> str | None:
        return kept.execution(evolve(ready, body=f"{ready.body}{asks}"), lambda text: self._run_few(session, text))

    def explain(self, text: str, *, analyze: bool) -> str:
        """The plan of a SELECT. analyze: the server runs it, and says how that went."""
        statement = f"EXPLAIN (ANALYZE {'true' if analyze else 'false'}) {text}"
        plan = self._once_more(lambda session: self._fetch_few(session, statement))
        return "\n".join(plan.column(0).to_pylist())

    def read_parallel(self, texts: Sequence[str], *, lock: Callable[[bool], str]) -> list[pa.Table]:
        """The results of several SELECTs, each over a session of its own, all of one snapshot.

        lock: the statement that keeps the tables, given whether it waits for others. Raises TransactionError inside a
        transaction. A lost connection is opened again, once.
        """
        if self.in_transaction:
            raise TransactionError(
                "partitions are read over connections of their own, which do not see what this transaction has "
                "changed. Read without partitions here, or after its end."
            )
        try:
            return parallel.read_parts(texts, lock, lend=self._lent, fetch=self._fetch)
        except ConnectionFailed:
            self._discard_idle()  # those that a stream left before the server went are lost, too
            return parallel.read_parts(texts, lock, lend=self._lent, fetch=self._fetch)

    @contextlib.contextmanager
    def snapshot_readers(
        self, number: int, *, lock: Callable[[bool], str], settings: Mapping[str, str] | None = None
    ) -> Iterator[list[parallel.SnapshotReader]]:
        """At most so many readers of one snapshot for the time of the block, each to stream from by one thread.

        Each has a session of its own, in a transaction that only reads. There are fewer, and one at least, where
        others wait for a table. lock: the statement that keeps the tables, given whether it waits for others. settings:
        as of `begin`. Raises TransactionError inside a transaction. A lost connection is opened again, once.
        """
        if self.in_transaction:
            raise TransactionError(
                "a snapshot is read over connections of their own, which do not see what this transaction has changed. "
                "End it before."
            )
        texts = [set_local(name, value) for name, value in (settings or {}).items()]
        with contextlib.ExitStack() as stack:

            def begun() -> list[parallel.SnapshotReader]:
                return stack.enter_context(
                    parallel.snapshot_readers(number, lock, texts, lend=self._lent, fetch=self._fetch, send=self._send)
                )

            try:
                readers = begun()
            except ConnectionFailed:
                self._discard_idle()  # those that a stream left before the server went are lost, too
                readers = begun()
            yield readers

    def look(self, seconds: float) -> contextlib.AbstractContextManager[Read]:
        """Reads of at most so many seconds each, which leave nothing changed: looking.py."""
        return look(self.url, getattr(self._local, "session", None), seconds, self._discard)

    def query(self, text: str) -> pa.Table:
        """The result of any one statement of SQL, for what the algebra does not say. An Arrow table, maybe empty."""
        _check_control(text)
        return self._fetch_few(self._session(), text)

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
        session: Session | None = getattr(self._local, "session", None)  # Polars streams on threads that need none
        if session is not None and session.in_transaction and not session.foreign:
            return self._stream(session, text)
        try:
            return self._stream(self._borrow(), text)
        except ConnectionFailed:  # it was lost since another stream left it
            return self._stream(self._open(None), text)

    def pinned(self) -> Streams:
        """Streams for other threads, which read in this thread's transaction while that is open."""
        session = self._session()
        if not session.in_transaction:
            return self
        return Pinned(lambda text: self._fetch(session, text), lambda: session.in_transaction, self)

    def _borrow(self) -> Session:
        with self._lock:
            while self._idle:
                session = self._idle.pop()
                if not session.foreign and not session.lost:
                    return session
        return self._open(None)

    @contextlib.contextmanager
    def _lent(self) -> Iterator[Session]:
        """A session for the time of the block, which leaves nothing open on it unless it raises."""
        session = self._borrow()
        done = False
        try:
            yield session
            done = True
        finally:
            self._give_back(session, clean=done)

    def _discard_idle(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for session in idle:
            if not session.foreign:
                self._discard(session)

    def _give_back(self, session: Session, *, clean: bool) -> None:
        """Take back a session from its stream. clean: it has nothing left to read."""
        if session.thread is not None:
            return  # a thread's own session, which a transaction streamed from
        with self._lock:
            keep = clean and not session.lost and len(self._idle) < MAX_IDLE
            if keep:
                self._idle.append(session)
        if not keep:
            self._discard(session)

    def _stream(self, session: Session, text: str) -> Stream:
        with session.lock:
            return self._stream_alone(session, text, lambda clean: self._give_back(session, clean=clean))

    def _send(self, session: Session, text: str) -> Stream:
        """A stream whose session stays with whom it was lent to."""
        with session.lock:
            return self._stream_alone(session, text, lambda _: None)

    def _stream_alone(self, session: Session, text: str, release: Callable[[bool], None]) -> Stream:
        import adbc_driver_postgresql.dbapi as adbc

        check_open(session)
        self._run_ahead(session)
        if session.buffer_stream is not None:
            session.buffer_stream()
        cursor = session.raw.cursor()
        try:
            with Heeded() as watch:
                cursor._stmt = watch(cursor._stmt)
                cursor.execute(text)
            reader = cursor.fetch_record_batch()
        except adbc.Error as error:
            cursor.close()
            self._note_failure(session, error)
            release(True)
            raise translate(error) from error
        except BaseException:
            cursor.close()
            release(False)
            raise
        return Streaming(
            session,
            cursor,
            reader,
            failed=lambda error: self._note_failure(session, error),
            release=release,
        ).as_stream()

    # --- transactions --------------------------------------------------------------------------------------------

    @property
    def in_transaction(self) -> bool:
        """Whether this thread has a transaction open."""
        return self._session().in_transaction

    @property
    def transaction(self) -> contextlib.AbstractContextManager[Self]:
        """A transaction of this thread, in which every read sees one snapshot.

        Committed at the end of the block, rolled back on any exception. Raises TransactionError inside another one,
        and where the server had aborted it; ConnectionFailed where nothing was kept, and UnknownOutcome where the
        connection was lost while COMMIT ran and the server does not tell what became of it. See docs/transactions.md.
        """
        return self.begin()

    def begin(
        self, *, isolation: str = "REPEATABLE READ", read_only: bool = False, settings: Mapping[str, str] | None = None
    ) -> contextlib.AbstractContextManager[Self]:
        """As `transaction`, at READ COMMITTED, REPEATABLE READ or SERIALIZABLE; read_only refuses writes.

        settings: PostgreSQL's, which hold until the end of the transaction, as `{"statement_timeout": "10s"}`.
        """
        return self._block(begin_statement(isolation, read_only=read_only, settings=settings))

    @contextlib.contextmanager
    def ahead(self, work: Callable[[], None]) -> Iterator[None]:
        """In a transaction of this thread, for the time of the block: work is called before each statement.

        It may run statements of its own, for which it is called, too.
        """
        session = self._session()
        session.ahead = work
        try:
            yield
        finally:
            session.ahead = None

    @property
    def has_failed(self) -> bool:
        """Whether a statement of this thread's transaction has failed, so that nothing of it can be committed."""
        return self._session().failed

    def run(self, text: str) -> None:
        """Run statements of our own, with semicolons between them, in one turn. Results that they have are not read."""
        self._run_few(self._session(), text)

    def fail(self) -> None:
        """Keep this thread's transaction, if one is open, from being committed."""
        session = self._session()
        session.failed = session.in_transaction

    @contextlib.contextmanager
    def _block(self, statement: str) -> Iterator[Self]:
        if self.in_transaction:
            raise TransactionError("A transaction is open already, and transactions do not nest. End it first.")
        begin = self._transactions.begin
        with self._transactions.block(lambda: self._once_more(lambda session: begin(session, statement))):
            yield self

    def transaction_status(self, transaction: str, *, since: str | None = None) -> Status | None:
        """What became of a transaction whose outcome was unknown: "committed", "aborted" or "in progress".

        transaction, since: what UnknownOutcome tells. Without `since` a transaction that was lost in a crash of the
        server can be taken for a later one of the same number. None where the server does not know any more, or is a
        standby. Raises ConnectionFailed where it cannot be asked, and TransactionError of what is no number.
        """
        return self._transactions.status(transaction, since)

    @contextlib.contextmanager
    def _asking(self) -> Iterator[Callable[[str], pa.Table]]:
        """Reads on a new session, for the time of the block."""
        session = self._open(None, within=ASKING_SECONDS)
        try:
            yield lambda text: self._fetch_few(session, text)
        finally:
            self._discard(session)


_CONTROL = re.compile(
    r"(begin|start|commit|end|abort|prepare\s+transaction|rollback(?!\s+(?:work\s+|transaction\s+)?to\b))\b",
    re.IGNORECASE,
)


def _check_control(text: str) -> None:
    """Refuse to end or begin a transaction by a statement: its block would then report what did not happen."""
    if found := _CONTROL.match(_without_comments_before(text)):
        raise TransactionError(
            f"{found[1].upper()} is no statement to run: a transaction is `with connection.transaction:`, which "
            "commits at its end and rolls back on an exception."
        )


_BEFORE = re.compile(r"[\s;]+|--[^\n\r]*")
_COMMENTING = re.compile(r"/\*|\*/")


def _without_comments_before(text: str) -> str:
    """The text from its first word on. PostgreSQL passes over comments, those inside of comments, and semicolons."""
    place = 0
    while True:
        if found := _BEFORE.match(text, place):
            place = found.end()
        elif text.startswith("/*", place):
            depth = 0
            for mark in _COMMENTING.finditer(text, place):
                depth += 1 if mark[0] == "/*" else -1
                if not depth:
                    place = mark.end()
                    break
            else:
                return ""
        else:
            return text[place:]
