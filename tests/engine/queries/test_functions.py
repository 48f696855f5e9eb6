"""What the functions and operators of text give, on both engines: values, types, and NULL where they have none."""

from __future__ import annotations

import itertools
import math
import re
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.expr.functions import FUNCTIONS, OTHER_NAMES
from djarrow.expr.parse import parse_term
from djarrow.expr.terms import Call, walk
from djarrow.model.types import Family
from djarrow.repo.opening.repository import Repository

from .cases import ODD, ORDINARY
from .conftest import NUMBERS, Evaluate


def computed(tables: SimpleNamespace, texts: list[str]) -> Any:
    """All of the texts as computed attributes c0, c1, ..."""
    return tables.Kinds.proj(**{f"c{number}": text for number, text in enumerate(texts)})


def close(found: Any, wanted: Any) -> bool:
    """Equal, of the same type, and for floats equal but for the last digits."""
    if isinstance(wanted, float) and isinstance(found, float):
        return math.isclose(found, wanted, rel_tol=1e-12, abs_tol=1e-12)
    return type(found) is type(wanted) and bool(found == wanted)


def test_values_of_an_ordinary_row(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """Each text has the stated value, of the stated Python type, on either engine."""
    (row,) = evaluate(computed(tables, list(ORDINARY)) & {"id": 1})
    wrong = [
        f"{text}: {row[f'c{number}']!r} and not {wanted!r}"
        for number, (text, wanted) in enumerate(ORDINARY.items())
        if not close(row[f"c{number}"], wanted)
    ]
    assert wrong == []


def test_values_at_the_edges(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """The least values of integer types, NaN, infinity, empty strings and the first day are computed with too."""
    (row,) = evaluate(computed(tables, list(ODD)) & {"id": 2})
    found = {text: row[f"c{number}"] for number, text in enumerate(ODD)}
    assert {text: value for text, value in found.items() if _told_apart(value) != _told_apart(ODD[text])} == {}


def _told_apart(value: Any) -> tuple[type, Any]:
    """The value with its type, and NaN and -0.0 as what they are."""
    return type(value), repr(value) if isinstance(value, float) else value


def test_functions_of_null_are_null(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """A text over attributes that are NULL is NULL wherever its term says that it may be, and never where not."""
    heading = tables.Kinds().heading
    (row,) = evaluate(computed(tables, list(ORDINARY)) & {"id": 3})
    for number, text in enumerate(ORDINARY):
        term = parse_term(text, heading)
        if not term.nullable:
            assert row[f"c{number}"] is not None, text


@pytest.mark.parametrize(
    ("text", "attributes"),
    [
        ("{} + 1", "i8 u64 f32 f64 exact truth"),
        ("{} % 2", "i8 u64 f64 exact"),
        ("{} div 2", "i8 u64 f64 exact"),
        ("sqrt({})", "i8 u64 f32 exact"),
        ("round({}, 1)", "i8 f32 f64 exact"),
        ("greatest({}, {})", "i8 f64 letters day moment tag"),
        ("left({}, 3)", "letters choice"),
        ("substring({}, -3)", "letters choice"),
        ("{} = {}", "i8 truth letters choice day clock moment wall tag raw"),
        ("{} like 'a'", "letters"),
        ("{} in ({}, {})", "i8 letters"),
        ("not {}", "i8 truth"),
        ("nullif({}, {})", "i8 letters"),
        ("concat('a', {})", "i8 letters day truth"),
    ],
)
def test_null_goes_through(tables: SimpleNamespace, evaluate: Evaluate, text: str, attributes: str) -> None:
    """What is computed from NULL is NULL."""
    texts = [text.replace("{}", name) for name in attributes.split()]
    (row,) = evaluate(computed(tables, texts) & {"id": 3})
    assert {value for name, value in row.items() if name != "id"} == {None}


def expected(left: Any, operator: str, right: Any) -> Fraction | bool:
    """What arithmetic says of two numbers, exactly."""
    a, b = Fraction(left), Fraction(right)
    match operator:
        case "+":
            return a + b
        case "-":
            return a - b
        case "*":
            return a * b
        case "/":
            return a / b
        case "div":
            return Fraction(int(a / b))
        case "%":
            return a - b * int(a / b)
        case "<":
            return a < b
        case "=":
            return a == b
    raise AssertionError(operator)


@pytest.mark.parametrize("operator", ["+", "-", "*", "/", "div", "%", "<", "="])
def test_operators_on_every_pair_of_numeric_types(tables: SimpleNamespace, evaluate: Evaluate, operator: str) -> None:
    """Each operator computes what arithmetic says for each pair of types, and gives the stated type."""
    pairs = list(itertools.product(NUMBERS, repeat=2))
    query = tables.Kinds.proj(**{f"c{i}": f"{a} {operator} {b}" for i, (a, b) in enumerate(pairs)})
    (found,) = evaluate(query & {"id": 4})
    wrong = [
        (a, b, found[f"c{i}"])
        for i, (a, b) in enumerate(pairs)
        if not math.isclose(Fraction(found[f"c{i}"]), expected(NUMBERS[a], operator, NUMBERS[b]), rel_tol=1e-14)
    ]
    assert wrong == []


def test_results_have_the_stated_type_in_the_database(
    tables: SimpleNamespace, connection: PostgresConnection, offline: Repository, dialect: str
) -> None:
    """The engine's own type of each result is the one that the heading states, so that what is built on it fits."""
    texts = list(ORDINARY)
    query = computed(tables, texts)
    text = query.to_sql(dialect, pretty=False)
    kinds = [query.heading[f"c{number}"].type for number in range(len(texts))]
    if dialect == "postgres":
        parts = [f"pg_typeof(c{number})::text AS c{number}" for number in range(len(texts))]
        found = connection.query(f"SELECT {', '.join(parts)} FROM ({text}) AS q WHERE id = 1").to_pylist()[0]
        wanted = {f"c{n}": "text" if k.row.as_text else _postgres_name(k.postgres) for n, k in enumerate(kinds)}
        found = {name: _postgres_name(kind) for name, kind in found.items()}
    else:
        parts = [f"typeof(c{number}) AS c{number}" for number in range(len(texts))]
        found = offline.reader.read(f"SELECT {', '.join(parts)} FROM ({text}) AS q WHERE id = 1").to_pylist()[0]
        wanted = {f"c{n}": _DUCKDB_NAMES.get(k.duckdb, k.duckdb) for n, k in enumerate(kinds)}
    wrong = {texts[int(name[1:])]: (found[name], wanted[name]) for name in wanted if found[name] != wanted[name]}
    assert wrong == {}


_DUCKDB_NAMES = {"TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE"}
"""How typeof shows a type that has a shorter name."""


def _postgres_name(kind: str) -> str:
    """The name of a type as pg_typeof shows it; all strings are one."""
    plain = re.sub(r"\(.*\)", "", kind)
    names = {"timestamptz": "timestamp with time zone", "timestamp": "timestamp without time zone"}
    strings = {"varchar": "text", "character varying": "text"}
    return {**names, **strings, "time": "time without time zone"}.get(plain, plain)


def test_every_function_has_a_value_here(tables: SimpleNamespace) -> None:
    """No function or operator of the table goes without a stated value; aggregates have theirs in test_aggregates."""
    heading = tables.Kinds().heading
    terms = [part for text in ORDINARY for part in walk(parse_term(text, heading))]
    used = {part.function for part in terms if isinstance(part, Call)}
    assert {name for name, row in FUNCTIONS.items() if not row.aggregate} == used


def test_other_names_lead_to_functions() -> None:
    """Each further name of a function is the name of none, and leads to one."""
    assert set(OTHER_NAMES.values()) <= set(FUNCTIONS)
    assert not set(OTHER_NAMES) & set(FUNCTIONS)


@pytest.mark.parametrize(
    "hostile", ["'; DROP TABLE x; --", "\\", "''", "%s %(a)s $1 ?", "{0}", "ü\U0001f600", "a\nb\tc"]
)
def test_strings_come_back_as_they_went(tables: SimpleNamespace, evaluate: Evaluate, hostile: str) -> None:
    """A string in text is a value, whatever is in it."""
    written = hostile.replace("\\", "\\\\").replace("'", "\\'")
    (row,) = evaluate((tables.Kinds & {"id": 1}).proj(v=f"'{written}'", n=f"length('{written}')"))
    assert row == {"id": 1, "v": hostile, "n": len(hostile)}


def test_families_of_all_attributes_are_covered(tables: SimpleNamespace) -> None:
    """The table of this suite has an attribute of every family of types."""
    assert {attribute.type.family for attribute in tables.Kinds().heading} == set(Family)


def test_all_digits_of_stored_floats(schema: dj.Schema, tmp_path: Path) -> None:
    """A float has all the digits that it shows when it becomes a whole or decimal number, on either engine."""

    @schema
    class Reading(dj.Manual):
        definition = "reading : int32\n---\nsingle : float32\ndouble : float64"

    Reading.insert1((1, 1_234_567.0, 4_503_599_627_370_497.0))
    query = Reading.proj(
        a="cast(single as signed)", b="round(single)", c="truncate(single, 0)", d="cast(single as decimal(20,4))",
        e="cast(double as signed)", f="round(double)", g="cast(double as decimal(30,4))",
    )  # fmt: skip
    wanted = {
        "reading": 1, "a": 1_234_567, "b": 1_234_567.0, "c": 1_234_567.0, "d": Decimal("1234567.0000"),
        "e": 4_503_599_627_370_497, "f": 4_503_599_627_370_497.0, "g": Decimal("4503599627370497.0000"),
    }  # fmt: skip
    assert query.fetch1() == wanted
    dj.export(schema, tmp_path / "readings")
    with dj.open(tmp_path / "readings").using(schema):
        assert query.fetch1() == wanted
