"""One connection of the driver, and what is under way on it. How many there are, and whose: postgres.py."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from attrs import define, field

from djarrow.engine.faults import is_lost, translate
from djarrow.engine.kept import Kept
from djarrow.errors import ConnectionFailed

if TYPE_CHECKING:
    from djarrow.engine.transactions import Written

SETTINGS = {
    "TimeZone": "UTC",
    "standard_conforming_strings": "on",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "application_name": "djarrow",
}
"""Set on every connection, whatever the server, the database or the user has: compiled text, the reading of timestamps,
and the texts of values in the update log rely on them. With fewer digits two floats can have the same text."""


@define(eq=False)
class Session:
    """One connection of the driver, and what is under way on it.

    thread: whose it is; None for those that streams take in turn. lost: it is closed; a session that was lost inside
    a transaction stays its thread's until the end of the block, so that nothing of the block runs outside of it.
    lock: held while the driver works on it, because lazy frames of a transaction read from other threads. backend: the
    process of the server that serves it. tells_log: whether the server says how far its log is.
    written: what the last statement told of the transaction that it wrote in. kept: the statements that it keeps
    ready, None where it cannot. ahead: called before each statement.
    """

    raw: Any
    process: int
    thread: threading.Thread | None
    in_transaction: bool = False
    failed: bool = False
    lost: bool = False
    tells_log: bool = True
    buffer_stream: Callable[[], None] | None = None
    lock: threading.RLock = field(factory=threading.RLock)
    backend: int = 0
    written: Written | None = None
    kept: Kept | None = field(factory=Kept)
    ahead: Callable[[], None] | None = None

    @property
    def foreign(self) -> bool:
        """Whether it is a parent process's, inherited through a fork: using or closing it would end the parent's."""
        return self.process != os.getpid()


def open_session(url: str, thread: threading.Thread | None, *, within: int | None = None) -> Session:
    """A new connection with our settings. Raises ConnectionFailed or AccessDenied.

    within: seconds that the server may take to answer, and that the network may be silent later on.
    """
    session = Session(_connect(url if within is None else _impatient(url, within)), os.getpid(), thread)
    calls = ", ".join(f"set_config('{name}', '{value}', false)" for name, value in SETTINGS.items())
    with session.raw.cursor() as cursor:
        cursor.execute(f"SELECT {calls}, pg_backend_pid() AS backend")
        session.backend = cursor.fetch_arrow_table().column("backend")[0].as_py()
    session.tells_log = _tells_log(session)
    return session


def _tells_log(session: Session) -> bool:
    """Some servers refuse it: standbys, Aurora, those that took the right away. In a transaction that would end it."""
    import adbc_driver_postgresql.dbapi as adbc

    try:
        with session.raw.cursor() as cursor:
            cursor.adbc_statement.set_options(**{"adbc.postgresql.use_copy": "false"})
            cursor.execute(
                "SELECT pg_current_wal_insert_lsn()::text AS reached, pg_last_wal_replay_lsn()::text AS recovered"
            )
            cursor.fetch_arrow_table()
    except adbc.Error as error:
        if is_lost(error):
            raise translate(error) from error
        return False
    return True


def _impatient(url: str, seconds: int) -> str:
    """The URL, or connection string, with these bounds; what comes last holds."""
    bounds = {
        "connect_timeout": seconds,
        "keepalives_idle": seconds,
        "keepalives_interval": 1,
        "keepalives_count": 3,
        "tcp_user_timeout": seconds * 1000,
    }
    settings = [f"{name}={value}" for name, value in bounds.items()]
    if "://" not in url:
        return " ".join([url, *settings])
    return f"{url}{'&' if '?' in url else '?'}{'&'.join(settings)}"


def check_open(session: Session) -> None:
    """Refuse a statement of a transaction whose connection is gone: elsewhere it would run outside the transaction."""
    if session.lost:
        raise ConnectionFailed(
            "The connection was lost inside a transaction, of which nothing was kept. Begin it anew."
        )


def _connect(url: str) -> Any:
    """A connection of the driver."""
    import adbc_driver_postgresql.dbapi as adbc

    try:
        return adbc.connect(url, autocommit=True)
    except adbc.Error as error:
        raise _without_context(translate(error)) from None  # the driver's text can hold the password


def _without_context(error: Exception) -> Exception:
    error.__context__ = None
    return error
