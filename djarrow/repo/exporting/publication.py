"""One export into a place: what is kept of an earlier one, where new files go, and the step that publishes them.

docs/decisions/027-exports-that-are-interrupted.md says how that holds when exports are killed or run at once.
"""

from __future__ import annotations

import itertools
import re
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from attrs import evolve

from djarrow.errors import RepositoryError
from djarrow.model.names import TableName
from djarrow.model.spec import TableSpec
from djarrow.repo import checksums, companions, manifest
from djarrow.repo.exporting.parquet import Written
from djarrow.repo.manifest import DataFile, Manifest, TableEntry
from djarrow.repo.paths import DIGITS
from djarrow.repo.places.base import EXPORTING, Check, Place, Version
from djarrow.repo.places.folder import Folder

UNFINISHED = f"{EXPORTING}/unfinished.json"
"""The manifest of what an export has finished so far."""

NOTED = 2.0
"""Seconds between two notes of what is finished."""

WRITERS = 8
"""How many of the texts beside the manifest are written at once."""


@contextmanager
def publication(place: Place) -> Iterator[Publication]:
    """Claim a place for an export. Raises RepositoryError where another one runs there."""
    with place.claimed() as check, place.scratch() as scratch:
        found = place.look(manifest.FILE_NAME)
        earlier = None if found is None else manifest.parsed(found[0], place)
        left = place.look(UNFINISHED)
        yield Publication(
            place,
            check,
            scratch,
            earlier=earlier,
            version=None if found is None else found[1],
            unfinished=None if left is None else _unfinished(left[0], place),
        )


def _unfinished(data: bytes, place: Place) -> Manifest | None:
    """What an export had finished; nothing where it was killed by a version that wrote it otherwise."""
    try:
        return manifest.parsed(data, place)
    except RepositoryError:
        return None


class Publication:
    """Where the files of an export go. earlier: what is published there now; unfinished: what a killed export left.

    Threads may share it.
    """

    def __init__(
        self,
        place: Place,
        check: Check,
        scratch: Path,
        *,
        earlier: Manifest | None,
        version: Version | None,
        unfinished: Manifest | None,
    ) -> None:
        self.place = place
        self.earlier = earlier
        self.check = check
        self._version = version
        self._scratch = scratch
        self._numbers = itertools.count()
        self._before = [each for each in (earlier, unfinished) if each is not None]
        self._there: dict[tuple[TableName, str, int, str], DataFile] = {}
        self._definitions: dict[TableName, set[str]] = {}
        for document in reversed(self._before):  # what is published comes last, and stays
            for entry in document.tables:
                self._there |= {(entry.name, _plain(f.path), f.rows, f.content): f for f in entry.every_file}
        self._listed = {file.path.casefold() for file in _files(() if earlier is None else earlier.tables)}
        self._lock = threading.Lock()
        self._finished: dict[TableName, TableEntry] = {}
        self._noted = time.monotonic()
        self.written = self.written_bytes = 0

    def files(self, entry: TableEntry, kind: str | None = None) -> TableFiles:
        """Where the files of a table go. kind: those of this kind about what made its rows."""
        folder = manifest.folder_of(entry.name) if kind is None else manifest.provenance_folder_of(entry.name) / kind
        return TableFiles(self, entry, folder)

    def scratch(self) -> Path:
        """A local path for a new file."""
        return self._scratch / f"{next(self._numbers)}.parquet"

    # --- files ----------------------------------------------------------------------------------------------------

    def kept(self, entry: TableEntry, path: str, rows: int, content: str) -> DataFile | None:
        """The file that is there for these rows of a table, whole, and written for the same definition."""
        file = self._there.get((entry.name, path, rows, content))
        if file is None or not self._same_definition(entry) or not self._is_whole(file):
            return None
        self._note(entry, file)
        return file

    def _same_definition(self, entry: TableEntry) -> bool:
        return all(
            other.definition == entry.definition
            for document in self._before
            for other in document.tables
            if other.name == entry.name
        )

    def _is_whole(self, file: DataFile) -> bool:
        """Whether a file is as it was written. An object store keeps what it was given, of which the size tells."""
        try:
            if self.place.size(file.path) != file.size:
                return False
            if not isinstance(self.place, Folder):
                return True
            with self.place.open(file.path) as opened:
                return checksums.sha256_of(opened) == file.sha256
        except OSError:
            return False

    def add(self, entry: TableEntry, path: str, written: Written) -> DataFile:
        """Put a finished file in its place, beside the one that has its name in what is published."""
        self.check()
        with written.local.open("rb") as opened:
            digest = checksums.sha256_of(opened)
        size = written.local.stat().st_size
        file = DataFile(path, written.rows, size, digest, written.content, written.longest, written.values)
        beside = f"{path.removesuffix('.parquet')}~{digest[:DIGITS]}.parquet"
        if path.casefold() in self._listed or not self.place.put(written.local, path):
            file = evolve(file, path=beside)
            if beside.casefold() not in self._listed:
                self.place.put(written.local, beside)  # where one is there already, it has the same bytes
        self._note(entry, file)
        with self._lock:
            self.written += 1
            self.written_bytes += file.size
        return file

    def _note(self, entry: TableEntry, file: DataFile) -> None:
        """Keep in the place what is finished, from time to time."""
        with self._lock:
            before = self._finished.get(entry.name, entry)
            self._finished[entry.name] = evolve(before, files=(*before.files, file))
            if time.monotonic() - self._noted < NOTED:
                return
            document = Manifest("", "", "", {}, tuple(self._finished.values()))
            self.place.write(UNFINISHED, manifest.text_of(document).encode())
            self._noted = time.monotonic()

    # --- the end --------------------------------------------------------------------------------------------------

    def publish(self, document: Manifest, specs: Mapping[TableName, TableSpec]) -> None:
        """Make the files a repository, and remove those that are none of it. Raises RepositoryError.

        specs: of the manifest's tables. What would be refused when it is opened, as too many files, is not published.
        """
        data = manifest.text_of(document).encode()
        manifest.parsed(data, self.place)
        with ThreadPoolExecutor(WRITERS, thread_name_prefix="djarrow-write") as threads:  # each waits for the disk
            texts = companions.texts(document, specs)
            written = [threads.submit(self.place.write, path, text.encode()) for path, text in texts]
        for each in written:
            each.result()
        self.check()
        if self.place.swap(manifest.FILE_NAME, data, self._version) is None:
            raise RepositoryError(
                f"another export to {self.place} was published meanwhile. Nothing of this one was; export again."
            )
        self._tidy(document)

    def _tidy(self, document: Manifest) -> None:
        """Remove Parquet files in the folders of our tables that are not listed, the code of schemas that left, and the
        list of finished files, also one that was being written when an export was killed.
        """
        known = [*self._before, document]
        names = {entry.name for each in known for entry in each.tables}
        folders = {
            folder for name in names for folder in (manifest.folder_of(name), manifest.provenance_folder_of(name))
        }
        listed = {file.path for file in _files(document.tables)}
        gone = {f"{schema}/schema.py" for each in self._before for schema in each.schemas} - {
            f"{schema}/schema.py" for schema in document.schemas
        }
        for path in list(self.place.paths()):
            ours = path.endswith(".parquet") and not folders.isdisjoint(PurePosixPath(path).parents)
            if path in gone or path.startswith(UNFINISHED) or (ours and path not in listed):
                self.place.remove(path)


class TableFiles:
    """Where the files of one table go."""

    def __init__(self, publication: Publication, entry: TableEntry, folder: PurePosixPath) -> None:
        self._publication = publication
        self._entry = entry
        self._folder = folder

    def _path(self, name: str) -> str:
        return f"{self._folder}/{name}.parquet"

    def kept(self, name: str, rows: int, content: str) -> DataFile | None:
        """The file that is there already for these rows, if one is."""
        return self._publication.kept(self._entry, self._path(name), rows, content)

    def scratch(self) -> Path:
        """A local path for a new file."""
        return self._publication.scratch()

    def add(self, written: Written) -> DataFile:
        """Put a finished file in its place."""
        return self._publication.add(self._entry, self._path(written.name), written)


def _files(entries: Iterable[TableEntry]) -> Iterator[DataFile]:
    return (file for entry in entries for file in entry.every_file)


_BESIDE = re.compile(rf"~[0-9a-f]{{{DIGITS}}}(?=\.parquet$)")


def _plain(path: str) -> str:
    """The path that a file has where nothing is in its place."""
    return _BESIDE.sub("", path)
