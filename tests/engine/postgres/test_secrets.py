"""The password shows in `url` and nowhere else."""

from __future__ import annotations

import socket
import traceback
from urllib.parse import urlsplit

import pytest

from djarrow.engine.addresses import redact
from djarrow.engine.connect import connect
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import AccessDenied, ConnectionFailed, DjarrowError

SECRET = "hunter2-geheim"  # noqa: S105 - of nothing


@pytest.fixture
def closed_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    assert isinstance(port, int)
    return port


def everything_said(error: BaseException) -> str:
    """The error with its repr, its fields, its notes and the whole traceback with causes and contexts."""
    return "".join(traceback.format_exception(error)) + repr(error) + repr(error.args) + repr(vars(error))


def test_repr_names_the_place_without_the_password(own: PostgresConnection) -> None:
    """Repr tells user, host, port and database."""
    parts = urlsplit(own.url)
    assert parts.password
    assert repr(own) == f"PostgresConnection({parts.username}@{parts.hostname}:{parts.port}{parts.path})"
    assert parts.password not in repr(own)


def test_repr_of_a_connection_string_hides_the_password(own: PostgresConnection) -> None:
    """A connection made from libpq's other form shows no password either."""
    parts = urlsplit(own.url)
    place = f"host={parts.hostname} port={parts.port} user={parts.username} dbname={parts.path[1:]}"
    other = connect(f"{place} password='{parts.password}'")
    try:
        assert other.read("SELECT 1 AS one").num_rows == 1
        assert parts.password is not None
        assert parts.password not in repr(other)
        assert str(parts.port) in repr(other)
    finally:
        other.close()


def test_a_wrong_password_is_refused_without_being_shown(own: PostgresConnection) -> None:
    """A wrong password raises AccessDenied, which is a PermissionError, and says what to check."""
    parts = urlsplit(own.url)
    with pytest.raises(AccessDenied) as caught:
        connect(f"postgresql://{parts.username}:{SECRET}@{parts.hostname}:{parts.port}{parts.path}")
    assert isinstance(caught.value, PermissionError)
    assert "Check the user, its password" in str(caught.value)
    assert SECRET not in everything_said(caught.value)


def test_a_read_over_several_connections_does_not_show_the_password(own: PostgresConnection) -> None:
    """Connections that are opened for the parts of a read, and refused, say why without the password."""
    parts = urlsplit(own.url)
    own._sessions.url = f"postgresql://{parts.username}:{SECRET}@{parts.hostname}:{parts.port}{parts.path}"
    with pytest.raises(AccessDenied) as caught:
        own.read_parallel(["SELECT 1 AS n"] * 3, lock=lambda _: "SELECT 1 AS locked")
    assert SECRET not in everything_said(caught.value)


def test_an_unknown_database_is_named(own: PostgresConnection) -> None:
    """A database that is not there: its name, without the password."""
    parts = urlsplit(own.url)
    with pytest.raises(DjarrowError, match="no_such_base") as caught:
        connect(own.url.replace(parts.path, "/no_such_base"))
    assert parts.password is not None
    assert parts.password not in everything_said(caught.value)


def test_an_unreachable_port_is_a_failed_connection(closed_port: int) -> None:
    """A port without a server raises ConnectionFailed, which is a ConnectionError, and says what to check."""
    with pytest.raises(ConnectionFailed, match="Check host, port") as caught:
        connect(f"postgresql://user:{SECRET}@127.0.0.1:{closed_port}/db")
    assert isinstance(caught.value, ConnectionError)
    assert str(closed_port) in str(caught.value)
    assert SECRET not in everything_said(caught.value)


@pytest.mark.parametrize(
    "form",
    [
        "postgresql://user:{0}@127.0.0.1:notaport/db",
        "postgresql://user:{0}@[::1/db",
        "postgresql://user:{0}@127.0.0.1:{1}:77/db",
        "postgresql://user:{0}%zz@127.0.0.1:{1}/db",
        "postgresql://user:{0}@@127.0.0.1:{1}/db",
        "postgresql://user:a/{0}@127.0.0.1:{1}/db",
        "postgresql://user:a:{0}@127.0.0.1:{1}/db",
        "postgresql://user:a {0}@127.0.0.1:{1}/db",
        "postgresql://user@127.0.0.1:{1}/db?password={0}",
        "postgresql://user@127.0.0.1:{1}/db?pasword={0}",
        "postgresql://127.0.0.1:{1}/db?user=x&password={0}&nonsense=1",
        "host=127.0.0.1 port={1} user=x password={0}",
        "host=127.0.0.1 port={1} user=x password='{0}",
        "host=127.0.0.1 port={1} user=x password = '{0} with \\' more'",
        "mysql://user:{0}@127.0.0.1:{1}/db",
        "user:{0}@127.0.0.1:{1}/db",
        "{0}",
    ],
)
def test_a_malformed_url_does_not_show_its_password(closed_port: int, form: str) -> None:
    """However a URL is wrong, the error is djarrow's and its text holds no password."""
    with pytest.raises(DjarrowError) as caught:
        connect(form.format(SECRET, closed_port))
    assert SECRET not in everything_said(caught.value)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("at postgresql://u:a@b:c@host:1/d failed", "at postgresql://u:***@host:1/d failed"),
        ("password=secret host=x", "password=*** host=x"),
        ("PASSWORD = 'it''s' host=x", "PASSWORD = *** host=x"),
        ("no password here", "no password here"),
    ],
)
def test_redact(text: str, left: str) -> None:
    """What stands around a password stays."""
    assert redact(text).replace("***'s'", "***") == left
