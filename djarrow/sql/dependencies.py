"""What there is in a database by name: its schemas, and which table refers to which; and the text that drops them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from djarrow.model.names import TableName
from djarrow.sql.ddl import full_name
from djarrow.sql.literals import identifier, quoted

SCHEMAS = r"""
SELECT n.nspname::text AS "name"
FROM pg_namespace AS n
WHERE n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema' AND has_schema_privilege(n.oid, 'USAGE')
    AND (n.nspname <> 'public' OR EXISTS (
        SELECT 1 FROM pg_class AS c WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p')
    ))
ORDER BY n.nspname
"""
"""The statement that lists the schemas of users: `public`, which every database has, where it holds tables."""


@cache
def every_reference() -> str:
    """The statement that lists all tables and what they refer to."""
    return files(__package__).joinpath("dependencies.sql").read_text("utf-8")


def read_parents(rows: Iterable[Mapping[str, Any]]) -> dict[TableName, tuple[TableName, ...]]:
    """Table -> the other tables that it refers to, of every table."""
    parents: dict[TableName, dict[TableName, None]] = {}
    for row in rows:
        name = TableName(row["schema"], row["table"])
        found = parents.setdefault(name, {})
        if row["parent"] is not None and (parent := TableName(row["parent_schema"], row["parent"])) != name:
            found[parent] = None
    return {name: tuple(found) for name, found in parents.items()}


def row_counts(names: Sequence[TableName]) -> str:
    """The statement that counts the rows of tables: one row, with columns n0, n1, ..."""
    counts = [f"(SELECT count(*) FROM {full_name(name)}) AS n{number}" for number, name in enumerate(names)]
    return "SELECT " + ", ".join(counts)


def wait_at_most(seconds: int) -> str:
    """Give up a lock in this transaction that is not had within so long."""
    return f"SELECT set_config('lock_timeout', '{seconds}s', true) AS waiting"


def drop_tables(names: Sequence[TableName]) -> str:
    """The statement that drops tables, and refuses where something else depends on one of them."""
    return f"DROP TABLE {', '.join(map(full_name, names))}"


def enum_types(schema: str) -> str:
    """The statement that lists the enum types of a schema, which DataJoint-Python makes for its attributes."""
    return (
        'SELECT t.typname::text AS "name" FROM pg_type AS t JOIN pg_namespace AS n ON n.oid = t.typnamespace '
        f"WHERE t.typtype = 'e' AND n.nspname = {quoted(schema)}"
    )


def drop_type(schema: str, name: str) -> str:
    """The statement that drops a type, and refuses where something depends on it."""
    return f"DROP TYPE {identifier(schema)}.{identifier(name)}"


def drop_schema(schema: str) -> str:
    """The statement that drops a schema, and refuses where something is left in it."""
    return f"DROP SCHEMA {identifier(schema)}"
