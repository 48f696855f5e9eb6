"""Driver errors -> djarrow's, in one place, by PostgreSQL's codes. Passwords are taken out of every text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from djarrow.engine.addresses import redact
from djarrow.errors import (
    AccessDenied,
    ConnectionFailed,
    DefinitionError,
    DjarrowError,
    DropRefused,
    DuplicateKey,
    EngineError,
    IntegrityError,
    InvalidValue,
    MissingField,
    MissingParent,
    MissingTable,
    TimedOut,
    TransactionError,
)
from djarrow.model.values import REQUIRED

_KEY = re.compile(
    r"Key \((?P<names>.*?)\)=\((?P<values>.*)\) (?:already|is not|is still|is referenced|is duplicated|conflicts)",
    re.DOTALL,
)
_LIBPQ = re.compile(r"\[libpq\] Execution error \[\w+\]: ERROR:\s*")  # of errors in the middle of a stream
_NO_TABLE = re.compile(r'relation "(?P<table>[^"]+\.[^"]+)" does not exist')
_LOST = (
    *("server closed the connection", "no connection to the server", "connection not open", "terminating connection"),
    *("could not receive data from server", "could not send data to server", "SSL SYSCALL error", "SSL connection has"),
)
"""Words of libpq, which has no codes of its own."""
_MALFORMED = re.compile(r"Failed to connect: (?!connection to server|could not)(.*)", re.DOTALL)
_UNREACHABLE = ("could not connect", "connection to server", "Failed to connect", "connection refused")


def is_lost(error: BaseException) -> bool:
    """Whether an error of the driver says that the connection is gone."""
    state = getattr(error, "sqlstate", None) or ""
    if state == "08P01":  # bytes of COPY that the columns do not take
        return False
    return state.startswith(("08", "57P")) or any(words in str(error) for words in _LOST)


def translate(error: Exception) -> DjarrowError:
    """The djarrow error for an error of the PostgreSQL driver."""
    details = _details(error)
    state = getattr(error, "sqlstate", None)
    message = _LIBPQ.sub("", redact(details.get("MESSAGE_PRIMARY") or str(error))).strip().rstrip(".")
    if state is None and (malformed := _MALFORMED.search(message)):
        reason = re.sub('".*"', '"..."', malformed[1], flags=re.DOTALL)  # it quotes the URL, maybe its password
        return ConnectionFailed(
            f"The URL of the database cannot be read: {reason}. It has the form "
            "postgresql://user:password@host:port/database, with special characters as %40 for @ and the like."
        )
    if state in _BY_STATE:
        return _BY_STATE[state](message, details)
    if state == "42501" or (state or "").startswith("28") or "authentication failed" in message:
        return AccessDenied(
            f"The database refused access: {message}. Check the user, its password and its rights.", sqlstate=state
        )
    if state in ("42P01", None) and (unmade := _NO_TABLE.search(message)):  # COPY gives no code
        return MissingTable(f"the database refused: {unmade[0]}.", table=unmade[1], sqlstate="42P01")
    if is_lost(error):
        return ConnectionFailed(f"The connection to the database was lost: {message}.", sqlstate=state)
    if state is None and any(words in message for words in _UNREACHABLE):
        return ConnectionFailed(f"No connection to the database: {message}. Check host, port and that it runs.")
    if (state or "").startswith("22"):
        return EngineError(f"The database could not compute a value: {message}.", sqlstate=state)
    return EngineError(f"The database refused: {message}.", sqlstate=state)


def _details(error: Exception) -> dict[str, str]:
    """The driver's diagnostic fields by name."""
    pairs = getattr(error, "details", None) or ()
    return {_text(name).removeprefix("PG_DIAG_"): _text(value) for name, value in pairs}


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _table(details: Mapping[str, str]) -> str:
    return f"{details.get('SCHEMA_NAME', '?')}.{details.get('TABLE_NAME', '?')}"


def _key(details: Mapping[str, str]) -> dict[str, str]:
    """The attributes and values that the detail names. Values hold commas at times: then they stay one text."""
    found = _KEY.search(details.get("MESSAGE_DETAIL", ""))
    if found is None:
        return {}
    names = [name.strip().strip('"') for name in found["names"].split(",")]
    values = found["values"].split(", ")
    if len(names) == len(values):
        return dict(zip(names, values, strict=True))
    return {", ".join(names): found["values"]}


def _shown(key: Mapping[str, str]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in key.items())


def _duplicate(_: str, details: Mapping[str, str]) -> DjarrowError:
    key = {name: value for name, value in _key(details).items() if not name.startswith("_")}  # hidden: a singleton's
    primary = details.get("CONSTRAINT_NAME", "").endswith("_pkey")
    skip = "skip_duplicates=True passes over rows whose key is there."
    advice = skip if primary else "The table takes each value once: change it, or leave out the row."
    return DuplicateKey(
        f"a row with {_shown(key) or 'this key'} is there already, or given twice. {advice}",
        table=_table(details),
        attribute=", ".join(key) or None,
        constraint=details.get("CONSTRAINT_NAME"),
        key=key,
    )


def _reference(message: str, details: Mapping[str, str]) -> DjarrowError:
    key = _key(details)
    detail = details.get("MESSAGE_DETAIL", "")
    if "is still referenced" in detail or "is referenced" in detail:  # the latter of ON DELETE RESTRICT
        return IntegrityError(
            f"{message}: {detail}", table=_table(details), constraint=details.get("CONSTRAINT_NAME"), key=key
        )
    parent = re.search(r'in table "(.*)"', detail)
    name = parent[1] if parent else "?"
    return MissingParent(
        f"there is no row with {_shown(key)} in {name!r}, which the foreign key refers to. Insert the parent first.",
        table=_table(details),
        parent=name,
        attribute=", ".join(key) or None,
        constraint=details.get("CONSTRAINT_NAME"),
        key=key,
    )


def _check(message: str, details: Mapping[str, str]) -> DjarrowError:
    _, _, attribute = details.get("CONSTRAINT_NAME", "").partition(" check ")
    return InvalidValue(
        f"{message}: {details.get('MESSAGE_DETAIL', '')}", table=_table(details), attribute=attribute or None
    )


def _missing(_: str, details: Mapping[str, str]) -> DjarrowError:
    return MissingField(REQUIRED, table=_table(details), attribute=details.get("COLUMN_NAME"))


def _dependents(message: str, details: Mapping[str, str]) -> DjarrowError:
    listed = "; ".join(details.get("MESSAGE_DETAIL", "").splitlines())
    return DropRefused(f"{message}: {listed}. Nothing was dropped. Drop what depends on it first.")


def _aborted(_: str, __: Mapping[str, str]) -> DjarrowError:
    return TransactionError(
        "The transaction was aborted by an earlier error and nothing of it was kept. Start a new one.",
        sqlstate="25P02",
    )


def _read_only(_: str, __: Mapping[str, str]) -> DjarrowError:
    return TransactionError(
        "Nothing can be written in a read-only transaction. It was begun with read_only=True, or the server takes no "
        "changes, as a standby does.",
        sqlstate="25006",
    )


def _definition(message: str, _: Mapping[str, str]) -> DjarrowError:
    if "IMMUTABLE" not in message:
        return EngineError(f"The database refused: {message}.", sqlstate="42P17")
    return DefinitionError(
        "an expression of an index depends on more than the row: on the time, or on the time zone, as the year of a "
        "`timestamp` does. Index the attribute itself, or a `date` or `datetime`."
    )


def _memory(message: str, _: Mapping[str, str]) -> DjarrowError:
    if "shared memory" not in message:
        return EngineError(f"The database refused: {message}.", sqlstate="53200")
    return EngineError(
        "The server has no room for the locks of so many tables at once, and nothing was done. Do it in several steps, "
        "or raise `max_locks_per_transaction` in its postgresql.conf, to 1024 or more, and start it anew.",
        sqlstate="53200",
    )


def _cancelled(message: str, _: Mapping[str, str]) -> DjarrowError:
    if "timeout" not in message:
        return EngineError(f"The database refused: {message}.", sqlstate="57014")
    return TimedOut("The query was stopped: it took longer than it was given.", sqlstate="57014")


_BY_STATE = {
    "23505": _duplicate,
    "23503": _reference,
    "23001": _reference,  # ON DELETE RESTRICT, from PostgreSQL 18 on
    "23514": _check,
    "23502": _missing,
    "25006": _read_only,
    "25P02": _aborted,
    "2BP01": _dependents,
    "42P17": _definition,
    "53200": _memory,
    "57014": _cancelled,
}
