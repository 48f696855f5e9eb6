"""Which notes of schemas there are in the database, for queries that read them: a table that is missing cannot be."""

from __future__ import annotations

from collections.abc import Sequence

from djarrow.model.names import TableName
from djarrow.sql.accepted import ACCEPTED
from djarrow.sql.ddl import MADE, full_name
from djarrow.sql.literals import quoted
from djarrow.sql.makes import MAKES
from djarrow.sql.updates import LOG, TRANSACTION


def find_notes(tables: Sequence[TableName]) -> str:
    """A row for each table, in order: `makes`, its makes are there; `accepted` and `updates`, its schema has these;
    `numbered`, its log of updates tells their transactions, which those of earlier versions do not.
    """
    return "\nUNION ALL\n".join(_find(number, table) for number, table in enumerate(tables)) + "\nORDER BY 1"


def _find(number: int, table: TableName) -> str:
    made = _has(table, MADE)
    numbered = _has(TableName(table.schema, LOG), TRANSACTION)
    return (
        f"SELECT {number} AS number, {_there(table.schema, MAKES)} AND {made} AS makes, "
        f"{_there(table.schema, ACCEPTED)} AS accepted, {_there(table.schema, LOG)} AS updates, {numbered} AS numbered"
    )


def _has(table: TableName, column: str) -> str:
    return (
        f"EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass({quoted(full_name(table))}) "
        f"AND attname = {quoted(column)} AND NOT attisdropped)"
    )


def _there(schema: str, note: str) -> str:
    return f"to_regclass({quoted(full_name(TableName(schema, note)))}) IS NOT NULL"
