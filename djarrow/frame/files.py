"""Files of rows -> their batches: Parquet with its own types; CSV as text, read later by those of the attributes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from djarrow.errors import InvalidValue

if TYPE_CHECKING:
    import pyarrow as pa

SUFFIXES = (".csv", ".parquet")
"""The endings of the names of files that hold rows."""

_ROWS = 65_536
"""How many rows are read at once."""

_BUFFER = 2**20
"""How many bytes of a column are read ahead: without it, all that a row group has of it, however large the group is."""


def as_path(given: Any) -> Path | None:
    """The file that a path names, also one given as text that ends as such a file does. Else None."""
    if isinstance(given, Path) or (isinstance(given, str) and given.lower().endswith(SUFFIXES)):
        return Path(given).expanduser()
    return None


def is_csv(path: Path) -> bool:
    """Whether a file is one of text."""
    return path.suffix.lower() == ".csv"


class FileBatches:
    """The batches of a CSV or Parquet file, or of a folder of Parquet files, and their schema. Raises InvalidValue.

    The first line of a CSV file, in UTF-8, names the attributes. A field with nothing in it is NULL, `""` the empty
    string. Folders named `attribute=value` inside a folder of Parquet files are a column.
    """

    def __init__(self, path: Path, table: str) -> None:
        self._path = path
        self._table = table
        self._batches = self._guarded(_csv if is_csv(path) else _folder if path.is_dir() else _parquet)
        self.schema: pa.Schema = next(self._batches)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return self._batches

    def _guarded(self, source: Any) -> Iterator[Any]:
        """The schema, then the batches."""
        import pyarrow as pa

        if not self._path.exists():
            raise InvalidValue(f"there is no file {str(self._path)!r}.", table=self._table)
        if self._path.is_file() and self._path.suffix.lower() not in SUFFIXES:
            ends = " or ".join(SUFFIXES)
            reason = f"rows are read from files that end in {ends}, not from {str(self._path)!r}."
            raise InvalidValue(reason, table=self._table)
        try:
            yield from source(self._path)
        except (pa.ArrowException, OSError) as error:
            raise InvalidValue(f"the file {str(self._path)!r} cannot be read: {error}.", table=self._table) from None


def _parquet(path: Path) -> Iterator[Any]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, buffer_size=_BUFFER, pre_buffer=False) as file:
        yield file.schema_arrow
        yield from file.iter_batches(batch_size=_ROWS)


def _folder(path: Path) -> Iterator[Any]:
    import pyarrow.dataset as ds

    found = ds.dataset(path, format="parquet", partitioning="hive")
    yield found.schema
    yield from found.to_batches(batch_size=_ROWS, batch_readahead=1, fragment_readahead=1)


def _csv(path: Path) -> Iterator[Any]:
    import pyarrow as pa
    from pyarrow import csv

    parse = csv.ParseOptions(newlines_in_values=True)
    with csv.open_csv(path, parse_options=parse) as header:
        names = header.schema.names
    convert = csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()),
        strings_can_be_null=True,
        null_values=[""],
        quoted_strings_can_be_null=False,
    )
    with csv.open_csv(path, parse_options=parse, convert_options=convert) as reader:
        yield reader.schema
        yield from reader
