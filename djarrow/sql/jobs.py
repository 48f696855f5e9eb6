"""The queue of a schema: the table of its jobs, and the statements on them. Who works on them: leases.py.

docs/decisions/017-makes-and-jobs.md. A job is what one key of a table is to be made by; whoever makes it has its token.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from attrs import frozen

from djarrow.expr.nodes import Node
from djarrow.model.heading import Attribute, Heading, Origin, Special
from djarrow.model.names import NAME_BYTES, TableName
from djarrow.model.spec import TableSpec
from djarrow.model.types import Family, core
from djarrow.sql.ddl import block, compared, create_table, full_name
from djarrow.sql.dialects import Dialect
from djarrow.sql.leases import Worker, create_workers, from_now, workers_of
from djarrow.sql.literals import identifier, quoted

JOBS = "~jobs"
"""Its name in the schema, beside `~makes` and `~updates`."""

STATUSES = ("pending", "reserved", "success", "error", "ignore")

USUAL_PRIORITY = 5

MESSAGE, STACK = 2047, 10_485_760
"""Characters of an error's message, and of its stack. The type says so; the column of the stack has no limit."""

_TEXT = 'text COLLATE "C"'


def jobs_spec(schema: str) -> TableSpec:
    """The jobs of a schema, as a table. Specification: 001 9.1.4."""
    name = TableName(schema, JOBS)
    null: Any = {"nullable": True, "default": Special.NULL}
    named, moment = core("varchar", NAME_BYTES), core("timestamp")
    attributes = (
        Attribute("table_name", named, comment="the table, as it is called in the schema", lineage=_origin(name, 0)),
        Attribute("key_hash", core("varchar", 32), comment="MD5 of the key", lineage=_origin(name, 1)),
        Attribute("status", core("enum", *STATUSES), default="pending", comment="what became of it"),
        Attribute("key", core("json"), comment="the primary key that is to be made"),
        Attribute("priority", core("int16"), default=USUAL_PRIORITY, comment="the smallest goes first"),
        Attribute("scheduled", moment, default=Special.NOW, comment="not before"),
        Attribute("error_message", core("varchar", MESSAGE), default="", comment="what its make raised"),
        Attribute("error_stack", core("varchar", STACK), comment="and where", **null),
        Attribute("host", core("varchar", 255), default="", comment="where it was last reserved"),
        Attribute("pid", core("int64"), default=0, comment="by which process"),
        Attribute("timestamp", moment, default=Special.NOW, comment="when its status changed"),
    )
    return TableSpec(name, "the keys that are to be made, and those whose make failed", Heading(attributes, _KEY))


_KEY = ("table_name", "key_hash")


def _origin(name: TableName, number: int) -> Origin:
    return Origin(name, _KEY[number])


def create_queue(schema: str) -> str:
    """The statement that makes the tables of a queue, where there are none. It must not run twice at once."""
    jobs = _jobs(schema)
    return block(
        [
            *create_table(jobs_spec(schema), {"error_stack": _TEXT}),
            f'ALTER TABLE {jobs} ADD COLUMN "_token" uuid, ADD COLUMN "_number" bigint GENERATED ALWAYS AS IDENTITY',
            f'CREATE INDEX ON {jobs} ("table_name", "priority", "_number") WHERE "status" = \'pending\'',
            f'CREATE INDEX ON {jobs} ("table_name", "_token") WHERE "status" = \'reserved\'',
            create_workers(schema),
        ],
        unless="duplicate_table",
    )


def find_queue(schema: str) -> str:
    """Whether there is a queue, as `found`."""
    return f"SELECT to_regclass({quoted(workers_of(schema))}) IS NOT NULL AS found"


def take_back(schema: str) -> str:
    """Jobs of workers whose leases are over are pending again, and these workers are struck off. Gives the number `n`.

    A job that someone else works on is left to them. Its token is compared again once it is locked: it may have
    got another worker since.
    """
    jobs, workers = _jobs(schema), workers_of(schema)
    return (
        f'WITH over AS (DELETE FROM {workers} WHERE "expires" < clock_timestamp()),\n'
        f"picked AS (\n"
        f'SELECT j."table_name", j."key_hash", j."_token" FROM {jobs} AS j\n'
        f"WHERE j.\"status\" = 'reserved' AND NOT EXISTS (SELECT FROM {workers} AS w "
        f'WHERE w."token" = j."_token" AND w."expires" >= clock_timestamp())\n'
        "FOR UPDATE SKIP LOCKED\n)\n"
        f', back AS (UPDATE {jobs} AS j SET "status" = \'pending\', "_token" = NULL, "timestamp" = now() '
        f'FROM picked AS p WHERE {_same("j", "p")} AND j."_token" = p."_token" RETURNING 1)\n'
        "SELECT count(*) AS n FROM back"
    )


# --- jobs ------------------------------------------------------------------------------------------------------------


def refresh(
    spec: TableSpec, pending: Node, order: str, *, priority: int, delay: float, forget: Node | None, ignored: bool
) -> str:
    """Enter the keys of a query as pending jobs, those that were made once and are missing again among them.

    order: "original", "reverse" or "random". delay: seconds before which they are not made. forget: the keys that
    are still to be made; pending jobs of others are struck off. ignored: they are not to be made, and jobs that there
    are become such, too, but for reserved ones. Gives `added` and `removed`.
    """
    status, changed = ("ignore", "j.\"status\" NOT IN ('reserved', 'ignore')") if ignored else ("pending", _WAS_MADE)
    jobs, names = _jobs(spec.name.schema), pending.heading.primary_key
    direction = {"original": "", "reverse": " DESC"}
    columns = ", ".join(f"q.{identifier(name)}{direction.get(order, '')}" for name in names)
    by = columns if order in direction else "random()"
    when = "clock_timestamp()" if delay <= 0 else from_now(delay)
    table, wanted = quoted(spec.name.table), _source(pending, names)
    removed = "SELECT 1 WHERE FALSE"
    if forget is not None:
        left = "wanted" if forget is pending else f"({hashes(forget)})"
        removed = (
            f'DELETE FROM {jobs} AS j WHERE j."table_name" = {table} AND j."status" = \'pending\' '
            f'AND NOT EXISTS (SELECT FROM {left} AS w WHERE j."key_hash" = w.key_hash) RETURNING 1'
        )
    return (
        f"WITH wanted AS (\nSELECT k, {_HASH} AS key_hash, n FROM (SELECT {_key_of(names)} AS k, "
        f"row_number() OVER ({f'ORDER BY {by}' if by else ''}) AS n\nFROM ({wanted}) AS q) AS s\n),\n"
        f"removed AS (\n{removed}\n),\nadded AS (\n"
        f'INSERT INTO {jobs} AS j ("table_name", "key_hash", "status", "key", "priority", "scheduled")\n'
        f"SELECT {table}, w.key_hash, {quoted(status)}, w.k, {int(priority)}, {when} FROM wanted AS w\n"
        f'WHERE NOT EXISTS (SELECT FROM {jobs} AS j WHERE j."table_name" = {table} '
        f'AND j."key_hash" = w.key_hash AND NOT ({changed}))\nORDER BY w.n\n'
        'ON CONFLICT ("table_name", "key_hash") DO UPDATE SET "status" = EXCLUDED."status", "timestamp" = now(), '
        f'"priority" = EXCLUDED."priority", "scheduled" = EXCLUDED."scheduled" WHERE {changed}\n'
        "RETURNING 1\n)\n"
        "SELECT (SELECT count(*) FROM added) AS added, (SELECT count(*) FROM removed) AS removed"
    )


def find_pending(spec: TableSpec) -> str:
    """Whether the queue has a job of a table to be made now, as `found`."""
    return (
        f'SELECT EXISTS (SELECT FROM {_jobs(spec.name.schema)} WHERE "table_name" = {quoted(spec.name.table)} '
        'AND "status" = \'pending\' AND "scheduled" <= clock_timestamp()) AS found'
    )


_HASH = "md5(k::text)"

_WAS_MADE = "j.\"status\" = 'success'"


def _key_of(names: Sequence[str]) -> str:
    """The key of a row of q as the queue keeps it. jsonb has one form for a key, whatever the order of its names."""
    pairs = ", ".join(f"{quoted(name)}, q.{identifier(name)}" for name in names)
    return f"jsonb_build_object({pairs})"


@frozen
class Reservation:
    """Which jobs may be reserved. most: how many; priority: none that comes later; among: only keys of this query."""

    most: int
    priority: int | None = None
    among: Node | None = None


def reserve(spec: TableSpec, heading: Heading, worker: Worker, wanted: Reservation) -> str:
    """Reserve pending jobs for a worker, of those that are first. Others that reserve at the same time take others.

    heading: of the keys. Gives a row each: `_hash`, `_made` (its row is there already), and the key.
    """
    jobs, names = _jobs(spec.name.schema), heading.primary_key
    where = [
        f'j."table_name" = {quoted(spec.name.table)}',
        "j.\"status\" = 'pending'",
        'j."scheduled" <= clock_timestamp()',
    ]
    where += [] if wanted.priority is None else [f'j."priority" <= {int(wanted.priority)}']
    if wanted.among is not None:
        source = _source(wanted.among, names)
        where.append(f"EXISTS (SELECT FROM ({source}) AS q WHERE {_equal('q', heading)})")
    made = f"EXISTS (SELECT FROM {full_name(spec.name)} AS q WHERE {_equal('q', heading)})"
    columns = _columns(heading.select(names))
    return (
        f'WITH picked AS (\nSELECT j."table_name", j."key_hash" FROM {jobs} AS j\nWHERE {" AND ".join(where)}\n'
        f'ORDER BY j."priority", j."_number" LIMIT {int(wanted.most)} FOR UPDATE SKIP LOCKED\n),\n'
        f"reserved AS (\nUPDATE {jobs} AS j SET \"status\" = 'reserved', \"_token\" = '{worker.token}', "
        f'"host" = {quoted(worker.host)}, "pid" = {worker.pid}, "timestamp" = now()\n'
        f'FROM picked AS p WHERE {_same("j", "p")} RETURNING j."key", j."key_hash", j."priority", j."_number"\n)\n'
        f'SELECT j."key_hash" AS "_hash", {made} AS "_made"{", " if columns else ""}{columns} FROM reserved AS j '
        'ORDER BY j."priority", j."_number"'
    )


def _equal(alias: str, heading: Heading) -> str:
    same = (f"{compared(heading[n], alias)} = {_typed(heading[n])}" for n in heading.primary_key)
    return " AND ".join(same) or "TRUE"


def _columns(heading: Heading) -> str:
    """The key of a job j as columns, as results are read."""
    return ", ".join(
        f"({_typed(attribute)}){'::text' if _leaves_as_text(attribute) else ''} AS {identifier(attribute.name)}"
        for attribute in heading
    )


def _typed(attribute: Attribute) -> str:
    """An attribute of the key of a job j, in its type."""
    return f'(j."key" ->> {quoted(attribute.name)})::{attribute.type.postgres}'


def _leaves_as_text(attribute: Attribute) -> bool:
    kind = attribute.type
    return kind.family in (Family.STRING, Family.ENUM) or Dialect.POSTGRES.reads_as_text(kind)


def finish(schema: str, table: str, job: str, token: uuid.UUID, *, keep: bool) -> str:
    """Take a job out of the queue, or keep it as done, where the token still holds it."""
    values = (quoted(job), f"'{token}'")
    return "".join(values[p] if isinstance(p, int) else p for p in finish_job(schema, table, 0, 1, keep=keep))


def finish_job(schema: str, table: str, job: int, token: int, *, keep: bool) -> list[str | int]:
    """The same as a part of another statement, of which the places of the hash and of the token are given."""
    mine: list[str | int] = [
        f'WHERE "table_name" = {quoted(table)} AND "status" = \'reserved\' AND "key_hash" = ',
        job,
        ' AND "_token" = ',
        token,
        " RETURNING 1",
    ]
    if not keep:
        return [f"DELETE FROM {_jobs(schema)} ", *mine]
    return [f"UPDATE {_jobs(schema)} SET {_DONE} ", *mine]


_DONE = '"status" = \'success\', "_token" = NULL, "error_message" = \'\', "error_stack" = NULL, "timestamp" = now()'


def finish_jobs(schema: str, table: str, hashes: Sequence[str], token: uuid.UUID, *, keep: bool) -> str:
    """The same of several jobs. Gives a row for each that the token still holds."""
    where = f"WHERE {_mine(table, token, hashes)} RETURNING 1"
    return f"UPDATE {_jobs(schema)} SET {_DONE} {where}" if keep else f"DELETE FROM {_jobs(schema)} {where}"


def fail(schema: str, table: str, job: str, token: uuid.UUID, *, message: str, stack: str) -> str:
    """Note what a make raised; gives a row if the token still held the job."""
    return (
        f'UPDATE {_jobs(schema)} SET "status" = \'error\', "_token" = NULL, "timestamp" = now(), '
        f'"error_message" = {quoted(message[:MESSAGE])}, "error_stack" = {quoted(stack)}\n'
        f"WHERE {_mine(table, token, [job])} RETURNING 'failed'"
    )


def give_back(schema: str, table: str, token: uuid.UUID, hashes: Sequence[str] | None = None) -> str:
    """Jobs of a worker, all or these, are pending again."""
    where = _mine(table, token, hashes)
    return f'UPDATE {_jobs(schema)} SET "status" = \'pending\', "_token" = NULL, "timestamp" = now() WHERE {where}'


def find(schema: str, table: str, job: str, token: uuid.UUID) -> str:
    """Whether a token still holds a job, as `found`."""
    return f"SELECT EXISTS (SELECT FROM {_jobs(schema)} WHERE {_mine(table, token, [job])}) AS found"


def held(schema: str, table: str, token: uuid.UUID, hashes: Sequence[str]) -> str:
    """Which of these jobs a token still holds: a row each with its `hash`."""
    return f'SELECT "key_hash" AS hash FROM {_jobs(schema)} WHERE {_mine(table, token, hashes)}'


def place_of(spec: TableSpec) -> str:
    """Which table of which database this is, as `place`: the same for all who see this very table, whatever way."""
    table = f"{quoted(full_name(spec.name))}::regclass"
    return (
        "SELECT concat_ws('/', (SELECT system_identifier FROM pg_control_system()), "
        f"(SELECT oid FROM pg_database WHERE datname = current_database()), {table}::oid) AS place"
    )


def _mine(table: str, token: uuid.UUID, hashes: Sequence[str] | None) -> str:
    where = f'"table_name" = {quoted(table)} AND "status" = \'reserved\' AND "_token" = \'{token}\''
    if hashes is None:
        return where
    return f'{where} AND "key_hash" IN ({", ".join(map(quoted, hashes))})'


def change(schema: str, chosen: Node, status: str) -> str:
    """Give the jobs of a query another status; those that are reserved stay with their worker. Gives the number `n`."""
    return (
        f'WITH changed AS (UPDATE {_jobs(schema)} AS j SET "status" = {quoted(status)}, "timestamp" = now(), '
        f'"error_message" = \'\', "error_stack" = NULL FROM ({_keys(chosen)}) AS p '
        f"WHERE {_same('j', 'p')} AND j.\"status\" <> 'reserved' RETURNING 1) SELECT count(*) AS n FROM changed"
    )


def clear(schema: str, chosen: Node) -> str:
    """Strike the jobs of a query off; those that are reserved stay with their worker. Gives the number `n`."""
    return (
        f"WITH cleared AS (DELETE FROM {_jobs(schema)} AS j USING ({_keys(chosen)}) AS p "
        f"WHERE {_same('j', 'p')} AND j.\"status\" <> 'reserved' RETURNING 1) SELECT count(*) AS n FROM cleared"
    )


def schedule(schema: str, chosen: Node, *, priority: int | None, delay: float | None) -> str:
    """Give the pending jobs of a query another priority, or another time not before which they are made, or both.

    Gives the number `n`.
    """
    given = [] if priority is None else [f'"priority" = {int(priority)}']
    given += [] if delay is None else [f'"scheduled" = {from_now(delay) if delay > 0 else "clock_timestamp()"}']
    return (
        f"WITH changed AS (UPDATE {_jobs(schema)} AS j SET {', '.join(given)} FROM ({_keys(chosen)}) AS p "
        f"WHERE {_same('j', 'p')} AND j.\"status\" = 'pending' RETURNING 1) SELECT count(*) AS n FROM changed"
    )


def _keys(chosen: Node) -> str:
    return _source(chosen, _KEY)


# --- what is asked of it ---------------------------------------------------------------------------------------------


def hashes(keys: Node) -> str:
    """How the queue calls the keys of a query, as `key_hash`."""
    names = keys.heading.primary_key
    source = _source(keys, names)
    return f"SELECT {_HASH} AS key_hash FROM (SELECT {_key_of(names)} AS k FROM ({source}) AS q) AS s"


def keys(schema: str, chosen: Node, heading: Heading) -> str:
    """The keys that the jobs of a query are for, in the types of this heading."""
    return f"SELECT {_columns(heading)} FROM {_jobs(schema)} AS j JOIN ({_keys(chosen)}) AS p ON {_same('j', 'p')}"


def counts(spec: TableSpec, every: Node, missing: Node, *, queued: bool) -> str:
    """How many keys a table has: `total`, those that are `missing`, and of these, by their jobs, how many are
    `reserved`, `error` and `ignored`. queued: whether there is a queue.
    """
    names = missing.heading.primary_key
    source = _source(missing, names)
    kept = '(SELECT 0 AS "reserved", 0 AS "error", 0 AS "ignored")'
    if queued:
        columns = {"reserved": "reserved", "error": "error", "ignored": "ignore"}
        filtered = ", ".join(f'count(*) FILTER (WHERE j."status" = \'{columns[c]}\') AS "{c}"' for c in columns)
        kept = (
            f'(SELECT {filtered} FROM {_jobs(spec.name.schema)} AS j\nWHERE j."table_name" = '
            f"{quoted(spec.name.table)} AND j.\"status\" IN ('reserved', 'error', 'ignore') "
            f"AND EXISTS (SELECT FROM missing AS q WHERE {_equal('q', missing.heading)}))"
        )
    return (
        f"WITH missing AS (\n{source}\n)\n"
        f"SELECT ({_count(every)}) AS total, (SELECT count(*) FROM missing) AS missing, "
        f'j."reserved", j."error", j."ignored"\nFROM {kept} AS j'
    )


def holders(schema: str, tables: Sequence[str]) -> str:
    """Who has reserved jobs of these tables: a row a worker, `token` as text and when its lease `expires`.

    expires: as text, NULL where it was struck off. over: whether it has passed.
    """
    names = ", ".join(map(quoted, tables))
    return (
        f'SELECT j."_token"::text AS token, w."expires"::text AS expires, '
        f'coalesce(w."expires" < clock_timestamp(), TRUE) AS over\n'
        f'FROM (SELECT DISTINCT "_token" FROM {_jobs(schema)} WHERE "status" = \'reserved\' '
        f'AND "table_name" IN ({names})) AS j LEFT JOIN {workers_of(schema)} AS w ON w."token" = j."_token"'
    )


# --- queries within statements ---------------------------------------------------------------------------------------


def _source(query: Node, names: Sequence[str]) -> str:
    from djarrow.sql import compile as compiler  # it loads the library of SQL trees, which `import djarrow` does not

    return compiler.source(query, Dialect.POSTGRES, tuple(names)).text


def _count(query: Node) -> str:
    from djarrow.sql import compile as compiler

    return compiler.count(query, Dialect.POSTGRES).text


# --- names -----------------------------------------------------------------------------------------------------------


def _jobs(schema: str) -> str:
    return full_name(TableName(schema, JOBS))


def _same(one: str, other: str) -> str:
    return f'{one}."table_name" = {other}."table_name" AND {one}."key_hash" = {other}."key_hash"'
