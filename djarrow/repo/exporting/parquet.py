"""One table's stream of batches -> Parquet files, one a partition. Rows come sorted by partition, then by key."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from attrs import evolve, frozen

from djarrow.errors import RepositoryError
from djarrow.model.spec import TableSpec
from djarrow.model.types import Family
from djarrow.repo.content import ContentHash
from djarrow.repo.exporting.patterns import ALL, Partitioning, text_of
from djarrow.repo.manifest import DataFile

ROW_GROUP_ROWS = 122_880
"""What DuckDB scans at once; Polars and Spark do well with it."""

ROW_GROUP_BYTES = 64 * 2**20
"""Of a row group in memory, from which on it ends: rows may be wide."""


def file_schema(spec: TableSpec) -> pa.Schema:
    """The Arrow schema of a table's files: declared types, comments and key in the metadata.

    UUIDs are written as text and JSON as strings, because Spark reads no other form; enums as plain dictionaries.
    """
    fields = []
    for attribute in spec.heading:
        kind = pa.string() if attribute.type.family in _AS_TEXT else attribute.type.arrow
        metadata = {"djarrow.type": str(attribute.type), "djarrow.comment": attribute.comment}
        if attribute.lineage is not None:
            metadata["djarrow.lineage"] = str(attribute.lineage)
        fields.append(pa.field(attribute.name, kind, nullable=attribute.nullable, metadata=metadata))
    table = {"djarrow.table": str(spec.name), "djarrow.primary_key": json.dumps(spec.heading.primary_key)}
    return pa.schema(fields, metadata=table)


_AS_TEXT = frozenset({Family.UUID, Family.JSON})


@frozen
class Written:
    """A Parquet file that was written. name: without `.parquet`, from the table's folder; content: hash of its rows.

    longest, values: as the manifest has them.
    """

    name: str
    local: Path
    rows: int
    content: str
    longest: int
    values: tuple[str | None, ...]


class Files(Protocol):
    """Where finished files go."""

    def kept(self, name: str, rows: int, content: str) -> DataFile | None:
        """The file that is there already for these rows, if one is."""
        ...

    def scratch(self) -> Path:
        """A local path for a new file."""
        ...

    def add(self, written: Written) -> DataFile:
        """Put a finished file in its place."""
        ...


@frozen
class Layout:
    """How a table's rows become files. partitioning: over which, and their names; most: rows of a file."""

    partitioning: Partitioning = ALL
    compression: str = "zstd"
    most: int | None = None


def write_table(spec: TableSpec, batches: Iterable[pa.RecordBatch], layout: Layout, files: Files) -> Iterator[DataFile]:
    """Write the batches, which have the heading's Arrow schema, and give each file as it is finished.

    A table without rows has one file without rows, so that its columns are there to read.
    """
    names, kind = _Names(spec, layout.partitioning), _Kind.of(spec, layout)
    content = ContentHash(spec.heading)
    writer: _File | None = None

    def begun(values: tuple[Any, ...] | None) -> _File:
        content.begin()
        return _File(names.next(values), values or (), kind, content, files)

    try:
        for batch in batches:
            for values, run in _runs(batch, layout.partitioning.attributes):
                left = run
                while left.num_rows:
                    if writer is not None and (writer.values != values or writer.rows == layout.most):
                        yield writer.finish()
                        writer = None
                    writer = writer or begun(values)
                    room = left.num_rows if layout.most is None else layout.most - writer.rows
                    writer.write(left.slice(0, room))
                    left = left.slice(room)
        yield (writer or begun(None)).finish()
    finally:
        if writer is not None:
            writer.close()


def _runs(batch: pa.RecordBatch, partition_by: tuple[str, ...]) -> Iterator[tuple[tuple[Any, ...], pa.RecordBatch]]:
    """The batch cut where the values of the partition change."""
    if not partition_by:
        yield (), batch
        return
    if batch.num_rows == 0:
        return
    columns = [batch.column(name) for name in partition_by]
    changed = np.zeros(batch.num_rows - 1, dtype=bool)
    for column in columns:
        changed |= _differs(_plain(column))
    edges = [0, *(np.flatnonzero(changed) + 1).tolist(), batch.num_rows]
    for start, end in pairwise(edges):
        yield tuple(column[start].as_py() for column in columns), batch.slice(start, end - start)


def _differs(column: pa.Array) -> Any:
    return pc.not_equal(column[1:], column[:-1]).to_numpy(zero_copy_only=False)


def _plain(column: pa.Array) -> pa.Array:
    if isinstance(column.type, pa.BaseExtensionType):
        return column.storage
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


class _Names:
    """Gives each file of a table a name of its own."""

    def __init__(self, spec: TableSpec, partitioning: Partitioning) -> None:
        self.spec = spec
        self.partitioning = partitioning
        self.taken: dict[str, tuple[Any, ...] | None] = {}
        self.last: tuple[str, int] = ("", 0)

    def next(self, values: tuple[Any, ...] | None) -> str:
        """The name of a new file for rows with these values, one more if there is one; None: for no rows."""
        partitioning = self.partitioning if values is not None else ALL
        name = partitioning.name(values or ())
        if self.taken.get(name.casefold(), values) != values:  # `A` and `a` are one file on many systems
            name = partitioning.name(values or (), digest=True)
        last, number = self.last
        if name.casefold() in self.taken and name != last:
            order = ", ".join(partitioning.attributes)
            raise RepositoryError(f"{self.spec.name}: the rows do not come in the order of {order}.")
        self.taken[name.casefold()] = values
        self.last = (name, number + 1 if name == last else 1)
        return name if name != last else f"{name}~{number + 1}"


@frozen
class _Kind:
    """What all files of a table have in common."""

    schema: pa.Schema
    compression: str
    statistics: list[str]
    sorting: list[pq.SortingColumn]

    @staticmethod
    def of(spec: TableSpec, layout: Layout) -> _Kind:
        """That of a table."""
        schema = file_schema(spec)
        return _Kind(schema, layout.compression, _with_statistics(schema), _sorting(spec, schema))

    def writer(self, path: Path) -> pq.ParquetWriter:
        """A new file."""
        return pq.ParquetWriter(
            path,
            self.schema,
            compression=self.compression,
            write_statistics=self.statistics,
            write_page_checksum=True,
            sorting_columns=self.sorting,
        )


class _File:
    """One Parquet file while it is written: row group by row group, the first only where there is none to keep."""

    def __init__(self, name: str, values: tuple[Any, ...], kind: _Kind, content: ContentHash, files: Files) -> None:
        self.name = name
        self.values = values
        self.kind = kind
        self.content = content
        self.files = files
        self.rows = 0
        self.longest: dict[str, int] = {}
        self.waiting: list[pa.RecordBatch] = []
        self.waiting_rows = self.waiting_bytes = 0
        self.writer: pq.ParquetWriter | None = None
        self.local = files.scratch()

    def write(self, batch: pa.RecordBatch) -> None:
        """Add rows."""
        self.content.add(batch)
        self.rows += batch.num_rows
        for name, length in _lengths(batch):
            self.longest[name] = max(length, self.longest.get(name, 0))
        while batch.num_rows:
            part = batch.slice(0, ROW_GROUP_ROWS - self.waiting_rows)
            batch = batch.slice(part.num_rows)
            self.waiting.append(part)
            self.waiting_rows += part.num_rows
            self.waiting_bytes += part.nbytes
            if self.waiting_rows == ROW_GROUP_ROWS or self.waiting_bytes >= ROW_GROUP_BYTES:
                self._flush()

    def _flush(self) -> pq.ParquetWriter:
        """Write what waits as a row group."""
        self.writer = self.writer or self.kind.writer(self.local)
        if self.waiting:
            parts = [_stored_batch(part, self.kind.schema) for part in self.waiting]
            self.writer.write_table(pa.Table.from_batches(parts), row_group_size=ROW_GROUP_ROWS)
        self.waiting, self.waiting_rows, self.waiting_bytes = [], 0, 0
        return self.writer

    def finish(self) -> DataFile:
        """Have the file put in its place, or kept the one that is there for the same rows."""
        content, longest = self.content.hexdigest(), sum(self.longest.values())
        values = tuple(map(_told, self.values))
        if (kept := self.files.kept(self.name, self.rows, content)) is not None:
            self.close()
            return evolve(kept, longest=longest, values=values)
        self._flush().close()
        self.writer = None
        return self.files.add(Written(self.name, self.local, self.rows, content, longest, values))

    def close(self) -> None:
        """Let go of a file that is not wanted, or could not be finished: what went wrong is raised by the caller."""
        if self.writer is not None:
            with contextlib.suppress(OSError, pa.ArrowException):
                self.writer.close()  # a full disk refuses the footer too
            self.writer = None
        self.local.unlink(missing_ok=True)


MAX_TOLD = 1_000
"""Characters of a value that all rows of a file have, up to which the manifest tells it."""


def _told(value: Any) -> str | None:
    text = None if value is None else text_of(value)
    return text if text is None or len(text) <= MAX_TOLD else None


def _lengths(batch: pa.RecordBatch) -> Iterator[tuple[str, int]]:
    """The bytes of the longest value of each column of text or bytes."""
    for field, column in zip(batch.schema, batch.columns, strict=True):
        plain = column.storage if isinstance(column.type, pa.BaseExtensionType) else column
        if any(of(plain.type) for of in _VARYING):
            yield field.name, pc.max(pc.binary_length(plain)).as_py() or 0


_VARYING = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)


def _stored_batch(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    columns = [_stored(column, field.type) for column, field in zip(batch.columns, schema, strict=True)]
    return pa.record_batch(columns, schema=schema)


def _stored(column: pa.Array, kind: pa.DataType) -> pa.Array:
    if column.type == kind:
        return column
    if isinstance(column.type, pa.UuidType):
        return _uuid_texts(column)
    return column.storage.cast(kind)


_HEX = np.array([list(f"{byte:02x}".encode()) for byte in range(256)], np.uint8)
"""The two digits of each byte."""

_PLACES = np.array([0, 2, 4, 6, 9, 11, 14, 16, 19, 21, *range(24, 36, 2)])
"""Where the digits of each byte of a UUID begin in its text."""


def _uuid_texts(column: pa.Array) -> pa.Array:
    """UUIDs as text, all at once: by Python's own each of them takes some microseconds."""
    number, storage = len(column), column.storage
    if not number:
        return pa.array([], pa.string())
    digits = _HEX[np.frombuffer(storage.buffers()[1], np.uint8, 16 * number, 16 * storage.offset).reshape(number, 16)]
    texts = np.full((number, 36), ord("-"), np.uint8)
    for byte, place in enumerate(_PLACES):
        texts[:, place : place + 2] = digits[:, byte]
    ends = np.arange(number + 1, dtype=np.int32) * 36
    found = pa.StringArray.from_buffers(number, pa.py_buffer(ends), pa.py_buffer(texts))
    return pc.if_else(storage.is_valid(), found, None) if storage.null_count else found


def _with_statistics(schema: pa.Schema) -> list[str]:
    """All columns but floats: with statistics on those, DuckDB loses NaN rows when it filters."""
    return [field.name for field in schema if not pa.types.is_floating(field.type)]


def _sorting(spec: TableSpec, schema: pa.Schema) -> list[pq.SortingColumn]:
    return [pq.SortingColumn(schema.get_field_index(name), nulls_first=False) for name in spec.heading.primary_key]
