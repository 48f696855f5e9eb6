"""make_query: rows that a query gives for the pending keys go from table to table on the server, in one transaction.

docs/computing.md, "Many keys at once".
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from attrs import frozen

from djarrow.errors import MakeError, QueryError, told
from djarrow.expr.nodes import tables
from djarrow.jobs.keys import among, count, counting, with_row_of, without_row
from djarrow.jobs.provenance import author_of
from djarrow.jobs.whole import Made, begun_anew, kept_whole, lease_lost, taking_jobs
from djarrow.sql import makes
from djarrow.table.expression import QueryExpression, as_expression
from djarrow.table.strict import check_read
from djarrow.table.writing.many import by_name, in_order
from djarrow.table.writing.permission import Making, during

if TYPE_CHECKING:
    from djarrow.engine.base import Database
    from djarrow.expr.nodes import Node
    from djarrow.jobs.autopopulate import AutoPopulated
    from djarrow.jobs.queue import Job
    from djarrow.jobs.refreshing import Refreshing
    from djarrow.table.table import Table


@frozen
class Filling:
    """A table, and the query of its rows. after: it comes after the table that is populated, as parts do."""

    table: Table
    query: QueryExpression
    after: bool


class QueryMaker:
    """Makes keys of one table by its make_query, which is asked once. options: further arguments of it.

    refreshing: its stale results, which are replaced; None where rows that are there stay.
    """

    def __init__(self, table: AutoPopulated, options: Mapping[str, Any], refreshing: Refreshing | None = None) -> None:
        self._table = table
        self._spec = table.spec
        self._options = options
        self._refreshing = refreshing
        self._author = author_of(table)
        self._database: Database = table.schema.writable(table.spec.name)

    def make(self, keys: Node, jobs: Sequence[Job] = ()) -> Made:
        """Make those of the keys that have no row and for which the query gives one, in one transaction.

        keys: a query, of constants or of the key source, for which `stay` holds; of constants where stale results are
        replaced. Those for which there is no row are passed over; where theirs was stale, it is gone. Begun anew where
        the server ended it for the sake of another transaction, and where others made some keys meanwhile. jobs: their
        reservations, which end with it, also those of keys without a row. Raises LeaseLost where one is another
        worker's by now.
        """
        return begun_anew(
            lambda: self._attempt(keys, jobs),
            lambda: self._left(keys),
            lambda: None,
        )

    def _left(self, keys: Node) -> int:
        """How many are still to be made."""
        stale = 0 if self._refreshing is None else self._refreshing.count(keys)
        return count(self._database, self._missing(keys)) + stale

    @cached_property
    def _fillings(self) -> tuple[Filling, ...]:
        """What make_query gives, in the order of the foreign keys."""
        user: Any = self._table
        if not callable(user.make_query):
            raise self._error("make_query is a method, `def make_query(self)`, which returns the query.")
        try:
            with during(self._asking):
                given = user.make_query(**self._options)
        except Exception as error:
            error.add_note(f"In the make_query of {self._spec.name}.")
            raise
        queries = by_name(given if isinstance(given, Mapping) else {self._table: given})
        if self._spec.name not in queries:
            raise self._error("make_query gives no query for the table itself, without which no key is made.")
        order = in_order(queries)
        own = order.index(self._spec.name)
        return tuple(self._filling(*queries[name], after=place > own) for place, name in enumerate(order))

    def _filling(self, table: Table, given: Any, *, after: bool) -> Filling:
        query = as_expression(given)
        if query is None:
            raise self._error(
                f"make_query returns a query, or a mapping of tables to queries; of {table.spec.name} it is "
                f"{told(given)}. Rows that are computed here are what make_batch is for."
            )
        if query._place() is not self._table._place():
            raise QueryError(
                f"make_query of {self._spec.name}: {query.node} lives in another database, and rows go from table to "
                "table in one. Fetch them and return them from make_batch."
            )
        user: Any = self._table
        check_read(query.node, self._asking, written_in=user.make_query)
        query._reader()  # tables that it reads are made on first use, outside of the transaction
        table.schema.ready_connection(table.spec.name)
        return Filling(table, query, after)

    def check(self, keys: Node) -> None:
        """Ask make_query, and see that its queries can be inserted for keys. Raises MakeError or QueryError."""
        for filling in self._fillings:
            missing = [name for name in keys.heading.names if name not in filling.query.heading]
            if missing:
                raise self._error(
                    f"the query for {filling.table.spec.name} lacks {', '.join(map(repr, missing))}, so that nothing "
                    "tells which of its rows belong to the keys that are pending."
                )

    def stay(self, keys: Node) -> bool:
        """Whether a query gives the same keys after they were made: it reads no table that rows go into."""
        return tables(keys).isdisjoint(filling.table.spec.name for filling in self._fillings)

    @property
    def _asking(self) -> Making:
        """The make that says what is to be inserted."""
        return Making(self._spec.name, None, inserting=False, maker=self._table)

    def _error(self, text: str) -> MakeError:
        return MakeError(text, table=str(self._spec.name))

    def _attempt(self, keys: Node, jobs: Sequence[Job]) -> Made:
        number, started, cleared = uuid.uuid4(), time.monotonic(), 0

        def insert() -> None:
            self._database.run(makes.plan_for_many(self._spec.name))
            nonlocal cleared
            if self._refreshing is not None:
                cleared = self._refreshing.clear_stale(keys)
            pending, made = self._pending(keys), with_row_of(keys, self._spec, number)
            with during(Making(self._spec.name, None)):
                for filling in self._fillings:
                    self._fill(filling, made if filling.after else pending)

        def finish() -> Made:
            values, taking = [f"'{number}'", repr(time.monotonic() - started)], taking_jobs(self._spec.name, jobs)
            made, left = (counting(node) for node in (with_row_of(keys, self._spec, number), self._missing(keys)))
            text = makes.finish_counted(self._spec.name, self._author, values, made, left, taking=taking)
            ((done, skipped, taken),) = self._database.write(text)
            if not taken and (done or cleared):
                raise lease_lost(self._spec.name)
            return Made(done, skipped, 0.0 if self._refreshing is None else self._refreshing.seconds)

        return kept_whole(self._database, number, insert, finish, name=str(self._spec.name))

    def _missing(self, keys: Node) -> Node:
        return without_row(keys, self._spec)

    def _pending(self, keys: Node) -> Node:
        """The keys that are to be made: they have no row, and the query gives one."""
        pending = self._missing(keys)
        if len(self._fillings) == 1:
            return pending
        (own,) = (filling.query.node for filling in self._fillings if filling.table.spec.name == self._spec.name)
        return among(pending, own)

    def _fill(self, filling: Filling, keys: Node) -> None:
        """Insert the rows of these keys. Attributes of the key that the table lacks were of use for that alone."""
        query, target = filling.query, filling.table
        rows = QueryExpression(among(query.node, keys), query, self._table)
        foreign = {name for name in query.heading.names if name not in target.spec.heading}
        target.insert(rows, ignore_extra_fields=foreign <= set(keys.heading.names))
