"""What there is in a database by name: its schemas, and which table refers to which; and the text that drops them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from djarrow.model.cascade import Reference
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


def references_below(table: TableName) -> str:
    """The statement that lists the tables which lose rows with those of a table, and what these refer to."""
    text = files(__package__).joinpath("below.sql").read_text("utf-8")
    return text.replace("{table}", quoted(full_name(table)))


def read_below(rows: Iterable[Mapping[str, Any]]) -> tuple[list[Reference], dict[TableName, tuple[str, ...]]]:
    """The references that rows of that statement describe, and the primary keys of the tables, which can be without."""
    references, keys = [], {}
    for row in rows:
        name, columns = TableName(row["schema"], row["table"]), tuple(json.loads(row["columns"] or "[]"))
        if row["parent"] is None:
            keys[name] = columns
        else:
            pairs = zip(columns, json.loads(row["parent_columns"]), strict=True)
            parent = TableName(row["parent_schema"], row["parent"])
            references.append(Reference(name, parent, tuple(pairs), strict=row["strict"]))
    return references, keys


def row_counts(names: Sequence[TableName]) -> str:
    """The statement that counts the rows of tables: one row, with columns n0, n1, ..."""
    counts = [f"(SELECT count(*) FROM {full_name(name)}) AS n{number}" for number, name in enumerate(names)]
    return "SELECT " + ", ".join(counts)


def drop_tables(names: Sequence[TableName]) -> str:
    """The statement that drops tables, and refuses where something else depends on one of them."""
    return f"DROP TABLE {', '.join(map(full_name, names))}"


def enum_types(schema: str) -> str:
    """The statement that lists the enum types of a schema, each once for every table that has a column of it.

    DataJoint-Python makes them for its attributes. One that no table uses has a row without a table.
    """
    return f"""SELECT DISTINCT t.typname::text AS "name", cn.nspname::text AS "schema", c.relname::text AS "table"
FROM pg_type AS t
JOIN pg_namespace AS n ON n.oid = t.typnamespace
LEFT JOIN pg_attribute AS a ON a.atttypid IN (t.oid, t.typarray) AND a.attnum > 0 AND NOT a.attisdropped
    AND EXISTS (SELECT 1 FROM pg_class AS h WHERE h.oid = a.attrelid AND h.relkind IN ('r', 'p'))
LEFT JOIN pg_class AS c ON c.oid = a.attrelid
LEFT JOIN pg_namespace AS cn ON cn.oid = c.relnamespace
WHERE t.typtype = 'e' AND n.nspname = {quoted(schema)}
ORDER BY 1, 2, 3"""


def read_types(rows: Iterable[Mapping[str, Any]]) -> dict[str, frozenset[TableName]]:
    """Type -> the tables that have a column of it."""
    users: dict[str, set[TableName]] = {}
    for row in rows:
        found = users.setdefault(row["name"], set())
        if row["table"] is not None:
            found.add(TableName(row["schema"], row["table"]))
    return {name: frozenset(tables) for name, tables in users.items()}


def drop_type(schema: str, name: str) -> str:
    """The statement that drops a type, and refuses where something depends on it."""
    return f"DROP TYPE {identifier(schema)}.{identifier(name)}"


def drop_schema(schema: str) -> str:
    """The statement that drops a schema, and refuses where something is left in it."""
    return f"DROP SCHEMA {identifier(schema)}"
