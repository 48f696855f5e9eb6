"""djarrow: a computational database for dataframes. `import djarrow as dj`.

Tables are the steps of a workflow, foreign keys its dependencies, and results fill themselves in.
"""

from djarrow import errors
from djarrow._version import __version__
from djarrow.engine.connect import conn
from djarrow.errors import DataJointError, DjarrowError
from djarrow.jobs.autopopulate import Computed, Imported
from djarrow.repo.export import export
from djarrow.repo.repository import open_repository as open  # noqa: A004 - `dj.open` reads well
from djarrow.table.conditions import AndList, Not, Top
from djarrow.table.expression import QueryExpression
from djarrow.table.schema import Schema
from djarrow.table.table import Lookup, Manual, Part, Table

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
    "__version__",
    "conn",
    "errors",
    "export",
    "open",
]
