"""Class references in definitions, resolved by name: in the class, where it is defined, its module, its schema.

Never by eval: a reference is a name and attributes of it, `acquisition.Session.Probe`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import FrameType, ModuleType
from typing import Any

from djarrow.errors import UnknownReference
from djarrow.model.spec import TableSpec

Namespace = Mapping[str, Any]


def namespaces_of(frame: FrameType) -> tuple[Namespace, ...]:
    """The names in sight where a class is decorated: those of the enclosing function, then the module's."""
    return (dict(frame.f_locals), frame.f_globals)


def resolve(reference: str, namespaces: tuple[Namespace, ...], *, table: str, line: int) -> Any:
    """The table class that a definition names. Raises UnknownReference with the nearest class in sight."""
    first, *rest = reference.split(".")
    for namespace in namespaces:
        if first in namespace:
            found = _follow(namespace[first], rest)
            if spec_of(found) is not None:
                return found
    raise UnknownReference(reference, _in_sight(namespaces), table=table, line=line)


def _follow(start: Any, path: list[str]) -> Any:
    current = start
    for name in path:
        current = getattr(current, name, None)
    return current


def spec_of(candidate: Any) -> TableSpec | None:
    """The spec of a table class or instance that belongs to a schema, else None."""
    spec = getattr(candidate, "_spec", None)
    return spec if isinstance(spec, TableSpec) else None


def _in_sight(namespaces: tuple[Namespace, ...]) -> set[str]:
    """The references that would have been found."""
    names: set[str] = set()
    for namespace in namespaces:
        for name, value in list(namespace.items()):
            if isinstance(value, type) and spec_of(value) is not None:
                names.add(name)
            elif isinstance(value, ModuleType):
                inner = list(vars(value).items())
                names |= {f"{name}.{n}" for n, v in inner if isinstance(v, type) and spec_of(v) is not None}
    return names
