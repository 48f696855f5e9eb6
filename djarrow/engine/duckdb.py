"""DuckDB over files: reads only, hardened. Which files make which tables, repo/ says."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from djarrow.engine.base import Stream, Streams
from djarrow.errors import EngineError, TimedOut

if TYPE_CHECKING:
    import pyarrow as pa
    from fsspec import AbstractFileSystem

SETTINGS = {
    # what PostgreSQL does, so that the same text means the same
    "TimeZone": "'UTC'",
    "integer_division": "false",
    "ieee_floating_point_ops": "true",
    "default_null_order": "'nulls_last'",
    "arrow_lossless_conversion": "true",  # UUIDs as their 16 bytes
    # nothing is fetched, executed or read but the repository's own files
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
}

BATCH_ROWS = 65_536


class DuckReader:
    """An in-memory DuckDB that may read one folder. Threads may share it: each statement has a cursor of its own.

    root: what the paths of files that can be read begin with. setup: statements that define schemas and views.
    filesystem: that of fsspec which such paths belong to, where it is not this machine's.
    """

    dialect = "duckdb"
    read_parallel = None  # it uses all processors for one statement

    def __init__(self, root: str, setup: Iterable[str], filesystem: AbstractFileSystem | None = None) -> None:
        import duckdb

        self._lock = threading.Lock()
        self._database = duckdb.connect(":memory:")
        try:
            if filesystem is not None:
                self._database.register_filesystem(filesystem)
            self._harden(root)
            for statement in setup:
                self._database.execute(statement)
            self._database.execute("SET lock_configuration = true")
        except duckdb.Error as error:
            self._database.close()
            raise _translate(error) from error
        except BaseException:
            self._database.close()
            raise

    def _harden(self, root: str) -> None:
        for name, value in SETTINGS.items():
            self._database.execute(f"SET {name} = {value}")
        folder = root.replace("'", "''")
        self._database.execute(f"SET allowed_directories = ['{folder}']")
        self._database.execute("SET enable_external_access = false")

    def __repr__(self) -> str:
        return "DuckReader()"

    def _cursor(self) -> Any:
        import duckdb

        try:
            with self._lock:
                return self._database.cursor()
        except duckdb.Error as error:  # it was closed
            raise _translate(error) from error

    def read(self, text: str, *, few: bool = False) -> pa.Table:  # noqa: ARG002 - starting costs the same
        """The whole result of a SELECT, in DuckDB's own Arrow types."""
        return self._read(text, lambda _: contextlib.nullcontext())

    @contextlib.contextmanager
    def look(self, seconds: float) -> Iterator[Callable[[str], pa.Table]]:
        """Reads of at most so many seconds each. There is nothing that they could change."""
        yield lambda text: self._read(text, lambda cursor: _interrupted(cursor, seconds))

    def _read(self, text: str, guard: Callable[[Any], contextlib.AbstractContextManager[None]]) -> pa.Table:
        import duckdb

        cursor = self._cursor()
        try:
            with guard(cursor):
                return cursor.sql(_one_select(cursor, text)).to_arrow_table()
        except duckdb.Error as error:
            raise _translate(error) from error
        finally:
            cursor.close()

    def stream(self, text: str) -> Stream:
        """The result of a SELECT batch by batch."""
        import duckdb

        cursor = self._cursor()
        try:
            reader = cursor.sql(_one_select(cursor, text)).to_arrow_reader(BATCH_ROWS)
        except duckdb.Error as error:
            cursor.close()
            raise _translate(error) from error
        except EngineError:
            cursor.close()
            raise
        return Stream(reader.schema, _batches(reader), cursor.close)

    def explain(self, text: str, *, analyze: bool) -> str:
        """The plan of a SELECT. analyze: it runs it, and says how that went."""
        import duckdb

        cursor = self._cursor()
        try:
            _one_select(cursor, text)  # what follows EXPLAIN is that one statement, and nothing else
            plan = cursor.execute(f"EXPLAIN {'ANALYZE ' if analyze else ''}{text}").fetchall()
        except duckdb.Error as error:
            raise _translate(error) from error
        finally:
            cursor.close()
        return "\n".join(shown.rstrip("\n") for _, shown in plan)

    def pinned(self) -> Streams:
        """Itself: there are no transactions."""
        return self

    def close(self) -> None:
        """Let go of files and memory."""
        self._database.close()


def _one_select(cursor: Any, text: str) -> Any:
    """The statement, if it is one and reads: the engine itself would let COPY write into the allowed folder."""
    import duckdb

    statements = cursor.extract_statements(text)
    if [statement.type for statement in statements] != [duckdb.StatementType.SELECT]:
        raise EngineError("a repository is read only, by one SELECT at a time.")
    return statements[0]


def _batches(reader: Any) -> Iterator[pa.RecordBatch]:
    import duckdb
    import pyarrow as pa

    try:
        yield from reader
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        raise _translate(error) from error


@contextlib.contextmanager
def _interrupted(cursor: Any, seconds: float) -> Iterator[None]:
    """Interrupt what the cursor still does after so many seconds."""
    timer = threading.Timer(seconds, cursor.interrupt)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()  # so that it does not meet a cursor that is closed


def _translate(error: Exception) -> EngineError:
    import duckdb

    if isinstance(error, duckdb.InterruptException):
        return TimedOut("The query was stopped: it took longer than it was given.")
    first, *_ = str(error).splitlines() or [type(error).__name__]
    return EngineError(f"DuckDB refused: {first}")
