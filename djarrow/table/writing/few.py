"""Insert of a few rows: one statement with their values, because COPY takes more turns than they are worth."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeGuard

from djarrow.errors import EngineError
from djarrow.model.types import Family
from djarrow.table.writing.agreement import changed, check_types
from djarrow.table.writing.inserted import Inserted

if TYPE_CHECKING:
    from djarrow.engine.base import Database
    from djarrow.frame.given import Piece, Records
    from djarrow.model.spec import TableSpec
    from djarrow.sql.insert import Conflict

ROWS, BYTES = 20, 65_536
"""What counts as few."""

Values = Mapping[str, Sequence[Any]]
"""Attribute -> its canonical values, a list as long as there are rows."""


def may_be_few(piece: Piece, conflict: Conflict) -> TypeGuard[Records]:
    """Whether rows may go as values: not those that replace others, of which the log is written."""
    from djarrow.frame.given import Records
    from djarrow.sql.insert import Conflict

    return isinstance(piece, Records) and piece.rows <= ROWS and conflict is not Conflict.REPLACE


def is_small(values: Values) -> bool:
    """Whether a text can hold them."""
    return sum(len(v) for column in values.values() for v in column if isinstance(v, str | bytes)) <= BYTES


def insert(database: Database, spec: TableSpec, values: Values, conflict: Conflict) -> Inserted:
    """Insert a few rows. Raises TableChanged where the columns are no longer those of the class: maybe afterwards."""
    from djarrow.sql import insert as text

    rows = list(zip(*(_of_literals(column, spec, name) for name, column in values.items()), strict=True))
    statement = text.insert_values(spec, tuple(values), rows, conflict)
    try:
        written = database.write(statement)
    except EngineError as error:
        if (told := changed(error, spec)) is not None:
            raise told from error
        raise
    if written.num_rows:
        check_types(written.column("types")[0].as_py(), spec)
    return Inserted(written.num_rows, len(rows) - written.num_rows)


def _of_literals(column: Sequence[Any], spec: TableSpec, name: str) -> Sequence[Any]:
    if spec.heading[name].type.family is not Family.UUID:
        return column
    return [None if value is None else uuid.UUID(bytes=value) for value in column]
