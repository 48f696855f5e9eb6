"""PostgreSQL through ADBC: one connection a thread, transactions in a block, streams on connections of their own.

Which server this is does not matter here: connect.py chooses it. Design section 3.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import urlsplit

from attrs import evolve

from djarrow.engine import few_rows, parallel
from djarrow.engine.addresses import redact
from djarrow.engine.base import Ready, Stream, Streams, may_come_of_keeping
from djarrow.engine.control import check_control
from djarrow.engine.faults import is_lost, translate
from djarrow.engine.interruption import Heeded, Watch
from djarrow.engine.kept import Kept
from djarrow.engine.looking import Read, look
from djarrow.engine.pinned import Pinned
from djarrow.engine.session import Session, check_open
from djarrow.engine.sessions import ASKING_SECONDS, Sessions
from djarrow.engine.streaming import Streaming
from djarrow.engine.transactions import Status, Transactions, Written, begin_statement, set_local, told_by
from djarrow.errors import ConnectionFailed, EngineError, TransactionError

if TYPE_CHECKING:
    import pyarrow as pa

    from djarrow.model.names import TableName

Result = TypeVar("Result")


class PostgresConnection:
    """A connection to a PostgreSQL server, which all threads may use: each has a session of its own.

    url is the one place that tells the password; repr does not. restart: brings a server back that does not answer,
    and gives its URL; the embedded server has one.
    """

    dialect = "postgres"
    narrowed = None  # it has indexes

    def __init__(self, url: str, *, restart: Callable[[], str] | None = None) -> None:
        self._sessions = Sessions(url, restart)
        self._transactions = Transactions(self._run_few, self._fetch_few, self._sessions.discard, self._asking)
        self._sessions.own()

    def __repr__(self) -> str:
        parts = urlsplit(self.url)
        if "@" not in parts.netloc:  # not the usual form: libpq also takes `host=... password=...`
            return f"PostgresConnection({redact(self.url)})"
        return f"PostgresConnection({parts.username or ''}@{parts.netloc.rpartition('@')[2]}{parts.path})"

    # --- the server ----------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """Where the server is, with the password."""
        return self._sessions.url

    @property
    def url_of_children(self) -> str | None:
        """What processes that this one starts connect with; None of an embedded server, which they join themselves."""
        return self.url if self._sessions.restart is None else None

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
        return self._sessions.backends

    def close(self) -> None:
        """Close all sessions of this process. Using the connection again opens new ones."""
        self._sessions.close()

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
        with self._sessions.in_place(session):
            session.ahead()

    def _note_failure(self, session: Session, error: Exception) -> None:
        session.failed = session.in_transaction
        if is_lost(error):
            self._sessions.discard(session)

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
        session = self._sessions.own()
        try:
            return attempt(session)
        except ConnectionFailed:
            if session.in_transaction:
                raise
        return attempt(self._sessions.own())

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
        session = self._sessions.own()
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
            return parallel.read_parts(texts, lock, lend=self._sessions.lent, fetch=self._fetch)
        except ConnectionFailed:
            self._sessions.discard_idle()  # those that a stream left before the server went are lost, too
            return parallel.read_parts(texts, lock, lend=self._sessions.lent, fetch=self._fetch)

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
                    parallel.snapshot_readers(
                        number, lock, texts, lend=self._sessions.lent, fetch=self._fetch, send=self._send
                    )
                )

            try:
                readers = begun()
            except ConnectionFailed:
                self._sessions.discard_idle()  # those that a stream left before the server went are lost, too
                readers = begun()
            yield readers

    def look(self, seconds: float) -> contextlib.AbstractContextManager[Read]:
        """Reads of at most so many seconds each, which leave nothing changed: looking.py."""
        return look(self.url, self._sessions.held, seconds, self._sessions.discard)

    def query(self, text: str) -> pa.Table:
        """The result of any one statement of SQL, for what the algebra does not say. An Arrow table, maybe empty."""
        check_control(text)
        return self._fetch_few(self._sessions.own(), text)

    def execute(self, text: str) -> None:
        """Run one statement that gives no rows."""
        check_control(text)
        self._run(self._sessions.own(), lambda cursor: cursor.execute(text))

    def ingest(self, table: TableName, rows: pa.Table) -> int:
        """Append rows through COPY, all or nothing; columns that are left out take their defaults. Returns how many."""

        def work(cursor: Any) -> int:
            return int(cursor.adbc_ingest(table.table, rows, mode="append", db_schema_name=table.schema))

        return self._run(self._sessions.own(), work)

    # --- streams -------------------------------------------------------------------------------------------------

    def stream(self, text: str) -> Stream:
        """The result of a SELECT batch by batch: in a transaction on its session, else on a session of its own."""
        session = self._sessions.held  # Polars streams on threads that need none
        if session is not None and session.in_transaction and not session.foreign:
            return self._stream(session, text)
        try:
            return self._stream(self._sessions.borrow(), text)
        except ConnectionFailed:  # it was lost since another stream left it
            return self._stream(self._sessions.open(None), text)

    def pinned(self) -> Streams:
        """Streams for other threads, which read in this thread's transaction while that is open."""
        session = self._sessions.own()
        if not session.in_transaction:
            return self
        return Pinned(lambda text: self._fetch(session, text), lambda: session.in_transaction, self)

    def _stream(self, session: Session, text: str) -> Stream:
        with session.lock:
            return self._stream_alone(session, text, lambda clean: self._sessions.give_back(session, clean=clean))

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
        return self._sessions.own().in_transaction

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
        session = self._sessions.own()
        session.ahead = work
        try:
            yield
        finally:
            session.ahead = None

    @property
    def has_failed(self) -> bool:
        """Whether a statement of this thread's transaction has failed, so that nothing of it can be committed."""
        return self._sessions.own().failed

    def run(self, text: str) -> None:
        """Run statements of our own, with semicolons between them, in one turn. Results that they have are not read."""
        self._run_few(self._sessions.own(), text)

    def fail(self) -> None:
        """Keep this thread's transaction, if one is open, from being committed."""
        session = self._sessions.own()
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
        session = self._sessions.open(None, within=ASKING_SECONDS)
        try:
            yield lambda text: self._fetch_few(session, text)
        finally:
            self._sessions.discard(session)
