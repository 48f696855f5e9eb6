"""Insert: rows are checked column by column and go up by COPY, piece by piece, all or none. Design section 8.

What is a query goes from table to table on the server: selected.py.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import frozen

from djarrow.errors import EngineError, IntegrityError, InvalidCondition, RowError
from djarrow.model.heading import Special
from djarrow.model.names import TableName
from djarrow.model.types import Family
from djarrow.sql.insert import Conflict
from djarrow.sql.locks import ATTEMPTS, RETRIED
from djarrow.table.writing import few
from djarrow.table.writing.agreement import check_columns
from djarrow.table.writing.inserted import Inserted, inserted
from djarrow.table.writing.log import ensure_log
from djarrow.table.writing.permission import check_insert

if TYPE_CHECKING:
    import pyarrow as pa

    from djarrow.engine.base import Database
    from djarrow.frame.given import Given, Piece
    from djarrow.frame.rows import Checking
    from djarrow.model.spec import TableSpec
    from djarrow.table.expression import QueryExpression
    from djarrow.table.table import Table

    Checked: TypeAlias = dict[str, list[Any]] | pa.Table
    """Rows that were checked: a few as lists of values, others as a table. No column where all is left to defaults."""


@frozen
class Options:
    """How rows are inserted. chunk_size: how many go up at once, with a progress bar; None leaves it to djarrow."""

    conflict: Conflict = Conflict.RAISE
    ignore_extra_fields: bool = False
    allow_direct_insert: bool = False
    chunk_size: int | None = None

    @classmethod
    def of(
        cls,
        *,
        replace: bool = False,
        skip_duplicates: bool = False,
        ignore_extra_fields: bool = False,
        allow_direct_insert: bool = False,
        chunk_size: int | None = None,
    ) -> Options:
        """The options as insert takes them. Raises InvalidCondition for those that contradict each other."""
        if replace and skip_duplicates:
            raise InvalidCondition("insert: replace and skip_duplicates say two things of one row. Pass one of them.")
        if chunk_size is not None and (type(chunk_size) is not int or chunk_size < 1):
            raise InvalidCondition(f"insert: chunk_size is a number of rows, from 1 up, not {chunk_size!r}.")
        conflict = Conflict.REPLACE if replace else Conflict.SKIP if skip_duplicates else Conflict.RAISE
        return cls(conflict, ignore_extra_fields, allow_direct_insert, chunk_size)


def insert(table: Table, rows: Any, options: Options) -> Inserted:
    """What Table.insert does."""
    from djarrow.table.expression import as_expression
    from djarrow.table.writing import selected

    check_insert(table, allow_direct_insert=options.allow_direct_insert)
    database = table.schema.writable(table.spec.name)
    query = as_expression(rows)
    if query is None:
        return _Loading(table, database, options).load(rows)
    if query._place() is table._place():
        return selected.insert_selected(table, database, query, options)
    return _Loading(table, database, options).load(_streamed(query))  # of a repository, or another server


def _streamed(query: QueryExpression) -> pa.RecordBatchReader:
    import pyarrow as pa

    return pa.RecordBatchReader.from_batches(query.heading.arrow_schema, query.to_batches())


class _Refused(Exception):
    """Ends the transaction of an insert whose rows have problems: the rest of them is looked at outside of it."""


class _Loading:
    """One insert of rows into one table: in a transaction of its own, or within one of the user's.

    There the columns are looked at before anything is written: the user may pass over the refusal.
    """

    def __init__(self, table: Table, database: Database, options: Options) -> None:
        self._table = table
        self._spec = table.spec
        self._database = database
        self._options = options
        self._within = database.in_transaction
        self._looked = False

    def load(self, rows: Any) -> Inserted:
        """Insert them, and anew where the server ended that for another transaction, if they are still there."""
        from djarrow.frame.given import given

        source = given(rows, str(self._spec.name), _size(self._spec, self._options))
        attempts = ATTEMPTS if source.again and not self._within else 1
        for attempt in range(1, attempts + 1):
            try:
                return self._once(source)
            except EngineError as error:
                if error.sqlstate not in RETRIED or attempt == attempts:
                    raise
        raise AssertionError  # pragma: no cover - the last attempt returns or raises

    def _once(self, source: Given) -> Inserted:
        self._looked = False
        checking = self._checking()
        pieces = source.pieces()
        first = next(pieces, None)  # what it reads of the database is read before the transaction
        if first is None or not first.rows:
            self._check_rest(checking, chain(() if first is None else (first,), pieces))
            return Inserted()
        whole, pieces = first.rows == source.total, chain((first,), pieces)
        del first
        try:
            with self._transaction(whole=whole), self._progress(source.total) as advance:
                return self._write(checking, pieces, advance)
        except _Refused:
            pass  # it tells nothing that the problems do not
        self._check_rest(checking, pieces)
        raise AssertionError  # pragma: no cover - there is a problem to raise

    def _checking(self, *, read_json: bool = False) -> Checking:
        from djarrow.frame.rows import Checking

        ignored = self._options.ignore_extra_fields
        heading, name = self._spec.heading, str(self._spec.name)
        return Checking(heading, name, ignore_extra_fields=ignored, read_json=read_json)

    @staticmethod
    def _check_rest(checking: Checking, pieces: Iterator[Piece]) -> None:
        """Raise the first problem with the frame of all, also those of rows that were not looked at yet."""
        for piece in pieces:
            checking.check(piece)
        checking.settle()

    @contextlib.contextmanager
    def _transaction(self, *, whole: bool) -> Iterator[None]:
        """A transaction of its own; in one of the user's, all of this insert or nothing of it.

        whole: there is one piece only, which is checked before anything of it is written.
        """
        if not self._within:
            with self._database.begin(isolation="READ COMMITTED"):
                yield
            return
        if whole:
            yield
            return
        self._database.execute("SAVEPOINT djarrow_insert")
        try:
            yield
        except _Refused:
            self._database.execute("ROLLBACK TO SAVEPOINT djarrow_insert")
            raise
        self._database.execute("RELEASE SAVEPOINT djarrow_insert")

    def _progress(self, total: int | None) -> Any:
        from djarrow.show.progress import progress_bar

        return progress_bar(str(self._spec.name), total, shown=self._options.chunk_size is not None)

    def _write(self, checking: Checking, pieces: Iterator[Piece], advance: Any) -> Inserted:
        done = Inserted()
        for piece in pieces:
            done = done.and_then(self._write_piece(checking, piece))
            advance(piece.rows)
            del piece  # before the next one is made
        return done

    def _write_piece(self, checking: Checking, piece: Piece) -> Inserted:
        checked = self._checked(checking, piece)
        if checking.problems:
            raise _Refused
        try:
            done = self._send(checked, piece.rows)
        except IntegrityError as error:
            _find_row(error, checked, piece.start, self._spec)
            raise
        except EngineError as error:
            self._explain(error, piece)
            raise
        self._advance_count(checked)
        return done

    def _checked(self, checking: Checking, piece: Piece) -> Checked:
        from djarrow.frame.rows import as_table

        if not few.may_be_few(piece, self._options.conflict):
            return checking.check(piece)
        values = checking.check_few(piece)
        return values if few.is_small(values) else as_table(values, self._spec.heading)

    def _send(self, checked: Checked, rows: int) -> Inserted:
        if not _names(checked):
            return self._insert_defaults(rows)
        if not self._looked and (self._within or not isinstance(checked, dict)):
            check_columns(self._database, self._spec)
            self._looked = True
        if isinstance(checked, dict):
            return few.insert(self._database, self._spec, checked, self._options.conflict)
        if self._options.conflict is Conflict.RAISE:
            return Inserted(self._database.ingest(self._spec.name, checked))
        return self._insert_staged(checked)

    def _explain(self, error: EngineError, piece: Piece) -> None:
        """Where the server could not read a value, find it: JSON goes to it as text."""
        if error.sqlstate is not None and not error.sqlstate.startswith("22"):
            return
        if not any(attribute.type.family is Family.JSON for attribute in self._spec.heading):
            return
        reading = self._checking(read_json=True)
        reading.check(piece)
        if reading.problems:
            raise reading.problems.error() from error

    def _insert_defaults(self, rows: int) -> Inserted:
        """Rows that consist of defaults only, for which COPY has no column."""
        from djarrow.sql import insert as text

        statement = text.insert_defaults(self._spec, self._options.conflict)
        done = Inserted()
        if self._options.conflict is Conflict.REPLACE:
            ensure_log(self._database, self._table)
        for _ in range(rows):
            done = done.and_then(inserted(self._database.read(statement, few=True), 1))
        return done

    def _insert_staged(self, rows: pa.Table) -> Inserted:
        """Rows some of which may be there already."""
        from djarrow.sql import insert as text

        spec, database, columns = self._spec, self._database, tuple(rows.column_names)
        if self._options.conflict is Conflict.REPLACE:
            ensure_log(database, self._table)
        staging = TableName("pg_temp", "djarrow_staging")
        database.execute(text.create_staging(spec, staging, columns))
        database.ingest(staging, rows)
        statement = text.insert_staged(spec, staging, columns, self._options.conflict)
        done = inserted(database.read(statement), rows.num_rows)
        database.execute(text.drop_staging(staging))
        return done

    def _advance_count(self, checked: Checked) -> None:
        """Where rows bring numbers that the database would have given, it goes on after them (001 5.8.5)."""
        for attribute in self._spec.heading:
            if attribute.default is Special.AUTO and attribute.name in _names(checked):
                from djarrow.sql import insert as text

                self._database.read(text.advance_count(self._spec, attribute.name))


def _names(checked: Checked) -> Sequence[str]:
    """The attributes that rows have values for."""
    return tuple(checked) if isinstance(checked, dict) else checked.column_names


def _size(spec: TableSpec, options: Options) -> Any:
    """How large the pieces are. A table that refers to itself takes all at once: a row may come before its parent."""
    from djarrow.frame.given import WHOLE, Size

    if any(key.parent == spec.name for key in spec.foreign_keys):
        return WHOLE
    return Size() if options.chunk_size is None else Size(rows=options.chunk_size, exact=True)


def _find_row(error: RowError, checked: Checked, start: int, spec: TableSpec) -> None:
    """Tell the row, and the frame of this one problem, of an error of the database that names a key."""
    from djarrow.frame.offenders import place_of
    from djarrow.frame.problems import frame_of
    from djarrow.frame.rows import as_table

    rows = as_table(checked, spec.heading) if isinstance(checked, dict) else checked
    found = place_of(getattr(error, "key", {}), rows, spec.heading)
    error.row = None if found is None else start + found
    error.problems = frame_of(error)
