"""The tables of docs/functions.md: an example of each function, its type, and what it becomes on each engine."""

from __future__ import annotations

from sqlglot import exp

from djarrow.expr.functions import OTHER_NAMES
from djarrow.expr.parse import parse_term
from djarrow.expr.terms import Call, Term, walk
from djarrow.model.heading import Heading
from djarrow.model.names import TableName
from djarrow.model.spec import TableSpec, table_spec
from djarrow.sql.dialects import Dialect
from djarrow.sql.forms import writer
from djarrow.sql.template import Values
from djarrow.sql.terms import render

DEFINITION = """
n : int64
---
m : int64
x : float64
y : float64
p : decimal(7,2)
s : varchar(20)
t : varchar(20)
b : bool
c : bool
d : date
e : date
w : datetime
doc : json
raw : blob
"""

BAR = "\\|"
"""A bar inside a table."""

EXAMPLES: dict[str, dict[str, str]] = {
    "Comparison and logic": {
        "n = m": "NULL where either is",
        "n <> m": "also `!=`",
        "s < t": "strings by their code points, on every engine and in every collation",
        "n <= m": "",
        "n > m": "",
        "n >= m": "",
        "n <=> m": "NULL equals NULL; also `is not distinct from`",
        "n in (1, 2)": "`not in` too",
        "n between 1 and 5": "`not between` too",
        "s is null": "`is not null` too; `isnull(s)`",
        "b is true": "never NULL; `is not true` too",
        "b is false": "",
        "s like 'a%'": "exact; a backslash escapes `%` and `_`",
        "s ilike 'a%'": "passes over upper and lower case",
        "s regexp '^a+'": "also `rlike`, `regexp_like(s, '^a+')`; keep to what the engines' expressions share",
        "b and c": "also `&&`",
        "b or c": "also `||`, which does not join strings here",
        "b xor c": "",
        "not b": "also `!`",
    },
    "Arithmetic": {
        "n + m": "whole numbers in 64 bits; too large ones are an error",
        "n - m": "of two dates: days between",
        "p * p": "decimals are exact",
        "n / m": "exact, and NULL where the divisor is 0",
        "n div m": "whole, towards 0",
        "n % m": "with the sign of the dividend; `n mod m`",
        "-n": "",
        "n & m": "of 64 bits with a sign, as are the next three",
        "n | m": "",
        "n ^ m": "exclusive or",
        "~n": "",
    },
    "Numbers": {
        "abs(n)": "",
        "round(x, 2)": "halves away from 0",
        "truncate(x, 2)": "towards 0",
        "floor(x)": "",
        "ceiling(x)": "",
        "sign(x)": "",
        "sqrt(x)": "NULL where x is negative",
        "exp(x)": "",
        "ln(x)": "NULL where x is not positive, as the next two; there is no `log`, which has two meanings",
        "log10(x)": "",
        "log2(x)": "",
        "power(x, y)": "NULL outside of its domain",
        "sin(x)": "",
        "cos(x)": "",
        "tan(x)": "",
        "cot(x)": "NULL at 0",
        "asin(x)": "NULL beyond -1 and 1",
        "acos(x)": "NULL beyond -1 and 1",
        "atan(x)": "",
        "atan2(y, x)": "",
        "sinh(x)": "",
        "cosh(x)": "",
        "tanh(x)": "",
        "pi()": "",
        "radians(x)": "",
        "degrees(x)": "",
        "greatest(n, m)": "NULL where any is",
        "least(s, t)": "NULL where any is",
    },
    "Strings": {
        "concat(s, '-', n)": "NULL where any is; floats are cast to a decimal first",
        "concat_ws(', ', s, t)": "passes over NULL",
        "lower(s)": "",
        "upper(s)": "",
        "trim(s)": "spaces only; `trim(both 'x' from s)` another character",
        "ltrim(s)": "`ltrim(s, '0')`, `trim(leading '0' from s)`",
        "rtrim(s)": "`trim(trailing '0' from s)`",
        "length(s)": "characters",
        "octet_length(s)": "bytes of UTF-8, or of a blob",
        "ascii(s)": "the code point of the first character, 0 if there is none",
        "substring(s, 2, 3)": "from 1; from the end where negative; `substring(s from 2 for 3)`",
        "left(s, 2)": "",
        "right(s, 2)": "",
        "lpad(s, 5, '0')": "longer text is cut; without a third argument, spaces",
        "rpad(s, 5, '0')": "",
        "repeat(s, 3)": "",
        "replace(s, 'a', 'b')": "",
        "split_part(s, ',', 2)": "the part's number as it stands, from 1; empty beyond the last",
        "instr(s, 'a')": "from 1, 0 if it is not there; `locate('a', s)`, `position('a' in s)`",
        "starts_with(s, 'a')": "",
        "ends_with(s, 'a')": "",
        "contains(s, 'a')": "",
        "regexp_replace(s, '[0-9]', '#')": "all of them; no groups in what is put in",
        "regexp_substr(s, '[0-9]+')": "the first, NULL if there is none",
        "hex(s)": "upper case; of a blob too",
        "md5(s)": "lower case; of a blob too",
        "sha256(s)": "`sha2(s, 256)`; of a blob too",
    },
    "Dates and times": {
        "year(d)": "`extract(year from d)`, as all of the parts below",
        "quarter(d)": "",
        "month(d)": "",
        "week(d)": "ISO: weeks begin on Monday, the first has a Thursday",
        "day(d)": "",
        "dayofweek(d)": "1 is Sunday",
        "weekday(d)": "0 is Monday",
        "dayofyear(d)": "",
        "hour(w)": "",
        "minute(w)": "",
        "second(w)": "whole",
        "microsecond(w)": "of the second",
        "dayname(d)": "English",
        "monthname(d)": "English",
        "date_format(w, '%Y-%m')": "the codes stand below",
        "date(w)": "",
        "time(w)": "",
        "last_day(d)": "of the month",
        "datediff(d, e)": "days from e to d",
        "unix_timestamp(w)": "whole seconds since 1970",
        "from_unixtime(n)": "",
        "now()": "`current_timestamp`, also without parentheses; the same within a statement",
        "curdate()": "`current_date`, also without parentheses; of UTC",
        "d + interval 1 day": "`date_add(d, interval 1 day)`, also `adddate`; `timestampadd(day, 1, d)`",
        "d - interval 2 week": "`date_sub(d, interval 2 week)`, also `subdate`",
        "d + interval 1 month": "the last day of the month where it has no such day",
        "d + interval 1 quarter": "",
        "d + interval 1 year": "",
        "w + interval 1 hour": "of a date, hours and shorter units give a datetime",
        "w + interval 1 minute": "",
        "w + interval 1 second": "",
        "w + interval n microsecond": "how many may be a term",
        "timestampdiff(year, d, e)": "whole units from d to e, as the next",
        "timestampdiff(quarter, d, e)": "",
        "timestampdiff(month, d, e)": "",
        "timestampdiff(week, d, e)": "",
        "timestampdiff(day, d, e)": "",
        "timestampdiff(hour, w, d)": "",
        "timestampdiff(minute, w, d)": "",
        "timestampdiff(second, w, d)": "",
        "timestampdiff(microsecond, w, d)": "",
        "date_trunc('year', d)": "a date stays a date",
        "date_trunc('quarter', d)": "",
        "date_trunc('month', d)": "",
        "date_trunc('week', d)": "Monday",
        "date_trunc('day', w)": "",
        "date_trunc('hour', w)": "",
        "date_trunc('minute', w)": "",
        "date_trunc('second', w)": "",
    },
    "Parts of JSON": {
        "doc.a.b": "text; `doc->>'$.a.b'`, `json_value(doc, '$.a.b')`, `doc['a'].b`",
        "doc.list[0]": "from 0; `doc->>'$.list[0]'`",
        "doc.a > 5": "a part that meets a number",
        "cast(doc.a as signed)": "",
        "doc.a is true": "a part that is to be true or false",
        "doc->'$.a'": "JSON; `json_extract(doc, '$.a')`; `json_unquote` of it is text",
        "json_length(doc, '$.list')": "entries of a list or object, 1 for any other value",
    },
    "Choice and casts": {
        "coalesce(n, m)": "",
        "nullif(n, m)": "",
        "if(b, n, m)": "`case when b then n else m end`",
        "cast(x as signed)": "halves away from 0; `x::signed`",
        "cast(n as char)": "",
    },
    "Aggregates": {
        "count(*)": "0 over nothing; `count(x)` of those that are not NULL, `count(distinct x)`",
        "count_if(b)": "0 over nothing",
        "sum(n)": "`sum(distinct n)`; of truth values, how many are true",
        "min(s)": "",
        "max(d)": "",
        "avg(n)": "`avg(distinct n)`",
        "stddev_pop(x)": "",
        "stddev_samp(x)": "NULL for one value",
        "var_pop(x)": "",
        "var_samp(x)": "NULL for one value",
        "median(x)": "between the middle two",
        "percentile(x, 0.9)": "between two values in proportion; `percentile_cont(0.9) within group (order by x)`",
        "group_concat(distinct s order by s desc separator ', ')": "by itself in order, and with `,` between",
        "bool_and(b)": "",
        "bool_or(b)": "",
        "bit_and(n)": "",
        "bit_or(n)": "",
        "bit_xor(n)": "",
        "corr(x, y)": "over pairs without NULL, as the next four; NULL where it is not defined",
        "covar_pop(x, y)": "",
        "covar_samp(x, y)": "",
        "regr_slope(y, x)": "of the line through y over x",
        "regr_intercept(y, x)": "",
    },
}
"""Section -> example -> what there is to say of it."""


def heading() -> Heading:
    """The attributes that the examples name."""
    return table_spec(DEFINITION, TableName("docs", "example"), _unresolved).heading


def _unresolved(reference: str, _: object) -> TableSpec:
    raise AssertionError(reference)


def terms() -> dict[str, Term]:
    """Each example as a term."""
    attributes = heading()
    return {text: parse_term(text, attributes) for section in EXAMPLES.values() for text in section}


def tables() -> dict[str, str]:
    """The text of each section's table."""
    found = terms()
    head = "| text | other names | gives | | PostgreSQL | DuckDB | Spark |\n|---|---|---|---|---|---|---|\n"
    return {
        section: head + "\n".join(_row(text, found[text], remark) for text, remark in examples.items())
        for section, examples in EXAMPLES.items()
    }


def _row(text: str, term: Term, remark: str) -> str:
    names = [f"`{name}`" for name, row in OTHER_NAMES.items() if row == _function(text, term)]
    engines = [_code(written(term, dialect)) for dialect in Dialect]
    return f"| {_code(text)} | {' '.join(names)} | {term.type} | {remark.replace('|', BAR)} | " + (
        f"{' | '.join(engines)} |"
    )


def _function(text: str, term: Term) -> str | None:
    """The function that an example is of, if it is called by name."""
    return term.function if isinstance(term, Call) and "(" in text else None


def _code(text: str) -> str:
    return "`" + text.replace("|", BAR) + "`"


def written(term: Term, dialect: Dialect) -> str:
    """The term as the engine's SQL."""
    columns: dict[str, exp.Expression] = {a.name: exp.column(a.name) for a in heading()}
    values = Values()
    text = render(term, columns, values, dialect).sql(writer(dialect))
    return values.template(text, dialect).filled(())


def functions() -> set[str]:
    """The functions that the examples use."""
    return {part.function for term in terms().values() for part in walk(term) if isinstance(part, Call)}
