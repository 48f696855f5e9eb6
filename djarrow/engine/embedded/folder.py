"""The folder of one embedded server: the names in it, making it, and what it remembers between two starts.

Not here: what runs in it (`condition.py`), and the database files themselves (`cluster.py`).
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING

from attrs import field, frozen

from djarrow.engine.embedded.supervisor import KEEP_MARKER, LOG_FILE, SERVER_LOCK, SUPERVISOR_LOCK, USERS_LOCK
from djarrow.errors import ServerError, ServerFolderDenied, ServerStartFailed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LOG_LIMIT = 4_000_000  # bytes; a longer log is set aside at the next start


@frozen
class Remembered:
    """What one start leaves to the next. port: the one used last; sockets: the last socket folder."""

    password: str = field(repr=False)
    port: int | None = None
    sockets: str | None = None


@frozen
class ServerFolder:
    """The paths of one server. root: absolute."""

    root: Path

    @property
    def data(self) -> Path:
        """The database files. It exists only when it is complete."""
        return self.root / "data"

    @property
    def staging(self) -> Path:
        """The database files while they are being made."""
        return self.root / "data.new"

    @property
    def log(self) -> Path:
        """What postgres and the supervisor write."""
        return self.root / LOG_FILE

    @property
    def keep_marker(self) -> Path:
        """Exists while the server shall stay up without users."""
        return self.root / KEEP_MARKER

    @property
    def boot_lock(self) -> Path:
        """Held exclusively by whoever joins, starts or stops the server."""
        return self.root / "boot.lock"

    @property
    def users_lock(self) -> Path:
        """Shared by each process that uses the server."""
        return self.root / USERS_LOCK

    @property
    def supervisor_lock(self) -> Path:
        """Held by the supervisor."""
        return self.root / SUPERVISOR_LOCK

    @property
    def server_lock(self) -> Path:
        """Held by the processes of postgres."""
        return self.root / SERVER_LOCK

    @property
    def _state(self) -> Path:
        return self.root / "state.json"

    def prepare(self) -> None:
        """Make the folder and the files that all its users open.

        Raises ServerFolderDenied when that is not possible; then nothing is left behind.
        """
        with self.access():
            self._make_folders()
            for path in (self.boot_lock, self.users_lock, self.supervisor_lock, self.server_lock, self.log):
                os.close(self._open(path, os.O_APPEND))

    def _make_folders(self) -> None:
        missing = [path for path in (self.root, *self.root.parents) if not path.exists()]
        made: list[Path] = []
        try:
            for path in reversed(missing):
                path.mkdir(mode=0o700 if path == self.root else 0o777, exist_ok=True)
                made.insert(0, path)
        except OSError:
            for path in made:
                path.rmdir()
            raise
        if missing:  # the folder holds a password: no version control shall take it in
            (self.root / ".gitignore").write_text("*\n", encoding="utf-8")

    def _open(self, path: Path, flags: int) -> int:
        """Open for writing, made when missing: private, and with the owner of the folder where root works on it."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | flags, 0o600)
        if os.geteuid() == 0:
            owner = self.root.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        return descriptor

    def set_aside_long_log(self) -> None:
        """Keep the log from growing for ever. For use while nothing runs."""
        if self.log.exists() and self.log.stat().st_size > _LOG_LIMIT:
            self.log.replace(self.root / f"{LOG_FILE}.old")
            os.close(self._open(self.log, os.O_APPEND))

    def version(self) -> int | None:
        """The major version of PostgreSQL that the database files belong to; None when there are none."""
        file = self.data / "PG_VERSION"
        with self.access():
            return int(file.read_text(encoding="ascii").partition(".")[0]) if file.exists() else None

    def remembered(self) -> Remembered | None:
        """What the last start left; None before the first. Raises ServerStartFailed when it cannot be read."""
        with self.access():
            if not self._state.exists():
                return None
            text = self._state.read_text(encoding="utf-8")
        try:
            fields = json.loads(text)
            return Remembered(fields["password"], fields["port"], fields["sockets"])
        except (ValueError, KeyError, TypeError):
            # Without the cause: it would carry the text, and with it the password.
            raise ServerStartFailed(
                f"{self._state}, which holds the password of the embedded server, is damaged. "
                "Put it back from a backup."
            ) from None

    def remember(self, remembered: Remembered) -> None:
        """Keep it for the next start; after a crash either this or what was there before can be read."""
        fields = {"password": remembered.password, "port": remembered.port, "sockets": remembered.sockets}
        new = self._state.with_suffix(".new")
        with self.access():
            descriptor = self._open(new, os.O_TRUNC)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(fields, file)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._state)
            sync_folder(self.root)

    @contextlib.contextmanager
    def access(self) -> Iterator[None]:
        """Raise ServerFolderDenied where the system refuses something about the folder."""
        try:
            yield
        except ServerError:  # some are OSErrors too
            raise
        except OSError as error:
            place = "" if error.filename in (None, str(self.root)) else f" ({error.filename})"
            raise ServerFolderDenied(
                f"the folder of the embedded server, {self.root}, cannot be made, read or written: "
                f"{error.strerror}{place}. Give this user access to it, work in a folder that this user may write, or "
                "set DJARROW_URL to a server that runs elsewhere."
            ) from error


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
