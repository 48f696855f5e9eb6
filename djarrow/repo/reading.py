"""What a statement on an open repository reads: its tables as views, made when first read, and which of their files.

A file is looked at before a query reads it: that it is the repository's own, as long as it was written, and that its
footer says what the manifest says (footers.py). What its pages hold, dj.verify looks at.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from djarrow.engine.duckdb import View, literal_path
from djarrow.errors import RepositoryError
from djarrow.model.names import TableName
from djarrow.model.spans import Spans
from djarrow.model.spec import TableSpec
from djarrow.repo import footers, partitions
from djarrow.repo.files import NotPlain, plain_file
from djarrow.repo.manifest import DataFile, Manifest, TableEntry
from djarrow.sql import views
from djarrow.sql.literals import quoted

Identity = tuple[int, int, int, int]
"""What tells that a file is not the one that was looked at: device, number, size and time of change."""


class RepositoryTables:
    """The tables of a repository, for its engine. Raises RepositoryError where a file is missing or not as written."""

    def __init__(self, root: Path, document: Manifest, specs: Mapping[TableName, TableSpec]) -> None:
        self._root = root
        self._specs = specs
        self._spans: Spans = {}
        self._looked_at: dict[str, Identity] = {}
        self._footers: dict[TableName, footers.Expected] = {}
        self._values: dict[str, partitions.Values] = {}
        self._entries: dict[tuple[str, str], TableEntry] = {}
        for entry in document.tables:
            self._entries[entry.schema.casefold(), entry.table.casefold()] = entry
            for file in entry.files:
                self._place(file)

    def narrowed(self, spans: Spans) -> RepositoryTables:
        """The same, of which only rows with these values are asked for."""
        other = copy.copy(self)
        other._spans = spans
        return other

    def of(self, text: str) -> Iterator[View]:
        """Those whose names are in the text, each behind that of its schema, which are all that it can read."""
        for name in sorted(self._entries.keys() & set(_QUALIFIED.findall(text.casefold()))):
            yield self._view(self._entries[name])

    def _view(self, entry: TableEntry) -> View:
        files = self._chosen(entry)
        paths = [literal_path(self._ready(file, entry)) for file in files]
        spec, name = self._specs[entry.name], str(entry.name)
        if len(entry.files) == 1:
            return View(name, views.create_view(spec, list(map(quoted, paths))), None, 1)
        return View(name, views.create_view_of_variable(spec, name), tuple(paths), len(entry.files))

    def _chosen(self, entry: TableEntry) -> list[DataFile]:
        """The files that may have rows which matter; one, where there is none, for the columns."""
        rows = self._spans.get(entry.name)
        if not entry.partition_by or rows is None or any(not row.keys() & set(entry.partition_by) for row in rows):
            return list(entry.files)
        chosen = [file for file in entry.files if partitions.may_have(self._values_of(file, entry), rows)]
        return chosen or [entry.files[0]]

    def _values_of(self, file: DataFile, entry: TableEntry) -> partitions.Values:
        if file.path not in self._values:
            self._values[file.path] = partitions.values_in(entry, file, self._specs[entry.name].heading)
        return self._values[file.path]

    # --- looking at files ----------------------------------------------------------------------------------------

    def _ready(self, file: DataFile, entry: TableEntry) -> str:
        """The path of a file that was looked at since it was last changed."""
        try:
            path = self._root / file.path
            if self._looked_at.get(file.path) == _identity(path):
                return str(path)
        except OSError:
            pass  # what is wrong with it, is told by looking at it
        path = self._place(file)
        identity = _identity(path)
        if entry.name not in self._footers:
            self._footers[entry.name] = footers.expected(self._specs[entry.name])
        footers.check(path, file, self._footers[entry.name])
        self._looked_at[file.path] = identity
        return str(path)

    def _place(self, file: DataFile) -> Path:
        """Where a file lies, if it is there and as long as it was written."""
        try:
            path = plain_file(self._root, file.path)
            size = path.stat().st_size
        except FileNotFoundError:
            raise RepositoryError(
                f"{self._root / file.path} is missing, which the manifest lists: the repository is not whole."
            ) from None
        except NotPlain as error:
            raise RepositoryError(f"{self._root}: {error}") from error
        except OSError as error:
            raise RepositoryError(f"{self._root / file.path} cannot be read: {error}") from error
        if size != file.size:
            raise RepositoryError(f"{path} has {size} bytes, and had {file.size} when it was written.")
        return path


def _identity(path: Path) -> Identity:
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


_QUALIFIED = re.compile(r"""(?<![^\s".,();])([^\s".,();]++)"?\s*+\.(?=\s*+"?([#~]?\w++))""")
"""A name, a dot, and a name, with quotes or without, in a time that grows with the text alone."""
