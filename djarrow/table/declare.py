"""Making tables in the database, all or nothing, however many processes declare; reading back what it holds; filling
lookups.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from djarrow.errors import DefinitionMismatch, TransactionError
from djarrow.model import graph
from djarrow.model.differences import differences
from djarrow.model.names import TableName
from djarrow.model.spec import TableSpec
from djarrow.sql import catalog, ddl

if TYPE_CHECKING:
    from djarrow.engine.postgres import PostgresConnection
    from djarrow.table.table import Lookup


def stored(connection: PostgresConnection, schemas: Iterable[str]) -> dict[TableName, TableSpec]:
    """The tables of these schemas as the database holds them, and of those that they refer to."""
    known: set[str] = set()
    wanted = set(schemas)
    rows: list[dict[str, object]] = []
    while wanted:
        rows += connection.read(catalog.tables_of(wanted)).to_pylist()
        known |= wanted
        wanted = catalog.referenced_schemas(rows) - known
    return catalog.specs(rows)


def missing(connection: PostgresConnection, declared: Sequence[TableSpec]) -> list[TableSpec]:
    """The declared tables that the database lacks. Raises DefinitionMismatch for one that it holds otherwise."""
    held = stored(connection, {spec.name.schema for spec in declared})
    for spec in declared:
        if spec.name in held and (found := differences(spec, held[spec.name])):
            raise DefinitionMismatch(found, table=str(spec.name))
    return [spec for spec in declared if spec.name not in held]


def create(connection: PostgresConnection, declared: Sequence[TableSpec]) -> None:
    """Make the tables that are missing, parents first, in one transaction that other declarers wait for."""
    if connection.in_transaction:
        waiting = ", ".join(str(spec.name) for spec in declared)
        raise TransactionError(
            f"{waiting}: made on first use, which cannot be inside a transaction. Call `schema.activate()` before it."
        )
    with connection.begin(isolation="READ COMMITTED"):
        connection.read(ddl.lock_declarations())
        absent = {spec.name: spec for spec in missing(connection, declared)}
        order = graph.topological_order(graph.parents_of(absent.values()))
        statements = [ddl.create_schema(schema) for schema in sorted({name.schema for name in absent})]
        statements += [text for name in order for text in ddl.create_table(absent[name])]
        if statements:
            connection.execute(ddl.block(statements))


def fill(lookup: Lookup) -> None:
    """Insert the contents of a lookup unless all their keys are there: then a user who may only read is not refused."""
    from djarrow.frame.rows import to_arrow

    rows = to_arrow(lookup.contents, lookup.heading, str(lookup.spec.name))
    if not rows.num_rows:
        return
    keys = rows.select(lookup.primary_key).to_pylist()
    if len(lookup & keys) < len({tuple(key.values()) for key in keys}):
        lookup.insert(rows, skip_duplicates=True)
