"""Rows for several tables in one transaction, parents before children: masters with their parts, whole pipelines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from djarrow.errors import DefinitionError, EngineError, InsertRefused, InvalidCondition, told
from djarrow.model import graph
from djarrow.sql.locks import repeated
from djarrow.table.writing.insert import Options, insert
from djarrow.table.writing.inserted import Inserted
from djarrow.table.writing.savepoint import savepoint

if TYPE_CHECKING:
    from djarrow.model.names import TableName
    from djarrow.table.table import Table


def insert_many(
    rows: Mapping[Any, Any],
    *,
    replace: bool = False,
    skip_duplicates: bool = False,
    ignore_extra_fields: bool = False,
    allow_direct_insert: bool = False,
) -> dict[str, Inserted]:
    """Insert rows into several tables, all or none: `dj.insert_many({Session: sessions, Session.Trial: trials})`.

    rows: table class -> rows as its `insert` takes them. They go in in the order of the foreign keys, whatever the
    order here. The options are those of `insert`, for all tables.

    Returns full name of the table -> what its insert did, in that order. Raises what insert raises; then nothing was
    inserted into any of them, and what the user's transaction did before is kept. Raises InsertRefused for tables of
    different databases. It is begun anew where the server ended it for the sake of another transaction, unless rows
    are given that can be read only once, or within a transaction of the user's.
    """
    if not isinstance(rows, Mapping):
        raise InvalidCondition(f"insert_many takes a mapping of table classes to their rows, not {told(rows)}.")
    tables = _by_name(rows)
    if not tables:
        return {}
    options = Options.of(
        replace=replace,
        skip_duplicates=skip_duplicates,
        ignore_extra_fields=ignore_extra_fields,
        allow_direct_insert=allow_direct_insert,
    )
    found = [table.schema.writable(table.spec.name) for table, _ in tables.values()]
    databases = {id(database): database for database in found}
    if len(databases) > 1:
        names = ", ".join(map(str, tables))
        raise InsertRefused("they live in different databases, which no transaction spans.", table=names)
    (database,) = databases.values()
    order = _in_order(tables)

    def whole() -> dict[str, Inserted]:
        return {str(name): insert(*tables[name], options) for name in order}

    def alone() -> dict[str, Inserted]:
        with database.begin(isolation="READ COMMITTED"):
            return whole()

    if database.in_transaction:
        with savepoint(database, "djarrow_many"):
            return whole()
    if not all(_can_be_read_again(given, str(name)) for name, (_, given) in tables.items()):
        return alone()
    return repeated(alone, lambda reason: EngineError(f"{reason}. Nothing was written."))


def _can_be_read_again(rows: Any, table: str) -> bool:
    from djarrow.frame.given import Size, given
    from djarrow.table.expression import as_expression

    return as_expression(rows) is not None or given(rows, table, Size()).again


def _by_name(rows: Mapping[Any, Any]) -> dict[TableName, tuple[Table, Any]]:
    from djarrow.table.table import Table

    found: dict[TableName, tuple[Table, Any]] = {}
    for given, of_table in rows.items():
        table = given() if isinstance(given, type) and issubclass(given, Table) else given
        if not isinstance(table, Table):
            raise DefinitionError(f"insert_many: {told(given)} is no table class.")
        if table.spec.name in found:
            raise InvalidCondition(f"insert_many: rows for {table.spec.name} are given twice.")
        found[table.spec.name] = (table, of_table)
    return found


def _in_order(tables: Mapping[TableName, tuple[Table, Any]]) -> tuple[TableName, ...]:
    """Parents before children, also where a table between two of these is not among them."""
    known = {}
    for table, _ in tables.values():
        known.update(table.schema.all_parents())
    return tuple(name for name in graph.topological_order(known) if name in tables)
