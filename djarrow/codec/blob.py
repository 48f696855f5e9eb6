"""Blobs: a Python value -> the bytes that a column stores, and back. docs/blob-format.md says what those are.

    >>> import djarrow as dj
    >>> dj.blob.unpack(dj.blob.pack({"gain": 2.5, "channels": [0, 3]}))
    {'gain': 2.5, 'channels': [0, 3]}

Rows as dicts, arrays and single values are packed and unpacked by insert and fetch. Frames carry the stored bytes, as a
binary column; these functions are for those.
"""

from __future__ import annotations

from typing import Any

from djarrow.codec.layout import MAGIC
from djarrow.errors import InvalidBlob, UnstorableValue

DATAJOINT_HEADERS = (b"mYm\0", b"dj0\0", b"ZL123\0")
HEADERS = (MAGIC, *DATAJOINT_HEADERS)
"""What tells a packed value from bytes that are stored as they are."""

LARGEST = 2**30 - 2**10
"""The most bytes that a blob may take: PostgreSQL's fields end below 1 GiB."""


def pack(value: Any, encoding: str = "djarrow") -> bytes:
    """The bytes that a blob column stores for a value.

    value: bytes, which are stored as they are unless they begin as a packed value does (so are a bytearray and a
    memoryview, which come back as bytes); or NumPy arrays and scalars, dicts, lists, tuples, sets, strings, numbers,
    dates, times, UUIDs, Decimals and None, within each other to a depth of 128.
    encoding: "djarrow", or "dj0" for the format of DataJoint-Python, which holds less (type `<dj_blob>`).
    Raises UnstorableValue, a ValueError, that says which part cannot be stored and why.
    Specification: 000 "Attribute Types"; design section 4.
    """
    if isinstance(value, bytearray | memoryview):
        value = bytes(value)
    stored = _encoded(value, encoding)
    if len(stored) > LARGEST:
        raise UnstorableValue(f"it takes {len(stored)} bytes, and a blob holds at most {LARGEST}")
    return stored


def _encoded(value: Any, encoding: str) -> bytes:
    if encoding not in ("djarrow", "dj0"):
        raise ValueError(f"there are the encodings 'djarrow' and 'dj0', not {encoding!r}.")
    try:
        if encoding == "dj0":
            from djarrow.codec.datajoint.writing import encode as encode_dj0

            return encode_dj0(value)
        if type(value) is bytes and not value.startswith(HEADERS):
            return value
        from djarrow.codec.writing import encode

        return encode(value)
    except RecursionError:
        raise UnstorableValue("it is nested deeper than the stack of this call has room for") from None


def unpack(stored: bytes | bytearray | memoryview) -> Any:
    """The value that a blob column stores in these bytes. Bytes that begin with no known header are the value.

    Arrays have memory of their own, and can be written. Reads djarrow's format and DataJoint's (mYm and dj0, compressed
    or not). Makes at most 64 MiB and 4,096 times the stored size, whatever the bytes are. Raises InvalidBlob, a
    ValueError, for bytes that are no blob and where this process has no memory for the value, and nothing else.
    """
    view = memoryview(stored)
    view = view.cast("B") if view.c_contiguous and view.format in ("B", "b", "c") else memoryview(bytes(view))
    head = bytes(view[:6])
    if not head.startswith(HEADERS):
        return bytes(view)
    try:
        if head.startswith(MAGIC):
            from djarrow.codec.reading import decode

            return decode(view)
        from djarrow.codec.datajoint.reading import decode as decode_datajoint

        return decode_datajoint(view)
    except InvalidBlob as error:
        raise InvalidBlob(f"The stored bytes are no valid blob: {error}.") from error.__cause__
    except (ValueError, TypeError, ArithmeticError, LookupError, OSError, RecursionError) as error:
        # what dates, decimals, dtypes, zones and keys of sets raise when they are given what they cannot be
        raise InvalidBlob(f"The stored bytes are no valid blob: {type(error).__name__}: {error}.") from error
    except MemoryError as error:  # a true value on a small machine: within the bound, but there is no more to be had
        raise InvalidBlob(f"There is no memory for the value of {len(view)} stored bytes: {error}.") from error
