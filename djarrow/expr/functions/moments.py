"""The rows of functions of dates and times, and the units that they count in."""

from __future__ import annotations

from attrs import frozen

from djarrow.expr.functions.kinds import (
    CLOCKS,
    DATE,
    DATETIME,
    INT64,
    MOMENTS,
    TIMESTAMP,
    VARCHAR,
    WHOLE,
    Function,
    always,
    later,
    later_by_clock,
    same_moment,
    takes,
)
from djarrow.model.types import Family, core


@frozen
class Unit:
    """A unit of time. months, microseconds: how many of them one is; a unit has one of the two."""

    months: int = 0
    microseconds: int = 0

    @property
    def most(self) -> int:
        """How many of it go into ten thousand years, about: more lead beyond the calendar from wherever they start."""
        return 120_000 // self.months if self.months else 10_000 * 366 * _DAY // self.microseconds


_DAY = 86_400_000_000

UNITS = {
    "year": Unit(months=12),
    "quarter": Unit(months=3),
    "month": Unit(months=1),
    "week": Unit(microseconds=7 * _DAY),
    "day": Unit(microseconds=_DAY),
    "hour": Unit(microseconds=3_600_000_000),
    "minute": Unit(microseconds=60_000_000),
    "second": Unit(microseconds=1_000_000),
    "microsecond": Unit(microseconds=1),
}

CLOCK_UNITS = ("hour", "minute", "second", "microsecond")
"""Shorter than a day."""


def _part(name: str, families: frozenset[Family] = MOMENTS) -> Function:
    return Function(name, (1, 1), takes(INT64, families))


def _add(unit: str) -> Function:
    """NULL where the result lies outside of the years 1 to 9999."""
    return Function(f"add {unit}", (2, 2), later_by_clock if unit in CLOCK_UNITS else later, nullable=True)


DATES = (
    *(_part(name) for name in ("year", "quarter", "month", "week", "day", "dayofweek", "dayofyear", "weekday")),
    *(_part(name, CLOCKS) for name in ("hour", "minute", "second", "microsecond")),
    *(Function(name, (1, 1), takes(VARCHAR, MOMENTS)) for name in ("dayname", "monthname", "date_format")),
    Function("date", (1, 1), takes(DATE, MOMENTS)),
    Function("time", (1, 1), takes(core("time"), CLOCKS)),
    Function("last_day", (1, 1), takes(DATE, MOMENTS)),
    Function("datediff", (2, 2), takes(INT64, MOMENTS), compares=True),
    Function("unix_timestamp", (1, 1), takes(INT64, MOMENTS)),
    Function("from_unixtime", (1, 1), takes(TIMESTAMP, WHOLE), nullable=True),
    Function("now", (0, 0), always(TIMESTAMP), nullable=False),
    Function("current_date", (0, 0), always(DATE), nullable=False),
    *map(_add, UNITS),
    *(Function(f"count {unit}", (2, 2), takes(INT64, MOMENTS), compares=True) for unit in UNITS),
    *(Function(f"start {unit}", (1, 1), same_moment) for unit in UNITS if unit != "microsecond"),
)
"""add: `d + interval 1 day`; count: `timestampdiff(day, a, b)`; start: `date_trunc('day', d)`."""

_DAYS = "year quarter month week day dayofweek dayofyear weekday dayname monthname date last_day unix_timestamp"

TEXT_OF_ONE = {
    **dict.fromkeys(_DAYS.split(), (DATE, DATETIME)),
    **dict.fromkeys((*CLOCK_UNITS, "time"), (core("time"), DATETIME)),
}
"""Function of one date, time or moment -> what a string that it is given may show."""

READ_FROM_THE_CLOCK = frozenset({"now", "current_date"})
"""What is another value at each run, so that it can be in no index."""

FORMAT_CODES = "YymcdeHkhIisSfjaWbMpT%"
"""The codes that date_format takes after %, in MySQL's meaning."""
