"""What is read in a way of its own, intervals, paths, ordered aggregates; and what nobody may write. No database."""

from __future__ import annotations

import re

import pytest

from djarrow.errors import InvalidTerm, UnknownAttribute
from djarrow.expr.functions import INSTEAD
from djarrow.expr.parse import parse_index_term, parse_term
from djarrow.expr.paths import path_steps
from djarrow.expr.terms import Call, Value
from djarrow.model.heading import Attribute, Heading
from djarrow.model.types import core

from .test_parse import shown

STRUCTURE = {
    "day + interval 1 day": "(add day day 1)",
    "interval '2' weeks + day": "(add week day 2)",
    "day - interval 1 month": "(add month day -1)",
    "day - interval id hour": "(add hour day (neg id))",
    "date_sub(day, interval -3 year)": "(add year day 3)",
    "adddate(day, interval id * 2 day)": "(add day day (* id 2))",
    "timestampadd(quarter, 1, moment)": "(add quarter moment 1)",
    "day + interval 1 day + interval 1 hour": "(add hour (add day day 1) 1)",
    "timestampdiff(day, day, moment)": "(count day day moment)",
    "date_trunc('MONTH', moment)": "(start month moment)",
    "current_timestamp > moment": "(> (now) moment)",
    "now(6) > moment": "(> (now) moment)",
    "current_date = day": "(= (current_date) day)",
    "trim(leading '0' from name)": "(ltrim name '0')",
    "trim(both from name)": "(trim name)",
    "substring(name from 2 for 3)": "(substring name 2 3)",
    "position('a' in name)": "(instr name 'a')",
    "locate('a', name)": "(instr name 'a')",
    "lpad(name, 5)": "(lpad name 5 ' ')",
    "x is distinct from y": "(not (<=> x y))",
    "id & 6 | small": "(| (& id 6) small)",
    "doc.a.b": "(json value doc)",
    "doc.a > 5": "(> (json number doc) 5)",
    "doc.a between id and 9": "(between (json number doc) id 9)",
    "doc.a = 'x'": "(= (json value doc) 'x')",
    "doc.a": "(json value doc)",
    "doc.a and truth": "(and (json truth doc) truth)",
    "doc.a = truth": "(= (json truth doc) truth)",
    "doc.a is null": "(is null (json_extract doc))",
    "isnull(doc.a)": "(is null (json_extract doc))",
    "doc.a + doc.b": "(+ (json number doc) (json number doc))",
    "cast(doc.a as signed)": "(json whole doc)",
    "cast(doc.a as decimal(5,1))": "(cast (json number doc) decimal(5,1))",
    "sum(doc.a)": "(sum (json number doc))",
    "max(doc.a)": "(max (json value doc))",
    "group_concat(name)": "(group_concat name name)",
    "group_concat(distinct name order by name desc separator '; ')": "(group_concat distinct name name)",
    "string_agg(name, '-' order by day, id desc)": "(group_concat name day id name)",
    "percentile_cont(0.5) within group (order by x)": "(percentile x)",
    "count(distinct x)": "(count distinct x)",
    "name like 'a\\\\%\\\\b'": "(like name 'a\\\\%b')",
}


@pytest.mark.parametrize(("text", "wanted"), STRUCTURE.items())
def test_structure(every: Heading, text: str, wanted: str) -> None:
    """Each is read as the function that it is."""
    assert shown(parse_term(text, every)) == wanted


OPTIONS = {
    "doc.a.b": ("a", "b"),
    "doc.list[0].b": ("list", 0, "b"),
    "doc['x y'][2]": ("x y", 2),
    "doc.`x y`.array.map": ("x y", "array", "map"),
    "doc->>'$.a.\"x y\"[3]'": ("a", "x y", 3),
    "doc->>'a.b'": ("a.b",),
    "doc->'$.a'->>'$.b'": ("a", "b"),
    "json_unquote(json_extract(doc, '$.a[0]'))": ("a", 0),
    "json_length(doc)": (),
    "percentile(x, 1)": (1.0,),
    "percentile_cont(0.25) within group (order by x desc)": (0.75,),
    "group_concat(name)": (",", "asc"),
    "group_concat(name order by name desc separator '')": ("", "desc"),
    "group_concat(name order by id desc, day)": (",", "desc", "asc", "asc"),
    "date_format(day, '%Y-%m')": ("%Y-%m",),
}


@pytest.mark.parametrize(("text", "wanted"), OPTIONS.items())
def test_options(every: Heading, text: str, wanted: tuple[object, ...]) -> None:
    """What is a part of a function, and no value, stands in the options of the call."""
    term = parse_term(text, every)
    assert isinstance(term, Call)
    assert term.options == wanted
    assert list(map(type, term.options)) == list(map(type, wanted))


TYPES = {
    "day + interval 1 day": "date",
    "day + interval 1 hour": "datetime",
    "moment + interval 1 month": "timestamp",
    "wall - interval 1 microsecond": "datetime",
    "date_trunc('hour', day)": "date",
    "date_trunc('day', moment)": "timestamp",
    "now()": "timestamp",
    "curdate()": "date",
    "time(wall)": "time",
    "doc.a": "varchar",
    "doc->'$.a'": "json",
    "doc.a * 2": "float64",
    "median(id)": "float64",
    "group_concat(id)": "varchar",
    "bit_and(small)": "int64",
    "truncate(price, 1)": "decimal(38,2)",
}


@pytest.mark.parametrize(("text", "kind"), TYPES.items())
def test_types(every: Heading, text: str, kind: str) -> None:
    """The type that comes out is stated without a database."""
    assert str(parse_term(text, every).type) == kind


def test_nullability(every: Heading) -> None:
    """What may lie beyond the calendar or may not be there is nullable; a count and the time of now are not."""
    may = {"date(now())": False, "now() + interval 1 day": True, "doc.a": True, "count_if(truth)": False,
           "group_concat(name)": True, "timestampdiff(day, now(), day)": True, "from_unixtime(id)": True}  # fmt: skip
    assert {text: parse_term(text, every).nullable for text in may} == may


def test_attributes_come_before_functions_without_parentheses() -> None:
    """An attribute named current_date is the attribute; so is one in backticks, which must be there."""
    heading = Heading((Attribute("current_date", core("int32")),), ("current_date",))
    assert shown(parse_term("current_date = 1", heading)) == "(= current_date 1)"
    with pytest.raises(UnknownAttribute):
        parse_term("`current_timestamp` = 1", heading)


@pytest.mark.parametrize("name", ["list", "array", "map", "object", "separator", "interval", "year", "doc", "position"])
def test_names_that_are_words_elsewhere(name: str) -> None:
    """An attribute may be named as a type or a word of another statement."""
    heading = Heading((Attribute(name, core("int32")),), (name,))
    assert shown(parse_term(f"{name} = 1", heading)) == f"(= {name} 1)"


NOT_ON_THE_LIST = """
pg_sleep(1) | pg_catalog.pg_sleep(1) | lo_import('/etc/passwd') | lo_export(1, 'x') | read_csv('x') | read_text('x')
read_parquet('x') | glob('*') | getenv('HOME') | current_setting('x') | set_config('a', 'b', false) | dblink('x', 'y')
pg_read_file('x') | query_to_xml('select 1', true, true, '') | nextval('s') | setval('s', 1) | txid_current() | user()
pg_terminate_backend(1) | load_extension('x') | pg_advisory_lock(1) | current_user() | database() | version()
has_table_privilege('x', 'y') | inet_server_addr() | json_table(doc, '$') | xml('x') | struct(1, 2) | row(1, 2)
list_transform(name, x) | `is null`(x) | `json value`(doc) | `add day`(day, 1) | `<=>`(x, y) | reflect('java.lang')
java_method('x', 'y') | uuid() | rand() | any_value(x) | log(x) | input_file_name() | duckdb_secrets() | range(5)
"""
"""Functions of an engine that do more than compute, or are written otherwise here."""


@pytest.mark.parametrize("text", re.split(r" \| |\n", NOT_ON_THE_LIST.strip()))
def test_functions_that_are_not_on_the_list(every: Heading, text: str) -> None:
    """No function is called unless it is on the list, under no name."""
    with pytest.raises(InvalidTerm, match=r"not on the list of functions|without a schema"):
        parse_term(text, every)


@pytest.mark.parametrize("name", list(INSTEAD))
def test_what_to_write_instead(every: Heading, name: str) -> None:
    """For functions that are left out on purpose the error says why, or what to write."""
    with pytest.raises(InvalidTerm) as caught:
        parse_term(f"{name}(id)", every)
    assert INSTEAD[name] in str(caught.value)


REFUSED = {
    "id = 1 /*! or 1=1 */": "comments",
    "id; select 1": "without `;`",
    "id = any (select 1)": "subqueries",
    "id in (table x)": "restrict by it",
    "row_number() over (order by id)": "window",
    "sum(id) over w": "window",
    "name collate \"C\" = 'a'": "COLLATE",
    "id::regclass": "cannot be read",
    "id::oid": "cannot be read",
    "cast(id as json)": "use one of signed",
    "cast(id as int[])": "use one of signed",
    "@x = 1": "variables",
    "@@version = 1": "variables",
    "@x := 5": "cannot be read",
    "? = 1": "placeholders",
    "%s = 1": "cannot be read",
    ":x = 1": "placeholders",
    "${x} = 1": "STRUCT",
    "{'x': 1}": "STRUCT",
    "[1, 2]": "ARRAY",
    "array[1, 2]": "one position",
    "(1, 2)": "tuple",
    "x -> x + 1": "as a string",
    "(x, y) -> x": "as a string",
    "day + interval '1-2' year_month": "no unit of time",
    "day + interval '1 day 2 hours'": "an interval is wanted",
    "day + interval '1:30'": "an interval is wanted",
    "day + interval 'x' day": "whole number",
    "day + interval 1.5 day": "whole number",
    "day + interval 99999999999999999999 day": "whole number",
    "day + interval 1 fortnight": "no unit of time",
    "day + interval x day": "whole number",
    "day + interval id": "an interval is wanted",
    "interval 1 day": "added to or taken from",
    "interval 1 day + interval 2 day": "added to or taken from",
    "interval 1 day - day": "added to or taken from",
    "id + interval 1 day": "cannot be applied",
    "clock + interval 1 hour": "cannot be applied",
    "moment - moment": "timestampdiff",
    "day + 1": "interval 1 day",
    "date_add(day, 5)": "an interval is wanted",
    "date_add('x', interval 1 day)": "no date and no moment",
    "timestampdiff(day, moment)": "takes 3 arguments",
    "timestampdiff(century, day, day)": "no unit of time",
    "date_trunc(name, day)": "wants a string",
    "date_trunc('microsecond', moment)": "no parts shorter",
    "date_format(day, name)": "wants a string",
    "date_format(day, '%Q')": "knows no %Q",
    "date_format(day, 'a%')": "its codes are",
    "now(9)": "takes no argument",
    "curdate(1)": "takes 0 arguments",
    "name || 'x'": r"concat\(a, b\)",
    "1 << 2": "power of 2",
    "id >> 1": "power of 2",
    "wide & 1": "cannot be applied",
    "~x": "cannot be applied",
    "trim('xy' from name)": "one character",
    "trim(name from name)": "wants a string",
    "lpad(name, 5, '')": "fill up",
    "split_part(name, '', 1)": "not empty",
    "split_part(name, ',', 0)": "from 1",
    "split_part(name, ',', id)": "from 1",
    "regexp_replace(name, name, 'x')": "wants a string",
    "regexp_replace(name, 'a', '\\\\1')": "no groups",
    "regexp_replace(name, 'a', '$1')": "no groups",
    "regexp_substr(name, '(?i)a')": "no options",
    "sha2(name, 512)": "256",
    "name like 'a' escape '|'": "a backslash escapes",
    "position('a', name, 2)": "what is sought",
    "extract(epoch from day)": "EXTRACT takes",
    "doc.*": r"count\(\*\)",
    "id.*": r"count\(\*\)",
    "doc.a()": "without a schema",
    "doc @> '{}'": "cannot be read",
    "doc ? 'a'": "not allowed",
    "id.x": "JSON attributes here: doc",
    "day = doc.day": "cannot compare",
    "x'41' = name": "HEX",
    "n'abc' = name": "NATIONAL",
    "id at time zone 'utc'": "ATTIMEZONE",
    "sum(distinct count(x))": "two steps",
    "group_concat(count(x))": "two steps",
    "group_concat(name order by count(x))": "two steps",
    "percentile(sum(x), 0.5)": "two steps",
}


@pytest.mark.parametrize(("text", "words"), REFUSED.items())
def test_refused(every: Heading, text: str, words: str) -> None:
    """What is not one allowed expression is refused, with the reason."""
    with pytest.raises(InvalidTerm, match=words):
        parse_term(text, every)


@pytest.mark.parametrize(
    "name", ["ctid", "xmin", "xmax", "cmin", "tableoid", "oid", "rowid", "rownum", "file_row_number", "filename", "$1",
             "__index_level_0", "_metadata", "session_user", "current_role", "current_schema", "localtime"]
)  # fmt: skip
def test_columns_of_a_database(every: Heading, name: str) -> None:
    """Columns and names that only a database knows are no attributes."""
    with pytest.raises(UnknownAttribute):
        parse_term(f"{name} = 1", every)


@pytest.mark.parametrize("text", ["day > now()", "(datediff(day, curdate()))"])
def test_no_index_on_the_time_of_now(every: Heading, text: str) -> None:
    """An index holds what stays the same."""
    with pytest.raises(InvalidTerm, match="another at each run"):
        parse_index_term(text, every)


def test_paths() -> None:
    """A path is keys and positions; quoted keys are strings of JSON."""
    assert path_steps("$") == ()
    assert path_steps("$.a.b_1[0] [12]") == ("a", "b_1", 0, 12)
    assert path_steps('$."a.b"["c\\"d"]."\\u00fc"') == ("a.b", 'c"d', "ü")
    for wrong in (
        "a",
        "$a",
        "$.",
        "$..a",
        "$.a[*]",
        "$[-1]",
        "$[last]",
        '$."a',
        "$.1a",
        '$."\\x"',
        '$."\\ud800"',
        "$.a b",
    ):
        with pytest.raises(ValueError, match=r"path|key"):
            path_steps(wrong)


def test_constants_of_intervals(every: Heading) -> None:
    """How many units is a whole number, also in quotes and with a sign."""
    term = parse_term("day + interval ' -12 ' day", every)
    assert isinstance(term, Call)
    assert term.arguments[1] == Value(-12, core("int64"))
