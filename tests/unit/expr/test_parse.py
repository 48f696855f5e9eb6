"""User text -> terms: what is read how, and what is refused why."""

from __future__ import annotations

import datetime
import decimal
import math
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from djarrow.errors import InvalidTerm, QueryError, UnknownAttribute
from djarrow.expr.functions import FUNCTIONS, OTHER_NAMES
from djarrow.expr.parse import MAX_TEXT, parse_term
from djarrow.expr.terms import Call, Cast, Column, Term, Value
from djarrow.model.heading import Heading
from djarrow.model.types import core


def shown(term: Term) -> str:
    """A term with all of its parentheses, as Lisp would write it."""
    match term:
        case Column():
            return term.name
        case Value():
            return repr(term.value)
        case Cast():
            return f"(cast {shown(term.term)} {term.type})"
        case Call():
            distinct = " distinct" if term.distinct else ""
            return f"({term.function}{distinct}{''.join(' ' + shown(a) for a in term.arguments)})"


STRUCTURE = {
    # what binds more tightly
    "id = 1 or x > 2 and y < 3": "(or (= id 1) (and (> x 2) (< y 3)))",
    "(id = 1 or x > 2) and y < 3": "(and (or (= id 1) (> x 2)) (< y 3))",
    "not id = 1 and truth": "(and (not (= id 1)) truth)",
    "not (id = 1 and truth)": "(not (and (= id 1) truth))",
    "truth or truth xor truth": "(or truth (xor truth truth))",
    "truth && truth || truth": "(or (and truth truth) truth)",
    "id + small * 2 - y": "(- (+ id (* small 2)) y)",
    "id - small - y": "(- (- id small) y)",
    "id - (small - y)": "(- id (- small y))",
    "id / small * y": "(* (/ id small) y)",
    "id % small div key": "(div (% id small) key)",
    "-id * small": "(* (neg id) small)",
    "-(id * small)": "(neg (* id small))",
    "- 5": "-5",
    "- -5": "5",
    "id - -5": "(- id -5)",
    "x > 1 is true": "(is true (> x 1))",
    "x is not null and truth": "(and (not (is null x)) truth)",
    "!truth": "(not truth)",
    "id between 1 and 2 and truth": "(and (between id 1 2) truth)",
    "id not between 1 and 2": "(not (between id 1 2))",
    "id not in (1, 2)": "(not (in id 1 2))",
    "name not like 'a%'": "(not (like name 'a%'))",
    "name not ilike 'a%' or name rlike 'b'": "(or (not (ilike name 'a%')) (regexp name 'b'))",
    "id != 1": "(<> id 1)",
    "id <=> NULL": "(<=> id None)",
    "id is unknown": "(is null id)",
    "case id when 1 then 'a' when 2 then 'b' else 'c' end": "(if (= id 1) 'a' (if (= id 2) 'b' 'c'))",
    "case when truth then 1 end": "(if truth 1 None)",
    "count(*)": "(count)",
    "count(distinct x)": "(count distinct x)",
    "sum(x = 1)": "(sum (= x 1))",
    "EXTRACT(YEAR FROM day)": "(year day)",
    "cast(x as signed)": "(cast x int64)",
    "x::decimal(9, 3)": "(cast x decimal(9,3))",
    "cast(id as bool)": "(<> id 0)",
    "CEIL(x)": "(ceiling x)",
    "ifnull(x, 0)": "(coalesce x 0)",
    "mod(id, 2)": "(% id 2)",
    "id mod 2": "(% id 2)",
    # names
    "`id` = 1": "(= id 1)",
    "key = 1 and `order` = 2": "(and (= key 1) (= order 2))",
    "order > 1": "(> order 1)",
    "`mod` = 1": "(= mod 1)",
    # truth of numbers
    "id": "id",
    "not id": "(not (<> id 0))",
    "id and 5": "(and (<> id 0) True)",
    "if(id, 1, 2)": "(if (<> id 0) 1 2)",
}


@pytest.mark.parametrize("text", ['"id" > 0', '"id" = 1', "'id' in (1, 2)", '"id" between 0 and 5', '-1 < "id"'])
def test_names_in_quotes_of_strings(every: Heading, text: str) -> None:
    """The name of an attribute as a string among constants is refused: it would say the same of every row."""
    with pytest.raises(InvalidTerm, match="for the attribute write id or `id`"):
        parse_term(text, every)


@pytest.mark.parametrize("text", ["date('soon')", "year('')", "hour('25:00')"])
def test_strings_that_show_no_moment(every: Heading, text: str) -> None:
    """A function of a date or time refuses a string that shows none."""
    with pytest.raises(InvalidTerm, match="and no moment"):
        parse_term(text, every)


@pytest.mark.parametrize(("text", "wanted"), STRUCTURE.items())
def test_structure(every: Heading, text: str, wanted: str) -> None:
    """Operators bind as in MySQL, and other spellings are the same functions."""
    assert shown(parse_term(text, every)) == wanted


CONSTANTS: dict[str, tuple[Any, str]] = {
    "5": (5, "int64"),
    "-9223372036854775808": (-(2**63), "int64"),
    "9223372036854775808": (2**63, "decimal(38,0)"),
    "1.50": (decimal.Decimal("1.50"), "decimal(3,2)"),
    ".5": (decimal.Decimal("0.5"), "decimal(2,1)"),
    "0.0000000000000000001": (1e-19, "float64"),
    "1e3": (1000.0, "float64"),
    "'it''s'": ("it's", "varchar"),
    "'it\\'s'": ("it's", "varchar"),
    '"a\'b"': ("a'b", "varchar"),
    "'a\\\\b\\n'": ("a\\b\n", "varchar"),
    "'10\\%'": ("10\\%", "varchar"),
    "'%s ü \U0001f600 $1 {0}'": ("%s ü \U0001f600 $1 {0}", "varchar"),
    "TRUE": (True, "bool"),
    "null": (None, "varchar"),
    "date '2024-02-29'": (datetime.date(2024, 2, 29), "date"),
    "cast('12:30' as char)": ("12:30", "varchar"),
}


@pytest.mark.parametrize(("text", "wanted"), CONSTANTS.items())
def test_constants(every: Heading, text: str, wanted: tuple[Any, str]) -> None:
    """Constants are exact, and strings are what MySQL reads in them."""
    term = parse_term(text, every)
    assert isinstance(term, Value)
    assert (term.value, str(term.type)) == wanted
    assert type(term.value) is type(wanted[0])


MEETINGS: dict[str, Any] = {
    "day > '2024-01-31'": datetime.date(2024, 1, 31),
    "day > '2024-01-31 00:00:00'": datetime.date(2024, 1, 31),
    "moment > '2024-01-31'": datetime.datetime(2024, 1, 31, tzinfo=datetime.UTC),
    "wall > '2024-01-31 12:00'": datetime.datetime(2024, 1, 31, 12),
    "clock > '12:00'": datetime.time(12),
    "truth = 1": True,
    "truth = 0": False,
    "id = true": 1,
    "id = '5'": 5,
    "name = 5": "5",
    "x = 'Infinity'": math.inf,
    "size = 'S'": "S",
    "coalesce(day, '2024-01-31')": datetime.date(2024, 1, 31),
}


@pytest.mark.parametrize(("text", "wanted"), MEETINGS.items())
def test_constants_take_the_type_of_what_they_meet(every: Heading, text: str, wanted: Any) -> None:
    """A constant that is compared becomes a value of the other's type."""
    term = parse_term(text, every)
    assert isinstance(term, Call)
    constant = term.arguments[1]
    assert isinstance(constant, Value)
    assert constant.value == wanted
    assert type(constant.value) is type(wanted)


def test_fractions_that_meet_a_float32(every: Heading) -> None:
    """A fraction compared with a float32 is one, so that a stored 0.1 equals 0.1; one beyond its range stays."""
    for text, kind in (("single = 0.1", "float32"), ("single < 1e300", "float64"), ("single = 16777217", "int64")):
        term = parse_term(text, every)
        assert isinstance(term, Call)
        assert str(term.arguments[1].type) == kind


REFUSED: dict[str, str] = {
    "": "empty",
    "   ": "empty",
    "id = 1;": "without `;`",
    "id; drop table x": "without `;`",
    "id = 1 -- x": "comments",
    "id = 1 # x": "comments",
    "id /* x */ = 1": "comments",
    "/*!50000 id */": "comments|empty",
    "select 1": "statements",
    "drop table every": "statements",
    "delete from every": "statements",
    "with a as (select 1) select 1": "subqueries|statements",
    "id = (select 1)": "subqueries",
    "id in (select id from every)": "subqueries",
    "exists(select 1)": "subqueries",
    "id >= all (select 1)": "subqueries",
    "id = 1 union select 1": "subqueries",
    "pg_sleep(10)": "'pg_sleep' is not on the list",
    "pg_catalog.pg_sleep(10)": "without a schema",
    "version()": "'version' is not on the list",
    "lenght(name)": "Did you mean 'length'",
    "`id`.`x`": "without a table",
    "every.id": "without a table",
    "lab.every.id = 1": "without a table",
    "@x": "variables",
    "?": "placeholders",
    ":x": "placeholders",
    "*": r"count\(\*\)",
    "count(distinct *)": r"count\(\*\)",
    "count()": r"count\(\*\)",
    "(id, x) in ((1, 2))": "tuple",
    "sum(x) over ()": "window",
    "count(*) filter (where truth)": "cannot be read",
    "sum(sum(x))": "two steps",
    "lower(distinct name)": "DISTINCT",
    "id as y": "cannot be read",
    "id x": "cannot be read",
    "id, x": "cannot be read",
    "id =": "cannot be read",
    "(id": "cannot be read",
    "id)": "cannot be read",
    "'id": "not one expression",
    "0 < x < 5": "do not chain",
    "id = x = y": "do not chain",
    "id between 1 and 2 = true": "do not chain",
    "x in (1) in (1)": "do not chain|cannot be read",
    "id in ()": "list of values",
    "id is 5": "IS takes|cannot be read",
    "mod = 1": "in backticks, `mod`",
    "'a' 'b'": "CONCAT",
    "name collate x": "COLLATE",
    "0x1F": "HEX",
    "1e400": "no number",
    "'a\0b' = name": "NUL",
    "'a\ud800' = name": "surrogate",
    "name like 'a\\\\'": "backslash",
    "cast(x as binary)": "use one of signed",
    "cast(x as decimal(99,2))": "use one of signed",
    "cast(x as char(3))": "use one of signed",
    "cast(day as signed)": "date cannot be cast to int64",
    "cast(x as char)": "float64 cannot be cast",
    "extract(dow from day)": "EXTRACT takes year",
    "name + 1": r"`\+` cannot be applied to varchar\(10\), int64",
    "name > day": "cannot compare",
    "day > 'yesterday'": "yesterday",
    "day > '2024-01-31 12:00'": "2024-01-31 12:00",
    "id = 'x'": "'x' is compared with int32",
    "id = '1_0'": "no number",
    "id = 'nan'": "no number",
    "truth = 2": "2 is no bool",
    "size = 5": "cannot compare",
    "doc = '{}'": "json",
    "raw = 'x'": "bytes",
    "tag = 'x'": "uuid",
    "1 = 'a'": "'a' is compared",
    "name and truth": "name is varchar",
    "round(x, id)": "whole number",
    "round(x, 1.5)": "whole number",
    "left(name)": "takes 2 arguments and has 1",
    "substring(name, 'x')": "cannot be applied",
    "concat(name, x)": "cannot be applied",
    "greatest(doc, doc)": "cannot be applied",
    "min(raw)": "cannot be applied",
    "sum(name)": "cannot be applied",
    "if(truth, 1, 'a')": "'a' is compared",
    "if(truth, day, clock)": "cannot compare",
    "coalesce(day, clock)": "cannot compare",
}


@pytest.mark.parametrize(("text", "words"), REFUSED.items())
def test_refused(every: Heading, text: str, words: str) -> None:
    """What is not one allowed expression is refused, with the reason."""
    with pytest.raises(InvalidTerm, match=words) as caught:
        parse_term(text, every)
    assert caught.value.text is not None


@pytest.mark.parametrize("name", ["ctid", "xmin", "tableoid", "current_user", "ID", "nam", "x.yz", "_hidden", "a\0b"])
def test_unknown_names(every: Heading, name: str) -> None:
    """A name that is no attribute is refused, whatever else it means to a database."""
    with pytest.raises(QueryError):
        parse_term(f"{name} = 1", every)
    with pytest.raises(UnknownAttribute):
        parse_term(f"`{name}` = 1", every)


def test_unknown_names_come_with_the_nearest(every: Heading) -> None:
    """The error says what the text was for, and which attribute may have been meant."""
    with pytest.raises(
        UnknownAttribute, match=r"order_by 'momant': there is no attribute 'momant'. Did you mean 'moment'"
    ):
        parse_term("momant", every, where="order_by")


def test_long_chains(every: Heading) -> None:
    """AND and OR of a thousand conditions are one level deep."""
    term = parse_term(" or ".join(f"id={number}" for number in range(1000)), every)
    assert isinstance(term, Call)
    assert len(term.arguments) == 1000


@pytest.mark.parametrize(
    "text",
    [
        "(" * 2000 + "id" + ")" * 2000,
        "abs(" * 1000 + "id" + ")" * 1000,
        "not " * 3000 + "truth",
        "id" + " + 1" * 3000,
        "- " * 5000 + "id",
    ],
    ids=["parentheses", "calls", "not", "sum", "minus"],
)
def test_deep_nesting(every: Heading, text: str) -> None:
    """An expression that would exhaust the stack is refused in a short message."""
    with pytest.raises(InvalidTerm, match="nested too deeply") as caught:
        parse_term(text, every)
    assert len(str(caught.value)) < 200


def test_long_text(every: Heading) -> None:
    """Text beyond the limit is refused unread, in a short message."""
    with pytest.raises(InvalidTerm, match="20000 is the limit") as caught:
        parse_term("id = 1 or " * MAX_TEXT, every)
    assert len(str(caught.value)) < 200


def test_nullability(every: Heading) -> None:
    """Whether a term may be NULL: by its arguments, but for what is NULL of its own accord or never is."""
    may = {
        "y": False, "x": True, "y + 1": False, "y + x": True, "y / id": True, "y % id": True, "sqrt(y)": True,
        "x is null": False, "x <=> y": False, "truth is true": False, "coalesce(x, y)": False, "coalesce(x, x)": True,
        "nullif(y, 1)": True, "if(y, 1, 2)": False, "if(y, 1, NULL)": True, "id in (1, NULL)": True,
        "id in (1, 2)": False,
        "exp(y)": False, "power(y, 2)": True, "count(x)": False, "sum(y)": True, "concat('a', id)": False, "NULL": True,
    }  # fmt: skip
    assert {text: parse_term(text, every).nullable for text in may} == may


TYPES = {
    "small + small": "int64", "small * wide": "decimal(38,0)", "wide - 1": "decimal(38,0)", "small + x": "float64",
    "single + 1": "float64", "price + 1": "decimal(38,2)", "price * price": "decimal(38,4)",
    "price * 1.25": "decimal(38,4)",
    "price / 2": "float64", "small / small": "float64", "truth + truth": "int64", "day - day": "int64",
    "id div 2": "int64", "wide div 2": "decimal(38,0)", "price div 1": "int64", "price % 2": "decimal(38,2)",
    "abs(small)": "int64", "round(price, 1)": "decimal(38,2)", "floor(price)": "decimal(38,0)", "floor(x)": "float64",
    "coalesce(small, 1)": "int64", "coalesce(small, small)": "int8", "coalesce(name, size)": "varchar",
    "if(truth, 1, 2.5)": "decimal(38,1)", "nullif(small, 5)": "int8", "greatest(x, 1)": "float64",
    "min(size)": "enum('S','L')", "max(day)": "date", "sum(small)": "int64", "sum(wide)": "decimal(38,0)",
    "sum(price)": "decimal(38,2)", "sum(single)": "float64", "sum(truth)": "int64", "avg(small)": "float64",
    "count(*)": "int64", "length(name)": "int64", "year(day)": "int64", "date(moment)": "date",
    "left(name, 2)": "varchar",
}  # fmt: skip


@pytest.mark.parametrize(("text", "kind"), TYPES.items())
def test_types(every: Heading, text: str, kind: str) -> None:
    """The type that comes out can hold every value that may."""
    assert str(parse_term(text, every).type) == kind


def test_every_name_of_a_function_can_be_called(every: Heading) -> None:
    """Each function that is called by name is read as one; only what is written as an operator is not."""
    operators = {"and", "or", "in", "between", "not", "div"}
    for name in (*FUNCTIONS, *OTHER_NAMES):
        if name.isidentifier() and name not in operators:
            with pytest.raises(InvalidTerm, match=r"takes|cannot|count needs"):
                parse_term(f"{name}()" if name == "count" else f"{name}(doc, id, doc, doc, doc, doc)", every)


WORDS = """
id x name ( ) , ; ' " ` = < > <=> + - * / % and or not in is null true case when then else end between like select from
where union if cast( as :: distinct count(*) sum( over @ ? :x -- /* */ # \\ 1 2.5 1e9 'a' . $1 {}
"""
PIECES = st.sampled_from([*WORDS.split(), "\0"])


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=12).map(" ".join) | st.text(max_size=40))
@example("id is null is null")
@example("if > 1")
@example("case")
@example("'")
def test_any_text_is_a_term_or_refused(text: str) -> None:
    """Whatever the text, the answer is a term or an error of ours."""
    heading = _heading()
    try:
        term = parse_term(text, heading)
    except QueryError:
        return
    assert isinstance(term, Term)


def _heading() -> Heading:
    from djarrow.model.heading import Attribute

    return Heading(
        (Attribute("id", core("int32")), Attribute("x", core("float64")), Attribute("name", core("varchar"))), ("id",)
    )
