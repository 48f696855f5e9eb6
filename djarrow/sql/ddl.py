"""TableSpec -> the statements that make the table.

Types and comments stay readable in the catalog (design section 5).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence

from attrs import evolve

from djarrow.model.describe import index_line
from djarrow.model.heading import Attribute, Special
from djarrow.model.names import NAME_BYTES, TableName
from djarrow.model.spec import ForeignKey, Index, TableSpec
from djarrow.model.types import AttributeType
from djarrow.model.values import normalise
from djarrow.sql.dialects import Dialect, by_code_points
from djarrow.sql.literals import identifier, literal, quoted


def create_schema(name: str) -> str:
    """CREATE SCHEMA, where it is not there yet."""
    return f"CREATE SCHEMA IF NOT EXISTS {identifier(name)}"


def block(statements: Sequence[str], *, unless: str | None = None) -> str:
    """Many statements as one, because the driver takes one at a time: all or nothing, in one round trip.

    unless: PostgreSQL's name of an error that undoes all of them and is none.
    """
    tag = "$djarrow$"
    while any(tag in statement for statement in statements):
        tag = tag[:-1] + "x$"
    body = ";\n".join(statements)
    passing = "" if unless is None else f"EXCEPTION WHEN {unless} THEN NULL;\n"
    return f"DO {tag}\nBEGIN\n{body};\n{passing}END\n{tag}"


def full_name(name: TableName) -> str:
    """The quoted name of a table with its schema."""
    return f"{identifier(name.schema)}.{identifier(name.table)}"


def create_table(spec: TableSpec, carriers: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """The statements that make a table with its keys, checks, indexes and comments, in order.

    carriers: the types in PostgreSQL of attributes whose parents, of other software, are not of the usual ones.
    """
    table = full_name(spec.name)
    parts = [column(a, spec, (carriers or {}).get(a.name)) for a in spec.heading]
    parts.append(_primary_key(spec))
    if spec.is_made:
        parts.append(made_column())
    parts += [text for key in spec.foreign_keys for text in foreign_key(key, spec)]
    body = ",\n  ".join(parts)
    statements = [f"CREATE TABLE {table} (\n  {body}\n)"]
    statements += _create_indexes(spec)
    statements += [column_comment(attribute, spec) for attribute in spec.heading]
    if spec.comment:
        statements.append(table_comment(spec))
    return tuple(statements)


def create_bare_table(spec: TableSpec, carriers: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """The same without foreign keys and indexes, which `complete_table` adds faster when the rows are there."""
    return create_table(evolve(spec, foreign_keys=(), indexes=()), carriers)


def complete_table(spec: TableSpec) -> tuple[str, ...]:
    """The statements that add them. The rows are checked."""
    constraints = [text for key in spec.foreign_keys for text in foreign_key(key, spec)]
    statements = [f"ALTER TABLE {full_name(spec.name)} ADD {text}" for text in constraints]
    return (*statements, *_create_indexes(spec))


def _create_indexes(spec: TableSpec) -> Iterator[str]:
    for index in spec.indexes:
        yield from create_index(index, spec, "index")
    for index in reference_indexes(spec):
        yield from create_index(index, spec, "reference")


def column_comment(attribute: Attribute, spec: TableSpec) -> str:
    """The comment of a column, which keeps the attribute's type and comment (design section 5)."""
    column = f"{full_name(spec.name)}.{identifier(attribute.name)}"
    comment = attribute.comment.replace('"', r"\"")  # as DataJoint-Python has it
    return f"COMMENT ON COLUMN {column} IS {quoted(f':{attribute.type.stored_name}:{comment}')}"


def table_comment(spec: TableSpec) -> str:
    """The comment of a table."""
    return f"COMMENT ON TABLE {full_name(spec.name)} IS {quoted(spec.comment)}"


SINGLETON = "_singleton"
"""The hidden column that is the key of a table without key attributes: it can only be true, so there is one row.
DataJoint-Python gives it the same name."""


def _primary_key(spec: TableSpec) -> str:
    if spec.heading.primary_key:
        return f"PRIMARY KEY ({_names(spec.heading.primary_key)})"
    hidden = identifier(SINGLETON)
    return f"{hidden} boolean NOT NULL DEFAULT TRUE CHECK ({hidden}) PRIMARY KEY"


MADE = "_make"
"""The hidden column of a table that fills itself: the number of the make that a row comes from, in `~makes`."""

MAKING = "djarrow.make"
"""The setting that tells it, for the time of a transaction."""


def made_column() -> str:
    """That column, which fills itself. NULL of a row that came otherwise."""
    return f"{identifier(MADE)} uuid DEFAULT nullif(current_setting({quoted(MAKING)}, true), '')::uuid"


def compared(attribute: Attribute, row: str) -> str:
    """A column in the type that terms have: tables of other software have types of their own (model/types.py)."""
    column, cast = f"{row}.{identifier(attribute.name)}", attribute.type.row.recast
    return column if cast is None else f"CAST({column} AS {cast})"


def column(attribute: Attribute, spec: TableSpec, carrier: str | None = None) -> str:
    """A column of CREATE TABLE, or of ADD COLUMN. carrier: its type in PostgreSQL, where that is not the usual one."""
    text = f"{identifier(attribute.name)} {carrier or column_type(attribute.type)}"
    text += "" if attribute.nullable else " NOT NULL"
    if attribute.default is Special.AUTO:
        text += " GENERATED BY DEFAULT AS IDENTITY"
    if (default := default_of(attribute)) is not None:
        text += f" DEFAULT {default}"
    if (check := range_check(attribute, spec)) is not None:
        text += f" {check}"
    return text


def column_type(kind: AttributeType) -> str:
    """The type of a column. Strings are in the order in which queries compare them, so that its index serves them."""
    return by_code_points(kind.postgres, kind)


def range_check(attribute: Attribute, spec: TableSpec) -> str | None:
    """The constraint that holds a column to its type where PostgreSQL's own is wider."""
    check = attribute.type.row.check
    if check is None:
        return None
    choices = ", ".join(map(quoted, attribute.type.choices))
    condition = check.format(column=identifier(attribute.name), choices=choices)
    return f"CONSTRAINT {identifier(constraint_name(spec.name, 'check', attribute.name))} CHECK ({condition})"


_NOW = {
    "timestamp": "now()",
    "datetime": "(now() AT TIME ZONE 'UTC')",
    "date": "((now() AT TIME ZONE 'UTC')::date)",
}


def default_of(attribute: Attribute) -> str | None:
    """The text after DEFAULT."""
    match attribute.default:
        case None | Special.NULL | Special.AUTO:
            return None
        case Special.NOW:
            return _NOW[attribute.type.row.name]
        case value:
            return literal(normalise(value, attribute.type), attribute.type, Dialect.POSTGRES)


def foreign_key(key: ForeignKey, spec: TableSpec) -> list[str]:
    """The constraints that make a foreign key, with its uniqueness."""
    name, unique = foreign_key_names(key, spec.name)
    parents = _names(tuple(parent for _, parent in key.pairs))
    text = f"CONSTRAINT {identifier(name)} FOREIGN KEY ({_names(key.attributes)})"
    text += f" REFERENCES {full_name(key.parent)} ({parents})"
    if not key.unique:
        return [text]
    return [text, f"CONSTRAINT {identifier(unique)} UNIQUE ({_names(key.attributes)})"]


def foreign_key_names(key: ForeignKey, table: TableName) -> tuple[str, str]:
    """The names of the constraints that make a foreign key: of itself, and of its uniqueness."""
    purpose = (str(key.parent), *(f"{child}={parent}" for child, parent in key.pairs))
    return constraint_name(table, "foreign", *purpose), constraint_name(table, "unique", *purpose)


def reference_indexes(spec: TableSpec) -> tuple[Index, ...]:
    """An index on each foreign key that no other index of the table begins with (000 "Foreign keys", effect 3)."""
    present = [spec.heading.primary_key, *(index.terms for index in spec.indexes)]
    present += [key.attributes for key in spec.foreign_keys if key.unique]
    wanted: list[Index] = []
    for key in spec.foreign_keys:
        size = len(key.attributes)
        if not any(set(columns[:size]) == set(key.attributes) for columns in present):
            wanted.append(Index(key.attributes))
            present.append(key.attributes)
    return tuple(wanted)


def create_index(index: Index, spec: TableSpec, role: str) -> list[str]:
    """The statements that make an index. role: index, of the definition; reference, which speeds up a foreign key."""
    from djarrow.sql.indexes import index_term  # brings sqlglot, which `import djarrow` need not wait for

    kind = "UNIQUE INDEX" if index.unique else "INDEX"
    name = identifier(index_name(index, spec, role))
    written = [index_term(t, spec.heading) if t in index.expressions else identifier(t) for t in index.terms]
    made = [f"CREATE {kind} {name} ON {full_name(spec.name)} ({', '.join(written)})"]
    if index.expressions:  # PostgreSQL's text of them is its own: describe() needs ours
        made.append(f"COMMENT ON INDEX {identifier(spec.name.schema)}.{name} IS {quoted(index_line(index))}")
    return made


def index_name(index: Index, spec: TableSpec, role: str) -> str:
    """The name of an index in this role."""
    return constraint_name(spec.name, "unique" if index.unique else role, *index.terms)


def constraint_name(table: TableName, *words: str) -> str:
    """A name that tells table and purpose, shortened by a hash where PostgreSQL would cut it."""
    name = " ".join((table.table, *words))
    if len(name.encode()) <= NAME_BYTES:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:12]
    return name.encode()[: NAME_BYTES - 13].decode(errors="ignore") + " " + digest


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(map(identifier, names))
