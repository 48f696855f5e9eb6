"""TableSpec: what a table is, complete and without its class; and how a parsed definition becomes one.

Specification: 000 "Table Definition", "Foreign keys"; 001 5.4, 5.8, 5.9; design sections 4 to 6.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

from attrs import evolve, field, frozen

from djarrow.errors import CyclicDependency, DefinitionError, DjarrowError, hint_nearest
from djarrow.model import names
from djarrow.model.defaults import parse_default
from djarrow.model.definition import AttributeLine, Definition, IndexLine, Line, ReferenceLine, parse_definition
from djarrow.model.heading import Attribute, Default, Heading, Origin, Special
from djarrow.model.names import TableName, Tier
from djarrow.model.types import KEYLESS_FAMILIES, AttributeType, attribute_type


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
    """A secondary index. terms: names of attributes, or expressions in parentheses, `(year(born))`."""

    terms: tuple[str, ...]
    unique: bool = False

    @property
    def expressions(self) -> tuple[str, ...]:
        """The terms that are more than an attribute, as they are written, in their parentheses."""
        return tuple(term for term in self.terms if term.startswith("("))


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
        return names.master_of(self.name)

    @property
    def parents(self) -> tuple[TableName, ...]:
        """The other tables that this one refers to, each once."""
        return tuple(dict.fromkeys(key.parent for key in self.foreign_keys if key.parent != self.name))

    @property
    def is_made(self) -> bool:
        """Whether its rows come from a make, its own or its master's."""
        return names.is_made(self.name)

    @property
    def primary_foreign_keys(self) -> tuple[ForeignKey, ...]:
        """The foreign keys made only of primary-key attributes: they form the key source (000 "Key Source")."""
        return tuple(key for key in self.foreign_keys if set(key.attributes) <= set(self.heading.primary_key))


Resolver = Callable[[str, ReferenceLine], TableSpec | None]
"""Finds the spec of a referenced class: (reference as written, line) -> TableSpec, or None for the table that is being
declared. Raises UnknownReference."""

Check = Callable[[str, Heading], object]
"""Refuses the expression of an index that means nothing over the heading. Raises DjarrowError."""


def table_spec(text: str, name: TableName, resolve: Resolver, check: Check | None = None) -> TableSpec:
    """The spec that a definition text gives a table. Raises DefinitionError and its leaves; nothing else is touched."""
    definition = parse_definition(text, table=name.table)
    building = _Building(name, resolve, check)
    building.add_lines(definition.key, in_key=True)
    building.add_lines(definition.secondary, in_key=False)
    return building.finish(definition)


class _Building:
    """The state of a spec while its lines are added in order."""

    def __init__(self, name: TableName, resolve: Resolver, check: Check | None) -> None:
        names.check_table_name(name.table)
        self.name = name
        self.resolve = resolve
        self.check = check
        self.attributes: dict[str, Attribute] = {}
        self.native: set[str] = set()
        self.key: list[str] = []
        self.foreign_keys: list[ForeignKey] = []
        self.reference_lines: list[ReferenceLine] = []
        self.counting: AttributeLine | None = None
        self.indexes: list[IndexLine] = []

    def error(self, message: str, line: Line | None = None, *, column: int | None = None) -> DefinitionError:
        """A refusal that points at a line: at its first word, or at a column of it."""
        if line is None:
            return DefinitionError(message, table=self.name.table)
        return DefinitionError(message, table=self.name.table, line=line.line, column=column or line.column)

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
        names.check_attribute_name(line.name, table=self.name.table, line=line.line, column=line.column)
        if line.name in self.attributes:
            raise self.error(f"the attribute {line.name!r} is defined a second time.", line)
        kind = attribute_type(
            line.type_name, line.parameters, table=self.name.table, line=line.line, column=line.type_column
        )
        default = parse_default(line, kind, table=self.name.table)
        if in_key:
            self.check_key_attribute(line, kind, default)
        elif default is Special.AUTO:
            raise self.error(f"{line.name!r} counts up by itself, so it must be the primary key.", line)
        self.attributes[line.name] = Attribute(
            name=line.name,
            type=kind,
            nullable=default is Special.NULL,
            default=default,
            comment=line.comment,
            lineage=Origin(self.name, line.name) if in_key else None,
        )
        self.native.add(line.name)
        self.counting = line if default is Special.AUTO else self.counting
        if in_key:
            self.key.append(line.name)
        self.check_size(line, line.name)

    def check_key_attribute(self, line: AttributeLine, kind: AttributeType, default: Default | None) -> None:
        if kind.family in KEYLESS_FAMILIES:
            reason = f"{line.name!r} cannot be in the primary key: its type has no order."
            raise self.error(reason, line, column=line.type_column)
        if default not in (None, Special.AUTO, Special.NOW):
            reason = f"{line.name!r} is in the primary key and cannot have a default but CURRENT_TIMESTAMP."
            raise self.error(reason, line, column=line.default_column)

    def add_reference(self, line: ReferenceLine, *, in_key: bool) -> None:
        parent = self.resolve(line.reference, line) or self.itself(line, in_key=in_key)
        if not parent.heading.primary_key:
            raise self.error(f"{line.reference!r} has no attributes in its key, so nothing can refer to it.", line)
        nullable = "nullable" in line.options
        if nullable and in_key:
            raise self.error("a foreign key in the primary key cannot be nullable; put it below `---`.", line)
        renames = self.checked_renames(line, parent)
        pairs = tuple((renames.get(name, name), name) for name in parent.heading.primary_key)
        for child, name in pairs:
            self.include(child, parent.heading[name], line, in_key=in_key, nullable=nullable)
        key = ForeignKey(parent.name, pairs, nullable, "unique" in line.options)
        if any(key.parent == other.parent and key.pairs == other.pairs for other in self.foreign_keys):
            raise self.error(f"the foreign key to {line.reference!r} stands here twice.", line)
        self.foreign_keys.append(key)
        self.reference_lines.append(line)

    def itself(self, line: ReferenceLine, *, in_key: bool) -> TableSpec:
        """This table as the parent of a hierarchy: its key, which is complete below the divider."""
        if in_key or not line.renames:
            raise self.loop(line)
        key = tuple(self.attributes[name] for name in self.key)
        return TableSpec(self.name, "", Heading(key, tuple(self.key)))

    def loop(self, line: ReferenceLine) -> CyclicDependency:
        """A reference of the table to itself that no first row could fulfil."""
        return CyclicDependency(
            (str(self.name), str(self.name)),
            table=self.name.table,
            advice="A table may refer to itself below `---` and by another name: "
            f"`-> [nullable] {names.split_table_name(self.name.table)[1]}.proj(parent_id='id')`.",
            line=line.line,
            column=line.column,
        )

    def checked_renames(self, line: ReferenceLine, parent: TableSpec) -> dict[str, str]:
        for old, new in line.renames:
            if old not in parent.heading.primary_key:
                hint = hint_nearest(old, parent.heading.primary_key)
                raise self.error(f"the primary key of {line.reference!r} has no {old!r}.{hint}", line)
            names.check_attribute_name(new, table=self.name.table, line=line.line, column=line.column)
        renames = dict(line.renames)
        kept = [name for name in parent.heading.primary_key if name not in renames]
        if len(renames) < len(line.renames) or len({*kept, *renames.values()}) < len(parent.heading.primary_key):
            raise self.error("`.proj()` renames an attribute twice, or two to the same name.", line)
        return renames

    def include(self, name: str, source: Attribute, line: ReferenceLine, *, in_key: bool, nullable: bool) -> None:
        """Add the parent's key attribute under this name, or see that the one that is here already is the same."""
        present = self.attributes.get(name)
        if present is None:
            default = Special.NULL if nullable else None
            self.attributes[name] = evolve(source, name=name, nullable=nullable, default=default)
            if in_key:
                self.key.append(name)
            self.check_size(line, name)
            return
        if present.type != source.type:
            raise self.error(
                f"{name!r} is {present.type} here and {source.type} in {line.reference!r}; "
                f"rename it: `-> {line.reference}.proj(other_name='{source.name}')`.",
                line,
            )
        own = present.lineage is None or present.lineage.table == self.name
        if not own and present.lineage != source.lineage:
            raise self.error(
                f"{name!r} already refers to {present.lineage} and cannot also refer to {source.lineage}; "
                f"rename it: `-> {line.reference}.proj(other_name='{source.name}')`.",
                line,
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
        if len(self.key) > 1 and (counting := self.counting) is not None:
            problem = f"{counting.name!r} counts up by itself, so it must be the only attribute of the primary key."
            raise self.error(problem, counting)
        hidden = (not self.key) + names.is_made(self.name)
        if hidden and len(self.attributes) + hidden > names.MAX_COLUMNS:
            limit = names.MAX_COLUMNS - hidden
            what = "a table that fills itself" if self.key else "a table without a key"
            raise self.error(f"{what} has at most {limit} attributes: it has hidden columns.")
        ordered = [self.attributes[name] for name in self.key]
        ordered += [attribute for name, attribute in self.attributes.items() if name not in self.key]
        heading = Heading(tuple(ordered), tuple(self.key))
        keys = tuple(map(self.settled, self.foreign_keys, self.reference_lines))
        return TableSpec(self.name, definition.comment, heading, keys, self.checked_indexes(heading))

    def check_size(self, line: Line, name: str) -> None:
        for count, limit, what in (
            (len(self.attributes), names.MAX_COLUMNS, "attributes"),
            (len(self.key), names.MAX_KEY_COLUMNS, "attributes in its key"),
        ):
            if count > limit:
                raise self.error(f"a table has at most {limit} {what}; {name!r} is one more.", line)

    def settled(self, key: ForeignKey, line: ReferenceLine) -> ForeignKey:
        """A reference as all lines together make it: it may be NULL when one of its attributes may."""
        nullable = any(self.attributes[name].nullable for name in key.attributes)
        if key.nullable and not nullable:
            required = ", ".join(key.attributes) or "nothing"
            raise self.error(
                f"the foreign key to {key.parent} is `[nullable]`, but it consists of {required}, which other lines "
                "require. Declare an attribute `= null`, or rename it with `.proj()`.",
                line,
            )
        if key.parent == self.name and not nullable:
            raise self.loop(line)
        return evolve(key, nullable=nullable, unique=self.is_unique(key))

    def is_unique(self, key: ForeignKey) -> bool:
        """Whether a reference, or another by the same attributes, is `[unique]`; the primary key is so without it."""
        same = [other for other in self.foreign_keys if set(other.attributes) == set(key.attributes)]
        return set(key.attributes) != set(self.key) and any(other.unique for other in same)

    def checked_indexes(self, heading: Heading) -> tuple[Index, ...]:
        indexes: dict[Index, None] = {}
        for line in self.indexes:
            index = Index(line.terms, line.unique)
            if len(line.terms) > names.MAX_KEY_COLUMNS:
                column = line.term_columns[names.MAX_KEY_COLUMNS]
                raise self.error(f"an index has at most {names.MAX_KEY_COLUMNS} terms.", line, column=column)
            for term, column in zip(line.terms, line.term_columns, strict=True):
                if term in index.expressions:
                    self.check_expression(term, heading, line, column)
                elif term not in heading:
                    hint = hint_nearest(term, heading.names)
                    raise self.error(f"there is no attribute {term!r} to index.{hint}", line, column=column)
            if len(set(index.terms)) < len(index.terms):
                raise self.error("an index names each attribute once.", line)
            if index in indexes:
                warnings.warn(
                    f"table {self.name.table!r}, line {line.line}: this index stands here twice", stacklevel=2
                )
            indexes[index] = None
        return tuple(indexes)

    def check_expression(self, expression: str, heading: Heading, line: IndexLine, column: int) -> None:
        if self.check is None:
            return
        try:
            self.check(expression, heading)
        except DjarrowError as error:
            raise self.error(f"the index on {expression}: {error}", line, column=column) from error
