"""What the functions and operators of text give, on both engines: values, types, and NULL where they have none."""

from __future__ import annotations

import datetime
import decimal
import itertools
import math
import re
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest

from djarrow.engine.postgres import PostgresConnection
from djarrow.expr.functions import FUNCTIONS, OTHER_NAMES
from djarrow.expr.parse import parse_term
from djarrow.expr.terms import Call, walk
from djarrow.model.types import Family
from djarrow.repo.repository import Repository

from .conftest import NUMBERS, Evaluate

D = decimal.Decimal

ORDINARY: dict[str, Any] = {
    # comparison; whole numbers are exact, a fraction that meets a float32 is one
    "i64 = 9007199254740993": True,
    "i64 = 9007199254740992": False,
    "u64 = 18446744073709551615": True,
    "u64 > -1": True,
    "i8 = 300": False,
    "u8 <> 200": False,
    "f32 = 0.1": True,
    "f32 < 0.2 and f32 >= 0.1 and f32 <= 0.1": True,
    "f64 < 'Infinity'": True,
    "exact = 12.35": True,
    "exact = '12.35'": True,
    "truth = 1": True,
    "truth = FALSE": False,
    "letters = 'O\\'Neil \\\\ 100% ü'": True,
    'letters = "O\'Neil \\\\ 100% ü"': True,
    "choice = 'high'": True,
    "choice = 'HIGH'": False,
    "day = '2024-02-29'": True,
    "day = moment": False,
    "day < wall": True,
    "clock between '13:00' and '13:06'": True,
    "moment > '2024-02-29 23:59:59'": True,
    "tag = '80000000-0000-0000-0000-000000000005'": True,
    "raw is not null and doc is not null": True,
    "octet_length(raw)": 2,
    "id <=> 1": True,
    "id <=> NULL": False,
    "id in (3, NULL)": None,
    "id in (1, NULL)": True,
    "id not in (2, 3)": True,
    "i16 between 30000 and 30000.5": True,
    # patterns: exact as `=` is
    "letters like '%neil%'": False,
    "letters like '%Neil%'": True,
    "letters ilike '%NEIL%'": True,
    "letters like '%100\\%%'": True,
    "letters like '%10\\%%'": False,
    "letters like '_\\'%'": True,
    "letters not like 'x%'": True,
    "letters regexp '^O.N[a-z]+'": True,
    "letters rlike '^o'": False,
    # logic
    "not truth": False,
    "truth xor truth": False,
    "truth or id = 99 and id = 98": True,
    "(truth or id = 99) and id = 98": False,
    "!truth": False,
    "(id)": 1,
    "not id": False,
    "truth is true": True,
    "truth is not false": True,
    "(id = NULL) is unknown": True,
    # arithmetic: nothing overflows on the way, division is exact, a remainder has the sign of the dividend
    "i16 * i16": 900_000_000,
    "i32 * 2": 4_000_000_000,
    "i32 + i32 + i32": 6_000_000_000,
    "2000000000 * 2": 4_000_000_000,
    "if(truth, 2000000000, 0) * 2": 4_000_000_000,
    "(i16 % 1000) * 1000000000": 0,
    "(i16 % 999) * 1000000000": 30_000_000_000,
    "u8 - u16": -59_800,
    "u64 - 1": D(2**64 - 2),
    "u64 + u64": D(2**65 - 2),
    "-u64": D(1 - 2**64),
    "-i8": -100,
    "exact * exact": D("152.5225"),
    "exact * 1.5": D("18.525"),
    "exact + 0.005": D("12.355"),
    "id / 2": 0.5,
    "exact / 2": 6.175,
    "id / 0": None,
    "7 div 2": 3,
    "-7 div 2": -3,
    "id div 0": None,
    "u64 div 3": D((2**64 - 1) // 3),
    "exact div 0.05": 247,
    "0.3 div 0.1": 3,
    "7.5e0 div 2": 3,
    "7 % -3": 1,
    "-7 % 3": -1,
    "-7.5 mod 2": D("-1.5"),
    "mod(7, 4)": 3,
    "5.5e0 % 0.5e0": 0.0,
    "id % 0": None,
    "truth + truth": 2,
    "0.1 + 0.2 = 0.3": True,
    "0.1e0 + 0.2e0 = 0.3e0": False,
    "1 - 2 - 3": -4,
    "2 - (3 - 4)": 3,
    "- - id": 1,
    "2 * -3": -6,
    "id - -1": 2,
    # numbers: half away from zero, whole numbers stay exact
    "round(2.5)": D(3),
    "round(-2.5e0)": -3.0,
    "round(0.5e0)": 1.0,
    "round(2.675e0, 2)": 2.68,
    "round(f32, 3)": 0.1,
    "round(exact, 1)": D("12.4"),
    "round(i64)": 2**53 + 1,
    "round(i16, -4)": 30_000,
    "round(1e30)": 1e30,
    "floor(i64)": 2**53 + 1,
    "ceil(u64)": D(2**64 - 1),
    "floor(-2.5)": D(-3),
    "ceiling(f64)": 3.0,
    "abs(-f64)": 2.5,
    "sign(-exact)": -1,
    "sqrt(f64 * 10)": 5.0,
    "sqrt(-1)": None,
    "exp(0)": 1.0,
    "ln(exp(2))": 2.0,
    "ln(0)": None,
    "log10(1000)": 3.0,
    "log2(8)": 3.0,
    "log2(0)": None,
    "power(2, 10)": 1024.0,
    "pow(-8, 3)": -512.0,
    "power(-8, 1 / 3)": None,
    "power(0, -1)": None,
    "power(4, -0.5)": 0.5,
    "sin(0) + cos(0) + tan(0)": 1.0,
    "asin(1) - acos(0)": 0.0,
    "asin(2)": None,
    "atan(1) * 4": math.pi,
    "atan2(-1, 0)": -math.pi / 2,
    "degrees(radians(90))": 90.0,
    "greatest(i8, u8, 150)": 200,
    "least(i8, 1.5)": D("1.5"),
    "greatest(id, NULL)": None,
    # strings
    "concat(letters, '/', id, '/', exact, '/', truth, '/', day)": "O'Neil \\ 100% ü/1/12.35/1/2024-02-29",
    "concat(letters, NULL)": None,
    "lower(letters)": "o'neil \\ 100% ü",
    "upper(fixed)": "AB",
    "trim('  a ')": "a",
    "concat('(', ltrim('  a '), ')')": "(a )",
    "concat('(', rtrim('  a '), ')')": "(  a)",
    "length(letters)": 15,
    "char_length('ü')": 1,
    "substring(letters, 3)": "Neil \\ 100% ü",
    "substr(letters, 3, 2)": "Ne",
    "mid(letters, 3, 0)": "",
    "substring(letters, -1)": "ü",
    "substring(letters, -6, 3)": "100",
    "substring(letters, -99)": "",
    "substring(letters, 0)": "",
    "substring(letters, id + 2, id)": "N",
    "left(letters, length(letters) - 12)": "O'N",
    "right(letters, id)": "ü",
    "left(letters, -1)": "",
    "right(letters, id - 5)": "",
    "replace(letters, '\\'', '')": "ONeil \\ 100% ü",
    # dates and times
    "year(day)": 2024,
    "quarter(day)": 1,
    "month(day)": 2,
    "dayofmonth(day)": 29,
    "dayofyear(day)": 60,
    "dayofweek(day)": 5,
    "weekday(day)": 3,
    "hour(clock)": 13,
    "minute(moment)": 59,
    "second(moment)": 59,
    "second(clock)": 59,
    "extract(hour from moment)": 23,
    "date(moment)": datetime.date(2024, 2, 29),
    "datediff(wall, day)": 305,
    "datediff(day, '2024-01-01')": 59,
    "day - date '2024-01-01'": 59,
    # choice
    "coalesce(NULL, i8, 5)": 100,
    "ifnull(i8, 0)": 100,
    "isnull(i8)": False,
    "nullif(i8, 100)": None,
    "nullif(i64, 1.5e0)": 2**53 + 1,
    "if(id > 1, 'a', 'b')": "b",
    "if(id, 1.5, 2)": D("1.5"),
    "if(truth, day, '2000-01-01')": datetime.date(2024, 2, 29),
    "case when id > 5 then 1 when id > 0 then 2 else 3 end": 2,
    "case choice when 'low' then 1 when 'high' then 2.5 end": D("2.5"),
    "case when id > 5 then 1 end": None,
    # casts
    "cast(f64 as signed)": 3,
    "cast(-f64 as signed)": -3,
    "cast('12' as signed)": 12,
    "cast(exact as signed)": 12,
    "cast(truth as double)": 1.0,
    "cast(id as char)": "1",
    "cast(exact as decimal(10,1))": D("12.4"),
    "cast(letters as char)": "O'Neil \\ 100% ü",
    "cast('2024-02-29' as date) = day": True,
    "cast(moment as date)": datetime.date(2024, 2, 29),
    "cast(day as datetime)": datetime.datetime(2024, 2, 29),
    "cast(id as bool)": True,
    "cast(tag as char)": "80000000-0000-0000-0000-000000000005",
}  # fmt: skip
"""Text -> its value for row 1 of Kinds."""


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


ODD: dict[str, Any] = {
    "i8 - 1": -129,
    "abs(i8)": 128,
    "abs(i32)": 2**31,
    "-i32": 2**31,
    "round(i8, -1)": -130,
    "f64 = 'NaN'": True,
    "f64 > 'Infinity'": True,
    "f32 < -1e300": True,
    "greatest(f64, 1)": math.nan,
    "coalesce(f64, 0)": math.nan,
    "round(f64, 2)": math.nan,
    "floor(f32)": -math.inf,
    "letters = ''": True,
    "letters is null": False,
    "length(letters)": 0,
    "left(letters, 2)": "",
    "year(day)": 1,
    "day < '0001-01-02'": True,
    "round(exact, 1)": D("-0.10"),
    "floor(exact)": D(-1),
    "exact div 1": 0,
    "hour(clock)": 0,
    "truth + 0": 0,
    "raw = raw": True,
}


def test_values_at_the_edges(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """The least values of integer types, NaN, infinity, empty strings and the first day are computed with too."""
    (row,) = evaluate(computed(tables, list(ODD)) & {"id": 2})
    found = {text: row[f"c{number}"] for number, text in enumerate(ODD)}
    assert repr(found) == repr(ODD)


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
        wanted = {f"c{n}": k.duckdb for n, k in enumerate(kinds)}
    wrong = {texts[int(name[1:])]: (found[name], wanted[name]) for name in wanted if found[name] != wanted[name]}
    assert wrong == {}


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
