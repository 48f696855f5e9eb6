"""Who may write rows where: not into a repository, and into auto-populated tables only their own make."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

from djarrow.errors import InsertRefused
from djarrow.model.names import COMPUTED, IMPORTED, TableName
from djarrow.table.source import current_offline

if TYPE_CHECKING:
    from djarrow.table.table import Table

making: ContextVar[TableName | None] = ContextVar("djarrow_making", default=None)
"""The auto-populated table whose make runs in this context: only it and its parts take rows then."""


def check_insert(table: Table, *, allow_direct_insert: bool) -> None:
    """Refuse rows for a table that takes none here."""
    if current_offline() is not None:
        raise InsertRefused(
            "queries run on a repository here, which is read only. Insert outside of the `using` block.",
            table=str(table.spec.name),
        )
    if table.spec.tier in (IMPORTED, COMPUTED) and not allow_direct_insert:
        _check_making(table)


def _check_making(table: Table) -> None:
    current = making.get()
    if current is None or current not in (table.spec.name, table.spec.master):
        raise InsertRefused(
            "rows of an auto-populated table come from its `make`, called by `populate()`. "
            "To insert here all the same, pass allow_direct_insert=True.",
            table=str(table.spec.name),
        )
