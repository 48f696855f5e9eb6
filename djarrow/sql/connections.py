"""Who is connected to the database, and the statement that ends one of them."""

from __future__ import annotations

import datetime

from djarrow.model.heading import Attribute, Heading
from djarrow.model.names import NAME_BYTES
from djarrow.model.types import core
from djarrow.sql.dialects import Dialect
from djarrow.sql.literals import literal

_NAME, _TEXT, _MOMENT = core("varchar", NAME_BYTES), core("varchar", 10_000), core("timestamp")

HEADING = Heading(
    (
        Attribute("id", core("int32")),
        Attribute("user", _NAME, nullable=True),
        Attribute("host", _TEXT, nullable=True),
        Attribute("application", _NAME, nullable=True),
        Attribute("state", _NAME, nullable=True),
        Attribute("started", _MOMENT, nullable=True),
        Attribute("transaction_started", _MOMENT, nullable=True),
        Attribute("waiting_for", _NAME, nullable=True),
        Attribute("blocked_by", _TEXT, nullable=True),
        Attribute("query", _TEXT, nullable=True),
    ),
    ("id",),
)
"""What is told of a connection. host: NULL of one through a socket of the machine; waiting_for, blocked_by: NULL of one
that waits for nothing but its client; query: what runs, or ran last. To those who may not know, most of it is NULL."""

LIST = """
SELECT
    a.pid AS id,
    a.usename::text AS "user",
    coalesce(a.client_hostname, host(a.client_addr)) AS host,
    a.application_name::text AS application,
    a.state,
    a.backend_start AS started,
    a.xact_start AS transaction_started,
    CASE WHEN a.wait_event_type <> 'Client' THEN a.wait_event_type || ': ' || a.wait_event END AS waiting_for,
    CASE WHEN a.wait_event_type = 'Lock' THEN nullif(array_to_string(pg_blocking_pids(a.pid), ', '), '') END
        AS blocked_by,
    a.query
FROM pg_stat_activity AS a
WHERE a.datname = current_database() AND coalesce(a.backend_type, 'client backend') = 'client backend'
ORDER BY a.pid
"""
"""The statement that lists the connections to the database, the asker's among them."""

SECONDS = 5
"""How long one that is ended may take to be gone."""


def end(process: int, started: datetime.datetime | None) -> str:
    """The statement that ends a connection, and waits until it is gone; no row where it is gone already.

    started: when it began, where that may be known. The server gives the number of one that is gone to another.
    """
    moment = literal(started, _MOMENT, Dialect.POSTGRES)
    return (
        f"SELECT pg_terminate_backend(a.pid, {SECONDS * 1000}) AS ended FROM pg_stat_activity AS a "
        f"WHERE a.pid = {int(process)} AND a.backend_start IS NOT DISTINCT FROM {moment}"
    )
