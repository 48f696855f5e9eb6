"""Lazy frames: a query as a source of Polars's own lazy queries. docs/decisions/010-lazy-frames.md says how and why.

When Polars has planned a lazy query it asks for columns, filters and first rows, and is given a SELECT that has of them
what SQL can say. Nothing is read until the plan is run, so that `explain()` shows the SELECT of every source.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl
from attrs import field, frozen
from polars.io.plugins import register_io_source
from polars.lazyframe.resolver import FilterExpr, LazyFrameResolver, ResolvedLazyFrameProps

from djarrow.engine.base import Reader, Streams
from djarrow.expr.conditions import Condition
from djarrow.expr.nodes import Node, Order
from djarrow.expr.operators import all_of, restrict
from djarrow.expr.order import order_terms, ordered, top
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
) -> pl.LazyFrame:
    """The lazy frame of a query. heading: the columns on offer."""
    if limit is not None or offset:
        node = top(node, limit, order_by, offset)
    order = () if order_by is None else order_terms(order_by, node.heading)
    source = Source(node, order, heading, reader.pinned())
    return pl.LazyFrame(schema=schema_of(heading)).pipe_with_schema(source.planned)


@frozen
class Source:
    """A query that Polars plans with, and reads, whenever a lazy query over it is collected.

    node: the rows, with any limit in it. order: in which they come. heading: the columns on offer.
    """

    node: Node
    order: tuple[Order, ...]
    heading: Heading
    streams: Streams

    def planned(self, *_: object) -> pl.LazyFrame:
        """The source in a plan that Polars begins.

        A plan has a query of its own, because Polars keeps with one all that it has answered. Without the step that
        unnests nothing, the streaming engine fails where rows are numbered (tests/contract/test_polars.py).
        """
        return Query(self).lazy().unnest([])

    def asked(self, conditions: tuple[Condition, ...], rows: int | None) -> Node:
        """The query for a request. Polars counts its first rows before it filters them, so the limit is inside."""
        first = self.node if rows is None else ordered(self.node, self.order, rows, 0)
        return ordered(restrict(first, all_of(conditions)), self.order, None, 0)


class Query(LazyFrameResolver):
    """A source in one plan: answers what Polars asks of it when it has planned the rest. Its name is shown in plans."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def schema(self) -> pl.Schema:
        """The columns on offer."""
        return schema_of(self._source.heading)

    def cse_eq(self, other: object) -> bool:
        """Whether Polars may read once for both. Within one lazy query it does, and all its uses then agree."""
        return isinstance(other, Query) and other._source is self._source

    def resolve_lazyframe(
        self,
        *,
        projection: list[str] | None,
        limit: int | None,
        filters: list[FilterExpr],
        filter_drop_columns_idx: int | None,
        **_: object,
    ) -> tuple[pl.LazyFrame, ResolvedLazyFrameProps]:
        """The first rows (all if None), those of them where the filters hold, these columns: what of it SQL can say.

        The source filters by the rest. From filter_drop_columns_idx on, columns are there for the filters only.
        """
        source, offered = self._source, self._source.heading
        found = [translated(each.expr, offered) for each in filters]
        left = [(each.expr, why.left) for each, why in zip(filters, found, strict=True) if why.left]
        names = offered.names if projection is None else tuple(projection[:filter_drop_columns_idx])
        needed = dict.fromkeys((*names, *(name for each, _ in left for name in each.meta.root_names())))
        # Without any column, the first one counts the rows.
        heading = offered.select(tuple(needed) or offered.names[:1])
        node = source.asked(tuple(condition for each in found for condition in each.conditions), limit)
        text = compiler.select(node, Dialect(source.streams.dialect), heading.names).text
        scan = register_io_source(
            Scan(source.streams, text, heading, names, tuple(each for each, _ in left)).read,
            schema=schema_of(offered.select(names)),
            is_pure=True,
            explain_name="djarrow",
            explain_detail=_told(text, left),
        )
        return scan, ResolvedLazyFrameProps(applied_filters=range(len(filters)))


def _told(text: str, left: Sequence[tuple[pl.Expr, tuple[str, ...]]]) -> str:
    """What a plan says of a source, in a line: the SELECT, and what is left to Polars and why."""
    parts = [f"-- In Polars: {each}, because: {' '.join(why)}" for each, why in left]
    return " ".join((f"In the database: {text}", *parts))


@frozen
class Scan:
    """A SELECT that Polars reads.

    heading: its columns. names: those on offer. left: Polars filters by these.
    """

    streams: Streams
    text: str = field(repr=False)
    heading: Heading
    names: tuple[str, ...]
    left: tuple[pl.Expr, ...]

    def read(
        self, columns: list[str] | None, predicate: pl.Expr | None, rows: int | None, _: int | None
    ) -> Iterator[pl.DataFrame]:
        """What Polars calls: of the first rows (all if None) those where the predicate holds, too, these columns.

        The query is sent before this returns; its batches are taken on whatever thread Polars chooses.
        """
        after = self.left if predicate is None else (*self.left, predicate)
        frames = self._frames(self.names if columns is None else columns, after, rows)
        next(frames)
        return frames

    def _frames(self, names: Sequence[str], after: tuple[pl.Expr, ...], rows: int | None) -> Iterator[pl.DataFrame]:
        """The batches as frames, and an empty one before them: whoever took it has sent the query.

        From then on the connection is given back when the iterator ends or is let go of.
        """
        import pyarrow as pa

        with self.streams.stream(self.text) as stream:
            yield _columns(pl.DataFrame(schema=schema_of(self.heading)), names)
            for batch in stream:
                part = results.to_polars(pa.Table.from_batches([batch]), self.heading)
                if rows is not None:
                    part = part.head(rows)
                    rows -= part.height
                yield _columns(part.filter(*after) if after else part, names)


def _columns(part: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """These columns of a frame; as many rows where there are none, of which `select` makes no rows."""
    return part.select(names) if names else pl.DataFrame(height=part.height)
