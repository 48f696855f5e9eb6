"""The update log of a schema: made with the first change, and read as a query. What is written: sql/updates.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from djarrow.errors import NoSchema, QueryError, UpdateRefused
from djarrow.sql import locks
from djarrow.table.expression import QueryExpression
from djarrow.table.source import current_offline
from djarrow.table.table import Table
from djarrow.table.writing.permission import making

if TYPE_CHECKING:
    from djarrow.engine.base import Database, Reader
    from djarrow.model.spec import TableSpec
    from djarrow.table.schema import Schema


def ensure_log(database: Database, table: Table) -> None:
    """Make the log of a table's schema where it is missing, in the transaction that is open. Called before each change.

    Raises UpdateRefused where it may not be made.
    """
    from djarrow.sql import updates

    if (make := making.get()) is not None and make.shared is not None:
        make.shared.change()
    name, schema = table.spec.name, table.schema
    if _has_log(database, name.schema):
        return
    if not schema.makes_tables:
        raise UpdateRefused(
            f"changes are logged in {updates.LOG!r} of the schema, which is not there yet, and with "
            "create_tables=False none is made. Let a user who may make tables do the first update, with "
            "create_tables=True.",
            table=str(name),
        )
    database.read(locks.lock_declarations())
    database.execute(updates.create_log(name.schema))


def _has_log(reader: Reader, schema: str) -> bool:
    from djarrow.sql import updates

    return bool(reader.read(updates.find_log(schema), few=True).column("found")[0].as_py())


def updates_of(schema: Schema) -> QueryExpression:
    """What Schema.updates is."""
    from djarrow.sql import updates

    return _note(schema, updates.log_spec, updates.find_log, "updates", "update log")


def accepted_of(schema: Schema) -> QueryExpression:
    """What Schema.accepted is."""
    from djarrow.sql import accepted

    return _note(schema, accepted.accepted_spec, accepted.find_accepted, "accepted results", "accepted results")


def _note(
    schema: Schema, spec_of: Callable[[str], TableSpec], find: Callable[[str], str], what: str, kept: str
) -> QueryExpression:
    """A note of the schema as it is now, or a query without rows of the same heading where there is none."""
    from djarrow.expr.nodes import Rows, Stored

    if schema.name is None:
        raise NoSchema(f"the schema is not activated. Call `schema.activate('name')` before asking for its {what}.")
    if current_offline() is not None:
        raise QueryError(f"queries run on a repository here, which holds no {kept}. Ask outside of the `using` block.")
    spec = spec_of(schema.name)
    note: Any = type("Note", (Table,), {"_spec": spec, "_schema": schema})
    if schema.connection.read(find(schema.name), few=True).column("found")[0].as_py():
        return QueryExpression(Stored(spec.name, spec.heading), note())
    return QueryExpression(Rows(spec.heading, no_rows(spec.heading)), note())


def no_rows(heading: Any) -> Any:
    """A table without rows, in the form in which rows go to the database."""
    import pyarrow as pa

    from djarrow.frame.columns import carrier

    return pa.table({a.name: pa.array([], carrier(a.type)) for a in heading})
