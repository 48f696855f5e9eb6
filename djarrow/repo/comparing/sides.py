"""What dj.diff compares: repositories, schemas, tables, databases -> the tables of each side, ready to be read."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from attrs import evolve, field, frozen

from djarrow.engine.addresses import is_url
from djarrow.engine.connect import connect, is_connection
from djarrow.errors import DjarrowError, NoSchema, RepositoryError, told
from djarrow.expr.nodes import Node, Restricted, Stored
from djarrow.jobs.gather import schemas_of
from djarrow.model import graph
from djarrow.model.names import TableName
from djarrow.model.spec import TableSpec
from djarrow.repo.manifest import TableEntry
from djarrow.repo.opening.repository import Repository, open_repository
from djarrow.repo.places.find import StorageOptions, is_remote
from djarrow.sql.dialects import Dialect
from djarrow.table.declaring import declare
from djarrow.table.expression import QueryExpression
from djarrow.table.given_rows import among_frame
from djarrow.table.schema import Schema
from djarrow.table.source import current_offline
from djarrow.table.table import Table

if TYPE_CHECKING:
    import pyarrow as pa

    from djarrow.engine.base import Streams
    from djarrow.engine.postgres import PostgresConnection


@frozen(eq=False)
class Side:
    """One side of a comparison. shown: what a person calls it; specs: its tables, parents first.

    refused: tables that no definition describes, with why. only: the tables that are meant, where not all are. entries:
    what a manifest says of them; connection: where they lie, in a database.
    """

    shown: str
    specs: dict[TableName, TableSpec]
    reader: Callable[[], Streams]
    refused: Mapping[TableName, DjarrowError] = field(factory=dict)
    only: frozenset[TableName] | None = None
    entries: Mapping[TableName, TableEntry] = field(factory=dict)
    connection: PostgresConnection | None = None

    @property
    def schemas(self) -> tuple[str, ...]:
        """The names of its schemas."""
        return tuple(dict.fromkeys(name.schema for name in (*self.specs, *self.refused)))

    def batches(
        self, name: TableName, columns: tuple[str, ...] | None = None, keys: pa.Table | None = None
    ) -> Generator[pa.RecordBatch]:
        """The rows of a table, in no order, streamed, with the types of its heading.

        columns: those wanted, if not all; keys: of the rows wanted, if not all.
        """
        from djarrow.frame.given_frames import as_frame
        from djarrow.frame.results import declared_batch
        from djarrow.sql import compile as compiler

        reader, heading = self.reader(), self.specs[name].heading
        node: Node = Stored(name, heading)
        if (frame := as_frame(keys)) is not None:
            node = Restricted(node, among_frame(frame, heading, []))
        text = compiler.select(node, Dialect(reader.dialect), columns).text
        wanted = heading if columns is None else heading.select(columns)
        with reader.stream(text) as stream:
            for batch in stream:
                yield declared_batch(batch, wanted)


def open_sides(
    first: Any,
    second: Any,
    schemas: Collection[str],
    rename: Mapping[str, str],
    resources: ExitStack,
    *,
    storage_options: StorageOptions | None = None,
) -> tuple[Side, Side]:
    """Both sides of a comparison. resources: closes what is opened for it. storage_options: of URLs given as text.

    schemas: those that are meant, by their names on the first side, or none for all; rename: a name there -> that on
    the second. A connection stands for these schemas of its database, or for those that the other side has.
    """
    if storage_options and not (_is_store(first) or _is_store(second)):
        raise RepositoryError("storage_options say how an object store is reached, and neither side is the URL of one.")
    first, second = (_opened(what, resources, storage_options) for what in (first, second))
    back = {new: old for old, new in rename.items()}
    named = {"first": tuple(schemas), "second": tuple(rename.get(name, name) for name in schemas)}
    if is_connection(first) and is_connection(second):
        if not schemas:
            raise RepositoryError("two databases are compared by the schemas that are named: `schemas=['lab']`.")
        return _of_connection(first, named["first"]), _of_connection(second, named["second"])
    if is_connection(first):
        right = _side(second)
        return _of_connection(first, named["first"] or [back.get(name, name) for name in right.schemas]), right
    left = _side(first)
    if is_connection(second):
        return left, _of_connection(second, named["second"] or [rename.get(name, name) for name in left.schemas])
    return left, _side(second)


def _is_store(what: Any) -> bool:
    return isinstance(what, str) and is_remote(what) and not is_url(what)


def _opened(what: Any, resources: ExitStack, storage_options: StorageOptions | None) -> Any:
    """What is given, with a repository in the place of its path, and a connection in that of its URL."""
    if isinstance(what, str) and is_url(what):
        connection = connect(what)
        resources.callback(connection.close)
        return connection
    if isinstance(what, str | Path):
        repository = open_repository(what, storage_options=storage_options if _is_store(what) else None)
        resources.callback(repository.close)
        return _Opened(repository, str(repository.place) if "://" in str(what) else str(what))
    return what


@frozen
class _Opened:
    """A repository that was given by its path, as that was written, or by a URL, which can hold what is not shown."""

    repository: Repository
    shown: str


def _side(what: Any) -> Side:
    if isinstance(what, _Opened):
        return evolve(_side(what.repository), shown=what.shown)
    if isinstance(what, Repository):
        entries = {entry.name: entry for entry in what.manifest.tables}
        return Side(str(what.place), what.specs, lambda: what.reader, entries=entries)
    schemas, tables = _meant(what)
    connections = {id(schema.connection): schema.connection for schema in schemas}
    if len(connections) != 1:
        raise RepositoryError("one side of a comparison is schemas and tables of one database, at least one of them.")
    if unnamed := [schema for schema in schemas if schema.name is None]:
        raise NoSchema(f"{unnamed[0]!r} is not activated. Call `activate('name')` of it, or of its module, before.")
    names = list(dict.fromkeys(schema.name for schema in schemas))
    shown = ", ".join(map(str, tables) if tables else names)
    return _of_database(next(iter(connections.values())), shown, names, tables)


def _meant(what: Any) -> tuple[list[Schema], list[TableName]]:
    """The schemas meant, and the tables where classes are given. Raises RepositoryError."""
    schemas: list[Schema] = []
    tables: list[TableName] = []
    alone = isinstance(what, Schema | type | ModuleType | QueryExpression) or not isinstance(what, Iterable)
    for one in [what] if alone else what:
        match one:
            case Schema():
                schemas.append(one)
            case ModuleType():
                schemas += schemas_of(one)
            case type() if issubclass(one, Table) and isinstance(schema := one().schema, Schema):
                schemas.append(schema)
                tables.append(one().spec.name)
            case _:
                raise RepositoryError(
                    f"{told(one)} cannot be compared as a whole; give a repository, its path, a schema, table classes, "
                    "a module of these, or a connection."
                )
    if tables and len(tables) < len(schemas):
        raise RepositoryError("one side of a comparison is schemas or table classes, and not both.")
    return schemas, tables


def _of_connection(connection: PostgresConnection, schemas: Iterable[str]) -> Side:
    return _of_database(connection, repr(connection), list(schemas))


def _of_database(
    connection: PostgresConnection, shown: str, schemas: list[str], tables: Collection[TableName] = ()
) -> Side:
    """What a database holds of schemas, or tables, and all that these refer to, in whatever schema."""
    if current_offline() is not None:
        raise RepositoryError("inside a `using` block queries read a repository; compare a database outside of it.")
    catalog = declare.stored(connection, schemas)
    parents = graph.parents_of(catalog.specs.values())
    meant = {name for name in catalog.specs if (name in tables if tables else name.schema in schemas)}
    meant = meant.union(*(graph.ancestors(name, parents) for name in meant))
    specs = {name: spec for name, spec in catalog.specs.items() if name in meant}
    refused = {
        name: why for name, why in catalog.refused.items() if (name in tables if tables else name.schema in schemas)
    }
    only = frozenset(meant.union(tables)) if tables else None
    return Side(shown, specs, lambda: connection, refused, only, connection=connection)


@contextlib.contextmanager
def one_snapshot(read: Iterable[tuple[Side, Collection[TableName]]]) -> Iterator[None]:
    """Inside the block these tables of each database are read in one snapshot, in which others neither drop nor
    truncate them.
    """
    from djarrow.sql import snapshot

    wanted: dict[int, tuple[PostgresConnection, set[TableName]]] = {}
    for side, tables in read:
        if side.connection is not None and tables:
            wanted.setdefault(id(side.connection), (side.connection, set()))[1].update(tables)
    with ExitStack() as transactions:
        for connection, tables in wanted.values():
            transactions.enter_context(connection.begin(read_only=True))
            connection.execute(snapshot.lock_tables(sorted(tables)))
        yield
