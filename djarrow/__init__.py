"""djarrow: a computational database for dataframes. `import djarrow as dj`.

Tables are the steps of a workflow, foreign keys its dependencies, and results fill themselves in.
"""

from djarrow import errors
from djarrow._version import __version__
from djarrow.codec import blob
from djarrow.engine.connect import conn
from djarrow.errors import DataJointError, DjarrowError
from djarrow.jobs.autopopulate import Computed, Imported
from djarrow.jobs.many import populate, progress
from djarrow.repo.comparing.diff import diff
from djarrow.repo.exporting.export import export
from djarrow.repo.opening.repository import open_repository as open  # noqa: A004 - `dj.open` reads well
from djarrow.repo.restoring.restore import restore
from djarrow.repo.verify import verify
from djarrow.settings import config
from djarrow.table.conditions import AndList, Not, Top
from djarrow.table.connections import kill, list_connections
from djarrow.table.existing.virtual import VirtualModule, list_schemas, virtual
from djarrow.table.expression import QueryExpression
from djarrow.table.schema import Schema
from djarrow.table.table import Lookup, Manual, Part, Table
from djarrow.table.tracing import Trace, trace
from djarrow.table.universal import U
from djarrow.table.writing.many import insert_many

schema = Schema
"""Another name of `Schema`, as pipelines published for DataJoint write it: `schema = dj.schema()`."""

virtual_schema = virtual
"""Another name of `virtual`, DataJoint's."""

__all__ = [
    "AndList",
    "Computed",
    "DataJointError",
    "DjarrowError",
    "Imported",
    "Lookup",
    "Manual",
    "Not",
    "Part",
    "QueryExpression",
    "Schema",
    "Table",
    "Top",
    "Trace",
    "U",
    "VirtualModule",
    "__version__",
    "blob",
    "config",
    "conn",
    "diff",
    "errors",
    "export",
    "insert_many",
    "kill",
    "list_connections",
    "list_schemas",
    "open",
    "populate",
    "progress",
    "restore",
    "schema",
    "trace",
    "verify",
    "virtual",
    "virtual_schema",
]
