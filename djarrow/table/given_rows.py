"""Rows that a user holds and restricts by -> conditions: frames of any kind, NumPy records, lists of mappings.

A row holds as a mapping does: its columns that are no attributes are ignored, and NULL means that the attribute is
NULL. However many rows there are, the conditions are few: one for each set of columns that is NULL. Specification:
001 8.6.5.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import evolve

from djarrow.errors import InvalidCondition, RowError
from djarrow.expr import operators
from djarrow.expr.conditions import Always, Condition, Holds, Matches
from djarrow.expr.functions import BOOL
from djarrow.expr.nodes import Rows
from djarrow.expr.terms import Call, column
from djarrow.model.heading import Attribute, Heading

if TYPE_CHECKING:
    import pyarrow as pa


def as_record(given: Any) -> Mapping[str, Any] | None:
    """A NumPy record as a mapping; None for anything else."""
    names = getattr(getattr(given, "dtype", None), "names", None)
    if names is None or getattr(given, "shape", None) != ():
        return None
    return {name: given[name] for name in names}


def as_frame(given: Any) -> pa.Table | None:
    """A Polars or pandas frame, an Arrow table, a NumPy array of records, or whatever gives Arrow batches, as a table.

    None for anything else. The named levels of a pandas index are columns, and its NaN is NULL.
    """
    import polars as pl
    import pyarrow as pa

    match given:
        case pa.Table():
            return given
        case pa.RecordBatch():
            return pa.Table.from_batches([given])
        case pl.LazyFrame():
            return given.collect().to_arrow()
        case pl.DataFrame():
            return given.to_arrow()
    if type(given).__module__.partition(".")[0] == "pandas" and hasattr(given, "columns"):
        return pa.Table.from_pandas(given)
    if getattr(getattr(given, "dtype", None), "names", None) is not None:
        return _of_records(given)
    return pa.table(given) if hasattr(given, "__arrow_c_stream__") and not isinstance(given, pl.Series) else None


def _of_records(records: Any) -> pa.Table:
    """A structured array of NumPy. Its columns are copied, because Arrow takes no strided ones of every dtype."""
    import pyarrow as pa

    flat = records.reshape(-1)
    return pa.table({name: pa.array(flat[name].copy()) for name in records.dtype.names})


def among_frame(frame: pa.Table, heading: Heading) -> Condition:
    """The rows of an Arrow table: any of them. Raises InvalidCondition for a value that its attribute cannot have."""
    names = [name for name in frame.column_names if name in heading]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InvalidCondition(f"the column {twice[0]!r} stands in the frame twice.")
    if not names or not frame.num_rows:
        return Always(frame.num_rows > 0)
    from djarrow.frame.columns import from_arrow

    return _among({name: (from_arrow, frame.column(name)) for name in names}, heading)


def among_mappings(mappings: Sequence[Mapping[str, Any]], heading: Heading) -> Iterator[Condition]:
    """Any of the mappings, those of the same attributes together. Raises InvalidCondition."""
    from djarrow.frame.columns import from_values

    alike: dict[tuple[str, ...], list[Mapping[str, Any]]] = defaultdict(list)
    for mapping in mappings:
        alike[tuple(name for name in heading.names if name in mapping)].append(mapping)
    for names, rows in alike.items():
        if names:
            yield _among({name: (from_values, [row[name] for row in rows]) for name in names}, heading)
        else:
            yield Always(True)


def _among(given: Mapping[str, tuple[Any, Any]], heading: Heading) -> Condition:
    """Any of rows of these columns, each with what turns it into Arrow; at least one of both."""
    import pyarrow as pa

    attributes = [evolve(heading[name], nullable=True) for name in given]
    columns = [_carried(*given[attribute.name], attribute) for attribute in attributes]
    table = pa.table(columns, names=list(given))
    return operators.any_of([_matching(part, heading) for part in _by_absence(table)])


def _carried(convert: Any, values: Any, attribute: Attribute) -> Any:
    """A column in the form in which it goes to the database."""
    try:
        return convert(values, attribute, "condition")
    except RowError as error:
        raise InvalidCondition(f"attribute {attribute.name!r}, row {error.row}: {error.reason}") from None


def _by_absence(table: pa.Table) -> Iterator[pa.Table]:
    """The rows in parts, one for each set of columns that is NULL in it."""
    import pyarrow.compute as pc

    parts = [table]
    for name in table.column_names:
        if table.column(name).null_count:
            absent = [pc.is_null(part.column(name)) for part in parts]
            parts = [part.filter(mask) for part, of in zip(parts, absent, strict=True) for mask in (of, pc.invert(of))]
    return (part for part in parts if part.num_rows)


def _matching(part: pa.Table, heading: Heading) -> Condition:
    """Any of rows that lack the same columns."""
    present = [name for name in part.column_names if not part.column(name).null_count]
    absent = [heading[name] for name in part.column_names if name not in present]
    conditions: list[Condition] = [
        Holds(Call("is null", (column(attribute),), BOOL, nullable=False)) for attribute in absent
    ]
    if present:
        attributes = tuple(heading[name] for name in present)
        conditions.append(Matches(Rows(Heading(attributes, tuple(present)), part.select(present)), tuple(present)))
    return operators.all_of(conditions)
