"""Methods that a table class answers as its instance does: `Student.proj(...)` is `Student().proj(...)`."""

from __future__ import annotations

from collections.abc import Callable
from types import MethodType
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class on_class_too(Generic[Arguments, Result]):  # noqa: N801 - it is used as a decorator
    """Bind to the instance, or to a new instance where the class was asked."""

    def __init__(self, function: Callable[Concatenate[Any, Arguments], Result]) -> None:
        self.function = function
        self.__doc__ = function.__doc__

    def __get__(self, instance: Any, owner: type) -> Callable[Arguments, Result]:
        return MethodType(self.function, owner() if instance is None else instance)
