"""The note of a restore that has not ended: which tables are there whole, in each of its schemas."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from djarrow.model.names import TableName
from djarrow.sql.ddl import full_name
from djarrow.sql.literals import quoted

RESTORING = "~restoring"
"""Its name in the schema, beside `~makes` and `~updates`. It goes when the restore has ended."""


def find_restoring(schemas: Iterable[str]) -> str:
    """Those of these schemas that have the note."""
    each = " UNION ALL ".join(
        f"SELECT {quoted(name)} AS name WHERE to_regclass({quoted(_note(name))}) IS NOT NULL" for name in schemas
    )
    return f"{each} ORDER BY 1"


def create_restoring(schema: str, tables: Sequence[TableName], what: str) -> tuple[str, ...]:
    """The statements that begin a restore of tables of a schema. what: the hash that tells this restore from others."""
    note = _note(schema)
    rows = ", ".join(f"({quoted(table.table)}, {quoted(what)})" for table in tables)
    return (
        f'CREATE TABLE {note} ("table_name" text PRIMARY KEY, "what" text NOT NULL, "done" bool DEFAULT FALSE)',
        f"COMMENT ON TABLE {note} IS 'A restore has not ended: dj.restore(..., resumable=True) goes on.'",
        f"INSERT INTO {note} VALUES {rows}",
    )


def read_restoring(schemas: Iterable[str]) -> str:
    """What the notes of these schemas say: `schema`, `table`, `what`, `done`."""
    return " UNION ALL ".join(
        f'SELECT {quoted(name)} AS "schema", "table_name" AS "table", "what", "done" FROM {_note(name)}'
        for name in schemas
    )


def take_table(table: TableName) -> str:
    """Note that a table is done, by who is about to do it in this transaction; no row where it is done already.

    Another one who does it is waited for.
    """
    return (
        f'UPDATE {_note(table.schema)} SET "done" = TRUE WHERE "table_name" = {quoted(table.table)} AND NOT "done" '
        "RETURNING 'taken'"
    )


def drop_restoring(schemas: Iterable[str]) -> str:
    """Remove the notes."""
    return f"DROP TABLE IF EXISTS {', '.join(map(_note, schemas))}"


def _note(schema: str) -> str:
    return full_name(TableName(schema, RESTORING))
