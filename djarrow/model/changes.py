"""What would have to change in a table for it to agree with its class: one record a change, each with its line of text.

`Table.alter()` applies them; the lines of DefinitionMismatch are theirs. Which are safe is decided where data are seen.
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen

from djarrow.model.describe import default_text
from djarrow.model.heading import Attribute, Heading
from djarrow.model.names import TableName
from djarrow.model.spec import ForeignKey, Index, TableSpec

DATABASE = "the database"
CLASS = "the class"


@frozen
class AddAttribute:
    """An attribute of the class that the table lacks."""

    attribute: Attribute

    def line(self, place: str = DATABASE, given: str = CLASS) -> str:  # noqa: ARG002 - as others have it
        """The difference, as one line. place: what holds the table; given: what it is compared with."""
        return f"attribute {self.attribute.name!r} ({self.attribute.type}) is not in {place}"


@frozen
class DropAttribute:
    """An attribute of the table that the class lacks."""

    attribute: Attribute

    def line(self, place: str = DATABASE, given: str = CLASS) -> str:
        """The difference, as one line. place: what holds the table; given: what it is compared with."""
        return f"attribute {self.attribute.name!r} ({self.attribute.type}) is in {place} and not in {given}"


@frozen
class ChangeAttribute:
    """An attribute of another type, default or nullability. before: as held; after: as the class says."""

    before: Attribute
    after: Attribute

    def line(self, place: str = DATABASE, given: str = CLASS) -> str:
        """The difference, as one line. place: what holds the table; given: what it is compared with."""
        return f"attribute {self.after.name!r}: {given} says {_shown(self.after)}, {place} {_shown(self.before)}"


@frozen
class ChangeKey:
    """Another primary key: other attributes, or in another order."""

    before: tuple[str, ...]
    after: tuple[str, ...]

    def line(self, place: str = DATABASE, given: str = CLASS) -> str:
        """The difference, as one line. place: what holds the table; given: what it is compared with."""
        ours, theirs = (", ".join(key) or "(none)" for key in (self.after, self.before))
        return f"primary key: {given} says {ours}, {place} {theirs}"


@frozen
class AddForeignKey:
    """A foreign key of the class that the table lacks."""

    key: ForeignKey

    def line(self, place: str = DATABASE, given: str = CLASS) -> str:  # noqa: ARG002 - as others have it
        """The difference, as one line. place: what holds the table; given: what it is compared with."""
        return f"foreign key {_reference(self.key)}{_options(self.key)} is not in {place}"


@frozen
class DropForeignKey:
    """A foreign key of the table that the class lacks."""

    key: ForeignKey

    def line(self, place: str = DATABASE, given: str = CLASS) -> str:
        """The difference, as one line. place: what holds the table; given: what it is compared with."""
        return f"foreign key {_reference(self.key)}{_options(self.key)} is in {place} and not in {given}"


@frozen
class ChangeForeignKey:
    """A foreign key with other options: nullable, unique."""

    before: ForeignKey
    after: ForeignKey

    def line(self, place: str = DATABASE, given: str = CLASS) -> str:
        """The difference, as one line. place: what holds the table; given: what it is compared with."""
        ours, theirs = (_options(key).strip() or "neither nullable nor unique" for key in (self.after, self.before))
        return f"foreign key {_reference(self.after)}: {given} says {ours}, {place} {theirs}"


@frozen
class AddIndex:
    """An index of the class that the table lacks."""

    index: Index

    def line(self, place: str = DATABASE, given: str = CLASS) -> str:  # noqa: ARG002 - as others have it
        """The difference, as one line. place: what holds the table; given: what it is compared with."""
        return f"index {_index(self.index)} is not in {place}"


@frozen
class DropIndex:
    """An index of the table that the class lacks."""

    index: Index

    def line(self, place: str = DATABASE, given: str = CLASS) -> str:
        """The difference, as one line. place: what holds the table; given: what it is compared with."""
        return f"index {_index(self.index)} is in {place} and not in {given}"


@frozen
class ChangeComment:
    """Another comment, of an attribute or, where that is None, of the table. It is no difference to data."""

    attribute: str | None
    before: str
    after: str

    def line(self, place: str = DATABASE, given: str = CLASS) -> str:
        """The difference, as one line. place: what holds the table; given: what it is compared with."""
        of = "the table" if self.attribute is None else f"attribute {self.attribute!r}"
        return f"comment of {of}: {given} says {self.after!r}, {place} {self.before!r}"


Change = (
    AddAttribute
    | DropAttribute
    | ChangeAttribute
    | ChangeKey
    | AddForeignKey
    | DropForeignKey
    | ChangeForeignKey
    | AddIndex
    | DropIndex
    | ChangeComment
)


def differences(declared: TableSpec, stored: TableSpec, *, place: str = DATABASE) -> tuple[str, ...]:
    """The differences of definitions but for comments. Empty when the two agree. place: what holds the table."""
    found = changes(declared, stored)
    return tuple(change.line(place) for change in found if not isinstance(change, ChangeComment))


def mismatches(declared: TableSpec, stored: TableSpec, *, place: str = DATABASE, given: str = CLASS) -> tuple[str, ...]:
    """The differences for which a class cannot be used. An index that only the table has just makes reading faster.

    place: what holds the table; given: what says how it is declared.
    """
    found = changes(declared, stored)
    return tuple(change.line(place, given) for change in found if not _is_harmless(change))


def _is_harmless(change: Change) -> bool:
    return isinstance(change, ChangeComment) or (isinstance(change, DropIndex) and not change.index.unique)


def changes(declared: TableSpec, stored: TableSpec) -> tuple[Change, ...]:
    """All that makes the stored table the declared one. The order of secondary attributes is no difference."""
    return tuple(_changes(declared, stored))


def _changes(declared: TableSpec, stored: TableSpec) -> Iterator[Change]:
    ours, theirs = declared.heading, stored.heading
    yield from _attribute_changes(ours, theirs)
    if ours.primary_key != theirs.primary_key:
        yield ChangeKey(theirs.primary_key, ours.primary_key)
    yield from _foreign_key_changes(declared, stored)
    yield from (AddIndex(index) for index in declared.indexes if index not in stored.indexes)
    yield from (DropIndex(index) for index in dict.fromkeys(stored.indexes) if index not in declared.indexes)
    if declared.comment != stored.comment:
        yield ChangeComment(None, stored.comment, declared.comment)
    for attribute in ours:
        if attribute.name in theirs and attribute.comment != theirs[attribute.name].comment:
            yield ChangeComment(attribute.name, theirs[attribute.name].comment, attribute.comment)


def _attribute_changes(ours: Heading, theirs: Heading) -> Iterator[Change]:
    for attribute in ours:
        if attribute.name not in theirs:
            yield AddAttribute(attribute)
        elif _facts(attribute) != _facts(theirs[attribute.name]):
            yield ChangeAttribute(theirs[attribute.name], attribute)
    yield from (DropAttribute(attribute) for attribute in theirs if attribute.name not in ours)


def _foreign_key_changes(declared: TableSpec, stored: TableSpec) -> Iterator[Change]:
    ours, theirs = ({_identity(key): key for key in spec.foreign_keys} for spec in (declared, stored))
    yield from (AddForeignKey(key) for identity, key in ours.items() if identity not in theirs)
    for identity, key in ours.items():
        if identity in theirs and _options(key) != _options(theirs[identity]):
            yield ChangeForeignKey(theirs[identity], key)
    yield from (DropForeignKey(key) for identity, key in theirs.items() if identity not in ours)


def _facts(attribute: Attribute) -> tuple[object, ...]:
    return (attribute.type, attribute.nullable, type(attribute.default), attribute.default)


def _identity(key: ForeignKey) -> tuple[TableName, frozenset[tuple[str, str]]]:
    """What makes two foreign keys the same one, whatever their options."""
    return key.parent, frozenset(key.pairs)


def _shown(attribute: Attribute) -> str:
    return str(attribute.type) + ("" if attribute.default is None else f" = {default_text(attribute.default)}")


def _reference(key: ForeignKey) -> str:
    return f"({', '.join(key.attributes)}) -> {key.parent} ({', '.join(p for _, p in key.pairs)})"


def _options(key: ForeignKey) -> str:
    return f"{' nullable' if key.nullable else ''}{' unique' if key.unique else ''}"


def _index(index: Index) -> str:
    return f"{'unique ' if index.unique else ''}({', '.join(index.terms)})"
