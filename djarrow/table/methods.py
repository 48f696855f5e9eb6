"""Methods that a table class answers as its instance does: `Student.proj(...)` is `Student().proj(...)`."""

from __future__ import annotations

from collections.abc import Callable
from types import MethodType
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class property_on_class_too(Generic[Result]):  # noqa: N801 - it is used as a decorator
    """A property of the instance, or of a new instance where a table class was asked."""

    def __init__(self, function: Callable[[Any], Result]) -> None:
        self.function = function
        self.__doc__ = function.__doc__

    def __get__(self, instance: Any, owner: type) -> Result:
        if instance is None and not getattr(owner, "_is_table", False):
            raise AttributeError(self.function.__name__)  # a class that stands for no query
        return self.function(owner() if instance is None else instance)


class on_class_too(Generic[Arguments, Result]):  # noqa: N801 - it is used as a decorator
    """Bind to the instance, or to a new instance where the class was asked."""

    def __init__(self, function: Callable[Concatenate[Any, Arguments], Result]) -> None:
        self.function = function
        self.__doc__ = function.__doc__

    def __get__(self, instance: Any, owner: type) -> Callable[Arguments, Result]:
        if instance is None and not getattr(owner, "_is_table", False):
            plain: Any = self.function  # a class that stands for no query
            return plain  # type: ignore[no-any-return]
        return MethodType(self.function, owner() if instance is None else instance)
