"""Which classes a schema has: kept until it is activated, then made its tables, each with its parts or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from attrs import frozen

from djarrow.errors import DefinitionError
from djarrow.model import graph, names
from djarrow.model.changes import differences
from djarrow.model.names import TableName
from djarrow.table.declaring.classes import Declaration, check_alone
from djarrow.table.declaring.references import Namespace
from djarrow.table.table import Part, Table

if TYPE_CHECKING:
    from djarrow.model.spec import TableSpec
    from djarrow.table.schema import Schema


@frozen
class Decorated:
    """A class that was decorated, with its parts, and the names in sight there."""

    cls: type[Table]
    parts: dict[str, type[Part]]
    namespaces: tuple[Namespace, ...]

    @property
    def classes(self) -> tuple[type[Table], ...]:
        """The class, then its parts."""
        return (self.cls, *self.parts.values())


def check_owner(cls: type[Table], schema: Schema) -> None:
    """Refuse a class that is a table of another schema already."""
    owner = vars(cls).get("_schema")
    if owner is None or owner is schema:
        return
    if owner.name is not None and (owner.name, owner.place) == (schema.name, schema.place):
        return  # another object of the same schema
    raise DefinitionError(
        f"the class {cls.__name__} is a table of {owner!r} already, and belongs to one schema. "
        "Derive a class from it, and decorate that."
    )


def collect(schema: Schema, one: Decorated) -> None:
    """Keep a class until its schema is activated; one that is defined anew takes the place of the earlier.

    Raises DefinitionError for what is wrong with it whatever its references turn out to mean.
    """
    for cls in one.classes:
        check_alone(cls, None if cls is one.cls else one.cls)
    key = one.cls.__module__, one.cls.__name__
    earlier = schema._collected.get(key)
    if earlier is not None and earlier.cls is not one.cls:
        for cls in earlier.classes:
            cls._spec = cls._schema = None
    if schema.name is None:
        for cls in one.classes:
            cls._spec, cls._schema = None, schema
    schema._collected[key] = one


def declare(schema: Schema, one: Decorated) -> None:
    """Make a class and its parts tables of the schema: all of them, or none. Raises DefinitionError and its leaves."""
    held = dict(schema._classes), list(schema._pending), list(schema._linked)
    before = [(cls, vars(cls).get("_spec"), vars(cls).get("_schema")) for cls in one.classes]
    try:
        for cls in one.classes:
            _register(schema, cls, None if cls is one.cls else one.cls, one)
    except BaseException:
        schema._classes, schema._pending, schema._linked = held
        for cls, spec, owner in before:
            cls._spec, cls._schema = spec, owner
        raise


def _register(schema: Schema, cls: type[Table], master: type[Table] | None, one: Decorated) -> None:
    siblings = _Siblings(schema)
    namespaces = (*schema._added, schema._context, *one.namespaces)
    searched = _searched(schema, cls)
    spec, referenced = Declaration(cls, schema.name, master, one.parts, siblings, namespaces, schema, searched).spec()
    _check_alone_of_its_name(schema, cls, spec)
    for other in referenced:
        _link(schema, other, spec)
    if any(spec.name in each._classes or spec.name in each.held.specs for each in schema.linked_schemas()):
        graph.check_acyclic(spec, schema.all_parents())  # to a table that is new, no other refers
    cls._spec, cls._schema = spec, schema
    schema._classes[spec.name] = cls
    if spec.name not in schema._pending:
        schema._pending.append(spec.name)


class _Siblings(Mapping[str, type[Table]]):
    """The classes of a schema by name, without parts: found by the name of their table, however many there are."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema

    def __getitem__(self, name: str) -> type[Table]:
        for tier in names.TIERS:
            found = self._schema._classes.get(TableName(self._schema.name, names.table_name(name, tier)))
            if found is not None:
                return found
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return (cls.__name__ for cls in self._schema._classes.values() if cls().spec.master is None)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _searched(schema: Schema, cls: type[Table]) -> tuple[str, ...]:
    """What to say of where the references of a class are looked for."""
    given = ["`add_objects`"] * bool(schema._added) + ["`context`"] * bool(schema._context)
    return (*given, f"the module {cls.__module__!r}", f"the schema {schema.name!r}")


def _check_alone_of_its_name(schema: Schema, cls: type[Table], spec: TableSpec) -> None:
    """Refuse a second class for a table, unless it is the first one defined anew, or says the same."""
    known = schema._classes.get(spec.name)
    if known is not None and known.__module__ != cls.__module__ and differences(spec, known().spec):
        raise DefinitionError(
            f"{cls.__name__} of the module {cls.__module__!r} and {known.__name__} of {known.__module__!r} would "
            f"both be the table {spec.name}, and their definitions differ. Rename one of them.",
            table=spec.name.table,
        )


def _link(schema: Schema, other: Any, spec: TableSpec) -> None:
    """Note the schema of a class that a table refers to."""
    home = other._schema
    if home.place is not schema.place:
        raise DefinitionError(
            f"a foreign key refers to {other._spec.name}, which lives in another database. "
            "Give both schemas the same connection.",
            table=spec.name.table,
        )
    if isinstance(home, type(schema)) and home not in (schema, *schema._linked):
        schema._linked.append(home)
