"""The statement that changes one row and logs what it changed. The log itself: updates.py."""

from __future__ import annotations

from collections.abc import Sequence

from djarrow.model.names import TableName
from djarrow.model.spec import TableSpec
from djarrow.sql.ddl import full_name
from djarrow.sql.literals import identifier
from djarrow.sql.updates import log_changes


def update_row(spec: TableSpec, staging: TableName | None, given: Sequence[str], reset: Sequence[str]) -> str:
    """Lock the row whose key is staged, change it, log what differs; gives how many rows there were as `n`, 0 or 1.

    staging: holds the primary key and the values of the attributes given; None where there are neither. reset: the
    attributes that take their default, which is NULL where they have none. The row is locked before it is changed, so
    that what is logged as its old value is what others had left.
    """
    table, key = full_name(spec.name), [identifier(name) for name in spec.heading.primary_key]
    # Of a table without statistics PostgreSQL expects many rows, and would read the whole table to join them.
    staged = "(SELECT)" if staging is None else f"(SELECT * FROM {identifier(staging.table)} LIMIT 1)"
    same = " AND ".join(f"t.{name} = s.{name}" for name in key) or "TRUE"
    locked = " AND ".join(f"t.{name} = e.{name}" for name in key) or "TRUE"
    columns = ", ".join(f"t.{name}" for name in [*key, *map(identifier, (*given, *reset))])
    changes = [f"{name} = s.{name}" for name in map(identifier, given)]
    changes += [f"{identifier(name)} = DEFAULT" for name in reset]
    return (
        f"WITH earlier AS (SELECT {columns} FROM {table} AS t JOIN {staged} AS s ON {same} FOR NO KEY UPDATE OF t),\n"
        f"later AS (UPDATE {table} AS t SET {', '.join(changes)} FROM {staged} AS s, earlier AS e "
        f"WHERE {same} AND {locked} RETURNING {columns}),\n"
        f"logged AS ({log_changes(spec, (*given, *reset), before='earlier', after='later')})\n"
        "SELECT count(*) AS n FROM later"
    )
