"""Virtual modules: a schema of the database as a module of classes that nobody wrote. Specification: 001 6.1."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

from djarrow.errors import DefinitionError, MissingSchema
from djarrow.model.names import TableName
from djarrow.table.existing.classes import attributes_of, find
from djarrow.table.existing.held import unknown
from djarrow.table.table import Table

if TYPE_CHECKING:
    from djarrow.engine.postgres import PostgresConnection
    from djarrow.table.declaring.references import Linked
    from djarrow.table.schema import Schema


class SchemaModule(ModuleType):
    """The table classes of a schema as attributes of a module, parts as attributes of their masters.

    schema: the schema. Iterating gives all classes, parents first; `module["session__trial"]` one by the name of its
    table. Tables that came later are there after `refresh()`.
    """

    schema: Schema

    def __init__(self, name: str, schema: Schema) -> None:
        super().__init__(name)
        self.schema = schema
        self._classes: dict[TableName, type[Table]] = {}
        self.refresh()

    def refresh(self) -> None:
        """Read again what tables there are. One statement. Warns of tables that no class can be made of."""
        for name in attributes_of(self._classes):
            del self.__dict__[name]
        self._classes = self.schema.held.read()
        self.__dict__.update(attributes_of(self._classes))
        if refused := self.schema.held.refused:
            listed = "".join(f"\n  - {name}: {why}" for name, why in refused.items())
            warnings.warn(
                f"the schema {self.schema.name!r} holds tables that no definition describes; they have no class:"
                f"{listed}",
                stacklevel=4,
            )

    def __repr__(self) -> str:
        count = len(self._classes)
        return f"<{self.__name__}: {count} {'table' if count == 1 else 'tables'} of the schema {self.schema.name!r}>"

    def __iter__(self) -> Iterator[type[Table]]:
        return iter(self._classes.values())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and find(self._classes, name) is not None

    def __getitem__(self, name: str) -> type[Table]:
        if (found := find(self._classes, name)) is None:
            raise unknown(name, self.schema, self._classes)
        return found

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise unknown(name, self.schema, self._classes)


class VirtualModule(SchemaModule):
    """The table classes of a schema that has none in Python, by names that DataJoint users know: `dj.virtual`.

    module_name: what the module calls itself. schema_name: the schema in the database. connection, create_schema,
    create_tables, add_objects: as of dj.Schema; what a mapping gives as add_objects become attributes, too.

    Raises MissingSchema, with the nearest name, where there is no such schema and it may not be created, and
    DefinitionError for what cannot be the name of one. A schema that exists can have any name that PostgreSQL gives.
    """

    def __init__(
        self,
        module_name: str,
        schema_name: str,
        *,
        connection: PostgresConnection | None = None,
        create_schema: bool = False,
        create_tables: bool = False,
        add_objects: Linked | None = None,
    ) -> None:
        from djarrow.table.declaring import activation, declare
        from djarrow.table.schema import Schema

        activation.check_name(schema_name, create=create_schema)  # None, too: a schema can do without a name
        if not isinstance(module_name, str):
            raise DefinitionError(f"the name of a module is text, not {module_name!r}.")
        schema = Schema(
            schema_name,
            connection=connection,
            create_schema=create_schema,
            create_tables=create_tables,
            add_objects=add_objects,
        )
        super().__init__(module_name, schema)
        if not self._classes and not schema.held.refused and not schema.exists:
            if not create_schema:
                raise MissingSchema(schema_name, list_schemas(schema.connection))
            declare.create(schema.connection, [], schemas=[schema_name])
        if isinstance(add_objects, Mapping):
            self.__dict__.update(add_objects)


def virtual(
    schema_name: str,
    *,
    connection: PostgresConnection | None = None,
    create_schema: bool = False,
    create_tables: bool = False,
    add_objects: Linked | None = None,
) -> VirtualModule:
    """The tables of a schema that exists, as classes made from the database: `lab = dj.virtual("lab"); lab.Subject`.

    They work wherever table classes do: in queries, inserts, and as parents, `-> lab.Subject`. Those that compute
    cannot be populated: `make` is not in the database. connection: the default one when not given. The other arguments
    are those of dj.VirtualModule. Raises MissingSchema, and DefinitionError for no name. Specification: 001 6.1.
    """
    return VirtualModule(
        schema_name,
        schema_name,
        connection=connection,
        create_schema=create_schema,
        create_tables=create_tables,
        add_objects=add_objects,
    )


def list_schemas(connection: PostgresConnection | None = None) -> list[str]:
    """The names of the schemas of the database that its user may use, without PostgreSQL's own; one statement.

    connection: the default one when not given.
    """
    from djarrow.engine.connect import conn
    from djarrow.sql import dependencies

    rows = (connection or conn()).read(dependencies.SCHEMAS).to_pylist()
    return [row["name"] for row in rows]
