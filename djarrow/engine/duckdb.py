"""DuckDB over files: reads only, hardened, within limits. Which files make which tables, repo/ says."""

from __future__ import annotations

import contextlib
import copy
import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, Self

from attrs import frozen

from djarrow.engine import duckdb_faults, duckdb_plan, duckdb_rows
from djarrow.engine.base import Stream, Streams
from djarrow.engine.duckdb_rows import identifier
from djarrow.errors import EngineError, ResultTooLarge

if TYPE_CHECKING:
    import pyarrow as pa
    from fsspec import AbstractFileSystem

    from djarrow.model.spans import Spans

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
BATCH_BYTES = 64 * 2**20


@frozen
class Limits:
    """What queries may use. memory: as DuckDB has it, `4GB` or `50%`; spill: on disk; threads: 0 for all processors."""

    memory: str = "50%"
    spill: str = "20GB"
    threads: int = 0


@frozen
class View:
    """A table that a statement reads. create: the statement that makes it.

    files: paths for the variable over which it is made, of those that this statement reads; None of a view that names
    its files itself. every: how many files the table has. longest: bytes that text and bytes of a row have at most, as
    is said of them. together: what as many rows of a file as are read at once would have, were all as long. size: bytes
    of the files.
    """

    name: str
    create: str
    files: tuple[str, ...] | None
    every: int
    longest: int = 0
    together: int = 0
    size: int = 0

    @property
    def table(self) -> str:
        """The name without that of the schema."""
        return self.name.partition(".")[2]

    @property
    def read(self) -> int:
        """How many of its files are read."""
        return self.every if self.files is None else len(self.files)


class Tables(Protocol):
    """The tables of a reader."""

    def of(self, text: str) -> Iterable[View]:
        """Those that a statement may read, and which of their files. Raises where a file is not what it was."""
        ...

    def narrowed(self, spans: Spans) -> Tables:
        """The same, of which only rows with these values are asked for."""
        ...


def literal_path(path: str) -> str:
    """A path so that it means the file of that name, and no others that a pattern would.

    Raises EngineError for the one kind of path that cannot be written so.
    """
    if not any(mark in path for mark in "*?["):
        return path
    if "\\" in path:
        raise EngineError(f"DuckDB cannot read {path!r}: a path with a backslash and one of *?[. Move the folder.")
    return "".join(f"[{mark}]" if mark in "*?[" else mark for mark in path)


class DuckReader:
    """An in-memory DuckDB that may read one folder. Threads may share it: each statement has a cursor of its own.

    root: what the paths of files that can be read begin with. setup: statements that define schemas. tables: what is in
    them, made when a statement first reads it. filesystem: that of fsspec which such paths belong to, where it is not
    this machine's.
    """

    dialect = "duckdb"
    read_parallel = None  # it uses all processors for one statement

    def __init__(
        self,
        root: str,
        setup: Iterable[str],
        tables: Tables,
        limits: Limits | None = None,
        filesystem: AbstractFileSystem | None = None,
    ) -> None:
        import duckdb

        self._tables = tables
        self._lock = threading.Lock()
        self._made: set[str] = set()
        spill = tempfile.mkdtemp(prefix="djarrow-")  # for this user's eyes only, whatever DuckDB makes in it
        self._forget = weakref.finalize(self, shutil.rmtree, spill, ignore_errors=True)
        self._database = duckdb.connect(":memory:")
        try:
            self._limit(limits or Limits(), spill)
            if filesystem is not None:
                self._database.register_filesystem(filesystem)
            self._harden(root)
            for statement in setup:
                self._database.execute(statement)
            self._database.execute("SET lock_configuration = true")
        except duckdb.Error as error:
            self.close()
            raise duckdb_faults.translated(error) from error
        except BaseException:
            self.close()
            raise

    def _limit(self, limits: Limits, spill: str) -> None:
        self._database.execute(f"SET memory_limit = {_quoted(limits.memory)}")
        self._database.execute(f"SET temp_directory = {_quoted(spill)}")
        self._database.execute(f"SET max_temp_directory_size = {_quoted(limits.spill)}")
        if limits.threads:
            self._database.execute(f"SET threads = {limits.threads:d}")
        self._bytes = self._value("memory_limit")

    def _value(self, setting: str) -> int:
        ((text,),) = self._database.execute(f"SELECT current_setting('{setting}')").fetchall()
        number, _, unit = text.partition(" ")
        return int(float(number) * _UNITS[unit])

    def _harden(self, root: str) -> None:
        for name, value in SETTINGS.items():
            self._database.execute(f"SET {name} = {value}")
        allowed = dict.fromkeys((root, literal_path(root)))  # the second: as paths in it are written
        self._database.execute(f"SET allowed_directories = [{', '.join(map(_quoted, allowed))}]")
        self._database.execute("SET enable_external_access = false")

    def __repr__(self) -> str:
        return "DuckReader()"

    def narrowed(self, spans: Spans) -> Self:
        """The same reader for queries of rows with these values: files that have none of them are not looked into."""
        other = copy.copy(self)
        other._tables = self._tables.narrowed(spans)
        return other

    def _cursor(self, views: Iterable[View] = ()) -> Any:
        """A cursor for a statement that reads these views."""
        import duckdb

        try:
            with self._lock:
                for view in views:
                    if view.name not in self._made:
                        _set_files(self._database, view)
                        self._database.execute(view.create)
                        self._made.add(view.name)
                cursor = self._database.cursor()
            for view in views:
                _set_files(cursor, view)
        except duckdb.Error as error:  # also: it was closed
            raise duckdb_faults.translated(error) from error
        return cursor

    def read(self, text: str, *, few: bool = False) -> pa.Table:  # noqa: ARG002 - starting costs the same
        """The whole result of a SELECT, in DuckDB's own Arrow types. Raises ResultTooLarge."""
        return self._read(text, lambda _: contextlib.nullcontext())

    @contextlib.contextmanager
    def look(self, seconds: float) -> Iterator[Callable[[str], pa.Table]]:
        """Reads of at most so many seconds each. There is nothing that they could change."""
        yield lambda text: self._read(text, lambda cursor: _interrupted(cursor, seconds))

    def _read(self, text: str, guard: Callable[[Any], contextlib.AbstractContextManager[None]]) -> pa.Table:
        import duckdb
        import pyarrow as pa

        views = tuple(self._tables.of(text))
        cursor = self._cursor(views)
        try:
            with guard(cursor):
                schema, batches = self._result(cursor.sql(_one_select(cursor, text)), text, views)
                return pa.Table.from_batches(self._within_limit(batches), schema)
        except duckdb.Error as error:
            raise duckdb_faults.translated(error) from error
        finally:
            cursor.close()

    def _result(self, relation: Any, text: str, views: Sequence[View]) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """The result as Arrow batches, small ones where a row can be large."""
        if duckdb_rows.are_small(relation):
            reader = relation.to_arrow_reader(BATCH_ROWS)
            return reader.schema, _batches(reader)
        rows = duckdb_rows.at_once(text, views)
        reader = duckdb_rows.guarded(relation, text, views, self._bytes).to_arrow_reader(rows)
        return reader.schema, _batches(reader) if rows == duckdb_rows.ROWS_AT_ONCE else _together(_batches(reader))

    def _within_limit(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The batches of a result that is held whole, and is none of the memory that DuckDB counts."""
        left = self._bytes
        for batch in batches:
            left -= batch.nbytes
            if left < 0:
                raise ResultTooLarge(self._bytes)
            yield batch

    def stream(self, text: str) -> Stream:
        """The result of a SELECT batch by batch."""
        import duckdb

        views = tuple(self._tables.of(text))
        cursor = self._cursor(views)
        try:
            schema, batches = self._result(cursor.sql(_one_select(cursor, text)), text, views)
        except duckdb.Error as error:
            cursor.close()
            raise duckdb_faults.translated(error) from error
        except EngineError:
            cursor.close()
            raise
        return Stream(schema, _together(batches), cursor.close)

    def explain(self, text: str, *, analyze: bool) -> str:
        """How many files of each table the statement reads, then the plan of a SELECT.

        analyze: it runs it, and says how that went, and how many of the row groups it read.
        """
        import duckdb

        views = tuple(self._tables.of(text))
        cursor = self._cursor(views)
        try:
            _one_select(cursor, text)  # what follows EXPLAIN is that one statement, and nothing else
            plan = cursor.execute(f"EXPLAIN {'ANALYZE ' if analyze else ''}{text}").fetchall()
        except duckdb.Error as error:
            raise duckdb_faults.translated(error) from error
        finally:
            cursor.close()
        shown = "\n".join(lines.rstrip("\n") for _, lines in plan)
        files = (f"reading {_files(view)} of {view.name}" for view in views)
        return "\n".join([*files, *duckdb_plan.read(shown), shown])

    def pinned(self) -> Streams:
        """Itself: there are no transactions."""
        return self

    def close(self) -> None:
        """Let go of files and memory."""
        self._database.close()
        self._forget()


_UNITS: Mapping[str, int] = {"bytes": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40, "PiB": 2**50}


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _files(view: View) -> str:
    return f"{view.read:,} of {view.every:,} file{'' if view.every == 1 else 's'}"


def _set_files(cursor: Any, view: View) -> None:
    if view.files is not None:
        cursor.execute(f"SET VARIABLE {identifier(view.name)} = ?", [list(view.files)])


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
        raise duckdb_faults.translated(error) from error


def _together(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Small batches put together, up to so many rows or bytes."""
    import pyarrow as pa

    held: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        if held and (rows + batch.num_rows > BATCH_ROWS or size + batch.nbytes > BATCH_BYTES):
            yield held[0] if len(held) == 1 else pa.concat_batches(held)
            held, rows, size = [], 0, 0
        held.append(batch)
        rows += batch.num_rows
        size += batch.nbytes
    if held:
        yield held[0] if len(held) == 1 else pa.concat_batches(held)


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
