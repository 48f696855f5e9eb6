"""The rows of aggregates."""

from __future__ import annotations

from djarrow.expr.functions.kinds import (
    ALL,
    BOOL,
    BYTES,
    COUNTED,
    FLOAT64,
    INT64,
    VARCHAR,
    Function,
    Result,
    always,
    arithmetic,
    bits,
    extreme,
    takes,
)
from djarrow.model.types import Family


def _aggregate(name: str, result: Result, arity: int = 1, *, distinct: bool = False) -> Function:
    return Function(name, (arity, arity), result, aggregate=True, nullable=True, distinct=distinct)


def _of_truths(name: str) -> Function:
    return Function(name, (1, 1), always(BOOL), aggregate=True, nullable=True, logical=ALL)


_SHOWN = frozenset(Family) - BYTES - {Family.FLOAT, Family.BOOLEAN}

AGGREGATES = (
    Function("count", (0, 1), always(INT64), aggregate=True, nullable=False, over_nothing=0, distinct=True),
    Function("count_if", (1, 1), always(INT64), aggregate=True, nullable=False, over_nothing=0, logical=ALL),
    _aggregate("sum", arithmetic, distinct=True),
    _aggregate("min", extreme, distinct=True),
    _aggregate("max", extreme, distinct=True),
    _aggregate("avg", takes(FLOAT64, COUNTED), distinct=True),
    *(_aggregate(name, takes(FLOAT64, COUNTED)) for name in ("stddev_pop", "stddev_samp", "var_pop", "var_samp")),
    _aggregate("median", takes(FLOAT64, COUNTED)),
    _aggregate("percentile", takes(FLOAT64, COUNTED)),
    *(_aggregate(name, takes(FLOAT64, COUNTED), 2) for name in ("corr", "covar_pop", "covar_samp")),
    *(_aggregate(name, takes(FLOAT64, COUNTED), 2) for name in ("regr_slope", "regr_intercept")),
    *(_of_truths(name) for name in ("bool_and", "bool_or")),
    *(_aggregate(name, bits) for name in ("bit_and", "bit_or", "bit_xor")),
    Function(
        "group_concat",
        (1, None),
        lambda types: VARCHAR if types[0].family in _SHOWN and not {t.family for t in types} & BYTES else None,
        aggregate=True,
        nullable=True,
        distinct=True,
    ),
)
"""percentile: its share stands in the options of the call. group_concat: further arguments are what orders it."""
