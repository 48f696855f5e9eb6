"""Dates and intervals: `d + interval 1 day`, `timestampdiff(day, a, b)`, `date_format(d, '%Y')`, `now()`."""

from __future__ import annotations

import re
from typing import Any

from djarrow.expr.functions import DATE, DATETIME, INT64, VARCHAR
from djarrow.expr.functions.moments import FORMAT_CODES, UNITS
from djarrow.expr.syntax.reader import Reader, Special, between, exactly, text_of
from djarrow.expr.terms import Term, Value
from djarrow.model.types import AttributeType, Family
from djarrow.model.values import normalise


def _unit(reader: Reader, word: str) -> str:
    unit = word.lower()
    unit = unit.removesuffix("s") if unit not in UNITS else unit
    if unit not in UNITS:
        raise reader.refuse(f"{word} is no unit of time here; the units are {', '.join(UNITS)}.")
    return unit


def _moment(reader: Reader, tree: Any) -> Term:
    """A date or moment; a string that shows one is taken as such."""
    return shown_moment(reader, reader.read(tree), (DATE, DATETIME))


def shown_moment(reader: Reader, term: Term, kinds: tuple[AttributeType, ...]) -> Term:
    """A string as the first of these types that it shows; other terms as they are."""
    if not (isinstance(term, Value) and term.type == VARCHAR and term.value is not None):
        return term
    for kind in kinds:
        try:
            return Value(normalise(term.value, kind), kind)
        except ValueError:
            continue
    raise reader.refuse(f"{term.value!r} is no {kinds[0]} and no moment.")


def _amount(reader: Reader, tree: Any) -> Term:
    """How many units: a whole number, also in quotes, or a term that is one."""
    if getattr(tree, "is_string", False):
        if not re.fullmatch(r"\s*[+-]?\d{1,18}\s*", tree.this):
            raise reader.refuse(f"INTERVAL takes a whole number of one unit, and not {tree.this!r}.")
        return Value(int(tree.this), INT64)
    term = reader.read(tree)
    if term.type.family is not Family.INTEGER:
        raise reader.refuse(f"INTERVAL takes a whole number of one unit, and not {term.type}.")
    return term


def is_interval(tree: Any) -> bool:
    """Whether a tree is `interval 1 day`."""
    return type(tree).__name__ == "Interval"


def shifted(reader: Reader, moment: Any, interval: Any, *, back: bool = False) -> Term:
    """`moment + interval 1 day`, or minus."""
    if not is_interval(interval) or interval.args.get("unit") is None:
        raise reader.refuse("an interval is wanted here, as in date_add(d, interval 1 day).")
    unit = _unit(reader, interval.args["unit"].sql())
    return _shifted_by(reader, _moment(reader, moment), _amount(reader, interval.this), unit, back=back)


def _shifted_by(reader: Reader, moment: Term, amount: Term, unit: str, *, back: bool) -> Term:
    if back:
        whole = isinstance(amount, Value) and isinstance(amount.value, int)
        amount = Value(-amount.value, INT64) if whole else reader.apply("neg", amount)  # type: ignore[union-attr]
    return reader.apply(f"add {unit}", moment, amount)


def _date_add(reader: Reader, written: str, tree: Any) -> Term:
    moment, interval = exactly(reader, written, tree, 2)
    return shifted(reader, moment, interval, back=written in ("date_sub", "subdate"))


def _timestampadd(reader: Reader, written: str, tree: Any) -> Term:
    unit, amount, moment = exactly(reader, written, tree, 3)
    return _shifted_by(reader, _moment(reader, moment), _amount(reader, amount), _unit(reader, unit.name), back=False)


def _timestampdiff(reader: Reader, written: str, tree: Any) -> Term:
    unit, first, second = exactly(reader, written, tree, 3)
    return reader.apply(f"count {_unit(reader, unit.name)}", reader.read(first), reader.read(second))


def _date_trunc(reader: Reader, written: str, tree: Any) -> Term:
    unit, moment = exactly(reader, written, tree, 2)
    name = _unit(reader, text_of(reader, written, unit))
    if name == "microsecond":
        raise reader.refuse("a moment has no parts shorter than a microsecond.")
    return reader.apply(f"start {name}", _moment(reader, moment))


def _date_format(reader: Reader, written: str, tree: Any) -> Term:
    moment, wanted = exactly(reader, written, tree, 2)
    shown = text_of(reader, written, wanted)
    for code in re.findall(r"%(.?)", shown, re.DOTALL):
        if code not in FORMAT_CODES or not code:
            raise reader.refuse(f"date_format knows no %{code}; its codes are {', %'.join(('', *FORMAT_CODES))[2:]}.")
    return reader.apply("date_format", _moment(reader, moment), options=(shown,))


def _no_digits(function: str) -> Special:
    """`now()` and `now(6)`: moments always have microseconds."""

    def read(reader: Reader, written: str, tree: Any) -> Term:
        if any(not re.fullmatch("[0-6]", argument.name) for argument in between(reader, written, tree, 0, 1)):
            raise reader.refuse(f"{written} takes no argument.")
        return reader.apply(function)

    return read


INTERVALS: dict[str, Special] = {
    **dict.fromkeys(("date_add", "adddate", "date_sub", "subdate"), _date_add),
    "timestampadd": _timestampadd,
    "timestampdiff": _timestampdiff,
    "date_trunc": _date_trunc,
    "date_format": _date_format,
    **dict.fromkeys(("now", "current_timestamp", "utc_timestamp"), _no_digits("now")),
}
