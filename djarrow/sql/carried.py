"""What an export carries of the notes beside a table: of which makes its rows are, these, changes, acceptances.

The attributes of their files, and the statements that read them. docs/decisions/026-provenance-in-repositories.md.
"""

from __future__ import annotations

from enum import StrEnum

from attrs import evolve, frozen

from djarrow.model.heading import Attribute, Heading, Special
from djarrow.model.names import TableName
from djarrow.model.spec import TableSpec
from djarrow.model.types import core
from djarrow.sql.accepted import ACCEPTED, HASH, accepted_spec, hash_of
from djarrow.sql.ddl import MADE, full_name
from djarrow.sql.literals import identifier, quoted
from djarrow.sql.makes import MAKES, SNAPSHOT, TRANSACTION, makes_spec
from djarrow.sql.updates import LOG, LONGEST, key_of, log_spec


class Kind(StrEnum):
    """The files that tell of the rows of a table, in the order in which they are restored."""

    ROWS = "rows"
    MAKES = "makes"
    UPDATES = "updates"
    ACCEPTED = "accepted"


def carried_spec(kind: Kind, spec: TableSpec) -> TableSpec:
    """The table that a file of this kind is, of a table of this spec."""
    match kind:
        case Kind.ROWS:
            own = spec.heading
            make = Attribute(make_name(spec), core("uuid"), comment="the make that the row comes from")
            heading = Heading((*(own[name] for name in own.primary_key), make), own.primary_key)
            comment = f"of which makes the rows of {spec.name} are"
        case Kind.MAKES:
            heading, comment = _numbered(makes_spec(spec.name.schema)), f"the makes of the rows of {spec.name}"
        case Kind.UPDATES:
            heading, comment = _numbered(log_spec(spec.name.schema)), f"what was changed in rows of {spec.name}"
        case Kind.ACCEPTED:
            heading, comment = _numbered(accepted_spec(spec.name.schema)), f"rows of {spec.name} that hold all the same"
    name = TableName(spec.name.schema, f"~{spec.name.table} {kind}")
    plain = tuple(evolve(a, lineage=None, default=None if a.default is Special.AUTO else a.default) for a in heading)
    return TableSpec(name, comment, Heading(plain, heading.primary_key))


def is_carried(name: TableName) -> bool:
    """Whether a name is that of such a file, which no database has as a table."""
    return name.is_note and name.table.rpartition(" ")[2] in set(Kind)


def make_name(spec: TableSpec) -> str:
    """What the number of the make is called beside the key: `make`, where the key leaves that free."""
    name = "make"
    while name in spec.heading.primary_key:
        name = f"make_{name}"
    return name


def _numbered(spec: TableSpec) -> Heading:
    """The attributes of a note, and the transactions by which it is known what a make has seen."""
    attributes = spec.heading.attributes
    transaction = Attribute(
        "transaction", core("int64"), nullable=True, default=Special.NULL, comment="that wrote this: decision 026"
    )
    snapshot = Attribute(
        "snapshot", core("varchar", LONGEST), nullable=True, default=Special.NULL, comment="what it saw: decision 026"
    )
    more = (transaction,) if spec.name.table == LOG else (transaction, snapshot)
    return Heading((*attributes, *more), spec.heading.primary_key)


# --- reading ------------------------------------------------------------------------------------------------------


@frozen(cache_hash=True)
class Carried:
    """The rows of one of these files. rows: the SELECT of the key of the rows that are exported; None for all.

    server: the number of the server, by which its transactions are told from those of others. numbered: whether the
    changes tell their transactions.
    """

    kind: Kind
    spec: TableSpec
    rows: str | None
    server: int
    numbered: bool = True

    def has_rows(self) -> str:
        """The statement that tells whether there are any, as `found`."""
        return f"SELECT EXISTS (\n{self.text()}\n) AS found"

    @property
    def tables(self) -> frozenset[TableName]:
        """The tables that it reads."""
        notes = {Kind.ROWS: (), Kind.MAKES: (MAKES,), Kind.UPDATES: (LOG,), Kind.ACCEPTED: (ACCEPTED,)}[self.kind]
        return frozenset({self.spec.name, *(TableName(self.spec.name.schema, note) for note in notes)})

    def __str__(self) -> str:
        return f"{self.kind} of {self.spec.name}"

    def text(self) -> str:
        """The statement."""
        match self.kind:
            case Kind.ROWS:
                key = "".join(f"t.{identifier(name)}, " for name in self.spec.heading.primary_key)
                return f"SELECT {key}t.{identifier(MADE)} AS {identifier(make_name(self.spec))}\n{self._made()}"
            case Kind.MAKES:
                return f'{self._notes(MAKES)} WHERE n."make" IN (\nSELECT t.{identifier(MADE)} {self._made()}\n)'
            case Kind.UPDATES:
                keys = self._among('n."key"', key_of(self.spec, "c"))
                return f"{self._notes(LOG)} WHERE {self._of_table()}{keys}"
            case Kind.ACCEPTED:
                hashed = self._among(f"n.{identifier(HASH)}", hash_of(self.spec, "c"))
                return (
                    f"{self._notes(ACCEPTED)} WHERE {self._of_table()}{hashed} "
                    f'AND n."make" IN (\nSELECT t.{identifier(MADE)} {self._made()}\n)'
                )

    def _of_table(self) -> str:
        return f'n."table_name" = {quoted(self.spec.name.table)}'

    def _among(self, note: str, of_row: str) -> str:
        """That a note is of a row that is exported. of_row: what the note would have of a row c."""
        return "" if self.rows is None else f" AND {note} IN (SELECT {of_row} FROM (\n{self.rows}\n) AS c)"

    def _made(self) -> str:
        """FROM the rows t that are exported and that a make has written."""
        text = f"FROM {full_name(self.spec.name)} AS t\nWHERE t.{identifier(MADE)} IS NOT NULL"
        if self.rows is None:
            return text
        key = self.spec.heading.primary_key
        same = " AND ".join(f"t.{identifier(name)} = c.{identifier(name)}" for name in key) or "TRUE"
        return f"{text} AND EXISTS (SELECT FROM (\n{self.rows}\n) AS c WHERE {same})"

    def _notes(self, note: str) -> str:
        spec = carried_spec(self.kind, self.spec)
        columns = [f"n.{identifier(name)}" for name in spec.heading.names if name not in ("transaction", "snapshot")]
        numbered = f"n.{identifier(TRANSACTION)}" if self.numbered else "NULL::xid8"
        columns.append(f"{_told(numbered, self.server)} AS transaction")
        if "snapshot" in spec.heading:
            columns.append(f"{_seen(f'n.{identifier(SNAPSHOT)}', self.server)} AS snapshot")
        return f"SELECT {', '.join(columns)}\nFROM {full_name(TableName(self.spec.name.schema, note))} AS n"


SERVERS = 2**15
"""How many numbers of servers there are, from 1: 0 stands for the server itself."""

OWN = 2**48
"""Transactions of the server itself have numbers below this; others' have that of their server times this added."""


def this_server() -> str:
    """The number of the server, from 1: another for one whose transactions count anew."""
    return f"SELECT (system_identifier & {2**62 - 1}) % {SERVERS - 1} + 1 AS number FROM pg_control_system()"


def server_of(transaction: str) -> str:
    """The number of the server of a transaction; 0 of this one. transaction: an xid8."""
    return f"floor({transaction}::text::numeric / {OWN})"  # of a number from elsewhere, which may be any


def _told(transaction: str, server: int) -> str:
    """The number of a transaction with that of its server."""
    number = f"{transaction}::text::bigint"
    return f"(CASE WHEN {number} < {OWN} THEN {number} + {server * OWN} ELSE {number} END)"


def _seen(snapshot: str, server: int) -> str:
    """A snapshot of such numbers, as text."""
    first, next_one = (_told(f"pg_snapshot_{bound}({snapshot})", server) for bound in ("xmin", "xmax"))
    running = f"SELECT string_agg({_told('x', server)}::text, ',' ORDER BY x) FROM pg_snapshot_xip({snapshot}) AS x"
    none = f"{snapshot}::text LIKE '%:'"  # most often, and to ask so costs less
    return f"({first}::text || ':' || {next_one}::text || ':' || CASE WHEN {none} THEN '' ELSE ({running}) END)"
