"""How parts of JSON attributes are written: their text, and what the text is as a number or truth value.

The text is of strings, numbers and truth values; objects and lists, whose text engines write each in its own way, have
none, nor has JSON's null. Text that is no number gives NULL, so that no row can break a query in its midst.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from djarrow.errors import QueryError
from djarrow.expr.terms import Call, Option
from djarrow.sql.dialects import Dialect
from djarrow.sql.functions.shared import Build, form, forms
from djarrow.sql.tree import Expression, string


def _postgres(node: Expression, steps: tuple[Option, ...]) -> Expression:
    """Keys one by one. A path with positions is strict, because PostgreSQL takes any value for a list of one."""
    if any(isinstance(step, int) for step in steps):
        path = "".join(f"[{step}]" if isinstance(step, int) else f".{json.dumps(step)}" for step in steps)
        return form("JSONB_PATH_QUERY_FIRST({0}, {1}, '{}', TRUE)", node, string(f"strict ${path}", Dialect.POSTGRES))
    for step in steps:
        node = form("({0} -> {1})", node, string(str(step), Dialect.POSTGRES))
    return node


def _duckdb(node: Expression, steps: tuple[Option, ...]) -> Expression:
    return form("JSON_EXTRACT({0}, {1})", node, string(_duckdb_path(steps), Dialect.DUCKDB)) if steps else node


def _duckdb_path(steps: tuple[Option, ...]) -> str:
    """A path, or where a key has quotes or is empty, a pointer, which has no way to tell a key 0 from a position."""
    if not any(isinstance(step, str) and ('"' in step or not step) for step in steps):
        return "$" + "".join(f"[{step}]" if isinstance(step, int) else f'."{step}"' for step in steps)
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


def _spark_path(steps: tuple[Option, ...]) -> str:
    for step in steps:
        if isinstance(step, str) and (set("'?") & set(step) or not step):
            raise QueryError(f"Spark cannot look up the key {step!r} in JSON: it is empty or has an apostrophe or `?`.")
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f"['{step}']" for step in steps)


def _spark(node: Expression, steps: tuple[Option, ...]) -> Expression:
    return form("VARIANT_GET(PARSE_JSON({0}), {1})", node, string(_spark_path(steps), Dialect.SPARK))


_PART: dict[Dialect, Callable[[Expression, tuple[Option, ...]], Expression]] = {
    Dialect.POSTGRES: _postgres,
    Dialect.DUCKDB: _duckdb,
    Dialect.SPARK: _spark,
}
"""The part as JSON, in the engine's own type."""


def _any_text(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    """The text of the part, also of an object or list."""
    match dialect:
        case Dialect.POSTGRES if call.options and all(isinstance(step, str) for step in call.options):
            return form("({0} ->> {1})", _postgres(nodes[0], call.options[:-1]), string(str(call.options[-1]), dialect))
        case Dialect.POSTGRES:
            return form("({0} #>> '{}')", _postgres(nodes[0], call.options))
        case Dialect.DUCKDB:
            return form("JSON_EXTRACT_STRING({0}, {1})", nodes[0], string(_duckdb_path(call.options), dialect))
        case Dialect.SPARK:
            return form("GET_JSON_OBJECT({0}, {1})", nodes[0], string(_spark_path(call.options), dialect))


_VALUE = forms(
    "CASE WHEN JSONB_TYPEOF({0}) NOT IN ('object', 'array') THEN {1} END",
    "CASE WHEN JSON_TYPE({0}) NOT IN ('OBJECT', 'ARRAY') THEN {1} END",
    "CASE WHEN NOT SCHEMA_OF_VARIANT({0}) RLIKE '^(OBJECT|ARRAY|VOID)' THEN {1} END",
)


def _text(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    """The text of a string, number or truth value. A string may begin as an object does: the kind is asked for."""
    part = _PART[dialect](nodes[0].copy(), call.options)
    return form(_VALUE[dialect], part, _any_text(call, nodes, dialect))


_JSON_NUMBER = "^-?([0-9]{1,250}([.][0-9]{1,250})?|[0-9]{1,9}([.][0-9]{1,9})?[eE][+-]?([0-9]{1,2}|[12][0-9]{2}))$"
"""What is taken as a number: what every engine can cast to float64, and no more."""

_NUMBER = forms(
    "CASE WHEN {0} ~ {1} THEN CAST({0} AS double precision) END",
    "CASE WHEN REGEXP_MATCHES({0}, {1}) THEN CAST({0} AS DOUBLE) END",
    "CASE WHEN {0} RLIKE {1} THEN CAST({0} AS DOUBLE) END",
)


def _number(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    return form(_NUMBER[dialect], _any_text(call, nodes, dialect), string(_JSON_NUMBER, dialect))


_WHOLE = forms(
    "CASE WHEN {0} ~ {2} THEN CAST({0} AS bigint) WHEN {1} BETWEEN -9E18 AND 9E18"
    " THEN CAST(ROUND(CAST(CAST({1} AS text) AS numeric)) AS bigint) END",
    "CASE WHEN REGEXP_MATCHES({0}, {2}) THEN CAST({0} AS BIGINT) WHEN {1} BETWEEN -9E18 AND 9E18"
    " THEN CAST(ROUND({1}) AS BIGINT) END",
    "CASE WHEN {0} RLIKE {2} THEN CAST({0} AS BIGINT) WHEN {1} BETWEEN -9E18 AND 9E18"
    " THEN CAST(ROUND({1}) AS BIGINT) END",
)


def _whole(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    """Whole numbers keep all of their digits; others are rounded; those beyond 64 bits are NULL."""
    text = _any_text(call, [nodes[0].copy()], dialect)
    number = _number(call, nodes, dialect)
    return form(_WHOLE[dialect], text, number, string("^-?[0-9]{1,18}$", dialect))


def _truth(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    return form("CASE {0} WHEN 'true' THEN TRUE WHEN 'false' THEN FALSE END", _any_text(call, nodes, dialect))


_EXTRACT = forms(
    "NULLIF({0}, CAST('null' AS jsonb))",
    "CASE WHEN JSON_TYPE({0}) <> 'NULL' THEN {0} END",
    "CASE WHEN NOT IS_VARIANT_NULL({0}) THEN TO_JSON({0}) END",
)


def _extract(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    """The part as JSON; JSON's null is NULL, as a part that is not there."""
    return form(_EXTRACT[dialect], _PART[dialect](nodes[0], call.options))


_LENGTH = forms(
    "CASE JSONB_TYPEOF({0}) WHEN 'array' THEN CAST(JSONB_ARRAY_LENGTH({0}) AS bigint)"
    " WHEN 'object' THEN (SELECT COUNT(*) FROM JSONB_OBJECT_KEYS({0})) ELSE CASE WHEN {0} <> 'null' THEN 1 END END",
    "CASE JSON_TYPE({0}) WHEN 'ARRAY' THEN CAST(JSON_ARRAY_LENGTH({0}) AS BIGINT)"
    " WHEN 'OBJECT' THEN CAST(LEN(JSON_KEYS({0})) AS BIGINT) WHEN 'NULL' THEN NULL ELSE"
    " CASE WHEN {0} IS NOT NULL THEN 1 END END",
    "CAST(CASE LEFT({0}, 1) WHEN '[' THEN JSON_ARRAY_LENGTH({0}) WHEN '{' THEN SIZE(JSON_OBJECT_KEYS({0}))"
    " ELSE CASE WHEN {0} IS NOT NULL THEN 1 END END AS BIGINT)",
)


def _length(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    """The number of entries of a list or object; of any other value 1."""
    part = _extract(call, nodes, dialect) if dialect is Dialect.SPARK else _PART[dialect](nodes[0], call.options)
    return form(_LENGTH[dialect], part)


DOCUMENTS: dict[str, Build] = {
    "json value": _text,
    "json number": _number,
    "json whole": _whole,
    "json truth": _truth,
    "json_extract": _extract,
    "json_length": _length,
}
