"""Results as NumPy arrays: one for each attribute, or one of records. A column alone is results.py's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from djarrow.frame.results import to_dicts, to_numpy
from djarrow.model.heading import Heading

if TYPE_CHECKING:
    import pyarrow as pa

Array = np.ndarray[Any, Any]


def to_arrays(source: pa.Table, heading: Heading, names: Sequence[str], key: tuple[str, ...]) -> tuple[Any, ...]:
    """An array for each name; for `"KEY"` the primary keys as a list of dicts. source: with declared types."""
    return tuple(
        list(to_dicts(source.select(key), heading.select(key)))
        if name == "KEY"
        else to_numpy(source.column(name), heading[name])
        for name in names
    )


def to_records(source: pa.Table, heading: Heading) -> Array:
    """A structured array: one record a row, one field an attribute, each of the dtype that its own array would have."""
    columns = {name: to_numpy(source.column(name), heading[name]) for name in heading.names}
    records = np.empty(source.num_rows, dtype=[(name, column.dtype) for name, column in columns.items()])
    for name, column in columns.items():
        records[name] = column
    return records
