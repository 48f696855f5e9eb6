"""One table's stream of batches -> Parquet files, one a partition. Rows come sorted by partition, then by key."""

from __future__ import annotations

import contextlib
import datetime
import decimal
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from djarrow.errors import RepositoryError
from djarrow.model.spec import TableSpec
from djarrow.model.types import Family
from djarrow.repo.manifest import DataFile, folder_of

ROW_GROUP_ROWS = 122_880
"""What DuckDB scans at once; Polars and Spark do well with it."""


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


def write_table(
    spec: TableSpec, batches: Iterable[pa.RecordBatch], partition_by: tuple[str, ...], root: Path
) -> Iterator[DataFile]:
    """Write the batches, which have the heading's Arrow schema, and give each file as it is finished.

    A table without rows has one file without rows, so that its columns are there to read. A file that cannot be
    finished is removed.
    """
    files = _Files(spec, partition_by, root)
    writer: _File | None = None
    try:
        for batch in batches:
            for values, run in _runs(batch, partition_by):
                if writer is not None and writer.values != values:
                    yield writer.finish()
                    writer = None
                writer = writer or files.open(values)
                writer.write(run)
        writer = writer or files.open(None)
        yield writer.finish()
    except BaseException:
        if writer is not None:
            writer.abandon()
        raise


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


class _Files:
    """The files of one table: gives each partition a name of its own."""

    def __init__(self, spec: TableSpec, partition_by: tuple[str, ...], root: Path) -> None:
        self.spec = spec
        self.partition_by = partition_by
        self.root = root
        self.schema = file_schema(spec)
        self.taken: set[str] = set()

    def open(self, values: tuple[Any, ...] | None) -> _File:
        """A new file for the rows with these values; None: for no rows."""
        names = self.partition_by if values is not None else ()
        name = file_name(names, values or ())
        if name.casefold() in self.taken:  # `A` and `a` are one file on many systems
            name = file_name(names, values or (), digest=True)
        if name.casefold() in self.taken:
            raise RepositoryError(f"{self.spec.name}: the rows do not come in the order of {', '.join(names)}.")
        self.taken.add(name.casefold())
        return _File(self.spec, self.schema, values or (), folder_of(self.spec.name) / name, self.root)


class _File:
    """One Parquet file while it is written. path: from the root."""

    def __init__(
        self, spec: TableSpec, schema: pa.Schema, values: tuple[Any, ...], path: PurePosixPath, root: Path
    ) -> None:
        self.values = values
        self.schema = schema
        self.path = path
        self.target = root.joinpath(*path.parts)
        self.target.parent.mkdir(parents=True, exist_ok=True)
        self.target.unlink(missing_ok=True)  # what an interrupted export left there, were it a link to elsewhere
        self.rows = 0
        self.writer = pq.ParquetWriter(
            self.target,
            schema,
            compression="zstd",
            write_statistics=_with_statistics(schema),
            write_page_checksum=True,
            sorting_columns=_sorting(spec, schema),
        )

    def write(self, batch: pa.RecordBatch) -> None:
        columns = [_stored(column, field.type) for column, field in zip(batch.columns, self.schema, strict=True)]
        self.writer.write_table(pa.table(columns, schema=self.schema), row_group_size=ROW_GROUP_ROWS)
        self.rows += batch.num_rows

    def finish(self) -> DataFile:
        self.writer.close()
        with self.target.open("rb") as file:
            os.fsync(file.fileno())  # the manifest, which says that all is there, must not outlive what it lists
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return DataFile(str(self.path), self.rows, self.target.stat().st_size, digest)

    def abandon(self) -> None:
        """Leave no file behind; what went wrong is raised by the caller."""
        with contextlib.suppress(OSError, pa.ArrowException):
            self.writer.close()  # a full disk refuses the footer too
        with contextlib.suppress(OSError):
            self.target.unlink(missing_ok=True)


def _stored(column: pa.Array, kind: pa.DataType) -> pa.Array:
    if column.type == kind:
        return column
    if isinstance(column.type, pa.UuidType):
        return pa.array([None if value is None else str(value) for value in column.to_pylist()], kind)
    return column.storage.cast(kind)


def _with_statistics(schema: pa.Schema) -> list[str]:
    """All columns but floats: with statistics on those, DuckDB loses NaN rows when it filters."""
    return [field.name for field in schema if not pa.types.is_floating(field.type)]


def _sorting(spec: TableSpec, schema: pa.Schema) -> list[pq.SortingColumn]:
    return [pq.SortingColumn(schema.get_field_index(name), nulls_first=False) for name in spec.heading.primary_key]


MAX_NAME_BYTES = 200
"""Of one file name. Most systems take 255."""


def file_name(partition_by: tuple[str, ...], values: tuple[Any, ...], *, digest: bool = False) -> str:
    """`month-1.parquet`, `year-2013/month-1.parquet`, `all.parquet`; values percent-encoded.

    A name that is too long for a file system, and the last one where digest asks for it, ends in `~` and a hash of
    the value. The value itself is in the file, as a column like the others.
    """
    if not partition_by:
        return "all.parquet"
    parts = [_name_of(name, _text(value)) for name, value in zip(partition_by, values, strict=True)]
    if digest:
        parts[-1] = _name_of(partition_by[-1], _text(values[-1]), digest=True)
    return "/".join(parts) + ".parquet"


def _name_of(name: str, value: str, *, digest: bool = False) -> str:
    encoded = f"{name}-{quote(value, safe='').replace('~', '%7E')}"
    if not digest and len(encoded) <= MAX_NAME_BYTES:
        return encoded
    return f"{encoded[: MAX_NAME_BYTES - 33]}~{hashlib.sha256(value.encode()).hexdigest()[:32]}"


def _text(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case decimal.Decimal():
            return format(value, "f")
        case datetime.datetime() | datetime.date() | datetime.time():
            return value.isoformat()
        case _:
            return str(value)
