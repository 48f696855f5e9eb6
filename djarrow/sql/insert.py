"""Statements that insert what COPY alone cannot: by way of a staging table, or out of a query."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from typing import Any

from djarrow.model.names import TableName
from djarrow.model.spec import TableSpec
from djarrow.model.types import AttributeType, Family
from djarrow.sql.ddl import SINGLETON, full_name
from djarrow.sql.dialects import Dialect
from djarrow.sql.literals import identifier, literal, quoted


class Conflict(enum.Enum):
    """What becomes of a row whose primary key is there: an error, nothing, or the row in its place."""

    RAISE = "raise"
    SKIP = "skip"
    REPLACE = "replace"


def create_staging(spec: TableSpec, staging: TableName, columns: Sequence[str]) -> str:
    """A temporary table with these columns of the table, without its constraints."""
    return (
        f"CREATE TEMPORARY TABLE {identifier(staging.table)} ON COMMIT DROP AS "
        f"SELECT {_listed(columns)} FROM {full_name(spec.name)} WITH NO DATA"
    )


def insert_staged(spec: TableSpec, staging: TableName, columns: Sequence[str], conflict: Conflict) -> str:
    """Insert what is staged. Of rows to replace by, the last of a key counts, as if they came one by one."""
    listed, source = _listed(columns), identifier(staging.table)
    if conflict is not Conflict.REPLACE:
        return _counted(spec, columns, f"SELECT {listed} FROM {source}", conflict)
    key = spec.heading.primary_key
    latest = f"SELECT DISTINCT ON ({_listed(key)}) {listed} FROM {source} ORDER BY {_listed(key)}, ctid DESC"
    only = f"SELECT {listed} FROM {source} ORDER BY ctid DESC LIMIT 1"
    return _counted(spec, columns, latest if key else only, conflict)


def insert_values(spec: TableSpec, columns: Sequence[str], rows: Iterable[Sequence[Any]], conflict: Conflict) -> str:
    """Insert a few rows, given as canonical values of the attributes; of more than one, none may be to replace.

    Also tells what the columns of the table are, as `columns_of` does, in one column of JSON.
    """
    kinds = [spec.heading[name].type for name in columns]
    given = (
        "(" + ", ".join(literal(v, kind, Dialect.POSTGRES) for v, kind in zip(row, kinds, strict=True)) + ")"
        for row in rows
    )
    insert = f"INSERT INTO {full_name(spec.name)} ({_listed(columns)})\nVALUES {', '.join(given)}"
    held = f"(SELECT json_agg(held)::text FROM (\n{_columns(spec)}\n) AS held) AS columns"
    return _writing(insert, spec, conflict).replace("SELECT count(*)", f"SELECT {held}, count(*)", 1)


def insert_selected(spec: TableSpec, values: Sequence[tuple[str, str]], source: str, conflict: Conflict) -> str:
    """Insert what a SELECT gives. values: (attribute, its expression over the SELECT's columns)."""
    columns, listed = [name for name, _ in values], ", ".join(expression for _, expression in values)
    insert = f"INSERT INTO {full_name(spec.name)} ({_listed(columns)})\nSELECT {listed} FROM source"
    return _writing(insert, spec, conflict, source)


def insert_defaults(spec: TableSpec, conflict: Conflict) -> str:
    """Insert one row of defaults."""
    return _writing(f"INSERT INTO {full_name(spec.name)} DEFAULT VALUES", spec, conflict)


def drop_staging(staging: TableName) -> str:
    """Remove the staging table before the transaction ends, so that a second insert can have one."""
    return f"DROP TABLE {identifier(staging.table)}"


def _counted(spec: TableSpec, columns: Sequence[str], source: str, conflict: Conflict) -> str:
    return _writing(f"INSERT INTO {full_name(spec.name)} ({_listed(columns)})\n{source}", spec, conflict)


def _writing(insert: str, spec: TableSpec, conflict: Conflict, source: str | None = None) -> str:
    """The INSERT with what becomes of conflicts; gives how many rows were `inserted`, and `replaced`.

    source: a SELECT that the INSERT reads under this name; then also how many rows it has, as `given`. A row that was
    there before has a transaction that locked it to update it.
    """
    counts = ["count(*) FILTER (WHERE is_new) AS inserted", "count(*) FILTER (WHERE NOT is_new) AS replaced"]
    parts = [f"written AS (\n{insert}{_on_conflict(spec, conflict)}\nRETURNING xmax = 0 AS is_new\n)"]
    if source is not None:
        parts.insert(0, f"source AS (\n{source}\n)")
        counts.append("count(*) AS given" if conflict is Conflict.RAISE else "(SELECT count(*) FROM source) AS given")
    return f"WITH {', '.join(parts)}\nSELECT {', '.join(counts)} FROM written"


def _on_conflict(spec: TableSpec, conflict: Conflict) -> str:
    key = _listed(spec.heading.primary_key or (SINGLETON,))
    others = [name for name in spec.heading.names if name not in spec.heading.primary_key]
    if conflict is Conflict.RAISE:
        return ""
    if conflict is Conflict.SKIP or not others:
        return f"\nON CONFLICT ({key}) DO NOTHING"
    changes = ", ".join(f"{identifier(name)} = EXCLUDED.{identifier(name)}" for name in others)
    return f"\nON CONFLICT ({key}) DO UPDATE SET {changes}"


def columns_of(spec: TableSpec) -> str:
    """What the columns of a table are in PostgreSQL: name, type, is_enum. Until the transaction ends they stay that.

    Inserting no row locks the table as COPY will; LOCK would be a statement of its own.
    """
    return f"WITH locked AS (INSERT INTO {full_name(spec.name)} SELECT WHERE FALSE) {_columns(spec)}"


def _columns(spec: TableSpec) -> str:
    return (
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


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(identifier, names))
