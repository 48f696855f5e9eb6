"""Statements that hold several tables still while they are read."""

from __future__ import annotations

from collections.abc import Iterable

from djarrow.model.names import TableName
from djarrow.sql.ddl import full_name

SETTINGS = {"jit": "off"}
"""Of a transaction that reads slices: to compile their statements, of many parts, would take longer than they do."""


def lock_tables(tables: Iterable[TableName], *, wait: bool = True) -> str:
    """Keep others from dropping or truncating tables. First in a transaction: TRUNCATE shows through a snapshot.

    wait: for those who hold a table, or wait for it, alone; else the statement fails.
    """
    return f"LOCK TABLE {', '.join(map(full_name, tables))} IN ACCESS SHARE MODE{'' if wait else ' NOWAIT'}"
