"""Which database: an URL given, a setting, or the project's embedded server. Design section 3."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from djarrow.project import DATA_FOLDER, database_url, project_folder

if TYPE_CHECKING:
    from djarrow.engine.postgres import PostgresConnection

_default: PostgresConnection | None = None
_lock = threading.Lock()


def conn(url: str | None = None, *, reset: bool = False) -> PostgresConnection:
    """The default connection, opened on first use.

    url: a `postgresql://user:password@host:port/database`; it becomes the default. Without one:
    `DJARROW_URL`, then `DJ_HOST`, `DJ_PORT`, `DJ_USER`, `DJ_PASS` and `DJ_DATABASE`, then `[database]` of the nearest
    `datajoint.toml`, then the embedded server of the project, which is started where it does not run. The URL of the
    default gives the default again; reset opens it anew.

    Raises ConnectionFailed, AccessDenied, ServerError or ConfigError.
    """
    global _default  # noqa: PLW0603 - one of the two conveniences that are process-wide (design section 2)
    with _lock:
        if _default is None or reset or (url is not None and url != _default.url):
            _default = connect(url) if url else _connect_as_set()
        return _default


def current_default() -> PostgresConnection | None:
    """The default connection, where one was opened."""
    return _default


def connect(url: str) -> PostgresConnection:
    """A connection to this URL that does not become the default."""
    from djarrow.engine.postgres import PostgresConnection

    return PostgresConnection(url)


def is_connection(candidate: object) -> bool:
    """Whether this is a connection, for layers that do not know its class."""
    from djarrow.engine.postgres import PostgresConnection

    return isinstance(candidate, PostgresConnection)


def connect_embedded(project: Path) -> PostgresConnection:
    """A connection to the embedded server of a project's folder, started where it does not run, also later on."""
    from djarrow.engine.embedded import EmbeddedServer
    from djarrow.engine.postgres import PostgresConnection

    server = EmbeddedServer(server_folder(project))
    return PostgresConnection(server.join(), restart=server.join)


def _connect_as_set() -> PostgresConnection:
    """A connection to the database that the settings name, or to the project's embedded server."""
    url = database_url()
    return connect(url) if url else connect_embedded(project_folder())


def server_folder(project: Path) -> Path:
    """Where a project keeps its embedded server."""
    return project / DATA_FOLDER / "server"
