"""A look on PostgreSQL: reads in bounded time that change nothing. What is looked at is not decided here.

A look neither ends nor fails the thread's transaction, leaves an open stream alone, starts no server and keeps no
connection that was not there. As the first read of a transaction it takes the transaction's snapshot, as any read does.
docs/decisions/011-previews.md says why.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from djarrow.engine.faults import is_lost, translate
from djarrow.engine.session import Session, check_open, open_session
from djarrow.errors import TransactionError

if TYPE_CHECKING:
    import pyarrow as pa

Read = Callable[[str], "pa.Table"]
"""Runs one SELECT and gives its whole result."""

_SAVEPOINT = "djarrow_look"
_BEGIN = {False: "BEGIN READ ONLY", True: f"SAVEPOINT {_SAVEPOINT}"}
_END = {False: ("ROLLBACK",), True: (f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}", f"RELEASE SAVEPOINT {_SAVEPOINT}")}
"""In a transaction or not -> how a look begins and ends. Rolling back also lets go of the locks that it took."""


@contextlib.contextmanager
def look(url: str, session: Session | None, seconds: float, lost: Callable[[Session], None]) -> Iterator[Read]:
    """Reads on a thread's session, or, where it has none that can be used, on one of their own, closed afterwards.

    lost is told of a session whose connection is gone. Raises TransactionError where the session's transaction has
    failed or is streaming a result; reads raise TimedOut after so many seconds.
    """
    if session is None or session.foreign or (session.lost and not session.in_transaction):
        with _own_session(url) as own, _looking(own, seconds, lost) as read:
            yield read
        return
    _check_free(session)
    if session.ahead is not None:
        session.ahead()
    with _looking(session, seconds, lost) as read:
        yield read


@contextlib.contextmanager
def _own_session(url: str) -> Iterator[Session]:
    session = open_session(url, None)
    try:
        yield session
    finally:
        if not session.lost:
            session.raw.close()


def _check_free(session: Session) -> None:
    check_open(session)
    if session.in_transaction and session.failed:
        raise TransactionError(
            "The transaction was aborted by an earlier error, and nothing is read in it. Start a new one."
        )
    if session.buffer_stream is not None:
        raise TransactionError(
            "The transaction is streaming a result, which a look would break. Read the stream to its end, or close it."
        )


@contextlib.contextmanager
def _looking(session: Session, seconds: float, lost: Callable[[Session], None]) -> Iterator[Read]:
    import adbc_driver_postgresql.dbapi as adbc

    def read(text: str) -> pa.Table:
        try:
            with session.raw.cursor() as cursor:
                cursor.execute(text)
                return cursor.fetch_arrow_table()
        except adbc.Error as error:
            if is_lost(error):
                lost(session)
            raise translate(error) from error

    read(_BEGIN[session.in_transaction])
    try:
        read(f"SET LOCAL statement_timeout = {round(seconds * 1000)}")
        yield read
    finally:
        if not session.lost:
            for statement in _END[session.in_transaction]:
                read(statement)
