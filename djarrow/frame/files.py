"""Files of rows -> their batches: Parquet with its own types; CSV as text, read later by those of the attributes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from djarrow.errors import InvalidValue

if TYPE_CHECKING:
    import pyarrow as pa

SUFFIXES = (".csv", ".parquet")
"""The endings of the names of files that hold rows."""

_ROWS = 65_536
"""How many rows are read at once."""

_BLOCK = 2**24
"""How many bytes of a CSV file are read at once: a row must fit into them."""

_BUFFER = 2**20
"""How many bytes of a column are read ahead: without it, all that a row group has of it, however large the group is."""


def as_path(given: Any) -> Path | None:
    """The file or folder that a path names; of a text, one that ends as such a file does, or a folder that is there.

    None for anything else.
    """
    if isinstance(given, Path):
        return given.expanduser()
    if not isinstance(given, str) or not given:  # the path of no letters is the working folder
        return None
    path = Path(given).expanduser()
    return path if given.lower().endswith(SUFFIXES) or _is_folder(path) else None


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # a text that can be no path: too long, or with a NUL
        return False


def of_rows(path: Path, table: str) -> Iterator[RowsOfFile]:
    """The file, or the Parquet files of a folder, in the order of their names. Raises InvalidValue."""
    if not path.is_dir():
        yield RowsOfFile(path, table)
        return
    found = sorted(file for file in path.rglob("*.parquet") if not file.name.startswith(("_", ".")))
    if not found:
        raise InvalidValue(f"there is no Parquet file in the folder {str(path)!r}.", table=table)
    for file in found:
        yield RowsOfFile(file, table, dict(_values_of_folders(file.relative_to(path).parent)))


def _values_of_folders(path: Path) -> Iterator[tuple[str, str | None]]:
    """The values that folders named `attribute=value` give all rows below them."""
    for part in path.parts:
        name, equals, value = part.partition("=")
        if equals:
            yield unquote(name), None if value == "__HIVE_DEFAULT_PARTITION__" else unquote(value)


class RowsOfFile:
    """The batches of a CSV or Parquet file, and their schema. Raises InvalidValue.

    The first line of a CSV file, in UTF-8, names the attributes. A field with nothing in it is NULL, `""` the empty
    string. folders: columns, of one text each, that the file is in; None where no folder was given, but the file.
    texts: the names of the columns of text. name: the file's, where it is one of a folder.
    """

    def __init__(self, path: Path, table: str, folders: Mapping[str, str | None] | None = None) -> None:
        self._path = path
        self._table = table
        self._folders = folders or {}
        self.name = None if folders is None else str(path)
        is_csv = path.suffix.lower() == ".csv"
        self._batches = self._guarded(_csv if is_csv else _parquet)
        self.schema: pa.Schema = next(self._batches)
        self.texts = frozenset(self.schema.names if is_csv else self._folders)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return self._batches

    def _guarded(self, source: Any) -> Iterator[Any]:
        """The schema, then the batches."""
        import pyarrow as pa

        if not self._path.exists():
            raise self._refused(f"there is no file {str(self._path)!r}.")
        if self._path.suffix.lower() not in SUFFIXES:
            ends = " or ".join(SUFFIXES)
            raise self._refused(f"rows are read from files that end in {ends}, not from {str(self._path)!r}.")
        try:
            found = source(self._path)
            yield self._with_folders(next(found))
            for batch in found:
                yield self._with_values(batch)
        except (pa.ArrowException, OSError) as error:
            reason = str(error).rstrip(".")
            raise self._refused(f"the file {str(self._path)!r} cannot be read: {reason}.") from None

    def _with_folders(self, schema: pa.Schema) -> pa.Schema:
        import pyarrow as pa

        for name in self._folders:
            if name in schema.names:
                text = f"the file {str(self._path)!r} has the column, and is in a folder that gives its value, too."
                raise self._refused(text, attribute=name)
            schema = schema.append(pa.field(name, pa.string()))
        return schema

    def _with_values(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        import pyarrow as pa

        for name, value in self._folders.items():
            batch = batch.append_column(name, pa.array([value] * batch.num_rows, pa.string()))
        return batch

    def _refused(self, reason: str, attribute: str | None = None) -> InvalidValue:
        return InvalidValue(reason, table=self._table, attribute=attribute)


def _parquet(path: Path) -> Iterator[Any]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, buffer_size=_BUFFER, pre_buffer=False) as file:
        yield file.schema_arrow
        yield from file.iter_batches(batch_size=_ROWS)


def _csv(path: Path) -> Iterator[Any]:
    import pyarrow as pa
    from pyarrow import csv

    read = csv.ReadOptions(block_size=_BLOCK)
    with csv.open_csv(path, read_options=read, parse_options=csv.ParseOptions(newlines_in_values=True)) as header:
        names = header.schema.names
    if len(names) == 1 and (other := next((mark for mark in ";\t|" if mark in names[0]), None)):
        raise pa.ArrowInvalid(f"the names in its first line are separated by {other!r} and not by commas")
    convert = csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()),
        strings_can_be_null=True,
        null_values=[""],
        quoted_strings_can_be_null=False,
    )
    parse = csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=len(names) > 1)
    with csv.open_csv(path, read_options=read, parse_options=parse, convert_options=convert) as reader:
        yield reader.schema
        yield from reader
