"""Making tables in the database, all or nothing, however many processes declare; reading back what it holds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from attrs import field, frozen

from djarrow.errors import DefinitionMismatch, MissingSchema, TransactionError
from djarrow.model import graph
from djarrow.model.changes import mismatches
from djarrow.model.heading import Origin
from djarrow.model.names import TableName
from djarrow.model.spec import TableSpec
from djarrow.sql import catalog, ddl, locks
from djarrow.sql.catalog import Catalog
from djarrow.table.declaring import contents

if TYPE_CHECKING:
    from djarrow.engine.postgres import PostgresConnection
    from djarrow.table.declaring.contents import Report
    from djarrow.table.table import Table


def stored(connection: PostgresConnection, schemas: Iterable[str]) -> Catalog:
    """The tables of these schemas as the database holds them, and of those that they refer to. One statement."""
    wanted = set(schemas)
    return catalog.read_catalog(connection.read(catalog.tables_of(wanted)).to_pylist() if wanted else [])


@frozen
class Compared:
    """Declared tables beside the database: those that it lacks, and those that it holds otherwise, with their lines."""

    absent: tuple[TableSpec, ...] = ()
    disagreeing: Mapping[TableName, tuple[str, ...]] = field(factory=dict)

    def check(self) -> None:
        """Raise DefinitionMismatch for the first that the database holds otherwise."""
        for name, lines in self.disagreeing.items():
            raise DefinitionMismatch(lines, table=str(name))


def compare(connection: PostgresConnection, declared: Sequence[TableSpec]) -> Compared:
    """What the database lacks of the declared tables, and what it holds otherwise."""
    if not declared:
        return Compared()
    return _compared(declared, stored(connection, {spec.name.schema for spec in declared}))


def _compared(declared: Sequence[TableSpec], held: Catalog) -> Compared:
    others = {spec.name: held.spec(spec.name) for spec in declared}
    lines = {spec.name: mismatches(spec, other) for spec in declared if (other := others[spec.name]) is not None}
    absent = tuple(spec for spec in declared if others[spec.name] is None)
    return Compared(absent, {name: found for name, found in lines.items() if found})


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
        connection.read(locks.lock_declarations())
        held = stored(connection, {name.schema for spec in declared for name in (spec.name, *spec.parents)})
        compared = _compared(declared, held)
        compared.check()
        absent = {spec.name: spec for spec in compared.absent}
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
