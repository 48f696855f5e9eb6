"""dj.export: tables -> a repository, from one snapshot, streamed, the manifest last. Design section 11; 000 "Export"."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from djarrow._version import __version__
from djarrow.errors import RepositoryError
from djarrow.expr.nodes import Stored
from djarrow.model import graph
from djarrow.model.names import TableName
from djarrow.model.spec import TableSpec
from djarrow.repo import companions, manifest
from djarrow.repo.manifest import DataFile, Manifest, TableEntry
from djarrow.sql import snapshot
from djarrow.table.expression import QueryExpression
from djarrow.table.schema import Schema
from djarrow.table.table import Table

if TYPE_CHECKING:
    from djarrow.engine.postgres import PostgresConnection

PartitionBy = Sequence[str] | Mapping[type[Table], Sequence[str]] | None


@frozen
class Exported:
    """What an export wrote. bytes: of all Parquet files; seconds: of the whole export."""

    path: Path
    tables: int
    rows: int
    files: int
    bytes: int
    seconds: float


def export(
    what: Schema | type[Table] | Iterable[Schema | type[Table]], url: str | Path, *, partition_by: PartitionBy = None
) -> Exported:
    """Write tables to a folder as a repository, which `dj.open` queries with no server. Returns what was written.

    what: a schema, a table class, or several of them; the tables that they refer to are exported too, so that no
    reference dangles. url: a folder, new, empty, or left by an export that was interrupted. partition_by: attributes
    whose values split the rows of a table over files, for every table that has them, or by table class.

    All tables are read in one snapshot and streamed; the manifest is written last, so that a partial export does not
    open. Raises RepositoryError where the folder is a repository already or cannot be written, or a partition is not
    possible, and UnknownAttribute.
    """
    started = time.monotonic()
    root = _target(url)
    schemas, chosen = _chosen(what)
    connection = _connection(schemas)
    specs = _with_ancestors(schemas, chosen)
    partitions = {spec.name: _partition(spec, partition_by) for spec in specs}
    entries = []
    with connection.begin(read_only=True):
        connection.execute(snapshot.lock_tables([spec.name for spec in specs]))
        for spec in specs:
            files = _write(spec, partitions[spec.name], root, schemas[spec.name.schema])
            entries.append(_entry(spec, partitions[spec.name], files))
    document = _manifest(root, connection, entries)
    companions.write(document, {spec.name: spec for spec in specs}, root)
    manifest.write(document, root)
    every = [file for entry in entries for file in entry.files]
    return Exported(
        root, len(entries), document.rows, len(every), sum(f.size for f in every), time.monotonic() - started
    )


def _target(url: str | Path) -> Path:
    """The folder to write to, made where it is not there."""
    root = Path(url).expanduser().resolve()
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RepositoryError(f"the folder {root} cannot be made: {error.strerror}. Choose another one.") from error
    if (root / manifest.FILE_NAME).exists():
        raise RepositoryError(f"{root} is a repository already. Choose another folder, or remove it first.")
    return root


def _chosen(what: Any) -> tuple[dict[str, Schema], list[TableName]]:
    """The schemas concerned by name, and the tables chosen."""
    schemas: dict[str, Schema] = {}
    tables: list[TableName] = []
    for item in [what] if isinstance(what, Schema | type) else list(what):
        if isinstance(item, Schema):
            item.activate()
            schemas.update(item.linked_schemas())
            tables += [cls().spec.name for cls in item.classes]
        elif isinstance(item, type) and issubclass(item, Table):
            schema = item().schema
            if not isinstance(schema, Schema):
                raise RepositoryError(f"{item.__name__} is a table of a repository; copy its files instead.")
            schema.activate()
            schemas.update(schema.linked_schemas())
            tables.append(item().spec.name)
        else:
            raise RepositoryError(f"{item!r} cannot be exported; give a schema or a table class.")
    if not tables:
        raise RepositoryError("there is nothing to export: no table was given.")
    return schemas, tables


def _connection(schemas: Mapping[str, Schema]) -> PostgresConnection:
    connections = {id(schema.connection): schema.connection for schema in schemas.values()}
    if len(connections) > 1:
        raise RepositoryError("the schemas live in different databases, and one export reads one snapshot.")
    return next(iter(connections.values()))


def _with_ancestors(schemas: Mapping[str, Schema], chosen: Iterable[TableName]) -> list[TableSpec]:
    """The tables to write, parents first: those chosen and all that they refer to."""
    known = {name: spec for schema in schemas.values() for name, spec in schema.specs.items()}
    parents = graph.parents_of(known.values())
    wanted = set(chosen)
    for name in chosen:
        wanted |= graph.ancestors(name, parents)
    return [known[name] for name in graph.topological_order({name: parents[name] for name in wanted})]


def _partition(spec: TableSpec, partition_by: PartitionBy) -> tuple[str, ...]:
    """The attributes that split the rows of a table over files."""
    if isinstance(partition_by, Mapping):
        given = next((tuple(v) for cls, v in partition_by.items() if cls().spec.name == spec.name), ())
    elif isinstance(partition_by, str):
        raise RepositoryError(f"partition_by is a list of attributes: [{partition_by!r}].")
    else:
        given = tuple(partition_by or ())
        given = given if all(name in spec.heading for name in given) else ()
    for name in given:
        attribute = spec.heading.attribute(name, where=f"partition_by of {spec.name}")
        if attribute.nullable:
            raise RepositoryError(f"partition_by of {spec.name}: {name!r} may be NULL and cannot name a file.")
    return given


def _write(spec: TableSpec, partition_by: tuple[str, ...], root: Path, schema: Schema) -> tuple[DataFile, ...]:
    """Stream one table into its files, in the order of partition and key."""
    from djarrow.repo.parquet import write_table

    table = next(cls for cls in schema.classes if cls().spec.name == spec.name)
    query = QueryExpression(Stored(spec.name, spec.heading), table())
    batches = query.to_batches(order_by=[*partition_by, "KEY"])
    try:
        with closing(batches):  # type: ignore[type-var]
            return tuple(write_table(spec, batches, partition_by, root))
    except OSError as error:
        raise RepositoryError(f"{root} cannot be written: {error}. Nothing was published.") from error


def _entry(spec: TableSpec, partition_by: tuple[str, ...], files: tuple[DataFile, ...]) -> TableEntry:
    return TableEntry(spec.name.schema, spec.name.table, manifest.definition_of(spec), partition_by, files)


def _manifest(root: Path, connection: PostgresConnection, entries: Sequence[TableEntry]) -> Manifest:
    import polars
    import pyarrow

    server = connection.read("SELECT current_setting('server_version')").column(0)[0].as_py()
    software = {"djarrow": __version__, "pyarrow": pyarrow.__version__, "polars": polars.__version__}
    return Manifest(
        project=root.name,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        source=f"PostgreSQL {server}",
        software=software,
        tables=tuple(entries),
    )
