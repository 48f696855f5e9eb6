"""Rows that were checked go to the server, in the transaction that is open, and what it refuses is explained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from djarrow.errors import EngineError, IntegrityError
from djarrow.model.heading import Special
from djarrow.model.names import TableName
from djarrow.model.types import Family
from djarrow.sql import insert as text
from djarrow.sql.insert import Conflict
from djarrow.sql.locks import ATTEMPTS, RETRIED
from djarrow.table.writing.agreement import check_columns
from djarrow.table.writing.inserted import Inserted, inserted
from djarrow.table.writing.log import ensure_log
from djarrow.table.writing.replacing import replaced

if TYPE_CHECKING:
    import pyarrow as pa

    from djarrow.engine.base import Database
    from djarrow.frame.given import Piece
    from djarrow.frame.rows import Checking
    from djarrow.model.spec import TableSpec
    from djarrow.table.table import Table

Result = TypeVar("Result")

STAGING = TableName("pg_temp", "djarrow_staging")
"""Where rows wait that may be there already."""


class Sending:
    """One insert into one table: in a transaction of its own, or within one of the user's.

    There the columns are looked at before anything is written: the user may pass over the refusal.
    """

    made: str | None = None
    """The number of the make that a staged row `s` is of, as an expression: of rows that are restored."""

    def __init__(self, table: Table, database: Database, conflict: Conflict, *, ignore_extra_fields: bool) -> None:
        self.spec = table.spec
        self.database = database
        self.conflict = conflict
        self.within = database.in_transaction
        self._table = table
        self._ignore_extra_fields = ignore_extra_fields
        self._looked = False

    def checking(self, *, read_json: bool = False) -> Checking:
        """What checks the rows."""
        from djarrow.frame.rows import Checking

        heading, name = self.spec.heading, str(self.spec.name)
        return Checking(heading, name, ignore_extra_fields=self._ignore_extra_fields, read_json=read_json)

    def anew(self, work: Callable[[], Result], *, again: bool) -> Result:
        """What work gives, which is a whole transaction; begun anew where the server ended it for another one.

        again: its rows can be read a second time.
        """
        attempts = ATTEMPTS if again and not self.within else 1
        for attempt in range(1, attempts + 1):
            self._looked = False
            try:
                return work()
            except EngineError as error:
                if error.sqlstate not in RETRIED or attempt == attempts:
                    raise
        raise AssertionError  # pragma: no cover - the last attempt returns or raises

    def look(self) -> None:
        """See once that the columns are those of the class."""
        if not self._looked:
            check_columns(self.database, self.spec)
            self._looked = True

    def send(self, rows: pa.Table, piece: Piece) -> Inserted:
        """Write the rows of a piece, by COPY."""
        return self.explained(lambda: self._write(rows), lambda: rows, rows.column_names, piece)

    def explained(
        self, write: Callable[[], Inserted], rows: Callable[[], pa.Table], names: Sequence[str], piece: Piece
    ) -> Inserted:
        """What write does. Its errors tell the row. rows: these as a table, with the columns of these names."""
        try:
            done = write()
        except IntegrityError as error:
            _find_row(error, rows(), piece, self.spec)
            raise
        except EngineError as error:
            self._explain(error, piece)
            raise
        self._advance_count(names)
        return done

    def _write(self, rows: pa.Table) -> Inserted:
        if not rows.num_columns:
            return self._insert_defaults(rows.num_rows)
        self.look()
        if self.conflict is Conflict.RAISE and self.made is None:
            return Inserted(self.database.ingest(self.spec.name, rows))
        return self._insert_staged(rows)

    def _explain(self, error: EngineError, piece: Piece) -> None:
        """Where the server could not read a value, find it: JSON goes to it as text."""
        if error.sqlstate is not None and not error.sqlstate.startswith("22"):
            return
        if not any(attribute.type.family is Family.JSON for attribute in self.spec.heading):
            return
        reading = self.checking(read_json=True)
        reading.check(piece)
        if reading.problems:
            raise reading.problems.error() from error

    def _insert_defaults(self, rows: int) -> Inserted:
        """Rows that consist of defaults only, for which COPY has no column."""
        statement = text.insert_defaults(self.spec, self.conflict)
        done = Inserted()
        if self.conflict is Conflict.REPLACE:
            ensure_log(self.database, self._table)
        for _ in range(rows):
            replaces = self.conflict is Conflict.REPLACE and not self.spec.heading.primary_key
            result = replaced(self.database, statement) if replaces else self.database.read(statement, few=True)
            done = done.and_then(inserted(result, 1))
        return done

    def _insert_staged(self, rows: pa.Table) -> Inserted:
        """Rows some of which may be there already."""
        database, columns = self.database, tuple(rows.column_names)
        if self.conflict is Conflict.REPLACE:
            ensure_log(database, self._table)
        database.execute(text.create_staging(self.spec, STAGING, columns))
        database.ingest(STAGING, rows)
        done = self.take_staged(columns, rows.num_rows)
        database.execute(text.drop_staging(STAGING))
        return done

    def take_staged(self, columns: Sequence[str], rows: int) -> Inserted:
        """Write so many rows from the staging table, which has these columns of the table."""
        statement = text.insert_staged(self.spec, STAGING, columns, self.conflict, made=self.made)
        if self.conflict is Conflict.REPLACE:
            return inserted(replaced(self.database, statement), rows)
        return inserted(self.database.read(statement), rows)

    def _advance_count(self, names: Sequence[str]) -> None:
        """Where rows bring numbers that the database would have given, it goes on after them (001 5.8.5)."""
        for attribute in self.spec.heading:
            if attribute.default is Special.AUTO and attribute.name in names:
                self.database.read(text.advance_count(self.spec, attribute.name))


def _find_row(error: IntegrityError, rows: pa.Table, piece: Piece, spec: TableSpec) -> None:
    """Tell the row, and the frame of this one problem, of an error of the database that names a key."""
    from djarrow.frame.given import told_file
    from djarrow.frame.offenders import place_of, typed
    from djarrow.frame.problems import frame_of

    found = place_of(error.key, rows, spec.heading)
    if found is not None:
        error.reason += told_file(piece, found)
        error.found_in(piece.start + found)
    error.key = typed(error.key, spec.heading)
    error.problems = frame_of(error)
