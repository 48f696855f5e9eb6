"""TableSpec -> the statements that make the table.

Types and comments stay readable in the catalog (design section 5).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from djarrow.model.heading import Attribute, Special
from djarrow.model.names import NAME_BYTES, TableName
from djarrow.model.spec import ForeignKey, Index, TableSpec
from djarrow.model.values import normalise
from djarrow.sql.dialects import Dialect
from djarrow.sql.literals import identifier, literal, quoted


def create_schema(name: str) -> str:
    """CREATE SCHEMA, where it is not there yet."""
    return f"CREATE SCHEMA IF NOT EXISTS {identifier(name)}"


def lock_declarations() -> str:
    """Wait for other transactions that declare; held until ours ends."""
    return "SELECT pg_advisory_xact_lock(7305471234)"


def block(statements: Sequence[str]) -> str:
    """Many statements as one, because the driver takes one at a time: all or nothing, in one round trip."""
    tag = "$djarrow$"
    while any(tag in statement for statement in statements):
        tag = tag[:-1] + "x$"
    body = ";\n".join(statements)
    return f"DO {tag}\nBEGIN\n{body};\nEND\n{tag}"


def full_name(name: TableName) -> str:
    """The quoted name of a table with its schema."""
    return f"{identifier(name.schema)}.{identifier(name.table)}"


def create_table(spec: TableSpec) -> tuple[str, ...]:
    """The statements that make a table with its keys, checks, indexes and comments, in order."""
    table = full_name(spec.name)
    parts = [_column(a, spec) for a in spec.heading]
    parts.append(_primary_key(spec))
    parts += [_foreign_key(key, spec, number) for number, key in enumerate(spec.foreign_keys, 1)]
    body = ",\n  ".join(parts)
    statements = [f"CREATE TABLE {table} (\n  {body}\n)"]
    statements += [_index(index, spec) for index in (*spec.indexes, *_reference_indexes(spec))]
    statements += [
        f"COMMENT ON COLUMN {table}.{identifier(a.name)} IS {quoted(f':{a.type}:{a.comment}')}" for a in spec.heading
    ]
    if spec.comment:
        statements.append(f"COMMENT ON TABLE {table} IS {quoted(spec.comment)}")
    return tuple(statements)


SINGLETON = "djarrow_one_row"
"""The hidden column that is the key of a table without key attributes: it can only be true, so there is one row."""


def _primary_key(spec: TableSpec) -> str:
    if spec.heading.primary_key:
        return f"PRIMARY KEY ({_names(spec.heading.primary_key)})"
    hidden = identifier("_" + SINGLETON)
    return f"{hidden} boolean NOT NULL DEFAULT TRUE CHECK ({hidden}) PRIMARY KEY"


def _column(attribute: Attribute, spec: TableSpec) -> str:
    name = identifier(attribute.name)
    text = f"{name} {attribute.type.postgres}"
    text += "" if attribute.nullable else " NOT NULL"
    if (default := _default(attribute)) is not None:
        text += f" DEFAULT {default}"
    if check := attribute.type.row.check:
        choices = ", ".join(map(quoted, attribute.type.choices))
        constraint = constraint_name(spec, "check", attribute.name)
        text += f" CONSTRAINT {identifier(constraint)} CHECK ({check.format(column=name, choices=choices)})"
    return text


_NOW = {
    "timestamp": "now()",
    "datetime": "(now() AT TIME ZONE 'UTC')",
    "date": "((now() AT TIME ZONE 'UTC')::date)",
}


def _default(attribute: Attribute) -> str | None:
    match attribute.default:
        case None | Special.NULL:
            return None
        case Special.NOW:
            return _NOW[attribute.type.row.name]
        case value:
            return literal(normalise(value, attribute.type), attribute.type, Dialect.POSTGRES)


def _foreign_key(key: ForeignKey, spec: TableSpec, number: int) -> str:
    constraint = constraint_name(spec, "foreign", str(number))
    parents = _names(tuple(parent for _, parent in key.pairs))
    text = f"CONSTRAINT {identifier(constraint)} FOREIGN KEY ({_names(key.attributes)})"
    text += f" REFERENCES {full_name(key.parent)} ({parents})"
    if key.unique:
        unique = constraint_name(spec, "unique", str(number))
        text += f",\n  CONSTRAINT {identifier(unique)} UNIQUE ({_names(key.attributes)})"
    return text


def _reference_indexes(spec: TableSpec) -> tuple[Index, ...]:
    """An index on each foreign key that no other index of the table begins with (000 "Foreign keys", effect 3)."""
    present = [spec.heading.primary_key, *(index.attributes for index in spec.indexes)]
    present += [key.attributes for key in spec.foreign_keys if key.unique]
    wanted: list[Index] = []
    for key in spec.foreign_keys:
        size = len(key.attributes)
        if not any(set(columns[:size]) == set(key.attributes) for columns in present):
            wanted.append(Index(key.attributes))
            present.append(key.attributes)
    return tuple(wanted)


def _index(index: Index, spec: TableSpec) -> str:
    kind = "UNIQUE INDEX" if index.unique else "INDEX"
    role = "unique" if index.unique else "index"
    declared = index in spec.indexes
    name = constraint_name(spec, role if declared else "reference", *index.attributes)
    return f"CREATE {kind} {identifier(name)} ON {full_name(spec.name)} ({_names(index.attributes)})"


def constraint_name(spec: TableSpec, *words: str) -> str:
    """A name that tells table and purpose, shortened by a hash where PostgreSQL would cut it."""
    name = " ".join((spec.name.table, *words))
    if len(name.encode()) <= NAME_BYTES:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:12]
    return name.encode()[: NAME_BYTES - 13].decode(errors="ignore") + " " + digest


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(map(identifier, names))
