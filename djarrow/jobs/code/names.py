"""Looking names up in modules and classes as they are, so that no property, `__getattr__` or descriptor runs."""

from __future__ import annotations

import builtins
import functools
from collections.abc import Iterator, Mapping
from types import CellType, FunctionType, MethodType, ModuleType
from typing import Any, Final

from attrs import field, frozen


class _Missing:
    """The type of what is not there."""


MISSING: Final = _Missing()


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
    start = classes.index(after) + 1 if after in classes else 0
    for one in classes[start:]:
        if name in namespace(one):
            return one, namespace(one)[name]
    return None, MISSING


@frozen(eq=False)
class Names:
    """The names that a function sees besides its own: those of functions around it, of its module, and of Python."""

    module: Mapping[str, Any]
    cells: Mapping[str, CellType] = field(factory=dict)

    @classmethod
    def of(cls, function: FunctionType) -> Names:
        """The names that a function sees."""
        return cls(
            function.__globals__, dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
        )

    @property
    def module_name(self) -> str:
        """The name of the module."""
        return str(self.module.get("__name__", ""))

    def find(self, name: str) -> tuple[object, Any]:
        """(where it is: a cell, the module's dict or that of Python; its value or MISSING)."""
        if name in self.cells:
            return self.cells[name], in_place(self.cells[name], name)
        for place in (self.module, vars(builtins)):
            if name in place:
                return place, place[name]
        return self.module, MISSING


def in_place(place: object, name: str) -> Any:
    """The value of a name in a cell, a dict or a class; MISSING where there is none."""
    match place:
        case CellType():
            try:
                return place.cell_contents
            except ValueError:  # not yet assigned
                return MISSING
        case type():
            return member(place, name)[1]
        case Mapping():
            return place.get(name, MISSING)
    return MISSING


def held(value: object, *, within: bool = True) -> Iterator[object]:
    """Functions, classes and other values that a wrapper holds: a property, a partial, what a decorator returned."""
    match value:
        case staticmethod() | classmethod() | MethodType():
            yield value.__func__
        case property():
            yield from (one for one in (value.fget, value.fset, value.fdel) if one is not None)
        case functools.partial():
            yield value.func
            yield from (*value.args, *value.keywords.values())
        case FunctionType():
            yield from (in_place(cell, "") for cell in value.__closure__ or ())
            yield from vars(value).values()
        case dict() if type(value) is dict:
            yield from value.values()
        case list() | tuple() if type(value) in (list, tuple):
            yield from value
        case type() | ModuleType():
            pass
        case _ if within:
            try:
                own = object.__getattribute__(value, "__dict__")
            except AttributeError:
                return
            if type(own) is dict:
                yield from own.values()
