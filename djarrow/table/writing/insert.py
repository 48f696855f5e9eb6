"""Insert: rows are checked column by column, then go up by COPY in one statement. Design section 8."""

from __future__ import annotations

from contextlib import nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from djarrow.errors import InsertRefused
from djarrow.model.heading import Special
from djarrow.model.names import COMPUTED, IMPORTED, TableName
from djarrow.table.source import current_offline
from djarrow.table.writing.agreement import check_columns

if TYPE_CHECKING:
    import pyarrow as pa

    from djarrow.engine.base import Database
    from djarrow.model.spec import TableSpec
    from djarrow.table.table import Table

making: ContextVar[TableName | None] = ContextVar("djarrow_making", default=None)
"""The auto-populated table whose make runs in this context: only it and its parts take rows then."""


def insert(
    table: Table, rows: Any, *, skip_duplicates: bool, ignore_extra_fields: bool, allow_direct_insert: bool
) -> int:
    """What Table.insert does."""
    from djarrow.frame.rows import to_arrow

    spec = table.spec
    if current_offline() is not None:
        raise InsertRefused(
            "queries run on a repository here, which is read only. Insert outside of the `using` block.",
            table=str(spec.name),
        )
    if spec.tier in (IMPORTED, COMPUTED) and not allow_direct_insert:
        _check_making(table)
    database = table.schema.writable(spec.name)
    checked = to_arrow(rows, spec.heading, str(spec.name), ignore_extra_fields=ignore_extra_fields)
    if checked.num_rows == 0:
        return 0
    with nullcontext(database) if database.in_transaction else database.begin(isolation="READ COMMITTED"):
        check_columns(database, spec, checked.column_names)
        if skip_duplicates or not checked.num_columns:
            inserted = _insert_by_statement(database, table, checked, skip_duplicates=skip_duplicates)
        else:
            inserted = database.ingest(spec.name, checked)
        _advance_count(database, spec, checked)
    return inserted


def _advance_count(database: Database, spec: TableSpec, rows: pa.Table) -> None:
    """Where rows bring numbers that the database would have given, it goes on after them (001 5.8.5)."""
    for attribute in spec.heading:
        if attribute.default is Special.AUTO and attribute.name in rows.column_names:
            from djarrow.sql import insert as text

            database.read(text.advance_count(spec, attribute.name))


def _check_making(table: Table) -> None:
    current = making.get()
    if current is None or current not in (table.spec.name, table.spec.master):
        raise InsertRefused(
            "rows of an auto-populated table come from its `make`, called by `populate()`. "
            "To insert here all the same, pass allow_direct_insert=True.",
            table=str(table.spec.name),
        )


def _insert_by_statement(database: Database, table: Table, rows: pa.Table, *, skip_duplicates: bool) -> int:
    """Rows that are to be skipped where their key is there, or that consist of defaults only."""
    from djarrow.sql import insert as text

    spec = table.spec
    if not rows.num_columns:
        statement = text.insert_defaults(spec, skip_duplicates=skip_duplicates)
        return sum(database.read(statement).num_rows for _ in range(rows.num_rows))
    staging = TableName("pg_temp", "djarrow_staging")
    database.execute(text.create_staging(spec, staging, tuple(rows.column_names)))
    database.ingest(staging, rows)
    inserted = database.read(text.insert_from_staging(spec, staging, tuple(rows.column_names)))
    database.execute(text.drop_staging(staging))
    return int(inserted.column("n")[0].as_py())
