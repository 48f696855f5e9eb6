"""Constraints and indexes that are named after attributes which were renamed in the database: the names due to them.

PostgreSQL leaves their names as they were, in the way of what another attribute of the first name is to have.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from attrs import evolve

from djarrow.model.names import TableName
from djarrow.model.spec import TableSpec
from djarrow.sql.ddl import constraint_name, foreign_key_names, full_name, index_name
from djarrow.sql.literals import identifier
from djarrow.sql.physical import Physical, has_role


def has_our_name(index: str, table: TableName) -> bool:
    """Whether an index has a name that we would give to one of the table."""
    return any(has_role(index, table, role) for role in ("index", "unique", "reference"))


def due_names(physical: Physical, spec: TableSpec) -> dict[str, str]:
    """The constraints and indexes of a table whose names are not those that we would give them: name -> new name.

    spec: the table as it is. Those of names that are none of ours are left alone, and so is what cannot be renamed
    because something else has the name.
    """
    held = {constraint.name for constraint in physical.of(spec.name)}
    held |= {name for name, _ in physical.indexes.get(spec.name, ())}
    due: dict[str, str] = {}
    for name, new in _named(physical, spec):
        if name != new and new not in due.values():
            due[name] = new
    while taken := [name for name, new in due.items() if new in held - due.keys()]:
        del due[taken[0]]
    return due


def renamed(physical: Physical, table: TableName, names: Mapping[str, str]) -> Physical:
    """With constraints and indexes of a table under other names."""
    constraints = tuple(
        evolve(one, name=names.get(one.name, one.name)) if one.table == table else one for one in physical.constraints
    )
    indexes = tuple((names.get(name, name), index) for name, index in physical.indexes.get(table, ()))
    return evolve(physical, constraints=constraints, indexes={**physical.indexes, table: indexes})


def statements(physical: Physical, table: TableName, names: Mapping[str, str]) -> Iterator[str]:
    """The statements that rename them, by way of names that nothing has: two of them may have each other's."""
    constraints = {constraint.name for constraint in physical.of(table)}
    passing = {name: constraint_name(table, "renaming", str(number)) for number, name in enumerate(names)}
    ways = [(name, name, passing[name]) for name in names]
    ways += [(name, passing[name], new) for name, new in names.items()]
    for first, name, new in ways:
        if first in constraints:
            yield f"ALTER TABLE {full_name(table)} RENAME CONSTRAINT {identifier(name)} TO {identifier(new)}"
        else:
            yield f"ALTER INDEX {identifier(table.schema)}.{identifier(name)} RENAME TO {identifier(new)}"


def _named(physical: Physical, spec: TableSpec) -> Iterator[tuple[str, str]]:
    """Our constraints and indexes of a table: the name of each, and that which we would give it."""
    table = spec.name
    keys = {frozenset(key.attributes): foreign_key_names(key, table) for key in spec.foreign_keys}
    for one in physical.of(table):
        if one.kind == "c" and len(one.columns) == 1 and has_role(one.name, table, "check"):
            yield one.name, constraint_name(table, "check", one.columns[0])
        elif one.kind == "f" and has_role(one.name, table, "foreign"):
            yield from ((one.name, foreign_key_names(key, table)[0]) for key in spec.foreign_keys if one.makes(key))
        elif one.kind == "u" and has_role(one.name, table, "unique") and frozenset(one.columns) in keys:
            yield one.name, keys[frozenset(one.columns)][1]
    for name, index in physical.indexes.get(table, ()):
        if has_our_name(name, table):
            yield name, index_name(index, spec, "index" if index in spec.indexes else "reference")
