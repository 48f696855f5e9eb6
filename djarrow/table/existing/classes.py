"""Classes made of what the database holds, and how the class of a table is found by name.

Making tables from classes is the other way, of declaring/. Specification: 001 6.1; docs/existing-databases.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from djarrow.model import names
from djarrow.model.names import TableName
from djarrow.table.table import BASES, Home, Part, Table

if TYPE_CHECKING:
    from djarrow.model.spec import TableSpec

Classes = Mapping[TableName, type[Table]]


def classes_of(specs: Iterable[TableSpec], home: Home, declared: Classes | None = None) -> dict[TableName, type[Table]]:
    """A class for each of these tables, parts also as attributes of the masters that are made here.

    home: what the tables belong to. declared: classes of other tables, whose parts may be among these.
    """
    made: dict[TableName, type[Table]] = {}
    for spec in sorted(specs, key=lambda spec: spec.master is not None):  # masters before parts
        cls = made[spec.name] = _class(spec, home)
        if spec.master is not None and issubclass(cls, Part):
            cls._master = made.get(spec.master) or (declared or {}).get(spec.master)
            if spec.master in made and names.has_class(spec.name):
                setattr(made[spec.master], cls.__name__, cls)
    return made


def _class(spec: TableSpec, home: Home) -> type[Table]:
    """The class of a table. Without the `make` of those that compute: the database does not keep it."""
    base = BASES[spec.tier] if spec.master is None else Part
    members: dict[str, Any] = {
        "_spec": spec,
        "_schema": home,
        "__doc__": spec.comment or None,
        "__module__": names.module_name(home.name),
        "__qualname__": names.class_reference(spec.name, home.name),
    }
    metaclass: Any = type(base)
    made: type[Table] = metaclass(spec.class_name, (base,), members)
    return made


def attributes_of(classes: Classes) -> dict[str, type[Table]]:
    """Class name -> class, of those that are no parts and have it for themselves: `#rig` and `rig` are both Rig."""
    found: dict[str, list[type[Table]]] = {}
    for name, cls in classes.items():
        _, class_name, master = names.split_table_name(name.table)
        if master is None and names.has_class(name):
            found.setdefault(class_name, []).append(cls)
    return {name: alike[0] for name, alike in found.items() if len(alike) == 1}


def find(classes: Classes, name: str) -> type[Table] | None:
    """The class of a table by name: `Session.Trial`, `session__trial`, or with the tier's prefix, `_session__trial`."""
    for key in (_table, reference, _bare):
        found = [cls for each, cls in classes.items() if key(each) == name]
        if len(found) == 1:
            return found[0]
    return None


def is_called(table: TableName, name: str) -> bool:
    """Whether a table can be asked for by a name, if no other can."""
    return name in (_table(table), reference(table), _bare(table))


def _table(name: TableName) -> str:
    return name.table


def reference(name: TableName) -> str | None:
    """How a class is referred to within its schema; None for a table that no class would be."""
    return names.class_reference(name, name.schema) if names.has_class(name) else None


def _bare(name: TableName) -> str:
    return name.table.removeprefix(names.split_table_name(name.table)[0].prefix)
