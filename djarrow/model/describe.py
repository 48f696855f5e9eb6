"""TableSpec -> the definition text that declares it again. Specification: 001 5.3.3."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time

from djarrow.model.heading import Attribute, Default, Special
from djarrow.model.names import TableName
from djarrow.model.spec import ForeignKey, TableSpec

ClassNames = Callable[[TableName], str]
"""The text by which a definition refers to a table: `Session`, `Session.Probe`, `acquisition.Session`."""


def describe(spec: TableSpec, class_names: ClassNames) -> str:
    """The definition of a table: foreign keys as `->` lines, then its own attributes, with comments and indexes."""
    lines = [f"# {spec.comment}"] if spec.comment else []
    lines += _part(spec, class_names, in_key=True) + ["---"] + _part(spec, class_names, in_key=False)
    lines += [f"{'unique ' if index.unique else ''}index ({', '.join(index.attributes)})" for index in spec.indexes]
    return "\n".join(lines) + "\n"


def _part(spec: TableSpec, class_names: ClassNames, *, in_key: bool) -> list[str]:
    """The lines above or below the divider. A reference stands where the first attribute that it brings would."""
    lines: list[str] = []
    written: set[str] = set()
    pending = [key for key in spec.foreign_keys if (key in spec.primary_foreign_keys) == in_key]
    for attribute in spec.heading:
        if (attribute.name in spec.heading.primary_key) != in_key:
            continue
        for key in [key for key in pending if attribute.name in key.attributes]:
            lines.append(_reference_line(key, spec, class_names))
            written |= set(key.attributes)
            pending.remove(key)
        if attribute.name not in written:
            lines.append(_attribute_line(attribute))
    return lines + [_reference_line(key, spec, class_names) for key in pending]


def _reference_line(key: ForeignKey, spec: TableSpec, class_names: ClassNames) -> str:
    options = [word for word, on in (("nullable", key.nullable), ("unique", key.unique)) if on]
    prefix = f"[{', '.join(options)}] " if options else ""
    parent = "master" if key.parent == spec.master and not key.renamed else class_names(key.parent)
    renames = ", ".join(f"{new}='{old}'" for new, old in key.renamed.items())
    return f"-> {prefix}{parent}" + (f".proj({renames})" if renames else "")


def _attribute_line(attribute: Attribute) -> str:
    text = f"{attribute.name} : {attribute.type}"
    if attribute.default is not None:
        text += f" = {default_text(attribute.default)}"
    return text + (f"  # {attribute.comment}" if attribute.comment else "")


def default_text(default: Default) -> str:
    """A default as a definition writes it."""
    match default:
        case Special():
            return default.value
        case bool():
            return str(default).lower()
        case str():
            return '"' + default.replace("\\", "\\\\").replace('"', '\\"') + '"'
        case date() | time() | datetime():
            return f'"{default.isoformat()}"'
        case _:
            return str(default)
