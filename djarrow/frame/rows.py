"""What a user inserts -> an Arrow table with the table's columns, checked. One column is columns.py's question."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl
import pyarrow as pa

from djarrow.errors import InvalidValue, MissingField, UnknownField, hint_nearest
from djarrow.frame.columns import from_arrow, from_values
from djarrow.model.heading import Attribute, Heading, Special
from djarrow.model.types import AttributeType, Family

_ABSENT: Any = object()


def to_arrow(rows: Any, heading: Heading, table: str, *, ignore_extra_fields: bool = False) -> pa.Table:
    """Rows as an Arrow table in the order of the heading; columns that all rows leave to their default are absent.

    rows: a Polars frame, an Arrow table or batch, or an iterable of mappings or of sequences with a value for every
    attribute. Raises UnknownField, MissingField or InvalidValue with the attribute, the row and the value.
    """
    match rows:
        case pl.DataFrame():
            columns = {name: polars_column(rows[name]) for name in rows.columns}
            return _from_columns(columns, rows.height, heading, table, ignore_extra_fields)
        case pa.RecordBatch() | pa.Table():
            if twice := [name for name in rows.column_names if rows.column_names.count(name) > 1]:
                raise UnknownField("the column stands in the table twice.", table=table, attribute=twice[0])
            columns = dict(zip(rows.column_names, rows.columns, strict=True))
            return _from_columns(columns, rows.num_rows, heading, table, ignore_extra_fields)
        case str() | bytes() | Mapping():
            raise InvalidValue(f"{_kind(rows)} is no sequence of rows; use insert1 for one.", table=table)
        case Iterable():
            return _from_rows(list(rows), heading, table, ignore_extra_fields)
    raise InvalidValue(f"{_kind(rows)} is no sequence of rows.", table=table)


def _kind(value: Any) -> str:
    return f"an object of type {type(value).__name__}"


def polars_column(series: pl.Series) -> Any:
    """The column in Arrow's form; where Arrow has none, a list of its values: of an object Arrow gets a pointer."""
    return series.to_list() if series.dtype in (pl.Object, pl.Int128, pl.UInt128) else series.to_arrow()


def _from_columns(
    given: Mapping[str, Any], rows: int, heading: Heading, table: str, ignore_extra_fields: bool
) -> pa.Table:
    """given: Arrow arrays, or lists of values, by name."""
    _check_names(given, heading, table, ignore_extra_fields, row=None)
    columns = {}
    for attribute in heading:
        if attribute.name in given:
            values = given[attribute.name]
            check = from_values if isinstance(values, list) else from_arrow
            columns[attribute.name] = check(values, attribute, table)
        elif rows:
            _check_default(attribute, table, row=None)
    return _table(columns, rows)


def _from_rows(rows: Sequence[Any], heading: Heading, table: str, ignore_extra_fields: bool) -> pa.Table:
    mappings = [_mapping(row, number, heading, table) for number, row in enumerate(rows)]
    if not ignore_extra_fields:
        known = set(heading.names)
        for number, mapping in enumerate(mappings):
            if not known.issuperset(mapping):
                _check_names(mapping, heading, table, ignore_extra_fields, row=number)
    columns = {}
    for attribute in heading:
        name = attribute.name
        values = [mapping.get(name, _ABSENT) for mapping in mappings]
        absent = [number for number, value in enumerate(values) if value is _ABSENT]
        if absent:
            _check_default(attribute, table, row=absent[0])
        if absent and len(absent) < len(values) and attribute.default is Special.AUTO:
            text = "the database counts it up: give it in every row, or in none."
            raise MissingField(text, table=table, attribute=name, row=absent[0])
        if len(absent) < len(values):
            filled = _fill(values, absent, attribute)
            columns[name] = from_values(filled, attribute, table)
    return _table(columns, len(rows))


def _mapping(row: Any, number: int, heading: Heading, table: str) -> Mapping[str, Any]:
    match row:
        case Mapping():
            return row
        case str() | bytes():
            raise InvalidValue(
                f"{row!r} is no row: a row is a mapping or a sequence of values.", table=table, row=number
            )
        case Sequence():
            if len(row) != len(heading):
                wanted = ", ".join(heading.names)
                raise MissingField(
                    f"the row has {len(row)} values and the table {len(heading)} attributes ({wanted}). "
                    "Give all of them in this order, or a mapping.",
                    table=table,
                    row=number,
                )
            return dict(zip(heading.names, row, strict=True))
    raise InvalidValue(f"{_kind(row)} is no row: a row is a mapping or a sequence of values.", table=table, row=number)


def _check_names(
    names: Iterable[str], heading: Heading, table: str, ignore_extra_fields: bool, row: int | None
) -> None:
    for name in names:
        if name not in heading and not ignore_extra_fields:
            hint = hint_nearest(str(name), heading.names)
            raise UnknownField(f"the table has no attribute {name!r}.{hint}", table=table, attribute=str(name), row=row)


def _check_default(attribute: Attribute, table: str, row: int | None) -> None:
    if attribute.default is None:
        raise MissingField("a value is required: it has no default.", table=table, attribute=attribute.name, row=row)


def _fill(values: list[Any], absent: list[int], attribute: Attribute) -> list[Any]:
    """The values with the default where some rows leave the field out and others do not."""
    default = attribute.default
    value = None if default is Special.NULL else _now(attribute.type) if default is Special.NOW else default
    for number in absent:
        values[number] = value
    return values


def _now(kind: AttributeType) -> datetime.date:
    moment = datetime.datetime.now(datetime.UTC)
    match kind.family:
        case Family.DATE:
            return moment.date()
        case Family.DATETIME:
            return moment.replace(tzinfo=None)
    return moment


def _table(columns: dict[str, Any], rows: int) -> pa.Table:
    if columns:
        return pa.table(columns)
    return pa.Table.from_batches([pa.RecordBatch.from_struct_array(pa.array([{}] * rows, pa.struct([])))])
