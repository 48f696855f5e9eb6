"""The embedded server as the rest of djarrow sees it: join, leave, stop, status, url. Not here: how it is done."""

from __future__ import annotations

import os
import time
from pathlib import Path
from urllib.parse import quote

from attrs import frozen

from djarrow.engine.embedded import locks
from djarrow.engine.embedded.cluster import DATABASE, USER
from djarrow.engine.embedded.condition import Condition, observe
from djarrow.engine.embedded.folder import ServerFolder
from djarrow.engine.embedded.launch import ADDRESS, start
from djarrow.engine.embedded.shutdown import end
from djarrow.errors import ServerStartFailed

_PATIENCE = 60.0  # seconds to wait for other processes that start or stop the server


@frozen
class ServerStatus:
    """What is known of a server without joining it.

    kept: it stays up without users; pid, port: of the running one; version: the major version of the database files,
    None when there are none; users: how many processes use it, None where the system does not tell.
    """

    running: bool
    kept: bool
    pid: int | None
    port: int | None
    version: int | None
    data: Path
    users: int | None


class EmbeddedServer:
    """A PostgreSQL of a project, shared by the processes that join it.

    root is the server's own folder, `.djarrow/server` of a project. Nothing happens until the first call. The server
    runs while a process uses it: one that has joined and neither left nor ended, however it ended. A forked child is a
    user as long as it lives, because it inherits its parent's connections. An object that is no longer referred to does
    not leave.
    """

    def __init__(self, root: Path) -> None:
        self._folder = ServerFolder(Path(os.path.abspath(root)))  # noqa: PTH100  (links are left as they are)
        self._users_lock: int | None = None

    def __repr__(self) -> str:
        return f"EmbeddedServer({str(self._folder.root)!r})"

    def join(self) -> str:
        """Become a user of the server, starting it where it does not run; returns its URL, with the password in it.

        Joining again is cheap; it starts a server that has ended meanwhile.

        Raises ServerFolderDenied, ServerBinariesMissing, ServerVersionMismatch, ServerStartFailed, or ConfigError when
        DJARROW_PG_PORT is no port.
        """
        self._folder.prepare()
        with locks.held(self._folder.boot_lock, patience=2 * _PATIENCE) as boot_lock:
            joined_before = self._users_lock is not None
            if self._users_lock is None:
                # A supervisor that is ending the server has this lock until all is over. From here on none ends it.
                self._users_lock = locks.acquire_shared(self._folder.users_lock, patience=_PATIENCE)
            try:
                return self._url_when_ready(boot_lock)
            except BaseException:
                if not joined_before:
                    self.leave()
                raise

    def _url_when_ready(self, boot_lock: int) -> str:
        """Have the server take connections, whatever condition it was found in."""
        patience_ends = time.monotonic() + _PATIENCE
        while time.monotonic() < patience_ends:
            match observe(self._folder).condition:
                case Condition.READY:
                    url = self.url()
                    if url is not None:  # None: it was killed between the two looks
                        return url
                case Condition.AT_REST:
                    start(self._folder, boot_lock)
                case Condition.ORPHANED | Condition.STOPPING:
                    end(self._folder)
                case Condition.STARTING:  # by a process that was killed before it was ready
                    time.sleep(0.01)
        raise ServerStartFailed(
            f"a server has been starting in {self._folder.root} for {_PATIENCE:.0f} s, or was started there by another "
            f"container or machine, where this process cannot reach it. Its log is {self._folder.log}."
        )

    def leave(self) -> None:
        """Be no user any more. The last one gone, the server stops a second or two later."""
        descriptor, self._users_lock = self._users_lock, None
        if descriptor is not None:
            locks.release(descriptor)

    def keep(self) -> str:
        """Start the server where it does not run, and keep it up without users until stop; returns its URL.

        Raises what join raises.
        """
        joined_before = self._users_lock is not None
        url = self.join()
        with self._folder.access():
            self._folder.keep_marker.touch(mode=0o600)
        if not joined_before:
            self.leave()
        return url

    def stop(self) -> None:
        """Stop the server now, whoever uses it; returns when none of its processes is left.

        Raises ServerFolderDenied when the folder cannot be read, ServerError when it does not stop.
        """
        self.leave()
        if not self._folder.root.exists():
            return
        with self._folder.access(), locks.held(self._folder.boot_lock, patience=2 * _PATIENCE):
            self._folder.keep_marker.unlink(missing_ok=True)
            end(self._folder)

    def url(self) -> str | None:
        """The URL of the running server, with the password in it, without joining; None when it does not run.

        Raises ServerFolderDenied when the folder cannot be read.
        """
        seen = observe(self._folder)
        remembered = self._folder.remembered()
        if seen.condition is not Condition.READY or seen.postmaster is None or remembered is None:
            return None
        password = quote(remembered.password, safe="")
        return f"postgresql://{USER}:{password}@{ADDRESS}:{seen.postmaster.port}/{DATABASE}"

    def status(self) -> ServerStatus:
        """What the server is doing, without joining it. Raises ServerFolderDenied when the folder cannot be read."""
        seen = observe(self._folder)
        postmaster = seen.postmaster if seen.condition is Condition.READY else None
        with self._folder.access():
            return ServerStatus(
                running=postmaster is not None,
                kept=self._folder.keep_marker.exists(),
                pid=None if postmaster is None else postmaster.pid,
                port=None if postmaster is None else postmaster.port,
                version=self._folder.version(),
                data=self._folder.data,
                users=0 if postmaster is None else locks.count_shared(self._folder.users_lock),
            )
