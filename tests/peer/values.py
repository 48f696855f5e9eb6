"""Python values <-> JSON, so that tests and the peer's processes hand each other any value, and equality of values.

Run by both: the standard library and NumPy only. A value that JSON has no word for becomes `{"$name": ...}`.
"""

from __future__ import annotations

import datetime
import decimal
import json
import math
import uuid
from collections.abc import Callable
from typing import Any

import numpy as np


def to_json(value: Any) -> str:
    """The text of a value."""
    return json.dumps(_tagged(value))


def from_json(text: str) -> Any:
    """The value of a text."""
    return _untagged(json.loads(text))


def _tagged(value: Any) -> Any:
    if value is None or type(value) in (bool, int, float, str):
        return value
    if type(value) is list:
        return [_tagged(item) for item in value]
    if type(value) is dict and all(type(key) is str and not key.startswith("$") for key in value):
        return {key: _tagged(item) for key, item in value.items()}
    for name, (kind, write, _) in _FORMS.items():
        if type(value) is kind or (kind in (np.ndarray, np.generic, dict) and isinstance(value, kind)):
            return {"$" + name: write(value)}
    raise TypeError(f"{value!r} of type {type(value)} has no form in JSON.")


def _untagged(value: Any) -> Any:
    if isinstance(value, list):
        return [_untagged(item) for item in value]
    if not isinstance(value, dict):
        return value
    name = next(iter(value), "")
    if name.startswith("$"):
        return _FORMS[name[1:]][2](value[name])
    return {key: _untagged(item) for key, item in value.items()}


def _array_to(array: Any) -> list[Any]:
    dtype = array.dtype.descr if array.dtype.fields else array.dtype.str
    return [_tagged(dtype), list(array.shape), _tagged(array.ravel().tolist())]


def _array_from(parts: list[Any]) -> Any:
    described, shape, items = (_untagged(part) for part in parts)
    array = np.empty(len(items), dtype=np.dtype(described))
    for position, item in enumerate(items):
        array[position] = item
    return array.reshape(shape)


_FORMS: dict[str, tuple[type, Callable[[Any], Any], Callable[[Any], Any]]] = {
    "bytes": (bytes, bytes.hex, bytes.fromhex),
    "memory": (memoryview, memoryview.hex, bytes.fromhex),
    "datetime": (datetime.datetime, datetime.datetime.isoformat, datetime.datetime.fromisoformat),
    "date": (datetime.date, datetime.date.isoformat, datetime.date.fromisoformat),
    "time": (datetime.time, datetime.time.isoformat, datetime.time.fromisoformat),
    "seconds": (
        datetime.timedelta,
        datetime.timedelta.total_seconds,
        lambda seconds: datetime.timedelta(seconds=seconds),
    ),
    "decimal": (decimal.Decimal, str, decimal.Decimal),
    "uuid": (uuid.UUID, str, uuid.UUID),
    "complex": (complex, lambda value: [value.real, value.imag], lambda parts: complex(*parts)),
    "tuple": (tuple, lambda value: [_tagged(item) for item in value], lambda items: tuple(map(_untagged, items))),
    "set": (set, lambda value: [_tagged(item) for item in value], lambda items: set(map(_untagged, items))),
    "dict": (
        dict,
        lambda value: [[_tagged(key), _tagged(item)] for key, item in value.items()],
        lambda pairs: {_untagged(key): _untagged(item) for key, item in pairs},
    ),
    "array": (np.ndarray, _array_to, _array_from),
    "scalar": (np.generic, lambda value: _array_to(np.asarray(value)), lambda parts: _array_from(parts)[()]),
}
"""Name -> the type, value -> JSON, JSON -> value; a view of memory arrives as bytes. The first that fits counts."""


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal and of one type, to the dtypes of arrays in them; NaN is the same as NaN.

    An array of records is the same as a structured array: the peer gives one for the other.
    """
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return one.dtype.descr == other.dtype.descr and one.shape == other.shape and same(one.tolist(), other.tolist())
    if type(one) is not type(other):
        return False
    if isinstance(one, np.generic):
        return one.dtype == other.dtype and same(one.item(), other.item())
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(item, other[key]) for key, item in one.items())
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and math.isnan(one):
        return math.isnan(other)
    return bool(one == other)
