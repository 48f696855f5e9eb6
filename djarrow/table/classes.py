"""From a table class to its spec: its name in the database, and what its definition's references mean there."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from djarrow.errors import CyclicDependency, DefinitionError
from djarrow.model import names
from djarrow.model.names import TableName
from djarrow.model.spec import TableSpec, table_spec
from djarrow.table.methods import property_on_class_too
from djarrow.table.references import Namespace, resolve, spec_of
from djarrow.table.table import Part, Table


@frozen
class Declaration:
    """A class that is being declared in a schema.

    master: of a part. parts: the parts nested in it, or in its master. siblings: the classes of the schema by name;
    namespaces: the names in sight where it is defined.
    """

    cls: type[Table]
    schema: str
    master: type[Table] | None
    parts: dict[str, type[Part]]
    siblings: Namespace
    namespaces: tuple[Namespace, ...]

    @property
    def name(self) -> TableName:
        """The name of the table in the database: tier prefix, master, snake_case."""
        names.check_class_name(self.cls.__name__)
        tier = (self.master or self.cls).tier
        if tier is None and issubclass(self.cls, Part):
            raise DefinitionError(
                f"the part {self.cls.__name__} has no master: nest it in the master's class, and decorate that."
            )
        if tier is None:
            raise DefinitionError(f"the class {self.cls.__name__} has no tier: derive it from Manual, Lookup, ...")
        above = None if self.master is None else self.master().spec.name.table
        return TableName(self.schema, names.table_name(self.cls.__name__, tier, above))

    def spec(self) -> tuple[TableSpec, tuple[Any, ...]]:
        """The spec of the table, and the classes that it refers to. Raises DefinitionError and its leaves."""
        self._check_own_attributes()
        name = self.name
        definition = getattr(self.cls(), "definition", None)  # of an instance: it may be a property
        if not isinstance(definition, str):
            raise DefinitionError("the class has no `definition`, a text.", table=name.table)
        spaces = (self._own(name), *self.namespaces, self.siblings)
        referenced: list[Any] = []

        def find(reference: str, line: int) -> TableSpec:
            found = resolve(reference, spaces, table=name.table, line=line)
            referenced.append(found)
            spec = spec_of(found)
            assert spec is not None  # noqa: S101 - resolve gives nothing else
            return spec

        return table_spec(definition, name, find), tuple(referenced)

    def _check_own_attributes(self) -> None:
        """Refuse a class that takes a name by which tables know what they are."""
        if self.master is not None and (inner := parts_of(self.cls)):
            raise DefinitionError(
                f"the part {self.cls.__name__} has a part {min(inner)!r} of its own, and parts do not nest; "
                'make it a part of the master, or a table (000 "A Part Table Cannot Be a Master Table").'
            )
        if taken := _IDENTITY & vars(self.cls).keys():
            raise DefinitionError(
                f"the class {self.cls.__name__} has an attribute {min(taken)!r}, which means something else to a "
                "table. Give it another name."
            )

    def _own(self, name: TableName) -> Namespace:
        """The names that the class itself brings: its master and fellow parts, or those that would close a cycle."""
        if self.master is not None:
            own: Namespace = {self.cls.__name__: _Unfinished((name, name))}
            return {**self.parts, **own, "master": self.master, self.master.__name__: self.master}
        itself = _Unfinished((name, name))
        for part in self.parts:
            inner = TableName(name.schema, names.table_name(part, names.MANUAL, name.table))
            setattr(itself, part, _Unfinished((name, inner, name)))
        return {**{part: getattr(itself, part) for part in self.parts}, self.cls.__name__: itself}


_IDENTITY = frozenset(
    {"tier"}
    | {
        name
        for base in Table.__mro__
        for name, value in vars(base).items()
        if isinstance(value, property | property_on_class_too)
    }
)
"""What tells a table's schema, spec, node, heading and the like. Methods may be overridden, these may not."""


class _Unfinished:
    """Stands for a class that is still being declared: referring to it closes a cycle, which it names."""

    def __init__(self, cycle: tuple[TableName, ...]) -> None:
        self._cycle = cycle

    @property
    def _spec(self) -> TableSpec:
        raise CyclicDependency(tuple(map(str, self._cycle)), table=self._cycle[0].table)


def parts_of(cls: type[Table]) -> dict[str, type[Part]]:
    """The parts nested in a class, by name. The part of another master stays that: the class only mentions it."""
    nested = {name: part for name, part in vars(cls).items() if isinstance(part, type) and issubclass(part, Part)}
    return {name: part for name, part in nested.items() if vars(part).get("_master") in (None, cls)}
