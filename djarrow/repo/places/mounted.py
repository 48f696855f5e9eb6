"""A place as a filesystem of fsspec, for DuckDB: its files under `djarrow://`, each path meaning itself."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from fsspec import AbstractFileSystem

if TYPE_CHECKING:
    from djarrow.repo.places.remote import Remote

PROTOCOL = "djarrow"


class Mounted(AbstractFileSystem):  # type: ignore[misc]
    """The files of a place. A path is no pattern, whatever stands in it, and leads nowhere else."""

    protocol = PROTOCOL
    cachable: ClassVar[bool] = False

    def __init__(self, place: Remote) -> None:
        super().__init__()
        self._place = place

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Size and type of a file."""
        name = self._strip_protocol(path)
        return {"name": name, "size": self._place.size(name), "type": "file"}

    def glob(self, path: str, **_: Any) -> list[str]:
        """The file of this path, where it is there."""
        return [path] if self.exists(path) else []

    def modified(self, path: str) -> datetime:  # noqa: ARG002 - the same of every path
        """A file that is listed stays as it is."""
        return datetime.fromtimestamp(0, UTC)

    def _open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        if mode != "rb":
            raise PermissionError(f"a repository is read only: {path}")
        return self._place.open(path)
