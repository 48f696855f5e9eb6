"""What a walk collects: units of code, constants, and the names of modules that are not imported."""

from __future__ import annotations

import ast
from types import CodeType

from attrs import define, frozen

from djarrow.jobs.code.names import Names
from djarrow.jobs.code.sources import Source
from djarrow.jobs.code.values import text_of


@frozen(eq=False)
class Unimported:
    """The names that code of a module sees which is not imported yet."""

    module_name: str
    is_package: bool
    source: Source

    @property
    def package(self) -> str:
        """What its relative imports begin from."""
        return self.module_name if self.is_package else self.module_name.rpartition(".")[0]


@frozen(eq=False)
class Unit:
    """Code that counts: a tree, or where there is none, a code object or a class as it is loaded.

    receiver: the class that self is of; owner: the class whose method it is, after which super() looks; replaced: what
    of a class is not as its tree says; compiled: the code of a function, for a tree too deep to be walked.
    """

    code: ast.AST | CodeType | type
    names: Names | Unimported
    receiver: type | None = None
    owner: type | None = None
    replaced: str = ""
    compiled: CodeType | None = None


@define(eq=False)
class Constant:
    """A value that is read. literal: the text of what the source says that it is."""

    value: object
    literal: str | None
    changed: bool = False

    def text(self) -> str:
        """Its value; of what the code itself changes, as a memo or a counter, what it began with."""
        if self.changed:
            return self.literal or type(self.value).__name__
        return text_of(self.value) or self.literal or type(self.value).__name__
