"""Deletes while others insert and delete, for longer than the ordinary tests do."""

from __future__ import annotations

import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from tests.engine.tables.test_delete_contended import check_contention


@pytest.mark.timeout(300)
def test_inserters_and_deleters(schema: dj.Schema, connection: PostgresConnection) -> None:
    """Three processes insert and two delete for twenty seconds."""
    check_contention(connection, str(schema.name), 20)
