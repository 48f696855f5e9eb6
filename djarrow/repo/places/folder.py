"""A repository in a folder."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from djarrow.errors import RepositoryError
from djarrow.repo.places.base import EXPORTING, LOCK, Check, NotPlain, Version, swapped, version_of


class Folder:
    """A folder of this machine, which need not be there yet. root: absolute, links resolved."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.name = os.fsencode(root.name).decode(errors="replace")
        self.location = f"{root}".rstrip("/") + "/"

    def __str__(self) -> str:
        return str(self.root)

    def mounted(self) -> None:
        """The operating system reads it."""

    def _at(self, path: str) -> Path:
        return self.root.joinpath(*PurePosixPath(path).parts)

    # --- reading --------------------------------------------------------------------------------------------------

    def _plain(self, path: str) -> tuple[Path, int]:
        """Where a file lies, and its size."""
        place = self._at(path)
        if not Path(os.path.realpath(place)).is_relative_to(self.root):
            raise NotPlain(f"{path} is a link that leads out of the repository.")
        found = place.stat()
        if not stat.S_ISREG(found.st_mode):
            raise NotPlain(f"{path} is a folder or a device.")
        return place, found.st_size

    def size(self, path: str) -> int:
        """Bytes of a file."""
        return self._plain(path)[1]

    def open(self, path: str) -> BinaryIO:
        """A file, to read."""
        return self._plain(path)[0].open("rb")

    def paths(self) -> Iterator[str]:
        """Everything that is there but folders."""
        for folder, folders, files in os.walk(self.root):
            links = [name for name in folders if Path(folder, name).is_symlink()]
            for name in (*files, *links):
                yield Path(folder, name).relative_to(self.root).as_posix()

    def look(self, path: str) -> tuple[bytes, Version] | None:
        """What a file holds, and its version."""
        try:
            with self.open(path) as file:
                data = file.read()
        except FileNotFoundError:
            return None
        return data, version_of(data)

    # --- writing --------------------------------------------------------------------------------------------------

    def swap(self, path: str, data: bytes, version: Version | None) -> Version | None:
        """Write a file, where what is there is of this version. Only who has the claim calls it."""
        return swapped(self, path, data, version)

    def write(self, path: str, data: bytes) -> None:
        """Write a file in one step; it is on the disk when this returns."""
        target = self._at(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(target.name + ".partial")
        partial.unlink(missing_ok=True)  # were it a link to elsewhere
        with partial.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
        _sync(target.parent)

    def put(self, written: Path, path: str) -> bool:
        """Move a file here, over what an interrupted export left: only who has the claim does."""
        target = self._at(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        with written.open("rb") as file:
            os.fsync(file.fileno())  # the manifest, which says that all is there, must not outlive what it lists
        written.replace(target)
        return True

    def remove(self, path: str) -> None:
        """Remove a file."""
        self._at(path).unlink(missing_ok=True)

    # --- exporting ------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def claimed(self) -> Iterator[Check]:
        """Hold the lock of the folder, which ends with this process however that ends."""
        path = self._at(LOCK)
        with self._locked(path):
            try:
                yield lambda: None
            finally:
                path.unlink(missing_ok=True)
                with contextlib.suppress(OSError):  # there is what an export can be resumed from
                    path.parent.rmdir()

    def _locked(self, path: Path) -> BinaryIO:
        import fcntl

        while True:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                file = path.open("ab")
            except FileNotFoundError:  # who had the lock has just removed the folder
                continue
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                raise RepositoryError(f"another export to {self} is running. Wait for it, or stop it.") from None
            if _is_still(file, path):
                return file
            file.close()

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder on the same disk. Those of exports that were killed are removed."""
        beside = self._at(EXPORTING)
        for left in beside.glob("scratch-*"):
            shutil.rmtree(left)
        with tempfile.TemporaryDirectory(prefix="scratch-", dir=beside) as folder:
            yield Path(folder)


def _is_still(file: BinaryIO, path: Path) -> bool:
    """Whether the file is the one of this path, and not one that was removed before it was locked."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _sync(folder: Path) -> None:
    """Have the names in a folder on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
