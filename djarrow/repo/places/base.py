"""What a repository needs of the place where it lies. Paths are from its root, with `/`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

Version = str
"""What tells whether a file is still the one that was looked at."""

Check = Callable[[], None]
"""Raises RepositoryError where a claim was lost to somebody else."""

EXPORTING = ".export"
"""The folder of an export that runs, or was interrupted: its lock, its list of finished files, and scratch files."""

LOCK = f"{EXPORTING}/lock"


def version_of(data: bytes) -> Version:
    """The version of a file, where its system has none of its own: what it holds."""
    return hashlib.sha256(data).hexdigest()


def swapped(place: Place, path: str, data: bytes, version: Version | None) -> Version | None:
    """`swap` by looking and then writing: in one step for others only under a claim that keeps them out."""
    found = place.look(path)
    if (None if found is None else found[1]) != version:
        return None
    place.write(path, data)
    return version_of(data)


class NotPlain(OSError):
    """What is no file under the root: a pipe would never end, and a link could lead anywhere."""


class Place(Protocol):
    """A folder, or a prefix of an object store. All methods raise OSError for what the system refuses."""

    name: str
    """The last part of its path."""

    location: str
    """What the paths of its files begin with, for who reads them by path."""

    def mounted(self) -> AbstractFileSystem | None:
        """What reads `location`; None where the operating system does."""
        ...

    def size(self, path: str) -> int:
        """Bytes of a file. Raises FileNotFoundError, and NotPlain for what is no file under the root."""
        ...

    def open(self, path: str) -> BinaryIO:
        """A file, to read. Raises as `size` does."""
        ...

    def paths(self) -> Iterator[str]:
        """Everything that is there but folders. Links to folders are not followed."""
        ...

    def look(self, path: str) -> tuple[bytes, Version] | None:
        """What a file holds, and its version; None where there is none."""
        ...

    def swap(self, path: str, data: bytes, version: Version | None) -> Version | None:
        """Write a file in one step, where what is there is of this version still (None: nothing). Its new version, or
        None where it was not.
        """
        ...

    def write(self, path: str, data: bytes) -> None:
        """Write a file in one step, whatever was there."""
        ...

    def put(self, written: Path, path: str) -> bool:
        """Give a local file, which may be moved, this path. False where something lies there that must stay."""
        ...

    def remove(self, path: str) -> None:
        """Remove a file, where it is there."""
        ...

    def claimed(self) -> AbstractContextManager[Check]:
        """Keep others from exporting here. Raises RepositoryError where somebody does."""
        ...

    def scratch(self) -> AbstractContextManager[Path]:
        """A local folder for files that are being written, best where `put` can move them from."""
        ...
