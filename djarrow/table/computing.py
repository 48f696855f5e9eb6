"""What a schema does with the tables that fill themselves. jobs/ knows how, which this layer does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import polars as pl

    from djarrow.jobs.many import Totals
    from djarrow.jobs.view import Jobs
    from djarrow.table.schema import Schema


class Computing(Protocol):
    """What jobs/ does for a schema."""

    def jobs(self, schema: Schema) -> Jobs:
        """The queue, as a query."""
        ...

    def populate(self, schema: Schema, restrictions: Sequence[Any], options: Mapping[str, Any]) -> Totals:
        """All tables, until nothing is left."""
        ...

    def progress(self, schema: Schema, seconds: float | None) -> pl.DataFrame:
        """How far each table is."""
        ...


_provided: list[Computing] = []


def provide(computing: Computing) -> None:
    """Say who does it: jobs/, when it is loaded."""
    _provided[:] = [computing]


def computing() -> Computing:
    """Who does it."""
    return _provided[0]
