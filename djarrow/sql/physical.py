"""What PostgreSQL calls the pieces of tables that hold data: constraints and indexes by name, and columns of odd types.

A spec says what a table is; changing one in place needs these names, which other software may have chosen.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import field, frozen

from djarrow.model.heading import Origin
from djarrow.model.names import NAME_BYTES, TableName
from djarrow.model.spec import ForeignKey, Index
from djarrow.sql.catalog import stored_index
from djarrow.sql.ddl import full_name
from djarrow.sql.literals import quoted

Row = Mapping[str, Any]
Column = tuple[TableName, str]
"""A column of a table."""


def constraints_below(table: TableName) -> str:
    """The statement that reads the constraints of a table and of all that refer to it, directly or not."""
    return f"""WITH RECURSIVE reached (oid) AS (
    SELECT to_regclass({quoted(full_name(table))})::oid
    UNION
    SELECT k.conrelid FROM reached AS r JOIN pg_constraint AS k ON k.confrelid = r.oid AND k.contype = 'f'
)
SELECT
    k.contype::text AS kind,
    k.conname::text AS name,
    pg_get_constraintdef(k.oid) AS definition,
    cn.nspname::text AS "schema",
    c.relname::text AS "table",
    (SELECT json_agg(a.attname ORDER BY u.position) FROM unnest(k.conkey) WITH ORDINALITY AS u (number, position)
        JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = u.number)::text AS "columns",
    pn.nspname::text AS parent_schema,
    p.relname::text AS parent,
    (SELECT json_agg(a.attname ORDER BY u.position) FROM unnest(k.confkey) WITH ORDINALITY AS u (number, position)
        JOIN pg_attribute AS a ON a.attrelid = k.confrelid AND a.attnum = u.number)::text AS parent_columns
FROM reached AS r
JOIN pg_constraint AS k ON k.conrelid = r.oid AND k.contype IN ('f', 'u', 'c')
JOIN pg_class AS c ON c.oid = k.conrelid
JOIN pg_namespace AS cn ON cn.oid = c.relnamespace
LEFT JOIN pg_class AS p ON p.oid = k.confrelid
LEFT JOIN pg_namespace AS pn ON pn.oid = p.relnamespace
ORDER BY k.oid"""


@frozen
class Constraint:
    """A constraint of a table. kind: f, of a foreign key; u, unique; c, a check. definition: as ADD takes it."""

    kind: str
    name: str
    definition: str
    table: TableName
    columns: tuple[str, ...]
    parent: TableName | None = None
    parent_columns: tuple[str, ...] = ()

    @property
    def pairs(self) -> tuple[tuple[Column, Column], ...]:
        """(column here, column of the parent), of a foreign key."""
        if self.parent is None:
            return ()
        return tuple(
            ((self.table, child), (self.parent, parent))
            for child, parent in zip(self.columns, self.parent_columns, strict=True)
        )

    def touches(self, columns: Iterable[Column]) -> bool:
        """Whether it holds one of these columns to another."""
        return bool({column for pair in self.pairs for column in pair} & set(columns))

    def makes(self, key: ForeignKey) -> bool:
        """Whether it is what this foreign key of its table is made of."""
        found = {(child, parent) for (_, child), (_, parent) in self.pairs}
        return self.kind == "f" and self.parent == key.parent and found == set(key.pairs)

    def holds_range_of(self, attribute: str) -> bool:
        """Whether it holds the values of an attribute to its type; one of another name was added by someone else."""
        return self.kind == "c" and self.columns == (attribute,) and has_role(self.name, self.table, "check")


def has_role(name: str, table: TableName, role: str) -> bool:
    """Whether a constraint or index has a name that we would give to one of the table in this role."""
    return name.startswith(f"{table.table} {role} ".encode()[: NAME_BYTES - 13].decode(errors="ignore"))


@frozen
class Physical:
    """The pieces of some tables. odd: the columns of a type of PostgreSQL that we would not choose."""

    constraints: tuple[Constraint, ...] = ()
    indexes: Mapping[TableName, tuple[tuple[str, Index], ...]] = field(factory=dict)
    odd: frozenset[Column] = frozenset()

    def of(self, table: TableName) -> tuple[Constraint, ...]:
        """The constraints of a table."""
        return tuple(constraint for constraint in self.constraints if constraint.table == table)


def read_constraints(rows: Iterable[Row]) -> tuple[Constraint, ...]:
    """The constraints that rows of the statement describe."""
    return tuple(
        Constraint(
            kind=row["kind"],
            name=row["name"],
            definition=row["definition"],
            table=TableName(row["schema"], row["table"]),
            columns=tuple(json.loads(row["columns"] or "[]")),
            parent=None if row["parent"] is None else TableName(row["parent_schema"], row["parent"]),
            parent_columns=tuple(json.loads(row["parent_columns"] or "[]")),
        )
        for row in rows
    )


def read_physical(rows: Iterable[Row], constraints: tuple[Constraint, ...], carriers: Iterable[Origin]) -> Physical:
    """The pieces of the tables that rows of the catalog describe. carriers: the columns of odd types."""
    indexes = {
        TableName(row["schema"], row["table"]): tuple(
            (index["name"], stored_index(index)) for index in json.loads(row["indexes"] or "[]")
        )
        for row in rows
    }
    return Physical(constraints, indexes, frozenset((one.table, one.attribute) for one in carriers))
