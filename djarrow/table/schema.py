"""Schema: a group of tables, decorating their classes, and making them in the database on first use.

A class is checked and resolved when it is decorated, without a database; its table is made when first used (001 5.3.1),
together with all others of the schema that are pending. So a pipeline can be imported, and queried offline, with no
server at all. Specification: 000 "Database Schema", 001 5.1.
"""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, TypeVar

from djarrow.errors import DefinitionError, QueryError
from djarrow.model import graph, names
from djarrow.model.names import TableName
from djarrow.model.spec import TableSpec
from djarrow.table.classes import Declaration, parts_of
from djarrow.table.references import Namespace, namespaces_of
from djarrow.table.table import Lookup, Part, Table, TableClass

if TYPE_CHECKING:
    from djarrow.engine.postgres import PostgresConnection

TableType = TypeVar("TableType", bound=type[Table])


class Schema:
    """A schema of the database, and the decorator that makes classes its tables.

    name: the schema's name in the database. connection: where it lives; the default connection when not given, which
    is opened on first use.

    >>> schema = Schema("lab")
    >>> @schema
    ... class Person(Manual):
    ...     definition = '''
    ...     person_id : uint32
    ...     ---
    ...     name : varchar(80)
    ...     '''
    """

    def __init__(self, name: str, connection: PostgresConnection | None = None) -> None:
        names.check_schema_name(name)
        self.name = name
        self._connection = connection
        self._classes: dict[TableName, type[Table]] = {}
        self._linked: list[Schema] = []
        self._pending: list[TableName] = []
        self._maker: int | None = None
        self._lock = threading.RLock()

    def __repr__(self) -> str:
        return f"Schema({self.name!r})"

    @property
    def connection(self) -> PostgresConnection:
        """Where the schema lives."""
        if self._connection is None:
            from djarrow.engine.connect import conn

            self._connection = conn()
        return self._connection

    @property
    def place(self) -> object:
        """What two schemas must share for their tables to be combined: the connection, or both the default one."""
        return self._connection if self._connection is not None and not self._is_default() else None

    def _is_default(self) -> bool:
        from djarrow.engine import connect

        return self._connection is connect.current_default()

    @property
    def classes(self) -> tuple[type[Table], ...]:
        """The table classes of the schema, masters before parts, in order of declaration."""
        return tuple(self._classes.values())

    @property
    def specs(self) -> dict[TableName, TableSpec]:
        """What the classes say their tables are."""
        return {name: cls().spec for name, cls in self._classes.items()}

    # --- declaring -----------------------------------------------------------------------------------------------

    def __call__(self, cls: TableType) -> TableType:
        """Make a class, with the parts nested in it, a table of this schema.

        Raises DefinitionError and its leaves: DefinitionSyntaxError, UnknownType, UnknownReference, CyclicDependency.
        """
        if not isinstance(cls, TableClass):
            raise DefinitionError(f"{cls!r} is no table: derive it from Manual, Lookup, Imported or Computed.")
        spaces = namespaces_of(sys._getframe(1))
        parts = parts_of(cls)
        declared: tuple[type[Table], ...] = (cls, *parts.values())
        with self._lock:
            before = dict(self._classes), list(self._pending)
            try:
                self._register(cls, None, parts, spaces)
                for part in parts.values():
                    part._master = cls
                    self._register(part, cls, parts, spaces)
            except DefinitionError:
                self._classes, self._pending = before
                for each in declared:
                    each._spec = each._schema = None
                raise
        return cls

    def _register(
        self, cls: type[Table], master: type[Table] | None, parts: dict[str, type[Part]], spaces: tuple[Namespace, ...]
    ) -> None:
        siblings = {known.__name__: known for known in self._classes.values() if known().spec.master is None}
        spec, referenced = Declaration(cls, self.name, master, parts, siblings, spaces).spec()
        for other in referenced:
            if isinstance(other._schema, Schema) and other._schema not in (self, *self._linked):
                self._linked.append(other._schema)
        graph.check_acyclic(spec, self._all_parents())
        cls._spec, cls._schema = spec, self
        self._classes[spec.name] = cls
        if spec.name not in self._pending:
            self._pending.append(spec.name)

    def linked_schemas(self) -> tuple[Schema, ...]:
        """This schema and those that its tables refer to, directly or not.

        Two of them can have one name: each module, or each run of a notebook's cell, makes an object of its own.
        """
        found: list[Schema] = []
        pending = [self]
        while pending:
            schema = pending.pop()
            if schema not in found:
                found.append(schema)
                pending += schema._linked
        return tuple(found)

    def _all_parents(self) -> dict[TableName, tuple[TableName, ...]]:
        return graph.parents_of(spec for schema in self.linked_schemas() for spec in schema.specs.values())

    def parent_spec(self, name: TableName) -> TableSpec:
        """The spec of a table of this schema, or of one that its tables refer to."""
        return next(schema._classes[name]().spec for schema in self.linked_schemas() if name in schema._classes)

    def reference_to(self, name: TableName) -> str:
        """How a definition in this schema refers to a table: `Session`, `Session.Probe`, `acquisition.Session`."""
        return names.class_reference(name, self.name)

    # --- the database --------------------------------------------------------------------------------------------

    def activate(self) -> None:
        """Make what is pending: the schema, its tables and the contents of its lookups.

        Raises DefinitionMismatch where the database holds another table under the name of a class.
        """
        self.ready_connection()

    def ready_connection(self) -> PostgresConnection:
        """The connection, after what is pending was made here and in the schemas that the tables refer to."""
        group = self.linked_schemas()
        if any(schema._is_waiting() for schema in group):
            with _declaring:
                _make_pending(self.connection, [schema for schema in group if schema._is_waiting()])
        return self.connection

    def _is_waiting(self) -> bool:
        """Whether tables are to be made before use. The thread that makes them uses them: for contents of lookups."""
        return bool(self._pending) and self._maker != threading.get_ident()

    def writable(self) -> PostgresConnection:
        """The connection, for writing."""
        return self.ready_connection()

    def stored_spec(self, name: TableName) -> TableSpec:
        """What the database holds under this name, read from its catalog, also where its class says otherwise.

        Raises QueryError where the table was dropped since it was made.
        """
        from djarrow.table import declare

        held = declare.stored(self.connection, {name.schema})
        if name not in held:
            held = declare.stored(self.ready_connection(), {name.schema})
        if name not in held:
            raise QueryError(f"the database holds no table {name}; it was dropped. Declare its class again.")
        return held[name]


_declaring = threading.RLock()
"""Held while tables are made: inserting the contents of lookups comes back here."""


def _make_pending(connection: PostgresConnection, schemas: list[Schema]) -> None:
    """Make the pending tables of schemas that refer to each other, and fill their lookups."""
    from djarrow.table import declare

    waiting = [(schema, tuple(schema._pending)) for schema in schemas]
    # Of two classes of one table, in two objects of one schema, that of the schema in use counts: it comes first.
    classes = {name: schema._classes[name] for schema, pending in reversed(waiting) for name in pending}
    specs = [cls().spec for cls in classes.values()]
    for schema in schemas:
        schema._maker = threading.get_ident()
    try:
        if specs and declare.missing(connection, specs):
            declare.create(connection, specs)
        for name in graph.topological_order(graph.parents_of(specs)):
            if issubclass(lookup := classes[name], Lookup):
                declare.fill(lookup())
        for schema, made in waiting:
            with schema._lock:
                schema._pending = [name for name in schema._pending if name not in made]
    finally:
        for schema in schemas:
            schema._maker = None
