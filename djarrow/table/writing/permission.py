"""Who may write rows where: not into a repository, and into auto-populated tables only their own make."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

from attrs import field, frozen

from djarrow.engine.base import Reader
from djarrow.errors import InsertRefused
from djarrow.model.names import COMPUTED, IMPORTED, TableName
from djarrow.table.source import current_offline

if TYPE_CHECKING:
    import pyarrow as pa

    from djarrow.engine.base import Database
    from djarrow.expr.nodes import Node
    from djarrow.model.spec import TableSpec
    from djarrow.sql.compile import Compiled
    from djarrow.table.table import Table


class SharedTransaction(Reader, Protocol):
    """What makes have to do with a transaction that several of them share."""

    def keep(self, database: Database, spec: TableSpec, values: Mapping[str, Sequence[Any]]) -> bool:
        """Have rows wait until they must go. False where they cannot. values: canonical, as lists of one length."""
        ...

    def change(self) -> None:
        """Values of rows are changed in it, and logged as its doing."""
        ...

    def reader(self, reader: Reader) -> Reader:
        """What reads in its place: itself in that of the transaction's database."""
        ...

    def read_compiled(self, node: Node, compiled: Compiled) -> pa.Table:
        """The result of a query of few rows."""
        ...


@frozen
class Making:
    """A make that runs. table, key: for what; None of one for many keys. inserting: whether its rows may go in now.

    maker: the table's instance, whose schema knows what it depends on; without it, and of many keys, `strict_reads` has
    nothing to go by. shared: its transaction, where that is not its alone.
    """

    table: TableName
    key: Mapping[str, Any] | None
    inserting: bool = True
    maker: Table | None = field(default=None, eq=False, repr=False)
    shared: SharedTransaction | None = field(default=None, eq=False, repr=False)


making: ContextVar[Making | None] = ContextVar("djarrow_making", default=None)
"""The make that runs in this context. Of the tables that fill themselves, only its own and its parts take rows then,
and what it reads is looked at."""


@contextmanager
def during(make: Making) -> Iterator[None]:
    """A make runs for the time of the block."""
    token = making.set(make)
    try:
        yield
    finally:
        making.reset(token)


def too_early() -> str | None:
    """Why nothing may be written now, where a make runs that has no transaction yet."""
    current = making.get()
    if current is None or current.inserting:
        return None
    return (
        f"the make of {current.table} writes nothing yet: before its transaction that would stay whatever became of "
        "it. Write in make_insert, or after the second `yield`: the first gives what was fetched, the second what was "
        "computed."
    )


def check_insert(table: Table, *, allow_direct_insert: bool) -> None:
    """Refuse rows for a table that takes none here."""
    if current_offline() is not None:
        raise InsertRefused(
            "queries run on a repository here, which is read only. Insert outside of the `using` block.",
            table=str(table.spec.name),
        )
    if allow_direct_insert:
        return
    current, name = making.get(), str(table.spec.name)
    if why := too_early():
        raise InsertRefused(f"{why} Of make_query, return the rows as a query.", table=name)
    own = current is not None and current.table in (table.spec.name, table.spec.master)
    if table.spec.tier in (IMPORTED, COMPUTED) and not own:
        raise InsertRefused(
            "rows of an auto-populated table come from its `make`, called by `populate()`. "
            "To insert here all the same, pass allow_direct_insert=True.",
            table=name,
        )
