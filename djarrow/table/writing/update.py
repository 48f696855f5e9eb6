"""update1: one row is corrected, and the log keeps what was there before. Design section 8; docs/updates.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

from djarrow.errors import (
    IntegrityError,
    InvalidValue,
    MissingField,
    NoSuchRow,
    UnknownField,
    UpdateRefused,
    hint_nearest,
    told,
)
from djarrow.frame.given_frames import as_frame, as_record
from djarrow.model.heading import Heading, Special
from djarrow.model.names import TableName
from djarrow.sql import locks
from djarrow.table.source import current_offline
from djarrow.table.writing.agreement import check_columns
from djarrow.table.writing.log import ensure_log
from djarrow.table.writing.permission import too_early

if TYPE_CHECKING:
    import pyarrow as pa

    from djarrow.engine.base import Database
    from djarrow.model.spec import TableSpec
    from djarrow.table.table import Table


@frozen
class Correction:
    """What update1 is to do: staged holds the primary key and the new values; reset names what takes its default."""

    staged: pa.Table
    reset: tuple[str, ...]


def update1(table: Table, row: Any) -> None:
    """What Table.update1 does."""
    spec = table.spec
    _check_writable(table)
    correction = correction_of(row, spec)
    database = table.schema.writable(spec.name)
    if database.in_transaction:
        _update(database, table, correction)
        return

    def whole() -> None:
        with database.begin(isolation="READ COMMITTED"):
            _update(database, table, correction)

    locks.repeated(whole, lambda reason: UpdateRefused(f"{reason}.", table=str(spec.name)), bounded=False)


def _check_writable(table: Table) -> None:
    from djarrow.table.schema import Schema

    name = str(table.spec.name)
    if current_offline() is not None:
        raise UpdateRefused(
            "queries run on a repository here, which is read only. Update outside of the `using` block.", table=name
        )
    if not isinstance(table.schema, Schema):
        raise UpdateRefused("it is a table of a repository, which is read only.", table=name)
    if why := too_early():
        raise UpdateRefused(why, table=name)


# --- what is to be changed ---------------------------------------------------------------------------------------


def correction_of(row: Any, spec: TableSpec) -> Correction:
    """The row as it was given, checked. Raises UnknownField, MissingField or InvalidValue."""
    from djarrow.frame.rows import to_arrow

    table, key = str(spec.name), spec.heading.primary_key
    names, rows = _one_row(row, table)
    _check_names(names, spec)
    attributes = tuple(evolve(a, nullable=True, default=Special.NULL) for a in spec.heading if a.name in names)
    values = to_arrow(rows, Heading(attributes, ()), table)
    absent = [name for name in values.column_names if values.column(name).null_count]
    for name in absent:
        if name in key:
            raise MissingField(
                "the primary key tells which row is changed; NULL tells none.", table=table, attribute=name
            )
        if spec.heading[name].default is None:
            text = "None resets it to its default, and it has none: a value is required."
            raise MissingField(text, table=table, attribute=name)
    return Correction(values.select([name for name in values.column_names if name not in absent]), tuple(absent))


def _one_row(row: Any, table: str) -> tuple[tuple[Any, ...], Any]:
    """The names of the fields of a row, and the row as an insert would take it."""
    record = row if isinstance(row, Mapping) else as_record(row)
    if record is not None:
        return tuple(record), [record]
    frame = as_frame(row)
    if frame is None:
        text = f"update1 takes one row as a mapping, a record or a frame of one row, not {told(row)}."
        raise InvalidValue(text, table=table)
    if frame.rows != 1:
        raise InvalidValue(f"update1 takes one row, and the frame has {frame.rows}.", table=table)
    if twice := [name for name in frame.names if frame.names.count(name) > 1]:
        raise UnknownField("the column stands in the frame twice.", table=table, attribute=twice[0])
    columns = {name: frame.column(name) for name in frame.names}
    if any(isinstance(column, list) for column in columns.values()):
        return frame.names, [{name: _only(column) for name, column in columns.items()}]
    import pyarrow as pa

    return frame.names, pa.table(columns)


def _only(column: Any) -> Any:
    return column[0] if isinstance(column, list) else column[0].as_py()


def _check_names(names: Sequence[Any], spec: TableSpec) -> None:
    """All are attributes, the whole key is among them, and something besides it."""
    table, heading = str(spec.name), spec.heading
    for name in names:
        if name not in heading:
            hint = hint_nearest(str(name), heading.names)
            raise UnknownField(f"the table has no attribute {told(name)}.{hint}", table=table, attribute=str(name))
    if missing := [name for name in heading.primary_key if name not in names]:
        raise MissingField(
            f"update1 changes the one row that the primary key names ({', '.join(heading.primary_key)}), and "
            f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not given.",
            table=table,
            attribute=missing[0],
        )
    if set(names) <= set(heading.primary_key):
        others = ", ".join(heading.secondary)
        advice = f"Give a value of {others}" if others else "The table has no other attributes: delete and insert"
        raise MissingField(
            f"update1 changes attributes outside of the primary key, and none is given. {advice}.", table=table
        )


# --- changing it -------------------------------------------------------------------------------------------------

STAGING = TableName("pg_temp", "djarrow_update")


def _update(database: Database, table: Table, correction: Correction) -> None:
    """Change the row in the transaction that is open. Raises NoSuchRow, and what the database refuses."""
    from djarrow.frame.offenders import typed
    from djarrow.sql import insert, update

    spec, staged = table.spec, tuple(correction.staged.column_names)
    key = spec.heading.primary_key
    ensure_log(database, table)
    check_columns(database, spec, inserting=False)
    if staged:  # by COPY, so that a value may be of any size
        database.execute(insert.create_staging(spec, STAGING, staged))
        database.ingest(STAGING, correction.staged)
    given = [name for name in staged if name not in key]
    try:
        found = database.read(update.update_row(spec, STAGING if staged else None, given, correction.reset))
    except IntegrityError as error:
        error.key = typed(error.key, spec.heading)
        raise
    if staged:
        database.execute(insert.drop_staging(STAGING))
    if not found.column("n")[0].as_py():
        _raise_absent(spec, correction.staged)


def _raise_absent(spec: TableSpec, staged: pa.Table) -> None:
    from djarrow.frame.results import declared, to_dicts

    heading = spec.heading.select(spec.heading.primary_key)
    key = next(iter(to_dicts(declared(staged.select(list(heading.names)), heading), heading))) if heading.names else {}
    shown = ", ".join(f"{name} = {told(value)}" for name, value in key.items())
    text = f"there is no row with {shown} to update." if key else "the table has no row to update."
    raise NoSuchRow(f"{text} New rows are inserted.", table=str(spec.name), key=key)
