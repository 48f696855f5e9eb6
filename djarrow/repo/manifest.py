"""The manifest: what a repository holds, and the one file that makes a folder a repository. Written last, read first.

Design section 11. Everything that opening needs is in it; nothing in a repository is ever executed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any, TypeVar

from attrs import asdict, frozen

from djarrow.errors import DefinitionError, DjarrowError, RepositoryError, told
from djarrow.jobs.revision import Revision
from djarrow.model import names
from djarrow.model.names import UNKEPT, TableName
from djarrow.repo.paths import is_inside
from djarrow.repo.places.base import Place

FILE_NAME = "manifest.json"
FORMAT = 1
"""The version of the manifest's layout. A reader refuses a later one."""


class Extent(StrEnum):
    """Which rows of a table were exported."""

    ALL = "all"
    RESTRICTED = "restricted"
    """Those that were chosen of it, and what other rows here need of it."""
    DEPENDENT = "dependent"
    """None was chosen: those that depend on chosen rows of others, and what other rows here need of it."""
    NEEDED = "needed"
    """None was chosen: those that other rows here refer to, or have as parts."""


@frozen
class DataFile:
    """One Parquet file. path: from the repository's root, with `/`; size in bytes; content: the hash of its rows.

    longest: bytes that text and bytes of a row have at most. values: what all rows have of the attributes that their
    table is split by, as text; None for one that is not told; nothing where there are no rows, or it is not split.
    """

    path: str
    rows: int
    size: int
    sha256: str
    content: str
    longest: int
    values: tuple[str | None, ...] = ()


@frozen
class TableEntry:
    """One table: its definition as text, with references as schema.py has them, and its files.

    content: the hash of its rows, whatever their order and files; partition_by: the attributes whose values split the
    rows over files; empty for one file. provenance: files of what made the rows, and of what was changed in them; None
    where the export left them out. extent: which rows of the table these are, and restriction: what was chosen of it, a
    SELECT of the keys; None where that is not told.
    """

    schema: str
    table: str
    definition: str
    content: str = ""
    partition_by: tuple[str, ...] = ()
    files: tuple[DataFile, ...] = ()
    provenance: tuple[DataFile, ...] | None = ()
    extent: Extent | None = None
    restriction: str | None = None

    @property
    def every_file(self) -> tuple[DataFile, ...]:
        """All files of the table."""
        return (*self.files, *(self.provenance or ()))

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
            data = file.read(MAX_BYTES + 1)
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
        document = document_of(data)
    except (ValueError, RecursionError) as error:
        raise RepositoryError(f"{path} cannot be read: {error}") from error
    version = document.pop("djarrow_repository", None) if isinstance(document, dict) else None
    if type(version) is not int or version != FORMAT:
        raise RepositoryError(f"{path} has format {version!r}; this version of djarrow reads format {FORMAT}.")
    try:
        manifest = _manifest(document)
        check_distinct(table.name for table in manifest.tables)
        _check_paths(manifest)
        _check_definitions(manifest)
    except DjarrowError as error:
        raise RepositoryError(f"{path}: {error}") from error
    return manifest


MAX_BYTES = 64 * 2**20
"""Of a manifest: as much as a quarter of a million files take. SHA256SUMS has less of each."""

MAX_OBJECTS = 1_000_000
"""Lists and objects, of which each file is one. Twenty million of them would fit, and take a minute to read."""

MAX_PATH = 1_024
"""Characters of a path."""

MAX_DEFINITIONS, MAX_LINES = 2_000_000, 100_000
"""Characters and lines of all definitions, which take seconds to read. 5,000 tables have as much."""


def document_of(data: bytes) -> Any:
    """JSON as the standard has it, of a bounded size, with each member of an object once.

    Raises ValueError or RecursionError.
    """
    if len(data) > MAX_BYTES:
        raise ValueError(f"it has more than {MAX_BYTES:,} bytes.")
    if data.count(b"[") + data.count(b"{") > MAX_OBJECTS:
        raise ValueError(f"it has more than {MAX_OBJECTS:,} lists and objects.")
    return json.loads(data.decode("utf-8"), object_pairs_hook=_object, parse_constant=_no_number)


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) < len(members):
        raise ValueError("an object has two members of one name.")
    return found


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number of JSON.")


Value = TypeVar("Value")


def _member(record: Any, name: str, kind: type[Value]) -> Value:
    """A member of an object of the document, which must be of this type."""
    value = record.get(name) if isinstance(record, dict) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        raise RepositoryError(f"{name!r} is missing, or not of the type that it should be.")
    if isinstance(value, str):
        _check_text(value, name)
    return value


def _check_text(value: Any, name: str) -> None:
    if not isinstance(value, str) or UNKEPT.search(value):
        raise RepositoryError(f"{name!r} holds what is no text.")


def _count(record: Any, name: str) -> int:
    """A member that says how many there are."""
    value = _member(record, name, int)
    if not 0 <= value < 2**63:
        raise RepositoryError(f"{name!r} is {told(value)}, and counts something.")
    return value


def _strings(values: Iterable[Any], name: str) -> tuple[str, ...]:
    found = tuple(values)
    for value in found:
        _check_text(value, name)
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
        provenance=_provenance(record),
        extent=_extent(record),
        restriction=None if record.get("restriction") is None else _member(record, "restriction", str),
    )
    names.check_schema_name(entry.schema)
    names.check_has_class(entry.name)
    if not entry.files:
        raise RepositoryError(f"the table {entry.name} has no file; one without rows has an empty one.")
    return entry


def _provenance(record: dict[str, Any]) -> tuple[DataFile, ...] | None:
    """Files of what made the rows; None where the export left them out, or the manifest does not speak of them."""
    if record.get("provenance") is None:
        return None
    return tuple(map(_file, _member(record, "provenance", list)))


def _extent(record: dict[str, Any]) -> Extent | None:
    if record.get("extent") is None:
        return None
    extent = _member(record, "extent", str)
    if extent not in set(Extent):
        raise RepositoryError(f"'extent' is {told(extent)}, and one of {', '.join(Extent)}.")
    return Extent(extent)


def _file(record: Any) -> DataFile:
    digest, values = _member(record, "sha256", str), _member(record, "values", list)
    _strings((value for value in values if value is not None), "values")
    if not _SHA256.fullmatch(digest):
        raise RepositoryError(f"'sha256' is {told(digest)}, and has 64 hexadecimal digits.")
    return DataFile(
        path=_member(record, "path", str),
        rows=_count(record, "rows"),
        size=_count(record, "size"),
        sha256=digest,
        content=_member(record, "content", str),
        longest=_count(record, "longest"),
        values=tuple(values),
    )


_SHA256 = re.compile("[0-9a-f]{64}")


def _check_paths(manifest: Manifest) -> None:
    """A path must stay under the root, whoever wrote the manifest, and the tables' own folders too.

    A file that was listed twice would have its rows twice.
    """
    found: set[str] = set()
    for table in manifest.tables:
        folder_of(table.name)
        for file in table.every_file:
            if not is_inside(file.path):
                raise RepositoryError(f"the path {told(file.path)} leads out of the repository.")
            if len(file.path) > MAX_PATH:
                raise RepositoryError(f"a path has {len(file.path):,} characters; at most {MAX_PATH:,} are read.")
            if file.path in found:
                raise RepositoryError(f"the file {told(file.path)} is listed twice.")
            found.add(file.path)


def _check_definitions(manifest: Manifest) -> None:
    size = sum(len(table.definition) for table in manifest.tables)
    lines = sum(table.definition.count("\n") + 1 for table in manifest.tables)
    if size > MAX_DEFINITIONS or lines > MAX_LINES:
        raise RepositoryError(
            f"the definitions have {size:,} characters in {lines:,} lines; at most {MAX_DEFINITIONS:,} in "
            f"{MAX_LINES:,} are read."
        )
