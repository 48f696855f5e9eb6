"""What all tests share: one real PostgreSQL, started by the tests themselves, and a schema of its own for each test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

import djarrow as dj
from djarrow.engine.connect import connect
from djarrow.engine.embedded import EmbeddedServer
from djarrow.engine.postgres import PostgresConnection

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """An embedded server for the whole run."""
    embedded = EmbeddedServer(tmp_path_factory.mktemp("server"))
    embedded.join()
    yield embedded
    embedded.leave()
    embedded.stop()


@pytest.fixture(scope="session")
def connection(server: EmbeddedServer) -> Iterator[PostgresConnection]:
    """A connection to that server, which is not the default one."""
    url = server.url()
    assert url is not None
    opened = connect(url)
    yield opened
    opened.close()


@pytest.fixture
def schema(connection: PostgresConnection) -> Iterator[dj.Schema]:
    """An empty schema, dropped after the test."""
    made = dj.Schema(f"test{next(_numbers)}", connection)
    yield made
    connection.execute(f'DROP SCHEMA IF EXISTS "{made.name}" CASCADE')
