"""TableSpec -> the definition text that declares it again. Specification: 001 5.3.3."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, time

from djarrow.model.heading import Attribute, Default, Special
from djarrow.model.names import TableName
from djarrow.model.spec import ForeignKey, Index, TableSpec

ClassNames = Callable[[TableName], str]
"""The text by which a definition refers to a table: `Session`, `Session.Probe`, `acquisition.Session`."""


def describe(spec: TableSpec, class_names: ClassNames) -> str:
    """The definition of a table: foreign keys as `->` lines, then its own attributes, with comments and indexes."""
    lines = [f"# {_one_line(spec.comment)}"] if spec.comment else []
    lines += [*_part(spec, class_names, in_key=True), "---", *_part(spec, class_names, in_key=False)]
    lines += map(index_line, spec.indexes)
    return "\n".join(lines) + "\n"


def index_line(index: Index) -> str:
    """An index as a definition writes it: `unique index (name, (year(born)))`."""
    return f"{'unique ' if index.unique else ''}index ({', '.join(index.terms)})"


def _part(spec: TableSpec, class_names: ClassNames, *, in_key: bool) -> list[str]:
    """The lines above or below the divider. A reference stands where the first attribute that it brings would."""
    heading = spec.heading
    lines: list[str] = []
    left = list(heading.primary_key if in_key else heading.secondary)
    pending = [key for key in spec.foreign_keys if (key in spec.primary_foreign_keys) == in_key]
    while left:
        found = next((key for key in pending if left[0] in key.attributes), None)
        brought = [] if found is None else [name for name in found.attributes if name in left]
        in_order = left[: len(brought)] == brought
        if found is None or not in_order or any(_has_own_line(heading[name], spec) for name in brought):
            lines.append(_attribute_line(heading[left[0]]))
            del left[0]
        else:
            lines.append(_reference_line(found, spec, class_names))
            del left[: len(brought)]
            pending.remove(found)
    return lines + [_reference_line(key, spec, class_names) for key in pending]


def _has_own_line(attribute: Attribute, spec: TableSpec) -> bool:
    """Whether an attribute of references has a default, or may or may not be NULL, other than they would have it."""
    if attribute.default not in (None, Special.NULL):
        return True
    referring = [key for key in spec.foreign_keys if attribute.name in key.attributes]
    return attribute.name not in spec.heading.primary_key and attribute.nullable != all(k.nullable for k in referring)


def _reference_line(key: ForeignKey, spec: TableSpec, class_names: ClassNames) -> str:
    options = [word for word, on in (("nullable", key.nullable), ("unique", key.unique)) if on]
    prefix = f"[{', '.join(options)}] " if options else ""
    parent = "master" if key.parent == spec.master and not key.renamed else class_names(key.parent)
    renames = ", ".join(f"{new}='{old}'" for new, old in key.renamed.items())
    return f"-> {prefix}{parent}" + (f".proj({renames})" if renames else "")


def _attribute_line(attribute: Attribute) -> str:
    text = f"{attribute.name} : {attribute.type}"
    if attribute.default is Special.AUTO:
        text += f" {attribute.default.value}"
    elif attribute.default is not None:
        text += f" = {default_text(attribute.default)}"
    return text + (f"  # {_one_line(attribute.comment)}" if attribute.comment else "")


def _one_line(comment: str) -> str:
    """A comment as it fits in a line; other software writes longer ones."""
    return re.sub(r"[\r\n]+", " ", comment).strip()


def default_text(default: Default) -> str:
    """A default as a definition writes it."""
    match default:
        case Special():
            return default.value
        case bool():
            return str(default).lower()
        case str():
            return '"' + default.replace("\\", "\\\\").replace('"', '\\"') + '"'
        case date() | time():
            return f'"{default.isoformat()}"'
        case _:
            return str(default)
