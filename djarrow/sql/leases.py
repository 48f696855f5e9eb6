"""The workers of a schema and their leases: who holds jobs, and until when on the server's clock. The jobs: jobs.py."""

from __future__ import annotations

import uuid

from attrs import frozen

from djarrow.model.names import TableName
from djarrow.sql.ddl import full_name
from djarrow.sql.literals import quoted

WORKERS = "~workers"
"""Their table in the schema, beside `~jobs`."""


@frozen
class Worker:
    """Who reserves keys: its token, and where it runs."""

    token: uuid.UUID
    host: str
    pid: int


def workers_of(schema: str) -> str:
    """The name of the table."""
    return full_name(TableName(schema, WORKERS))


def create_workers(schema: str) -> str:
    """The statement that makes it."""
    return (
        f'CREATE TABLE {workers_of(schema)} ("token" uuid PRIMARY KEY, "host" text NOT NULL, "pid" bigint NOT NULL, '
        '"started" timestamptz NOT NULL DEFAULT clock_timestamp(), "expires" timestamptz NOT NULL)'
    )


def register(schema: str, worker: Worker, lease: float) -> str:
    """Enter a worker, whose lease ends in so many seconds."""
    values = f"'{worker.token}', {quoted(worker.host)}, {worker.pid}, {from_now(lease)}"
    return f'INSERT INTO {workers_of(schema)} ("token", "host", "pid", "expires") VALUES ({values})'


def renew(schema: str, token: uuid.UUID, lease: float) -> str:
    """Prolong a lease; gives a row if it was not given away."""
    table = workers_of(schema)
    return f"UPDATE {table} SET \"expires\" = {from_now(lease)} WHERE \"token\" = '{token}' RETURNING 'renewed'"


def leave(schema: str, token: uuid.UUID) -> str:
    """Strike a worker off."""
    return f"DELETE FROM {workers_of(schema)} WHERE \"token\" = '{token}'"


def from_now(seconds: float) -> str:
    """The moment in so many seconds."""
    return f"clock_timestamp() + make_interval(secs => {float(seconds)!r})"
