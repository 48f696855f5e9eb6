"""What a user inserts -> Arrow tables with the table's columns, checked. One column is columns.py's question.

What cannot be told from the rows alone, duplicates of what is there and parents that are not, the database tells.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from djarrow.errors import InvalidValue, MissingField, RowError, UnknownField, hint_nearest, told
from djarrow.frame.columns import canonical, carrier, from_arrow, from_texts, from_values
from djarrow.frame.given import WHOLE, Columns, Piece, Records, given, told_file
from djarrow.frame.given_frames import as_record
from djarrow.frame.problems import MOST, Problems, Refuse
from djarrow.model.heading import Attribute, Heading, Special
from djarrow.model.types import AttributeType, Family

_ABSENT: Any = object()

Make = Callable[[Sequence[Any], Attribute, Refuse], Any]
"""Makes a column of values: from_values, or canonical."""


def to_arrow(rows: Any, heading: Heading, table: str, *, ignore_extra_fields: bool = False) -> pa.Table:
    """Rows as one Arrow table in the order of the heading; columns that all rows leave to their default are absent.

    rows: whatever `given` takes. Raises UnknownField, MissingField or InvalidValue with the attribute, the row and the
    value of the first problem, and a frame of all as `problems`.
    """
    checking = Checking(heading, table, ignore_extra_fields=ignore_extra_fields)
    found = [checking.check(piece) for piece in given(rows, table, WHOLE).pieces()]
    checking.settle()
    return found[0] if len(found) == 1 else pa.concat_tables(found) if found else _table({}, 0)


def as_table(columns: Mapping[str, Sequence[Any]], heading: Heading, rows: int) -> pa.Table:
    """The table of columns that are lists of values, as `check_few` gives them. rows: how many there are."""
    return _table({name: pa.array(values, carrier(heading[name].type)) for name, values in columns.items()}, rows)


class Checking:
    """Checks rows piece by piece, and keeps what is wrong with them.

    read_json: see from_arrow. most: how many problems are kept. What all rows have wrong is told once.
    """

    def __init__(
        self,
        heading: Heading,
        table: str,
        *,
        ignore_extra_fields: bool = False,
        read_json: bool = True,
        most: int | None = MOST,
    ) -> None:
        self.problems = Problems(table, most)
        self._heading = heading
        self._ignore_extra_fields = ignore_extra_fields
        self._read_json = read_json
        self._told: set[str] = set()
        self._counted: bool | None = None

    def settle(self) -> None:
        """Raise the first problem that was found, if any."""
        if self.problems:
            raise self.problems.error()

    def check(self, piece: Piece) -> pa.Table:
        """The columns of a piece in the order of the heading; where there are problems, NULL in their place."""
        refuse = self.problems.from_row(piece.start)
        if isinstance(piece, Columns):
            if piece.file is not None:
                refuse = _with_file(refuse, piece)
            return self._of_columns(piece, refuse)
        return _table(self._of_records(piece.records, refuse, from_values), piece.rows)

    def check_few(self, piece: Records) -> dict[str, list[Any]]:
        """The same of a few rows, as lists of values: a column of Arrow takes longer to be made than they do."""
        return self._of_records(piece.records, self.problems.from_row(piece.start), canonical)

    # --- columns -------------------------------------------------------------------------------------------------

    def _of_columns(self, piece: Columns, refuse: Refuse) -> pa.Table:
        self._check_names(piece.names, refuse, row=None)
        places = {name: number for number, name in enumerate(piece.names)}
        columns = {}
        for attribute in self._heading:
            name = attribute.name
            if name not in places:
                if piece.rows:
                    self._check_default(attribute, refuse, row=None)
            elif piece.names.count(name) > 1:
                self._tell(refuse, UnknownField, "the column stands twice.", name)
            elif not piece.rows:
                columns[name] = from_values([], attribute, refuse)
            else:
                columns[name] = self._column(piece, places[name], attribute, refuse)
        present = {name: column for name, column in columns.items() if column is not None}
        self._check_counted(present, piece.rows, refuse)
        return _table(present, piece.rows)

    def _column(self, piece: Columns, number: int, attribute: Attribute, refuse: Refuse) -> Any:
        """A column, or None where all of it is left to the default."""
        values = piece.column(number)
        if attribute.name in piece.texts:
            return from_texts(values, attribute, _default(attribute), refuse, read_json=self._read_json)
        if isinstance(values, list):
            return from_values(values, attribute, refuse)
        return from_arrow(values, attribute, refuse, read_json=self._read_json)

    def _check_names(self, names: Iterable[Any], refuse: Refuse, row: int | None) -> None:
        if self._ignore_extra_fields:
            return
        for name in names:
            if name in self._heading:
                continue
            hint = hint_nearest(str(name), self._heading.names)
            over = "" if "Did you mean" in hint else " ignore_extra_fields=True passes over it."
            reason = f"the table has no attribute {name!r}.{hint}{over}"
            if row is None:
                self._tell(refuse, UnknownField, reason, str(name))
            else:
                refuse(UnknownField, reason, attribute=str(name), row=row)

    def _check_default(self, attribute: Attribute, refuse: Refuse, row: int | None) -> None:
        if attribute.default is not None:
            return
        reason = "a value is required: it has no default."
        if row is None:
            self._tell(refuse, MissingField, reason, attribute.name)
        else:
            refuse(MissingField, reason, attribute=attribute.name, row=row)

    def _tell(self, refuse: Refuse, kind: Any, reason: str, name: str) -> None:
        """What is wrong with all rows."""
        if name not in self._told:
            self._told.add(name)
            refuse(kind, reason, attribute=name)

    def _check_counted(self, columns: Mapping[str, Any], rows: int, refuse: Refuse, row: int = 0) -> None:
        """An attribute that the database counts up is given in every row, or in none."""
        counted = next((a.name for a in self._heading if a.default is Special.AUTO), None)
        if counted is None or not rows:
            return
        if self._counted not in (None, counted in columns):
            refuse(MissingField, _COUNTED, attribute=counted, row=row)
        self._counted = counted in columns

    # --- rows ----------------------------------------------------------------------------------------------------

    def _of_records(self, records: Sequence[Any], refuse: Refuse, column: Make) -> dict[str, Any]:
        mappings = self._mappings(records, refuse)
        if not self._ignore_extra_fields:
            self._check_fields(mappings, refuse)
        columns = {}
        plain = mappings is records
        for attribute in self._heading:
            name = attribute.name
            values, absent = _field(mappings, name, plain=plain)
            for row in absent if attribute.default is None else ():
                if mappings[row] is not _NO_ROW:
                    self._check_default(attribute, refuse, row)
            if absent and len(absent) < len(values) and attribute.default is Special.AUTO:
                refuse(MissingField, _COUNTED, attribute=name, row=absent[0])
            if len(absent) < len(values):
                columns[name] = _with_default(values, absent, attribute, refuse, column)
        self._check_counted(columns, len(records), refuse)
        return columns

    def _mappings(self, records: Sequence[Any], refuse: Refuse) -> Sequence[Mapping[str, Any]]:
        if set(map(type, records)) == {dict}:
            return records
        return [self._mapping(record, row, refuse) for row, record in enumerate(records)]

    def _check_fields(self, mappings: Sequence[Mapping[str, Any]], refuse: Refuse) -> None:
        known = set(self._heading.names)
        if all(map(known.issuperset, mappings)):
            return
        for row, mapping in enumerate(mappings):
            self._check_names(mapping, refuse, row)

    def _mapping(self, record: Any, row: int, refuse: Refuse) -> Mapping[str, Any]:
        names = self._heading.names
        if (named := getattr(record, "_asdict", None)) is not None:  # of a namedtuple
            return dict(named())
        if not isinstance(record, Mapping | Sequence) and (found := as_record(record)) is not None:
            return found
        match record:
            case Mapping():
                return record
            case Sequence() if not isinstance(record, str | bytes | bytearray | memoryview):
                if len(record) == len(names):
                    return dict(zip(names, record, strict=True))
                reason = (
                    f"the row has {len(record)} values and the table {len(names)} attributes ({', '.join(names)}). "
                    "Give all of them in this order, or a mapping."
                )
                refuse(MissingField, reason, attribute=None, row=row)
            case _:
                what = told(record) if isinstance(record, str | bytes) else _kind(record)
                reason = f"{what} is no row: a row is a mapping or a sequence of values."
                refuse(InvalidValue, reason, attribute=None, row=row)
        return _NO_ROW


def _with_file(refuse: Refuse, piece: Columns) -> Refuse:
    """Tells the file as well, and the row there: rows are counted through all files."""

    def refuse_there(
        kind: type[RowError], reason: str, *, attribute: str | None, row: int | None = None, value: Any = None
    ) -> None:
        refuse(kind, reason + told_file(piece, row), attribute=attribute, row=row, value=value)

    return refuse_there


def _with_default(values: list[Any], absent: list[int], attribute: Attribute, refuse: Refuse, column: Make) -> Any:
    """A column of values, with the default in rows that leave it out; one without is refused there already."""
    if not absent:
        return column(values, attribute, refuse)
    default, left_out = _default(attribute), set(absent)
    for row in absent:
        values[row] = default

    def refuse_others(
        kind: type[RowError], reason: str, *, attribute: str | None, row: int | None = None, value: Any = None
    ) -> None:
        if row not in left_out:
            refuse(kind, reason, attribute=attribute, row=row, value=value)

    return column(values, attribute, refuse_others)


_NO_ROW: Mapping[str, Any] = {}
"""In the place of what is no row, which was told."""


def _field(mappings: Sequence[Mapping[str, Any]], name: str, *, plain: bool) -> tuple[list[Any], list[int]]:
    """The values of a field, and the numbers of the rows that leave it out.

    plain: all are dicts; other mappings may have a value for whatever they are asked.
    """
    if plain:
        try:
            return [mapping[name] for mapping in mappings], []
        except KeyError:
            pass
    values = [mapping.get(name, _ABSENT) for mapping in mappings]
    return values, [row for row, value in enumerate(values) if value is _ABSENT]


def _kind(value: Any) -> str:
    return f"an object of type {type(value).__name__}"


_COUNTED = "the database counts it up: give it in every row, or in none."


def _default(attribute: Attribute) -> Any:
    """The value of a row that leaves the attribute out; None also where the database counts it up."""
    match attribute.default:
        case Special.NULL | Special.AUTO:
            return None
        case Special.NOW:
            return _now(attribute.type)
        case value:
            return value


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
