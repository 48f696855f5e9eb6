"""schema.py: the classes of a schema as Python, which declares the same tables again in a database of one's own."""

from __future__ import annotations

import keyword
from collections.abc import Iterable, Mapping

from djarrow.errors import CyclicDependency
from djarrow.model import graph
from djarrow.model.names import TableName
from djarrow.model.spec import TableSpec
from djarrow.table.existing.module_text import Module, literal


def text(schema: str, specs: Mapping[TableName, TableSpec]) -> str:
    """The module of one schema. specs: of all tables of the repository, parents first."""
    docstring = [
        f"The tables of the schema {schema!r}, as they were exported.",
        "",
        "Import it with the folder of the repository on the path. Tables are made in the database when first used.",
        "The `make` of computed tables is not here.",
    ]
    late = schema in _entangled(specs.values())
    return Module(schema, specs, docstring, _import, late=late).text()


def _import(schema: str, name: str) -> str:
    """The line that brings another schema of the repository."""
    if schema.isidentifier() and not keyword.iskeyword(schema):
        return f"import {schema}.schema as {name}"
    return f"{name} = import_module({literal(schema + '.schema')})"


def _entangled(specs: Iterable[TableSpec]) -> set[str]:
    """Schemas that refer to each other. Each imports the other only before the first class that needs it."""
    edges: dict[str, set[str]] = {}
    for spec in specs:
        edges.setdefault(spec.name.schema, set()).update(parent.schema for parent in spec.parents)
    as_tables = {
        TableName(schema, ""): [TableName(other, "") for other in found - {schema}] for schema, found in edges.items()
    }
    try:
        graph.topological_order(as_tables)
    except CyclicDependency:
        return {name.schema for name in as_tables if name in graph.ancestors(name, as_tables)}
    return set()
