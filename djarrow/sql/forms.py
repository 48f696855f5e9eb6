"""Forms: pieces of SQL with holes for arguments, `LPAD({0}, {1}, {2})`, as nodes of the tree; and who writes trees.

A form is one call, a CASE, or in parentheses, so that it can stand anywhere. What is put into a hole gets parentheses
where an operator beside the hole could read it otherwise.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import sqlglot

from djarrow.sql.dialects import Dialect
from djarrow.sql.tree import Expression, closed

_HOLE = re.compile(r"\{(\d)\}")


class Form(Expression):
    """Text with holes, and the nodes that fill them in order of appearance."""

    arg_types = {"this": True, "expressions": False}  # noqa: RUF012 - as the library declares them


def form(text: str, *nodes: Expression) -> Form:
    """A form filled with these nodes, each as often as it is named."""
    _, holes = _parts(text)
    used: set[int] = set()
    filling = []
    for number, alone in holes:
        node = nodes[number].copy() if number in used else nodes[number]
        used.add(number)
        filling.append(node if alone else closed(node))
    return Form(this=text, expressions=filling)


@cache
def _parts(text: str) -> tuple[tuple[str, ...], tuple[tuple[int, bool], ...]]:
    """The text between the holes, and of each hole the argument's number and whether it stands alone."""
    pieces, holes, end = [], [], 0
    for hole in _HOLE.finditer(text):
        before, after = text[: hole.start()].rstrip(), text[hole.end() :].lstrip()
        alone = before.endswith(("(", ",", " FROM", " WHEN")) and after.startswith((")", ",", "AS ", "THEN "))
        pieces.append(text[end : hole.start()])
        holes.append((int(hole[1]), alone))
        end = hole.end()
    return (*pieces, text[end:]), tuple(holes)


def _write(generator: Any, node: Form) -> str:
    pieces, _ = _parts(node.this)
    filling = [generator.sql(inner) for inner in node.expressions]
    return "".join(part for pair in zip(pieces, (*filling, ""), strict=True) for part in pair)


@cache
def writer(dialect: Dialect) -> sqlglot.Dialect:
    """Who writes the tree of a dialect as text: the library's own, which knows forms too. Loaded when first needed."""
    known: Any = type(sqlglot.Dialect.get_or_raise(dialect.value))
    transforms = {**known.generator_class.TRANSFORMS, Form: _write}
    generator = type("Generator", (known.generator_class,), {"TRANSFORMS": transforms})
    made: sqlglot.Dialect = type(f"Forms{known.__name__}", (known,), {"Generator": generator})()
    return made
