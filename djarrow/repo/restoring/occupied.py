"""What the schemas hold to which a repository is to be restored: tables, or what an interrupted restore has left."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from djarrow.errors import RepositoryError
from djarrow.sql import restoring

if TYPE_CHECKING:
    from djarrow.engine.postgres import PostgresConnection
    from djarrow.sql.catalog import Catalog


def check_empty(held: Catalog, schemas: Iterable[str]) -> None:
    """Refuse schemas that have tables. Raises RepositoryError."""
    there = sorted(str(name) for name in (*held.specs, *held.refused) if name.schema in schemas)
    if there:
        shown = ", ".join(there[:5]) + (", ..." if len(there) > 5 else "")
        raise RepositoryError(
            f"the database has tables there already: {shown}. Drop these schemas, restore under other names by "
            '`rename`, or add what is new by `into="merge"`.'
        )


def check_not_begun(database: PostgresConnection, schemas: Iterable[str]) -> None:
    """Refuse schemas in which a restore was interrupted that can go on. Raises RepositoryError."""
    if found := begun(database, schemas):
        raise RepositoryError(
            f"a restore of {', '.join(found)} was interrupted, and some of its tables are missing. Go on with it by "
            "`resumable=True`, drop these schemas, or restore under other names by `rename`."
        )


def begun(database: PostgresConnection, schemas: Iterable[str]) -> list[str]:
    """The schemas in which a restore has not ended that goes table by table."""
    found: list[str] = database.read(restoring.find_restoring(schemas), few=True).column("name").to_pylist()
    return found
