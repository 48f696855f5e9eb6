"""A repository in what fsspec reaches: an object store, above all. What S3 adds, conditional writes, is in s3.py."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from djarrow.repo.places import lease, mounted
from djarrow.repo.places.base import Check, NotPlain, Version, swapped, version_of

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem


class Remote:
    """A prefix of a filesystem of fsspec. root: its path there, without protocol.

    Where nothing better is known of a filesystem, `swap` looks before it writes; two at once can slip through.
    """

    def __init__(self, filesystem: AbstractFileSystem, root: str) -> None:
        self.filesystem = filesystem
        self.root = root.rstrip("/")
        self.name = self.root.rpartition("/")[2]
        self.location = f"{mounted.PROTOCOL}://"

    def __str__(self) -> str:
        return str(self.filesystem.unstrip_protocol(self.root))

    def mounted(self) -> AbstractFileSystem:
        """Its files as a filesystem of their own."""
        return mounted.Mounted(self)

    def _at(self, path: str) -> str:
        return f"{self.root}/{path}"

    # --- reading --------------------------------------------------------------------------------------------------

    def size(self, path: str) -> int:
        """Bytes of a file."""
        with reached():
            found = self.filesystem.info(self._at(path))
        if found["type"] != "file" or found["size"] is None:
            raise NotPlain(f"{path} is a folder.")
        return int(found["size"])

    def open(self, path: str) -> BinaryIO:
        """A file, to read."""
        with reached():
            return cast("BinaryIO", self.filesystem.open(self._at(path), "rb"))

    def paths(self) -> Iterator[str]:
        """Everything that is there."""
        with reached():
            found = self.filesystem.find(self.root)
        for path in found:
            yield path.removeprefix(self.root).lstrip("/")

    def look(self, path: str) -> tuple[bytes, Version] | None:
        """What a file holds, and its version."""
        try:
            with reached():
                data = bytes(self.filesystem.cat_file(self._at(path)))
        except FileNotFoundError:
            return None
        return data, version_of(data)

    # --- writing --------------------------------------------------------------------------------------------------

    def swap(self, path: str, data: bytes, version: Version | None) -> Version | None:
        """Write a file, where what is there is of this version still."""
        return swapped(self, path, data, version)

    def write(self, path: str, data: bytes) -> None:
        """Write a file, whatever was there."""
        with reached():
            self.filesystem.pipe_file(self._at(path), data)

    def put(self, written: Path, path: str) -> bool:
        """Send a local file here, unless something is."""
        with reached():
            if self.filesystem.exists(self._at(path)):
                return False
            self.filesystem.put_file(str(written), self._at(path))
        return True

    def remove(self, path: str) -> None:
        """Remove a file."""
        with contextlib.suppress(FileNotFoundError), reached():
            self.filesystem.rm_file(self._at(path))

    # --- exporting ------------------------------------------------------------------------------------------------

    def claimed(self) -> AbstractContextManager[Check]:
        """Hold a lease, which ends soon after this process is not heard of any more."""
        return lease.held(self)

    def age(self, path: str, written: datetime) -> float:  # noqa: ARG002 - S3 asks for the path
        """Seconds since a file was written. written: when, by the clock of who wrote it."""
        return (datetime.now(UTC) - written).total_seconds()

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """A temporary folder of this machine."""
        with tempfile.TemporaryDirectory(prefix="djarrow-export-") as folder:
            yield Path(folder)


@contextlib.contextmanager
def reached() -> Iterator[None]:
    """Have what a store's library says of a failure as an OSError, whatever class it is of."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        raise OSError(f"{type(error).__name__}: {error}") from error
