"""From a table class to its spec: its name in the database, and what its definition's references mean there."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from djarrow.errors import CyclicDependency, DefinitionError, UnknownReference
from djarrow.model import names
from djarrow.model.definition import ReferenceLine, parse_definition
from djarrow.model.names import TableName, Tier
from djarrow.model.spec import TableSpec, table_spec
from djarrow.table.declaring.references import Namespace, resolve, spec_of
from djarrow.table.methods import property_on_class_too
from djarrow.table.table import Part, Table


@frozen
class Declaration:
    """A class that is being declared in a schema.

    home: the schema itself. master: of a part. parts: the parts nested in it, or in its master. siblings: the classes
    of the schema by name; namespaces: the names that the schema was given, and those in sight where it is defined;
    searched: what to say of these.
    """

    cls: type[Table]
    schema: str
    master: type[Table] | None
    parts: dict[str, type[Part]]
    siblings: Namespace
    namespaces: tuple[Namespace, ...]
    home: object = None
    searched: tuple[str, ...] = ()

    @property
    def name(self) -> TableName:
        """The name of the table in the database: tier prefix, master, snake_case."""
        tier = tier_of(self.master or self.cls)
        names.check_class_name(self.cls.__name__)
        above = None if self.master is None else self.master().spec.name.table
        return TableName(self.schema, names.table_name(self.cls.__name__, tier, above))

    def spec(self) -> tuple[TableSpec, tuple[Any, ...]]:
        """The spec of the table, and the classes that it refers to. Raises DefinitionError and its leaves."""
        from djarrow.expr.parse import parse_index_term

        check_attributes(self.cls, self.master)
        name = self.name
        definition = getattr(self.cls(), "definition", None)  # of an instance: it may be a property
        if not isinstance(definition, str):
            raise DefinitionError("the class has no `definition`, a text.", table=name.table)
        spaces = (self._own(name), *self.namespaces, self.siblings)
        master = self.master and self.master.__name__
        itself = self.cls.__name__ if master is None else f"{master}.{self.cls.__name__}"
        referenced: list[Any] = []

        def find(reference: str, line: ReferenceLine) -> TableSpec | None:
            if reference == itself:
                return None
            try:
                found = resolve(reference, spaces, table=name.table, line=line, home=self.home, searched=self.searched)
            except UnknownReference:
                if reference == self.cls.__name__ and line.renames:
                    return None  # a hierarchy of a part of which no other table has the name
                raise
            referenced.append(found)
            spec = spec_of(found)
            assert spec is not None  # noqa: S101 - resolve gives nothing else
            return spec

        spec = table_spec(definition, name, find, parse_index_term)
        if self.master is not None:
            check_has_master(spec)
        return spec, tuple(referenced)

    def _own(self, name: TableName) -> Namespace:
        """The names that the class itself brings: its master and fellow parts, or those that would close a cycle."""
        if self.master is not None:
            fellows = {name: part for name, part in self.parts.items() if part is not self.cls}
            return {**fellows, "master": self.master, self.master.__name__: self.master}
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


def check_has_master(part: TableSpec) -> None:
    """Refuse a part whose rows need not belong to a row of its master (000 "Master-Part Pattern").

    A reference to a fellow part leads there, too.
    """
    master = part.master
    references = [
        key
        for key in part.foreign_keys
        if key.parent != part.name and master in (key.parent, names.master_of(key.parent))
    ]
    if not references:
        raise DefinitionError(
            "a part has a foreign key to its master: begin its definition with `-> master`.", table=part.name.table
        )
    if all(key.nullable for key in references):
        raise DefinitionError("the reference of a part to its master may not be NULL.", table=part.name.table)


class _Unfinished:
    """Stands for a class that is still being declared: referring to it closes a cycle, which it names."""

    def __init__(self, cycle: tuple[TableName, ...]) -> None:
        self._cycle = cycle

    @property
    def _spec(self) -> TableSpec:
        raise CyclicDependency(tuple(map(str, self._cycle)), table=self._cycle[0].table)


def tier_of(cls: type[Table]) -> Tier:
    """The tier of a class that is no part. Raises DefinitionError for one that has none."""
    if issubclass(cls, Part):
        raise DefinitionError(
            f"the part {cls.__name__} has no master: nest it in the master's class, and decorate that."
        )
    if cls.tier is None:
        raise DefinitionError(f"the class {cls.__name__} has no tier: derive it from Manual, Lookup, ...")
    return cls.tier


def check_attributes(cls: type[Table], master: type[Table] | None) -> None:
    """Refuse a class that takes a name by which tables know what they are, and a part that has parts."""
    if master is not None and (inner := parts_of(cls)):
        raise DefinitionError(
            f"the part {cls.__name__} has a part {min(inner)!r} of its own, and parts do not nest; "
            'make it a part of the master, or a table (000 "A Part Table Cannot Be a Master Table").'
        )
    if taken := _IDENTITY & vars(cls).keys():
        raise DefinitionError(
            f"the class {cls.__name__} has an attribute {min(taken)!r}, which means something else to a "
            "table. Give it another name."
        )


def check_alone(cls: type[Table], master: type[Table] | None) -> None:
    """Refuse what is wrong with a class whatever its references turn out to mean.

    Raises DefinitionError and DefinitionSyntaxError. A definition that a property composes is read when needed.
    """
    tier_of(master or cls)
    names.check_class_name(cls.__name__)
    check_attributes(cls, master)
    definition = getattr(cls, "definition", None)
    if isinstance(definition, str):
        parse_definition(definition, table=cls.__name__)
    elif definition is None:
        raise DefinitionError("the class has no `definition`, a text.", table=cls.__name__)


def adopt_parts(cls: type[Table]) -> dict[str, type[Part]]:
    """The parts of a class, by name, which know it as their master from now on.

    A part that is inherited from the class of another table, or of none, becomes a class of its own here: a part has
    one master.
    """
    hidden = set(vars(cls))
    for base in cls.__mro__[1:]:
        for name, value in vars(base).items():
            if name not in hidden and _is_own_part(value, cls.__mro__):
                members = {"__module__": cls.__module__, "__qualname__": f"{cls.__qualname__}.{name}", "_master": cls}
                setattr(cls, name, type(value)(value.__name__, (value,), {**members, "_spec": None, "_schema": None}))
        hidden |= set(vars(base))
    parts = parts_of(cls)
    for part in parts.values():
        part._master = cls
    return parts


def _is_own_part(value: Any, masters: tuple[type, ...]) -> bool:
    """Whether an attribute of a class is a part whose master is one of these, or not known yet."""
    return isinstance(value, type) and issubclass(value, Part) and vars(value).get("_master") in (None, *masters)


def parts_of(cls: type[Table]) -> dict[str, type[Part]]:
    """The parts nested in a class, by name. The part of another master stays that: the class only mentions it."""
    return {name: part for name, part in vars(cls).items() if _is_own_part(part, (cls,))}
