"""Reading: from a query to Polars, Arrow, dicts, arrays. Specification: 000 "Fetch"; design section 7.

Columnar forms come as the server gives them unless order_by is named; row forms come in key order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from numbers import Integral
from typing import TYPE_CHECKING, Any

from djarrow.errors import InvalidCondition, NotOneRow, QueryError, told
from djarrow.expr.nodes import First, Node
from djarrow.sql.dialects import Dialect
from djarrow.table.methods import on_class_too
from djarrow.table.selection import OrderBy, Selection
from djarrow.table.source import check_held, current_offline, narrowed
from djarrow.table.strict import check_read
from djarrow.table.writing.permission import making

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from djarrow.engine.base import Reader
    from djarrow.frame.arrays import Array
    from djarrow.model.heading import Heading
    from djarrow.sql.compile import Compiled


ITERATED = 8192
"""How many rows an iteration makes Python values of at once: a batch of the engine's would be 16 MB of Arrow."""


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

    def _active_reader(self, wanted: Node | None = None) -> Reader:
        """What answers. wanted: what is read, where that is not the whole query."""
        if (make := making.get()) is not None:
            check_read(wanted or self.node, make)
        offline = current_offline()
        if offline is not None:
            check_held(offline, self.node)
            return narrowed(offline.reader, self.node)
        reader = narrowed(self._reader(), self.node)
        if make is None or make.shared is None:
            return reader
        return make.shared.reader(reader)

    def _read_few(self, write: Callable[[Dialect], Compiled], wanted: Node | None = None) -> pa.Table:
        """The result of a query of few rows. write: compiles it; wanted: what it reads, where not the whole query."""
        reader = self._active_reader(wanted)
        compiled = write(Dialect(reader.dialect))
        shared = None if (make := making.get()) is None else make.shared
        if shared is not None and shared is reader:
            return shared.read_compiled(self.node, compiled)
        return reader.read(compiled.text, few=True)

    def _read(self, wanted: Selection, partitions: int = 1) -> tuple[pa.Table, Heading]:
        """The rows as the engine gives them, and their heading."""
        from djarrow.table import partitions as cutting

        reader, heading = self._active_reader(), wanted.heading(self.heading)
        if cutting.part_count(partitions) == 1 or reader.read_parallel is None:
            return reader.read(wanted.text(self.node, reader.dialect)), heading
        return cutting.read(self.node, wanted, partitions, reader), heading

    @on_class_too
    def to_arrow(
        self,
        *attributes: str,
        order_by: OrderBy = None,
        limit: int | None = None,
        offset: int = 0,
        partitions: int = 1,
    ) -> pa.Table:
        """The rows as an Arrow table with the declared types; all attributes, or those named, in that order.

        partitions: the number of connections that read at once, all of one snapshot; see docs/queries.md for when it
        helps. Raises TransactionError for more than one inside a transaction, whose changes they would not see.
        """
        from djarrow.frame import results

        table, heading = self._read(Selection(attributes, order_by, limit, offset), partitions)
        return results.declared(table, heading)

    @on_class_too
    def to_polars(
        self,
        *attributes: str,
        order_by: OrderBy = None,
        limit: int | None = None,
        offset: int = 0,
        partitions: int = 1,
    ) -> pl.DataFrame:
        """The rows as a Polars frame with the declared types; all attributes, or those named, in that order.

        partitions: as to_arrow has them.
        """
        from djarrow.frame import results

        table, heading = self._read(Selection(attributes, order_by, limit, offset), partitions)
        return results.to_polars(table, heading)

    @on_class_too
    def to_pandas(
        self,
        *attributes: str,
        order_by: OrderBy = None,
        limit: int | None = None,
        offset: int = 0,
        index: bool = True,
    ) -> pd.DataFrame:
        """The rows as a pandas frame of Arrow's dtypes; all attributes, or those named, in that order.

        index: the primary key is the index, where all of it is read; else rows are numbered. Enums are ordered
        categories, UUIDs objects, JSON is text. Raises MissingPackage where pandas is not installed.
        """
        from djarrow.frame import results
        from djarrow.frame.pandas_frame import to_pandas

        table, heading = self._read(Selection(attributes, order_by, limit, offset))
        key = heading.primary_key if index and heading.primary_key == self.heading.primary_key else ()
        return to_pandas(results.declared(table, heading), heading, key)

    @on_class_too
    def to_dicts(
        self, *attributes: str, order_by: OrderBy = "KEY", limit: int | None = None, offset: int = 0
    ) -> list[dict[str, Any]]:
        """The rows as dicts of Python values, in key order unless told otherwise."""
        from djarrow.frame import results

        table, heading = self._read(Selection(attributes, order_by, limit, offset))
        return list(results.to_dicts(results.declared(table, heading), heading))

    @on_class_too
    def to_numpy(self, *attributes: str, order_by: OrderBy = "KEY", limit: int | None = None, offset: int = 0) -> Array:
        """The rows as a structured array, in key order unless told otherwise; all attributes, or those named.

        Fields are of NumPy's own dtypes for integers, floats and booleans without NULLs, else of objects.
        """
        from djarrow.frame import arrays, results

        table, heading = self._read(Selection(attributes, order_by, limit, offset))
        return arrays.to_records(results.declared(table, heading), heading)

    @on_class_too
    def to_arrays(
        self,
        *attributes: str,
        include_key: bool = False,
        order_by: OrderBy = "KEY",
        limit: int | None = None,
        offset: int = 0,
    ) -> Any:
        """A tuple of NumPy arrays, one for each attribute named; of one the array; of none a structured array.

        Arrays come in key order unless order_by says otherwise, so that those of two calls line up. `"KEY"` among the
        attributes gives the primary keys as a list of dicts, and include_key puts them first: `(keys, *arrays)`.
        Arrays are of NumPy's own dtypes for integers, floats and booleans without NULLs, else of objects.
        Raises UnknownAttribute.
        """
        if not attributes:
            return self.to_numpy(order_by=order_by, limit=limit, offset=offset)
        from djarrow.frame import arrays, results

        names = ("KEY", *attributes) if include_key else attributes
        table, heading = self._read(Selection(names, order_by, limit, offset))
        found = arrays.to_arrays(results.declared(table, heading), heading, names, self.heading.primary_key)
        return found[0] if len(found) == 1 else found

    @on_class_too
    def to_batches(
        self,
        *attributes: str,
        order_by: OrderBy = None,
        limit: int | None = None,
        offset: int = 0,
        rows: int | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """The rows as Arrow record batches, streamed: memory does not grow with the result.

        rows: how many a batch has, the last one maybe fewer; None leaves it to the engine. What is read, and from
        where, is settled by the call; the query runs when the first batch is asked for. The iteration holds a
        connection until it is exhausted, closed or forgotten.
        """
        size = None if rows is None else _batch_size(rows)
        wanted = Selection(attributes, order_by, limit, offset)
        reader = self._active_reader()
        return _batches(reader, wanted.text(self.node, reader.dialect), wanted.heading(self.heading), size)

    @on_class_too
    def to_lazy(
        self,
        *attributes: str,
        order_by: OrderBy = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> pl.LazyFrame:
        """The rows as a Polars LazyFrame, read anew by each collect: its columns, filters and head run in the database.

        What is read, and from where, is settled by the call. The LazyFrame's `explain()` shows, without reading, which
        SELECT a collect would run and what Polars does, and why.
        """
        from djarrow.table import lazy

        heading = Selection(attributes).heading(self.heading)
        reader = self._active_reader()
        return lazy.frame(self.node, heading, reader, order_by=order_by, limit=limit, offset=offset)

    @on_class_too
    def fetch(
        self,
        *attributes: str,
        as_dict: bool = False,
        format: str | None = None,  # noqa: A002 - DataJoint's name
        order_by: OrderBy = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> Any:
        """The rows: a Polars frame, or of the attributes named what to_arrays gives. Specification: 000 "Fetch".

        as_dict: what to_dicts gives. format: DataJoint's names, "array" for what to_numpy gives, "frame" for to_pandas.
        Raises UnknownAttribute, or InvalidCondition for another format.
        """
        order = "KEY" if order_by is None else order_by
        if as_dict:
            return self.to_dicts(*attributes, order_by=order, limit=limit, offset=offset)
        match format:
            case None if not attributes:
                return self.to_polars(order_by=order_by, limit=limit, offset=offset)
            case None:
                return self.to_arrays(*attributes, order_by=order, limit=limit, offset=offset)
            case "array":
                return self.to_numpy(*attributes, order_by=order, limit=limit, offset=offset)
            case "frame":
                return self.to_pandas(*attributes, order_by=order, limit=limit, offset=offset)
        raise InvalidCondition(f"fetch: format is 'array' or 'frame', not {told(format)}.")

    @on_class_too
    def fetch1(self, *attributes: str) -> Any:
        """The one row: a dict, with one attribute its value, with several a tuple of values.

        `"KEY"` among the attributes gives the primary key as a dict. Raises NotOneRow unless there is exactly one, and
        UnknownAttribute.
        """
        from djarrow.frame import results
        from djarrow.sql import compile as compiler

        heading = Selection(attributes).heading(self.heading)
        two = First(self.node, (), limit=2)  # in no order: sorting the first of many rows would cost more than reading
        table = self._read_few(lambda dialect: compiler.select(two, dialect, heading.names), two)
        if table.num_rows != 1:
            raise NotOneRow(table.num_rows, where=str(self.node))
        row = results.to_row(table, heading)
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
        return _rows(self.to_batches(order_by="KEY", rows=ITERATED), self.heading)

    def __len__(self) -> int:
        from djarrow.sql import compile as compiler

        return int(self._read_few(lambda dialect: compiler.count(self.node, dialect)).column("n")[0].as_py())

    def __bool__(self) -> bool:
        from djarrow.sql import compile as compiler

        return bool(self._read_few(lambda dialect: compiler.exists(self.node, dialect)).column("found")[0].as_py())

    @on_class_too
    def to_sql(self, dialect: str = "postgres", *, pretty: bool = True) -> str:
        """The text of the query for an engine: "postgres" or "duckdb". Raises QueryError for another."""
        from djarrow.sql import compile as compiler

        try:
            engine = Dialect(dialect)
        except ValueError:
            known = ", ".join(each.value for each in Dialect)
            raise QueryError(f"queries are written for {known}, and not for {told(dialect)}.") from None
        return compiler.select(self.node, engine, pretty=pretty).text

    @on_class_too
    def explain(self, *, analyze: bool = False) -> str:
        """How the engine runs the query, in its own words. analyze: it runs it, and says how that went."""
        reader = self._active_reader()
        return reader.explain(Selection().text(self.node, reader.dialect), analyze=analyze)


def _batch_size(given: Any) -> int:
    if isinstance(given, bool) or not isinstance(given, Integral) or int(given) < 1:
        raise InvalidCondition(f"rows is the number of rows of a batch, from 1 up, not {told(given)}.")
    return int(given)


def _batches(reader: Reader, text: str, heading: Heading, rows: int | None) -> Iterator[pa.RecordBatch]:
    from djarrow.frame import batches, results

    with reader.stream(text) as stream:
        found = (results.declared_batch(batch, heading) for batch in stream)
        yield from found if rows is None else batches.of_rows(found, rows)


def _rows(batches: Any, heading: Heading) -> Iterator[dict[str, Any]]:
    from djarrow.frame import results

    with closing(batches):  # so that an iteration that ends early gives the connection back at once
        for batch in batches:
            yield from results.to_dicts(batch, heading)
