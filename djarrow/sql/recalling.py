"""Statements that put notes of a repository among those of a schema: what carried.py reads, restored.

What waits does so in temporary tables, which have the attributes of the files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from djarrow.model.names import TableName
from djarrow.model.spec import ForeignKey, TableSpec
from djarrow.sql.accepted import ACCEPTED, HASH
from djarrow.sql.carried import Kind, carried_spec, make_name
from djarrow.sql.ddl import full_name
from djarrow.sql.literals import identifier, quoted
from djarrow.sql.makes import MAKES, SNAPSHOT, TRANSACTION
from djarrow.sql.updates import LOG

NOTES = {Kind.MAKES: MAKES, Kind.UPDATES: LOG, Kind.ACCEPTED: ACCEPTED}
"""Kind -> the table of notes that it belongs to. The rows of a table keep their make themselves."""

_KNOWN = {
    Kind.UPDATES: ("table_name", "key", "attribute", "updated"),
    Kind.ACCEPTED: ("table_name", "key", "make", "accepted"),
}
"""By what a note is known that is there already; a make is by its number."""

_VALUES = ("old_value", "new_value")
"""By these a change is known, too. They may be NULL."""


def waiting(kind: Kind) -> TableName:
    """The temporary table in which they wait."""
    return TableName("pg_temp", f"djarrow_{kind}")


OWNERS = TableName("pg_temp", "djarrow_owners")
"""That of which makes the rows of a master are, while those of a part are restored."""


def make_of(spec: TableSpec) -> str:
    """The number of the make of a staged row s, out of those that wait; NULL of one that none has written."""
    return _make(spec, waiting(Kind.ROWS), [(name, name) for name in spec.heading.primary_key])


def make_of_owner(owner: TableSpec, key: ForeignKey) -> str:
    """The same of the row that a staged row s of a part belongs to."""
    return _make(owner, OWNERS, key.pairs)


def _make(spec: TableSpec, table: TableName, pairs: Sequence[tuple[str, str]]) -> str:
    same = " AND ".join(f"p.{identifier(parent)} = s.{identifier(child)}" for child, parent in pairs) or "TRUE"
    return f"(SELECT p.{identifier(make_name(spec))} FROM {identifier(table.table)} AS p WHERE {same})"


def analyze(table: TableName) -> str:
    """Let the server know how many wait."""
    return f"ANALYZE {identifier(table.table)}"


def drop(table: TableName) -> str:
    """Remove what waited."""
    return f"DROP TABLE {identifier(table.table)}"


def recall(kind: Kind, spec: TableSpec, *, renamed: Mapping[str, str], numbered: bool = True) -> str:
    """Add what waits to the notes of a table's schema, and not what is there already.

    renamed: tables by their names in the repository -> in the database. numbered: whether the log of changes tells
    transactions.
    """
    names = [name for name in carried_spec(kind, spec).heading.names if name not in ("id", "transaction", "snapshot")]
    columns = {name: f"w.{identifier(name)}" for name in names}
    if kind is Kind.ACCEPTED:
        columns["fingerprints"] = _renamed(columns["fingerprints"], renamed)
        columns[HASH] = 'md5(w."key"::text)'
    if numbered:
        columns[TRANSACTION] = "nullif(greatest(w.transaction, 0), 0)::text::xid8"
    if kind is not Kind.UPDATES:
        columns[SNAPSHOT] = "w.snapshot::pg_snapshot"
    note = full_name(TableName(spec.name.schema, NOTES[kind]))
    new = (
        f"INSERT INTO {note} ({', '.join(map(identifier, columns))})\nSELECT {', '.join(columns.values())}\n"
        f"FROM {identifier(waiting(kind).table)} AS w\n"
    )
    if kind is Kind.MAKES:
        return f'{new}ON CONFLICT ("make") DO NOTHING'
    same = " AND ".join(f"n.{identifier(name)} = w.{identifier(name)}" for name in _KNOWN[kind])
    same += "".join(f" AND n.{name} IS NOT DISTINCT FROM w.{name}" for name in _VALUES if kind is Kind.UPDATES)
    return f'{new}WHERE NOT EXISTS (SELECT FROM {note} AS n WHERE {same}) ORDER BY w."id"'


def _renamed(fingerprints: str, renamed: Mapping[str, str]) -> str:
    """Fingerprints by the names that the tables have in the database."""
    names = f"{quoted(json.dumps(dict(renamed)))}::jsonb"
    return (
        f"(SELECT coalesce(jsonb_object_agg(coalesce({names} ->> f.key, f.key), f.value), '{{}}') "
        f"FROM jsonb_each({fingerprints}) AS f)"
    )
