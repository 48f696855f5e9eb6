"""Lazy frames: a query as a source of Polars's own lazy queries. docs/decisions/010-lazy-frames.md says how and why.

Polars tells the source which columns, rows and predicate it wants; what of it SQL can say runs in the database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import polars as pl
from attrs import frozen
from polars.io.plugins import register_io_source

from djarrow.engine.base import Reader, Streams
from djarrow.expr.nodes import Node, Order
from djarrow.expr.operators import all_of, restrict
from djarrow.expr.order import order_terms, ordered, top
from djarrow.expr.predicates.translate import Predicate
from djarrow.frame import results
from djarrow.model.heading import Heading
from djarrow.sql import compile as compiler
from djarrow.sql.dialects import Dialect
from djarrow.table.predicates import schema_of, translated


def frame(
    node: Node,
    heading: Heading,
    reader: Reader,
    *,
    order_by: str | Sequence[str] | None,
    limit: int | None,
    offset: int,
    explain: Callable[[str], object] | None,
) -> pl.LazyFrame:
    """The lazy frame of a query. heading: the columns on offer."""
    if limit is not None or offset:
        node = top(node, limit, order_by, offset)
    order = () if order_by is None else order_terms(order_by, node.heading)
    source = Source(node, order, heading, reader.pinned(), explain)
    # Pure: within one lazy query Polars may read it once for all its uses, which then agree.
    return register_io_source(source.read, schema=schema_of(heading), is_pure=True)


@frozen
class Source:
    """A query that Polars reads whenever a lazy query over it is collected.

    node: the rows, with any limit in it. order: in which they come. heading: the columns on offer. explain: told what
    is read.
    """

    node: Node
    order: tuple[Order, ...]
    heading: Heading
    streams: Streams
    explain: Callable[[str], object] | None

    def read(
        self, columns: list[str] | None, predicate: pl.Expr | None, rows: int | None, _: int | None
    ) -> Iterator[pl.DataFrame]:
        """What Polars calls: the first rows (all if None), those of them where the predicate holds, these columns.

        The query is sent before this returns; its batches are taken on whatever thread Polars chooses.
        """
        names = self.heading.names if columns is None else tuple(columns)
        found = Predicate((), ()) if predicate is None else translated(predicate, self.heading)
        after = predicate if found.left else None
        needed = names if after is None else tuple(dict.fromkeys((*names, *after.meta.root_names())))
        node, dialect = self._asked(found, rows), Dialect(self.streams.dialect)
        if self.explain is not None:
            self.explain(_told(compiler.select(node, dialect, needed, pretty=True).text, found, after))
        text = compiler.select(node, dialect, needed).text
        frames = _frames(self.streams, text, self.heading.select(needed), names, after)
        next(frames)
        return frames

    def _asked(self, found: Predicate, rows: int | None) -> Node:
        """The query for a request. Polars counts its first rows before it filters them, so the limit is inside."""
        first = self.node if rows is None else ordered(self.node, self.order, rows, 0)
        return ordered(restrict(first, all_of(found.conditions)), self.order, None, 0)


def _told(text: str, found: Predicate, after: pl.Expr | None) -> str:
    """What a source says of a request: the SELECT, and what is left to Polars."""
    if after is None:
        return f"In the database:\n{text}"
    return f"In the database:\n{text}\nIn Polars, of what comes: {after}\n" + "\n".join(found.left)


def _frames(
    streams: Streams, text: str, heading: Heading, names: tuple[str, ...], after: pl.Expr | None
) -> Iterator[pl.DataFrame]:
    """The batches as frames, and an empty one before them: whoever took it has sent the query.

    From then on the connection is given back when the iterator ends or is let go of.
    """
    import pyarrow as pa

    with streams.stream(text) as stream:
        yield pl.DataFrame(schema=schema_of(heading.select(names)))
        for batch in stream:
            part = results.to_polars(pa.Table.from_batches([batch]), heading)
            yield (part if after is None else part.filter(after)).select(names)
