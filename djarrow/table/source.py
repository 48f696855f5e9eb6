"""Where a query runs: on its schema's connection, or, inside a `using` block, on an opened repository."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

from djarrow.errors import QueryError

if TYPE_CHECKING:
    from djarrow.engine.base import Reader
    from djarrow.expr.nodes import Node
    from djarrow.model.names import TableName


class Offline(Protocol):
    """A repository that can stand in for the database."""

    @property
    def reader(self) -> Reader:
        """The engine that answers queries over the repository."""
        ...

    @property
    def tables(self) -> frozenset[TableName]:
        """The tables that it holds."""
        ...

    @property
    def readable(self) -> frozenset[TableName]:
        """All that its queries can read: the tables that it holds, and what is told of how their rows came."""
        ...

    @property
    def untold(self) -> frozenset[TableName]:
        """What would be told of how rows came, if the export had not left it out."""
        ...

    def table_size(self, name: TableName) -> int:
        """How many bytes the files of a table take."""
        ...


_offline: ContextVar[Offline | None] = ContextVar("djarrow_offline", default=None)


@contextlib.contextmanager
def reading_from(repository: Offline) -> Iterator[None]:
    """Inside the block every query of this context runs on the repository."""
    token = _offline.set(repository)
    try:
        yield
    finally:
        _offline.reset(token)


def current_offline() -> Offline | None:
    """The repository that queries run on at the moment, if any."""
    return _offline.get()


def check_held(repository: Offline, node: Node) -> None:
    """Refuse a query that reads a table which the repository does not hold, or what only a database knows."""
    from djarrow.expr.nodes import Written, tables, walk

    if written := next((part for part in walk(node) if isinstance(part, Written)), None):
        raise QueryError(
            f"{written} was asked of the database, outside of the `using` block. Ask for it inside, where the "
            "repository answers."
        )
    missing = tables(node) - repository.readable
    if missing & repository.untold:
        raise QueryError(
            "the repository does not tell how rows came: it was exported without that (`provenance=False`, or "
            "`--no-provenance`). Ask the database, or export again."
        )
    if missing:
        held = ", ".join(sorted(map(str, repository.tables)))
        raise QueryError(f"The repository does not hold {', '.join(sorted(map(str, missing)))}. It holds {held}.")


def narrowed(reader: Reader, node: Node) -> Reader:
    """The engine for a query, told which rows matter to it where that saves it from looking into files."""
    if reader.narrowed is None:
        return reader
    from djarrow.expr.spans import spans_of

    return reader.narrowed(spans_of(node))
