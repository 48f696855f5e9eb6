"""Statements that insert by way of a staging table, for what COPY alone cannot say."""

from __future__ import annotations

from djarrow.model.names import TableName
from djarrow.model.spec import TableSpec
from djarrow.sql.ddl import SINGLETON, full_name
from djarrow.sql.literals import identifier, quoted


def create_staging(spec: TableSpec, staging: TableName, columns: tuple[str, ...]) -> str:
    """A temporary table with these columns of the table, without its constraints."""
    names = ", ".join(map(identifier, columns))
    return (
        f"CREATE TEMPORARY TABLE {identifier(staging.table)} ON COMMIT DROP AS "
        f"SELECT {names} FROM {full_name(spec.name)} WITH NO DATA"
    )


def insert_from_staging(spec: TableSpec, staging: TableName, columns: tuple[str, ...]) -> str:
    """Insert the staged rows whose primary key is not there; gives how many as `n`."""
    names = ", ".join(map(identifier, columns))
    return (
        f"WITH inserted AS (INSERT INTO {full_name(spec.name)} ({names}) SELECT {names} "
        f"FROM {identifier(staging.table)} ON CONFLICT ({_key(spec)}) DO NOTHING RETURNING 1) "
        "SELECT count(*) AS n FROM inserted"
    )


def drop_staging(staging: TableName) -> str:
    """Remove the staging table before the transaction ends, so that a second insert can have one."""
    return f"DROP TABLE {identifier(staging.table)}"


def insert_defaults(spec: TableSpec, *, skip_duplicates: bool) -> str:
    """Insert one row of defaults; gives a row where it was inserted."""
    conflict = f" ON CONFLICT ({_key(spec)}) DO NOTHING" if skip_duplicates else ""
    return f"INSERT INTO {full_name(spec.name)} DEFAULT VALUES{conflict} RETURNING 1 AS inserted"


def advance_count(spec: TableSpec, attribute: str) -> str:
    """Let an attribute that counts up go on after the highest number, which a row may have brought itself."""
    table, column = full_name(spec.name), identifier(attribute)
    return (
        f"SELECT setval(s.sequence, t.highest) FROM (SELECT max({column}) AS highest FROM {table}) AS t, "
        f"(SELECT pg_get_serial_sequence({quoted(table)}, {quoted(attribute)})::regclass AS sequence) AS s "
        "WHERE t.highest > coalesce(pg_sequence_last_value(s.sequence), 0)"
    )


def _key(spec: TableSpec) -> str:
    return ", ".join(map(identifier, spec.heading.primary_key or (SINGLETON,)))
