"""TableSpec: what a table is, complete and without its class; and how a parsed definition becomes one.

Specification: 000 "Table Definition", "Foreign keys"; 001 5.4, 5.8, 5.9; design sections 4 to 6.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

from attrs import evolve, field, frozen

from djarrow.errors import DefinitionError, hint_nearest
from djarrow.model import names
from djarrow.model.defaults import parse_default
from djarrow.model.definition import AttributeLine, Definition, IndexLine, Line, ReferenceLine, parse_definition
from djarrow.model.heading import Attribute, Heading, Origin, Special
from djarrow.model.names import TableName, Tier
from djarrow.model.types import KEYLESS_FAMILIES, attribute_type


@frozen
class ForeignKey:
    """A reference to a parent's primary key. pairs: (attribute here, attribute there), in the parent's order."""

    parent: TableName
    pairs: tuple[tuple[str, str], ...]
    nullable: bool = False
    unique: bool = False

    @property
    def attributes(self) -> tuple[str, ...]:
        """The attributes here."""
        return tuple(child for child, _ in self.pairs)

    @property
    def renamed(self) -> dict[str, str]:
        """Name here -> name in the parent, of the attributes that differ."""
        return {child: parent for child, parent in self.pairs if child != parent}


@frozen
class Index:
    """A secondary index."""

    attributes: tuple[str, ...]
    unique: bool = False


@frozen
class TableSpec:
    """All that makes a table: its name, comment, heading, foreign keys and indexes."""

    name: TableName
    comment: str
    heading: Heading
    foreign_keys: tuple[ForeignKey, ...] = ()
    indexes: tuple[Index, ...] = field(default=())

    @property
    def tier(self) -> Tier:
        """The tier, which a part shares with its master."""
        return names.split_table_name(self.name.table)[0]

    @property
    def class_name(self) -> str:
        """The name of the class, without its master's."""
        return names.split_table_name(self.name.table)[1]

    @property
    def master(self) -> TableName | None:
        """The master, of a part."""
        master = names.split_table_name(self.name.table)[2]
        return None if master is None else TableName(self.name.schema, master)

    @property
    def parents(self) -> tuple[TableName, ...]:
        """The tables that this one refers to, each once."""
        return tuple(dict.fromkeys(key.parent for key in self.foreign_keys))

    @property
    def primary_foreign_keys(self) -> tuple[ForeignKey, ...]:
        """The foreign keys made only of primary-key attributes: they form the key source (000 "Key Source")."""
        return tuple(key for key in self.foreign_keys if set(key.attributes) <= set(self.heading.primary_key))


Resolver = Callable[[str, int], TableSpec]
"""Finds the spec of a referenced class: (reference as written, line) -> TableSpec. Raises UnknownReference."""


def table_spec(text: str, name: TableName, resolve: Resolver) -> TableSpec:
    """The spec that a definition text gives a table. Raises DefinitionError and its leaves; nothing else is touched."""
    definition = parse_definition(text, table=name.table)
    building = _Building(name, resolve)
    building.add_lines(definition.key, in_key=True)
    building.add_lines(definition.secondary, in_key=False)
    return building.finish(definition)


class _Building:
    """The state of a spec while its lines are added in order."""

    def __init__(self, name: TableName, resolve: Resolver) -> None:
        names.check_table_name(name.table)
        self.name = name
        self.resolve = resolve
        self.attributes: dict[str, Attribute] = {}
        self.native: set[str] = set()
        self.key: list[str] = []
        self.foreign_keys: list[ForeignKey] = []
        self.indexes: list[IndexLine] = []

    def error(self, message: str, line: int | None = None) -> DefinitionError:
        return DefinitionError(message, table=self.name.table, line=line)

    def add_lines(self, lines: tuple[Line, ...], *, in_key: bool) -> None:
        for line in lines:
            match line:
                case AttributeLine():
                    self.add_attribute(line, in_key=in_key)
                case ReferenceLine():
                    self.add_reference(line, in_key=in_key)
                case IndexLine():
                    self.indexes.append(line)

    def add_attribute(self, line: AttributeLine, *, in_key: bool) -> None:
        names.check_attribute_name(line.name, table=self.name.table, line=line.line)
        if line.name in self.attributes:
            raise self.error(f"the attribute {line.name!r} is defined a second time.", line.line)
        kind = attribute_type(line.type_name, line.parameters, table=self.name.table, line=line.line)
        default = parse_default(line, kind, table=self.name.table)
        if in_key:
            self.check_key_attribute(line, kind.family in KEYLESS_FAMILIES, default is not None)
        self.attributes[line.name] = Attribute(
            name=line.name,
            type=kind,
            nullable=default is Special.NULL,
            default=default,
            comment=line.comment,
            lineage=Origin(self.name, line.name) if in_key else None,
        )
        self.native.add(line.name)
        if in_key:
            self.key.append(line.name)

    def check_key_attribute(self, line: AttributeLine, keyless: bool, has_default: bool) -> None:
        if keyless:
            raise self.error(f"{line.name!r} cannot be in the primary key: its type has no order.", line.line)
        if has_default:
            raise self.error(f"{line.name!r} is in the primary key and cannot have a default.", line.line)

    def add_reference(self, line: ReferenceLine, *, in_key: bool) -> None:
        parent = self.resolve(line.reference, line.line)
        if not parent.heading.primary_key:
            raise self.error(f"{line.reference!r} has no attributes in its key, so nothing can refer to it.", line.line)
        nullable = "nullable" in line.options
        if nullable and in_key:
            raise self.error("a foreign key in the primary key cannot be nullable; put it below `---`.", line.line)
        renames = self.checked_renames(line, parent)
        pairs = tuple((renames.get(name, name), name) for name in parent.heading.primary_key)
        for child, name in pairs:
            self.include(child, parent.heading[name], line, in_key=in_key, nullable=nullable)
        key = ForeignKey(parent.name, pairs, nullable, "unique" in line.options)
        if any(key.parent == other.parent and key.pairs == other.pairs for other in self.foreign_keys):
            raise self.error(f"the foreign key to {line.reference!r} stands here twice.", line.line)
        self.foreign_keys.append(key)

    def checked_renames(self, line: ReferenceLine, parent: TableSpec) -> dict[str, str]:
        for old, new in line.renames:
            if old not in parent.heading.primary_key:
                hint = hint_nearest(old, parent.heading.primary_key)
                raise self.error(f"the primary key of {line.reference!r} has no {old!r}.{hint}", line.line)
            names.check_attribute_name(new, table=self.name.table, line=line.line)
        renames = dict(line.renames)
        kept = [name for name in parent.heading.primary_key if name not in renames]
        if len(renames) < len(line.renames) or len({*kept, *renames.values()}) < len(parent.heading.primary_key):
            raise self.error("`.proj()` renames an attribute twice, or two to the same name.", line.line)
        return renames

    def include(self, name: str, source: Attribute, line: ReferenceLine, *, in_key: bool, nullable: bool) -> None:
        """Add the parent's key attribute under this name, or see that the one that is here already is the same."""
        present = self.attributes.get(name)
        if present is None:
            default = Special.NULL if nullable else None
            self.attributes[name] = evolve(source, name=name, nullable=nullable, default=default)
            if in_key:
                self.key.append(name)
            return
        if present.type != source.type:
            raise self.error(
                f"{name!r} is {present.type} here and {source.type} in {line.reference!r}; "
                f"rename it: `-> {line.reference}.proj(other_name='{source.name}')`.",
                line.line,
            )
        own = present.lineage is None or present.lineage.table == self.name
        if not own and present.lineage != source.lineage:
            raise self.error(
                f"{name!r} already refers to {present.lineage} and cannot also refer to {source.lineage}; "
                f"rename it: `-> {line.reference}.proj(other_name='{source.name}')`.",
                line.line,
            )
        shared = evolve(present, lineage=source.lineage, comment=present.comment or source.comment)
        self.attributes[name] = self.merged(shared, nullable=nullable)

    def merged(self, present: Attribute, *, nullable: bool) -> Attribute:
        """An attribute that is here already, once a reference that may be NULL, or may not, shares it.

        One of this table's own stays as its line says. One that another reference brought is required as soon as one
        of the references is.
        """
        if present.name in self.native or present.name in self.key:
            return present
        both = present.nullable and nullable
        return evolve(present, nullable=both, default=Special.NULL if both else None)

    def finish(self, definition: Definition) -> TableSpec:
        if not self.attributes:
            raise self.error("a table has at least one attribute.")
        for count, limit, what in (
            (len(self.attributes), names.MAX_COLUMNS, "attributes"),
            (len(self.key), names.MAX_KEY_COLUMNS, "attributes in its key"),
        ):
            if count > limit:
                raise self.error(f"a table has at most {limit} {what}; this one has {count}.")
        ordered = [self.attributes[name] for name in self.key]
        ordered += [attribute for name, attribute in self.attributes.items() if name not in self.key]
        heading = Heading(tuple(ordered), tuple(self.key))
        keys = tuple(self.with_nullability(key) for key in self.foreign_keys)
        return TableSpec(self.name, definition.comment, heading, keys, self.checked_indexes(heading))

    def with_nullability(self, key: ForeignKey) -> ForeignKey:
        """A reference may be NULL when one of its attributes may, whichever line says so."""
        nullable = any(self.attributes[name].nullable for name in key.attributes)
        if key.nullable and not nullable:
            required = ", ".join(key.attributes) or "nothing"
            raise self.error(
                f"the foreign key to {key.parent} is `[nullable]`, but it consists of {required}, which other lines "
                "require. Declare an attribute `= null`, or rename it with `.proj()`."
            )
        return evolve(key, nullable=nullable)

    def checked_indexes(self, heading: Heading) -> tuple[Index, ...]:
        indexes: dict[Index, None] = {}
        for line in self.indexes:
            for name in line.attributes:
                if name not in heading:
                    hint = hint_nearest(name, heading.names)
                    raise self.error(f"there is no attribute {name!r} to index.{hint}", line.line)
            if len(set(line.attributes)) < len(line.attributes):
                raise self.error("an index names each attribute once.", line.line)
            index = Index(line.attributes, line.unique)
            if index in indexes:
                warnings.warn(
                    f"table {self.name.table!r}, line {line.line}: this index stands here twice", stacklevel=2
                )
            indexes[index] = None
        return tuple(indexes)
