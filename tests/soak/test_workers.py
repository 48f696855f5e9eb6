"""Workers that are killed, for longer than the ordinary tests do."""

from __future__ import annotations

from pathlib import Path

import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from tests.nursery import kill_workers, nursery


@pytest.mark.timeout(1800)
def test_a_thousand_kills(connection: PostgresConnection, schema: dj.Schema, tmp_path: Path) -> None:
    """Of four workers that make three thousand keys."""
    with nursery(connection, str(schema.name), tmp_path) as opened:
        killed = kill_workers(opened, keys=3000, kills=1000, patience=600)
    assert killed.kills == 1000
