"""Classes of tables that have none in Python, made from what the database holds; and the modules that show them.

Making tables from classes is the other way, schema.py's. Specification: 001 6.1; docs/existing-databases.md.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

from djarrow.errors import DefinitionError, MissingSchema, NoSchema, UnknownTable, hint_nearest
from djarrow.model import names
from djarrow.model.names import TableName
from djarrow.table.table import BASES, Home, Part, Table

if TYPE_CHECKING:
    from djarrow.engine.postgres import PostgresConnection
    from djarrow.model.spec import TableSpec
    from djarrow.table.declaring.references import Linked
    from djarrow.table.schema import Schema

Classes = Mapping[TableName, type[Table]]


# --- making classes ----------------------------------------------------------------------------------------------


def classes_of(specs: Iterable[TableSpec], home: Home, declared: Classes | None = None) -> dict[TableName, type[Table]]:
    """A class for each of these tables, parts also as attributes of the masters that are made here.

    home: what the tables belong to. declared: classes of other tables, whose parts may be among these.
    """
    made: dict[TableName, type[Table]] = {}
    for spec in sorted(specs, key=lambda spec: spec.master is not None):  # masters before parts
        cls = made[spec.name] = _class(spec, home)
        if spec.master is not None and issubclass(cls, Part):
            cls._master = made.get(spec.master) or (declared or {}).get(spec.master)
            if spec.master in made and class_name_of(spec.name) is not None:
                setattr(made[spec.master], cls.__name__, cls)
    return made


def _class(spec: TableSpec, home: Home) -> type[Table]:
    """The class of a table. Without the `make` of those that compute: the database does not keep it."""
    base = BASES[spec.tier] if spec.master is None else Part
    members: dict[str, Any] = {
        "_spec": spec,
        "_schema": home,
        "__doc__": spec.comment or None,
        "__module__": names.module_name(home.name),
        "__qualname__": names.class_reference(spec.name, home.name),
    }
    metaclass: Any = type(base)
    made: type[Table] = metaclass(spec.class_name, (base,), members)
    return made


def class_name_of(name: TableName) -> str | None:
    """The name of the class that would be this table, or None where no class would."""
    tier, class_name, master = names.split_table_name(name.table)
    try:
        names.check_class_name(class_name)
    except DefinitionError:
        return None
    return class_name if names.table_name(class_name, tier, master) == name.table else None


def attributes_of(classes: Classes) -> dict[str, type[Table]]:
    """Class name -> class, of those that are no parts and have it for themselves: `#rig` and `rig` are both Rig."""
    found: dict[str, list[type[Table]]] = {}
    for name, cls in classes.items():
        class_name = class_name_of(name)
        if class_name is not None and names.split_table_name(name.table)[2] is None:
            found.setdefault(class_name, []).append(cls)
    return {name: alike[0] for name, alike in found.items() if len(alike) == 1}


def find(classes: Classes, name: str) -> type[Table] | None:
    """The class of a table by name: `Session.Trial`, `session__trial`, or with the tier's prefix, `_session__trial`."""
    for key in (_table, _reference, _bare):
        found = [cls for each, cls in classes.items() if key(each) == name]
        if len(found) == 1:
            return found[0]
    return None


def _table(name: TableName) -> str:
    return name.table


def _reference(name: TableName) -> str | None:
    return names.class_reference(name, name.schema) if class_name_of(name) is not None else None


def _bare(name: TableName) -> str:
    return name.table.removeprefix(names.split_table_name(name.table)[0].prefix)


# --- what a schema holds -----------------------------------------------------------------------------------------


class Held:
    """What the database was last seen to hold of a schema, and the classes made for it. Each reading is one statement.

    specs: of these tables and of those that they refer to, parents first. refused: tables of the schema that no
    definition describes, with why.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self.specs: dict[TableName, TableSpec] = {}
        self.refused: dict[TableName, DefinitionError] = {}
        self._made: dict[TableName, type[Table]] = {}

    def read(self) -> dict[TableName, type[Table]]:
        """The classes of all tables, parents first: the schema's own, also of tables to be made on first use."""
        from djarrow.table.declaring import declare

        schema = self._schema
        if schema.name is None:
            raise NoSchema("the schema is not activated. Call `schema.activate('name')` before asking for its tables.")
        catalog = declare.stored(schema.connection, {schema.name})
        declared = dict(schema._classes)
        if catalog.specs != self.specs or declared.keys() & self._made.keys():
            virtual = [spec for name, spec in catalog.specs.items() if self._is_own(name) and name not in declared]
            self._made = classes_of(virtual, schema, declared)
            self.specs = catalog.specs
        self.refused = {name: error for name, error in catalog.refused.items() if self._is_own(name)}
        every = {**self._made, **declared}
        return {name: every[name] for name in (*filter(every.__contains__, self.specs), *declared)}

    def _is_own(self, name: TableName) -> bool:
        return name.schema == str(self._schema.name)

    def table(self, name: str) -> type[Table]:
        """The class of a table by name. Raises UnknownTable with the nearest name, or with why there is no class."""
        known = find(self._schema._classes, name)
        if known is not None:
            return known
        classes = self.read()
        if (found := find(classes, name)) is None:
            raise unknown(name, self._schema, classes)
        return found

    def forget(self, dropped: Iterable[TableName]) -> None:
        """Tables are gone."""
        for name in dropped:
            self.specs.pop(name, None)
            self._made.pop(name, None)


def unknown(name: str, schema: Schema, classes: Classes) -> UnknownTable:
    """The error for a name that is no class: it is no table's, or not that of one alone, or its table has none."""
    for each, why in schema.held.refused.items():
        if name in (_table(each), _reference(each), _bare(each)):
            return UnknownTable(f"{each} has no class: {why}")
    alike = [each.table for each in classes if name in (_reference(each), _bare(each))]
    if len(alike) > 1:
        listed = " and ".join(map(repr, alike))
        return UnknownTable(f"{name!r} could be {listed} of the schema {schema.name!r}. Use `schema[{alike[0]!r}]`.")
    candidates = {_reference(each) or each.table for each in classes}
    return UnknownTable(f"the schema {schema.name!r} has no table {name!r}.{hint_nearest(name, candidates)}")


# --- modules -----------------------------------------------------------------------------------------------------


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
