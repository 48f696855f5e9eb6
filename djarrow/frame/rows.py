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
            return _from_table(rows.to_arrow(), heading, table, ignore_extra_fields)
        case pa.RecordBatch():
            return _from_table(pa.Table.from_batches([rows]), heading, table, ignore_extra_fields)
        case pa.Table():
            return _from_table(rows, heading, table, ignore_extra_fields)
        case str() | bytes() | Mapping():
            raise InvalidValue(f"{_kind(rows)} is no sequence of rows; use insert1 for one.", table=table)
        case Iterable():
            return _from_rows(list(rows), heading, table, ignore_extra_fields)
    raise InvalidValue(f"{_kind(rows)} is no sequence of rows.", table=table)


def _kind(value: Any) -> str:
    return f"an object of type {type(value).__name__}"


def _from_table(source: pa.Table, heading: Heading, table: str, ignore_extra_fields: bool) -> pa.Table:
    if len(set(source.column_names)) < len(source.column_names):
        raise UnknownField("a column stands in the frame twice.", table=table)
    _check_names(source.column_names, heading, table, ignore_extra_fields, row=None)
    columns = {}
    for attribute in heading:
        if attribute.name in source.column_names:
            columns[attribute.name] = from_arrow(source.column(attribute.name), attribute, table)
        elif source.num_rows:
            _check_default(attribute, table, row=None)
    return _table(columns, source.num_rows)


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
