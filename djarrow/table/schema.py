"""Schema: a group of tables, decorating their classes, and making them in the database on first use.

A class is checked and resolved when it is decorated, without a database; its table is made when first used (001 5.3.1),
together with all others of the schema that are pending. So a pipeline can be imported, and queried offline, with no
server at all. Specification: 000 "Database Schema", 001 5.1.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from djarrow.errors import DefinitionError
from djarrow.model import graph, names
from djarrow.model.names import TableName
from djarrow.model.spec import TableSpec, table_spec
from djarrow.table.references import Namespace, namespaces_of, resolve
from djarrow.table.table import Lookup, Part, Table

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
        self._linked: dict[str, Schema] = {}
        self._pending: list[TableName] = []
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
        if not (isinstance(cls, type) and issubclass(cls, Table)) or cls.tier is None:
            raise DefinitionError(f"{cls!r} is no table: derive it from Manual, Lookup, Imported or Computed.")
        spaces = namespaces_of(sys._getframe(1))  # noqa: SLF001 - the names in sight where the class is decorated
        parts = _parts_of(cls)
        try:
            self._register(cls, None, spaces, own=parts)
            for part in parts.values():
                self._register(part, cls, spaces, own=parts)
        except DefinitionError:
            self._forget(cls, *parts.values())
            raise
        return cls

    def _register(
        self, cls: type[Table], master: type[Table] | None, spaces: tuple[Namespace, ...], *, own: dict[str, type[Part]]
    ) -> None:
        names.check_class_name(cls.__name__)
        definition = getattr(cls, "definition", None)
        if not isinstance(definition, str):
            raise DefinitionError(f"the class {cls.__name__} has no `definition`, a text.", table=cls.__name__)
        tier = (master or cls).tier
        if tier is None:
            raise DefinitionError(f"the class {cls.__name__} has no tier.")
        above = None if master is None else master().spec.name.table
        name = TableName(self.name, names.table_name(cls.__name__, tier, above))
        spec = self._spec(cls, name, definition, master, spaces, own)
        graph.check_acyclic(spec, self._all_parents())
        cls._spec, cls._schema = spec, self
        if isinstance(master, type) and issubclass(cls, Part):
            cls._master = master
        with self._lock:
            self._classes[name] = cls
            if name not in self._pending:
                self._pending.append(name)

    def _spec(
        self,
        cls: type[Table],
        name: TableName,
        definition: str,
        master: type[Table] | None,
        spaces: tuple[Namespace, ...],
        own: dict[str, type[Part]],
    ) -> TableSpec:
        """The spec of a class. Its own name and its parts' stand for themselves, so that a cycle is seen as one."""
        local: dict[str, Any] = {c.__name__: c for c in self._classes.values() if c().spec.master is None}
        itself = _Unfinished(name)
        around: Namespace = {cls.__name__: itself} if master is None else {"master": master, master.__name__: master, **own}
        unfinished = {part: _Unfinished(_part_name(name, part)) for part in own} if master is None else {}

        def find(reference: str, line: int) -> TableSpec:
            if master is None and reference in (f"{cls.__name__}.{p}" for p in own):
                raise unfinished[reference.split(".")[1]].cycle(name)
            found = resolve(reference, (unfinished, around, *spaces, local), table=name.table, line=line)
            if found.name.schema != self.name:
                self._link(found.name.schema, spaces, reference)
            return found

        return table_spec(definition, name, find)

    def _link(self, schema: str, spaces: tuple[Namespace, ...], reference: str) -> None:
        """Remember the other schema whose tables must be made before ours."""
        first, *rest = reference.split(".")
        for space in spaces:
            current: Any = space.get(first)
            for attribute in rest:
                current = getattr(current, attribute, None)
            other = getattr(current, "_schema", None)
            if isinstance(other, Schema) and other.name == schema:
                self._linked[schema] = other
                return

    def linked_schemas(self) -> dict[str, Schema]:
        """This schema and those that its tables refer to, directly or not, by name."""
        found = {self.name: self}
        for other in self._linked.values():
            found.update(other.linked_schemas())
        return found

    def _all_parents(self) -> dict[TableName, tuple[TableName, ...]]:
        return graph.parents_of(spec for schema in self.linked_schemas().values() for spec in schema.specs.values())

    def _forget(self, *classes: type[Table]) -> None:
        with self._lock:
            for cls in classes:
                for name in [name for name, known in self._classes.items() if known is cls]:
                    del self._classes[name]
                    self._pending.remove(name)

    def parent_spec(self, name: TableName) -> TableSpec:
        """The spec of a table of this schema, or of one that its tables refer to."""
        home = self if name.schema == self.name else self._linked[name.schema]
        return home._classes[name]().spec

    def reference_to(self, name: TableName) -> str:
        """How a definition in this schema refers to a table: `Session`, `Session.Probe`, `acquisition.Session`."""
        return names.class_reference(name, self.name)

    # --- the database --------------------------------------------------------------------------------------------

    def activate(self) -> None:
        """Make what is pending: the schema, its tables and the contents of its lookups, all or nothing.

        Raises DefinitionMismatch where the database holds another table under the name of a class.
        """
        self.ready_connection()

    def ready_connection(self) -> PostgresConnection:
        """The connection, after what is pending was made."""
        if self._pending:
            with self._lock:
                for other in self._linked.values():
                    other.ready_connection()
                self._make_pending()
        return self.connection

    def _make_pending(self) -> None:
        from djarrow.table import declare

        pending = [self._classes[name] for name in self._pending]
        if not pending:
            return
        waiting, self._pending = self._pending, []  # inserting contents below uses these classes already
        try:
            new = declare.missing(self.connection, self.name, [cls().spec for cls in pending])
            if new:
                declare.create(self.connection, self.name, [cls().spec for cls in pending])
            self._fill_lookups(pending)
        except BaseException:
            self._pending = waiting
            raise

    def _fill_lookups(self, classes: Iterable[type[Table]]) -> None:
        for cls in classes:
            if issubclass(cls, Lookup) and len(contents := list(cls().contents)):
                cls().insert(contents, skip_duplicates=True)

    def writable(self) -> PostgresConnection:
        """The connection, for writing."""
        return self.ready_connection()

    def stored_spec(self, name: TableName) -> TableSpec:
        """What the database holds under this name, read from its catalog."""
        from djarrow.table import declare

        return declare.stored(self.ready_connection(), {name.schema})[name]


class _Unfinished:
    """Stands for a class that is being declared. A reference to it closes a cycle."""

    def __init__(self, name: TableName) -> None:
        self.name = name

    def cycle(self, start: TableName) -> Exception:
        from djarrow.errors import CyclicDependency

        path = (start, self.name, start) if self.name != start else (start, start)
        return CyclicDependency(tuple(map(str, path)), table=start.table)

    @property
    def _spec(self) -> TableSpec:
        raise self.cycle(self.name)


def _part_name(master: TableName, part: str) -> TableName:
    return TableName(master.schema, master.table + names.PART_SEPARATOR + names.snake_case(part))


def _parts_of(cls: type[Table]) -> dict[str, type[Part]]:
    return {name: p for name, p in vars(cls).items() if isinstance(p, type) and issubclass(p, Part)}



