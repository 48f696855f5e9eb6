"""What an export takes: what was named and all that comes with it -> the rows of each table, as queries, parents first.

What can be named: chosen.py. What comes with it: model/slices.py; docs/decisions/025-slices.md.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from djarrow.errors import DefinitionError, RepositoryError
from djarrow.expr.nodes import Node, Restricted, Stored, matched_with, tables
from djarrow.expr.operators import any_of
from djarrow.model import graph, slices
from djarrow.model.names import TableName
from djarrow.model.slices import Choice
from djarrow.model.spec import TableSpec
from djarrow.repo import manifest
from djarrow.repo.definitions import definition_of, specs_of
from djarrow.repo.exporting.chosen import Chosen, chosen
from djarrow.repo.exporting.which import Which, which_rows
from djarrow.repo.manifest import Manifest, TableEntry
from djarrow.table.schema import Schema

if TYPE_CHECKING:
    from djarrow.engine.postgres import PostgresConnection

DESCENDANTS = "descendants"


@frozen
class Taken:
    """A table of an export. rows: a query that has the table's heading. which: what the manifest says of that."""

    spec: TableSpec
    rows: Node
    which: Which = field(factory=Which)

    @property
    def entry(self) -> TableEntry:
        """What the manifest says of it before its rows are written."""
        name, which = self.spec.name, self.which
        definition = definition_of(self.spec)
        return TableEntry(name.schema, name.table, definition, extent=which.extent, restriction=which.restriction)


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

    @property
    def read(self) -> tuple[TableName, ...]:
        """All tables that are read, those that only choose rows of others among them: to be locked, in this order."""
        found = {name for taken in self.tables for name in (taken.spec.name, *tables(taken.rows))}
        return tuple(sorted(found))


def select(what: Any, include: str | None = None) -> Selection:
    """The rows that are meant, and all that they refer to. include: "descendants", also what depends on them.

    Raises RepositoryError.
    """
    if include not in (None, DESCENDANTS):
        raise RepositoryError(f"include is {DESCENDANTS!r}, or left out, and not {include!r}.")
    from djarrow.sql.slices import Slice  # imports sqlglot, which `import djarrow` need not wait for

    found = chosen(what)
    schemas = tuple(dict.fromkeys(schema for each in found for schema in each.schemas))
    connection = _connection(schemas)
    known = {name: spec for schema in schemas for name, spec in schema.held.specs.items()}
    of_classes = {name: spec for schema in schemas for name, spec in schema.specs.items()}
    known |= of_classes
    if include:
        known = _with_those_below(connection, known, {each.choice.table for each in found})
    choices = _together(found)
    plan = slices.plan([each for each, _ in choices], known, below=include is not None)
    specs = _in_order(plan.tables, known)
    if not all(spec.name in of_classes for spec in specs):
        _check_definitions(specs)
    taken = Slice(plan, {spec.name: spec for spec in specs}, [node for _, node in choices])
    told = which_rows(choices, plan, graph.parents_of(known.values()) if include else {})
    return Selection(schemas, tuple(Taken(spec, taken.rows(spec.name), told[spec.name]) for spec in specs))


def _connection(schemas: Iterable[Schema]) -> PostgresConnection:
    connections = {id(schema.connection): schema.connection for schema in schemas}
    if len(connections) > 1:
        raise RepositoryError("the schemas live in different databases, and one export reads one snapshot.")
    return next(iter(connections.values()))


def _together(found: Sequence[Chosen]) -> list[tuple[Choice, Node]]:
    """The choices: of conditions on the attributes of one table, any of them, so that it is read once."""
    simple: dict[Choice, list[Restricted]] = defaultdict(list)
    others: dict[tuple[Choice, Node], None] = {}
    for each in found:
        node = each.node
        if isinstance(node, Restricted) and isinstance(node.source, Stored) and not matched_with(node.condition):
            simple[each.choice].append(node)
        else:
            others[each.choice, node] = None
    merged = [
        (choice, Restricted(nodes[0].source, any_of([node.condition for node in nodes])))
        for choice, nodes in simple.items()
    ]
    return [*others, *merged]


# --- which tables there are ----------------------------------------------------------------------------------------


def _with_those_below(
    connection: PostgresConnection, known: Mapping[TableName, TableSpec], start: Iterable[TableName]
) -> dict[TableName, TableSpec]:
    """The tables known, with all that depend on some of them, in whichever schema, and what these refer to.

    The database tells: other schemas have tables that no class here is about.
    """
    from djarrow.sql import dependencies
    from djarrow.table.declaring import declare

    parents = dependencies.read_parents(connection.read(dependencies.every_reference()).to_pylist())
    children = graph.children_of(parents)
    below, waiting = set[TableName](), list(start)
    while waiting:
        new = set(children.get(waiting.pop(), ())) - below
        below |= new
        waiting += new
    missing = {name for name in below if name not in known and not name.is_note}
    if not missing:
        return dict(known)
    catalog = declare.stored(connection, {name.schema for name in missing})
    if refused := {name: catalog.refused[name] for name in sorted(missing & catalog.refused.keys())}:
        listed = "".join(f"\n  - {name}: {why}" for name, why in refused.items())
        warnings.warn(
            "these tables depend on what is exported, and are not exported themselves, because no definition describes "
            f"them:{listed}",
            stacklevel=4,
        )
    return {**catalog.specs, **known}


def _in_order(wanted: Iterable[TableName], known: Mapping[TableName, TableSpec]) -> list[TableSpec]:
    """The tables to write, parents first."""
    names = sorted(wanted)
    manifest.check_names(names)
    manifest.check_distinct(names)
    parents = graph.parents_of(known[name] for name in names)
    return [known[name] for name in graph.topological_order(parents)]


def _check_definitions(specs: Sequence[TableSpec]) -> None:
    """Refuse tables whose definitions could not be read again when the repository is opened.

    Only those without a class can have such: what a class says has been read from a definition.
    """
    entries = tuple(Taken(spec, Stored(spec.name, spec.heading)).entry for spec in specs)
    try:
        specs_of(Manifest("", "", "", {}, entries))
    except DefinitionError as error:
        raise RepositoryError(
            f"a table of other software cannot be exported, because no definition can say what it is: {error} "
            "Change it in the database, or export only tables that do not refer to it."
        ) from error
