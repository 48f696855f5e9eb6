"""Looking into the database past djarrow: raw rows, catalog, and how many statements something takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from djarrow.engine.connect import connect
from djarrow.engine.embedded import EmbeddedServer
from djarrow.engine.postgres import PostgresConnection

Rows = list[dict[str, Any]]
Ask = Callable[[str], Rows]


@pytest.fixture
def ask(connection: PostgresConnection) -> Ask:
    """The rows that a statement of SQL gives."""
    return lambda text: connection.query(text).to_pylist()


class Counting(PostgresConnection):
    """A connection that keeps the statements it runs."""

    def __init__(self, url: str) -> None:
        self.statements: list[str] = []
        super().__init__(url)

    def _heeding(self, session: Any, work: Any) -> Any:
        self.statements.append(work.__qualname__)
        return super()._heeding(session, work)


@pytest.fixture
def counting(server: EmbeddedServer) -> Iterator[Counting]:
    """A connection that counts, to the server of the tests."""
    url = server.url()
    assert url is not None
    connection = Counting(url)
    connection.statements.clear()
    yield connection
    connection.close()


@pytest.fixture(scope="module")
def second(server: EmbeddedServer) -> Iterator[PostgresConnection]:
    """Another connection to the same server, for the tests of a module."""
    url = server.url()
    assert url is not None
    connection = connect(url)
    yield connection
    connection.close()
