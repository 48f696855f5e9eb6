"""What reads the trees inside a call, and its arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from djarrow.errors import InvalidTerm
from djarrow.expr.terms import Call, Term, Value
from djarrow.model.heading import Heading


class Reader(Protocol):
    """What reads the trees inside."""

    heading: Heading

    def read(self, tree: Any) -> Term:
        """The term of a tree."""

    def refuse(self, reason: str) -> InvalidTerm:
        """The error that says why the text is refused."""

    def apply(self, function: str, *terms: Term, distinct: bool = False, options: tuple[Any, ...] = ()) -> Call:
        """A call of a function."""


Special = Callable[[Reader, str, Any], Term]
"""Reads a call: reader, the name as written, the parser's tree of the call."""


def between(reader: Reader, written: str, tree: Any, least: int, most: int) -> list[Any]:
    """The arguments of a call, of which there are so many."""
    arguments = list(tree.expressions)
    if not least <= len(arguments) <= most:
        wanted = str(least) if least == most else f"{least} to {most}"
        raise reader.refuse(f"{written} takes {wanted} arguments and has {len(arguments)}.")
    return arguments


def exactly(reader: Reader, written: str, tree: Any, count: int) -> list[Any]:
    """The arguments of a call, of which there is this number."""
    return between(reader, written, tree, count, count)


def text_of(reader: Reader, written: str, tree: Any) -> str:
    """A string as it stands."""
    term = reader.read(tree)
    if not (isinstance(term, Value) and isinstance(term.value, str)):
        raise reader.refuse(f"{written} wants a string as it stands here, in quotes.")
    return term.value
