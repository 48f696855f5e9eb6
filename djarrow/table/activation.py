"""Activating a schema, and making what is pending in it and in those that its tables refer to.

All tables are made in one transaction, in which the contents of lookups go in, too. docs/decisions/001.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from attrs import frozen

from djarrow.errors import DefinitionError, DefinitionMismatch, MissingSchema, MissingTable, TransactionError
from djarrow.model import graph
from djarrow.table import members
from djarrow.table.references import Namespace

if TYPE_CHECKING:
    from djarrow.engine.postgres import PostgresConnection
    from djarrow.model.names import TableName
    from djarrow.model.spec import TableSpec
    from djarrow.table.schema import Schema

declaring = threading.RLock()
"""Held while tables are made: inserting the contents of lookups comes back here."""


@frozen
class Terms:
    """What an activation says besides the name; None where it leaves to the schema what that was given."""

    connection: PostgresConnection | None
    create_schema: bool | None
    create_tables: bool | None
    added: tuple[Namespace, ...]


def checked_connection(given: PostgresConnection | None) -> PostgresConnection | None:
    """What was given as `connection`. Raises DefinitionError for what is none."""
    from djarrow.engine.connect import is_connection

    if given is not None and not is_connection(given):
        raise DefinitionError(
            f"`connection` is what `dj.conn(url)` gives, not a {type(given).__name__}; without it, the default "
            "connection is used."
        )
    return given


def activate(schema: Schema, name: str | None, terms: Terms) -> None:
    """What Schema.activate does. Two threads that activate one schema do so once: the second finds it done."""
    with declaring:
        first = schema.name is None
        _check_may_be(schema, name, terms)
        before = Terms(schema._connection, schema._create_schema, schema._create_tables, schema._added)
        with schema._lock:
            schema._connection = terms.connection or schema._connection
            schema._added = (*terms.added, *schema._added)
            schema._create_schema = _permission(schema._create_schema, terms.create_schema, first=first)
            schema._create_tables = _permission(schema._create_tables, terms.create_tables, first=first)
        if name is None or not first:
            schema.ready_connection()
        else:
            _bind(schema, name, before)


def _permission(held: bool, given: bool | None, *, first: bool) -> bool:
    """Whether something may be made: the first activation says so, later ones can only forbid it.

    A module that activates another one passes True without having been asked.
    """
    if given is None:
        return held
    return given if first else held and given


def _check_may_be(schema: Schema, name: str | None, terms: Terms) -> None:
    """Refuse to activate a schema without a name, or a second time otherwise than it is."""
    if schema.name is None:
        if name is None:
            raise DefinitionError(
                "the schema has no name yet. Give it the one that it has in the database: `schema.activate('name')`."
            )
        return
    if name not in (None, schema.name):
        raise DefinitionError(
            f"the schema is activated as {schema.name!r} and cannot be activated as {name!r}, too. "
            "A module's schema has one name in a process; make another `dj.Schema` for other classes."
        )
    if schema._connection is not None and terms.connection not in (None, schema._connection):
        raise DefinitionError(
            f"the schema {schema.name!r} is activated on {schema._connection!r} and cannot move to another connection."
        )


def _bind(schema: Schema, name: str, before: Terms) -> None:
    """Activate a schema under its name; where that fails, nothing of it remains."""
    try:
        if schema._create_tables and schema.connection.in_transaction:
            raise TransactionError(
                f"the schema {name!r} cannot be activated inside a transaction. Activate it before the transaction."
            )
        with schema._lock:
            schema._name = name
            for one in schema._collected.values():
                members.declare(schema, one)
        if schema._create_tables:
            make_pending(schema, create=True)
        elif not schema._create_schema and not schema.exists:
            raise MissingSchema(name)
    except DefinitionMismatch:
        _settle(schema)
        raise
    except BaseException:
        _unbind(schema, before)
        raise
    _settle(schema)


def _unbind(schema: Schema, before: Terms) -> None:
    """Take back what an activation that failed did to the schema and its classes."""
    with schema._lock:
        for one in schema._collected.values():
            for cls in one.classes:
                cls._spec, cls._schema = None, schema
        schema._classes, schema._pending, schema._linked, schema._name = {}, [], [], None
        schema._connection, schema._added = before.connection, before.added
        schema._create_schema, schema._create_tables = bool(before.create_schema), bool(before.create_tables)


def _settle(schema: Schema) -> None:
    """The schema keeps its name from now on."""
    with schema._lock:
        schema._settled = True
        schema._collected.clear()


# --- making ------------------------------------------------------------------------------------------------------


def make_pending(schema: Schema, *, create: bool = False) -> None:
    """Make the pending tables of a schema and of those that it refers to, and fill their lookups.

    Tables of schemas with create_tables=False are only compared. create: the schema is made even without tables.
    """
    from djarrow.table import contents, declare

    waiting = [(each, tuple(each._pending)) for each in schema.linked_schemas() if each.is_waiting()]
    # Of two classes of one table, in two objects of one schema, that of the schema in use counts: it comes first.
    owners = {name: each for each, pending in reversed(waiting) for name in pending}
    classes = {name: owner._classes[name] for name, owner in owners.items()}
    specs = {name: cls().spec for name, cls in classes.items()}
    made = {name: spec for name, spec in specs.items() if owners[name]._create_tables}
    order = graph.topological_order(graph.parents_of(made.values()))
    lookups = [classes[name]() for name in order if contents.has_contents(classes[name])]
    for each, _ in waiting:
        each._maker = threading.get_ident()
    try:
        absent = declare.missing(schema.connection, list(specs.values()))
        _check_parents(absent, made)
        if (create and not specs) or any(spec.name in made for spec in absent):
            closed = {each.name for each in (schema, *owners.values()) if not each._create_schema}
            schemas = [schema.name] if create else []
            reports = declare.create(
                schema.connection, list(made.values()), schemas=schemas, closed=closed, lookups=lookups
            )
        else:
            reports = contents.fill(schema.connection, lookups)
        for each, done in waiting:
            with each._lock:
                each._pending = [name for name in each._pending if name not in done]
    finally:
        for each, _ in waiting:
            each._maker = None
    for report in reports:
        report.warn()


def _check_parents(absent: Iterable[TableSpec], made: Mapping[TableName, TableSpec]) -> None:
    """Refuse a table to be made whose parent is neither there nor to be made."""
    unmade = {spec.name for spec in absent} - made.keys()
    for spec in absent:
        if spec.name in made and (parents := sorted(unmade & set(spec.parents))):
            raise MissingTable(f"{spec.name} refers to it, and the database does not hold it.", table=str(parents[0]))
