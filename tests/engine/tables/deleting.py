"""What the tests of delete share: classes made from a name and a definition, and what is left in a schema."""

from __future__ import annotations

from typing import Any

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection

ORPHANS = """
SELECT format(
    'SELECT count(*) AS n FROM %s AS c WHERE NOT EXISTS (SELECT 1 FROM %s AS p WHERE (%s) = (%s)) AND NOT (%s)',
    k.conrelid::regclass, k.confrelid::regclass,
    (SELECT string_agg(format('p.%I', a.attname), ', ' ORDER BY u.place) FROM unnest(k.confkey) WITH ORDINALITY
        AS u (number, place) JOIN pg_attribute AS a ON a.attrelid = k.confrelid AND a.attnum = u.number),
    (SELECT string_agg(format('c.%I', a.attname), ', ' ORDER BY u.place) FROM unnest(k.conkey) WITH ORDINALITY
        AS u (number, place) JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = u.number),
    (SELECT string_agg(format('c.%I IS NULL', a.attname), ' OR ') FROM unnest(k.conkey) AS u (number)
        JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = u.number)) AS text
FROM pg_constraint AS k JOIN pg_namespace AS n ON n.oid = k.connamespace
WHERE k.contype = 'f' AND n.nspname = '{}'
"""
"""A statement for each foreign key of a schema, which counts the rows that refer to none."""


def make(schema: dj.Schema, name: str, definition: str, base: type[dj.Table] = dj.Manual, **members: Any) -> Any:
    """A table class of this name and definition, declared in the schema."""
    return schema(type(name, (base,), {"definition": definition, **members}))


def part(name: str, definition: str) -> type[dj.Part]:
    """The class of a part."""
    return type(name, (dj.Part,), {"definition": definition})


def sizes(*tables: Any) -> list[int]:
    """How many rows these tables have."""
    return [len(table) for table in tables]


def orphans(connection: PostgresConnection, schema: str) -> int:
    """How many rows of a schema refer to rows that are not there, whatever the server's own checks say."""
    texts = connection.query(ORPHANS.format(schema)).column("text").to_pylist()
    return sum(connection.query(text).column("n")[0].as_py() for text in texts)
