"""Making what is pending in a schema and in those that its tables refer to, and noting what cannot be made or used.

All tables are made in one transaction, in which the contents of lookups go in, too. docs/decisions/001.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from attrs import frozen

from djarrow.errors import AccessDenied, MissingTable
from djarrow.model import graph

if TYPE_CHECKING:
    from djarrow.model.names import TableName
    from djarrow.model.spec import TableSpec
    from djarrow.table.declaring.contents import Report
    from djarrow.table.declaring.declare import Compared
    from djarrow.table.schema import Schema
    from djarrow.table.table import Table

declaring = threading.RLock()
"""Held while tables are made: inserting the contents of lookups comes back here."""


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
