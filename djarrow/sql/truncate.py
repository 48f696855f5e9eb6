"""Statements that empty a table by TRUNCATE, and that ask whether anybody could see the difference to DELETE."""

from __future__ import annotations

from djarrow.model.names import TableName
from djarrow.sql.ddl import full_name
from djarrow.sql.literals import quoted

LEAST = 1 << 20
"""The size in bytes from which it is tried: below, DELETE is as fast, and disturbs nobody."""

REFUSED = ("55P03", "42501", "40P01")
"""The states of a lock that is not free, of a privilege that the user lacks, and of a deadlock."""


def is_worthwhile(table: TableName) -> str:
    """Whether the table is large, and has nothing that TRUNCATE passes over: references, triggers, hidden rows.

    Copies of the database that are told of rows deleted, and not of tables emptied, would keep them.
    """
    return f"""SELECT pg_relation_size(c.oid) >= {LEAST} AND c.relkind = 'r' AND NOT c.relrowsecurity
    AND NOT c.relhassubclass AND NOT c.relhasrules
    AND NOT EXISTS (SELECT 1 FROM pg_trigger AS t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal)
    AND NOT EXISTS (
        SELECT 1 FROM pg_constraint AS k WHERE k.confrelid = c.oid AND k.contype = 'f' AND k.conrelid <> c.oid
    )
    AND NOT EXISTS (SELECT 1 FROM pg_publication AS p WHERE p.pubdelete AND NOT p.pubtruncate) AS answer
FROM pg_class AS c WHERE c.oid = to_regclass({quoted(full_name(table))})"""


def lock(table: TableName) -> str:
    """Keep everybody from the table until the transaction ends, or refuse at once where somebody uses it."""
    return f"LOCK TABLE {full_name(table)} IN ACCESS EXCLUSIVE MODE NOWAIT"


def count(table: TableName) -> str:
    """The number of rows, as `n`."""
    return f"SELECT count(*) AS n FROM {full_name(table)}"


def nobody_looks() -> str:
    """Whether no other session of the database has a snapshot: the rows would be gone from it at once.

    Cleaning by the server itself has one, and reads nothing for anybody.
    """
    return """SELECT NOT EXISTS (
    SELECT 1 FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_xmin IS NOT NULL
        AND backend_type IS DISTINCT FROM 'autovacuum worker'
) AS answer"""


def truncate(table: TableName) -> str:
    """Empty the table. Numbers that count up go on where they were."""
    return f"TRUNCATE {full_name(table)}"
