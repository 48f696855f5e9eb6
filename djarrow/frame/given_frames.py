"""What a user holds in memory -> the columns of a frame or the values of a record: Polars, pandas, Arrow and NumPy.

Only the columns and rows that are asked for are converted: what is in the others does not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa


@frozen
class Frame:
    """A frame of any library. names: of its columns; bytes: about what it takes.

    read: gives a column by name, from one row to another, as an Arrow array, or as a list of what Arrow cannot hold.
    """

    names: tuple[str, ...]
    rows: int
    bytes: int
    read: Callable[[str, slice], Any]
    place: slice = slice(None)

    def column(self, name: str) -> Any:
        """A column by name."""
        return self.read(name, self.place)

    def cut(self, start: int, rows: int) -> Frame:
        """Some of the rows of a whole frame."""
        end = min(self.rows, start + rows)
        return evolve(self, rows=end - start, place=slice(start, end))


def as_record(given: Any) -> Mapping[str, Any] | None:
    """A NumPy record or a pandas series as a mapping; None for anything else."""
    if _of_pandas(given, "Series"):
        return dict(given.items())
    names = getattr(getattr(given, "dtype", None), "names", None)
    if names is None or getattr(given, "shape", None) != ():
        return None
    return {name: given[name] for name in names}


def as_frame(given: Any) -> Frame | None:
    """A Polars or pandas frame, an Arrow table, a NumPy array of records, or whatever gives Arrow batches.

    None for anything else. The named levels of a pandas index are columns, and its NaN is NULL.
    """
    import polars as pl
    import pyarrow as pa

    match given:
        case pa.Table() | pa.RecordBatch():
            return _of_arrow(given)
        case pl.LazyFrame() | pl.DataFrame():
            return of_polars(given.collect() if isinstance(given, pl.LazyFrame) else given)
        case pl.Series():
            return None
    if _of_pandas(given, "DataFrame"):
        return _of_data_frame(given)
    if getattr(getattr(given, "dtype", None), "names", None) is not None:
        return _of_records(given)
    if not hasattr(given, "__arrow_c_stream__"):
        return None
    return _of_arrow(pa.table(given))


def _of_arrow(table: pa.Table | pa.RecordBatch) -> Frame:
    def read(name: str, place: slice) -> Any:
        return table.column(name)[place]

    return Frame(tuple(table.column_names), table.num_rows, table.nbytes, read)


def is_stream(given: Any) -> bool:
    """Whether something gives Arrow batches one by one, and is no frame in memory."""
    home = type(given).__module__.partition(".")[0]
    return hasattr(given, "__arrow_c_stream__") and home not in ("polars", "pandas", "pyarrow")


def _of_pandas(given: Any, name: str) -> bool:
    kind = type(given)
    return kind.__name__ == name and kind.__module__.partition(".")[0] == "pandas"


def of_polars(frame: Any) -> Frame:
    """A Polars frame."""
    names, size = tuple(frame.columns), int(frame.estimated_size())
    return Frame(names, frame.height, size, lambda name, place: polars_column(frame[name][place]))


def polars_column(series: pl.Series) -> Any:
    """The column in Arrow's form; where Arrow has none, a list of its values: of an object Arrow gets a pointer."""
    import polars as pl

    return series.to_list() if series.dtype in (pl.Object, pl.Int128, pl.UInt128) else series.to_arrow()


def _of_data_frame(frame: Any) -> Frame:
    levels = [name for name in frame.index.names if isinstance(name, str)]
    names = list(frame.columns)

    def read(name: str, place: slice) -> Any:
        part = frame.iloc[place]
        values = part[name] if name in names else part.index.get_level_values(name).to_series(index=part.index)
        return _arrow_or_list(values, lambda: values.astype(object).where(values.notna(), None).tolist())

    size = int(frame.memory_usage(deep=False).sum())
    return Frame((*names, *(level for level in levels if level not in names)), len(frame), size, read)


def _of_records(records: Any) -> Frame:
    """A structured array of NumPy. Its columns are copied, because Arrow takes no strided ones of every dtype."""
    flat = records.reshape(-1)

    def read(name: str, place: slice) -> Any:
        return _arrow_or_list(flat[name][place].copy(), lambda: list(flat[name][place]))

    return Frame(records.dtype.names, len(flat), flat.nbytes, read)


def _arrow_or_list(values: Any, as_list: Callable[[], list[Any]]) -> pa.Array | list[Any]:
    """The values as Arrow has them; where it has not, one by one, so that the one at fault is told.

    Objects are Python values, of which Arrow could take one kind for another: columns.py knows which.
    """
    import pyarrow as pa

    if values.dtype == object:
        return as_list()
    try:
        return pa.array(values, from_pandas=True) if hasattr(values, "notna") else pa.array(values)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return as_list()
