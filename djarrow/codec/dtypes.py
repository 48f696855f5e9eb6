"""NumPy's dtypes in a blob: as their array-interface text, or field by field. Never by a name that NumPy looks up."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from djarrow.codec.layout import ALIGNED, DEEPEST, RECORD, TITLED, Form
from djarrow.errors import InvalidBlob, UnstorableValue

if TYPE_CHECKING:
    from djarrow.codec.reading import Reader
    from djarrow.codec.writing import Writer

DType = np.dtype[Any]

_LONG = np.finfo(np.longdouble)
_SIMPLE = re.compile(
    r"[|][biu]1|[<>][iu][248]|[<>]f[248]|[<>]c(?:8|16)|[|]O"
    r"|[|][SV]\d{1,10}|[<>]U\d{1,9}"
    r"|[<>][Mm]8(?:\[\d{0,9}(?:Y|M|W|D|h|m|s|ms|us|ns|ps|fs|as)\])?"
    r"|[<>](?:f|c)\d\d/\d{2,3}"
)


def write_dtype(writer: Writer, dtype: DType, depth: int = 0) -> None:
    """The dtype, with its fields. Raises UnstorableValue where reading would not give the same."""
    if depth > DEEPEST:
        raise UnstorableValue(f"its dtype is nested more than {DEEPEST} deep")
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        writer.structure.append(Form.SUBARRAY)
        write_shape(writer, shape)
        write_dtype(writer, base, depth + 1)
    elif dtype.names is not None:
        _write_fields(writer, dtype, depth)
    else:
        writer.structure.append(Form.SIMPLE)
        writer.text(_simple(dtype))


def write_shape(writer: Writer, shape: tuple[int, ...]) -> None:
    """The number of dimensions, and each."""
    writer.structure.append(len(shape))
    for length in shape:
        writer.count(length)


def _simple(dtype: DType) -> str:
    text = dtype.str
    if dtype.kind in "fc" and dtype.itemsize > (8 if dtype.kind == "f" else 16):
        return f"{text}/{_LONG.nmant}"  # the same name stands for different numbers on different machines
    if dtype.kind not in "biufcSUVMmO" or np.dtype(text) != dtype:
        hint = "; give .astype(object)" if dtype.kind == "T" else ""
        raise UnstorableValue(f"its dtype {dtype} is none of NumPy's own of fixed size{hint}")
    return text


def _write_fields(writer: Writer, dtype: DType, depth: int) -> None:
    names = dtype.names or ()
    fields: Mapping[str, Any] = dtype.fields or {}
    record = issubclass(dtype.type, np.record)
    writer.structure.append(Form.STRUCTURED)
    titled = len(fields) > len(names)  # a title is another key of a field
    writer.structure.append(ALIGNED * dtype.isalignedstruct | RECORD * record | TITLED * titled)
    writer.count(dtype.itemsize)
    writer.count(len(names))
    for name in names:
        kind, offset, *title = fields[name]
        if title and type(title[0]) is not str:
            raise UnstorableValue(f"the title of the field {name!r} of its dtype is no string")
        writer.text(name)
        if titled:
            writer.structure.append(len(title))
            for text in title:
                writer.text(text)
        writer.count(offset)
        write_dtype(writer, kind, depth + 1)


def read_dtype(reader: Reader, depth: int = 0) -> DType:
    """The next dtype. Raises InvalidBlob."""
    if depth > DEEPEST:
        raise InvalidBlob(f"a dtype is nested more than {DEEPEST} deep")
    match reader.structure.byte():
        case Form.SIMPLE:
            return _read_simple(reader.structure.text())
        case Form.STRUCTURED:
            return _read_fields(reader, depth)
        case Form.SUBARRAY:
            shape = read_shape(reader)
            return np.dtype((read_dtype(reader, depth + 1), shape))
        case form:
            raise InvalidBlob(f"a dtype has an unknown form ({form})")


def read_shape(reader: Reader) -> tuple[int, ...]:
    """The next shape."""
    return tuple(reader.structure.varint() for _ in range(reader.structure.byte()))


def _read_simple(text: str) -> DType:
    if not _SIMPLE.fullmatch(text, endpos=40):
        raise InvalidBlob(f"{text[:40]!r} is no dtype of a blob")
    name, slash, digits = text.partition("/")
    if slash and (int(digits) != _LONG.nmant or np.dtype(name).kind not in "fc"):
        raise InvalidBlob(f"its long doubles have {digits} bits and those of this machine {_LONG.nmant}")
    return np.dtype(name)


def _read_fields(reader: Reader, depth: int) -> DType:
    cursor = reader.structure
    flags, itemsize = cursor.byte(), cursor.varint()
    names: list[str] = []
    titles: list[str | None] = []
    formats: list[DType] = []
    offsets: list[int] = []
    for _ in range(cursor.count(least=4)):
        names.append(cursor.text())
        titles.append(cursor.text() if flags & TITLED and cursor.byte() else None)
        offsets.append(cursor.varint())
        formats.append(read_dtype(reader, depth + 1))
    parts = {"names": names, "formats": formats, "titles": titles, "offsets": offsets, "itemsize": itemsize}
    dtype: DType = np.dtype(parts, align=bool(flags & ALIGNED))  # type: ignore[call-overload]
    return np.dtype((np.record, dtype)) if flags & RECORD else dtype


def overlaps(dtype: DType) -> bool:
    """Whether fields of a structured dtype lie over each other, as those of a union do."""
    fields: Mapping[str, Any] = dtype.fields or {}
    places = sorted((fields[name][1], fields[name][1] + fields[name][0].itemsize) for name in dtype.names or ())
    return any(end > start for (_, end), (start, _) in pairwise(places))


def is_packed(dtype: DType) -> bool:
    """Whether the fields of a structured dtype follow each other without gaps, at every depth."""
    if dtype.names is None or dtype.fields is None:
        return dtype.subdtype is None or is_packed(dtype.base)
    end = 0
    for name in dtype.names:
        kind, offset = dtype.fields[name][:2]
        if offset != end or not is_packed(kind):
            return False
        end += kind.itemsize
    return end == dtype.itemsize
