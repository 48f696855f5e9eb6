"""What made the rows of a table that fills itself, as a query: the join of its rows with the makes of their schema, or
with those that a repository tells of.

What is kept of a make: jobs/provenance.py. docs/validity.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from djarrow.errors import QueryError
from djarrow.expr.nodes import Written
from djarrow.model.names import is_made
from djarrow.table.expression import QueryExpression
from djarrow.table.source import check_held, current_offline
from djarrow.table.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from djarrow.expr.nodes import Node
    from djarrow.model.names import TableName
    from djarrow.table.schema import Schema


def provenance(expression: QueryExpression) -> QueryExpression:
    """What QueryExpression.provenance does."""
    table = expression._roots[0]
    if not isinstance(table, Table) or not is_made(table.spec.name):
        raise QueryError(
            f"{table.node} has no makes: only tables that fill themselves, and their parts, tell how their rows came."
        )
    if not set(table.primary_key) <= set(expression.heading.names):
        raise QueryError(f"{expression.node} does not tell which rows of {table.spec.name} it means.")
    result = QueryExpression(_joined(table), table)
    return result if expression is table else result & expression.proj()


def _joined(table: Table) -> Node:
    from djarrow.sql.provenance import Provenance, of_files

    repository = current_offline() or table.schema.repository
    if repository is not None:
        node = of_files(table.spec)
        check_held(repository, node)
        return node
    (found,) = notes_of(database_schema(table, "how rows came"), [table.spec.name])
    statement = Provenance(table.spec, found["makes"])
    return Written(statement.heading, statement)


def database_schema(table: Table, what: str) -> Schema:
    """The schema of a table, in a database. Raises QueryError in a repository, which does not tell this."""
    from djarrow.table.schema import Schema

    if current_offline() is not None or not isinstance(table.schema, Schema):
        raise QueryError(f"queries run on a repository here, which does not tell {what}. Ask the database.")
    return table.schema


def notes_of(schema: Schema, tables: Sequence[TableName]) -> list[dict[str, bool]]:
    """Which notes the database has of each of these tables, the last of which is to be used: see sql/notes.py."""
    from djarrow.sql.notes import find_notes

    found: list[dict[str, bool]] = schema.ready_connection(tables[-1]).read(find_notes(tables), few=True).to_pylist()
    return found
