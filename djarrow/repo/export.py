"""dj.export: tables -> a repository, from one snapshot, streamed, the manifest last.

Design section 11; specification 000 "Export, Sharing, and Backup/Restore".
"""

from __future__ import annotations

import datetime
import os
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

from djarrow._version import __version__
from djarrow.errors import DefinitionError, RepositoryError, UnknownAttribute
from djarrow.expr.nodes import Order, Stored
from djarrow.expr.order import ordered
from djarrow.expr.terms import column
from djarrow.model import graph
from djarrow.model.names import TableName
from djarrow.model.spec import TableSpec
from djarrow.model.types import Family
from djarrow.repo import manifest
from djarrow.repo.definitions import definition_of, specs_of
from djarrow.repo.manifest import Manifest, TableEntry
from djarrow.sql import snapshot
from djarrow.table.schema import Schema
from djarrow.table.source import current_offline
from djarrow.table.table import Table

if TYPE_CHECKING:
    import pyarrow as pa

    from djarrow.engine.postgres import PostgresConnection

UNPARTITIONED = frozenset({Family.FLOAT, Family.JSON, Family.BLOB})
"""Types that cannot name a file: a float's 0 equals its -0, NaN equals nothing, and the others are too long."""

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

    what: a schema, a table class, or several of them, as a virtual module is. Of a schema without classes all tables
    are exported that the database holds. The tables that they refer to are exported too, so that no reference dangles.
    url: a folder, new, empty, or left by an export that was interrupted. partition_by: attributes
    whose values split the rows of a table over files, for every table that has them, or by table class.

    All tables are read in one snapshot and streamed; the manifest is written last, so that a partial export does not
    open. Raises RepositoryError where the folder is a repository already or cannot be written, a partition is not
    possible, or a schema or table has a name or attributes that only other software gives, and UnknownAttribute.
    """
    from djarrow.repo import companions

    started = time.monotonic()
    if current_offline() is not None:
        raise RepositoryError("inside a `using` block queries read a repository; export the database outside of it.")
    root = _free(url)
    schemas, chosen = _chosen(what)
    connection = _connection(schemas)
    specs = _with_ancestors(schemas, chosen)
    partitions = _partitions(specs, partition_by)
    entries = []
    with connection.begin(read_only=True):
        connection.execute(snapshot.lock_tables([spec.name for spec in specs]))
        with _writing(root):
            root.mkdir(parents=True, exist_ok=True)
            for spec in specs:
                entries.append(_write(spec, partitions[spec.name], root, connection))
    document = _manifest(root, connection, entries)
    with _writing(root):
        _remove_leftovers(document, root)
        companions.write(document, {spec.name: spec for spec in specs}, root)
        manifest.write(document, root)
    every = [file for entry in entries for file in entry.files]
    return Exported(
        root, len(entries), document.rows, len(every), sum(f.size for f in every), time.monotonic() - started
    )


def _free(url: str | Path) -> Path:
    """The folder to write to, which is no repository yet."""
    root = Path(url).expanduser().resolve()
    if (root / manifest.FILE_NAME).exists():
        raise RepositoryError(f"{root} is a repository already. Choose another folder, or remove it first.")
    return root


@contextmanager
def _writing(root: Path) -> Iterator[None]:
    """Say what a refusal of the file system means."""
    try:
        yield
    except OSError as error:
        raise RepositoryError(
            f"{root} cannot be written: {error}. Nothing was published; the folder has no manifest and does not open."
        ) from error


def _remove_leftovers(document: Manifest, root: Path) -> None:
    """Remove what an interrupted export left: Parquet files in the folders of our tables that are not listed."""
    listed = {root.joinpath(*PurePosixPath(file.path).parts) for entry in document.tables for file in entry.files}
    for entry in document.tables:
        for folder, _, names in os.walk(root.joinpath(*manifest.folder_of(entry.name).parts)):
            for path in (Path(folder, name) for name in names if name.endswith(".parquet")):
                if path not in listed:
                    path.unlink()


def _chosen(what: Any) -> tuple[list[Schema], list[TableName]]:
    """The schemas concerned, and the tables chosen."""
    schemas: list[Schema] = []
    tables: list[TableName] = []
    for item in [what] if isinstance(what, Schema | type) else list(what):
        if isinstance(item, Schema):
            item.activate()
            schemas += item.linked_schemas()
            tables += [cls().spec.name for cls in item.tables or _held(item)]
        elif isinstance(item, type) and issubclass(item, Table):
            schema = item().schema
            if not isinstance(schema, Schema):
                raise RepositoryError(f"{item.__name__} is a table of a repository; copy its files instead.")
            schema.activate()
            schemas += schema.linked_schemas()
            tables.append(item().spec.name)
        else:
            raise RepositoryError(f"an object of {type(item)} cannot be exported; give a schema or a table class.")
    if not tables:
        raise RepositoryError("there is nothing to export: no table was given, and no schema that holds one.")
    return schemas, tables


def _held(schema: Schema) -> list[type[Table]]:
    """The tables that the database holds of a schema without classes. Warns of those that no definition describes."""
    found = list(schema)
    if refused := schema.held.refused:
        listed = "".join(f"\n  - {name}: {why}" for name, why in refused.items())
        warnings.warn(f"these tables are not exported, because no definition describes them:{listed}", stacklevel=4)
    return found


def _connection(schemas: Iterable[Schema]) -> PostgresConnection:
    connections = {id(schema.connection): schema.connection for schema in schemas}
    if len(connections) > 1:
        raise RepositoryError("the schemas live in different databases, and one export reads one snapshot.")
    return next(iter(connections.values()))


def _with_ancestors(schemas: Iterable[Schema], chosen: Iterable[TableName]) -> list[TableSpec]:
    """The tables to write, parents first: those chosen and all that they refer to."""
    known = {name: spec for schema in schemas for name, spec in schema.held.specs.items()}
    known |= {name: spec for schema in schemas for name, spec in schema.specs.items()}
    parents = graph.parents_of(known.values())
    wanted = set(chosen)
    for name in chosen:
        wanted |= graph.ancestors(name, parents)
    manifest.check_names(sorted(wanted))
    manifest.check_distinct(sorted(wanted))
    specs = [known[name] for name in graph.topological_order({name: parents[name] for name in wanted})]
    _check_definitions(specs)
    return specs


def _check_definitions(specs: Sequence[TableSpec]) -> None:
    """Refuse tables whose definitions could not be read again when the repository is opened."""
    entries = tuple(_entry(spec) for spec in specs)
    try:
        specs_of(Manifest("", "", "", {}, entries))
    except DefinitionError as error:
        raise RepositoryError(
            f"a table of other software cannot be exported, because no definition can say what it is: {error} "
            "Change it in the database, or export only tables that do not refer to it."
        ) from error


def _partitions(specs: Sequence[TableSpec], partition_by: PartitionBy) -> dict[TableName, tuple[str, ...]]:
    """Table -> the attributes that split its rows over files. Raises UnknownAttribute or RepositoryError."""
    if isinstance(partition_by, Mapping):
        given = {cls().spec.name: _listed(names) for cls, names in partition_by.items()}
        if unknown := given.keys() - {spec.name for spec in specs}:
            raise RepositoryError(f"partition_by names {', '.join(map(str, unknown))}, which is not exported.")
    else:
        wanted = _listed(partition_by or ())
        given = {spec.name: wanted for spec in specs if all(name in spec.heading for name in wanted)}
        if not given:
            known = {name for spec in specs for name in spec.heading.names}
            missing = next((name for name in wanted if name not in known), None)
            if missing is not None:
                raise UnknownAttribute(missing, known, where="partition_by")
            raise RepositoryError(f"partition_by: no table has all of {', '.join(wanted)}.")
    return {spec.name: _checked(given.get(spec.name, ()), spec) for spec in specs}


def _listed(names: Sequence[str]) -> tuple[str, ...]:
    if isinstance(names, str):
        raise RepositoryError(f"partition_by is a list of attributes: [{names!r}].")
    if len(set(names)) < len(names):
        raise RepositoryError("partition_by names each attribute once.")
    return tuple(names)


def _checked(names: tuple[str, ...], spec: TableSpec) -> tuple[str, ...]:
    """The names, each of which can name a file."""
    for name in names:
        attribute = spec.heading.attribute(name, where=f"partition_by of {spec.name}")
        if attribute.nullable:
            raise RepositoryError(f"partition_by of {spec.name}: {name!r} may be NULL and cannot name a file.")
        if attribute.type.family in UNPARTITIONED:
            raise RepositoryError(f"partition_by of {spec.name}: {name!r} is {attribute.type} and cannot name a file.")
    return names


def _write(spec: TableSpec, partition_by: tuple[str, ...], root: Path, connection: PostgresConnection) -> TableEntry:
    """Stream one table into its files, in the order of partition and key."""
    from djarrow.frame.results import declared_batch
    from djarrow.repo.content import ContentHash
    from djarrow.repo.parquet import write_table

    content = ContentHash(spec.heading)

    def batches(stream: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in stream:
            declared = declared_batch(batch, spec.heading)
            content.add(declared)
            yield declared

    with connection.stream(_sorted(spec, partition_by)) as stream:
        files = tuple(write_table(spec, batches(stream), partition_by, root))
    return evolve(_entry(spec), content=content.hexdigest(), partition_by=partition_by, files=files)


def _sorted(spec: TableSpec, partition_by: tuple[str, ...]) -> str:
    """The text that reads a table in the order of partition and key."""
    from djarrow.sql import compile as compiler
    from djarrow.sql.dialects import Dialect

    names = dict.fromkeys((*partition_by, *spec.heading.primary_key))
    order = tuple(Order(column(spec.heading[name])) for name in names)
    node = ordered(Stored(spec.name, spec.heading), order, None, 0)
    return compiler.select(node, Dialect.POSTGRES).text


def _entry(spec: TableSpec) -> TableEntry:
    return TableEntry(spec.name.schema, spec.name.table, definition_of(spec))


def _manifest(root: Path, connection: PostgresConnection, entries: Sequence[TableEntry]) -> Manifest:
    import polars
    import pyarrow

    server = connection.read("SELECT current_setting('server_version')").column(0)[0].as_py()
    software = {"djarrow": __version__, "pyarrow": pyarrow.__version__, "polars": polars.__version__}
    return Manifest(
        project=os.fsencode(root.name).decode(errors="replace"),
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        source=f"PostgreSQL {server}",
        software=software,
        tables=tuple(entries),
    )
