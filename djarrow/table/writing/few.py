"""Insert of a few rows: one statement with their values, because COPY takes more turns than they are worth."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

from djarrow.errors import EngineError
from djarrow.model.types import Family
from djarrow.table.writing.agreement import changed, check_held
from djarrow.table.writing.inserted import Inserted, inserted

if TYPE_CHECKING:
    import pyarrow as pa

    from djarrow.engine.base import Database
    from djarrow.model.spec import TableSpec
    from djarrow.sql.insert import Conflict

ROWS, BYTES = 20, 65_536
"""What counts as few."""


def is_few(rows: pa.Table, conflict: Conflict) -> bool:
    """Whether rows go as values. Of those that replace others, one: a statement replaces a row once."""
    from djarrow.sql.insert import Conflict

    most = 1 if conflict is Conflict.REPLACE else ROWS
    return bool(rows.num_rows <= most and rows.nbytes <= BYTES)


def insert(database: Database, spec: TableSpec, rows: pa.Table, conflict: Conflict) -> Inserted:
    """Insert a few rows. Raises TableChanged where the columns are no longer those of the class: maybe afterwards."""
    from djarrow.sql import insert as text

    statement = text.insert_values(spec, rows.column_names, _values(rows, spec), conflict)
    try:
        result = database.read(statement, few=True)
    except EngineError as error:
        if (told := changed(error, spec)) is not None:
            raise told from error
        raise
    check_held(json.loads(result.column("columns")[0].as_py()), spec)
    return inserted(result, rows.num_rows)


def _values(rows: pa.Table, spec: TableSpec) -> list[tuple[Any, ...]]:
    """The rows as canonical values."""
    columns = []
    for name in rows.column_names:
        values = rows.column(name).to_pylist()
        if spec.heading[name].type.family is Family.UUID:
            values = [None if value is None else uuid.UUID(bytes=value) for value in values]
        columns.append(values)
    return list(zip(*columns, strict=True))
