"""dj.open: an exported repository, queried through DuckDB with no server, by its own classes or a module's.

Design section 11; specification 000 "Export, Sharing, and Backup/Restore".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import TYPE_CHECKING, Any

from djarrow.engine.duckdb import DuckReader, Limits
from djarrow.errors import DefinitionMismatch, DjarrowError, InsertRefused, RepositoryError, UnknownTable, hint_nearest
from djarrow.expr.nodes import Stored
from djarrow.model.changes import mismatches
from djarrow.model.graph import parents_of
from djarrow.model.names import TableName, class_reference, is_made
from djarrow.model.spec import TableSpec
from djarrow.repo import manifest
from djarrow.repo.definitions import specs_of
from djarrow.repo.manifest import DataFile, Manifest, TableEntry
from djarrow.repo.opening.reading import RepositoryTables
from djarrow.repo.places.base import Place
from djarrow.repo.places.find import StorageOptions, place_of
from djarrow.settings import config
from djarrow.sql import views
from djarrow.sql.carried import Kind, carried_spec
from djarrow.table.existing.classes import attributes_of, classes_of
from djarrow.table.schema import Schema
from djarrow.table.source import reading_from
from djarrow.table.table import Table

if TYPE_CHECKING:
    import pyarrow as pa

    from djarrow.engine.base import Database


OF_MAKES = (Kind.ROWS, Kind.MAKES)
"""What `provenance()` reads beside a table."""


class Repository:
    """An opened repository. `repository["flights"].Flight` is a table class; all query operators work on it.

    manifest: what it holds. specs: its tables by name. Nothing in a repository is executed; files outside its folder
    cannot be read.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self.manifest = manifest.read(place)
        self.specs = _specs(place, self.manifest)
        self._schemas = {name: RepositorySchema(name, self) for name in self.manifest.schemas}

    def __repr__(self) -> str:
        return f"Repository({str(self.place)!r}: {', '.join(self._schemas)})"

    def __getitem__(self, schema: str) -> RepositorySchema:
        if schema not in self._schemas:
            raise RepositoryError(f"{self.place} holds no schema {schema!r}; it holds {', '.join(self._schemas)}.")
        return self._schemas[schema]

    def __iter__(self) -> Iterator[str]:
        return iter(self._schemas)

    @property
    def tables(self) -> frozenset[TableName]:
        """The names of the tables that it holds."""
        return frozenset(self.specs)

    @cached_property
    def readable(self) -> frozenset[TableName]:
        """All that its queries can read: its tables, and what is told of how their rows came."""
        return frozenset(self._known[1])

    @cached_property
    def untold(self) -> frozenset[TableName]:
        """What would be told of how rows came, if the export had not left it out."""
        without = [entry.name for entry in self.manifest.tables if entry.provenance is None and is_made(entry.name)]
        return frozenset(carried_spec(kind, self.specs[name]).name for name in without for kind in OF_MAKES)

    def table(self, name: TableName) -> Table:
        """A table by its name in the database."""
        return self[name.schema].table(name)

    def table_size(self, name: TableName) -> int:
        """How many bytes the files of a table take, as they were written."""
        return sum(file.size for entry in self.manifest.tables if entry.name == name for file in entry.files)

    @cached_property
    def reader(self) -> DuckReader:
        """The engine that answers queries over its files, made when first asked."""
        tables = RepositoryTables(self.place, *self._known)
        limits = Limits(config.repository.memory, config.repository.spill, config.repository.threads)
        schemas = views.create_schemas(self.manifest.schemas)
        return DuckReader(self.place.location, schemas, tables, limits, self.place.mounted())

    @cached_property
    def _known(self) -> tuple[list[TableEntry], dict[TableName, TableSpec]]:
        """Its tables, and those of what made their rows."""
        return _with_notes(self.manifest, self.specs)

    def notes(self, table: TableName, kind: Kind) -> Iterator[pa.RecordBatch]:
        """The rows of the files of this kind about a table, in batches that have the attributes of `carried_spec`."""
        from djarrow.frame.results import declared_batch
        from djarrow.sql import compile as compiler
        from djarrow.sql.dialects import Dialect

        spec = carried_spec(kind, self.specs[table])
        text = compiler.select(Stored(spec.name, spec.heading), Dialect.DUCKDB).text
        with self.reader.stream(text) as stream:
            for batch in stream:
                yield declared_batch(batch, spec.heading)

    def using(self, *what: ModuleType | Schema) -> AbstractContextManager[None]:
        """Inside the block, the classes of a module or schema, and every query made of them, read this repository.

        Raises DefinitionMismatch where a class does not agree with the table in the repository, and QueryError when
        a query reads a table that the repository does not hold.
        """
        for schema in _schemas_in(what):
            for name, spec in schema.specs.items():
                if name in self.specs and (found := mismatches(spec, self.specs[name], place="the repository")):
                    raise DefinitionMismatch(found, table=str(name), place="the repository")
        return reading_from(self)

    def close(self) -> None:
        """Let go of files and memory."""
        if "reader" in self.__dict__:
            self.reader.close()


class RepositorySchema:
    """A schema of a repository: its table classes are attributes."""

    def __init__(self, name: str, repository: Repository) -> None:
        self.name = name
        self._repository = repository

    def __repr__(self) -> str:
        return f"RepositorySchema({self.name!r})"

    @cached_property
    def _every(self) -> dict[TableName, type[Table]]:
        return classes_of([spec for name, spec in self._repository.specs.items() if name.schema == self.name], self)

    @cached_property
    def _classes(self) -> dict[str, type[Table]]:
        """Class name -> class, of all tables but parts, which are attributes of their masters."""
        return attributes_of(self._every)

    def table(self, name: TableName) -> Table:
        """A table of the schema."""
        return self._every[name]()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self._classes[name]
        except KeyError:
            hint = hint_nearest(name, self._classes)
            raise UnknownTable(f"the schema {self.name!r} has no table {name!r}.{hint}") from None

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._classes]

    @property
    def place(self) -> object:
        """What two tables must share to be combined."""
        return self._repository

    @property
    def repository(self) -> Repository:
        """The repository that it is a schema of."""
        return self._repository

    def ready_connection(self, table: TableName | None = None) -> DuckReader:  # noqa: ARG002 - as a schema has it
        """The engine that answers queries."""
        return self._repository.reader

    def open_connection(self, table: TableName, seconds: float) -> DuckReader:  # noqa: ARG002 - as a schema has it
        """The engine that answers queries: a repository is open as long as there is one."""
        return self._repository.reader

    @property
    def makes_tables(self) -> bool:
        """A repository is read only."""
        return False

    def makes(self, table: TableName) -> bool:  # noqa: ARG002 - as a schema has it
        """Whether the table is yet to be made: in a repository, none is."""
        return False

    def writable(self, table: TableName | None = None) -> Database:
        """A repository takes no rows. Raises InsertRefused."""
        raise InsertRefused(
            "a repository is read only; restore it into a database to go on there.", table=str(table or self.name)
        )

    def parent_spec(self, name: TableName) -> TableSpec:
        """The spec of a table that one of the repository refers to."""
        return self._repository.specs[name]

    def all_parents(self) -> dict[TableName, tuple[TableName, ...]]:
        """Table -> the tables that it refers to, of all that the repository holds."""
        return parents_of(self._repository.specs.values())

    def tables_known(self) -> tuple[int, ...]:
        """A number for each table: the same, since a repository does not change."""
        return ()

    def stored_spec(self, name: TableName) -> TableSpec:
        """What the repository holds under this name."""
        return self._repository.specs[name]

    def table_size(self, name: TableName) -> int:
        """How many bytes the files of a table take."""
        return self._repository.table_size(name)

    @property
    def size_on_disk(self) -> int:
        """How many bytes the files of all tables of the schema take."""
        return sum(self.table_size(name) for name in self._repository.tables if name.schema == self.name)

    def reference_to(self, name: TableName) -> str:
        """How a definition in this schema refers to a table."""
        return class_reference(name, self.name)


def _specs(place: Place, document: Manifest) -> dict[TableName, TableSpec]:
    try:
        return specs_of(document)
    except (DjarrowError, RecursionError) as error:
        raise RepositoryError(f"{manifest.FILE_NAME} of {place}: a definition cannot be used: {error}") from error


def provenance_files(entry: TableEntry) -> dict[Kind, list[DataFile]]:
    """The files about what made the rows of a table, by what they tell. What a later version tells is passed over."""
    found: dict[Kind, list[DataFile]] = {}
    for file in entry.provenance or ():
        name = PurePosixPath(file.path).parent.name
        if name in set(Kind):
            found.setdefault(Kind(name), []).append(file)
    return found


def _with_notes(
    document: Manifest, specs: Mapping[TableName, TableSpec]
) -> tuple[list[TableEntry], dict[TableName, TableSpec]]:
    """The tables of a repository, and those of what made their rows, which have no file where no make did."""
    entries, known = list(document.tables), dict(specs)
    for entry in document.tables:
        asked = OF_MAKES if is_made(entry.name) and entry.provenance is not None else ()
        for kind, files in {**dict.fromkeys(asked, ()), **provenance_files(entry)}.items():
            spec = carried_spec(kind, specs[entry.name])
            entries.append(TableEntry(spec.name.schema, spec.name.table, "", files=tuple(files)))
            known[spec.name] = spec
    return entries, known


def _schemas_in(what: tuple[ModuleType | Schema, ...]) -> list[Schema]:
    found: list[Schema] = []
    for item in what:
        if isinstance(item, Schema):
            found.append(item)
        elif isinstance(item, ModuleType):
            schemas = [value for value in vars(item).values() if isinstance(value, Schema)]
            if not schemas:
                raise RepositoryError(f"the module {item.__name__} has no schema.")
            found += schemas
        else:
            raise RepositoryError(f"{item!r} is no module and no schema.")
    return found


def open_repository(url: str | Path, *, storage_options: StorageOptions | None = None) -> Repository:
    """Open an exported repository for reading, with no server.

    url: a folder, or a URL that fsspec knows, as `s3://bucket/path`, with its storage_options. Raises RepositoryError
    where there is none, or it is not whole.
    """
    return Repository(place_of(url, storage_options))
