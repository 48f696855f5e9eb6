"""Saving a schema that the database holds as a module of classes. Its text: module_text.py."""

from __future__ import annotations

import errno
import os
import warnings
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from djarrow.errors import CyclicDependency, DefinitionError, ModuleExists, UnknownReference
from djarrow.expr.parse import parse_index_term
from djarrow.model import graph, names
from djarrow.model.changes import differences
from djarrow.model.definition import ReferenceLine
from djarrow.model.describe import describe
from djarrow.model.names import TableName
from djarrow.model.spec import TableSpec, table_spec
from djarrow.sql.catalog import sizes_of
from djarrow.table.declaring import declare
from djarrow.table.declaring.classes import check_has_master
from djarrow.table.existing.module_text import Module, group_parents, literal, top

if TYPE_CHECKING:
    from djarrow.engine.postgres import PostgresConnection
    from djarrow.table.schema import Schema


def save(schema: Schema, path: str | Path | None, *, overwrite: bool) -> str:
    """What Schema.save does."""
    target = None if path is None else _target(Path(path), overwrite=overwrite)
    connection = schema.ready_connection()
    catalog = declare.stored(connection, {schema.name})
    left_out = {name: str(why) for name, why in catalog.refused.items() if name.schema == schema.name}
    left_out |= _namesakes(schema.name, catalog.specs, connection)
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
    by_name = _unreachable(name for name in specs if name.schema != schema)
    return Module(
        schema, specs, docstring, _bring, remarks=remarks, create=names.is_schema_name(schema), by_name=by_name
    )


def _bring(other: str, name: str) -> str:
    """The line that brings another schema."""
    return f"{name} = dj.virtual({literal(other)})"


def _unreachable(tables: Iterable[TableName]) -> set[TableName]:
    """The tables that are no attributes of their virtual schemas: without a class name, or with that of another."""
    every = set(tables)
    alike = Counter((name.schema, names.class_reference(name, name.schema)) for name in every if name == top(name))
    return {
        name
        for name in every
        if not names.has_class(name)
        or alike[name.schema, names.class_reference(top(name), name.schema)] != 1  # or its master is none at all
    }


# --- tables of one name ------------------------------------------------------------------------------------------


def _namesakes(
    schema: str, specs: Mapping[TableName, TableSpec], connection: PostgresConnection
) -> dict[TableName, str]:
    """The tables of the schema that would have the class of another one, with why that one has it."""
    alike: dict[str, list[TableName]] = {}
    for name in specs:
        if name.schema == schema and names.master_of(name) is None:
            alike.setdefault(names.class_reference(name, schema), []).append(name)
    several = {reference: sorted(found) for reference, found in alike.items() if len(found) > 1}
    if not several:
        return {}
    sizes = _sizes([name for found in several.values() for name in found], connection)
    children = graph.children_of(graph.parents_of(specs.values()))
    left_out: dict[TableName, str] = {}
    for reference, found in several.items():
        # What is not empty counts most, then what others need; the name decides where there is nothing to lose.
        facts = {name: (sizes[name] > 0, len(graph.ancestors(name, children))) for name in found}
        chosen = max(found, key=facts.__getitem__)
        for name in found:
            if name != chosen:
                left_out[name] = f"{chosen} is {reference}, too{_why_chosen(facts[chosen], facts[name])}"
    return left_out


def _why_chosen(chosen: tuple[bool, int], other: tuple[bool, int]) -> str:
    if chosen[0] != other[0]:
        return ", and holds rows, which this one does not"
    return ", and more tables refer to it" if chosen[1] > other[1] else ""


def _sizes(tables: list[TableName], connection: PostgresConnection) -> dict[TableName, int]:
    rows = connection.read(sizes_of(tables)).to_pylist()
    return dict.fromkeys(tables, 0) | {TableName(row["schema"], row["table"]): row["size"] for row in rows}


# --- what a class can say ----------------------------------------------------------------------------------------


def _sayable(
    schema: str, specs: Mapping[TableName, TableSpec], left_out: dict[TableName, str]
) -> dict[TableName, TableSpec]:
    """The tables that classes can declare again, with those of other schemas. Adds to left_out the others, with why."""
    kept = {name: spec for name, spec in specs.items() if name.schema != schema}
    own = [spec for name, spec in specs.items() if name.schema == schema and name not in left_out]
    entangled = not _is_ordered(own)
    by_name = _unreachable(kept)
    for spec in own:
        why = _reason(spec, kept) or (_entangled(spec, kept) if entangled else "")
        if why := why or _read_back(spec, kept, by_name):
            left_out[spec.name] = why
        else:
            kept[spec.name] = spec
    return kept


def _reason(spec: TableSpec, kept: Mapping[TableName, TableSpec]) -> str:
    """Why a class cannot be the table, whatever its definition; empty where it can."""
    if spec.master is not None and spec.master not in kept:
        return f"its master {spec.master} is not there"
    if not names.has_class(spec.name):
        return "no class of Python can have its name"
    for parent in spec.parents:
        if parent != spec.name and parent not in kept:
            return f"it refers to {parent}, which has no class"
    return ""


def _is_ordered(specs: Iterable[TableSpec]) -> bool:
    """Whether classes with all their parts can stand in some order."""
    try:
        graph.topological_order(group_parents(specs))
    except CyclicDependency:
        return False
    return True


def _entangled(spec: TableSpec, kept: Mapping[TableName, TableSpec]) -> str:
    """Whether a part refers to a table that was made after its master; empty where not: a class is declared whole."""
    own = [each for each in kept.values() if each.name.schema == spec.name.schema]
    try:
        graph.topological_order(group_parents([*own, spec]))
    except CyclicDependency as error:
        return f"a class is declared with its parts, and {error}"
    return ""


def _read_back(spec: TableSpec, kept: Mapping[TableName, TableSpec], by_name: Collection[TableName]) -> str:
    """What is wrong with the definition of a table once it is read again; empty where it declares the same."""
    group = (spec,) if spec.master is None else (kept[spec.master], spec)
    module = Module(spec.name.schema, {each.name: each for each in group}, (), _bring, by_name=by_name)
    references = module.references(group)
    known = {text: name for name, text in references.items()}
    if spec.master is not None:
        known["master"] = spec.master

    def resolve(reference: str, line: ReferenceLine) -> TableSpec | None:
        if reference not in known:
            raise UnknownReference(reference, known, table=str(spec.name), line=line.line)
        found = known[reference]
        return None if found == spec.name else kept[found]

    try:
        again = table_spec(describe(spec, references.__getitem__), spec.name, resolve, parse_index_term)
        if spec.master is not None:
            check_has_master(again)
    except DefinitionError as error:
        return str(error)
    return "; ".join(differences(again, spec))


# --- the file ----------------------------------------------------------------------------------------------------


def _target(path: Path, *, overwrite: bool) -> Path:
    """Where to write. Raises ModuleExists, and the errors of the system for a folder and where there is none."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "a module is saved to a file, and this is a folder", str(path))
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no such folder to save a module in", str(path))
    if not overwrite and path.exists():
        raise ModuleExists(str(path))
    return path


def _write(path: Path, text: str) -> None:
    """Write the file in one step: it is there whole or not at all."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:  # it would name the partial file
        raise OSError(error.errno, f"the module cannot be written: {error.strerror}", str(path)) from error
    finally:
        partial.unlink(missing_ok=True)
