"""The rules by which the functions of a predicate become terms: one row a function, for the types that it names."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from attrs import evolve, frozen

from djarrow.expr.functions import INT64
from djarrow.expr.predicates.arithmetic import absolute, ceiling, floor, negated
from djarrow.expr.predicates.comparisons import is_between, is_in
from djarrow.expr.predicates.known import Known, check_alike, check_truths, doubts, refused, truth
from djarrow.expr.terms import Term, Value, call
from djarrow.model.types import AttributeType, Family, core

Rule = Callable[..., Known]
"""(the arguments, what the tree says of the function besides) -> the part. Raises InvalidCondition."""


# --- logic -------------------------------------------------------------------------------------------------------


def _logic(name: str) -> Rule:
    def rule(*given: Known) -> Known:
        check_truths(name, *given)
        return truth(call(name, *(known.term for known in given)), *given)

    return rule


def _is_null(known: Known) -> Known:
    return truth(call("is null", known.term), known)


def _is_not_null(known: Known) -> Known:
    return truth(call("not", call("is null", known.term)), known)


_ODD = (float("nan"), float("inf"), float("-inf"))


def _is_one_of(values: tuple[float, ...], *, negative: bool = False) -> Rule:
    """Tests for NaN and the infinities. The engines say, as Polars does, that NaN equals itself."""

    def rule(known: Known) -> Known:
        if known.family is not Family.FLOAT:
            raise refused("is_nan or is_finite", f"{known.kind} holds no such values")
        found = call("in", known.term, *(Value(value, known.kind) for value in values))
        return truth(call("not", found) if negative else found, known)

    return rule


# --- choice ------------------------------------------------------------------------------------------------------

_CHOSEN = frozenset(Family) - {Family.ENUM, Family.JSON, Family.BLOB, Family.UUID}


def chosen(part: str, *given: Known) -> AttributeType:
    """The kind of a choice between these. Raises InvalidCondition."""
    kind = check_alike(part, *given)
    if kind.family not in _CHOSEN:
        raise refused(part, f"it is not computed of {kind}")
    return kind


def _first_present(*given: Known) -> Known:
    kind = chosen("fill_null or coalesce", *given)
    return Known(call("coalesce", *(known.term for known in given)), kind, doubts(*given))


def ternary(test: Known, yes: Known, no: Known) -> Known:
    """when(test).then(yes).otherwise(no)."""
    check_truths("when", test)
    kind = chosen("when", yes, no)
    yes, no = (evolve(k, term=Value(None, kind)) if k.is_null else k for k in (yes, no))
    return Known(call("if", test.term, yes.term, no.term), kind, doubts(test, yes, no))


# --- strings -----------------------------------------------------------------------------------------------------

_SPECIAL = re.compile(r"[\\.^$*+?{}\[\]|()]")
"""What a regular expression may not hold to be a plain string."""


def _pattern(form: str) -> Rule:
    """A LIKE pattern around a constant."""

    def rule(text: Known, wanted: Known) -> Known:
        if text.family is not Family.STRING or not isinstance(wanted.constant, str):
            raise refused("a search in a string", "what is looked for is no constant")
        escaped = re.sub(r"([\\%_])", r"\\\1", wanted.constant)
        return truth(call("like", text.term, Value(form.format(escaped), wanted.kind)), text)

    return rule


_HOLDS = _pattern("%{}%")


def contains(options: Any, text: Known, wanted: Known) -> Known:
    """A search for a string. Regular expressions differ between Polars and the engines."""
    if not options["literal"] and isinstance(wanted.constant, str) and _SPECIAL.search(wanted.constant):
        raise refused("str.contains", "regular expressions differ; literal=True looks for a string")
    return _HOLDS(text, wanted)


def _characters(text: Known) -> Known:
    if text.family is not Family.STRING:
        raise refused("str.len_chars", f"it is not computed of {text.kind}")
    return Known(call("length", text.term), core("uint32"), text.doubts)


# --- moments -----------------------------------------------------------------------------------------------------

_DAYS = frozenset({Family.DATE, Family.TIMESTAMP, Family.DATETIME})
_CLOCKS = frozenset({Family.TIME, Family.TIMESTAMP, Family.DATETIME})


def _part(function: str, kind: str, families: frozenset[Family], *, add: int = 0) -> Rule:
    """A part of a date or time. add: to the function's own, which may count from elsewhere."""

    def rule(moment: Known) -> Known:
        if moment.family not in families:
            raise refused(f"dt.{function}", f"it is not computed of {moment.kind}")
        term: Term = call(function, moment.term)
        term = call("+", term, Value(add, INT64)) if add else term
        return Known(term, core(kind), moment.doubts)

    return rule


@frozen
class Functions:
    """The functions of one group of the tree by name: those that stand alone, and those with options beside them."""

    plain: dict[str, Rule]
    with_options: dict[str, Rule]


GROUPS: dict[str, Functions] = {
    "Boolean": Functions(
        {
            "Not": _logic("not"),
            "IsNull": _is_null,
            "IsNotNull": _is_not_null,
            "IsNan": _is_one_of(_ODD[:1]),
            "IsNotNan": _is_one_of(_ODD[:1], negative=True),
            "IsInfinite": _is_one_of(_ODD[1:]),
            "IsFinite": _is_one_of(_ODD, negative=True),
            "AnyHorizontal": _logic("or"),
            "AllHorizontal": _logic("and"),
        },
        {"IsBetween": is_between, "IsIn": is_in},
    ),
    "StringExpr": Functions(
        {"StartsWith": _pattern("{}%"), "EndsWith": _pattern("%{}"), "LenChars": _characters},
        {"Contains": contains},
    ),
    "TemporalExpr": Functions(
        {
            "Year": _part("year", "int32", _DAYS),
            "Quarter": _part("quarter", "int8", _DAYS),
            "Month": _part("month", "int8", _DAYS),
            "Day": _part("day", "int8", _DAYS),
            "OrdinalDay": _part("dayofyear", "int16", _DAYS),
            "WeekDay": _part("weekday", "int8", _DAYS, add=1),
            "Hour": _part("hour", "int8", _CLOCKS),
            "Minute": _part("minute", "int8", _CLOCKS),
            "Second": _part("second", "int8", _CLOCKS),
            "Date": _part("date", "date", _DAYS),
        },
        {},
    ),
    "": Functions(
        {
            "Negate": negated,
            "Abs": absolute,
            "Floor": floor,
            "Ceil": ceiling,
            "FillNull": _first_present,
            "Coalesce": _first_present,
        },
        {},
    ),
}
"""Group of the tree -> its functions. The group "" has those that the tree names without one."""
