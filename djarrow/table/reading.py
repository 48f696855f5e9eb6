"""Reading: from a query to Polars, Arrow, dicts, arrays. Specification: 000 "Fetch"; design section 7.

Columnar forms come as the server gives them unless order_by is named; row forms come in key order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from attrs import frozen

from djarrow.errors import InvalidCondition, NotOneRow, QueryError
from djarrow.table.methods import on_class_too
from djarrow.table.source import check_held, current_offline

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

    from djarrow.engine.base import Reader
    from djarrow.expr.nodes import Node
    from djarrow.model.heading import Heading

OrderBy = str | Sequence[str] | None


@frozen
class Selection:
    """What of a query is read. attributes: in this order, `"KEY"` for those of the key; all when empty."""

    attributes: tuple[str, ...] = ()
    order_by: OrderBy = None
    limit: int | None = None
    offset: int = 0

    def heading(self, whole: Heading) -> Heading:
        """The heading of the result. Raises UnknownAttribute, or InvalidCondition for what is no name."""
        if not self.attributes:
            return whole
        for given in self.attributes:
            if not isinstance(given, str):
                raise InvalidCondition(f"what is read are names of attributes, one argument each, not {given!r}.")
        names = dict.fromkeys(n for a in self.attributes for n in (whole.primary_key if a == "KEY" else (a,)))
        for name in names:
            whole.attribute(name, where="fetch")
        return whole.select(tuple(names))

    def text(self, node: Node, dialect: str) -> str:
        """The SELECT that reads it."""
        from djarrow.expr.operators import top
        from djarrow.sql import compile as compiler
        from djarrow.sql.dialects import Dialect

        names = self.heading(node.heading).names
        first = top(node, self.limit, self.order_by, self.offset)
        order = () if self.order_by is None else first.order
        read = compiler.ordered(node, order, first.limit, first.offset)
        return compiler.select(read, Dialect(dialect), names).text


class Reading:
    """The part of a query expression that runs it."""

    if TYPE_CHECKING:

        @property
        def node(self) -> Node:
            """The tree of operators."""

        @property
        def heading(self) -> Heading:
            """The heading of the result."""

        def _reader(self) -> Reader: ...

    def _active_reader(self) -> Reader:
        offline = current_offline()
        if offline is None:
            return self._reader()
        check_held(offline, self.node)
        return offline.reader

    def _read(self, wanted: Selection) -> tuple[pa.Table, Heading]:
        """The rows as the engine gives them, and their heading."""
        reader = self._active_reader()
        return reader.read(wanted.text(self.node, reader.dialect)), wanted.heading(self.heading)

    @on_class_too
    def to_arrow(
        self, *attributes: str, order_by: OrderBy = None, limit: int | None = None, offset: int = 0
    ) -> pa.Table:
        """The rows as an Arrow table with the declared types; all attributes, or those named, in that order."""
        from djarrow.frame import results

        table, heading = self._read(Selection(attributes, order_by, limit, offset))
        return results.declared(table, heading)

    @on_class_too
    def to_polars(
        self, *attributes: str, order_by: OrderBy = None, limit: int | None = None, offset: int = 0
    ) -> pl.DataFrame:
        """The rows as a Polars frame with the declared types; all attributes, or those named, in that order."""
        from djarrow.frame import results

        table, heading = self._read(Selection(attributes, order_by, limit, offset))
        return results.to_polars(table, heading)

    @on_class_too
    def to_dicts(
        self, *attributes: str, order_by: OrderBy = "KEY", limit: int | None = None, offset: int = 0
    ) -> list[dict[str, Any]]:
        """The rows as dicts of Python values, in key order unless told otherwise."""
        from djarrow.frame import results

        table, heading = self._read(Selection(attributes, order_by, limit, offset))
        return list(results.to_dicts(results.declared(table, heading), heading))

    @on_class_too
    def to_batches(self, *attributes: str, order_by: OrderBy = None) -> Iterator[pa.RecordBatch]:
        """The rows as Arrow record batches, streamed: memory does not grow with the result.

        What is read, and from where, is settled by the call; the query runs when the first batch is asked for.
        """
        wanted = Selection(attributes, order_by)
        reader = self._active_reader()
        return _batches(reader, wanted.text(self.node, reader.dialect), wanted.heading(self.heading))

    @on_class_too
    def to_lazy(
        self,
        *attributes: str,
        order_by: OrderBy = None,
        limit: int | None = None,
        offset: int = 0,
        explain: Callable[[str], object] | None = None,
    ) -> pl.LazyFrame:
        """The rows as a Polars LazyFrame, read anew by each collect: its columns, filters and head run in the database.

        What is read, and from where, is settled by the call. explain: told at each read which SQL runs and what of a
        filter Polars does, and why; `explain=print`.
        """
        from djarrow.table import lazy

        heading = Selection(attributes).heading(self.heading)
        reader = self._active_reader()
        return lazy.frame(self.node, heading, reader, order_by=order_by, limit=limit, offset=offset, explain=explain)

    @on_class_too
    def fetch(self, *attributes: str, order_by: OrderBy = None, limit: int | None = None, offset: int = 0) -> Any:
        """The rows. Without attributes a Polars frame; with one a NumPy array, with several a tuple of arrays.

        Arrays come in key order unless order_by says otherwise, so that those of two calls line up. `"KEY"` among
        the attributes gives the primary keys as a list of dicts. Arrays are of NumPy's own dtypes for integers,
        floats and booleans without NULLs, else of objects. Raises UnknownAttribute. Specification: 000 "Fetch".
        """
        if not attributes:
            return self.to_polars(order_by=order_by, limit=limit, offset=offset)
        from djarrow.frame import results

        key = self.heading.primary_key
        table, heading = self._read(Selection(attributes, "KEY" if order_by is None else order_by, limit, offset))
        found = results.declared(table, heading)
        arrays = tuple(
            list(results.to_dicts(found.select(key), heading.select(key)))
            if a == "KEY"
            else results.to_numpy(found.column(a), heading[a])
            for a in attributes
        )
        return arrays[0] if len(arrays) == 1 else arrays

    @on_class_too
    def fetch1(self, *attributes: str) -> Any:
        """The one row: a dict, with one attribute its value, with several a tuple of values.

        `"KEY"` among the attributes gives the primary key as a dict. Raises NotOneRow unless there is exactly one, and
        UnknownAttribute.
        """
        from djarrow.frame import results

        table, heading = self._read(Selection(attributes, limit=2))
        if table.num_rows != 1:
            raise NotOneRow(table.num_rows, where=str(self.node))
        (row,) = results.to_dicts(results.declared(table, heading), heading)
        if not attributes:
            return row
        key = {name: row[name] for name in heading.primary_key}
        values = tuple(key if name == "KEY" else row[name] for name in attributes)
        return values[0] if len(values) == 1 else values

    @on_class_too
    def keys(self, *, order_by: OrderBy = "KEY", limit: int | None = None, offset: int = 0) -> list[dict[str, Any]]:
        """The primary keys as dicts, in key order unless told otherwise."""
        if not self.heading.primary_key:
            return [{}] if self else []
        return self.to_dicts(*self.heading.primary_key, order_by=order_by, limit=limit, offset=offset)

    @on_class_too
    def head(self, limit: int = 25) -> pl.DataFrame:
        """The first rows in key order."""
        return self.to_polars(order_by="KEY", limit=limit)

    @on_class_too
    def tail(self, limit: int = 25) -> pl.DataFrame:
        """The last rows in key order."""
        return self.to_polars(order_by="KEY DESC", limit=limit).reverse()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The rows one by one as dicts, streamed in key order."""
        from djarrow.frame import results

        heading = self.heading
        return (row for batch in self.to_batches(order_by="KEY") for row in results.to_dicts(batch, heading))

    def __len__(self) -> int:
        from djarrow.sql import compile as compiler
        from djarrow.sql.dialects import Dialect

        reader = self._active_reader()
        return int(reader.read(compiler.count(self.node, Dialect(reader.dialect)).text).column("n")[0].as_py())

    def __bool__(self) -> bool:
        from djarrow.sql import compile as compiler
        from djarrow.sql.dialects import Dialect

        reader = self._active_reader()
        text = compiler.exists(self.node, Dialect(reader.dialect)).text
        return bool(reader.read(text).column("found")[0].as_py())

    @on_class_too
    def to_sql(self, dialect: str = "postgres", *, pretty: bool = True) -> str:
        """The text of the query for an engine: "postgres" or "duckdb". Raises QueryError for another."""
        from djarrow.sql import compile as compiler
        from djarrow.sql.dialects import Dialect

        known = [each.value for each in Dialect]
        if dialect not in known:
            raise QueryError(f"queries are written for {' and '.join(known)}, not for {dialect!r}.")
        return compiler.select(self.node, Dialect(dialect), pretty=pretty).text


def _batches(reader: Reader, text: str, heading: Heading) -> Iterator[pa.RecordBatch]:
    from djarrow.frame import results

    with reader.stream(text) as stream:
        for batch in stream:
            yield results.declared_batch(batch, heading)
