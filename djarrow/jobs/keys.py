"""Keys of many makes at once: a frame of them, the stream that gives them piece by piece, which of them have rows.

Keys are asked for as what they are: those of a whole key source by its query, those of a batch as constants.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from attrs import frozen

from djarrow.expr import operators
from djarrow.expr.conditions import Holds
from djarrow.expr.functions import BOOL
from djarrow.expr.nodes import Projected, Rows, Stored
from djarrow.expr.terms import Call, Value, column
from djarrow.model.heading import Attribute, Heading
from djarrow.model.types import core
from djarrow.sql.ddl import MADE

if TYPE_CHECKING:
    import uuid

    import polars as pl
    import pyarrow as pa

    from djarrow.engine.base import Database
    from djarrow.expr.nodes import Node
    from djarrow.jobs.queue import Job
    from djarrow.model.spec import TableSpec
    from djarrow.table.expression import QueryExpression


@frozen(eq=False, slots=False)
class Keys:
    """Keys of one key source, held in memory. heading: theirs; table: their values, as Arrow of the declared types.

    jobs: this process's reservations of them, in their order; none where they are not of the queue.
    """

    heading: Heading
    table: pa.Table
    jobs: tuple[Job, ...] = ()

    @classmethod
    def reserved(cls, heading: Heading, jobs: Sequence[Job]) -> Self:
        """Those of jobs."""
        import pyarrow as pa

        from djarrow.frame import results
        from djarrow.frame.columns import from_values
        from djarrow.frame.problems import raising

        refuse = raising("key source")
        columns = [from_values([job.key[a.name] for job in jobs], a, refuse) for a in heading]
        table = pa.table(columns, names=list(heading.names))
        return cls(heading, results.declared(table, heading), tuple(jobs))

    @classmethod
    def read(cls, database: Database, node: Node, limit: int | None = None) -> Self:
        """Those that a query gives, in their order, at most so many."""
        from djarrow.frame import results
        from djarrow.table.selection import Selection

        text = Selection(order_by="KEY", limit=limit).text(node, database.dialect)
        return cls(node.heading, results.declared(database.read(text), node.heading))

    @classmethod
    def unpacked(cls, heading: Heading, stream: bytes) -> Self:
        """Those that `packed` has packed."""
        import pyarrow as pa

        with pa.ipc.open_stream(stream) as reader:
            return cls(heading, reader.read_all())

    def packed(self) -> bytes:
        """Their values as an Arrow stream, as they go to another process."""
        import pyarrow as pa

        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, self.table.schema) as writer:
            writer.write_table(self.table)
        packed: bytes = sink.getvalue().to_pybytes()
        return packed

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @property
    def frame(self) -> pl.DataFrame:
        """They as a Polars frame."""
        from djarrow.frame import results

        return results.to_polars(self.table, self.heading)

    def dicts(self, most: int | None = None) -> list[dict[str, Any]]:
        """They, or the first of them, as dicts of Python values."""
        from djarrow.frame import results

        return list(results.to_dicts(self.table.slice(0, most), self.heading))

    @cached_property
    def node(self) -> Rows:
        """They as a query of constants."""
        import pyarrow as pa

        from djarrow.frame.columns import from_arrow
        from djarrow.frame.problems import raising

        refuse = raising("key source")
        columns = [from_arrow(self.table.column(a.name), a, refuse) for a in self.heading]
        return Rows(self.heading, pa.table(columns, names=list(self.heading.names)))

    def halves(self) -> tuple[Keys, Keys]:
        """The first half of them and the rest."""
        middle = len(self) // 2
        return (
            Keys(self.heading, self.table.slice(0, middle), self.jobs[:middle]),
            Keys(self.heading, self.table.slice(middle), self.jobs[middle:]),
        )


class KeyStream:
    """The keys of a query, which are taken from it as many at a time as is wished. Closing ends it.

    order: "original", as the keys are ordered; "reverse"; or "random", for which all of them are held.
    """

    def __init__(self, query: QueryExpression, order: str = "original") -> None:
        self._heading = query.heading
        self._batches: Any = _shuffled(query) if order == "random" else query.to_batches(order_by=_ORDERS[order])
        self._waiting: list[pa.RecordBatch] = []
        self._held = 0

    def take(self, most: int) -> Keys | None:
        """The next keys; None at the end."""
        import pyarrow as pa

        while self._held < most and (batch := next(self._batches, None)) is not None:
            self._waiting.append(batch)
            self._held += batch.num_rows
        if not self._held:
            return None
        held = pa.Table.from_batches(self._waiting)
        self._waiting = held.slice(most).to_batches()
        self._held -= min(most, self._held)
        return Keys(self._heading, held.slice(0, most))

    def close(self) -> None:
        """Give back the connection that it reads from."""
        self._batches.close()


_ORDERS = {"original": "KEY", "reverse": "KEY DESC"}


def _shuffled(query: QueryExpression) -> Generator[pa.RecordBatch, None, None]:
    import random

    keys = query.to_arrow()
    yield from keys.take(random.sample(range(keys.num_rows), keys.num_rows)).to_batches()


def without_row(keys: Node, spec: TableSpec) -> Node:
    """Those of some keys for which a table has no row."""
    match = operators.matching(keys, Stored(spec.name, spec.heading.select(spec.heading.primary_key)), operator="-")
    return operators.restrict(keys, operators.negate(match))


def with_row_of(keys: Node, spec: TableSpec, make: uuid.UUID) -> Node:
    """Those of some keys for which a table has a row of the make of this number."""
    key = spec.heading.primary_key
    made = Attribute(MADE, core("uuid"), nullable=True)
    rows = Stored(spec.name, Heading((*(spec.heading[name] for name in key), made), key))
    of_make = Call("=", (column(made), Value(make, made.type)), BOOL, nullable=True)
    their = Projected(
        operators.restrict(rows, Holds(of_make)), tuple((name, column(rows.heading[name])) for name in key)
    )
    return operators.restrict(keys, operators.matching(keys, their))


def among(query: Node, keys: Node) -> Node:
    """The rows of a query that are of some keys. Raises IncompatibleOperands where the attributes are others."""
    return operators.restrict(query, operators.matching(query, keys))


def count(database: Database, node: Node) -> int:
    """How many rows a query has."""
    return int(database.read(counting(node), few=True).column("n")[0].as_py())


def counting(node: Node) -> str:
    """The statement that says so, as `n`."""
    from djarrow.sql import compile as compiler
    from djarrow.sql.dialects import Dialect

    return compiler.count(node, Dialect.POSTGRES).text
