"""Making tables in the database, and reading back what it holds. All or nothing, once, however many processes declare."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from djarrow.errors import DefinitionMismatch
from djarrow.model.differences import differences
from djarrow.model.names import TableName
from djarrow.model.spec import TableSpec
from djarrow.sql import catalog, ddl

if TYPE_CHECKING:
    from djarrow.engine.postgres import PostgresConnection


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


def missing(connection: PostgresConnection, schema: str, declared: Sequence[TableSpec]) -> list[TableSpec]:
    """The declared tables that the database lacks. Raises DefinitionMismatch for one that it holds otherwise."""
    held = stored(connection, {schema})
    for spec in declared:
        if spec.name in held and (found := differences(spec, held[spec.name])):
            raise DefinitionMismatch(found, table=str(spec.name))
    return [spec for spec in declared if spec.name not in held]


def create(connection: PostgresConnection, schema: str, declared: Sequence[TableSpec]) -> None:
    """Make the tables that are missing, parents first, in one transaction that other declarers wait for."""
    with connection.begin(isolation="READ COMMITTED"):
        connection.read(ddl.lock_declarations())
        connection.execute(ddl.create_schema(schema))
        statements = [text for spec in missing(connection, schema, declared) for text in ddl.create_table(spec)]
        if statements:
            connection.execute(ddl.block(statements))
