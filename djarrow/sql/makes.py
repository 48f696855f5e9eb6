"""The makes of a schema: the table that keeps what made its rows, and the statement that ends a make.

docs/decisions/017-makes-and-jobs.md.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from attrs import frozen

from djarrow.model.heading import Attribute, Heading, Origin, Special
from djarrow.model.names import NAME_BYTES, TableName
from djarrow.model.spec import Index, TableSpec
from djarrow.model.types import core
from djarrow.model.values import normalise
from djarrow.sql.ddl import MADE, block, create_table, full_name, made_column
from djarrow.sql.dialects import Dialect
from djarrow.sql.literals import identifier, literal, quoted

MAKES = "~makes"
"""Its name in the schema, beside `~updates`."""


SNAPSHOT = "_snapshot"
"""The hidden column of the transactions that a make has seen, by which `stale` knows the changes that it has not."""


@frozen
class Make:
    """What its schema keeps of a make, but for when it began: that is told by the server's clock.

    number: its own. seconds: how long it took. keys: how many keys it was for. host, user, process: where it ran.
    version: djarrow's. commit, dirty: of the code, and whether that was changed since; None outside of a repository.
    fingerprint: of the code of make.
    """

    number: uuid.UUID
    seconds: float
    keys: int
    host: str
    user: str
    process: int
    version: str
    fingerprint: str
    commit: str | None = None
    dirty: bool | None = None


def makes_spec(schema: str) -> TableSpec:
    """The makes of a schema, as a table."""
    name = TableName(schema, MAKES)
    attributes = (
        Attribute("make", core("uuid"), comment="the number of the make", lineage=Origin(name, "make")),
        Attribute("table_name", core("varchar", NAME_BYTES), comment="the table, as it is called in the schema"),
        Attribute("started", core("timestamp"), comment="when it began"),
        Attribute("duration", core("float64"), comment="seconds that it took"),
        Attribute("keys", core("int64"), comment="how many keys it was for"),
        Attribute("host", core("varchar", 255), comment="where it ran"),
        Attribute("user", core("varchar", 255), comment="who ran it there"),
        Attribute("process", core("int64"), comment="the number of the process there"),
        Attribute("version", core("varchar", 64), comment="of djarrow"),
        Attribute("git_commit", core("varchar", 64), nullable=True, default=Special.NULL, comment="of the code"),
        Attribute("dirty", core("bool"), nullable=True, default=Special.NULL, comment="changed since that commit"),
        Attribute("fingerprint", core("varchar", 64), comment="SHA-256 of the code of make"),
    )
    return TableSpec(
        name,
        "what made the rows of the tables that fill themselves",
        Heading(attributes, ("make",)),
        indexes=(Index(("table_name", "started")),),
    )


def ready_table(table: TableName) -> str:
    """Whether a table can be made: `makes`, the makes are there, and `made`, it has the hidden column."""
    return (
        f"SELECT to_regclass({quoted(full_name(TableName(table.schema, MAKES)))}) IS NOT NULL AS makes, "
        f"EXISTS (SELECT FROM pg_attribute WHERE attrelid = {quoted(full_name(table))}::regclass "
        f"AND attname = {quoted(MADE)} AND NOT attisdropped) AS made"
    )


def create_makes(schema: str) -> str:
    """The statement that makes the table of makes, where there is none. It must not run twice at once."""
    table = full_name(TableName(schema, MAKES))
    hidden = f"ALTER TABLE {table} ADD COLUMN {identifier(SNAPSHOT)} pg_snapshot DEFAULT pg_current_snapshot()"
    return block([*create_table(makes_spec(schema)), hidden], unless="duplicate_table")


def add_made_column(table: TableName) -> str:
    """Give a table of other software the hidden column. Its rows are not rewritten."""
    return f"ALTER TABLE {full_name(table)} ADD COLUMN IF NOT EXISTS {made_column()}"


def is_made(spec: TableSpec, key: Mapping[str, Any]) -> str:
    """Whether there is a row of a key, as `made`."""
    return f"SELECT {_exists(spec, key)} AS made"


def finish(spec: TableSpec, key: Mapping[str, Any], make: Make) -> str:
    """Keep a make where its row is there: an INSERT that gives one row then, and none where the row is missing."""
    return f"{_insert(spec.name, make)}\nWHERE {_exists(spec, key)}\nRETURNING 'made'"


def finish_batch(table: TableName, make: Make, missing: str) -> str:
    """Keep a make of several keys: an INSERT that gives one row, and none where the SELECT of missing keys has any."""
    return f"{_insert(table, make)}\nWHERE NOT EXISTS (\n{missing}\n)\nRETURNING 'made'"


def finish_counted(table: TableName, make: Make, made: str, left: str) -> str:
    """Keep a make of as many keys as a SELECT counts: an INSERT that gives how many were made, and how many are left.

    made, left: the SELECTs that count these; made has the column `n`. Where none were made, it gives no row.
    """
    insert = _insert(table, make, keys="made.n")
    return f"{insert}\nFROM (\n{made}\n) AS made\nWHERE made.n > 0\nRETURNING {identifier('keys')}, (\n{left}\n)"


def _exists(spec: TableSpec, key: Mapping[str, Any]) -> str:
    same = " AND ".join(f"t.{identifier(name)} = {_literal(spec, name, value)}" for name, value in key.items())
    return f"EXISTS (SELECT FROM {full_name(spec.name)} AS t WHERE {same or 'TRUE'})"


def _literal(spec: TableSpec, name: str, value: Any) -> str:
    kind = spec.heading[name].type
    return literal(normalise(value, kind), kind, _PG)


def _insert(table: TableName, make: Make, keys: str | None = None) -> str:
    """INSERT of what is kept of a make, without its FROM and WHERE. It began so long ago as it has taken.

    keys: the expression for how many it was for, where make does not tell.
    """
    values = {
        "make": make.number,
        "table_name": table.table,
        "duration": make.seconds,
        "keys": make.keys,
        "host": make.host,
        "user": make.user,
        "process": make.process,
        "version": make.version,
        "git_commit": make.commit,
        "dirty": make.dirty,
        "fingerprint": make.fingerprint,
    }
    heading = makes_spec(table.schema).heading
    given = [literal(normalise(value, heading[name].type), heading[name].type, _PG) for name, value in values.items()]
    if keys is not None:
        given[list(values).index("keys")] = keys
    began = f"clock_timestamp() - make_interval(secs => {given[2]})"
    columns = ", ".join(map(identifier, (*values, "started")))
    return f"INSERT INTO {full_name(TableName(table.schema, MAKES))} ({columns})\nSELECT {', '.join(given)}, {began}"


_PG = Dialect.POSTGRES
