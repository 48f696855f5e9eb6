"""Which tables fill themselves: of a schema, of a module with all of its schemas, of classes; parents first."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Any

from djarrow.errors import InvalidCondition, NoSchema
from djarrow.jobs.autopopulate import AutoPopulated
from djarrow.model import graph
from djarrow.model.names import TableName
from djarrow.table.schema import Schema
from djarrow.table.table import Table


def tables_of(*what: Any, virtual: bool = False) -> list[AutoPopulated]:
    """The tables that fill themselves: of schemas, modules, classes, or lists of these, each once, parents first.

    A module, or a package with the modules of it that are loaded, stands for the schemas that it names, and for those
    of the tables that it defines. Of two classes of one table, that of the later schema counts. virtual: of a schema
    that has no classes here, as that of dj.virtual, those made from the database; they have no make. Raises
    InvalidCondition for what is none of these, and NoSchema for a schema that is not activated.
    """
    found: dict[TableName, AutoPopulated] = {}
    homes: list[Schema] = []
    for one in _flat(what):
        for cls in _classes(one, virtual=virtual):
            table: AutoPopulated = cls()
            found[table.spec.name] = table
            if isinstance(table.schema, Schema) and table.schema not in homes:
                homes.append(table.schema)
    parents = {name: its for schema in homes for name, its in schema.all_parents().items()}
    parents.update({name: table.spec.parents for name, table in found.items() if name not in parents})
    return [found[name] for name in graph.topological_order(parents) if name in found]


def _flat(given: Iterable[Any]) -> Iterator[Any]:
    for one in given:
        if isinstance(one, list | tuple | set | frozenset):
            yield from _flat(one)
        else:
            yield one


def _classes(one: Any, *, virtual: bool) -> Iterator[type[AutoPopulated]]:
    match one:
        case Schema():
            yield from _of_schema(one, virtual=virtual)
        case ModuleType():
            for schema in schemas_of(one):
                yield from _of_schema(schema, virtual=virtual)
        case type() if issubclass(one, AutoPopulated):
            yield one
        case AutoPopulated():
            yield type(one)
        case type() | Table() if isinstance(one, Table) or issubclass(one, Table):
            name = one.__name__ if isinstance(one, type) else type(one).__name__
            raise InvalidCondition(f"{name} does not fill itself: only Imported and Computed tables do.")
        case _:
            raise InvalidCondition(f"a schema, module or table that fills itself is given, not {one!r}.")


def _of_schema(schema: Schema, *, virtual: bool) -> Iterator[type[AutoPopulated]]:
    if schema.name is None:
        raise NoSchema("a schema is not activated. Call `activate('name')` of it, or of its module, before.")
    for cls in schema.tables or (schema if virtual else ()):
        if issubclass(cls, AutoPopulated):
            yield cls


def schemas_of(module: ModuleType) -> list[Schema]:
    """The schemas that a module stands for."""
    found: list[Schema] = []
    for each in _loaded(module):
        for value in list(vars(each).values()):
            schema = value if isinstance(value, Schema) else _home(value, each.__name__)
            if schema is not None and schema not in found:
                found.append(schema)
    return found


def _loaded(module: ModuleType) -> Iterator[ModuleType]:
    """The module, and of a package those within that are loaded."""
    yield module
    if hasattr(module, "__path__"):
        for name, inner in list(sys.modules.items()):
            if name.startswith(f"{module.__name__}.") and isinstance(inner, ModuleType):
                yield inner


def _home(value: Any, module: str) -> Schema | None:
    """The schema of a table class that a module defines."""
    if isinstance(value, type) and issubclass(value, Table) and value.__module__ == module:
        home = vars(value).get("_schema")
        return home if isinstance(home, Schema) else None
    return None
