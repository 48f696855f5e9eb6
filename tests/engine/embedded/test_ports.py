"""Which port the server takes: the last one, a free one, or the one that was asked for."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from djarrow.engine.embedded import EmbeddedServer
from djarrow.errors import ConfigError, ServerStartFailed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .conftest import Query


@pytest.fixture
def taken() -> Iterator[socket.socket]:
    """A socket of somebody else that takes a free port when told to listen."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        yield other


def test_a_remembered_port_that_is_taken_is_replaced(root: Path, taken: socket.socket, query: Query) -> None:
    """Another is chosen silently, and kept from then on."""
    server = EmbeddedServer(root)
    server.join()
    first = server.status().port
    server.stop()
    taken.bind(("127.0.0.1", first))
    taken.listen()
    assert query(server.join(), "SELECT 1") == [(1,)]
    second = server.status().port
    assert second != first
    taken.close()
    server.stop()
    server.join()
    assert server.status().port == second


def test_a_port_taken_between_the_look_and_the_start(
    root: Path, taken: socket.socket, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When postgres finds the port taken after all, another is tried."""
    from djarrow.engine.embedded import launch

    taken.bind(("127.0.0.1", 0))
    taken.listen()
    port = taken.getsockname()[1]
    choose, choices = launch._choose_port, iter([port])
    monkeypatch.setattr(launch, "_choose_port", lambda remembered: next(choices, None) or choose(remembered))
    server = EmbeddedServer(root)
    assert query(server.join(), "SELECT 1") == [(1,)]
    assert server.status().port != port


def test_the_port_asked_for(root: Path, taken: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """DJARROW_PG_PORT is taken when it is free; when it is not, the error names it and what to do."""
    taken.bind(("127.0.0.1", 0))
    port = taken.getsockname()[1]
    monkeypatch.setenv("DJARROW_PG_PORT", str(port))
    taken.listen()
    server = EmbeddedServer(root)
    with pytest.raises(ServerStartFailed, match=rf"port {port}, .* set DJARROW_PG_PORT to another"):
        server.join()
    assert server.status().users == 0
    taken.close()
    server.join()
    assert server.status().port == port


def test_what_is_no_port(new_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting that is no port is told as one."""
    for setting in ("0", "65536", "five", "-1"):
        monkeypatch.setenv("DJARROW_PG_PORT", setting)
        with pytest.raises(ConfigError, match=f"DJARROW_PG_PORT is '{setting}'"):
            EmbeddedServer(new_root).join()
