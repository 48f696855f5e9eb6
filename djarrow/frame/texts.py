"""A column of texts -> the column of values that they stand for, all at once, where every text has the plain form.

What has another form goes one by one through `model/texts.py`, whose reading of a text is the one that counts: here
only what both read alike is read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from djarrow.model.types import AttributeType, Family


def read(texts: Any, kind: AttributeType) -> Any:
    """The values in a type that has room for them, or None where a text is not of the plain form, or of no value."""
    found = _READERS.get(kind.family)
    if found is None:
        return None
    pattern, convert = found
    if not pc.all(pc.match_substring_regex(texts, f"^(?:{pattern})$")).as_py():
        return None
    try:
        return convert(texts, kind)
    except pa.ArrowInvalid:
        return None


def _date(texts: Any, _: AttributeType) -> Any:
    return texts.cast(pa.date32())


def _moment(texts: Any, _: AttributeType) -> Any:
    return texts.cast(pa.timestamp("us"))


def _time(texts: Any, _: AttributeType) -> Any:
    return pc.binary_join_element_wise("1970-01-01", texts, " ").cast(pa.timestamp("us")).cast(pa.time64("us"))


def _uuid(texts: Any, _: AttributeType) -> Any:
    import polars as pl

    digits = pl.Series(pc.replace_substring(texts, "-", ""), dtype=pl.String)
    return digits.str.decode("hex").to_arrow().cast(pa.binary()).cast(pa.binary(16))


def _decimal(texts: Any, kind: AttributeType) -> Any:
    return texts.cast(kind.arrow)


def _integer(texts: Any, _: AttributeType) -> Any:
    return texts.cast(pa.int64())


def _float(texts: Any, _: AttributeType) -> Any:
    numbers = texts.cast(pa.float64())
    return None if pc.any(pc.is_inf(numbers)).as_py() else numbers  # beyond the largest


_NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_TIME = r"[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?"
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_READERS: dict[Family, tuple[str, Callable[[Any, AttributeType], Any]]] = {
    Family.INTEGER: (r"-?[0-9]{1,18}", _integer),
    Family.FLOAT: (_NUMBER, _float),
    Family.DECIMAL: (r"-?[0-9]{1,38}(?:\.[0-9]{1,38})?", _decimal),
    Family.DATE: (_DATE, _date),
    Family.TIME: (_TIME, _time),
    Family.TIMESTAMP: (f"{_DATE}[ T]{_TIME}", _moment),
    Family.DATETIME: (f"{_DATE}[ T]{_TIME}", _moment),
    Family.UUID: (r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}", _uuid),
}
"""Kind of value -> the plain form of its texts, and how Arrow reads them. A number in frames of texts is a CSV's."""
