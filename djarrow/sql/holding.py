"""Rows that are read and must stay as they are until the transaction ends."""

from __future__ import annotations

from collections.abc import Sequence

from djarrow.expr.nodes import Node
from djarrow.model.names import TableName
from djarrow.model.spec import TableSpec
from djarrow.sql import compile as compiler
from djarrow.sql.ddl import full_name
from djarrow.sql.dialects import Dialect
from djarrow.sql.literals import identifier, quoted


def may_hold(tables: Sequence[TableName]) -> str:
    """Of which tables this user may hold rows, which takes the right to change them: their places as `number`."""
    rows = ", ".join(f"({number}, {quoted(full_name(table))})" for number, table in enumerate(tables))
    return (
        f"SELECT number FROM (VALUES {rows}) AS t (number, name) "
        "WHERE has_any_column_privilege(t.name, 'UPDATE') ORDER BY number"
    )


def hold(spec: TableSpec, rows: Node) -> str:
    """Keep the rows of a table that a query tells by its key from being changed or deleted. Gives how many, as `n`."""
    key = spec.heading.primary_key
    source = compiler.source(rows, Dialect.POSTGRES, key).text
    columns = ", ".join(f"t.{identifier(name)}" for name in key)
    where = f"WHERE ({columns}) IN ({source})" if key else ""
    return f"SELECT count(*) AS n FROM (SELECT FROM {full_name(spec.name)} AS t {where} FOR SHARE OF t) AS held"
