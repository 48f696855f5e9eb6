"""open.sql: the tables as views of DuckDB, for a session without djarrow."""

from __future__ import annotations

from collections.abc import Mapping

from djarrow.model.names import TableName
from djarrow.model.spec import TableSpec
from djarrow.repo.manifest import Manifest, TableEntry
from djarrow.sql import views
from djarrow.sql.literals import quoted

_HEAD = """\
-- The tables of this repository as views, for DuckDB.
--
--   $ duckdb
--   D SET VARIABLE repo = '.';      -- this folder, or where it lies
--   D .read open.sql
--   D SHOW ALL TABLES;
--
-- The views read the files when they are queried, through the variable; they can stay in a database and find the
-- files wherever the repository is moved to. Names and types are those that `to_sql("duckdb")` of djarrow writes for.
"""


def text(document: Manifest, specs: Mapping[TableName, TableSpec]) -> str:
    """A CREATE SCHEMA a schema and a CREATE VIEW a table."""
    statements = views.create_schemas(document.schemas)
    statements += [_view(entry, specs[entry.name]) for entry in document.tables]
    return _HEAD + "".join(f"\n{statement};\n" for statement in statements)


def _view(entry: TableEntry, spec: TableSpec) -> str:
    paths = [f"getvariable('repo') || {quoted('/' + file.path)}" for file in entry.files]
    return views.create_view(spec, paths, separator="\n  ")
