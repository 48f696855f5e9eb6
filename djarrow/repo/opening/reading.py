"""What a statement on an open repository reads: its tables as views, made when first read, and which of their files.

A file is looked at before a query reads it: that it is the repository's own, as long as it was written, and that its
footer says what the manifest says (footers.py). What its pages hold, dj.verify looks at.
"""

from __future__ import annotations

import contextlib
import copy
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from djarrow.engine.duckdb import View, literal_path
from djarrow.engine.duckdb_rows import ROWS_AT_ONCE
from djarrow.errors import RepositoryError
from djarrow.model.names import TableName
from djarrow.model.spans import Spans
from djarrow.model.spec import TableSpec
from djarrow.repo.manifest import DataFile, TableEntry
from djarrow.repo.opening import footers, pruning
from djarrow.repo.places.base import NotPlain, Place
from djarrow.sql import views
from djarrow.sql.literals import quoted

Identity = tuple[int, ...]
"""What tells that a file is not the one that was looked at: device, number, size and time of change."""

READERS = 16
"""How many files of an object store are looked at once, where each takes a round trip."""


class RepositoryTables:
    """The tables of a repository, for its engine. Raises RepositoryError where a file is missing or not as written."""

    def __init__(self, place: Place, entries: Sequence[TableEntry], specs: Mapping[TableName, TableSpec]) -> None:
        self._place = place
        self._local = place.mounted() is None
        self._specs = specs
        self._spans: Spans = {}
        self._looked_at: dict[str, Identity] = {}
        self._largest: dict[str, int] = {}
        self._footers: dict[TableName, footers.Expected] = {}
        self._values: dict[str, pruning.Values] = {}
        self._entries: dict[tuple[str, str], TableEntry] = {}
        for entry in entries:
            self._entries[entry.schema.casefold(), entry.table.casefold()] = entry
        self._each(self._check_size, (file for entry in entries for file in entry.files))

    def narrowed(self, spans: Spans) -> RepositoryTables:
        """The same, of which only rows with these values are asked for."""
        other = copy.copy(self)
        other._spans = spans
        return other

    def of(self, text: str) -> Iterator[View]:
        """Those whose names are in the text, each behind that of its schema, which are all that it can read."""
        for name in sorted(self._entries.keys() & qualified_names(text.casefold())):
            yield self._view(self._entries[name])

    def _view(self, entry: TableEntry) -> View:
        wanted = self._footers.get(entry.name)
        if wanted is None:
            wanted = self._footers[entry.name] = footers.expected(self._specs[entry.name])
        files = self._chosen(entry)
        self._each(lambda file: self._look_at(file, wanted), files)
        paths = [self._path(file) for file in files]
        spec, name = self._specs[entry.name], str(entry.name)
        if not entry.files:
            return View(name, views.create_empty_view(spec), None, 0)
        if len(entry.files) == 1:
            create, variable = views.create_view(spec, list(map(quoted, paths))), None
        else:
            create, variable = views.create_view_of_variable(spec, name), tuple(paths)
        return View(
            name,
            create,
            variable,
            len(entry.files),
            longest=max(file.longest for file in files),
            together=max(min(self._largest[file.path], ROWS_AT_ONCE) * file.longest for file in files),
            size=sum(file.size for file in files),
        )

    def _chosen(self, entry: TableEntry) -> list[DataFile]:
        """The files that may have rows which matter; one, where there is none, for the columns."""
        rows = self._spans.get(entry.name)
        if not entry.partition_by or rows is None or any(not row.keys() & set(entry.partition_by) for row in rows):
            return list(entry.files)
        chosen = [file for file in entry.files if pruning.may_have(self._values_of(file, entry), rows)]
        return chosen or [entry.files[0]]

    def _values_of(self, file: DataFile, entry: TableEntry) -> pruning.Values:
        if file.path not in self._values:
            self._values[file.path] = pruning.values_in(entry, file, self._specs[entry.name].heading)
        return self._values[file.path]

    # --- looking at files ----------------------------------------------------------------------------------------

    def _path(self, file: DataFile) -> str:
        """As the engine reads it. In a store, a path means itself."""
        path = f"{self._place.location}{file.path}"
        return literal_path(path) if self._local else path

    def _each(self, look: Callable[[DataFile], None], files: Iterable[DataFile]) -> None:
        if self._local:
            for file in files:
                look(file)
            return
        with ThreadPoolExecutor(READERS) as readers:
            for _ in readers.map(look, files):
                pass

    def _look_at(self, file: DataFile, wanted: footers.Expected) -> None:
        """Look at a file that was not looked at since it was last changed."""
        identity = self._identity(file)
        if identity is not None and self._looked_at.get(file.path) == identity:
            return
        self._check_size(file)
        with self._told(file), self._place.open(file.path) as content:
            self._largest[file.path] = footers.check(content, file, wanted)
        if identity is not None:
            self._looked_at[file.path] = identity

    def _identity(self, file: DataFile) -> Identity | None:
        """None of a file that is not there. What lies in a store is written once, and not changed."""
        if not self._local:
            return ()
        try:
            found = os.stat(f"{self._place.location}{file.path}")  # noqa: PTH116 - of 10,000 files, for each query
        except OSError:
            return None
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns

    def _check_size(self, file: DataFile) -> None:
        """Refuse a file that is not there, or not as long as it was written."""
        with self._told(file):
            size = self._place.size(file.path)
        if size != file.size:
            path = f"{self._place}/{file.path}"
            raise RepositoryError(f"{path} has {size} bytes, and had {file.size} when it was written.")

    @contextlib.contextmanager
    def _told(self, file: DataFile) -> Iterator[None]:
        """Tell what is wrong with a file."""
        path = f"{self._place}/{file.path}"
        try:
            yield
        except FileNotFoundError:
            raise RepositoryError(
                f"{path} is missing, which the manifest lists: the repository is not whole, or was exported again "
                "after it was opened."
            ) from None
        except footers.WrongFile as wrong:
            raise RepositoryError(f"{path} {wrong}") from wrong.__cause__
        except NotPlain as error:
            raise RepositoryError(f"{self._place}: {error}") from error
        except OSError as error:
            raise RepositoryError(f"{path} cannot be read: {error}") from error


def qualified_names(text: str) -> set[tuple[str, str]]:
    """What stands in a statement as a name, a dot, and a name, among which are all of its tables."""
    return {(schema, quoted_name or plain) for schema, quoted_name, plain in _QUALIFIED.findall(text)}


_QUALIFIED = re.compile(r"""(?<![^\s".,();])([^\s".,();]++)"?\s*+\.(?=\s*+(?:"([^"]++)"|([#~]?\w++)))""")
"""A name, a dot, and a name, with quotes or without, in a time that grows with the text alone."""
