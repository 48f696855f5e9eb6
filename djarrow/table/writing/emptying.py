"""All rows of a table that nothing refers to, at the speed of TRUNCATE: where nobody could see that it was one.

What stands in the way, and what is left of it, is told in docs/decisions/015.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from djarrow.errors import EngineError
from djarrow.sql import truncate

if TYPE_CHECKING:
    from djarrow.engine.postgres import PostgresConnection
    from djarrow.model.names import TableName


class _InTheWay(Exception):
    """Something that TRUNCATE would not respect."""


def emptied(connection: PostgresConnection, table: TableName) -> int | None:
    """How many rows the table had, which has none now. None where it is to be deleted from in the ordinary way.

    Has a transaction of its own.
    """
    if not _answer(connection, truncate.is_worthwhile(table)):
        return None
    try:
        with connection.begin(isolation="READ COMMITTED"):
            connection.execute(truncate.lock(table))
            if not _answer(connection, truncate.is_worthwhile(table)):
                raise _InTheWay
            number = connection.read(truncate.count(table), few=True).column("n")[0].as_py()
            if not _answer(connection, truncate.nobody_looks()):
                raise _InTheWay
            connection.execute(truncate.truncate(table))
    except _InTheWay:
        return None
    except EngineError as error:
        if error.sqlstate not in truncate.REFUSED:
            raise
        return None
    return int(number)


def _answer(connection: PostgresConnection, text: str) -> bool:
    answers = connection.read(text, few=True).column("answer").to_pylist()
    return bool(answers and answers[0])
