"""The makes of a schema: the table that keeps what made its rows, and the statement that ends a make.

docs/decisions/017-makes-and-jobs.md.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any

from attrs import frozen

from djarrow.model.heading import Attribute, Heading, Origin, Special
from djarrow.model.names import NAME_BYTES, TableName
from djarrow.model.spec import Index, TableSpec
from djarrow.model.types import core
from djarrow.model.values import normalise
from djarrow.sql.ddl import MADE, block, compared, create_table, full_name, made_column
from djarrow.sql.dialects import Dialect
from djarrow.sql.jobs import finish_job
from djarrow.sql.literals import identifier, literal, quoted

MAKES = "~makes"
"""Its name in the schema, beside `~updates`."""


SNAPSHOT = "_snapshot"
"""The hidden column of the transactions that a make has seen, by which `stale` knows the changes that it has not."""

TRANSACTION = "_transaction"
"""The hidden column of its own transaction, whose changes it knows."""


@frozen
class Author:
    """Who makes, as its schema keeps it: where the process runs, and by which code.

    version: djarrow's. commit, dirty: of the code, and whether that was changed since; None outside of a repository.
    fingerprint: of the code of make.
    """

    host: str
    user: str
    process: int
    version: str
    fingerprint: str
    commit: str | None = None
    dirty: bool | None = None


@lru_cache(maxsize=256)
def makes_spec(schema: str) -> TableSpec:
    """The makes of a schema, as a table."""
    name = TableName(schema, MAKES)
    attributes = (
        Attribute("make", core("uuid"), comment="the number of the make", lineage=Origin(name, "make")),
        Attribute("table_name", core("varchar", NAME_BYTES), comment="the table, as it is called in the schema"),
        Attribute("started", core("timestamp"), comment="when it began"),
        Attribute("duration", core("float64"), comment="seconds that it took"),
        Attribute("keys", core("int64"), comment="how many keys it was for"),
        Attribute("host", core("varchar", 255), comment="where it ran"),
        Attribute("user", core("varchar", 255), comment="who ran it there"),
        Attribute("process", core("int64"), comment="the number of the process there"),
        Attribute("version", core("varchar", 64), comment="of djarrow"),
        Attribute("git_commit", core("varchar", 64), nullable=True, default=Special.NULL, comment="of the code"),
        Attribute("dirty", core("bool"), nullable=True, default=Special.NULL, comment="changed since that commit"),
        Attribute("fingerprint", core("varchar", 64), comment="SHA-256 of the code of make"),
    )
    return TableSpec(
        name,
        "what made the rows of the tables that fill themselves",
        Heading(attributes, ("make",)),
        indexes=(Index(("table_name", "started")), Index(("table_name", "fingerprint", "started"))),
    )


def ready_table(table: TableName) -> str:
    """Whether a table can be made: `makes`, the makes are there, and `made`, it has the hidden column."""
    return (
        f"SELECT to_regclass({quoted(full_name(TableName(table.schema, MAKES)))}) IS NOT NULL AS makes, "
        f"EXISTS (SELECT FROM pg_attribute WHERE attrelid = {quoted(full_name(table))}::regclass "
        f"AND attname = {quoted(MADE)} AND NOT attisdropped) AS made"
    )


def create_makes(schema: str) -> str:
    """The statement that makes the table of makes, where there is none. It must not run twice at once."""
    table = full_name(TableName(schema, MAKES))
    hidden = (
        f"ALTER TABLE {table} ADD COLUMN {identifier(SNAPSHOT)} pg_snapshot DEFAULT pg_current_snapshot(), "
        f"ADD COLUMN {identifier(TRANSACTION)} xid8 DEFAULT pg_current_xact_id()"
    )
    return block([*create_table(makes_spec(schema)), hidden], unless="duplicate_table")


def plan_for_many(table: TableName) -> str:
    """Have the server not look for each key in a whole table, which an INSERT of the others lets grow meanwhile.

    It plans so, in this transaction, where it believes that the table has no rows, as after all were deleted.
    """
    return (
        "SELECT set_config('enable_nestloop', 'off', TRUE) FROM pg_class "
        f"WHERE oid = {quoted(full_name(table))}::regclass AND reltuples = 0"
    )


def add_made_column(table: TableName) -> str:
    """Give a table of other software the hidden column. Its rows are not rewritten."""
    return f"ALTER TABLE {full_name(table)} ADD COLUMN IF NOT EXISTS {made_column()}"


def row_of(spec: TableSpec, key: Mapping[str, Any]) -> str:
    """A SELECT that has a row where there is one of a key."""
    same = " AND ".join(f"t.{identifier(name)} = {_literal(spec, name, value)}" for name, value in key.items())
    return f"SELECT FROM {full_name(spec.name)} AS t WHERE {same or 'TRUE'} LIMIT 1"


def rows_of(spec: TableSpec, keys: Sequence[Mapping[str, Any]]) -> str:
    """The places, from 0, of those of some keys for which there is a row."""
    rows = [
        [str(place), *(_literal(spec, name, value) for name, value in key.items())] for place, key in enumerate(keys)
    ]
    return f"SELECT v.c0 AS place FROM {_values(rows)} WHERE {_has_row(spec, keys[0], 1)}"


def _values(rows: Sequence[Sequence[str]]) -> str:
    """Rows of literals as a source of columns v.c0, v.c1, ..."""
    texts = ",\n".join(f"({', '.join(row)})" for row in rows)
    return f"(VALUES\n{texts}\n) AS v({', '.join(f'c{number}' for number in range(len(rows[0])))})"


def _has_row(spec: TableSpec, names: Iterable[str], first: int) -> str:
    """Whether a row of these has one in the table. first: the number of the column of the first attribute."""
    same = " AND ".join(
        f"{compared(spec.heading[name], 't')} = v.c{number}" for number, name in enumerate(names, start=first)
    )
    return f"EXISTS (SELECT FROM {full_name(spec.name)} AS t WHERE {same or 'TRUE'})"


@frozen
class Kept:
    """What is kept of a make of one key. seconds: that it took; ago: since it began."""

    number: uuid.UUID
    seconds: float
    ago: float
    key: Mapping[str, Any]


def finish_together(spec: TableSpec, author: Author, made: Sequence[Kept], taking: Taking | None) -> str:
    """Keep makes of one key each: those whose row is there. Gives how many these are.

    taking: where it does not take all of its jobs, nothing is kept.
    """
    rows = [[f"'{one.number}'::uuid", repr(one.seconds), repr(one.ago), *_literals(spec, one.key)] for one in made]
    insert = Finishing(tuple(_insert(spec.name, author, ago=3)), ()).text(["v.c0", "v.c1", "1", "v.c2"])
    kept = f"{insert}\nFROM {_values(rows)}\nWHERE {_has_row(spec, made[0].key, 3)}{_all_taken(taking)}\nRETURNING 1"
    parts = [*([] if taking is None else [f"job AS (\n{taking.statement}\n)"]), f"kept AS (\n{kept}\n)"]
    return f"WITH {', '.join(parts)}\nSELECT (SELECT count(*) FROM kept)"


@frozen
class Finishing:
    """The statement that ends the makes of a table: an INSERT into the makes, which gives one row where the row of the
    key is there, and none where it is missing.

    parts: its text; a number stands for the value of that place: the make's number, the seconds it took, how many keys
    it was for, the key, and, with a job, its hash and its token. types: PostgreSQL's of these.
    """

    parts: tuple[str | int, ...]
    types: tuple[str, ...]

    @cached_property
    def body(self) -> str:
        """The statement with $1, $2, ... for the values."""
        return "".join(f"${part + 1}" if isinstance(part, int) else part for part in self.parts)

    def text(self, values: Sequence[str]) -> str:
        """The statement with these literals."""
        return "".join(values[part] if isinstance(part, int) else part for part in self.parts)


def finishing(spec: TableSpec, names: Sequence[str], author: Author, *, job: bool, keep: bool) -> Finishing:
    """How makes of keys of these attributes end. job: they are of the queue, and it is taken out where the token holds
    it still, else nothing is kept. keep: it stays there, as done.
    """
    types = ("uuid", "float8", "bigint", *(spec.heading[name].type.postgres for name in names))
    places: list[str | int] = []
    for place, name in enumerate(names, start=3):
        places += [f"{' AND ' if places else ''}t.{identifier(name)} = ", place]
    exists = [f"EXISTS (SELECT FROM {full_name(spec.name)} AS t WHERE ", *(places or ["TRUE"]), ")"]
    parts = [*_insert(spec.name, author), "\nWHERE ", *exists]
    if job:
        taken = finish_job(spec.name.schema, spec.name.table, len(types), len(types) + 1, keep=keep)
        parts = ["WITH job AS (\n", *taken, "\n)\n", *parts, " AND EXISTS (SELECT FROM job)"]
        types = (*types, "text", "uuid")
    return Finishing((*parts, "\nRETURNING 'made'"), types)


def values_of(spec: TableSpec, number: uuid.UUID, seconds: float, keys: int, key: Mapping[str, Any]) -> list[str]:
    """The literals of a make for its finishing statement, but for the job's."""
    return [f"'{number}'", repr(seconds), str(keys), *_literals(spec, key)]


LAST = 20
"""Among how many of the last makes of a table the largest is looked for: the very last one often is what was left."""


def largest_of_the_last(table: TableName, fingerprint: str) -> str:
    """The statement that tells how many keys the largest of the last makes by this code was for, and its seconds."""
    return (
        f'SELECT m."keys", m."duration" FROM (\nSELECT "keys", "duration" '
        f"FROM {full_name(TableName(table.schema, MAKES))} "
        f'WHERE "table_name" = {quoted(table.table)} AND "fingerprint" = {quoted(fingerprint)} '
        f'ORDER BY "started" DESC LIMIT {LAST}\n) AS m ORDER BY m."keys" DESC LIMIT 1'
    )


@frozen
class Taking:
    """The jobs of a set of keys: the statement that takes them out of the queue, and how many they are."""

    statement: str
    jobs: int


def finish_batch(
    table: TableName, author: Author, values: Sequence[str], missing: str, taking: Taking | None = None
) -> str:
    """Keep a make of several keys: an INSERT that gives one row, and none where the SELECT of missing keys has any.

    values: the make's number, the seconds it took, and how many keys it was for. taking: where it does not take all of
    its jobs, nothing is kept, either.
    """
    insert = _filled(table, author, values)
    return f"{_with(taking)}{insert}\nWHERE NOT EXISTS (\n{missing}\n){_all_taken(taking)}\nRETURNING 'made'"


def finish_counted(
    table: TableName, author: Author, values: Sequence[str], made: str, left: str, *, taking: Taking | None = None
) -> str:
    """Keep a make of as many keys as a SELECT counts, where these are any and all of its jobs were taken.

    values: the make's number and the seconds it took. made, left: the SELECTs that count; made has the column `n`.
    Gives one row: how many were made, how many are left, and whether all of its jobs were taken.
    """
    insert = _filled(table, author, [*values, "made.n"])
    return (
        f"{_with(taking, further=True)}made AS (\n{made}\n),\n"
        f"kept AS (\n{insert}\nFROM made WHERE made.n > 0{_all_taken(taking)}\n)\n"
        f"SELECT (SELECT n FROM made), (\n{left}\n), TRUE{_all_taken(taking)}"
    )


def _with(taking: Taking | None, *, further: bool = False) -> str:
    """The beginning of a statement that takes jobs. further: other parts of its WITH follow."""
    if taking is None:
        return "WITH " if further else ""
    return f"WITH job AS (\n{taking.statement}\n){',' if further else ''}\n"


def _all_taken(taking: Taking | None) -> str:
    return "" if taking is None else f" AND (SELECT count(*) FROM job) = {taking.jobs}"


def _filled(table: TableName, author: Author, values: Sequence[str]) -> str:
    return Finishing(tuple(_insert(table, author)), ()).text(values)


def _literals(spec: TableSpec, key: Mapping[str, Any]) -> list[str]:
    return [_literal(spec, name, value) for name, value in key.items()]


def _literal(spec: TableSpec, name: str, value: Any) -> str:
    kind = spec.heading[name].type
    return literal(normalise(value, kind), kind, _PG)


def _insert(table: TableName, author: Author, *, ago: int = 1) -> list[str | int]:
    """INSERT of what is kept of a make, without its WHERE. ago: the place of the seconds since it began."""
    kept = {
        "table_name": table.table,
        "host": author.host,
        "user": author.user,
        "process": author.process,
        "version": author.version,
        "git_commit": author.commit,
        "dirty": author.dirty,
        "fingerprint": author.fingerprint,
    }
    heading = makes_spec(table.schema).heading
    given = [literal(normalise(value, heading[name].type), heading[name].type, _PG) for name, value in kept.items()]
    columns = ", ".join(map(identifier, ("make", "duration", "started", "keys", *kept)))
    return [
        f"INSERT INTO {full_name(TableName(table.schema, MAKES))} ({columns})\nSELECT ",
        0,
        ", ",
        1,
        ", clock_timestamp() - make_interval(secs => ",
        ago,
        "), ",
        2,
        f", {', '.join(given)}",
    ]


_PG = Dialect.POSTGRES
