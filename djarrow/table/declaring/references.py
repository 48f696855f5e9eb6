"""Class references in definitions, resolved by name: in the class, in what its schema is given, where it is defined.

Never by eval: a reference is a name and attributes of it, `acquisition.Session.Probe`.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import FrameType, ModuleType
from typing import Any

from djarrow.errors import DefinitionError, NoSchema, UnknownReference
from djarrow.model.definition import ReferenceLine
from djarrow.model.spec import TableSpec

Namespace = Mapping[str, Any]

Linked = Mapping[str, Any] | ModuleType | str
"""What names can be given as: a mapping, a module, or a module's dotted name."""


def namespaces_of(frame: FrameType) -> tuple[Namespace, ...]:
    """The names in sight where a class is decorated: those of the enclosing function, then the module's.

    A function's are those of this moment. A module's are looked up when needed: those that come later are found, too.
    """
    if frame.f_locals is frame.f_globals:
        return (frame.f_globals,)
    return (dict(frame.f_locals), frame.f_globals)


def namespace_given(given: Linked | None) -> Namespace:
    """The names that `add_objects` gives. Raises DefinitionError for what has none."""
    match given:
        case None:
            return {}
        case Mapping():
            return given
        case ModuleType():
            return vars(given)
        case str():
            return vars(_module(given))
        case _:
            raise DefinitionError(
                "`add_objects` is a mapping of names to table classes, a module, or a module's dotted name, "
                f"not {given!r}."
            )


def _module(name: str) -> ModuleType:
    """The module of this name. What goes wrong within it is let out as it is."""
    problem = "is no dotted name of a module"
    if all(part.isidentifier() for part in name.split(".")):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{name}.".startswith(f"{error.name}."):
                raise  # an import within the module
            problem = f"cannot be imported ({error})"
    raise DefinitionError(
        f"`add_objects` names the module {name!r}, which {problem}. Give the name by which `import` finds it, or the "
        "module, or a mapping of names to table classes."
    )


def resolve(
    reference: str,
    namespaces: tuple[Namespace, ...],
    *,
    table: str,
    line: ReferenceLine,
    home: object = None,
    searched: tuple[str, ...] = (),
) -> Any:
    """The table class that a definition names.

    home: the schema of the definition. searched: what to say of where was looked. Raises UnknownReference with the
    nearest class in sight, and NoSchema for a class whose own schema is not activated.
    """
    first, *rest = reference.split(".")
    waiting: Any = None
    for namespace in namespaces:
        if first in namespace:
            found = _follow(namespace[first], rest)
            if spec_of(found) is not None:
                return found
            waiting = waiting or _waiting_class(found)
    if waiting is None:
        sight, advice = _in_sight(namespaces), _advice(first, searched)
        raise UnknownReference(reference, sight, table=table, line=line.line, column=line.column, advice=advice)
    if waiting._schema is home:
        why = "is declared after this class, or was declared anew since; move that class before this one"
        raise UnknownReference(reference, (), table=table, line=line.line, column=line.column, why=why)
    raise NoSchema(
        f"the foreign key refers to {reference!r}, whose schema is not activated. "
        f"Activate that of {waiting.__module__!r} first.",
        table=table,
        line=line.line,
        column=line.column,
    )


def _advice(name: str, searched: tuple[str, ...]) -> str:
    """The end of the message about a name that nothing gives."""
    if not searched:
        return ""
    return (
        f" Looked for it in {', '.join(searched)}. Import {name!r} where the class is defined, or pass a mapping or "
        f"module that has it: `activate(..., add_objects={{{name!r}: ...}})`."
    )


def _follow(start: Any, path: list[str]) -> Any:
    current = start
    for name in path:
        current = getattr(current, name, None)
    return current


def spec_of(candidate: Any) -> TableSpec | None:
    """The spec of a table class or instance that belongs to a schema, else None."""
    spec = getattr(candidate, "_spec", None)
    return spec if isinstance(spec, TableSpec) else None


def _waiting_class(candidate: Any) -> type | None:
    """The table class, or that of the instance, if it belongs to a schema that is not activated."""
    cls = candidate if isinstance(candidate, type) else type(candidate)
    return cls if getattr(cls, "_is_table", False) and getattr(cls, "_schema", None) is not None else None


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
