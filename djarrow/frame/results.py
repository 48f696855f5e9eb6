"""What an engine gives -> results of the declared types: Arrow, Polars, dicts, NumPy. Design sections 4 and 7."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from djarrow.codec.blob import unpack
from djarrow.errors import InvalidBlob, TableChanged
from djarrow.model.heading import Attribute, Heading
from djarrow.model.types import AttributeType, Family


def declared(source: pa.Table, heading: Heading) -> pa.Table:
    """The result with the heading's own Arrow types, whatever the engine carried them in."""
    if not heading.names:
        return source.select([])  # keeps the number of rows: a singleton's projection may have no attributes
    columns = [_declared_column(source.column(a.name), a) for a in heading]
    return pa.table(columns, schema=heading.arrow_schema)


def declared_batch(source: pa.RecordBatch, heading: Heading) -> pa.RecordBatch:
    """As declared, of one batch."""
    if not heading.names:
        return source.select([])
    columns = [_declared_column(source.column(a.name), a) for a in heading]
    return pa.record_batch(columns, schema=heading.arrow_schema)


def _declared_column(array: Any, attribute: Attribute) -> Any:
    """A column in the attribute's own Arrow type. Raises TableChanged for one that cannot be of the attribute."""
    kind = attribute.type
    if array.type == kind.arrow:
        return array
    storage = _storage(array)
    if not _CARRIED[kind.family](storage.type, kind):
        raise _changed(attribute, str(array.type))
    try:
        match kind.family:
            case Family.UUID | Family.JSON:
                return _wrap(_storage_as(storage, kind.arrow.storage_type), kind.arrow)
            case Family.ENUM:
                encoded = _per_chunk(storage, lambda chunk: _encode(chunk, kind))
            case _:
                return storage.cast(kind.arrow)
    except pa.ArrowInvalid as error:
        raise _changed(attribute, str(error)) from None
    if encoded.null_count > array.null_count:
        raise _changed(attribute, "a value that the class does not list")
    return encoded


def _changed(attribute: Attribute, found: str) -> TableChanged:
    return TableChanged(
        f"{attribute.name!r} is {attribute.type}, and the database gave {found}: the table was altered."
    )


def _is_text(kind: pa.DataType) -> bool:
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(plain) or pa.types.is_large_string(plain) or pa.types.is_null(plain))


_CARRIED: dict[Family, Callable[[pa.DataType, AttributeType], bool]] = {
    Family.INTEGER: lambda found, _: pa.types.is_integer(found) or _is_text(found),
    Family.FLOAT: lambda found, kind: found == kind.arrow,
    Family.DECIMAL: lambda found, _: pa.types.is_decimal(found) or _is_text(found),
    Family.BOOLEAN: lambda found, _: pa.types.is_boolean(found) or pa.types.is_int8(found),  # DuckDB's bool8
    Family.STRING: lambda found, _: _is_text(found),
    Family.ENUM: lambda found, _: _is_text(found),
    Family.DATE: lambda found, _: pa.types.is_date(found),
    Family.TIME: lambda found, _: pa.types.is_time(found),
    Family.TIMESTAMP: lambda found, _: pa.types.is_timestamp(found) and found.tz is not None,
    Family.DATETIME: lambda found, _: pa.types.is_timestamp(found) and found.tz is None,
    Family.UUID: lambda found, _: pa.types.is_fixed_size_binary(found) or pa.types.is_binary(found),
    Family.JSON: lambda found, _: _is_text(found),
    Family.BLOB: lambda found, _: pa.types.is_binary(found) or pa.types.is_large_binary(found),
}
"""The forms in which engines give values of a family. Another one means that the table is no longer the class's."""


def _storage_as(array: Any, kind: pa.DataType) -> Any:
    return array if array.type == kind else array.cast(kind)


def _storage(array: Any) -> Any:
    if not isinstance(array.type, pa.BaseExtensionType):
        return array
    if isinstance(array, pa.ChunkedArray):
        return pa.chunked_array([chunk.storage for chunk in array.chunks], array.type.storage_type)
    return array.storage


def _per_chunk(array: Any, convert: Any) -> Any:
    if isinstance(array, pa.ChunkedArray):
        chunks = [convert(chunk) for chunk in array.chunks] or [convert(pa.array([], array.type))]
        return pa.chunked_array(chunks)
    return convert(array)


def _wrap(storage: Any, kind: pa.DataType) -> Any:
    return _per_chunk(storage, lambda chunk: pa.ExtensionArray.from_storage(kind, chunk))


def _encode(array: Any, kind: AttributeType) -> Any:
    if pa.types.is_dictionary(array.type):
        array = array.cast(pa.string())
    choices = pa.array(kind.choices, pa.string())
    indices = pc.index_in(array, value_set=choices).cast(pa.int16())
    return pa.DictionaryArray.from_arrays(indices, choices, ordered=True)


def to_polars(source: pa.Table, heading: Heading) -> pl.DataFrame:
    """The result as a Polars frame. source: as the engine gave it."""
    columns = [_polars_ready(source.column(a.name), a) for a in heading]
    if not columns:
        return pl.DataFrame()
    frame = pl.from_arrow(pa.table(columns, names=list(heading.names)))
    if not isinstance(frame, pl.DataFrame):  # pragma: no cover - a table gives a frame
        raise TypeError(type(frame))
    schema = frame.schema  # which Polars makes anew each time
    wanted = {a.name: a.type.polars for a in heading if schema[a.name] != a.type.polars}
    try:
        return frame.cast(wanted) if wanted else frame  # type: ignore[arg-type]
    except pl.exceptions.InvalidOperationError:
        raise _changed(_unlisted(source, heading), "a value that the class does not list") from None


def _polars_ready(array: Any, attribute: Attribute) -> Any:
    """The column in a form that Polars reads without loss: enums stay strings until Polars gives them their values."""
    if attribute.type.family is Family.ENUM and _is_text(_storage(array).type):
        return _per_chunk(_storage(array), lambda c: c.cast(pa.string()) if pa.types.is_dictionary(c.type) else c)
    return _storage(_declared_column(array, attribute))


def _unlisted(source: pa.Table, heading: Heading) -> Attribute:
    """The first enum with a value that it does not list."""

    def listed(attribute: Attribute) -> bool:
        known = pa.array([*attribute.type.choices, None], pa.string())
        return bool(
            pc.all(pc.is_in(_storage(source.column(attribute.name)).cast(pa.string()), value_set=known)).as_py()
        )

    return next(a for a in heading if a.type.family is Family.ENUM and not listed(a))


def to_dicts(source: Any, heading: Heading) -> Iterator[dict[str, Any]]:
    """Rows as dicts of Python values. source: with declared types."""
    names = heading.names
    columns = [to_values(source.column(a.name), a) for a in heading]
    if not columns:
        yield from ({} for _ in range(source.num_rows))
        return
    for values in zip(*columns, strict=True):
        yield dict(zip(names, values, strict=True))


def to_row(source: pa.Table, heading: Heading) -> dict[str, Any]:
    """The one row as a dict. source: as the engine gave it; making a table of declared types would cost most."""
    return {a.name: _one_value(array, a) for a, array in zip(heading, source.columns, strict=True)}


def _one_value(array: Any, attribute: Attribute) -> Any:
    """The value of a column of one row. A whole number is checked as it is: a cast of its column would cost most."""
    row = attribute.type.row
    if row.family is Family.INTEGER and pa.types.is_integer(array.type):
        value = array[0].as_py()
        if value is None or (row.minimum or 0) <= value <= (row.maximum or 0):
            return value
    declared_array = _declared_column(array, attribute)
    decoded = row.family in (Family.BLOB, Family.JSON)
    return to_values(declared_array, attribute)[0] if decoded else declared_array[0].as_py()


def to_values(array: Any, attribute: Attribute) -> list[Any]:
    """A column of declared type as Python values: UUIDs as uuid.UUID, JSON and blobs decoded, decimals exact.

    Raises InvalidBlob, with the attribute and row, for stored bytes that begin as a blob does and are none.
    """
    if attribute.type.family is Family.BLOB:
        return [_unpacked(scalar, attribute, row) for row, scalar in enumerate(array)]
    values: list[Any] = array.to_pylist()
    if attribute.type.family is Family.JSON:
        return [None if value is None else json.loads(value) for value in values]
    return values


def _unpacked(scalar: Any, attribute: Attribute, row: int) -> Any:
    try:
        return unpack(scalar.as_buffer()) if scalar.is_valid else None
    except InvalidBlob as error:
        text = f"Attribute {attribute.name!r}, row {row} of the result: {error} `to_arrow()` gives them as they are."
        raise InvalidBlob(text) from error


def to_numpy(array: Any, attribute: Attribute) -> np.ndarray[Any, Any]:
    """A column of declared type as a NumPy array: of NumPy's own dtype where it has one and there are no NULLs."""
    native = attribute.type.family in (Family.INTEGER, Family.FLOAT, Family.BOOLEAN)
    if native and array.null_count == 0:
        plain = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
        return np.asarray(plain.to_numpy(zero_copy_only=False, writable=True))  # people compute in place
    return np.fromiter(to_values(array, attribute), dtype=object, count=len(array))
