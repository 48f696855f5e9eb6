"""Processes killed while they insert a million rows."""

from __future__ import annotations

import os

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from tests.killed import check_all_or_nothing, kill_at_moments

MOMENTS = int(os.environ.get("DJARROW_SOAK", "50"))
ROWS = 1_000_000


def test_killed_inserts_leave_all_or_nothing(connection: PostgresConnection, schema: dj.Schema) -> None:
    """Killed with -9 at many moments, spread over the time from the call of insert to its end."""
    killed = kill_at_moments(connection, schema, rows=ROWS, moments=MOMENTS)
    assert len(killed) == MOMENTS
    check_all_or_nothing(killed, ROWS)
    assert sum(each.rows == 0 for each in killed) >= MOMENTS // 4  # the moments were those of the work
