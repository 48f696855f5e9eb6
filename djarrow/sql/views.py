"""Statements that make Parquet files the tables of a repository, for DuckDB."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from djarrow.model.heading import Attribute
from djarrow.model.spec import TableSpec
from djarrow.model.types import Family
from djarrow.sql.ddl import full_name
from djarrow.sql.dialects import Dialect
from djarrow.sql.literals import identifier, quoted


def create_schemas(names: Iterable[str]) -> list[str]:
    """One CREATE SCHEMA a schema."""
    return [f"CREATE SCHEMA {identifier(name)}" for name in names]


def create_view(spec: TableSpec, files: Sequence[str]) -> str:
    """A view of a table's files, with the types of its heading."""
    columns = ", ".join(map(_column, spec.heading)) or "1 AS one"
    listing = ", ".join(map(quoted, files))
    return f"CREATE VIEW {full_name(spec.name)} AS SELECT {columns} FROM read_parquet([{listing}], hive_partitioning = false)"


def _column(attribute: Attribute) -> str:
    """A column of the file as the attribute. Only UUIDs are stored in another form, so that filters reach the file."""
    name = identifier(attribute.name)
    if attribute.type.family is Family.UUID:
        return f"CAST({name} AS {Dialect.DUCKDB.type_name(attribute.type)}) AS {name}"
    return name
