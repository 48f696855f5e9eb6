"""Who may write rows where: not into a repository, and into auto-populated tables only their own make."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from djarrow.errors import InsertRefused
from djarrow.model.names import COMPUTED, IMPORTED, TableName
from djarrow.table.source import current_offline

if TYPE_CHECKING:
    from djarrow.table.table import Table


@frozen
class Making:
    """A make that runs: of which table, and for which key. maker: the table's instance, whose schema knows what it
    depends on; without it, `strict_reads` has nothing to go by.
    """

    table: TableName
    key: Mapping[str, Any]
    maker: Table | None = field(default=None, eq=False, repr=False)


making: ContextVar[Making | None] = ContextVar("djarrow_making", default=None)
"""The make that runs in this context: only its table and parts take rows then, and what it reads is looked at."""


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
    if current is None or current.table not in (table.spec.name, table.spec.master):
        raise InsertRefused(
            "rows of an auto-populated table come from its `make`, called by `populate()`. "
            "To insert here all the same, pass allow_direct_insert=True.",
            table=str(table.spec.name),
        )
