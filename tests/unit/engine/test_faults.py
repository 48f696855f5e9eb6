"""Driver errors as djarrow's: by code, with the fields that a program needs, and never with a password."""

from __future__ import annotations

import pytest

from djarrow.engine.addresses import redact
from djarrow.engine.faults import is_lost, translate
from djarrow.errors import (
    AccessDenied,
    ConnectionFailed,
    DjarrowError,
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

Detail = tuple[str, bytes]


class DriverError(Exception):
    """What the driver raises: a text, a code, and the server's diagnostic fields as pairs of name and bytes."""

    def __init__(self, text: str, sqlstate: str | None = None, details: list[Detail] | None = None) -> None:
        super().__init__(text)
        self.sqlstate = sqlstate
        self.details = details or []


def server_error(sqlstate: str, primary: str, **fields: str) -> DriverError:
    """An error of the server: its fields are those of PostgreSQL's protocol."""
    pairs = [("PG_DIAG_MESSAGE_PRIMARY", primary.encode())]
    pairs += [(f"PG_DIAG_{name.upper()}", value.encode()) for name, value in fields.items()]
    return DriverError(f"[libpq] Failed to execute query: ERROR:  {primary}\n", sqlstate, pairs)


TABLE = {"schema_name": "lab", "table_name": "session"}

# --- passwords -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql://me:s3cret@host:5432/db", "postgresql://me:***@host:5432/db"),
        ("cannot open 'postgres://me:s3cret@host/db'!", "cannot open 'postgres://me:***@host/db'!"),
        ("postgresql://:s3cret@host", "postgresql://:***@host"),
        ("postgresql://me:s3@cret@host/db", "postgresql://me:***@host/db"),
        ("postgresql://me:s3/cr:et#?@host/db", "postgresql://me:***@host/db"),
        ("postgresql://me:s3 cret@host/db", "postgresql://me:***@host/db"),
        ("one\npostgresql://me:s3cret@host\ntwo", "one\npostgresql://me:***@host\ntwo"),
        (
            "postgresql://host/db?user=me&password=s3cret&sslmode=require",
            "postgresql://host/db?user=me&password=***&sslmode=require",
        ),
        ("host=h password=s3cret user=me", "host=h password=*** user=me"),
        (r"host=h password = 's3 \' cret' user=me", "host=h password = *** user=me"),
        ("postgresql://host:5432/db", "postgresql://host:5432/db"),
        ("postgresql://me@host:5432/db", "postgresql://me@host:5432/db"),
        ("password authentication failed for user", "password authentication failed for user"),
        ("nothing to hide: a@b", "nothing to hide: a@b"),
    ],
)
def test_redact(text: str, expected: str) -> None:
    """Passwords are taken out of URLs and connection strings, also where they are not encoded; the rest stays."""
    assert redact(text) == expected


def test_no_error_tells_the_password() -> None:
    """A driver's text with a URL in it becomes an error without the password."""
    for sqlstate in (None, "28P01", "08006", "XX000", "42601"):
        error = translate(DriverError("could not connect: postgresql://me:s3cret@host/db", sqlstate))
        assert "s3cret" not in str(error)
        assert "me:***@host" in str(error)


# --- rows ----------------------------------------------------------------------------------------------------------


def test_duplicate_key() -> None:
    """23505 is a duplicate key, with table, constraint and key."""
    error = translate(
        server_error(
            "23505",
            'duplicate key value violates unique constraint "session_pkey"',
            message_detail="Key (subject_id, session)=(5, 2) already exists.",
            constraint_name="session_pkey",
            **TABLE,
        )
    )
    assert isinstance(error, DuplicateKey)
    assert (error.table, error.constraint) == ("lab.session", "session_pkey")
    assert error.key == {"subject_id": "5", "session": "2"}
    assert "a row with subject_id = 5, session = 2 is there already" in str(error)


def test_missing_parent() -> None:
    """23503 on insert is a missing parent, with the parent's table and the key."""
    error = translate(
        server_error(
            "23503",
            'insert or update on table "session" violates foreign key constraint "session foreign 1"',
            message_detail='Key (subject_id)=(7) is not present in table "#subject".',
            constraint_name="session foreign 1",
            **TABLE,
        )
    )
    assert isinstance(error, MissingParent)
    assert (error.table, error.parent, error.attribute) == ("lab.session", "#subject", "subject_id")
    assert (error.key, error.constraint) == ({"subject_id": "7"}, "session foreign 1")
    assert "there is no row with subject_id = 7 in '#subject'" in str(error)
    assert "Insert the parent first" in str(error)


def test_row_still_referenced() -> None:
    """23503 on delete says which table still refers to the row."""
    error = translate(
        server_error(
            "23503",
            'update or delete on table "subject" violates foreign key constraint "fk" on table "session"',
            message_detail='Key (subject_id)=(7) is still referenced from table "session".',
            constraint_name="fk",
            schema_name="lab",
            table_name="subject",
        )
    )
    assert isinstance(error, IntegrityError)
    assert not isinstance(error, MissingParent)
    assert 'is still referenced from table "session"' in str(error)
    assert error.key == {"subject_id": "7"}


@pytest.mark.parametrize(
    ("detail", "key"),
    [
        ('Key ("user", "order")=(a, 1) already exists.', {"user": "a", "order": "1"}),
        ("Key (name)=(Doe, John) already exists.", {"name": "Doe, John"}),
        ("Key (name, n)=(Doe, John, 1) already exists.", {"name, n": "Doe, John, 1"}),
        ("Key (name)=(a (b)) already exists.", {"name": "a (b)"}),
        ("Key (name)=(two\nlines) already exists.", {"name": "two\nlines"}),
        ("Key (name)=() already exists.", {"name": ""}),
        ("Key (name)=( a ) already exists.", {"name": " a "}),
        ("Key (name, n)=(a , 1) already exists.", {"name": "a ", "n": "1"}),
        ("something else", {}),
        ("", {}),
    ],
)
def test_keys(detail: str, key: dict[str, str]) -> None:
    """The key is read from the detail; values that hold commas stay one text, and blanks are part of them."""
    error = translate(server_error("23505", "duplicate key", message_detail=detail, **TABLE))
    assert isinstance(error, DuplicateKey)
    assert error.key == key


def test_check() -> None:
    """23514 is an invalid value of the attribute that the constraint is named for."""
    error = translate(
        server_error(
            "23514",
            'new row for relation "session" violates check constraint "session check n"',
            message_detail="Failing row contains (1, 300).",
            constraint_name="session check n",
            **TABLE,
        )
    )
    assert isinstance(error, InvalidValue)
    assert (error.table, error.attribute) == ("lab.session", "n")
    assert "Failing row contains (1, 300)." in str(error)


def test_not_null() -> None:
    """23502 is a missing field, by its column."""
    error = translate(server_error("23502", 'null value in column "n"', column_name="n", **TABLE))
    assert isinstance(error, MissingField)
    assert (error.table, error.attribute) == ("lab.session", "n")


@pytest.mark.parametrize("state", ["23505", "23503", "23514", "23502"])
def test_details_can_be_absent(state: str) -> None:
    """An error without diagnostic fields is still of its kind."""
    error = translate(DriverError("ERROR: something", state))
    assert isinstance(error, DuplicateKey | MissingParent | InvalidValue | MissingField)
    assert error.table == "?.?"


# --- everything else -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (server_error("42501", "permission denied for schema lab"), AccessDenied, "permission denied for schema lab"),
        (server_error("28P01", 'password authentication failed for user "me"'), AccessDenied, "Check the user"),
        (server_error("28000", "no pg_hba.conf entry"), AccessDenied, "no pg_hba.conf entry"),
        (DriverError('FATAL:  password authentication failed for user "me"'), AccessDenied, "its password"),
        (server_error("25P02", "current transaction is aborted"), TransactionError, "nothing of it was kept"),
        (server_error("08006", "connection failure"), ConnectionFailed, "was lost"),
        (server_error("08001", "unable to connect"), ConnectionFailed, "was lost"),
        (server_error("57P01", "terminating connection due to administrator command"), ConnectionFailed, "was lost"),
        (server_error("57P03", "the database system is starting up"), ConnectionFailed, "starting up"),
        (DriverError("server closed the connection unexpectedly"), ConnectionFailed, "was lost"),
        (DriverError("no connection to the server"), ConnectionFailed, "was lost"),
        (DriverError("could not connect to host"), ConnectionFailed, "Check host, port and that it runs"),
        (DriverError('connection to server at "h", port 1 failed'), ConnectionFailed, "Check host, port"),
        (server_error("22012", "division by zero"), EngineError, "could not compute a value: division by zero"),
        (server_error("22003", "integer out of range"), EngineError, "could not compute a value"),
        (server_error("42601", "syntax error"), EngineError, "The database refused: syntax error"),
        (server_error("42P01", 'relation "x" does not exist'), EngineError, 'relation "x" does not exist'),
        (server_error("42P01", 'relation "lab.#x" does not exist'), MissingTable, "Table 'lab.#x'"),
        (DriverError('[libpq] Failed: ERROR:  relation "lab.x" does not exist'), MissingTable, "create_tables=True"),
        (server_error("40001", "could not serialize access"), EngineError, "could not serialize access"),
        (server_error("40P01", "deadlock detected"), EngineError, "deadlock detected"),
        (server_error("53300", "too many clients"), EngineError, "too many clients"),
        (server_error("53200", "out of shared memory"), EngineError, "raise `max_locks_per_transaction`"),
        (server_error("53200", "out of memory"), EngineError, "The database refused: out of memory"),
        (server_error("57014", "canceling statement due to user request"), EngineError, "canceling statement"),
        (server_error("57014", "canceling statement due to statement timeout"), TimedOut, "took longer"),
        (DriverError("something odd"), EngineError, "something odd"),
    ],
    ids=lambda value: getattr(value, "sqlstate", None) or "",
)
def test_families(error: DriverError, kind: type[DjarrowError], text: str) -> None:
    """Each family of codes is an error of its own kind that says what the server said and what to do."""
    found = translate(error)
    assert type(found) is kind
    assert text in str(found)
    assert "[libpq]" not in str(found) or error.sqlstate is None


@pytest.mark.parametrize("state", ["40001", "40P01", "42601", "53200", "22012", "25P02", "08006", "42501", "28P01"])
def test_the_code_is_kept(state: str) -> None:
    """An error of the engine carries PostgreSQL's code, so that a program can tell what may be tried again."""
    found = translate(server_error(state, "message"))
    assert isinstance(found, EngineError)
    assert found.sqlstate == state


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (DriverError("x", "08003"), True),
        (DriverError("x", "57P01"), True),
        (DriverError("terminating connection due to idle timeout"), True),
        (DriverError("x", "57014"), False),
        (DriverError("x", "23505"), False),
        (DriverError("x"), False),
        (ValueError("server closed the connection unexpectedly"), True),
    ],
)
def test_is_lost(error: Exception, lost: bool) -> None:
    """A lost connection is told from other failures, by code or, without one, by the driver's words."""
    assert is_lost(error) is lost


def test_details_of_text_and_bytes() -> None:
    """Diagnostic fields are read whether the driver gives bytes, also undecodable ones, or text."""
    error = DriverError("x", "42601")
    error.details = [("PG_DIAG_MESSAGE_PRIMARY", b"caf\xe9")]
    assert "caf\ufffd" in str(translate(error))
