"""A connection of its own for each test, and a second one that watches and interferes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from djarrow.engine.connect import connect
from djarrow.engine.embedded import EmbeddedServer
from djarrow.engine.postgres import PostgresConnection


@pytest.fixture
def url(server: EmbeddedServer) -> str:
    """The URL of the server of the tests."""
    found = server.url()
    assert found is not None
    return found


@pytest.fixture
def own(url: str) -> Iterator[PostgresConnection]:
    """A connection that only this test uses."""
    connection = connect(url)
    yield connection
    connection.close()


@pytest.fixture
def numbers(connection: PostgresConnection) -> Iterator[str]:
    """A table `numbers(n bigint primary key)` in a schema of its own; its quoted name."""
    connection.execute("CREATE SCHEMA engine_tests")
    connection.execute("CREATE TABLE engine_tests.numbers (n bigint PRIMARY KEY)")
    yield "engine_tests.numbers"
    connection.execute("DROP SCHEMA engine_tests CASCADE")


@pytest.fixture
def count(connection: PostgresConnection) -> Callable[[str], int]:
    """How many rows a table has, as another connection sees it."""

    def counted(table: str) -> int:
        return int(connection.read(f"SELECT count(*) AS n FROM {table}").column("n")[0].as_py())

    return counted


def backend(connection: PostgresConnection) -> int:
    """The server's process of this thread's session."""
    return int(connection.read("SELECT pg_backend_pid() AS pid").column("pid")[0].as_py())


@pytest.fixture
def lose(connection: PostgresConnection) -> Callable[[PostgresConnection], None]:
    """Ends another connection's session from the server's side, and waits until it is gone."""

    def end(other: PostgresConnection) -> None:
        connection.read(f"SELECT pg_terminate_backend({backend(other)}, 5000) AS ended")

    return end


@pytest.fixture
def backend_of() -> Callable[[PostgresConnection], int]:
    """Tells the server's process of this thread's session of a connection."""
    return backend
