"""The manifest: what a repository holds, and the one file that makes a folder a repository. Written last, read first.

Design section 11. Everything that opening needs is in it; nothing in a repository is ever executed.
"""

from __future__ import annotations

import json
import os
from pathlib import Path, PurePosixPath
from typing import Any

from attrs import asdict, field, frozen

from djarrow.errors import RepositoryError, UnknownReference
from djarrow.model import names
from djarrow.model.describe import describe
from djarrow.model.names import TableName
from djarrow.model.spec import TableSpec, table_spec

FILE_NAME = "manifest.json"
FORMAT = 1
"""The version of the manifest's layout. A reader refuses a later one."""


@frozen
class DataFile:
    """One Parquet file. path: from the repository's root, with `/`; size in bytes."""

    path: str
    rows: int
    size: int
    sha256: str


@frozen
class TableEntry:
    """One table: its definition as text, with references as schema.py has them, and its files.

    partition_by: the attributes whose values split the rows over files; empty for one file.
    """

    schema: str
    table: str
    definition: str
    partition_by: tuple[str, ...] = ()
    files: tuple[DataFile, ...] = ()

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
    """What a repository holds. tables: parents before children. created: ISO 8601, UTC. software: name -> version."""

    project: str
    created: str
    source: str
    software: dict[str, str]
    tables: tuple[TableEntry, ...] = field(default=())

    @property
    def rows(self) -> int:
        """How many rows all tables have."""
        return sum(table.rows for table in self.tables)

    @property
    def schemas(self) -> tuple[str, ...]:
        """The names of the schemas, in order of first appearance."""
        return tuple(dict.fromkeys(table.schema for table in self.tables))


def folder_of(name: TableName) -> PurePosixPath:
    """Where a table's files lie: `<schema>/tables/<table>`, without the tier's prefix, which not every system takes."""
    tier, _, _ = names.split_table_name(name.table)
    return PurePosixPath(name.schema, "tables", name.table.removeprefix(tier.prefix))


def definition_of(spec: TableSpec) -> str:
    """The definition text of a table as the manifest keeps it."""
    return describe(spec, lambda name: names.class_reference(name, spec.name.schema))


def specs_of(manifest: Manifest) -> dict[TableName, TableSpec]:
    """The specs of a manifest's tables, from their definitions."""
    specs: dict[TableName, TableSpec] = {}
    for entry in manifest.tables:

        def find(reference: str, line: int, entry: TableEntry = entry) -> TableSpec:
            known = {names.class_reference(name, entry.schema): spec for name, spec in specs.items()}
            master = names.split_table_name(entry.table)[2]
            if reference == "master" and master is not None:
                return specs[TableName(entry.schema, master)]
            if reference not in known:
                raise UnknownReference(reference, known, table=str(entry.name), line=line)
            return known[reference]

        specs[entry.name] = table_spec(entry.definition, entry.name, find)
    return specs


def write(manifest: Manifest, root: Path) -> None:
    """Write the manifest in one step: it is there whole or not at all."""
    document = {"djarrow_repository": FORMAT, **asdict(manifest)}
    path = root / FILE_NAME
    temporary = path.with_suffix(".partial")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(document, file, indent=1, ensure_ascii=False)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def read(root: Path) -> Manifest:
    """The manifest of a repository. Raises RepositoryError where there is none, or none that can be read."""
    path = root / FILE_NAME
    try:
        document = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise RepositoryError(
            f"{root} is no repository: it has no {FILE_NAME}. An export that was interrupted has none; export again."
        ) from None
    except (OSError, ValueError) as error:
        raise RepositoryError(f"{path} cannot be read: {error}") from error
    version = document.pop("djarrow_repository", None) if isinstance(document, dict) else None
    if version != FORMAT:
        raise RepositoryError(f"{path} has format {version!r}; this version of djarrow reads format {FORMAT}.")
    try:
        manifest = _structure(document)
    except (KeyError, TypeError, AttributeError) as error:
        raise RepositoryError(f"{path} lacks or misstates {error}.") from error
    _check_paths(manifest, path)
    return manifest


def _structure(document: dict[str, Any]) -> Manifest:
    tables = tuple(
        TableEntry(
            schema=str(table["schema"]),
            table=str(table["table"]),
            definition=str(table["definition"]),
            partition_by=tuple(map(str, table["partition_by"])),
            files=tuple(
                DataFile(str(f["path"]), int(f["rows"]), int(f["size"]), str(f["sha256"])) for f in table["files"]
            ),
        )
        for table in document["tables"]
    )
    return Manifest(
        project=str(document["project"]),
        created=str(document["created"]),
        source=str(document["source"]),
        software=dict(document["software"]),
        tables=tables,
    )


def _check_paths(manifest: Manifest, where: Path) -> None:
    """A path must stay under the root, whoever wrote the manifest."""
    for table in manifest.tables:
        for file in table.files:
            path = PurePosixPath(file.path)
            if path.is_absolute() or ".." in path.parts or "\\" in file.path or "\0" in file.path:
                raise RepositoryError(f"{where}: the path {file.path!r} leads out of the repository.")
