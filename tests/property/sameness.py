"""When a value that came back is the one that went in: equal, of the same type, dtype and order, NaN and -0.0 too."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np


def same(found: Any, expected: Any) -> bool:
    """Whether two values are the same to whoever computes with them."""
    if type(found) is not type(expected):
        return False
    match expected:
        case np.ndarray() | np.generic():
            return found.dtype == expected.dtype and found.shape == expected.shape and _same_elements(found, expected)
        case dict():
            pairs = zip(found.items(), expected.items(), strict=True)
            return len(found) == len(expected) and all(same(a, b) and same(c, d) for (a, c), (b, d) in pairs)
        case list() | tuple():
            return len(found) == len(expected) and all(map(same, found, expected))
        case set() | frozenset():
            return len(found) == len(expected) and sorted(map(_text, found)) == sorted(map(_text, expected))
    return _text(found) == _text(expected)


def _same_elements(found: Any, expected: Any) -> bool:
    """Element by element where they are objects or fields, whose gaps hold anything; else byte by byte."""
    if expected.dtype.names is not None:
        return all(same(np.asarray(found[name]), np.asarray(expected[name])) for name in expected.dtype.names)
    if expected.dtype.hasobject:
        return all(map(same, found.ravel().tolist(), expected.ravel().tolist()))
    if expected.dtype.char in "gG":  # long doubles have gaps too
        return np.array_equal(found, expected, equal_nan=True)
    return bool(found.tobytes() == expected.tobytes())


def relative(value: Any) -> Any:
    """What DataJoint's format gives back for a value: itself, but for the four kinds that docs/blob-format.md lists."""
    match value:
        case np.str_():
            return str.__str__(value)
        case np.bytes_():
            return bytes(value)
        case np.ndarray() if value.dtype.names is not None:
            return value.view(np.recarray)
        case np.ndarray() if value.dtype.hasobject:
            return np.fromiter(map(relative, value.ravel().tolist()), object, value.size).reshape(value.shape)
        case np.ndarray() if value.ndim == 0:
            return value[()]
        case list() | tuple() | set():
            return type(value)(map(relative, value))
        case dict():
            return {relative(key): relative(item) for key, item in value.items()}
    return value


def _text(value: Any) -> str:
    """What tells apart values that Python calls equal: True from 1, 0.0 from -0.0, 1.0 from 1.00, zones, folds."""
    name = type(value).__name__
    if isinstance(value, tuple):
        return f"{name}{[_text(item) for item in value]}"
    if isinstance(value, set | frozenset):
        return f"{name}{sorted(map(_text, value))}"
    fold = value.fold if isinstance(value, datetime.time | datetime.datetime) else ""
    return f"{name} {value!r} {fold}"
