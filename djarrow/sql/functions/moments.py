"""How functions of dates and times are written. Moments are those of UTC, whatever the session's zone is."""

from __future__ import annotations

import re
from collections.abc import Mapping

from djarrow.expr.functions import DATE, DATETIME
from djarrow.expr.functions.moments import UNITS, Unit
from djarrow.expr.terms import Call, Value
from djarrow.model.types import Family
from djarrow.sql.dialects import Dialect
from djarrow.sql.functions.formats import FORMATS
from djarrow.sql.functions.shared import Build, Forms, day_and_time, form, forms, written
from djarrow.sql.tree import INT32, Expression, cast, in_utc, number, string


def _of_moments(postgres: str, duckdb: str | None = None, spark: str | None = None, *, casts: bool = True) -> Build:
    """A function of dates, times and moments as they are."""
    write = written(postgres, duckdb, spark, casts=casts)

    def build(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
        return write(call, [in_utc(t, n, dialect) for t, n in zip(call.arguments, nodes, strict=True)], dialect)

    return build


def _of_days_and_times(postgres: str, duckdb: str | None = None, spark: str | None = None) -> Build:
    """A function of dates and moments, each as a day and time without zone."""
    write = written(postgres, duckdb, spark, casts=True)

    def build(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
        return write(call, [day_and_time(t, n, dialect) for t, n in zip(call.arguments, nodes, strict=True)], dialect)

    return build


def _part(name: str) -> Build:
    return _of_moments(f"EXTRACT({name} FROM {{0}})")


def _date(call: Call, nodes: list[Expression], dialect: Dialect) -> list[Expression]:
    return [cast(in_utc(t, n, dialect), DATE, dialect) for t, n in zip(call.arguments, nodes, strict=True)]


def _of_dates(postgres: str, spark: str) -> Build:
    """A function of dates; of a moment, its day in UTC."""
    write = written(postgres, spark=spark, casts=True)
    return lambda call, nodes, dialect: write(call, _date(call, nodes, dialect), dialect)


def _time(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    moment = call.arguments[0]
    node = nodes[0] if moment.type == call.type else day_and_time(moment, nodes[0], dialect)
    return cast(node, call.type, dialect)


# --- intervals ---------------------------------------------------------------------------------------------------

_WITHIN = forms(
    "CASE WHEN {0} >= TIMESTAMP '0001-01-01' AND {0} < TIMESTAMP '10000-01-01' THEN {0} END",
    spark="CASE WHEN YEAR({0}) BETWEEN 1 AND 9999 THEN {0} END",
)
_FAR = (
    "CASE WHEN {0} >= TIMESTAMP '10001-01-01' AND {0} < TIMESTAMP '20000-01-01' THEN {0} - INTERVAL '10000 years' END"
)
"""PostgreSQL's calendar ends in 4713 BC: what may go back so far is computed ten thousand years, 25 whole cycles of
the calendar, later."""


_POSTGRES_STEPS = {
    "quarter": "{1} * INTERVAL '3 months'",
    # PostgreSQL multiplies in float64, which does not hold all microseconds of the calendar.
    "microsecond": "{1} / 1000000 * INTERVAL '1 second' + {1} % 1000000 * INTERVAL '1 microsecond'",
}
"""Steps that are not so many times an interval of that name."""


def _added(name: str, unit: Unit) -> Build:
    """A moment so many units later; the day of the month is the last one where the month has no such day."""
    step = _POSTGRES_STEPS.get(name, f"{{1}} * INTERVAL '1 {name}'")
    far = f"({{0}} + INTERVAL '10000 years' + {step})"
    near = forms(
        f"({{0}} + {step})", f"({{0}} + TO_{name.upper()}S({{1}}))", f"TIMESTAMPADD({name.upper()}, {{1}}, {{0}})"
    )

    def build(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
        amount = call.arguments[1]
        moment = day_and_time(call.arguments[0], nodes[0], dialect)
        if isinstance(amount, Value) and amount.value is not None and abs(amount.value) <= unit.most // 3:
            return _as_result(call, form(_WITHIN[dialect], form(near[dialect], moment, nodes[1])), dialect)
        count: Expression = form("CASE WHEN {0} BETWEEN -{1} AND {1} THEN {0} END", nodes[1], number(unit.most))
        count = count if unit.most > MOST_OF_32_BITS else cast(count, INT32, dialect)
        if dialect is Dialect.POSTGRES:
            return _as_result(call, form(_FAR, form(far, moment, count)), dialect)
        return _as_result(call, form(_WITHIN[dialect], form(near[dialect], moment, count)), dialect)

    return build


MOST_OF_32_BITS = 2**31 - 1


def _as_result(call: Call, node: Expression, dialect: Dialect) -> Expression:
    """A day and time without zone as the stated type: that of the moment."""
    if call.type.family is Family.TIMESTAMP and dialect is Dialect.POSTGRES:
        return form("({0} AT TIME ZONE 'UTC')", node)
    return node if call.type == DATETIME and dialect is not Dialect.SPARK else cast(node, call.type, dialect)


_MONTH_TICKS = 32 * 86_400_000_000
"""Microseconds of a month that is longer than any."""

_IN_MONTHS = forms(
    "DIV((EXTRACT(YEAR FROM {{1}}) * 12 + EXTRACT(MONTH FROM {{1}})) * {0}"
    " + EXTRACT(EPOCH FROM {{1}} - DATE_TRUNC('month', {{1}})) * 1000000"
    " - (EXTRACT(YEAR FROM {{0}}) * 12 + EXTRACT(MONTH FROM {{0}})) * {0}"
    " - EXTRACT(EPOCH FROM {{0}} - DATE_TRUNC('month', {{0}})) * 1000000, {0} * {1})",
    "(((EXTRACT(YEAR FROM {{1}}) * 12 + EXTRACT(MONTH FROM {{1}})) * {0}"
    " + EPOCH_US({{1}}) - EPOCH_US(DATE_TRUNC('month', {{1}}))"
    " - (EXTRACT(YEAR FROM {{0}}) * 12 + EXTRACT(MONTH FROM {{0}})) * {0}"
    " - EPOCH_US({{0}}) + EPOCH_US(DATE_TRUNC('month', {{0}}))) // ({0} * {1}))",
    "(TIMESTAMPDIFF(MONTH, {{0}}, {{1}}) DIV {1})",
)
"""Whole months between two moments: months and the ticks since the month began, as one number."""

_IN_MICROSECONDS = forms(
    "DIV((EXTRACT(EPOCH FROM {{1}}) - EXTRACT(EPOCH FROM {{0}})) * 1000000, {1})",
    "((EPOCH_US({{1}}) - EPOCH_US({{0}})) // {1})",
    "(TIMESTAMPDIFF(MICROSECOND, {{0}}, {{1}}) DIV {1})",
)


def _counted(unit: Unit) -> Build:
    """The whole units from one moment to another, negative where it is earlier."""
    texts = _IN_MONTHS if unit.months else _IN_MICROSECONDS
    size = unit.months or unit.microseconds
    return _of_days_and_times(*(texts[dialect].format(_MONTH_TICKS, size) for dialect in Dialect))


def _started(name: str) -> Build:
    """The moment at which its unit began; of a week, Monday."""

    def build(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
        moment = day_and_time(call.arguments[0], nodes[0], dialect)
        return _as_result(call, form(f"DATE_TRUNC('{name}', {{0}})", moment), dialect)

    return build


# --- formats -----------------------------------------------------------------------------------------------------


def _format(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    shown = string(_engines_format(str(call.options[0]), dialect), dialect)
    return form(_FORMATTED[dialect], day_and_time(call.arguments[0], nodes[0], dialect), shown)


_FORMATTED = forms("TO_CHAR({0}, {1})", "STRFTIME({0}, {1})", "DATE_FORMAT({0}, {1})")


def _engines_format(shown: str, dialect: Dialect) -> str:
    codes, plain = FORMATS[dialect]
    pieces = re.findall(r"%(.)|([^%]+)", shown, re.DOTALL)
    return "".join(codes[code] if code else plain(text) for code, text in pieces)


_MICROSECONDS: Forms = forms(
    "EXTRACT(MICROSECONDS FROM {0}) % 1000000", spark="CAST(EXTRACT(SECOND FROM {0}) * 1000000 AS BIGINT) % 1000000"
)

MOMENTS: Mapping[str, Build] = {
    "year": _part("YEAR"),
    "quarter": _part("QUARTER"),
    "month": _part("MONTH"),
    "week": _part("WEEK"),
    "day": _part("DAY"),
    "dayofyear": _part("DOY"),
    "dayofweek": _of_moments("(EXTRACT(DOW FROM {0}) + 1)", spark="DAYOFWEEK({0})"),
    "weekday": _of_moments("(EXTRACT(ISODOW FROM {0}) - 1)", spark="WEEKDAY({0})"),
    "hour": _part("HOUR"),
    "minute": _part("MINUTE"),
    # Without FLOOR, PostgreSQL would round half a second up to 60.
    "second": _of_moments("FLOOR(EXTRACT(SECOND FROM {0}))"),
    "microsecond": _of_moments(*_MICROSECONDS.values()),
    "dayname": _of_moments("TO_CHAR({0}, 'FMDay')", "DAYNAME({0})", "DATE_FORMAT({0}, 'EEEE')", casts=False),
    "monthname": _of_moments("TO_CHAR({0}, 'FMMonth')", "MONTHNAME({0})", "DATE_FORMAT({0}, 'MMMM')", casts=False),
    "date_format": _format,
    "date": lambda call, nodes, dialect: _date(call, nodes, dialect)[0],
    "time": _time,
    "last_day": _of_days_and_times("DATE_TRUNC('month', {0}) + INTERVAL '1 month - 1 day'", "LAST_DAY({0})"),
    "datediff": _of_dates("({0} - {1})", "DATEDIFF({0}, {1})"),
    "unix_timestamp": _of_days_and_times(
        "FLOOR(EXTRACT(EPOCH FROM {0}))",
        "(EPOCH_US(DATE_TRUNC('second', {0})) // 1000000)",  # EPOCH is a float64, which rounds the last microseconds up
        "FLOOR(CAST(UNIX_MICROS(CAST({0} AS TIMESTAMP)) AS DECIMAL(20,0)) / 1000000)",
    ),
    "from_unixtime": written(
        "CASE WHEN {0} BETWEEN -62135596800 AND 253402300799 THEN TO_TIMESTAMP({0}) END",
        spark="CASE WHEN {0} BETWEEN -62135596800 AND 253402300799 THEN TIMESTAMP_SECONDS({0}) END",
    ),
    "now": written("NOW()", spark="CURRENT_TIMESTAMP()"),
    "current_date": written("CAST(NOW() AT TIME ZONE 'UTC' AS date)", "CAST(NOW() AS DATE)", "CURRENT_DATE()"),
    **{f"add {name}": _added(name, unit) for name, unit in UNITS.items()},
    **{f"count {name}": _counted(unit) for name, unit in UNITS.items()},
    **{f"start {name}": _started(name) for name in UNITS if name != "microsecond"},
}
