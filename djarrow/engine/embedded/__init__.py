"""How does a project get a PostgreSQL of its own? A real server, shared by the processes that use its folder.

Nothing here imports a database driver or a dataframe library: the answer of this folder is a URL.
"""

from djarrow.engine.embedded.server import EmbeddedServer, ServerStatus

__all__ = ["EmbeddedServer", "ServerStatus"]
