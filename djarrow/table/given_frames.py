"""What a user holds -> the columns of a frame or the values of a record: Polars, pandas, Arrow and NumPy.

Only the columns that are asked for are converted: what is in the others does not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from attrs import frozen

if TYPE_CHECKING:
    import pyarrow as pa


@frozen
class Frame:
    """A frame of any library. column: gives one by name, as an Arrow array, or as a list of what Arrow cannot hold."""

    names: tuple[str, ...]
    rows: int
    column: Callable[[str], Any]


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
            return Frame(tuple(given.column_names), given.num_rows, given.column)
        case pl.LazyFrame() | pl.DataFrame():
            return _of_polars(given.collect() if isinstance(given, pl.LazyFrame) else given)
        case pl.Series():
            return None
    if _of_pandas(given, "DataFrame"):
        return _of_data_frame(given)
    if getattr(getattr(given, "dtype", None), "names", None) is not None:
        return _of_records(given)
    if not hasattr(given, "__arrow_c_stream__"):
        return None
    table = pa.table(given)
    return Frame(tuple(table.column_names), table.num_rows, table.column)


def _of_pandas(given: Any, name: str) -> bool:
    kind = type(given)
    return kind.__name__ == name and kind.__module__.partition(".")[0] == "pandas"


def _of_polars(frame: Any) -> Frame:
    from djarrow.frame.rows import polars_column

    return Frame(tuple(frame.columns), frame.height, lambda name: polars_column(frame[name]))


def _of_data_frame(frame: Any) -> Frame:
    levels = [name for name in frame.index.names if isinstance(name, str)]
    names = [name for name in frame.columns if isinstance(name, str)]

    def column(name: str) -> Any:
        values = frame[name] if name in names else frame.index.get_level_values(name).to_series(index=frame.index)
        return _arrow_or_list(values, lambda: values.astype(object).where(values.notna(), None).tolist())

    return Frame((*names, *(level for level in levels if level not in names)), len(frame), column)


def _of_records(records: Any) -> Frame:
    """A structured array of NumPy. Its columns are copied, because Arrow takes no strided ones of every dtype."""
    flat = records.reshape(-1)
    names = records.dtype.names
    return Frame(names, len(flat), lambda name: _arrow_or_list(flat[name].copy(), lambda: list(flat[name])))


def _arrow_or_list(values: Any, as_list: Callable[[], list[Any]]) -> pa.Array | list[Any]:
    """The values as Arrow has them; where it has not, one by one, so that the one at fault is told."""
    import pyarrow as pa

    try:
        return pa.array(values, from_pandas=True) if hasattr(values, "notna") else pa.array(values)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return as_list()
