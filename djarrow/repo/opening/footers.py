"""The footer of a Parquet file, looked at before an engine reads the file: whether it is as djarrow wrote it.

DuckDB casts a column of another type without a word, takes another file's number of rows as it is, and parses what it
is given. So a footer must have the length, the columns and the rows that the manifest says, in row groups of a size
that djarrow writes. Statistics and pages are not looked at: to how much text results are held, engine/duckdb_rows.py
says.
"""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any, BinaryIO

from attrs import frozen

from djarrow.model.spec import TableSpec
from djarrow.repo.manifest import DataFile

if TYPE_CHECKING:
    import pyarrow.parquet as pq

MAX_FOOTER = 64 * 2**20
"""In bytes. A thousand columns in a thousand row groups have as much."""

MAX_ROW_GROUP = 2**20
"""Rows. Readers hold a row group at once, or a column of it."""

_MAGIC = b"PAR1"
_TAIL = 8


@frozen
class Expected:
    """What footers of a table's files have in common. columns: as the format describes them."""

    columns: Any
    count: int


def expected(spec: TableSpec) -> Expected:
    """What the footers of a table's files say of its columns: what they say in a file without rows."""
    import pyarrow.parquet as pq

    from djarrow.repo.exporting.parquet import file_schema

    content = io.BytesIO()
    pq.write_metadata(file_schema(spec), content)
    return Expected(pq.read_metadata(content).schema, len(spec.heading))


class WrongFile(Exception):
    """What is wrong with a file, as the end of a sentence that begins with its path."""


def check(content: BinaryIO, file: DataFile, wanted: Expected) -> int:
    """How many rows the largest row group has. Raises WrongFile where the footer of a file is not what the manifest
    says, and OSError.
    """
    _check_start(content, wanted)
    content.seek(0)
    return _check_footer(_read(content), file, wanted)


def _read(content: BinaryIO) -> pq.FileMetaData:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_metadata(content)
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise WrongFile(f"is no Parquet file that can be read: {error}") from error


def _check_start(content: BinaryIO, wanted: Expected) -> None:
    """The length of the footer, and how many columns it starts to describe, before anything takes it apart.

    A million columns, or as many levels of one, fit into few megabytes and take a gigabyte when they are taken apart.
    """
    size = content.seek(0, os.SEEK_END)
    if size < _TAIL + len(_MAGIC):
        raise WrongFile("is no Parquet file: it is too short.")
    content.seek(size - _TAIL)
    tail = content.read(_TAIL)
    if tail[4:] != _MAGIC:
        encrypted = " It is encrypted." if tail[4:] == b"PARE" else ""
        raise WrongFile(f"is no Parquet file that djarrow wrote.{encrypted}")
    length = int.from_bytes(tail[:4], "little")
    if length > min(MAX_FOOTER, size - _TAIL - len(_MAGIC)):
        raise WrongFile(f"has a footer of {length:,} bytes, which is more than it can have.")
    content.seek(size - _TAIL - length)
    count = elements(content.read(min(length, 32)))
    if count != wanted.count + 1:  # the first is the row itself
        raise WrongFile(f"does not have the {wanted.count} columns that the definition of its table says.")


def elements(footer: bytes) -> int | None:
    """How many elements the schema of a footer has: its first member but for the version. None where it has another."""
    if footer[:1] != b"\x15":  # a number, the version
        return None
    _, at = _varint(footer, 1)
    if footer[at : at + 1] != b"\x19":  # a list
        return None
    head = footer[at + 1 : at + 2]
    if not head or head[0] & 0x0F != _STRUCT:
        return None
    short = head[0] >> 4
    return short if short != _LONG_LIST else _varint(footer, at + 2)[0]


_STRUCT, _LONG_LIST = 12, 15


def _varint(content: bytes, at: int) -> tuple[int, int]:
    """A number of variable length, and where it ends."""
    value = shift = 0
    for byte in content[at : at + 5]:
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            break
    return value, at


def _check_footer(footer: pq.FileMetaData, file: DataFile, wanted: Expected) -> int:
    if not footer.schema.equals(wanted.columns):
        raise WrongFile(
            f"has other columns than the definition of its table says: {_difference(footer.schema, wanted)}."
        )
    if footer.num_rows != file.rows:
        raise WrongFile(f"has {footer.num_rows:,} rows, and had {file.rows:,} when it was written.")
    groups = [footer.row_group(number).num_rows for number in range(footer.num_row_groups)]
    if sum(groups) != footer.num_rows or any(not 0 <= rows <= MAX_ROW_GROUP for rows in groups):
        raise WrongFile(f"does not have its rows in groups of up to {MAX_ROW_GROUP:,}, as djarrow writes them.")
    return max(groups, default=0)


def _difference(found: Any, wanted: Expected) -> str:
    """The first column that differs."""
    for number in range(wanted.count):
        here, there = (schema.column(number) for schema in (found, wanted.columns))
        if not here.equals(there):
            return f"{_said(here)} where there was {_said(there)}"
    return "another order or nesting"


def _said(column: Any) -> str:
    kind = column.logical_type.type
    shown = column.physical_type if kind == "NONE" else f"{column.physical_type} ({kind})"
    return f"{column.path[:80]!r} of type {shown}{'' if column.max_definition_level else ', never NULL'}"
