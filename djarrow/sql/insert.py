"""Statements that insert what COPY alone cannot: by way of a staging table, or out of a query."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from attrs import frozen

from djarrow.model.heading import Heading
from djarrow.model.names import TableName
from djarrow.model.spec import TableSpec
from djarrow.model.types import AttributeType, Family
from djarrow.sql.ddl import MADE, SINGLETON, default_of, full_name
from djarrow.sql.dialects import Dialect
from djarrow.sql.literals import identifier, literal, quoted
from djarrow.sql.updates import log_changes


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


def insert_staged(
    spec: TableSpec, staging: TableName, columns: Sequence[str], conflict: Conflict, *, made: str | None = None
) -> str:
    """Insert what is staged; gives how many rows were `inserted`, and `replaced`.

    Of rows to replace by, the last of a key counts, as if they came one by one. made: of rows that are not to replace
    others, the number of the make that they are of, as an expression over a staged row `s`.
    """
    listed, source = _listed(columns), identifier(staging.table)
    every = f"SELECT {listed} FROM {source}"
    if made is not None:
        columns, every = (*columns, MADE), f"SELECT {listed}, {made} FROM {source} AS s"
    if conflict is not Conflict.REPLACE:
        return _insert(spec, columns, every, conflict)
    key = spec.heading.primary_key
    latest = f"SELECT DISTINCT ON ({_listed(key)}) {listed} FROM {source} ORDER BY {_listed(key)}, ctid DESC"
    return _replace(spec, columns, latest if key else f"{every} ORDER BY ctid DESC LIMIT 1")


@frozen
class Values:
    """An INSERT of a few rows. Gives, for each that was written, the numbers of the `types` of its columns.

    rows: each as text, in parentheses. columns: their types, as PREPARE takes them.
    """

    before: str
    rows: tuple[str, ...]
    after: str
    columns: tuple[str, ...]

    @property
    def text(self) -> str:
        """The whole statement."""
        return f"{self.before}{', '.join(self.rows)}{self.after}"

    @property
    def of_parameters(self) -> str:
        """The statement of one row, with $1, $2, ... for its values."""
        return _of_parameters(self.before, len(self.columns), self.after)


def insert_values(spec: TableSpec, columns: Sequence[str], rows: Iterable[Sequence[Any]], conflict: Conflict) -> Values:
    """Insert a few rows, given as canonical values of the attributes, of which none is to replace another."""
    kinds = [spec.heading[name].type for name in columns]
    given = tuple(
        "(" + ", ".join([literal(v, kind, _PG) for v, kind in zip(row, kinds, strict=True)]) + ")" for row in rows
    )
    before, after, types = _around_values(spec.name, spec.heading, tuple(columns), conflict)
    return Values(before, given, after, types)


class Waited(NamedTuple):
    """A row of a make that has waited for others: canonical values of attributes. make: the number of the make, which
    tables that fill themselves keep with it.
    """

    values: Mapping[str, Any]
    make: UUID


def insert_waited(spec: TableSpec, rows: Sequence[Waited]) -> str:
    """Insert rows of several makes in this order. What one does not give takes its default."""
    given = {name for row in rows for name in row.values}
    columns = [(a.name, a.type) for a in spec.heading if a.name in given]
    made = [identifier(MADE)] if spec.is_made else []
    texts = []
    for row in rows:
        values = row.values
        parts = [literal(values[name], kind, _PG) if name in values else "DEFAULT" for name, kind in columns]
        if made:
            parts.append(f"'{row.make}'")
        texts.append(f"({', '.join(parts)})")
    names = ", ".join([*(identifier(name) for name, _ in columns), *made])
    return f"INSERT INTO {full_name(spec.name)} ({names})\nVALUES {', '.join(texts)}"


_PG = Dialect.POSTGRES


@lru_cache(maxsize=256)
def _around_values(
    name: TableName, heading: Heading, columns: tuple[str, ...], conflict: Conflict
) -> tuple[str, str, tuple[str, ...]]:
    """What does not differ from insert to insert. An enum's type is left to the server: only it knows its name."""
    after = f"{_on_conflict(heading, conflict)}\nRETURNING {_types(heading)} AS types"
    kinds = [heading[column].type for column in columns]
    types = ("unknown" if k.family is Family.ENUM else Dialect.POSTGRES.type_name(k) for k in kinds)
    return f"INSERT INTO {full_name(name)} ({_listed(columns)})\nVALUES ", after, tuple(types)


@lru_cache(maxsize=256)
def _of_parameters(before: str, columns: int, after: str) -> str:
    return f"{before}({', '.join(f'${number}' for number in range(1, columns + 1))}){after}"


def _types(heading: Heading) -> str:
    """The numbers of the types of a row's columns, as one text: known without a look at the catalog."""
    each = [f"pg_typeof({identifier(name)})::oid" for name in heading.names]
    parts = [", ".join(each[start : start + _ARGUMENTS]) for start in range(0, len(each), _ARGUMENTS)]
    return " || ',' || ".join(f"concat_ws(',', {part})" for part in parts)


_ARGUMENTS = 90
"""PostgreSQL's functions take a hundred at most."""


def type_of(number: int) -> tuple[str, bool]:
    """What PostgreSQL calls the type of a number, and whether it is one that a user made, as enums are."""
    return _NUMBERS.get(number, f"of number {number}"), number >= FIRST_OF_USERS


FIRST_OF_USERS = 16_384
"""PostgreSQL numbers what users make from here on; its own types have these numbers in every version:"""

_NUMBERS = {
    16: "bool",
    17: "bytea",
    20: "int8",
    21: "int2",
    23: "int4",
    25: "text",
    114: "json",
    700: "float4",
    701: "float8",
    1042: "bpchar",
    1043: "varchar",
    1082: "date",
    1083: "time",
    1114: "timestamp",
    1184: "timestamptz",
    1700: "numeric",
    2950: "uuid",
    3802: "jsonb",
}


def insert_selected(spec: TableSpec, values: Sequence[tuple[str, str]], source: str, conflict: Conflict) -> str:
    """Insert what a SELECT gives; gives how many rows were `inserted`, and `replaced`, of how many `given`.

    values: (attribute, its expression over the SELECT's columns).
    """
    columns, listed = [name for name, _ in values], ", ".join(f"{text} AS {identifier(name)}" for name, text in values)
    every = f"SELECT {listed} FROM (\n{source}\n) AS s"
    if conflict is Conflict.REPLACE:
        return _replace(spec, columns, every)
    return _insert(spec, columns, every, conflict, counted=True)


def insert_defaults(spec: TableSpec, conflict: Conflict) -> str:
    """Insert one row of defaults; gives how many rows were `inserted`, and `replaced`."""
    columns = spec.heading.names[:1]
    if conflict is Conflict.REPLACE and not spec.heading.primary_key:
        return _replace(spec, columns, f"SELECT {_default_of(spec, columns[0])} AS {identifier(columns[0])}")
    insert = f"INSERT INTO {full_name(spec.name)} DEFAULT VALUES{_on_conflict(spec.heading, conflict)}"
    return f"WITH written AS ({insert} RETURNING 1) SELECT count(*) AS inserted, 0 AS replaced FROM written"


def _default_of(spec: TableSpec, name: str) -> str:
    return default_of(spec.heading[name]) or "NULL"


def drop_staging(staging: TableName) -> str:
    """Remove the staging table before the transaction ends, so that a second insert can have one."""
    return f"DROP TABLE {identifier(staging.table)}"


def _insert(spec: TableSpec, columns: Sequence[str], source: str, conflict: Conflict, *, counted: bool = False) -> str:
    """INSERT of the rows of a SELECT. counted: it also gives how many these are."""
    insert = f"INSERT INTO {full_name(spec.name)} ({_listed(columns)})\n"
    parts, counts = [], "count(*) AS inserted, 0 AS replaced"
    if counted and conflict is Conflict.SKIP:
        parts, source = [f"given AS (\n{source}\n)"], f"SELECT {_listed(columns)} FROM given"
        counts += ", (SELECT count(*) FROM given) AS given"
    elif counted:
        counts += ", count(*) AS given"
    parts.append(f"written AS (\n{insert}{source}{_on_conflict(spec.heading, conflict)}\nRETURNING 1\n)")
    return f"WITH {', '.join(parts)}\nSELECT {counts} FROM written"


def _replace(spec: TableSpec, columns: Sequence[str], source: str) -> str:
    """INSERT of the rows of a SELECT in the place of those that have their keys, of which the log keeps the values.

    Gives how many rows were `inserted` and `replaced`, of how many `given`, and how many the log was written for, as
    `earlier`: another session may have inserted one since the statement began. These are locked, and read, before they
    are written. A new row has no transaction that locked it to update it.
    """
    table, key = full_name(spec.name), spec.heading.primary_key
    others = spec.heading.secondary
    same = " AND ".join(f"t.{name} = g.{name}" for name in map(identifier, key)) or "TRUE"
    every = ", ".join(f"t.{identifier(name)}" for name in spec.heading.names)
    earlier = f"SELECT {every} FROM {table} AS t JOIN given AS g ON {same} FOR NO KEY UPDATE OF t"
    insert = (
        f"INSERT INTO {table} ({_listed(columns)})\nSELECT {_listed(columns)} FROM given "
        f"WHERE (SELECT count(*) FROM earlier) >= 0{_on_conflict(spec.heading, Conflict.REPLACE)}\n"
        f"RETURNING {_listed(spec.heading.names)}, xmax = 0 AS is_new"
    )
    parts = {"given": source, "earlier": earlier, "written": insert}
    if others:
        parts["logged"] = log_changes(spec, others, before="earlier", after="written")
    text = ",\n".join(f"{name} AS (\n{part}\n)" for name, part in parts.items())
    return (
        f"WITH {text}\nSELECT count(*) FILTER (WHERE is_new) AS inserted, count(*) FILTER (WHERE NOT is_new) AS "
        "replaced, (SELECT count(*) FROM given) AS given, (SELECT count(*) FROM earlier) AS earlier FROM written"
    )


def _on_conflict(heading: Heading, conflict: Conflict) -> str:
    key = _listed(heading.primary_key or (SINGLETON,))
    if conflict is Conflict.RAISE:
        return ""
    if conflict is Conflict.SKIP or not heading.secondary:
        return f"\nON CONFLICT ({key}) DO NOTHING"
    changes = ", ".join(f"{identifier(name)} = EXCLUDED.{identifier(name)}" for name in heading.secondary)
    return f"\nON CONFLICT ({key}) DO UPDATE SET {changes}"


def columns_of(spec: TableSpec, *, inserting: bool = True) -> str:
    """What the columns of a table are in PostgreSQL: name, type, is_enum. Until the transaction ends they stay that.

    inserting: no row is inserted, which locks the table as COPY will; LOCK would be a statement of its own. Who may
    not insert reads nothing: what nobody asks for is not run, and locks.
    """
    table = full_name(spec.name)
    return (
        f"WITH locked AS ({f'INSERT INTO {table} SELECT WHERE FALSE' if inserting else f'SELECT FROM {table}'}) "
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
