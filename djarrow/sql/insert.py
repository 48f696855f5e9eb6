"""Statements that insert by way of a staging table, for what COPY alone cannot say."""

from __future__ import annotations

from djarrow.model.names import TableName
from djarrow.model.spec import TableSpec
from djarrow.model.types import AttributeType, Family
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


def columns_of(spec: TableSpec) -> str:
    """What the columns of a table are in PostgreSQL: name, type, is_enum. Until the transaction ends they stay that.

    Inserting no row locks the table as COPY will; LOCK would be a statement of its own.
    """
    return (
        f"WITH locked AS (INSERT INTO {full_name(spec.name)} SELECT WHERE FALSE) "
        "SELECT a.attname::text AS name, t.typname::text AS type, t.typtype = 'e' AS is_enum "
        "FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid "
        f"WHERE a.attrelid = {quoted(full_name(spec.name))}::regclass AND a.attnum > 0 AND NOT a.attisdropped"
    )


_TEXTS = frozenset({"text", "varchar", "bpchar"})
_TAKEN = {
    "smallint": {"int2"},
    "integer": {"int4"},
    "bigint": {"int8"},
    "numeric": {"numeric"},
    "real": {"float4"},
    "double precision": {"float8"},
    "boolean": {"bool"},
    "varchar": _TEXTS,
    "text": _TEXTS,
    "date": {"date"},
    "time": {"time"},
    "timestamptz": {"timestamptz", "timestamp"},
    "timestamp": {"timestamp"},
    "uuid": {"uuid"},
    "jsonb": {"jsonb", "json"},
    "bytea": {"bytea"},
}
"""Our type of a column -> the types, by PostgreSQL's inner names, that take the same bytes and mean the same."""


def takes(column: str, kind: AttributeType, *, is_enum: bool) -> bool:
    """Whether a column of this type, by PostgreSQL's inner name, holds the values of an attribute type."""
    if is_enum:
        return kind.family in (Family.ENUM, Family.STRING)
    return column in _TAKEN[kind.postgres.partition("(")[0]]


def advance_count(spec: TableSpec, attribute: str) -> str:
    """Let an attribute that counts up go on after the highest number, which a row may have brought itself."""
    table, column = full_name(spec.name), identifier(attribute)
    return (
        f"SELECT setval(s.sequence, t.highest) FROM (SELECT max({column}) AS highest FROM {table}) AS t, "
        f"(SELECT pg_get_serial_sequence({quoted(table)}, {quoted(attribute)})::regclass AS sequence) AS s "
        "WHERE t.highest > coalesce(pg_sequence_last_value(s.sequence), 0) "
        "AND has_sequence_privilege(s.sequence, 'UPDATE')"
    )


def _key(spec: TableSpec) -> str:
    return ", ".join(map(identifier, spec.heading.primary_key or (SINGLETON,)))
