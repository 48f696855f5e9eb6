"""Activating a schema, and making what is pending in it and in those that its tables refer to.

All tables are made in one transaction, in which the contents of lookups go in, too. docs/decisions/001.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from attrs import frozen

from djarrow.errors import (
    AccessDenied,
    DefinitionError,
    DefinitionMismatch,
    MissingSchema,
    MissingTable,
    TransactionError,
)
from djarrow.model import graph, names
from djarrow.table.declaring import members
from djarrow.table.declaring.references import Namespace

if TYPE_CHECKING:
    from djarrow.engine.postgres import PostgresConnection
    from djarrow.model.names import TableName
    from djarrow.model.spec import TableSpec
    from djarrow.table.declaring.contents import Report
    from djarrow.table.declaring.declare import Compared
    from djarrow.table.schema import Schema
    from djarrow.table.table import Table

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


def check_name(name: str, *, create: bool) -> None:
    """Refuse a name that a schema cannot have. One that may be created follows our rule; one that exists need not."""
    if not create:
        names.check_held_schema_name(name)
    elif names.is_held_schema_name(name) and not names.is_schema_name(name):
        hint = "One that exists is opened by dj.virtual, or with create_schema=False."
        raise DefinitionError(f"{names.SCHEMA_RULE.format(name)} {hint}")
    else:
        names.check_schema_name(name)


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


def _unbind(schema: Schema, before: Terms) -> None:
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


# --- making ------------------------------------------------------------------------------------------------------


@frozen
class _Waiting:
    """What is to be made: the schemas that wait, with their pending tables, and whose each table is."""

    schemas: tuple[tuple[Schema, tuple[TableName, ...]], ...]
    owners: Mapping[TableName, Schema]

    @classmethod
    def of(cls, schema: Schema) -> _Waiting:
        """Of a schema and those that it refers to.

        Of two classes of one table, in two objects of one schema, that of the schema in use counts: it comes first.
        """
        schemas = tuple((each, tuple(each._pending)) for each in schema.linked_schemas() if each.is_waiting())
        return cls(schemas, {name: each for each, pending in reversed(schemas) for name in pending})

    @property
    def tables(self) -> dict[TableName, Table]:
        """The tables, by name."""
        return {name: owner._classes[name]() for name, owner in self.owners.items()}

    @contextlib.contextmanager
    def being_made(self) -> Iterator[None]:
        """The thread that makes tables uses them, for contents of lookups."""
        for each, _ in self.schemas:
            each._maker = threading.get_ident()
        try:
            yield
        finally:
            for each, _ in self.schemas:
                each._maker = None

    def settle(self, blocked: Mapping[TableName, TableName]) -> None:
        """Note what was made; what is blocked goes on waiting."""
        for each, done in self.schemas:
            with each._lock:
                each._pending = [name for name in each._pending if name not in done or name in blocked]
                each._blocked = {name: why for name, why in blocked.items() if name in done}


def make_pending(schema: Schema, *, create: bool = False) -> None:
    """Make the pending tables of a schema and of those that it refers to, and fill their lookups.

    Tables of schemas with create_tables=False are only compared. create: the schema is made even without tables.
    """
    waiting = _Waiting.of(schema)
    try:
        with waiting.being_made():
            reports, blocked = _make(schema, waiting, create=create)
    except AccessDenied as error:
        hint = "A user who may only read passes create_tables=False to the schema."
        raise AccessDenied(f"{error} {hint}", sqlstate=error.sqlstate) from error
    waiting.settle(blocked)
    for report in reports:
        report.warn()


def _make(
    schema: Schema, waiting: _Waiting, *, create: bool
) -> tuple[tuple[Report, ...], Mapping[TableName, TableName]]:
    """Make what is missing and fill lookups; gives what lookups hold otherwise, and the tables that are blocked."""
    from djarrow.table.declaring import contents, declare

    tables, owners = waiting.tables, waiting.owners
    compared = declare.compare(schema.connection, [table.spec for table in tables.values()])
    made = {name: table.spec for name, table in tables.items() if owners[name]._create_tables}
    _check_parents(compared.absent, made)
    blocked = _blocked(compared)
    made = {name: spec for name, spec in made.items() if name not in blocked}
    order = graph.topological_order(graph.parents_of(made.values()))
    lookups = [tables[name] for name in order if contents.has_contents(type(tables[name]))]
    if not (create and not tables) and not any(spec.name in made for spec in compared.absent):
        return contents.fill(schema.connection, lookups), blocked
    closed = {each.name for each in (schema, *owners.values()) if not each._create_schema}
    schemas = [schema.name] if create else []
    specs = list(made.values())
    return declare.create(schema.connection, specs, schemas=schemas, closed=closed, lookups=lookups), blocked


def _blocked(compared: Compared) -> dict[TableName, TableName]:
    """The tables that cannot be used or made: those that disagree, and new ones below them. Each with the one to mend.

    Other tables of the schema are no worse for them.
    """
    blocked = {name: name for name in compared.disagreeing}
    absent = {spec.name: spec for spec in compared.absent}
    for name in graph.topological_order(graph.parents_of(absent.values())):
        cause = next((blocked[parent] for parent in absent[name].parents if parent in blocked), None)
        if cause is not None:
            blocked[name] = cause
    return blocked


def _check_parents(absent: Iterable[TableSpec], made: Mapping[TableName, TableSpec]) -> None:
    """Refuse a table to be made whose parent is neither there nor to be made."""
    unmade = {spec.name for spec in absent} - made.keys()
    for spec in absent:
        if spec.name in made and (parents := sorted(unmade & set(spec.parents))):
            raise MissingTable(f"{spec.name} refers to it, and the database does not hold it.", table=str(parents[0]))
