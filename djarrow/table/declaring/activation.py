"""Activating a schema: its name and permissions, all or nothing. Making its tables is the question of pending.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from djarrow.errors import (
    DefinitionError,
    DefinitionMismatch,
    MissingSchema,
    TransactionError,
)
from djarrow.model import names
from djarrow.table.declaring import members
from djarrow.table.declaring.pending import declaring, make_pending
from djarrow.table.declaring.references import Namespace

if TYPE_CHECKING:
    from djarrow.engine.postgres import PostgresConnection
    from djarrow.table.schema import Schema


@frozen
class Options:
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


def check_name(name: str, *, create: bool) -> None:
    """Refuse a name that a schema cannot have. One that may be created follows our rule; one that exists need not."""
    if not create:
        names.check_held_schema_name(name)
    elif names.is_held_schema_name(name) and not names.is_schema_name(name):
        hint = "One that exists is opened by dj.virtual, or with create_schema=False."
        raise DefinitionError(f"{names.SCHEMA_RULE.format(name)} {hint}")
    else:
        names.check_schema_name(name)


def activate(schema: Schema, name: str | None, terms: Options) -> None:
    """What Schema.activate does. Two threads that activate one schema do so once: the second finds it done."""
    with declaring:
        first = schema.name is None
        _check_may_be(schema, name, terms)
        before = Options(schema._connection, schema._create_schema, schema._create_tables, schema._added)
        with schema._lock:
            schema._connection = terms.connection or schema._connection
            schema._added = (*terms.added, *schema._added)
            schema._create_schema = _permission(schema._create_schema, terms.create_schema, first=first)
            schema._create_tables = _permission(schema._create_tables, terms.create_tables, first=first)
        if name is None or not first:
            schema.ready_connection()
            schema.check_agrees()
        else:
            _bind(schema, name, before)


def _permission(held: bool, given: bool | None, *, first: bool) -> bool:
    """Whether something may be made: the first activation says so, later ones can only forbid it.

    A module that activates another one passes True without having been asked.
    """
    if given is None:
        return held
    return given if first else held and given


def _check_may_be(schema: Schema, name: str | None, terms: Options) -> None:
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


def _bind(schema: Schema, name: str, before: Options) -> None:
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
            schema.check_agrees()
        elif not schema._create_schema and not schema.exists:
            raise MissingSchema(name)
    except DefinitionMismatch:
        _settle(schema)
        raise
    except BaseException:
        _unbind(schema, before)
        raise
    _settle(schema)


def _unbind(schema: Schema, before: Options) -> None:
    """Take back what an activation that failed did to the schema and its classes."""
    with schema._lock:
        for one in schema._collected.values():
            for cls in one.classes:
                cls._spec, cls._schema = None, schema
        schema._classes, schema._pending, schema._linked, schema._name = {}, [], [], None
        schema._blocked = {}
        schema._connection, schema._added = before.connection, before.added
        schema._create_schema, schema._create_tables = bool(before.create_schema), bool(before.create_tables)


def _settle(schema: Schema) -> None:
    """The schema keeps its name from now on."""
    with schema._lock:
        schema._settled = True
        schema._collected.clear()
