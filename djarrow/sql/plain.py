"""Tables that do nothing but hold rows: whoever writes to one of them knows what has changed."""

from __future__ import annotations

from collections.abc import Sequence

from djarrow.model.names import TableName
from djarrow.sql.ddl import full_name
from djarrow.sql.literals import quoted


def plain(tables: Sequence[TableName]) -> str:
    """Which of some tables are: their places as `number`. Views are not, nor tables with triggers, rules or policies,
    and those that others inherit from.
    """
    rows = ", ".join(f"({number}, {quoted(full_name(table))})" for number, table in enumerate(tables))
    return (
        f"SELECT number FROM (VALUES {rows}) AS t (number, name) JOIN pg_class AS c ON c.oid = to_regclass(t.name) "
        "WHERE c.relkind = 'r' AND NOT c.relhassubclass AND NOT c.relhasrules AND NOT c.relrowsecurity "
        "AND NOT EXISTS (SELECT FROM pg_trigger AS g WHERE g.tgrelid = c.oid AND NOT g.tgisinternal)"
    )
