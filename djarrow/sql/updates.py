"""The update log of a schema: the table that keeps what was changed in its rows, and the text that writes to it.

Nothing is read from it here but whether it is there. docs/decisions/016.
"""

from __future__ import annotations

from collections.abc import Sequence

from djarrow.model.heading import Attribute, Heading, Origin, Special
from djarrow.model.names import NAME_BYTES, TableName
from djarrow.model.spec import Index, TableSpec
from djarrow.model.types import Family, core
from djarrow.sql.ddl import block, create_table, full_name
from djarrow.sql.literals import identifier, quoted

LOG = "~updates"
"""Its name in the schema. Tables whose names begin with ~ are notes beside the user's tables, which no class is of."""

TRANSACTION = "_transaction"
"""The hidden column of the transaction of a change: a make may have begun before that was over."""

KEPT = 65_536
"""Bytes of a blob that the log keeps as they are. Of a longer one it keeps the size and the SHA-256."""

LONGEST = 10_485_760
"""What the type of the values says. The columns are without a limit: a document can be longer."""

_TEXT = 'text COLLATE "C"'


def log_spec(schema: str) -> TableSpec:
    """The log of a schema, as a table."""
    name = TableName(schema, LOG)
    named, value = core("varchar", NAME_BYTES), core("varchar", LONGEST)
    attributes = (
        Attribute("id", core("int64"), default=Special.AUTO, comment="counts up", lineage=Origin(name, "id")),
        Attribute("table_name", named, comment="the table whose row was changed, as it is called in the schema"),
        Attribute("key", core("json"), comment="the primary key of the row"),
        Attribute("attribute", named, comment="what was changed in it"),
        Attribute("old_value", value, nullable=True, default=Special.NULL, comment="as text, before"),
        Attribute("new_value", value, nullable=True, default=Special.NULL, comment="as text, after"),
        Attribute("user_name", named, comment="who changed it"),
        Attribute("updated", core("timestamp"), comment="when"),
    )
    return TableSpec(
        name,
        "what was changed in rows of this schema, value by value",
        Heading(attributes, ("id",)),
        indexes=(Index(("table_name", "updated")),),
    )


def find_log(schema: str) -> str:
    """Whether there is a log, as `found`.

    One that was made since the transaction's snapshot counts, unless the transaction has asked before: PostgreSQL
    remembers what there is not.
    """
    return f"SELECT to_regclass({quoted(full_name(TableName(schema, LOG)))}) IS NOT NULL AS found"


def create_log(schema: str) -> str:
    """The statement that makes the log, where there is none. It must not run twice at once."""
    statements = create_table(log_spec(schema), {"old_value": _TEXT, "new_value": _TEXT})
    table = full_name(TableName(schema, LOG))
    hidden = f"ALTER TABLE {table} ADD COLUMN {identifier(TRANSACTION)} xid8 DEFAULT pg_current_xact_id()"
    return block([*statements, hidden], unless="duplicate_table")


def key_of(spec: TableSpec, row: str) -> str:
    """The primary key of a row as the log keeps it: `log.key = key_of(spec, "t")` joins the log with the table t."""
    pairs = (f"{quoted(name)}, {row}.{identifier(name)}" for name in spec.heading.primary_key)
    return f"jsonb_build_object({', '.join(pairs)})"


def log_changes(spec: TableSpec, attributes: Sequence[str], *, before: str, after: str) -> str:
    """The INSERT that logs each value that differs between two sources of rows, matched by their primary key.

    before, after: names of tables or of parts of a WITH, which have the primary key and these attributes of the table.
    """
    same = " AND ".join(f"o.{column} = n.{column}" for column in map(identifier, spec.heading.primary_key)) or "TRUE"
    changes = ", ".join(_change(spec.heading[name]) for name in attributes)
    return (
        f'INSERT INTO {full_name(TableName(spec.name.schema, LOG))} ("table_name", "key", "attribute", "old_value", '
        f'"new_value", "user_name", "updated")\n'
        f"SELECT {quoted(spec.name.table)}, {key_of(spec, 'n')}, c.attribute, c.old_value, c.new_value, session_user, "
        f"(SELECT clock_timestamp())\n"
        f"FROM {before} AS o JOIN {after} AS n ON {same}\n"
        f"CROSS JOIN LATERAL (VALUES {changes}) AS c (attribute, old_value, new_value, differs)\n"
        "WHERE c.differs"
    )


def _change(attribute: Attribute) -> str:
    """The row (attribute, old, new, whether they differ) of the values in o and in n."""
    old, new = (_text(attribute, f"{row}.{identifier(attribute.name)}") for row in ("o", "n"))
    differs = f"{old} IS DISTINCT FROM {new}"
    if attribute.type.family is Family.BLOB:
        column = identifier(attribute.name)
        differs = f"o.{column} IS DISTINCT FROM n.{column}"
    return f"({quoted(attribute.name)}, {old}, {new}, {differs})"


def _text(attribute: Attribute, value: str) -> str:
    """A value as text. Two values differ where their texts do: so NaN equals itself, and -0.0 does not equal 0.0."""
    match attribute.type.family:
        case Family.BLOB:
            return (
                f"CASE WHEN octet_length({value}) <= {KEPT} THEN '\\x' || encode({value}, 'hex') "
                f"ELSE octet_length({value}) || ' bytes, SHA-256 ' || encode(sha256({value}), 'hex') END"
            )
        case Family.JSON:
            return f"{value}::jsonb::text"  # in a table of DataJoint-Python it is json, with the blanks as written
        case _:
            return f"{value}::text"
