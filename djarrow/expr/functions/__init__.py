"""The table of functions and operators that text may use: arity, and the type that comes out. No other may be called.

How each is written for the engines stands in sql/functions/; a test holds the two tables together. Those whose names
are no identifiers cannot be called by name: what is read as them stands in expr/syntax.py.
"""

from __future__ import annotations

from djarrow.expr.functions.aggregates import AGGREGATES
from djarrow.expr.functions.kinds import (
    BOOL,
    DATE,
    DATETIME,
    FLOAT64,
    INT64,
    JSON,
    TIMESTAMP,
    VARCHAR,
    WIDE,
    Function,
    arithmetic,
    common,
)
from djarrow.expr.functions.moments import DATES
from djarrow.expr.functions.scalars import ARITHMETIC, CHOICE, COMPARISON, DOCUMENTS, NUMERIC, STRING

FUNCTIONS: dict[str, Function] = {
    row.name: row for row in (*COMPARISON, *ARITHMETIC, *NUMERIC, *STRING, *DATES, *DOCUMENTS, *CHOICE, *AGGREGATES)
}

OTHER_NAMES = {
    "ceil": "ceiling",
    "trunc": "truncate",
    "char_length": "length",
    "character_length": "length",
    "byte_length": "octet_length",
    "lcase": "lower",
    "ucase": "upper",
    "substr": "substring",
    "mid": "substring",
    "pow": "power",
    "mod": "%",
    "ifnull": "coalesce",
    "isnull": "is null",
    "strpos": "instr",
    "ord": "ascii",
    "startswith": "starts_with",
    "endswith": "ends_with",
    "regexp_like": "regexp",
    "dayofmonth": "day",
    "weekofyear": "week",
    "current_timestamp": "now",
    "utc_timestamp": "now",
    "curdate": "current_date",
    "utc_date": "current_date",
    "std": "stddev_pop",
    "stddev": "stddev_pop",
    "stdev": "stddev_samp",
    "variance": "var_pop",
    "var": "var_samp",
    "mean": "avg",
    "countif": "count_if",
    "every": "bool_and",
    "string_agg": "group_concat",
    "percentile_cont": "percentile",
    "quantile": "percentile",
    "quantile_cont": "percentile",
}
"""Names by which MySQL and PostgreSQL users know a function -> its row."""

INSTEAD = {
    "log": "log is of base e in MySQL and of base 10 in PostgreSQL; use ln, log10 or log2.",
    "any_value": "any_value gives any of them, another at each run; use min or max.",
    "first": "the first of rows without an order is another at each run; use min or max.",
    "last": "the last of rows without an order is another at each run; use min or max.",
    "mode": "mode is any of the most frequent ones; aggregate in two steps, count and then Top.",
    "rand": "random values differ at each run and between the engines; compute them in Python.",
    "random": "random values differ at each run and between the engines; compute them in Python.",
    "uuid": "random values differ at each run and between the engines; compute them in Python.",
    "convert": "convert is written cast(x as type).",
    "curtime": "a time of day has no date; use now().",
    "reverse": "the engines take composed characters apart differently; reverse in Python.",
    "str_to_date": "formats of dates are read differently by the engines; use cast(x as date), of YYYY-MM-DD.",
    "to_char": "to_char is written date_format(x, '%Y-%m').",
    "strftime": "strftime is written date_format(x, '%Y-%m').",
    "row_number": "window functions are not allowed; order by Top.",
}
"""Functions that are not on the list -> why not, or what to write."""

__all__ = [
    "BOOL",
    "DATE",
    "DATETIME",
    "FLOAT64",
    "FUNCTIONS",
    "INSTEAD",
    "INT64",
    "JSON",
    "OTHER_NAMES",
    "TIMESTAMP",
    "VARCHAR",
    "WIDE",
    "Function",
    "arithmetic",
    "common",
]
