"""Insert: where rows come from, and by which way they go into the table. Design section 8.

A few go as values of one statement (few.py), more in pieces by COPY (loading.py), those of a query from table to table
on the server (selected.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from djarrow.errors import InvalidCondition
from djarrow.sql.insert import Conflict
from djarrow.table.writing import few
from djarrow.table.writing.inserted import Inserted
from djarrow.table.writing.loading import Loading
from djarrow.table.writing.permission import check_insert
from djarrow.table.writing.sending import Sending

if TYPE_CHECKING:
    import pyarrow as pa

    from djarrow.table.expression import QueryExpression
    from djarrow.table.table import Table


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

    check_insert(table, allow_direct_insert=options.allow_direct_insert)
    database = table.schema.writable(table.spec.name)
    sending = Sending(table, database, options.conflict, ignore_extra_fields=options.ignore_extra_fields)
    if few.are_few(rows) and few.is_way_of(options.conflict) and options.chunk_size is None:
        return few.insert(sending, rows)
    query = as_expression(rows)
    if query is None:
        return Loading(sending, options.chunk_size).load(rows)
    if query._place() is not table._place():  # of a repository, or another server
        return Loading(sending, options.chunk_size).load(_streamed(query))
    from djarrow.table.writing import selected

    return selected.insert_selected(table, database, query, options)


def _streamed(query: QueryExpression) -> pa.RecordBatchReader:
    import pyarrow as pa

    return pa.RecordBatchReader.from_batches(query.heading.arrow_schema, query.to_batches())
