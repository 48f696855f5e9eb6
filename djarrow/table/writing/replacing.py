"""Rows in the place of others: run again where another session put one there that the log has nothing of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from djarrow.errors import EngineError
from djarrow.sql.locks import ATTEMPTS, CONFLICT

if TYPE_CHECKING:
    import pyarrow as pa

    from djarrow.engine.base import Database


def replaced(database: Database, statement: str) -> pa.Table:
    """What a statement that replaces rows gives, once it has seen all of those that it replaces.

    A row that was committed since the statement began is replaced unseen. Then the statement is undone and sees it.
    """
    for _ in range(ATTEMPTS):
        database.execute("SAVEPOINT djarrow_replace")
        result = database.read(statement, few=True)
        row = result.to_pylist()[0]
        if row["replaced"] <= row["earlier"]:
            database.execute("RELEASE SAVEPOINT djarrow_replace")
            return result
        database.execute("ROLLBACK TO SAVEPOINT djarrow_replace")
    raise EngineError(
        "others inserted rows of the same keys each time. Nothing was written; try again.", sqlstate=CONFLICT
    )
