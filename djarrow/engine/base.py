"""What every engine can do: the contract that tables, jobs and repositories rely on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, Self

from attrs import frozen

from djarrow.errors import EngineError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import pyarrow as pa

    from djarrow.engine.transactions import Status
    from djarrow.model.names import TableName
    from djarrow.model.spans import Spans


class Stream:
    """Batches of a result as they arrive. A context manager; closing gives the connection back.

    schema: the Arrow schema in the driver's own types. Iterating yields record batches.
    """

    def __init__(self, schema: pa.Schema, batches: Iterator[pa.RecordBatch], close: Callable[[], None]) -> None:
        self.schema = schema
        self._batches = batches
        self._close = close

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return self._batches

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connection back, whether or not all batches were read."""
        self._close()


@frozen
class Ready:
    """An execution of a statement that is kept.

    body: it, with $1, $2, ... for the values; types: theirs; values: these, as a row in parentheses.
    """

    body: str
    types: tuple[str, ...]
    values: str


class ReadParallel(Protocol):
    """Reads several SELECTs at once, all of one snapshot."""

    def __call__(self, texts: Sequence[str], *, lock: Callable[[bool], str]) -> list[pa.Table]:
        """The results in order. lock: the statement that keeps what they read, waiting for others or not."""
        ...


class Streams(Protocol):
    """The part of a reader that streams. dialect: the name of the SQL that it understands."""

    dialect: str

    def stream(self, text: str) -> Stream:
        """The result of a SELECT batch by batch."""
        ...


class Reader(Protocol):
    """An engine that answers queries: PostgreSQL, or DuckDB over a repository.

    dialect: the name of the SQL that it understands.
    """

    dialect: str

    def read(self, text: str, *, few: bool = False) -> pa.Table:
        """The whole result of a SELECT, in the driver's own types. few: some rows at most, so that starting counts."""
        ...

    @property
    def read_parallel(self) -> ReadParallel | None:
        """Reads over several connections; None of an engine that is parallel by itself."""
        ...

    @property
    def narrowed(self) -> Callable[[Spans], Reader] | None:
        """The same engine for queries of rows with these values only; None of one that has indexes for that."""
        ...

    def explain(self, text: str, *, analyze: bool) -> str:
        """How the engine would run a SELECT, in its own words. analyze: it runs it, and says how that went."""
        ...

    def stream(self, text: str) -> Stream:
        """The result of a SELECT batch by batch, with memory that does not grow with it."""
        ...

    def look(self, seconds: float) -> AbstractContextManager[Callable[[str], pa.Table]]:
        """Reads of at most so many seconds each, which disturb nothing: no transaction, no stream, no server.

        Raises TransactionError where they would, and reads raise TimedOut.
        """
        ...

    def pinned(self) -> Streams:
        """Streams for other threads, which read in this thread's transaction while that is open."""
        ...


class Database(Reader, Protocol):
    """An engine that also keeps tables: PostgreSQL."""

    @property
    def url_of_children(self) -> str | None:
        """What processes that this one starts connect with; None where they find the server as this one has.

        It tells the password.
        """
        ...

    @property
    def in_transaction(self) -> bool:
        """Whether this thread has a transaction open."""
        ...

    @property
    def transaction(self) -> AbstractContextManager[Self]:
        """A transaction of this thread: committed at the end of the block, rolled back on any exception.

        Every read inside sees one snapshot. Raises TransactionError when one is open already, and at commit when the
        server had aborted it; UnknownOutcome when it cannot tell whether it was committed.
        """
        ...

    def begin(
        self, *, isolation: str = "REPEATABLE READ", read_only: bool = False, settings: Mapping[str, str] | None = None
    ) -> AbstractContextManager[Self]:
        """As `transaction`, at this isolation level; read_only refuses writes. settings: of the transaction alone."""
        ...

    def ahead(self, work: Callable[[], None]) -> AbstractContextManager[None]:
        """In a transaction of this thread, for the time of the block: work is called before each statement."""
        ...

    @property
    def has_failed(self) -> bool:
        """Whether a statement of this thread's transaction has failed, so that nothing of it can be committed."""
        ...

    def fail(self) -> None:
        """Keep this thread's transaction, if one is open, from being committed: its block raises at the end."""
        ...

    def transaction_status(self, transaction: str, *, since: str | None = None) -> Status | None:
        """What became of the transaction that an UnknownOutcome tells of; None where the server does not know."""
        ...

    def execute(self, text: str) -> None:
        """Run one statement that gives no rows."""
        ...

    def run(self, text: str) -> None:
        """Run statements of our own, with semicolons between them, in one turn. Results that they have are not read."""
        ...

    def has_rows(self, text: str) -> bool:
        """Whether a SELECT has rows, which are not read."""
        ...

    def write(self, text: str, *, ready: Ready | None = None) -> list[tuple[Any, ...]]:
        """Run an INSERT, UPDATE or DELETE that ends in RETURNING, of a few rows; the rows that it returns.

        ready: the same, as a statement to be kept. An error for which `may_come_of_keeping` holds ends that: the
        transaction may be begun anew, and then it is not.
        """
        ...

    def ingest(self, table: TableName, rows: pa.Table) -> int:
        """Append rows through COPY, all or nothing; columns that are left out take their defaults. Returns how many."""
        ...


def may_come_of_keeping(error: EngineError) -> bool:
    """Whether an error can be that of a kept statement alone: no such statement, a plan that must not change, other
    names and types, a failure of the server's own.
    """
    return (error.sqlstate or "")[:2] in {"26", "0A", "42", "XX"}
