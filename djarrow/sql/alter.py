"""Changes of a table -> the statements that make them, in passes: what is in the way goes first and comes back last.

Which changes may be made is not decided here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from itertools import chain

from attrs import evolve, field, frozen

from djarrow.model.changes import (
    AddAttribute,
    AddForeignKey,
    AddIndex,
    Change,
    ChangeAttribute,
    ChangeComment,
    ChangeForeignKey,
    DropAttribute,
    DropForeignKey,
    DropIndex,
)
from djarrow.model.heading import Attribute, Special
from djarrow.model.names import TableName
from djarrow.model.spec import ForeignKey, Index, TableSpec
from djarrow.model.types import Family
from djarrow.sql import ddl, renaming
from djarrow.sql.ddl import full_name
from djarrow.sql.literals import identifier, quoted
from djarrow.sql.physical import Column, Constraint, Physical


@frozen
class Retyped:
    """A column that takes another type: of the table, or of one that refers to it. before, after: the attribute."""

    table: TableName
    before: Attribute
    after: Attribute

    @property
    def column(self) -> Column:
        """The column."""
        return self.table, self.after.name


@frozen
class Alteration:
    """Changes of one table, and what is to know for making them.

    specs: the tables that have a retyped column, and the table itself, as they will be. carriers: the types in
    PostgreSQL of new attributes whose parents, of other software, are not of the usual ones.
    """

    declared: TableSpec
    stored: TableSpec
    changes: tuple[Change, ...]
    retyped: tuple[Retyped, ...]
    specs: Mapping[TableName, TableSpec]
    physical: Physical
    carriers: Mapping[str, str] = field(factory=dict)

    @property
    def table(self) -> TableName:
        """The table that changes."""
        return self.declared.name

    @cached_property
    def rewritten(self) -> frozenset[Column]:
        """The columns whose type changes in PostgreSQL, too: those of uint8 and int16, say, are the same."""
        return frozenset(
            one.column
            for one in self.retyped
            if one.before.type.postgres != one.after.type.postgres or one.column in self.physical.odd
        )

    @cached_property
    def rebuilt(self) -> tuple[Constraint, ...]:
        """The foreign keys between rewritten columns, which are taken away and come back as they were."""
        gone = {change.key for change in self.changes if isinstance(change, DropForeignKey)}
        return tuple(
            constraint
            for constraint in self.physical.constraints
            if constraint.touches(self.rewritten)
            and not (constraint.table == self.table and any(constraint.makes(key) for key in gone))
        )

    @cached_property
    def rebuilt_indexes(self) -> tuple[tuple[TableName, str, Index], ...]:
        """The indexes on expressions of tables with rewritten columns: the text of an expression depends on types."""
        gone = {change.index for change in self.changes if isinstance(change, DropIndex)}
        return tuple(
            (table, name, index)
            for table in dict.fromkeys(table for table, _ in sorted(self.rewritten))
            for name, index in self.physical.indexes[table]
            if index.expressions
            and not (table == self.table and index in gone)
            and name == ddl.index_name(index, self.specs[table], "index")  # PostgreSQL rebuilds those of others
        )

    @cached_property
    def dropped_indexes(self) -> dict[str, Index]:
        """The indexes of the table that go for good: those dropped, and those that served foreign keys."""
        gone = {change.index for change in self.changes if isinstance(change, DropIndex)}
        wanted = ddl.reference_indexes(self.declared)
        found = self.physical.indexes[self.table]
        return {name: index for name, index in found if index in gone or self._served(name, index, wanted)}

    def _served(self, name: str, index: Index, wanted: tuple[Index, ...]) -> bool:
        """Whether an index that no definition asked for served a foreign key which does not need it any more."""
        if index in self.stored.indexes or any(term.startswith("_") for term in index.terms):
            return False
        if name == ddl.index_name(index, self.stored, "reference"):
            return index not in wanted
        keys = [key for key in self.declared.foreign_keys if set(key.attributes) == set(index.terms)]
        return not any(key.unique or not index.unique for key in keys)


def statements(alteration: Alteration) -> list[str]:
    """The statements that make the changes, in order."""
    due = renaming.due_names(alteration.physical, alteration.stored)
    named = evolve(alteration, physical=renaming.renamed(alteration.physical, alteration.table, due))
    first = renaming.statements(alteration.physical, alteration.table, due)
    return [*first, *chain.from_iterable(step(named) for step in _STEPS)]


def _alter(table: TableName, action: str) -> str:
    return f"ALTER TABLE {full_name(table)} {action}"


def _drop_constraints(alteration: Alteration) -> Iterator[str]:
    gone = list(alteration.rebuilt)
    for change in alteration.changes:
        match change:
            case DropForeignKey(key):
                gone += [c for c in alteration.physical.of(alteration.table) if c.makes(key)]
                gone += _uniqueness(key, alteration)
            case ChangeForeignKey(before, after) if before.unique and not after.unique:
                gone += _uniqueness(before, alteration)
    for constraint in dict.fromkeys(gone):
        yield _alter(constraint.table, f"DROP CONSTRAINT {identifier(constraint.name)}")


def _uniqueness(key: ForeignKey, alteration: Alteration) -> list[Constraint]:
    found = alteration.physical.of(alteration.table)
    return [c for c in found if key.unique and c.kind == "u" and set(c.columns) == set(key.attributes)]


def _drop_indexes(alteration: Alteration) -> Iterator[str]:
    names = [(alteration.table, name) for name in alteration.dropped_indexes]
    names += [(table, name) for table, name, _ in alteration.rebuilt_indexes]
    for table, name in names:
        yield f"DROP INDEX {identifier(table.schema)}.{identifier(name)}"


def _drop_attributes(alteration: Alteration) -> Iterator[str]:
    for change in alteration.changes:
        if isinstance(change, DropAttribute):
            yield _alter(alteration.table, f"DROP COLUMN {identifier(change.attribute.name)}")


def _stop_counting(alteration: Alteration) -> Iterator[str]:
    """Before types change: PostgreSQL counts in few of them."""
    for change in alteration.changes:
        match change:
            case ChangeAttribute(before, after) if before.default is Special.AUTO and after.default is not Special.AUTO:
                column = f"ALTER COLUMN {identifier(before.name)}"
                yield _alter(alteration.table, f"{column} DROP IDENTITY IF EXISTS")
                yield _alter(alteration.table, f"{column} DROP DEFAULT")  # of one that another software made count up


def _retype(alteration: Alteration) -> Iterator[str]:
    for one in alteration.retyped:
        spec = alteration.specs[one.table]
        for constraint in alteration.physical.of(one.table):
            if constraint.holds_range_of(one.after.name):
                yield _alter(one.table, f"DROP CONSTRAINT {identifier(constraint.name)}")
        if one.column in alteration.rewritten:
            yield from _rewrite(one)
        if (check := ddl.range_check(one.after, spec)) is not None:
            yield _alter(one.table, f"ADD {check}")
        yield ddl.column_comment(one.after, spec)


_TEXTS = (Family.STRING, Family.ENUM)


def _rewrite(one: Retyped) -> Iterator[str]:
    """Another type of PostgreSQL; the default is taken away meanwhile, because not every one can be cast."""
    name, kind = identifier(one.after.name), one.after.type
    column = f"ALTER COLUMN {name}"
    through = "::text" if one.before.type.family in _TEXTS else ""  # an enum type, or a padded char
    if ddl.default_of(one.before) is not None:
        yield _alter(one.table, f"{column} DROP DEFAULT")
    yield _alter(one.table, f"{column} TYPE {ddl.column_type(kind)} USING {name}{through}::{kind.postgres}")
    if (default := ddl.default_of(one.after)) is not None:
        yield _alter(one.table, f"{column} SET DEFAULT {default}")


def _change_attributes(alteration: Alteration) -> Iterator[str]:
    for change in alteration.changes:
        if not isinstance(change, ChangeAttribute):
            continue
        before, after = change.before, change.after
        column = f"ALTER COLUMN {identifier(after.name)}"
        if before.nullable != after.nullable:  # before it counts up, which only a required attribute does
            yield _alter(alteration.table, f"{column} {'DROP' if after.nullable else 'SET'} NOT NULL")
        if before.default != after.default or type(before.default) is not type(after.default):
            yield from _change_default(alteration, before, after)


def _change_default(alteration: Alteration, before: Attribute, after: Attribute) -> Iterator[str]:
    table, column = alteration.table, f"ALTER COLUMN {identifier(after.name)}"
    if (default := ddl.default_of(after)) is not None:
        yield _alter(table, f"{column} SET DEFAULT {default}")
    elif before.default is not Special.AUTO:
        yield _alter(table, f"{column} DROP DEFAULT")
    if after.default is Special.AUTO:
        yield _alter(table, f"{column} ADD GENERATED BY DEFAULT AS IDENTITY")
        yield _count_on(after, table)


def _count_on(attribute: Attribute, table: TableName) -> str:
    """Let an attribute count up from its largest value; a statement of a block."""
    name = f"c.{identifier(attribute.name)}"  # a bare `found` would be a variable of the block
    sequence = f"pg_get_serial_sequence({quoted(full_name(table))}, {quoted(attribute.name)})"
    largest = f"greatest(max({name}), 1)::bigint, max({name}) >= 1"
    return f"PERFORM setval({sequence}, {largest}) FROM {full_name(table)} AS c"


def _add_attributes(alteration: Alteration) -> Iterator[str]:
    for change in alteration.changes:
        if isinstance(change, AddAttribute):
            carrier = alteration.carriers.get(change.attribute.name)
            yield _alter(alteration.table, f"ADD COLUMN {ddl.column(change.attribute, alteration.declared, carrier)}")
            yield ddl.column_comment(change.attribute, alteration.declared)


def _add_constraints(alteration: Alteration) -> Iterator[str]:
    for constraint in alteration.rebuilt:
        yield _alter(constraint.table, f"ADD CONSTRAINT {identifier(constraint.name)} {constraint.definition}")
    for change in alteration.changes:
        match change:
            case AddForeignKey(key):
                made = ddl.foreign_key(key, alteration.declared)
            case ChangeForeignKey(before, after) if after.unique and not before.unique:
                made = ddl.foreign_key(after, alteration.declared)[1:]
            case _:
                made = []
        for text in made:
            yield _alter(alteration.table, f"ADD {text}")


def _add_indexes(alteration: Alteration) -> Iterator[str]:
    for table, _, index in alteration.rebuilt_indexes:
        yield from ddl.create_index(index, alteration.specs[table], "index")
    for change in alteration.changes:
        if isinstance(change, AddIndex):
            yield from ddl.create_index(change.index, alteration.declared, "index")
    left = [
        index for name, index in alteration.physical.indexes[alteration.table] if name not in alteration.dropped_indexes
    ]
    for index in ddl.reference_indexes(alteration.declared):
        if index not in left:
            yield from ddl.create_index(index, alteration.declared, "reference")


def _comment(alteration: Alteration) -> Iterator[str]:
    for change in alteration.changes:
        match change:
            case ChangeComment(None):
                yield ddl.table_comment(alteration.declared)
            case ChangeComment(str(name)):
                yield ddl.column_comment(alteration.declared.heading[name], alteration.declared)


_STEPS: tuple[Callable[[Alteration], Iterator[str]], ...] = (
    _drop_constraints,
    _drop_indexes,
    _drop_attributes,
    _stop_counting,
    _retype,
    _change_attributes,
    _add_attributes,
    _add_constraints,
    _add_indexes,
    _comment,
)
