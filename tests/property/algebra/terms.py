"""Random scalar terms: the text that a user writes, and what it is in a row.

What may be written is a table of rows: the kind that comes out, the text, the kinds that go in, and the function.
"""

from __future__ import annotations

import datetime
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.property import naive
from tests.property.algebra.drawing import Draw
from tests.property.naive import Relation


@dataclass(frozen=True)
class Term:
    """A scalar term: its text, its kind, its value in a row, and the names that it reads."""

    text: str
    kind: str
    value: naive.Value
    names: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Operation:
    """A row of the table. text: with {} for each argument; "any" among the kinds is one that the relation has."""

    kind: str
    text: str
    arguments: tuple[str, ...]
    function: Callable[..., Any]


def _compared(holds: Callable[[Any, Any], bool]) -> Callable[..., Any]:
    return naive.strict(lambda x, y: holds(naive.rank(x), naive.rank(y)))


def greatest(*values: Any) -> Any:
    """The last in order."""
    return max(values, key=naive.rank)


def least(*values: Any) -> Any:
    """The first in order."""
    return min(values, key=naive.rank)


def _among(value: Any, *values: Any) -> bool | None:
    found: bool | None = False
    for other in values:
        found = naive.either(found, _equals(value, other))
    return found


def _between(value: Any, low: Any, high: Any) -> bool | None:
    return naive.both(_compared(operator.ge)(value, low), _compared(operator.le)(value, high))


_equals = _compared(operator.eq)

OPERATIONS = (
    # whole numbers; a product has a constant in it, so that nothing grows beyond 64 bits
    Operation("int", "({} + {})", ("int", "int"), naive.strict(operator.add)),
    Operation("int", "({} - {})", ("int", "int"), naive.strict(operator.sub)),
    Operation("int", "3 * ({})", ("int",), naive.strict(lambda x: 3 * x)),
    Operation("int", "-({})", ("int",), naive.strict(operator.neg)),
    Operation("int", "abs({})", ("int",), naive.strict(abs)),
    Operation("int", "({}) div ({})", ("int", "int"), naive.strict(naive.truncated)),
    Operation("int", "({}) % ({})", ("int", "int"), naive.strict(naive.remainder)),
    Operation("int", "length({})", ("str",), naive.strict(len)),
    Operation("int", "year({})", ("date",), naive.strict(lambda x: x.year)),
    Operation("int", "month({})", ("timestamp",), naive.strict(lambda x: x.month)),
    Operation("int", "hour({})", ("datetime",), naive.strict(lambda x: x.hour)),
    # other values
    Operation("str", "concat({}, {})", ("str", "str"), naive.strict(operator.add)),
    Operation("str", "left({}, 2)", ("str",), naive.strict(lambda x: x[:2])),
    Operation("decimal", "({} + {})", ("decimal", "decimal"), naive.strict(operator.add)),
    Operation("decimal", "-({})", ("decimal",), naive.strict(operator.neg)),
    Operation("date", "date({})", ("datetime",), naive.strict(datetime.datetime.date)),
    # choices
    *(
        Operation(kind, text, arguments, function)
        for kind in ("int", "big", "wide", "str", "bool", "float", "decimal", "date", "timestamp", "datetime", "uuid")
        for text, arguments, function in (
            ("coalesce({}, {})", (kind, kind), lambda x, y: y if x is None else x),
            ("if({}, {}, {})", ("bool", kind, kind), lambda test, x, y: x if test else y),
            ("case when {} then {} end", ("bool", kind), lambda test, x: x if test else None),
            ("nullif({}, {})", (kind, kind), lambda x, y: None if _equals(x, y) else x),
        )
    ),
    *(
        Operation(kind, text, (kind, kind), naive.strict(function))
        for kind in ("int", "big", "str", "decimal", "date", "float")
        for text, function in (("greatest({}, {})", greatest), ("least({}, {})", least))
    ),
    # comparisons
    *(
        Operation("bool", f"({{}} {sign} {{}})", ("any", "any"), _compared(holds))
        for sign, holds in {
            "=": operator.eq,
            "<>": operator.ne,
            "<": operator.lt,
            "<=": operator.le,
            ">": operator.gt,
            ">=": operator.ge,
        }.items()
    ),
    Operation("bool", "({} <=> {})", ("any", "any"), naive.equal),
    Operation("bool", "({} IS NULL)", ("any",), lambda x: x is None),
    Operation("bool", "({} IS NOT NULL)", ("any",), lambda x: x is not None),
    Operation("bool", "({} IN ({}, {}))", ("any", "any", "any"), _among),
    Operation("bool", "({} NOT IN ({}, NULL))", ("any", "any"), lambda x, y: naive.negation(_among(x, y, None))),
    Operation("bool", "({} BETWEEN {} AND {})", ("any", "any", "any"), _between),
    Operation("bool", "({} LIKE 'x%')", ("str",), naive.strict(lambda x: x.startswith("x"))),
    Operation("bool", "({} LIKE '%\\\\%%')", ("str",), naive.strict(lambda x: "%" in x)),
    # logic; AND binds more tightly than OR, and NOT than AND
    Operation("bool", "({} AND {})", ("bool", "bool"), naive.both),
    Operation("bool", "({} OR {})", ("bool", "bool"), naive.either),
    Operation("bool", "(NOT {})", ("bool",), naive.negation),
    Operation("bool", "({} XOR {})", ("bool", "bool"), naive.strict(operator.ne)),
    Operation("bool", "({} IS TRUE)", ("bool",), lambda x: x is True),
    Operation(
        "bool",
        "({} OR NOT {} AND {})",
        ("bool", "bool", "bool"),
        lambda x, y, z: naive.either(x, naive.both(naive.negation(y), z)),
    ),
)
_BY_KIND = {
    kind: tuple(row for row in OPERATIONS if row.kind == kind) for kind in dict.fromkeys(row.kind for row in OPERATIONS)
}

CONSTANTS: dict[str, tuple[Any, ...]] = {
    "int": (-2, -1, 0, 1, 2, 3),
    "big": (-(2**63), 2**63 - 1, 1),
    "str": ("", "x", "y", "it's", 'a"b', "\\", "a\\'b", "y%", "%s", "🙂é"),
    "bool": (True, False),
}
"""Kinds of which a constant may stand anywhere."""


def written(value: Any) -> str:
    """A constant as a user writes it: strings in the quotes of MySQL, whose backslash is doubled."""
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
    return str(value)


def read(name: str, kind: str) -> Term:
    """An attribute, in backticks as any name may be."""
    return Term(f"`{name}`" if name in ("order", "user") else name, kind, lambda row: row[name], frozenset({name}))


def apply(text: str, kind: str, function: Callable[..., Any], *terms: Term) -> Term:
    """A term of terms. text: with {} for each."""
    names = frozenset[str]().union(*(term.names for term in terms))
    whole = text.format(*(term.text for term in terms))
    return Term(whole, kind, lambda row: function(*(term.value(row) for term in terms)), names)


def kinds_of(relation: Relation) -> list[str]:
    """The kinds of which a term can be made here."""
    return list(dict.fromkeys(["int", "str", "bool", *(a.kind for a in relation.attributes.values())]))


def draw_term(draw: Draw, relation: Relation, kind: str, depth: int) -> Term:
    """A term of this kind."""
    names = relation.of_kind(kind)
    rows = [row for row in _BY_KIND[kind] if depth and _possible(row, relation)]
    leaf = not rows or draw.number(0, 2) == 0
    if leaf and names and (kind not in CONSTANTS or draw.number(0, 3)):
        return read(draw.one(names), kind)
    if leaf and kind in CONSTANTS:
        value = draw.one(CONSTANTS[kind])
        return Term(written(value), kind, lambda _: value)
    row = draw.one(rows)
    some = draw.one(kinds_of(relation)) if "any" in row.arguments else ""
    parts = [draw_term(draw, relation, some if each == "any" else each, depth - 1) for each in row.arguments]
    return apply(row.text, kind, row.function, *parts)


def _possible(row: Operation, relation: Relation) -> bool:
    """Whether the relation has what the operation reads: kinds without constants need an attribute."""
    return all(each == "any" or each in CONSTANTS or relation.of_kind(each) for each in row.arguments)


def draw_computed(draw: Draw, relation: Relation) -> Term:
    """A term for a new attribute. Computed whole numbers are bounded, or else only compared later."""
    term = draw_term(draw, relation, draw.one(kinds_of(relation)), 2)
    if term.kind == "int":
        match draw.one(["quotient", "bounded", "compared"]):
            case "quotient":
                return apply("({}) / 4", "float", naive.strict(lambda x: x / 4), term)
            case "bounded":
                return apply("({}) % 1000", "int", naive.strict(lambda x: naive.remainder(x, 1000)), term)
        term = apply("({}) + 0", "big", naive.strict(lambda x: x), term)
    if term.text.strip("`") in relation.attributes:  # by itself it would be a renaming
        term = apply("coalesce({0}, {0})", term.kind, lambda x: x, term)
    return term
