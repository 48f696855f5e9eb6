"""What an export takes: schemas, tables and what they need -> the rows of each table, as queries, parents first."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from attrs import frozen

from djarrow.errors import DefinitionError, RepositoryError
from djarrow.expr.nodes import Node, Stored
from djarrow.model import graph
from djarrow.model.names import TableName
from djarrow.model.spec import TableSpec
from djarrow.repo import manifest
from djarrow.repo.definitions import definition_of, specs_of
from djarrow.repo.manifest import Manifest, TableEntry
from djarrow.table.schema import Schema
from djarrow.table.table import Table

if TYPE_CHECKING:
    from djarrow.engine.postgres import PostgresConnection


@frozen
class Taken:
    """A table of an export. rows: a query that has the table's heading."""

    spec: TableSpec
    rows: Node

    @property
    def entry(self) -> TableEntry:
        """What the manifest says of it before its rows are written."""
        return TableEntry(self.spec.name.schema, self.spec.name.table, definition_of(self.spec))


@frozen
class Selection:
    """All that an export takes. tables: parents before children. schemas: of what was given."""

    schemas: tuple[Schema, ...]
    tables: tuple[Taken, ...]

    @property
    def connection(self) -> PostgresConnection:
        """Where they lie. Raises RepositoryError for schemas of several databases."""
        return _connection(self.schemas)

    @property
    def specs(self) -> dict[TableName, TableSpec]:
        """The specs of the tables."""
        return {taken.spec.name: taken.spec for taken in self.tables}


def select(what: Any) -> Selection:
    """The tables that are meant, and all that they refer to. Raises RepositoryError."""
    schemas, chosen = _chosen(what)
    specs = _with_ancestors(schemas, chosen)
    _connection(schemas)
    return Selection(tuple(schemas), tuple(Taken(spec, Stored(spec.name, spec.heading)) for spec in specs))


def _chosen(what: Any) -> tuple[list[Schema], list[TableName]]:
    """The schemas concerned, and the tables chosen."""
    schemas: list[Schema] = []
    tables: list[TableName] = []
    for item in [what] if isinstance(what, Schema | type) else list(what):
        if isinstance(item, Schema):
            item.activate()
            schemas += item.linked_schemas()
            tables += [cls().spec.name for cls in item.tables or _held(item)]
        elif isinstance(item, type) and issubclass(item, Table):
            schema = item().schema
            if not isinstance(schema, Schema):
                raise RepositoryError(f"{item.__name__} is a table of a repository; copy its files instead.")
            schema.activate()
            schemas += schema.linked_schemas()
            tables.append(item().spec.name)
        else:
            raise RepositoryError(f"an object of {type(item)} cannot be exported; give a schema or a table class.")
    if not tables:
        raise RepositoryError("there is nothing to export: no table was given, and no schema that holds one.")
    return schemas, tables


def _held(schema: Schema) -> list[type[Table]]:
    """The tables that the database holds of a schema without classes. Warns of those that no definition describes."""
    found = list(schema)
    if refused := schema.held.refused:
        listed = "".join(f"\n  - {name}: {why}" for name, why in refused.items())
        warnings.warn(f"these tables are not exported, because no definition describes them:{listed}", stacklevel=5)
    return found


def _connection(schemas: Iterable[Schema]) -> PostgresConnection:
    connections = {id(schema.connection): schema.connection for schema in schemas}
    if len(connections) > 1:
        raise RepositoryError("the schemas live in different databases, and one export reads one snapshot.")
    return next(iter(connections.values()))


def _with_ancestors(schemas: Iterable[Schema], chosen: Iterable[TableName]) -> list[TableSpec]:
    """The tables to write, parents first: those chosen and all that they refer to."""
    known = {name: spec for schema in schemas for name, spec in schema.held.specs.items()}
    known |= {name: spec for schema in schemas for name, spec in schema.specs.items()}
    parents = graph.parents_of(known.values())
    wanted = set(chosen)
    for name in chosen:
        wanted |= graph.ancestors(name, parents)
    manifest.check_names(sorted(wanted))
    manifest.check_distinct(sorted(wanted))
    specs = [known[name] for name in graph.topological_order({name: parents[name] for name in wanted})]
    _check_definitions(specs)
    return specs


def _check_definitions(specs: Sequence[TableSpec]) -> None:
    """Refuse tables whose definitions could not be read again when the repository is opened."""
    entries = tuple(Taken(spec, Stored(spec.name, spec.heading)).entry for spec in specs)
    try:
        specs_of(Manifest("", "", "", {}, entries))
    except DefinitionError as error:
        raise RepositoryError(
            f"a table of other software cannot be exported, because no definition can say what it is: {error} "
            "Change it in the database, or export only tables that do not refer to it."
        ) from error
