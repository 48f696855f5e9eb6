"""The sessions of a connection: one for each thread that works with it, others for streams, which are lent and kept."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

from djarrow.engine import few_rows
from djarrow.engine.interruption import Watched
from djarrow.engine.session import Session, open_session
from djarrow.errors import ConnectionFailed, DjarrowError

MAX_IDLE = 4
"""Sessions that wait for the next stream."""

ASKING_SECONDS = 5
"""How long a server may take to answer, and the network to carry, a question for a transaction's outcome."""


class Sessions:
    """Sessions of one server. url: where it is; restart: brings a server back that does not answer, and gives its URL.

    Threads share it. After a fork the sessions of the parent are left alone: closing them would end the parent's.
    """

    def __init__(self, url: str, restart: Callable[[], str] | None) -> None:
        self.url = url
        self.restart = restart
        self._local = threading.local()
        self._lock = threading.Lock()
        self._idle: list[Session] = []
        self._all: list[Session] = []

    def open(self, thread: threading.Thread | None, *, within: int | None = None) -> Session:
        """A new session. within: seconds in which the server must answer, where not as long as the network waits."""
        self._close_orphans()
        try:
            session = open_session(self.url, thread, within=within)
        except ConnectionFailed:
            if self.restart is None:
                raise
            self.url = self.restart()
            session = open_session(self.url, thread, within=within)
        with self._lock:
            self._all.append(session)
        return session

    @property
    def backends(self) -> frozenset[int]:
        """The processes of the server that serve the sessions of this process."""
        with self._lock:
            return frozenset(session.backend for session in self._all if not session.foreign)

    def close(self) -> None:
        """Close all sessions of this process."""
        with self._lock:
            sessions = list(self._all)
        for session in sessions:
            if not session.foreign:
                self.discard(session)

    # --- of threads ------------------------------------------------------------------------------------------------

    @property
    def held(self) -> Session | None:
        """This thread's session, if it has one."""
        session: Session | None = getattr(self._local, "session", None)
        return session

    def own(self) -> Session:
        """This thread's session; a new one where it has none, or it was lost, or is the parent's, after a fork."""
        session = self.held
        over = session is not None and session.lost and not session.in_transaction
        if session is None or over or session.foreign:
            session = self._local.session = self.open(threading.current_thread())
        return session

    @contextlib.contextmanager
    def in_place(self, session: Session) -> Iterator[None]:
        """For the time of the block, a session stands in place of this thread's."""
        own, self._local.session = self.held, session
        try:
            yield
        finally:
            self._local.session = own

    def _close_orphans(self) -> None:
        """Close the sessions of threads that have ended."""
        with self._lock:
            sessions = list(self._all)
        for session in sessions:
            if session.thread is not None and not session.foreign and not session.thread.is_alive():
                self.discard(session)

    # --- of streams ------------------------------------------------------------------------------------------------

    def borrow(self) -> Session:
        """A session for a stream: one that is idle, or a new one."""
        with self._lock:
            while self._idle:
                session = self._idle.pop()
                if not session.foreign and not session.lost:
                    return session
        return self.open(None)

    def give_back(self, session: Session, *, clean: bool) -> None:
        """Take back a session from its stream. clean: it has nothing left to read."""
        if session.thread is not None:
            return  # a thread's own session, which a transaction streamed from
        with self._lock:
            keep = clean and not session.lost and len(self._idle) < MAX_IDLE
            if keep:
                self._idle.append(session)
        if not keep:
            self.discard(session)

    @contextlib.contextmanager
    def lent(self) -> Iterator[Session]:
        """A session for the time of the block, which leaves nothing open on it unless it raises."""
        session = self.borrow()
        done = False
        try:
            yield session
            done = True
        finally:
            self.give_back(session, clean=done)

    @property
    def idle(self) -> int:
        """How many sessions wait for the next stream."""
        with self._lock:
            return len(self._idle)

    def discard_idle(self) -> None:
        """Close the sessions that wait for the next stream."""
        with self._lock:
            idle, self._idle = self._idle, []
        for session in idle:
            if not session.foreign:
                self.discard(session)

    # --- the end of one --------------------------------------------------------------------------------------------

    def discard(self, session: Session) -> None:
        """Close a session, which may be lost."""
        session.lost = True
        with self._lock:
            self._all = [other for other in self._all if other is not session]
        import adbc_driver_postgresql.dbapi as adbc

        with contextlib.suppress(adbc.Error):  # the connection is lost already
            try:
                session.raw.close()
            except RuntimeError:  # an interruption has left a statement open: then the driver closes no connection
                self._end(session.backend)

    def _end(self, backend: int) -> None:
        """Have the server end a session that cannot be closed here: its transaction would keep its locks."""
        with (
            contextlib.suppress(DjarrowError),  # out of reach: there the network's end ends it
            contextlib.closing(open_session(self.url, None, within=ASKING_SECONDS).raw) as other,
        ):
            few_rows.run(other, f"SELECT pg_terminate_backend({backend})", Watched)
