"""Insert of a few rows: one statement with their values, because COPY takes more turns than they are worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeGuard

from djarrow.engine.base import Ready, may_come_of_keeping
from djarrow.errors import EngineError, TableChanged
from djarrow.model.heading import Special
from djarrow.sql import insert as text
from djarrow.sql.insert import Conflict
from djarrow.table.writing.agreement import changed, check_types
from djarrow.table.writing.inserted import Inserted
from djarrow.table.writing.permission import making

if TYPE_CHECKING:
    from djarrow.frame.given import Records
    from djarrow.table.writing.sending import Sending

ROWS, BYTES = 20, 65_536
"""What counts as few."""

Values = Mapping[str, Sequence[Any]]
"""Attribute -> its canonical values, a list as long as there are rows."""


def are_few(rows: Any) -> TypeGuard[list[Any]]:
    """Whether rows may go as values."""
    return isinstance(rows, list) and 0 < len(rows) <= ROWS


def is_way_of(conflict: Conflict) -> bool:
    """Whether rows go as values at all: not those that replace others, of which the log is written."""
    return conflict is not Conflict.REPLACE


def insert(sending: Sending, records: list[Any]) -> Inserted:
    """Insert a few rows. Raises TableChanged where the columns are no longer those of the class."""
    from djarrow.frame.given import Records

    checking, piece = sending.checking(), Records(0, records)
    values = checking.check_few(piece)
    checking.settle()
    if sending.within:
        if _may_wait(sending, values):
            return Inserted(len(records))
        if making.get() is None:  # a make that passes over a refusal fails; a user's transaction stays in use
            sending.look()
        return _send(sending, values, piece)

    def whole() -> Inserted:
        with sending.database.begin(isolation="READ COMMITTED"):
            return _send(sending, values, piece)

    try:
        return sending.anew(whole, again=True)
    except EngineError as error:
        if not may_come_of_keeping(error):
            raise
    return sending.anew(whole, again=True)


def _may_wait(sending: Sending, values: Values) -> bool:
    """Whether rows of a make wait for those of others: what they were refused for would be told of each alone."""
    current = making.get()
    if current is None or current.shared is None or sending.conflict is not Conflict.RAISE or not values:
        return False
    counted = any(a.default is Special.AUTO and a.name in values for a in sending.spec.heading)
    return not counted and _is_small(values) and current.shared.keep(sending.database, sending.spec, values)


def _send(sending: Sending, values: Values, piece: Records) -> Inserted:
    from djarrow.frame.rows import as_table

    if not values or not _is_small(values):
        return sending.send(as_table(values, sending.spec.heading, piece.rows), piece)
    return sending.explained(
        lambda: _write(sending, values),
        lambda: as_table(values, sending.spec.heading, piece.rows),
        tuple(values),
        piece,
    )


def _is_small(values: Values) -> bool:
    """Whether a text can hold them."""
    return sum(len(v) for column in values.values() for v in column if isinstance(v, str | bytes)) <= BYTES


def _write(sending: Sending, values: Values) -> Inserted:
    spec = sending.spec
    rows = list(zip(*values.values(), strict=True))
    statement = text.insert_values(spec, tuple(values), rows, sending.conflict)
    ready = None
    if len(rows) == 1 and (not sending.within or making.get()):  # a user's transaction cannot be begun anew
        ready = Ready(statement.of_parameters, statement.columns, statement.rows[0])
    try:
        written = sending.database.write(statement.text, ready=ready)
    except EngineError as error:
        if (told := changed(error, spec)) is not None:
            raise told from error
        raise
    if written:
        (types,) = written[0]
        try:
            check_types(types, spec)
        except TableChanged:
            sending.database.fail()  # it is written: whoever passes over this must not commit it
            raise
    return Inserted(len(written), len(rows) - len(written))
