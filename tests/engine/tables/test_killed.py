"""A process that is killed while it inserts leaves all of its rows or none. Many times: tests/soak."""

from __future__ import annotations

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from tests.killed import check_all_or_nothing, kill_at_moments


def test_a_killed_insert_leaves_all_or_nothing(connection: PostgresConnection, schema: dj.Schema) -> None:
    """Killed with -9 at five moments of an insert of 200,000 rows."""
    check_all_or_nothing(kill_at_moments(connection, schema, rows=200_000, moments=5), 200_000)
