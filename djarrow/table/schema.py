"""Schema: a group of tables, decorating their classes, and making them in the database on first use.

A class is checked and resolved when it is decorated, without a database; its table is made when first used (001 5.3.1),
together with all others of the schema that are pending. So a pipeline can be imported, and queried offline, with no
server at all. A schema without a name collects its classes until it is activated under one, which makes them at once.
Specification: 000 "Database Schema", 001 5.1; docs/schemas.md.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from djarrow.errors import DefinitionError, MissingTable, NoSchema, QueryError
from djarrow.model import graph, names
from djarrow.model.names import TableName
from djarrow.model.spec import TableSpec
from djarrow.table.computing import computing
from djarrow.table.declaring import activation, members, pending
from djarrow.table.declaring.activation import Options
from djarrow.table.declaring.classes import adopt_parts
from djarrow.table.declaring.members import Decorated
from djarrow.table.declaring.references import Linked, Namespace, namespace_given, namespaces_of
from djarrow.table.existing.classes import attributes_of, find
from djarrow.table.existing.held import Held
from djarrow.table.existing.virtual import SchemaModule
from djarrow.table.table import Table, TableClass

if TYPE_CHECKING:
    import polars as pl

    from djarrow.engine.postgres import PostgresConnection
    from djarrow.jobs.many import Totals
    from djarrow.jobs.view import Jobs
    from djarrow.table.expression import QueryExpression

TableType = TypeVar("TableType", bound=type[Table])


class Schema:
    """A schema of the database, and the decorator that makes classes its tables.

    schema_name: its name in the database; without one, the schema collects classes until `activate(name)`. context:
    names for the references of its definitions. connection: where it lives; the default connection when not given,
    which is opened on first use. create_schema, create_tables: whether it, and its tables, are made where they are
    missing; without create_tables nothing is ever written but rows. add_objects: names for references, as a mapping, a
    module, or a module's dotted name; they come before those in sight where a class is defined.

    Raises DefinitionError for a name that is none, or for what is no mapping, module or connection.

    >>> schema = Schema("lab")
    >>> @schema
    ... class Person(Manual):
    ...     definition = '''
    ...     person_id : uint32
    ...     ---
    ...     name : varchar(80)
    ...     '''
    """

    def __init__(
        self,
        schema_name: str | None = None,
        context: Mapping[str, Any] | None = None,
        *,
        connection: PostgresConnection | None = None,
        create_schema: bool = True,
        create_tables: bool = True,
        add_objects: Linked | None = None,
    ) -> None:
        if schema_name is not None:
            activation.check_name(schema_name, create=create_schema)
        if context is not None and not isinstance(context, Mapping):
            raise DefinitionError(
                f"`context`, the second argument, is a mapping of names to table classes, not {context!r}. "
                "A connection is passed as `connection=`, a module as `add_objects=`."
            )
        self._name = schema_name
        self._context: Namespace = {} if context is None else context
        self._connection = activation.checked_connection(connection)
        self._create_schema, self._create_tables = create_schema, create_tables
        self._added: tuple[Namespace, ...] = () if add_objects is None else (namespace_given(add_objects),)
        self._classes: dict[TableName, type[Table]] = {}
        self._collected: dict[tuple[str, str], Decorated] = {}
        self._settled = schema_name is not None
        self._linked: list[Schema] = []
        self._pending: list[TableName] = []
        self._blocked: dict[TableName, TableName] = {}
        self._maker: int | None = None
        self._lock = threading.RLock()

    def __repr__(self) -> str:
        return "Schema()" if self._name is None else f"Schema({self._name!r})"

    @property
    def name(self) -> Any:
        """The schema's name in the database, a str; None until it is activated."""
        return self._name

    @property
    def database(self) -> str | None:
        """The same, as DataJoint calls it."""
        return self._name

    def is_activated(self) -> bool:
        """Whether the schema has its name in the database."""
        return self._name is not None

    @property
    def exists(self) -> bool:
        """Whether the database has a schema of this name."""
        from djarrow.table.declaring import declare

        return self._name is not None and bool(declare.existing_schemas(self.connection, {self._name}))

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

    @property
    def repository(self) -> None:
        """No repository: it is a schema of a database."""
        return

    def _is_default(self) -> bool:
        from djarrow.engine import connect

        return self._connection is connect.current_default()

    @property
    def tables(self) -> tuple[type[Table], ...]:
        """The table classes, masters before parts, in order of declaration; none until the schema is activated."""
        return tuple(self._classes.values())

    @property
    def specs(self) -> dict[TableName, TableSpec]:
        """What the classes say their tables are."""
        return {name: cls().spec for name, cls in self._classes.items()}

    # --- declaring -----------------------------------------------------------------------------------------------

    def __call__(self, cls: TableType) -> TableType:
        """Make a class, with the parts nested in it, a table of this schema, now or when it is activated.

        Raises DefinitionError and its leaves: DefinitionSyntaxError, UnknownType, UnknownReference, NoSchema,
        CyclicDependency.
        """
        if not isinstance(cls, TableClass):
            raise DefinitionError(f"{cls!r} is no table: derive it from Manual, Lookup, Imported or Computed.")
        members.check_owner(cls, self)
        one = Decorated(cls, adopt_parts(cls), namespaces_of(sys._getframe(1)))
        with self._lock:
            if self._name is not None:
                members.declare(self, one)
            if not self._settled:
                members.collect(self, one)
        return cls

    def linked_schemas(self) -> tuple[Schema, ...]:
        """This schema and those that its tables refer to, directly or not.

        Two of them can have one name: each module, or each run of a notebook's cell, makes an object of its own.
        """
        found: list[Schema] = []
        waiting = [self]
        while waiting:
            schema = waiting.pop()
            if schema not in found:
                found.append(schema)
                waiting += schema._linked
        return tuple(found)

    def all_parents(self) -> dict[TableName, tuple[TableName, ...]]:
        """Table -> the tables that it refers to, of this schema and of those."""
        linked = self.linked_schemas()
        held = [spec for schema in linked for spec in schema.held.specs.values()]
        return graph.parents_of([*held, *(spec for schema in linked for spec in schema.specs.values())])

    def tables_known(self) -> tuple[int, ...]:
        """A number for each of them: others where what is known of the tables may have changed."""
        linked = self.linked_schemas()
        known = [*(s._classes.values() for s in linked), *(s.held.specs.values() for s in linked)]
        return tuple(id(each) for some in known for each in some)

    def parent_spec(self, name: TableName) -> TableSpec:
        """The spec of a table of this schema, or of one that its tables refer to."""
        linked = self.linked_schemas()
        declared = next((schema._classes[name]().spec for schema in linked if name in schema._classes), None)
        return declared or next(schema.held.specs[name] for schema in linked if name in schema.held.specs)

    def reference_to(self, name: TableName) -> str:
        """How a definition in this schema refers to a table: `Session`, `Session.Probe`, `acquisition.Session`."""
        return names.class_reference(name, self.name)

    # --- the database --------------------------------------------------------------------------------------------

    def activate(
        self,
        schema_name: str | None = None,
        *,
        connection: PostgresConnection | None = None,
        create_schema: bool | None = None,
        create_tables: bool | None = None,
        add_objects: Linked | None = None,
    ) -> None:
        """Give the schema its name, and make what is pending: the schema, its tables and the contents of its lookups.

        The arguments are those of Schema, and where not given, what Schema was given. With create_tables=False nothing
        is made, and the database is not asked for anything but, with create_schema=False, whether it has the schema.
        Where the schema has this name already, what is pending is made; create_schema=False and create_tables=False
        then count from now on, and True does not undo them.

        Raises DefinitionError and its leaves where there is no name, another name, or a definition that cannot be used,
        MissingSchema, and TransactionError inside of a transaction: then the schema stays as it was. Raises
        DefinitionMismatch where the database holds another table under the name of a class: the schema is activated
        then, so that `describe()` and `alter()` of the class can tell and settle the difference.
        """
        if schema_name is not None:
            activation.check_name(schema_name, create=self._create_schema if create_schema is None else create_schema)
        activation.checked_connection(connection)
        added = () if add_objects is None else (namespace_given(add_objects),)
        activation.activate(self, schema_name, Options(connection, create_schema, create_tables, added))

    def ready_connection(self, table: TableName | None = None) -> PostgresConnection:
        """The connection, after what is pending was made here and in the schemas that the tables refer to.

        table: that is to be used. Raises DefinitionMismatch where the database holds it otherwise than its class says.
        """
        if any(schema.is_waiting() for schema in self.linked_schemas()):
            with pending.declaring:
                pending.make_pending(self)
        if self._name is None:
            raise NoSchema("the schema is not activated. Call `schema.activate('name')` before using its tables.")
        if table in self._blocked:
            self.check_agrees(self._blocked[table])
        return self.connection

    def open_connection(self, table: TableName, seconds: float) -> PostgresConnection | None:
        """The connection where one is open, with nothing opened or made. seconds: what the server may take to answer.

        Raises DefinitionMismatch as `ready_connection` does, for a table that was compared when others were made.
        """
        from djarrow.engine import connect

        connection = self._connection or connect.current_default()
        if connection is not None and table in self._blocked:
            with connection.look(seconds):  # it answers, and the catalog can be read without disturbing anything
                pass
            self.check_agrees(self._blocked[table])
        return connection

    @property
    def makes_tables(self) -> bool:
        """Whether tables are made where they are missing."""
        return self._create_tables

    def makes(self, table: TableName) -> bool:
        """Whether the table is yet to be made on first use."""
        return any(table in schema._pending and schema._create_tables for schema in self.linked_schemas())

    def check_agrees(self, *tables: TableName) -> None:
        """Raise DefinitionMismatch for the first of these tables, or of all, that the database holds otherwise."""
        from djarrow.table.declaring import declare

        linked = self.linked_schemas()
        wanted = tables or tuple(cause for each in linked for cause in each._blocked.values())
        # Of two classes of one table, in two objects of one schema, that of the schema in use counts: it comes first.
        specs = {name: spec for each in reversed(linked) for name, spec in each.specs.items() if name in wanted}
        declare.compare(self.connection, list(specs.values())).check()

    def is_waiting(self) -> bool:
        """Whether tables are to be made before use. The thread that makes them uses them: for contents of lookups."""
        return bool(self._pending) and self._maker != threading.get_ident()

    def writable(self, table: TableName | None = None) -> PostgresConnection:
        """The connection, for writing."""
        return self.ready_connection(table)

    def stored_spec(self, name: TableName) -> TableSpec:
        """What the database holds under this name, read from its catalog, also where its class says otherwise.

        Raises QueryError where the table was dropped since it was made.
        """
        from djarrow.table.declaring import declare

        held = declare.stored(self.connection, {name.schema}).spec(name)
        if held is None:
            held = declare.stored(self.ready_connection(), {name.schema}).spec(name)
        if held is None and not self._create_tables:
            raise MissingTable("the database does not hold it.", table=str(name))
        if held is None:
            raise QueryError(f"the database holds no table {name}; it was dropped. Declare its class again.")
        return held

    def table_size(self, name: TableName) -> int:
        """How many bytes a table takes, with its indexes and blobs. Raises MissingTable."""
        from djarrow.sql import catalog

        size = self.ready_connection(name).read(catalog.table_on_disk(name), few=True).column("size")[0].as_py()
        if size is None:
            raise MissingTable("the database does not hold it.", table=str(name))
        return int(size)

    @property
    def size_on_disk(self) -> int:
        """How many bytes all tables of the schema take, with their indexes and blobs, and its notes, as the update log.

        0 where there are none. Raises NoSchema before the schema is activated.
        """
        from djarrow.sql import catalog

        if self._name is None:
            raise NoSchema("the schema is not activated. Call `schema.activate('name')` before asking for its size.")
        return int(self.connection.read(catalog.schema_on_disk(self._name), few=True).column("size")[0].as_py())

    # --- what it holds -------------------------------------------------------------------------------------------

    @cached_property
    def held(self) -> Held:
        """What the database was last seen to hold of the schema."""
        return Held(self)

    def classes(self) -> SchemaModule:
        """The classes of all tables of the schema: its own, and classes made from the database for those without one.

        They are attributes of what is returned, as of a module; nothing is made. Warns of tables that no class can be
        made of. Specification: 001 6.1.
        """
        return SchemaModule(names.module_name(self.name or "schema"), self)

    def make_classes(self, into: dict[str, Any] | None = None) -> None:
        """Put the classes of `classes()` into a namespace under their names, where these are free.

        into: the namespace; without it, that of the caller's module.
        """
        namespace = sys._getframe(1).f_globals if into is None else into
        for name, cls in attributes_of(self.held.read()).items():
            namespace.setdefault(name, cls)

    @property
    def updates(self) -> QueryExpression:
        """The log of what update1 changed in rows of the schema, as a query to restrict and read.

        One row a value: id, table_name, key, attribute, old_value, new_value, user_name, updated. Without rows as long
        as nothing was changed; nothing is made by asking. Raises NoSchema before the schema is activated.
        """
        from djarrow.table.writing.log import updates_of

        return updates_of(self)

    @property
    def accepted(self) -> QueryExpression:
        """What was said to hold although it was stale, by `Table.accept`, as a query: one row a result each time.

        Its attributes are id, table_name, key, make, fingerprints, user_name, accepted. Without rows as long as nothing
        was accepted. Raises NoSchema before the schema is activated.
        """
        from djarrow.table.writing.log import accepted_of

        return accepted_of(self)

    # --- computing -----------------------------------------------------------------------------------------------

    @property
    def jobs(self) -> Jobs:
        """The queue of the keys that are to be made, and of those whose make failed, as a query: docs/jobs.md.

        `(schema.jobs & 'status = "error"').retry()`; also `clear`, `ignore`, `schedule`, `refresh`, `of`, `keys_of`.
        Without rows as long as there is no queue; nothing is made by asking. Raises NoSchema before it is activated.
        """
        return computing().jobs(self)

    def populate(self, *restrictions: Any, suppress_errors: bool = True, **options: Any) -> Totals:
        """Populate all tables that fill themselves, parents first, again and again until a whole round makes nothing.

        What `dj.populate(schema)` does.
        """
        return computing().populate(self, restrictions, {"suppress_errors": suppress_errors, **options})

    def progress(self, seconds: float | None = None) -> pl.DataFrame:
        """How far the tables are that fill themselves: a frame with a row for each. What `dj.progress(schema)` does."""
        return computing().progress(self, seconds)

    # --- its tables ----------------------------------------------------------------------------------------------

    def list_tables(self) -> list[str]:
        """The names of the tables in the database, parents first, also of those to be made on first use."""
        return [name.table for name in self.held.read()]

    def __getitem__(self, name: str) -> type[Table]:
        """The class of a table: `schema["Session.Trial"]`, `schema["session__trial"]`. Raises UnknownTable."""
        return self.held.table(name)

    def __contains__(self, name: object) -> bool:
        """Whether there is a table of this name, of a class or in the database."""
        if not isinstance(name, str):
            return False
        return find(self._classes, name) is not None or find(self.held.read(), name) is not None

    def __iter__(self) -> Iterator[type[Table]]:
        """The classes of all tables, parents first."""
        return iter(self.held.read().values())

    def save(self, path: str | Path | None = None, *, overwrite: bool = False) -> str:
        """The text of a module with a class for each table that the database holds, which declares the same tables.

        path: the file to write it to, whole or not at all. overwrite: replace one that is there. What no class can say
        is left out, with a warning, and listed in the module; so are `make` and contents, which the database does not
        keep. Raises ModuleExists. Specification: 001 5.3.3.
        """
        from djarrow.table.existing.save import save

        return save(self, path, overwrite=overwrite)

    def drop(self, prompt: bool | None = None) -> list[str]:
        """Drop the schema with all its tables, in one transaction.

        What goes is shown first, with how many rows each table has, and asked for. prompt: False does not ask, True
        asks, None asks where someone can answer and `safemode` is on. Classes can then be declared in the schema anew.

        Returns the names of the tables dropped; none where there is no such schema, or where the answer was no. Raises
        DropRefused where tables of other schemas depend on it, where it holds what is no table, and where others use it
        meanwhile; NotConfirmed where there is nobody to ask; TransactionError inside of a transaction; AccessDenied.
        Nothing was dropped then.
        """
        from djarrow.table.changing.drop import drop_schema

        return drop_schema(self, prompt=prompt)
