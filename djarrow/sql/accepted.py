"""The results that someone said still hold: the table that keeps it, and the statement that writes it.

docs/decisions/020-stale-results.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from djarrow.expr.nodes import Node
from djarrow.model.heading import Attribute, Heading, Origin, Special
from djarrow.model.names import NAME_BYTES, TableName
from djarrow.model.spec import TableSpec
from djarrow.model.types import core
from djarrow.sql.ddl import MADE, block, compared, create_table, full_name
from djarrow.sql.dialects import Dialect
from djarrow.sql.literals import identifier, quoted
from djarrow.sql.makes import SNAPSHOT, TRANSACTION
from djarrow.sql.updates import key_of

ACCEPTED = "~accepted"
"""Its name in the schema, beside `~makes`."""

HASH = "_hash"
"""The hidden column of the hash of the key, by which it is found."""


def accepted_spec(schema: str) -> TableSpec:
    """What was accepted in a schema, as a table."""
    name = TableName(schema, ACCEPTED)
    named = core("varchar", NAME_BYTES)
    attributes = (
        Attribute("id", core("int64"), default=Special.AUTO, comment="counts up", lineage=Origin(name, "id")),
        Attribute("table_name", named, comment="the table, as it is called in the schema"),
        Attribute("key", core("json"), comment="the primary key of the row that holds"),
        Attribute("make", core("uuid"), comment="the make that it comes from"),
        Attribute("fingerprints", core("json"), comment="of the code then: of the table and of those upstream"),
        Attribute("user_name", named, comment="who said so"),
        Attribute("accepted", core("timestamp"), comment="when"),
    )
    return TableSpec(name, "results that hold although what they come from has changed", Heading(attributes, ("id",)))


def find_accepted(schema: str) -> str:
    """Whether there is that table, as `found`."""
    return f"SELECT to_regclass({quoted(full_name(TableName(schema, ACCEPTED)))}) IS NOT NULL AS found"


def create_accepted(schema: str) -> str:
    """The statement that makes the table, where there is none. It must not run twice at once."""
    table = full_name(TableName(schema, ACCEPTED))
    hidden = (
        f"ALTER TABLE {table} ADD COLUMN {identifier(SNAPSHOT)} pg_snapshot DEFAULT pg_current_snapshot(), "
        f"ADD COLUMN {identifier(TRANSACTION)} xid8 DEFAULT pg_current_xact_id(), "
        f'ADD COLUMN {identifier(HASH)} text COLLATE "C"'
    )
    index = f'CREATE INDEX ON {table} ("make", {identifier(HASH)})'
    return block([*create_table(accepted_spec(schema)), hidden, index], unless="duplicate_table")


def hash_of(spec: TableSpec, row: str) -> str:
    """The hash of the primary key of a row."""
    return f"md5({key_of(spec, row)}::text)"


def accept(spec: TableSpec, chosen: Node, fingerprints: Mapping[str, str]) -> str:
    """Keep that rows of a table, whose keys a query gives, hold by code of these fingerprints. Gives the number `n`."""
    from djarrow.sql import compile as compiler  # brings sqlglot, which `import djarrow` need not wait for

    key = spec.heading.primary_key
    keys = compiler.source(chosen, Dialect.POSTGRES, key).text
    same = " AND ".join(f"{compared(spec.heading[name], 't')} = c.{identifier(name)}" for name in key) or "TRUE"
    return (
        f'WITH kept AS (INSERT INTO {full_name(TableName(spec.name.schema, ACCEPTED))} ("table_name", "key", "make", '
        f'"fingerprints", "user_name", "accepted", {identifier(HASH)})\n'
        f"SELECT {quoted(spec.name.table)}, {key_of(spec, 't')}, t.{identifier(MADE)}, "
        f"{quoted(json.dumps(dict(fingerprints)))}::jsonb, session_user, clock_timestamp(), {hash_of(spec, 't')}\n"
        f"FROM {full_name(spec.name)} AS t JOIN ({keys}) AS c ON {same} RETURNING 1)\n"
        "SELECT count(*) AS n FROM kept"
    )
