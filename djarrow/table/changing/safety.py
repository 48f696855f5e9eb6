"""What stands against changes of a table that holds rows: each reason in one line, with how many rows and one of them.

A change is safe where no value is lost or gets another meaning, which the rows decide. docs/decisions/006.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, assert_never

from attrs import evolve, frozen

from djarrow.model.changes import (
    AddAttribute,
    AddForeignKey,
    AddIndex,
    Change,
    ChangeAttribute,
    ChangeComment,
    ChangeForeignKey,
    ChangeKey,
    DropAttribute,
    DropForeignKey,
    DropIndex,
)
from djarrow.model.describe import index_line
from djarrow.model.heading import Attribute, Origin
from djarrow.model.names import TableName
from djarrow.model.spec import ForeignKey, Index, TableSpec
from djarrow.sql import evidence
from djarrow.sql.alter import Retyped
from djarrow.sql.ddl import full_name
from djarrow.sql.literals import identifier
from djarrow.sql.physical import Physical
from djarrow.sql.renaming import has_our_name

Ask = Callable[[str], Mapping[str, Any]]
"""Runs a statement that gives one row."""


@frozen
class Survey:
    """A table that is to change, and what is around it.

    held: the tables that the database has. created: the parents that it lacks, which are made along. carriers: columns
    of other types in PostgreSQL than ours would be.
    """

    declared: TableSpec
    stored: TableSpec
    changes: tuple[Change, ...]
    held: Mapping[TableName, TableSpec]
    created: tuple[TableSpec, ...]
    physical: Physical
    carriers: dict[Origin, str]

    @property
    def retyped(self) -> tuple[Retyped, ...]:
        """The columns that take another type: those of the table, and those of other tables that refer to them."""
        table = self.declared.name
        found = {
            (table, change.after.name): Retyped(table, change.before, change.after)
            for change in self.changes
            if isinstance(change, ChangeAttribute) and change.before.type != change.after.type
        }
        pending = list(found.values())
        while pending:
            for one in self._followers(pending.pop()):
                if one.column not in found:
                    found[one.column] = one
                    pending.append(one)
        return tuple(found.values())

    @property
    def becoming(self) -> dict[TableName, TableSpec]:
        """The tables with such columns, and the table itself, as they will be."""
        kinds = {one.column: one.after.type for one in self.retyped}
        specs = {}
        for name in dict.fromkeys(table for table, _ in kinds):
            heading = self.held[name].heading
            attributes = tuple(evolve(a, type=kinds.get((name, a.name), a.type)) for a in heading)
            specs[name] = evolve(self.held[name], heading=evolve(heading, attributes=attributes))
        return {**specs, self.declared.name: self.declared}

    def _followers(self, changed: Retyped) -> Iterator[Retyped]:
        """The columns of other tables that refer to a column which changes. The table's own are its class's matter."""
        for constraint in self.physical.constraints:
            for (child, name), parent in constraint.pairs:
                if parent == changed.column and child != self.declared.name and child in self.held:
                    before = self.held[child].heading[name]
                    if before.type != changed.after.type:
                        yield Retyped(child, before, evolve(before, type=changed.after.type))


def reasons(survey: Survey, ask: Ask) -> tuple[str, ...]:
    """Why the table cannot be altered; none where it can."""
    found = [line for change in survey.changes for line in _reasons(change, survey, ask)]
    found += _of_parents(survey)
    found += _of_followers(survey)
    return tuple(found + rename_hints(survey)) if found else ()


def rename_hints(survey: Survey) -> list[str]:
    """What to say where an attribute is gone and a new one has its type: it may have been renamed."""
    dropped = [change.attribute for change in survey.changes if isinstance(change, DropAttribute)]
    added = [change.attribute for change in survey.changes if isinstance(change, AddAttribute)]
    table = full_name(survey.declared.name)
    return [
        f"if {old.name!r} was renamed to {new.name!r}: that cannot be known here, and its values would be dropped. "
        f"Rename it in the database, `ALTER TABLE {table} RENAME COLUMN {identifier(old.name)} TO "
        f"{identifier(new.name)}`, and call alter() again"
        for old in dropped
        for new in added
        if old.type == new.type
    ]


def index_hints(survey: Survey) -> list[str]:
    """What to say of indexes that go, with none of the class in their place, and that somebody else made."""
    kept = {index.terms for index in survey.declared.indexes}
    gone = {
        change.index for change in survey.changes if isinstance(change, DropIndex) and change.index.terms not in kept
    }
    return [
        f"the index {name!r} was not made by djarrow. A line `{index_line(index)}` in the definition would keep it"
        for name, index in survey.physical.indexes[survey.declared.name]
        if index in gone and not has_our_name(name, survey.declared.name)
    ]


def _reasons(change: Change, survey: Survey, ask: Ask) -> Iterator[str]:
    match change:
        case AddAttribute(attribute):
            yield from _of_new_attribute(attribute, survey, ask)
        case ChangeAttribute():
            yield from _of_changed_attribute(change, survey, ask)
        case ChangeKey():
            yield (
                f"{change.line()}. Its rows, and the tables that refer to them, are known by the key: declare another "
                "table, and insert the rows there"
            )
        case AddForeignKey(key):
            yield from _of_new_reference(change, key, survey, ask)
        case ChangeForeignKey(before, after) if after.unique and not before.unique:
            yield from _of_uniqueness("foreign key", Index(after.attributes, unique=True), survey, ask)
        case AddIndex(index) if index.unique:
            yield from _of_uniqueness("index", index, survey, ask)
        case DropAttribute() | DropForeignKey() | DropIndex() | ChangeForeignKey() | AddIndex() | ChangeComment():
            pass
        case _:
            assert_never(change)


def _of_new_attribute(attribute: Attribute, survey: Survey, ask: Ask) -> Iterator[str]:
    if attribute.default is not None or attribute.name in survey.declared.heading.primary_key:
        return  # of the key: the change of the key is refused
    count = ask(evidence.rows(survey.stored))["n"]
    if count:
        brought = any(attribute.name in key.attributes for key in survey.declared.foreign_keys)
        advice = "make its reference `[nullable]`" if brought else "give it a default, or `= null`"
        yield (
            f"attribute {attribute.name!r} is required and has no default, and {_many(count, 'row')} would lack a "
            f"value: {advice}"
        )


def _of_changed_attribute(change: ChangeAttribute, survey: Survey, ask: Ask) -> Iterator[str]:
    before, after = change.before, change.after
    if before.type != after.type:
        question = evidence.misfits(survey.stored, before, after.type)
        if question is None:
            yield (
                f"attribute {after.name!r}: {before.type} is not turned into {after.type}, which would change what "
                "the values mean or how exact they are. Add an attribute of the new type, fill it, and drop this one"
            )
        elif (found := ask(question))["n"]:
            yield (
                f"attribute {after.name!r} becomes {after.type}, which lacks the values of "
                f"{_many(found['n'], 'row')}{_such_as(found)}"
            )
    if before.nullable and not after.nullable and (found := ask(evidence.nulls(survey.stored, after.name)))["n"]:
        yield f"attribute {after.name!r} becomes required, and is NULL in {_many(found['n'], 'row')}{_such_as(found)}"


def _of_new_reference(change: AddForeignKey, key: ForeignKey, survey: Survey, ask: Ask) -> Iterator[str]:
    if _is_settled(key.attributes, survey) and key.parent in survey.held:
        found = ask(evidence.orphans(survey.stored, key))
        if found["n"]:
            yield f"{change.line()}, and {_many(found['n'], 'row')} would refer to no row there{_such_as(found)}"
    if key.unique:
        yield from _of_uniqueness("foreign key", Index(key.attributes, unique=True), survey, ask)


def _of_uniqueness(what: str, index: Index, survey: Survey, ask: Ask) -> Iterator[str]:
    used = [n for n in survey.declared.heading.names if n in index.terms or any(n in e for e in index.expressions)]
    if _is_settled(used, survey):
        found = ask(evidence.duplicates(survey.stored, index.terms))
        if found["n"]:
            terms = ", ".join(index.terms)
            stand = "stands" if found["n"] == 1 else "stand"
            yield (
                f"{what} ({terms}) becomes unique, and {_many(found['n'], 'value')} {stand} in more than one "
                f"row{_such_as(found)}"
            )


def _is_settled(names: Any, survey: Survey) -> bool:
    """Whether the table has these attributes with their types already; else PostgreSQL finds what is wrong."""
    held = survey.stored.heading
    return all(name in held and held[name].type == survey.declared.heading[name].type for name in names)


def _of_parents(survey: Survey) -> Iterator[str]:
    """A foreign key attribute has the type that the parent has, which must be altered first."""
    table = survey.declared.name
    held = {**survey.held, **{spec.name: spec for spec in survey.created}}
    moved = {one.after.name for one in survey.retyped if one.table == table}
    added = [change.key for change in survey.changes if isinstance(change, AddForeignKey)]
    for key in survey.declared.foreign_keys:
        if key.parent == table or (key not in added and not moved & set(key.attributes)):
            continue
        if key.parent not in held:
            yield f"{key.parent}, which it refers to, is no table that djarrow can read"
            continue
        theirs = held[key.parent].heading
        ours = survey.declared.heading
        if {parent for _, parent in key.pairs} != set(theirs.primary_key):
            yield f"the key of {key.parent} is another one in the database than its class says: alter that table first"
            continue
        for child, parent in key.pairs:
            if theirs[parent].type != ours[child].type:
                yield (
                    f"attribute {child!r} is {ours[child].type} through {key.parent}, where {parent!r} is "
                    f"{theirs[parent].type} in the database: call alter() of that class first, and it changes the "
                    "tables that refer to it, too"
                )


def _of_followers(survey: Survey) -> Iterator[str]:
    """Columns of other tables that refer to one which takes another type, and cannot follow it."""
    before = {one.column: one.before.type for one in survey.retyped}
    for constraint in survey.physical.constraints:
        for (table, name), parent in constraint.pairs:
            if parent not in before or table == survey.declared.name:
                continue
            if table not in survey.held:
                yield f"{table} refers to {parent[1]!r}, and is no table that djarrow can read"
            elif before.get((table, name), before[parent]) != before[parent]:
                yield (
                    f"{table} refers to {parent[1]!r} ({before[parent]}) by {name!r}, which is "
                    f"{before[table, name]} and so cannot follow its change"
                )


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _such_as(found: Mapping[str, Any]) -> str:
    example = json.loads(found["example"] or "{}")
    return ", such as " + ", ".join(f"{name} = {value}" for name, value in example.items()) if example else ""
