"""Making tables in the database, all or nothing, however many processes declare; reading back what it holds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from djarrow.errors import DefinitionMismatch, MissingSchema, TransactionError
from djarrow.model import graph
from djarrow.model.changes import differences
from djarrow.model.heading import Origin
from djarrow.model.spec import TableSpec
from djarrow.sql import catalog, ddl
from djarrow.sql.catalog import Catalog
from djarrow.table import contents

if TYPE_CHECKING:
    from djarrow.engine.postgres import PostgresConnection
    from djarrow.table.contents import Report
    from djarrow.table.table import Table


def stored(connection: PostgresConnection, schemas: Iterable[str]) -> Catalog:
    """The tables of these schemas as the database holds them, and of those that they refer to. One statement."""
    wanted = set(schemas)
    return catalog.read_catalog(connection.read(catalog.tables_of(wanted)).to_pylist() if wanted else [])


def missing(connection: PostgresConnection, declared: Sequence[TableSpec]) -> list[TableSpec]:
    """The declared tables that the database lacks. Raises DefinitionMismatch for one that it holds otherwise."""
    if not declared:
        return []
    return _missing(declared, stored(connection, {spec.name.schema for spec in declared}))


def _missing(declared: Sequence[TableSpec], held: Catalog) -> list[TableSpec]:
    for spec in declared:
        other = held.spec(spec.name)
        if other is not None and (found := differences(spec, other)):
            raise DefinitionMismatch(found, table=str(spec.name))
    return [spec for spec in declared if spec.name not in held.specs]


def carriers_of(spec: TableSpec, known: dict[Origin, str]) -> dict[str, str]:
    """The types in PostgreSQL that attributes take over from parents of other software; noted in known, too."""
    sources = {child: Origin(key.parent, name) for key in spec.foreign_keys for child, name in key.pairs}
    taken = {child: known[source] for child, source in sources.items() if source in known}
    known.update({Origin(spec.name, child): carrier for child, carrier in taken.items()})
    return taken


def existing_schemas(connection: PostgresConnection, names: Iterable[str]) -> set[str]:
    """Those of these schemas that the database has."""
    found = connection.read(catalog.schemas_among(names)).to_pylist()
    return {row["name"] for row in found}


def create(
    connection: PostgresConnection,
    declared: Sequence[TableSpec],
    *,
    schemas: Collection[str] = (),
    closed: Collection[str] = (),
    lookups: Sequence[Table] = (),
) -> tuple[Report, ...]:
    """Make missing tables, parents first, and fill lookups, in one transaction that other declarers wait for.

    schemas: created besides those of the tables. closed: may not be created; then MissingSchema is raised. Gives what
    the lookups hold otherwise than their contents say.
    """
    if connection.in_transaction:
        waiting = ", ".join([*schemas, *(str(spec.name) for spec in declared)])
        raise TransactionError(
            f"{waiting}: made on first use, which cannot be inside a transaction. Call `schema.activate()` before it."
        )
    with connection.begin(isolation="READ COMMITTED"):
        connection.read(ddl.lock_declarations())
        held = stored(connection, {name.schema for spec in declared for name in (spec.name, *spec.parents)})
        absent = {spec.name: spec for spec in _missing(declared, held)}
        order = graph.topological_order(graph.parents_of(absent.values()))
        wanted = {name.schema for name in absent} | set(schemas)
        lacking = sorted(wanted - existing_schemas(connection, wanted)) if wanted else []
        if forbidden := [name for name in lacking if name in closed]:
            raise MissingSchema(forbidden[0])
        statements = [ddl.create_schema(schema) for schema in lacking]
        for name in order:
            statements += ddl.create_table(absent[name], carriers_of(absent[name], held.carriers))
        if statements:
            connection.execute(ddl.block(statements))
        return contents.fill(connection, lookups, inside=True)
