"""One connection of the driver, and what is under way on it. How many there are, and whose: postgres.py."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

from attrs import define, field

from djarrow.engine.faults import translate
from djarrow.errors import ConnectionFailed

SETTINGS = {
    "TimeZone": "UTC",
    "standard_conforming_strings": "on",
    "application_name": "djarrow",
}
"""Set on every connection: compiled text and the reading of timestamps rely on them."""


@define(eq=False)
class Session:
    """One connection of the driver, and what is under way on it.

    thread: whose it is; None for those that streams take in turn. lost: it is closed; a session that was lost inside
    a transaction stays its thread's until the end of the block, so that nothing of the block runs outside of it.
    lock: held while the driver works on it, because lazy frames of a transaction read from other threads. backend: the
    process of the server that serves it.
    """

    raw: Any
    process: int
    thread: threading.Thread | None
    in_transaction: bool = False
    failed: bool = False
    lost: bool = False
    buffer_stream: Callable[[], None] | None = None
    lock: threading.RLock = field(factory=threading.RLock)
    backend: int = 0

    @property
    def foreign(self) -> bool:
        """Whether it is a parent process's, inherited through a fork: using or closing it would end the parent's."""
        return self.process != os.getpid()


def open_session(url: str, thread: threading.Thread | None) -> Session:
    """A new connection with our settings. Raises ConnectionFailed or AccessDenied."""
    session = Session(_connect(url), os.getpid(), thread)
    calls = ", ".join(f"set_config('{name}', '{value}', false)" for name, value in SETTINGS.items())
    with session.raw.cursor() as cursor:
        cursor.execute(f"SELECT {calls}, pg_backend_pid() AS backend")
        session.backend = cursor.fetch_arrow_table().column("backend")[0].as_py()
    return session


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
