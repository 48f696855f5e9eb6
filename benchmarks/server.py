"""The server of one benchmark, and a folder: both are gone afterwards."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from djarrow.engine.connect import connect
from djarrow.engine.embedded import EmbeddedServer
from djarrow.engine.postgres import PostgresConnection


@contextmanager
def own_server() -> Iterator[tuple[PostgresConnection, Path]]:
    """A connection to an empty server, which is not the default one."""
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedServer(Path(folder) / "server")
        connection = connect(server.join())
        try:
            yield connection, Path(folder)
        finally:
            connection.close()
            server.stop()
