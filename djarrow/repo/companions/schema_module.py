"""schema.py: the classes of a schema as Python, which declares the same tables again in a database of one's own."""

from __future__ import annotations

import keyword
from collections.abc import Iterable, Mapping
from textwrap import indent

from djarrow.errors import CyclicDependency
from djarrow.model import graph
from djarrow.model.names import TableName
from djarrow.model.spec import TableSpec
from djarrow.repo.manifest import definition_of, module_name

_BASES = {"lookup": "dj.Lookup", "manual": "dj.Manual", "imported": "dj.Imported", "computed": "dj.Computed"}

Group = tuple[TableSpec, ...]
"""A table and its parts, which are one class with others nested in it."""


def text(schema: str, specs: Mapping[TableName, TableSpec]) -> str:
    """The module of one schema. specs: of all tables of the repository, parents first."""
    groups = _groups(schema, specs)
    imports = {group[0].name: _imports(group) for group in groups}
    late = schema in _entangled(specs.values())
    blocks = [] if late else sorted(set().union(*imports.values()) if imports else set())
    head = [
        f'"""The tables of the schema {schema!r}, as they were exported.',
        "",
        "Import it with the folder of the repository on the path. Tables are made in the database when first used.",
        'The `make` of computed tables is not here."""',
        "",
        *([] if late else sorted(_standard_imports(blocks))),
        "import djarrow as dj",
        *blocks,
        "",
        f'schema = dj.Schema("{schema}")',
    ]
    body: list[str] = []
    present = set(blocks)
    for group in groups:
        new = sorted(imports[group[0].name] - present)
        present |= set(new)
        body += ["", "", *_standard_imports(new), *new, *([""] if new else []), _class(group)]
    return "\n".join([*head, *body]) + "\n"


# --- classes -----------------------------------------------------------------------------------------------------


def _class(group: Group) -> str:
    """A class with its parts nested in it."""
    table, *parts = group
    lines = ["@schema", f"class {table.class_name}({_BASES[table.tier.name]}):", indent(_definition(table), "    ")]
    for part in parts:
        lines += ["", f"    class {part.class_name}(dj.Part):", indent(_definition(part), "        ")]
    return "\n".join(lines)


def _definition(spec: TableSpec) -> str:
    text = definition_of(spec).replace("\\", "\\\\").replace('"""', r"\"\"\"")
    return f'definition = """\n{text}"""'


def _groups(schema: str, specs: Mapping[TableName, TableSpec]) -> list[Group]:
    """The tables of a schema with their parts, in an order in which each finds those that it refers to."""
    members: dict[TableName, list[TableSpec]] = {}
    for spec in specs.values():
        if spec.name.schema == schema:
            members.setdefault(spec.master or spec.name, []).append(spec)
    parents = {
        master: [_group_of(parent, specs) for spec in group for parent in spec.parents]
        for master, group in members.items()
    }
    others = {master: [p for p in found if p != master] for master, found in parents.items()}
    return [tuple(members[master]) for master in graph.topological_order(others)]


def _group_of(name: TableName, specs: Mapping[TableName, TableSpec]) -> TableName:
    return specs[name].master or name


# --- imports -----------------------------------------------------------------------------------------------------


def _imports(group: Group) -> set[str]:
    """The lines that bring the other schemas that a class refers to, under the names that its definitions use."""
    schemas = {parent.schema for spec in group for parent in spec.parents} - {group[0].name.schema}
    return set(map(_import, schemas))


def _import(schema: str) -> str:
    if schema.isidentifier() and not keyword.iskeyword(schema):
        return f"import {schema}.schema as {module_name(schema)}"
    return f'{module_name(schema)} = import_module("{schema}.schema")'


def _standard_imports(lines: Iterable[str]) -> list[str]:
    return ["from importlib import import_module"] if any("import_module" in line for line in lines) else []


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
