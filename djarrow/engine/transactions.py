"""Transactions: how they begin, commit and roll back, and what became of one whose COMMIT was not answered.

On which session they run, and how that is opened: postgres.py. Why so: docs/decisions/014-unknown-outcomes.md.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Literal

from attrs import frozen

from djarrow.engine.session import Session
from djarrow.errors import ConnectionFailed, DjarrowError, EngineError, TransactionError, UnknownOutcome, told

if TYPE_CHECKING:
    import pyarrow as pa

Status = Literal["committed", "aborted", "in progress"]

Read = Callable[[str], "pa.Table"]
"""Runs one statement and gives its whole result."""

ISOLATION = ("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")
"""The levels that PostgreSQL has; the first is also what it makes of READ UNCOMMITTED."""

PATIENCE = 10.0
"""Seconds for which the server is asked what became of a transaction: it may be starting again."""

PAUSE = 0.1
"""Seconds between two questions."""

_NEVER_GIVEN = "22023"
"""The state of a question for a number that the server has not given yet."""

_REACHED = "concat_ws(' ', pg_current_wal_insert_lsn(), pg_last_wal_replay_lsn())"

_PROBE = "SELECT id::text AS id, CASE WHEN id IS NOT NULL THEN {} END AS since FROM (SELECT {} AS id) AS mine"
"""Fails where the transaction is aborted. NULL as long as nothing was written."""

_SINCE = re.compile(r"([0-9A-F]+/[0-9A-F]+)(?: ([0-9A-F]+/[0-9A-F]+))?")
"""How far the server's log has come, and where the recovery ended from which the server came up, if it was one."""

_STATUS = (
    "SELECT CASE WHEN pg_is_in_recovery() THEN NULL WHEN {lost} THEN 'aborted' "
    "ELSE pg_xact_status('{number}'::xid8) END AS status"
)
"""A standby is behind, and does not know."""

_LOST = (
    "pg_last_wal_replay_lsn() IS DISTINCT FROM {recovered}::pg_lsn AND pg_last_wal_replay_lsn() < '{reached}'::pg_lsn"
)
"""The server has recovered again, and not as far as its log had come: then it gives numbers another time."""

_END = (
    "SELECT pg_terminate_backend(pid) AS ended FROM pg_stat_activity "
    "WHERE backend_xid = '{}'::xid8::xid AND state LIKE 'idle in transaction%'"
)
"""Ends a server's process that still waits for COMMIT. One that is working on COMMIT is left to it."""


def begin_statement(isolation: object, *, read_only: bool, settings: Mapping[str, str] | None = None) -> str:
    """BEGIN at an isolation level, in any case. Raises TransactionError of any other word.

    settings: PostgreSQL's, for the time of the transaction. Several statements are sent in one turn.
    """
    level = " ".join(isolation.upper().split()) if isinstance(isolation, str) else None
    if level not in ISOLATION:
        raise TransactionError(f"{told(isolation)} is no isolation level. Give one of: {', '.join(ISOLATION)}.")
    begin = f"BEGIN ISOLATION LEVEL {ISOLATION[ISOLATION.index(level)]}{' READ ONLY' if read_only else ''}"
    return "; ".join([begin, *(set_local(name, value) for name, value in (settings or {}).items())])


def set_local(name: str, value: str) -> str:
    """The statement that sets one of PostgreSQL's settings for the time of a transaction."""
    if not _PLAIN.fullmatch(name) or not _PLAIN.fullmatch(value):
        raise TransactionError(
            f"{told(name)} cannot be set to {told(value)}: a setting is of letters, digits, . and -."
        )
    return f"SET LOCAL {name} = '{value}'"


_PLAIN = re.compile(r"[A-Za-z0-9_.-]+")

_NUMBER = "pg_current_xact_id_if_assigned()"


def probe(session: Session) -> str:
    """The question, inside a transaction, for its number and how far the server's log is."""
    return _PROBE.format(_reached(session), _NUMBER)


def _reached(session: Session) -> str:
    return _REACHED if session.tells_log else "NULL::text"


def told_by(session: Session) -> str:
    """The same question as one column of a RETURNING, for `Written.told`: every column takes time."""
    return f"concat_ws(' ', {_NUMBER}, {_reached(session)})"


@frozen
class Written:
    """A transaction that has written something.

    number: the server's. since: how far the server's log was, as _SINCE reads it; None where it does not tell.
    """

    number: str
    since: str | None

    @classmethod
    def told(cls, text: str) -> Written:
        """What a statement told that had asked by `told_by`."""
        number, _, since = text.partition(" ")
        return cls(number, since or None)

    def status_statement(self) -> str:
        """The question what became of it. Raises TransactionError where number or since are no such thing."""
        if not (self.number.isascii() and self.number.isdecimal() and len(self.number) < 20):
            raise TransactionError(
                f"{told(self.number)} is no number of a transaction. Give the field `transaction` of an UnknownOutcome."
            )
        if self.since is None:
            return _STATUS.format(lost="false", number=self.number)
        if (found := _SINCE.fullmatch(self.since)) is None:
            raise TransactionError(
                f"{told(self.since)} is no place in a log. Give the field `since` of an UnknownOutcome."
            )
        recovered = "NULL" if found[2] is None else f"'{found[2]}'"
        return _STATUS.format(lost=_LOST.format(recovered=recovered, reached=found[1]), number=self.number)


@frozen
class Transactions:
    """The transactions of one connection.

    run: runs a statement without rows on a session; fetch: one with a few. discard: closes a session, which is not used
    again. ask: lends reads on a new session, which is opened in bounded time.
    """

    run: Callable[[Session, str], None]
    fetch: Callable[[Session, str], pa.Table]
    discard: Callable[[Session], None]
    ask: Callable[[], AbstractContextManager[Read]]

    def begin(self, session: Session, statement: str) -> Session:
        """Begin one on a session, which is given back."""
        try:
            self.run(session, statement)
            session.in_transaction, session.failed = True, False
        except DjarrowError:
            raise
        except BaseException:  # an interruption: it may have begun
            self._leave(session)
            raise
        return session

    @contextlib.contextmanager
    def block(self, begin: Callable[[], Session]) -> Iterator[None]:
        """A transaction for the time of a block: committed at its end, rolled back on any exception."""
        session = begin()
        try:
            yield
        except BaseException:
            self._roll_back(session)
            raise
        self._commit(session)

    def _leave(self, session: Session) -> None:
        """Have nothing to do with a session any more, whatever is under way on it."""
        session.in_transaction = False
        self.discard(session)

    def _roll_back(self, session: Session) -> None:
        if session.lost or session.foreign:  # the server has rolled back; or the transaction is the parent process's
            session.in_transaction = False
            return
        try:
            self.run(session, "ROLLBACK")
            session.in_transaction = False
        except ConnectionFailed:
            self._leave(session)
        except BaseException:  # on a session that is used again, what follows would still be inside
            self._leave(session)
            raise

    def _commit(self, session: Session) -> None:
        try:
            written = self._written(session)
        except BaseException:
            self._roll_back(session)
            raise
        try:
            self.run(session, "COMMIT")
            session.in_transaction = False
        except BaseException as error:
            if _refused(error):
                self._roll_back(session)
                raise
            self._leave(session)
            self._settle(written, error)

    def _written(self, session: Session) -> Written | None:
        """What to ask for later, None where nothing was written. Raises where the transaction cannot be committed.

        COMMIT of an aborted transaction raises nothing, so this asks first whether it is still alive.
        """
        if session.failed or session.lost or session.foreign:
            raise TransactionError(
                "The transaction had failed before it should commit, and nothing of it was kept. "
                "An error inside it was caught and passed over."
            )
        if session.written is not None:  # the last statement told, and after it nothing can have failed
            return session.written
        try:
            (found,) = self.fetch(session, probe(session)).to_pylist()
        except ConnectionFailed as error:
            raise ConnectionFailed(
                f"{error.message} COMMIT was not sent yet: nothing of the transaction was kept.",
                sqlstate=error.sqlstate,
            ) from error
        return None if found["id"] is None else Written(found["id"], found["since"])

    # --- after COMMIT without an answer --------------------------------------------------------------------------

    def _settle(self, written: Written | None, error: BaseException) -> None:
        """Find out what became of a transaction. Returns where all of it was kept, raises otherwise.

        error: what came instead of the answer; an interruption is raised again, with a note of the outcome.
        """
        outcome = "committed" if written is None else self._outcome(written)
        if not isinstance(error, Exception):
            error.add_note(_note(written, outcome))
            raise error
        if written is None or outcome == "committed":
            return
        if outcome == "aborted":
            raise ConnectionFailed(
                "The connection was lost while COMMIT ran. The server says that the transaction was rolled back: "
                "nothing of it was kept. Begin it anew."
            ) from error
        raise UnknownOutcome(written.number, since=written.since) from error

    def _outcome(self, written: Written) -> Status | None:
        """What became of it, as the server says in time; None where it does not know or cannot be asked."""
        patience_ends = time.monotonic() + PATIENCE
        found: Status | None = None
        while True:
            with contextlib.suppress(DjarrowError), self.ask() as read:  # it is starting, full, or out of reach
                found = _status(read, written)
                if found != "in progress":
                    return found
                read(_END.format(written.number))
            if time.monotonic() > patience_ends:
                return found
            time.sleep(PAUSE)

    def status(self, transaction: str, since: str | None) -> Status | None:
        """What became of the transaction of a number. Raises TransactionError of what is no number."""
        written = Written(transaction, since)
        written.status_statement()
        with self.ask() as read:
            return _status(read, written)


def _status(read: Read, written: Written) -> Status | None:
    """What the server knows of a transaction. One that it never began was lost when the server failed."""
    try:
        found: Status | None = read(written.status_statement()).column("status")[0].as_py()
    except EngineError as error:
        if error.sqlstate != _NEVER_GIVEN:
            raise
        return "aborted"
    return found


def _refused(error: BaseException) -> bool:
    """Whether the server answered COMMIT with a refusal, such as a deferred check: then it has rolled back.

    What has no code does not come from the server but from the network, in the words of some library.
    """
    lost = isinstance(error, ConnectionFailed) or (isinstance(error, EngineError) and error.sqlstate is None)
    return isinstance(error, DjarrowError) and not lost


def _note(written: Written | None, outcome: Status | None) -> str:
    """What an interruption says of the transaction that it came into."""
    if written is None:
        return "It came while COMMIT ran, of a transaction that had written nothing."
    match outcome:
        case "committed":
            return "It came while COMMIT ran: the transaction was committed, and all of it was kept."
        case "aborted":
            return "It came while COMMIT ran: the transaction was rolled back, and nothing of it was kept."
        case _:
            return f"It came while COMMIT ran. {UnknownOutcome(written.number, since=written.since).message}"
