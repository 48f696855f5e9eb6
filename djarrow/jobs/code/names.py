"""Looking names up in modules and classes as they are, so that no property, `__getattr__` or descriptor runs."""

from __future__ import annotations

import builtins
import functools
from collections.abc import Iterator, Mapping
from types import CellType, FunctionType, MethodType, ModuleType
from typing import Any, Final, TypeGuard, TypeVar

from attrs import field, frozen


class _Missing:
    """The type of what is not there."""


MISSING: Final = _Missing()

Kind = TypeVar("Kind")


def is_a(value: object, kind: type[Kind]) -> TypeGuard[Kind]:
    """Whether a value is of a type; `isinstance` would ask a proxy what it stands for, which runs its code."""
    return any(one is kind for one in mro(type(value)))


def contents(module: object) -> Mapping[str, Any]:
    """What a module binds; `vars` would have a lazy one load itself."""
    try:
        found = object.__getattribute__(module, "__dict__")
    except AttributeError:
        return {}
    return found if type(found) is dict else {}


def mro(cls: type) -> tuple[type, ...]:
    """The class and its bases, in the order of look-up."""
    found: tuple[type, ...] = type.__dict__["__mro__"].__get__(cls)
    return found


def namespace(cls: type) -> Mapping[str, Any]:
    """What the class itself defines."""
    found: Mapping[str, Any] = type.__dict__["__dict__"].__get__(cls)
    return found


def module_of(cls: type) -> str:
    """The name of the module that a class is defined in."""
    found = namespace(cls).get("__module__", "builtins")
    return found if isinstance(found, str) else "builtins"


def qualified_name(cls: type) -> str:
    """The name of a class in its module."""
    found: str = type.__dict__["__qualname__"].__get__(cls)
    return found


def member(cls: type, name: str, after: type | None = None) -> tuple[type | None, Any]:
    """(the class that defines it, what it defines) of an attribute; (None, MISSING) where no class does.

    after: look only in the classes that come after this one, as super() does.
    """
    classes = mro(cls)
    start = next((place + 1 for place, one in enumerate(classes) if one is after), 0)
    for one in classes[start:]:
        if name in namespace(one):
            return one, namespace(one)[name]
    return None, MISSING


@frozen(eq=False)
class Names:
    """The names that code sees besides its own: of functions around it, of the class that it stands in the body of, of
    its module, and of Python.
    """

    module: dict[str, Any]
    cells: Mapping[str, CellType] = field(factory=dict)
    body: type | None = None

    @classmethod
    def of(cls, function: FunctionType) -> Names:
        """The names that a function sees."""
        return cls(
            function.__globals__, dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
        )

    def find(self, name: str) -> tuple[object, Any]:
        """(where it is: a cell, a class, the module's dict or that of Python; its value or MISSING)."""
        if name in self.cells:
            return self.cells[name], in_place(self.cells[name], name)
        if self.body is not None and name in namespace(self.body):
            return self.body, namespace(self.body)[name]
        for place in (self.module, vars(builtins)):
            if name in place:
                return place, place[name]
        return self.module, MISSING


def in_place(place: object, name: str) -> Any:
    """The value of a name in a cell, a dict or a class; MISSING where there is none."""
    if is_a(place, CellType):
        try:
            return place.cell_contents
        except ValueError:  # not yet assigned
            return MISSING
    if is_a(place, type):
        return member(place, name)[1]
    return place.get(name, MISSING) if is_a(place, dict) else MISSING


def held(value: object) -> Iterator[object]:
    """Functions, classes and other values that a wrapper holds: a property, a partial, what a decorator returned."""
    if is_a(value, staticmethod) or is_a(value, classmethod) or is_a(value, MethodType):
        yield value.__func__
    elif is_a(value, property):
        yield from (one for one in (value.fget, value.fset, value.fdel) if one is not None)
    elif is_a(value, functools.partial):
        yield value.func
        yield from (*value.args, *value.keywords.values())
    elif is_a(value, FunctionType):
        yield from (in_place(cell, "") for cell in value.__closure__ or ())
        yield from vars(value).values()
    elif type(value) is dict:
        yield from value.values()
    elif type(value) is list or type(value) is tuple:
        yield from value
    elif not is_a(value, type) and not is_a(value, ModuleType):
        yield from contents(value).values()
