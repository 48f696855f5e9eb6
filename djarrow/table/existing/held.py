"""What the database was last seen to hold of a schema, and the class of each of its tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from djarrow.errors import DefinitionError, NoSchema, UnknownTable, hint_nearest
from djarrow.model.names import TableName
from djarrow.table.existing.classes import Classes, classes_of, find, is_called, reference
from djarrow.table.table import Table

if TYPE_CHECKING:
    from djarrow.model.spec import TableSpec
    from djarrow.table.schema import Schema


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
        if is_called(each, name):
            return UnknownTable(f"{each} has no class: {why}")
    alike = [each.table for each in classes if each.table != name and is_called(each, name)]
    if len(alike) > 1:
        listed = " and ".join(map(repr, alike))
        return UnknownTable(f"{name!r} could be {listed} of the schema {schema.name!r}. Use `schema[{alike[0]!r}]`.")
    candidates = {reference(each) or each.table for each in classes}
    return UnknownTable(f"the schema {schema.name!r} has no table {name!r}.{hint_nearest(name, candidates)}")
