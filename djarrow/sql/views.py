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
    return [f"CREATE SCHEMA IF NOT EXISTS {identifier(name)}" for name in names]


def create_view(spec: TableSpec, files: Sequence[str], *, separator: str = " ") -> str:
    """A view of a table's files, with the types of its heading. files: SQL that gives the path of each."""
    return _view(spec, f"[{f',{separator}'.join(files)}]", separator)


def create_view_of_variable(spec: TableSpec, variable: str) -> str:
    """As create_view, of the files in a variable, which each connection sets for itself: a list of paths."""
    return _view(spec, f"getvariable({quoted(variable)})", " ")


def create_empty_view(spec: TableSpec) -> str:
    """A view without rows, with the types of its heading: of a table that has no file."""
    columns = ", ".join(f"CAST(NULL AS {_type(a)}) AS {identifier(a.name)}" for a in spec.heading)
    return f"CREATE OR REPLACE VIEW {full_name(spec.name)} AS SELECT {columns} WHERE false"


def _view(spec: TableSpec, files: str, separator: str) -> str:
    columns = f",{separator}".join(map(_column, spec.heading))
    return (
        f"CREATE OR REPLACE VIEW {full_name(spec.name)} AS{separator}SELECT {columns}{separator}"
        f"FROM read_parquet({files}, hive_partitioning = false)"
    )


def _column(attribute: Attribute) -> str:
    """A column of the file as the attribute. A cast to the type that it has is none: filters still reach the file."""
    name = identifier(attribute.name)
    return f"CAST({name} AS {_type(attribute)}) AS {name}"


def _type(attribute: Attribute) -> str:
    if attribute.type.family is Family.JSON:  # as results want it; DuckDB's own type would be parsed again
        return "VARCHAR"
    return Dialect.DUCKDB.type_name(attribute.type)
