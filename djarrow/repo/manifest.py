"""The manifest: what a repository holds, and the one file that makes a folder a repository. Written last, read first.

Design section 11. Everything that opening needs is in it; nothing in a repository is ever executed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any, TypeVar

from attrs import asdict, frozen

from djarrow.errors import DefinitionError, DjarrowError, RepositoryError
from djarrow.jobs.revision import Revision
from djarrow.model import names
from djarrow.model.names import TableName
from djarrow.repo.paths import is_inside
from djarrow.repo.places.base import Place

FILE_NAME = "manifest.json"
FORMAT = 1
"""The version of the manifest's layout. A reader refuses a later one."""


@frozen
class DataFile:
    """One Parquet file. path: from the repository's root, with `/`; size in bytes; content: the hash of its rows."""

    path: str
    rows: int
    size: int
    sha256: str
    content: str


@frozen
class TableEntry:
    """One table: its definition as text, with references as schema.py has them, and its files.

    content: the hash of its rows, whatever their order and files; partition_by: the attributes whose values split the
    rows over files; empty for one file. provenance: files of what made the rows, and of what was changed in them.
    """

    schema: str
    table: str
    definition: str
    content: str = ""
    partition_by: tuple[str, ...] = ()
    files: tuple[DataFile, ...] = ()
    provenance: tuple[DataFile, ...] = ()

    @property
    def every_file(self) -> tuple[DataFile, ...]:
        """All files of the table."""
        return (*self.files, *self.provenance)

    @property
    def name(self) -> TableName:
        """The name of the table in the database."""
        return TableName(self.schema, self.table)

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return sum(file.rows for file in self.files)


@frozen
class Manifest:
    """What a repository holds. tables: parents before children. created: ISO 8601, UTC. software: name -> version.

    code: the git commits that the classes of its tables were loaded from.
    """

    project: str
    created: str
    source: str
    software: dict[str, str]
    tables: tuple[TableEntry, ...] = ()
    code: tuple[Revision, ...] = ()

    @property
    def rows(self) -> int:
        """How many rows all tables have."""
        return sum(table.rows for table in self.tables)

    @property
    def schemas(self) -> tuple[str, ...]:
        """The names of the schemas, in order of first appearance."""
        return tuple(dict.fromkeys(table.schema for table in self.tables))


def folder_of(name: TableName) -> PurePosixPath:
    """Where a table's files lie: `<schema>/tables/<table>`, without the tier's prefix, which not every system takes.

    Raises RepositoryError for a name that would lead elsewhere.
    """
    tier, _, _ = names.split_table_name(name.table)
    folder = name.table.removeprefix(tier.prefix)
    for part in (name.schema, folder):
        if part in ("", ".", "..") or _NO_FILE.search(part):
            raise RepositoryError(f"{name}: no folder can be called {part!r}.")
    return PurePosixPath(name.schema, "tables", folder)


def provenance_folder_of(name: TableName) -> PurePosixPath:
    """Where files about what made its rows lie, a folder a kind: `<schema>/provenance/<table>`."""
    folder = folder_of(name)
    return PurePosixPath(folder.parts[0], "provenance", folder.parts[2])


_NO_FILE = re.compile(r"[/\\\0]")
"""What leads into another folder, on some system, or ends a path."""


# --- names -------------------------------------------------------------------------------------------------------


def check_distinct(tables: Iterable[TableName]) -> None:
    """Refuse two tables that a repository could not tell apart: their references and folders would be the same."""
    found: dict[str, TableName] = {}
    for name in tables:
        text = names.class_reference(name, schema="")
        if text in found:
            raise RepositoryError(
                f"{found[text]} and {name} are both {text!r}, and a repository holds one table of that name."
            )
        found[text] = name


def check_names(tables: Iterable[TableName]) -> None:
    """Refuse tables that a repository cannot hold: their names are folders, and code in schema.py."""
    for name in tables:
        try:
            names.check_schema_name(name.schema)
            names.check_has_class(name)
        except DefinitionError as error:
            raise RepositoryError(
                f"the table {str(name)!r} has a name of other software, which no repository holds: {error} Rename it "
                "in the database, or export only tables that neither have nor refer to such names."
            ) from error


# --- writing and reading -----------------------------------------------------------------------------------------


def text_of(manifest: Manifest) -> str:
    """The content of the manifest's file."""
    document = {"djarrow_repository": FORMAT, **asdict(manifest)}
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def read(place: Place) -> Manifest:
    """The manifest of a repository. Raises RepositoryError where there is none, or none that can be read."""
    try:
        with place.open(FILE_NAME) as file:
            data = file.read()
    except FileNotFoundError:
        raise RepositoryError(
            f"{place} is no repository: it has no {FILE_NAME}. An export that was interrupted has none; export again."
        ) from None
    except OSError as error:
        raise RepositoryError(f"{FILE_NAME} of {place} cannot be read: {error}") from error
    return parsed(data, place)


def parsed(data: bytes, place: Place) -> Manifest:
    """The manifest that a file holds. Raises RepositoryError for what is none."""
    path = f"{FILE_NAME} of {place}"
    try:
        document = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise RepositoryError(f"{path} cannot be read: {error}") from error
    version = document.pop("djarrow_repository", None) if isinstance(document, dict) else None
    if version != FORMAT:
        raise RepositoryError(f"{path} has format {version!r}; this version of djarrow reads format {FORMAT}.")
    try:
        manifest = _manifest(document)
        check_distinct(table.name for table in manifest.tables)
        _check_paths(manifest)
    except DjarrowError as error:
        raise RepositoryError(f"{path}: {error}") from error
    return manifest


Value = TypeVar("Value")


def _member(record: Any, name: str, kind: type[Value]) -> Value:
    """A member of an object of the document, which must be of this type."""
    value = record.get(name) if isinstance(record, dict) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        raise RepositoryError(f"{name!r} is missing, or not of the type that it should be.")
    return value


def _strings(values: Iterable[Any], name: str) -> tuple[str, ...]:
    found = tuple(values)
    if not all(isinstance(value, str) for value in found):
        raise RepositoryError(f"{name!r} holds what is no text.")
    return found


def _manifest(document: Any) -> Manifest:
    software = _member(document, "software", dict)
    _strings(software.values(), "software")
    return Manifest(
        project=_member(document, "project", str),
        created=_member(document, "created", str),
        source=_member(document, "source", str),
        software=software,
        tables=tuple(map(_table, _member(document, "tables", list))),
        code=tuple(map(_revision, _member(document, "code", list))),
    )


def _revision(record: Any) -> Revision:
    dirty = record.get("dirty") if isinstance(record, dict) else None
    if not isinstance(dirty, bool):
        raise RepositoryError("'dirty' is missing, or not of the type that it should be.")
    return Revision(_member(record, "commit", str), dirty)


def _table(record: Any) -> TableEntry:
    entry = TableEntry(
        schema=_member(record, "schema", str),
        table=_member(record, "table", str),
        definition=_member(record, "definition", str),
        content=_member(record, "content", str),
        partition_by=_strings(_member(record, "partition_by", list), "partition_by"),
        files=tuple(map(_file, _member(record, "files", list))),
        provenance=tuple(map(_file, _member({"provenance": [], **record}, "provenance", list))),
    )
    names.check_schema_name(entry.schema)
    names.check_has_class(entry.name)
    if not entry.files:
        raise RepositoryError(f"the table {entry.name} has no file; one without rows has an empty one.")
    return entry


def _file(record: Any) -> DataFile:
    return DataFile(
        path=_member(record, "path", str),
        rows=_member(record, "rows", int),
        size=_member(record, "size", int),
        sha256=_member(record, "sha256", str),
        content=_member(record, "content", str),
    )


def _check_paths(manifest: Manifest) -> None:
    """A path must stay under the root, whoever wrote the manifest, and the tables' own folders too."""
    for table in manifest.tables:
        folder_of(table.name)
        for file in table.every_file:
            if not is_inside(file.path):
                raise RepositoryError(f"the path {file.path!r} leads out of the repository.")
