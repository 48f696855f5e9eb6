"""A connection to the embedded server outlives the server."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from djarrow.engine.connect import connect_embedded, server_folder
from djarrow.engine.embedded import EmbeddedServer
from djarrow.errors import ConnectionFailed


def test_a_killed_server_is_started_again_by_a_read(tmp_path: Path) -> None:
    """After kill -9 of the server no read fails, and soon one finds it running again, with what was committed."""
    connection = connect_embedded(tmp_path)
    server = EmbeddedServer(server_folder(tmp_path))
    try:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
        pid = server.status().pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        end = time.monotonic() + 10
        while server.status().pid in (pid, None):  # the session's own process lives until it notices
            assert time.monotonic() < end
            assert connection.read("SELECT one FROM kept").to_pylist() == [{"one": 1}]
        assert connection.read("SELECT one FROM kept").to_pylist() == [{"one": 1}]
    finally:
        connection.close()
        server.stop()


def test_a_transaction_is_not_carried_over_to_the_new_server(tmp_path: Path) -> None:
    """A server that dies inside a transaction ends the transaction with an error, and nothing of it is kept."""
    connection = connect_embedded(tmp_path)
    server = EmbeddedServer(server_folder(tmp_path))
    try:
        connection.execute("CREATE TABLE kept (one integer)")
        with pytest.raises(ConnectionFailed), connection.transaction:  # noqa: PT012 - the block is what is tested
            connection.execute("INSERT INTO kept VALUES (1)")
            pid = server.status().pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            while True:  # the session's own process lives until it notices
                connection.read("SELECT pg_sleep(0.02)::text AS slept")
        assert connection.read("SELECT one FROM kept").num_rows == 0
    finally:
        connection.close()
        server.stop()
