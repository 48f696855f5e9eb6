"""Saving a schema that the database holds as a module of classes. Its text: module_text.py."""

from __future__ import annotations

import keyword
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from djarrow.errors import CyclicDependency, DefinitionError, ModuleExists, UnknownReference
from djarrow.expr.parse import parse_index_term
from djarrow.model import graph, names
from djarrow.model.changes import differences
from djarrow.model.definition import ReferenceLine
from djarrow.model.names import TableName
from djarrow.model.spec import TableSpec, table_spec
from djarrow.table import declare
from djarrow.table.classes import check_has_master
from djarrow.table.module_text import Module, group_parents, top
from djarrow.table.virtual import class_name_of

if TYPE_CHECKING:
    from djarrow.table.schema import Schema


def save(schema: Schema, path: str | Path | None, *, overwrite: bool) -> str:
    """What Schema.save does."""
    target = None if path is None else Path(path)
    if target is not None and not overwrite and target.exists():
        raise ModuleExists(str(target))
    catalog = declare.stored(schema.ready_connection(), {schema.name})
    left_out = {name: str(why) for name, why in catalog.refused.items() if name.schema == schema.name}
    kept = _sayable(schema.name, catalog.specs, left_out)
    remarks = [f"Without {name}: {why}" for name, why in left_out.items()]
    text = _module(schema.name, kept, remarks).text()
    if left_out:
        listed = "".join(f"\n  - {name}: {why}" for name, why in left_out.items())
        warnings.warn(f"these tables have no class in the module of {schema.name!r}:{listed}", stacklevel=3)
    if target is not None:
        _write(target, text)
    return text


def _module(schema: str, specs: Mapping[TableName, TableSpec], remarks: list[str]) -> Module:
    docstring = [
        f"The tables of the schema {schema!r}, as the database held them.",
        "",
        "Saved by djarrow. The `make` of computed tables and the contents of lookups are not here.",
    ]
    return Module(schema, specs, docstring, lambda other, name: f'{name} = dj.virtual("{other}")', remarks=remarks)


# --- what a class can say ----------------------------------------------------------------------------------------


def _sayable(
    schema: str, specs: Mapping[TableName, TableSpec], left_out: dict[TableName, str]
) -> dict[TableName, TableSpec]:
    """The tables that classes can declare again, with those of other schemas. Adds to left_out the others, with why."""
    kept = {name: spec for name, spec in specs.items() if name.schema != schema}
    taken: dict[str, TableName] = {}
    for name, spec in specs.items():
        if name.schema != schema:
            continue
        reference = names.class_reference(name, schema)
        why = f"{taken[reference]} is {reference}, too" if reference in taken else _reason(spec, kept)
        kept[name] = spec
        if why := why or _read_back(spec, kept):
            left_out[name] = why
            del kept[name]
        else:
            taken[reference] = name
    return kept


def _reason(spec: TableSpec, kept: Mapping[TableName, TableSpec]) -> str:
    """Why a class cannot be the table, whatever its definition; empty where it can."""
    class_name = class_name_of(spec.name)
    if class_name is None or keyword.iskeyword(class_name):
        return "no class of Python can have its name"
    if spec.master is not None and spec.master not in kept:
        return f"its master {spec.master} is not there"
    for parent in spec.parents:
        if parent not in kept or top(parent) not in kept or class_name_of(parent) is None:
            return f"it refers to {parent}, which has no class"
        if parent.schema != spec.name.schema:
            try:
                names.check_schema_name(parent.schema)
            except DefinitionError as error:
                return str(error)
    return _entangled(spec, kept)


def _entangled(spec: TableSpec, kept: Mapping[TableName, TableSpec]) -> str:
    """Whether a part refers to a table that was made after its master; empty where not: a class is declared whole."""
    if spec.master is not None:
        own = [each for each in kept.values() if each.name.schema == spec.name.schema]
        try:
            graph.topological_order(group_parents([*own, spec]))
        except CyclicDependency as error:
            return f"a class is declared with its parts, and {error}"
    return ""


def _read_back(spec: TableSpec, kept: Mapping[TableName, TableSpec]) -> str:
    """What is wrong with the definition of a table once it is read again; empty where it declares the same."""
    group = tuple(each for each in kept.values() if top(each.name) == top(spec.name))
    module = _module(spec.name.schema, {each.name: each for each in group}, [])
    known = {text: name for name, text in module.references(group).items()}
    if spec.master is not None:
        known["master"] = spec.master

    def resolve(reference: str, line: ReferenceLine) -> TableSpec | None:
        if reference not in known:
            raise UnknownReference(reference, known, table=str(spec.name), line=line.line)
        found = known[reference]
        return None if found == spec.name else kept[found]

    try:
        again = table_spec(module.definition(spec, group), spec.name, resolve, parse_index_term)
        if spec.master is not None:
            check_has_master(again)
    except DefinitionError as error:
        return str(error)
    return "; ".join(differences(again, spec))


# --- the file ----------------------------------------------------------------------------------------------------


def _write(path: Path, text: str) -> None:
    """Write the file in one step: it is there whole or not at all."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
