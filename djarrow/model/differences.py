"""What differs between the table that a class says and the one that is held under its name, one line each."""

from __future__ import annotations

from djarrow.model.heading import Attribute
from djarrow.model.spec import ForeignKey, Index, TableSpec


def differences(declared: TableSpec, stored: TableSpec, *, place: str = "the database") -> tuple[str, ...]:
    """The differences that matter to data; comments do not. Empty when the two agree. place: what holds the table."""
    lines = list(_attribute_differences(declared, stored, place))
    if declared.heading.primary_key != stored.heading.primary_key:
        ours, theirs = (", ".join(s.heading.primary_key) or "(none)" for s in (declared, stored))
        lines.append(f"primary key: the class says {ours}, {place} {theirs}")
    references = [_reference(key) for key in declared.foreign_keys], [_reference(key) for key in stored.foreign_keys]
    indexes = [_index(index) for index in declared.indexes], [_index(index) for index in stored.indexes]
    lines += _set_differences("foreign key", *references, place)
    lines += _set_differences("index", *indexes, place)
    return tuple(lines)


def _attribute_differences(declared: TableSpec, stored: TableSpec, place: str) -> list[str]:
    lines = []
    for attribute in declared.heading:
        if attribute.name not in stored.heading:
            lines.append(f"attribute {attribute.name!r} ({attribute.type}) is not in {place}")
        elif _facts(attribute) != _facts(stored.heading[attribute.name]):
            ours, theirs = _shown(attribute), _shown(stored.heading[attribute.name])
            lines.append(f"attribute {attribute.name!r}: the class says {ours}, {place} {theirs}")
    lines += [
        f"attribute {attribute.name!r} ({attribute.type}) is in {place} and not in the class"
        for attribute in stored.heading
        if attribute.name not in declared.heading
    ]
    return lines


def _facts(attribute: Attribute) -> tuple[object, ...]:
    return (attribute.type, attribute.nullable, type(attribute.default), attribute.default)


def _shown(attribute: Attribute) -> str:
    from djarrow.model.describe import default_text

    return str(attribute.type) + ("" if attribute.default is None else f" = {default_text(attribute.default)}")


def _reference(key: ForeignKey) -> str:
    options = f"{' nullable' if key.nullable else ''}{' unique' if key.unique else ''}"
    return f"({', '.join(key.attributes)}) -> {key.parent} ({', '.join(p for _, p in key.pairs)}){options}"


def _index(index: Index) -> str:
    return f"{'unique ' if index.unique else ''}({', '.join(index.attributes)})"


def _set_differences(what: str, ours: list[str], theirs: list[str], place: str) -> list[str]:
    lines = [f"{what} {text} is not in {place}" for text in ours if text not in theirs]
    return lines + [f"{what} {text} is in {place} and not in the class" for text in theirs if text not in ours]
