"""What a walk through code has read, so that another call needs to look only whether it is still so."""

from __future__ import annotations

from types import CodeType, FunctionType
from typing import Any

from attrs import Factory, define

from djarrow.jobs.code.names import in_place
from djarrow.jobs.code.values import text_of


@define(eq=False)
class Reached:
    """Names with what they stood for, functions with their code, and containers with their content as text."""

    names: dict[tuple[int, str], tuple[object, str, Any]] = Factory(dict)
    codes: dict[int, tuple[FunctionType, CodeType]] = Factory(dict)
    contents: list[tuple[object, str]] = Factory(list)

    def name(self, place: object, name: str, value: object) -> None:
        """Note what a name stood for. place: a dict, a cell, or a class, which looks in its bases, too."""
        self.names[id(place), name] = place, name, value

    def function(self, function: FunctionType) -> None:
        """Note a function and its code."""
        self.codes[id(function)] = function, function.__code__

    def holds(self) -> bool:
        """Whether all of it still is as it was."""
        return (
            all(in_place(place, name) is value for place, name, value in self.names.values())
            and all(function.__code__ is code for function, code in self.codes.values())
            and all(text_of(value) == text for value, text in self.contents)
        )
