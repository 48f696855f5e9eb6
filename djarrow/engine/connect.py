"""Which database: an URL given, a setting, or the project's embedded server. Design section 3."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from djarrow import config

if TYPE_CHECKING:
    from djarrow.engine.postgres import PostgresConnection

_default: PostgresConnection | None = None
_lock = threading.Lock()


def conn(url: str | None = None, *, reset: bool = False) -> PostgresConnection:
    """The default connection, opened on first use.

    url: a `postgresql://user:password@host:port/database`; it becomes the default. Without one: `DJARROW_URL`, then
    `DJ_HOST`, `DJ_PORT`, `DJ_USER`, `DJ_PASS` and `DJ_DATABASE`, then `[database]` of the nearest `datajoint.toml`,
    then the embedded server of the project, which is started where it does not run. reset opens it anew.

    Raises ConnectionFailed, AccessDenied, ServerError or ConfigError.
    """
    global _default  # noqa: PLW0603 - one of the two conveniences that are process-wide (design section 2)
    with _lock:
        if _default is None or url is not None or reset:
            _default = connect(url or database_url())
        return _default


def current_default() -> PostgresConnection | None:
    """The default connection, where one was opened."""
    return _default


def connect(url: str) -> PostgresConnection:
    """A connection to this URL that does not become the default."""
    from djarrow.engine.postgres import PostgresConnection

    return PostgresConnection(url)


def database_url() -> str:
    """The URL that settings name, or that of the project's embedded server, which this process then uses."""
    return config.database_url() or join_embedded(config.project_folder())


def join_embedded(project: Path) -> str:
    """Use the embedded server of a project's folder, started where it does not run. Returns its URL."""
    from djarrow.engine.embedded import EmbeddedServer

    return EmbeddedServer(server_folder(project)).join()


def server_folder(project: Path) -> Path:
    """Where a project keeps its embedded server."""
    return project / ".djarrow" / "server"
