"""NumPy arrays in a blob: flags, dtype, shape, then their bytes as they lie in memory, or their objects one by one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from djarrow.codec.dtypes import DType, is_packed, overlaps, read_dtype, read_shape, write_dtype, write_shape
from djarrow.codec.layout import FORTRAN, MOST_WITHOUT_BYTES, RECARRAY, Tag
from djarrow.errors import InvalidBlob, UnstorableValue

if TYPE_CHECKING:
    from djarrow.codec.reading import Reader
    from djarrow.codec.sections import RawBytes
    from djarrow.codec.writing import Writer

Array = np.ndarray[Any, Any]


def write_array(writer: Writer, value: Array, depth: int) -> None:
    """An array of any layout; one that is contiguous in Fortran's order comes back in it."""
    array = np.asarray(value)
    fortran = array.flags.f_contiguous and not array.flags.c_contiguous and not array.dtype.hasobject
    writer.structure.append(Tag.ARRAY)
    writer.structure.append(FORTRAN * fortran | RECARRAY * isinstance(value, np.recarray))
    write_dtype(writer, array.dtype)
    write_shape(writer, array.shape)
    _write_elements(writer, array, fortran, depth)


def write_scalar(writer: Writer, value: np.generic, depth: int) -> None:
    """A NumPy scalar: an array without dimensions."""
    writer.structure.append(Tag.SCALAR)
    array = np.asarray(value)
    write_dtype(writer, array.dtype)
    _write_elements(writer, array, False, depth)


def _write_elements(writer: Writer, array: Array, fortran: bool, depth: int) -> None:
    if array.dtype.kind == "O":
        _write_objects(writer, array, depth)
    elif array.dtype.hasobject:
        _check_bytes(array)
        writer.room += array.nbytes
        for name in array.dtype.names or ():
            try:
                _write_elements(writer, array[name], False, depth)
            except UnstorableValue as error:
                raise error.within(f"[{name!r}]") from None
    else:
        _check_bytes(array)
        writer.bytes(_raw(array, fortran))


def _check_bytes(array: Array) -> None:
    if array.dtype.itemsize == 0 and array.size > MOST_WITHOUT_BYTES:
        raise UnstorableValue(f"its {array.size} elements of dtype {array.dtype} have no bytes")


def _write_objects(writer: Writer, array: Array, depth: int) -> None:
    writer.enter(array, depth)
    for number, item in enumerate(array.ravel()):
        try:
            writer.value(item, depth + 1)
        except UnstorableValue as error:
            place = ", ".join(str(index) for index in np.unravel_index(number, array.shape))
            raise error.within(f"[{place}]") from None
    writer.leave(array)


def _raw(array: Array, fortran: bool) -> RawBytes:
    """The bytes of the elements in the order they are stored in."""
    if array.nbytes == 0:
        return b""
    if array.dtype.names is not None and not is_packed(array.dtype):
        array = _without_gaps(array, fortran)
    line = np.ascontiguousarray(array.T if fortran else array).reshape(-1)
    return line.view(np.uint8).data


def _without_gaps(array: Array, fortran: bool) -> Array:
    """A copy with zeros between its fields, where an array has whatever was in memory there."""
    clean = np.zeros(array.shape, array.dtype, order="F" if fortran else "C")
    _copy_fields(clean, array)
    return clean


def _copy_fields(target: Array, source: Array) -> None:
    for name in source.dtype.names or ():
        if source[name].dtype.names is None:
            target[name][...] = source[name]
        else:
            _copy_fields(target[name], source[name])


def read_array(reader: Reader, depth: int) -> Array:
    """The next array: its own memory, that can be written."""
    flags = reader.structure.byte()
    dtype = read_dtype(reader)
    array = _read_elements(reader, dtype, read_shape(reader), bool(flags & FORTRAN), depth)
    return array.view(np.recarray) if flags & RECARRAY else array


def read_scalar(reader: Reader, depth: int) -> Any:
    """The next NumPy scalar."""
    dtype = read_dtype(reader)
    if dtype.kind == "O":
        raise InvalidBlob("a NumPy scalar is an object")
    return _read_elements(reader, dtype, (), False, depth)[()]


def _read_elements(reader: Reader, dtype: DType, shape: tuple[int, ...], fortran: bool, depth: int) -> Array:
    if dtype.subdtype is not None:
        base, inner = dtype.subdtype
        return _read_elements(reader, base, shape + inner, fortran, depth)
    if dtype.kind == "O":
        return _read_objects(reader, dtype, shape, depth)
    if dtype.hasobject:
        return _read_fields(reader, dtype, shape, depth)
    size = math.prod(shape) * dtype.itemsize
    if size == 0:
        return reader.room.array(shape, dtype)
    array: Array = reader.buffer(size).view(dtype).reshape(shape, order="F" if fortran else "C")
    _check_elements(array)
    return array


def _read_objects(reader: Reader, dtype: DType, shape: tuple[int, ...], depth: int) -> Array:
    reader.enter(depth)
    count = reader.structure.fitting(math.prod(shape))  # each is a byte at least, which its place is counted with
    items = (reader.value(depth + 1) for _ in range(count))
    return np.fromiter(items, dtype, count).reshape(shape)


def _read_fields(reader: Reader, dtype: DType, shape: tuple[int, ...], depth: int) -> Array:
    """Fields, some of them of objects. What is stored of an element may be far less than its item size, or nothing."""
    fields: Mapping[str, Any] = dtype.fields or {}
    array = reader.room.array(shape, dtype)
    for name in dtype.names or ():
        array[name][...] = _read_elements(reader, fields[name][0], shape, False, depth)
    return array


def _check_elements(array: Array) -> None:
    """No element may be one that NumPy itself would never make, and that fails when it is looked at.

    Unions are left out: their fields together can be far longer than the array, and what is in one is no news.
    """
    dtype = array.dtype
    if dtype.names is not None:
        for name in () if overlaps(dtype) else dtype.names:
            _check_elements(array[name])
    elif dtype.kind == "b" and array.size and array.view(np.uint8).max() > 1:
        raise InvalidBlob("a truth value is neither 0 nor 1")
    elif dtype.kind == "U" and array.size and dtype.itemsize:
        number = np.dtype("u4").newbyteorder(dtype.byteorder)
        characters = array.squeeze().view(np.dtype((number, (dtype.itemsize // 4,))))  # without a copy, also of a field
        if characters.max() > 0x10FFFF:
            raise InvalidBlob("a string holds a number that is no character")
