"""The queue as users see it: a query of its jobs, with what can be done about those that it chooses.

How processes share the keys: queue.py. Specification: 001 9.1.4, 9.5.1; docs/jobs.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from djarrow.errors import EngineError, InvalidCondition, NoSchema, QueryError
from djarrow.expr.nodes import Rows, Stored
from djarrow.jobs.key_source import source_keys
from djarrow.jobs.options import ORDERS
from djarrow.jobs.queue import ensure_queue, has_queue, refresh
from djarrow.settings import config
from djarrow.sql import jobs
from djarrow.sql.locks import ATTEMPTS, RETRIED
from djarrow.table.changing.confirm import can_ask, confirm
from djarrow.table.conditions import queries_in
from djarrow.table.expression import QueryExpression
from djarrow.table.methods import on_class_too
from djarrow.table.schema import Schema
from djarrow.table.source import current_offline
from djarrow.table.table import Table
from djarrow.table.writing.deleted import Deleted
from djarrow.table.writing.log import no_rows

if TYPE_CHECKING:
    import polars as pl

    from djarrow.engine.base import Database
    from djarrow.expr.nodes import Node
    from djarrow.jobs.autopopulate import AutoPopulated

PRIORITIES = range(-32_768, 32_768)


class Refreshed(int):
    """How many keys a refresh entered: a number. removed: how many pending jobs it struck off."""

    removed: int

    def __new__(cls, added: int = 0, removed: int = 0) -> Refreshed:
        """The two counts."""
        made = super().__new__(cls, added)
        made.removed = removed
        return made

    def __getnewargs__(self) -> tuple[int, int]:  # type: ignore[override]
        """What a copy is made of."""
        return int(self), self.removed

    def __repr__(self) -> str:
        return f"Refreshed({int(self)}, removed={self.removed})"


class Jobs(QueryExpression):
    """Jobs of a schema: all, or those that conditions leave. One row a job, as it was when it was last written.

    table_name, key_hash; status: pending, reserved, success, error or ignore; key, whose parts conditions name as
    `"key.scan_id = 3"`; priority, scheduled, error_message, error_stack, host, pid, timestamp. What changes jobs leaves
    those that are reserved: they are a worker's.
    """

    _is_table = False
    _whole: tuple[AutoPopulated, ...] | None = None
    """Of all jobs of tables, what tables; none in particular where it is a whole schema. None of what is restricted."""

    if TYPE_CHECKING:

        def __and__(self, condition: Any) -> Jobs: ...

        def __sub__(self, condition: Any) -> Jobs: ...

    def _restricted(self, given: Any, *, complement: bool = False, semantic_check: bool = True) -> Jobs:
        for query in queries_in(given):
            if not set(query.heading.names) & set(self.heading.names):
                raise InvalidCondition(
                    f"{query.node} has no attribute of a job, and would leave all of them or none. The jobs of a table "
                    "are `Table.jobs`, those of some of its keys `schema.jobs.of(Table, condition)`."
                )
        found = super()._restricted(given, complement=complement, semantic_check=semantic_check)
        if found._unmatched:
            raise InvalidCondition(
                f"a restriction by {', '.join(map(repr, found._unmatched[0]))} restricts nothing: none of these is an "
                "attribute of a job. The jobs of keys are `schema.jobs.of(Table, condition)`, and conditions name "
                "`key.attribute`."
            )
        return Jobs(found.node, found)

    @property
    def _schema(self) -> Schema:
        root: Any = self._roots[0]
        schema: Schema = root.schema
        return schema

    @property
    def _database(self) -> Database:
        return self._schema.connection

    @property
    def pending(self) -> Jobs:
        """Those that are to be made."""
        return self & 'status = "pending"'

    @property
    def reserved(self) -> Jobs:
        """Those that a worker has."""
        return self & 'status = "reserved"'

    @property
    def errors(self) -> Jobs:
        """Those whose make failed."""
        return self & 'status = "error"'

    @property
    def ignored(self) -> Jobs:
        """Those that are passed over."""
        return self & 'status = "ignore"'

    @property
    def completed(self) -> Jobs:
        """Those that are done: none, unless the setting `jobs.keep_completed` is on."""
        return self & 'status = "success"'

    # --- which jobs ----------------------------------------------------------------------------------------------

    def of(self, table: Any, *restrictions: Any) -> Jobs:
        """The jobs of a table that fills itself: all, or those of the keys of its key source that these restrict.

        Which keys that are is looked up now. `Table.jobs` is `schema.jobs.of(Table)`.
        """
        one = self._own(table)
        here = self & {"table_name": one.spec.name.table}
        if not restrictions:
            here._whole = None if self._whole is None else (one,)
            return here
        keys = source_keys(one, restrictions)
        found: Jobs = here & keys._reader().read(jobs.hashes(keys.node))
        return found

    def keys_of(self, table: Any) -> pl.DataFrame:
        """The keys that these jobs are for, of one table, as a frame in the types of its key source.

        It restricts queries: `Scan & (schema.jobs & 'status = "error"').keys_of(Stats)`.
        """
        from djarrow.frame import results

        one = self._own(table)
        heading = source_keys(one, ()).heading
        chosen = self & {"table_name": one.spec.name.table}
        if not has_queue(self._database, self._schema.name):
            return results.to_polars(no_rows(heading), heading)
        return results.to_polars(self._database.read(jobs.keys(self._schema.name, chosen.node, heading)), heading)

    def _own(self, table: Any) -> AutoPopulated:
        """An instance of a table of this schema that fills itself. Raises InvalidCondition of anything else."""
        from djarrow.jobs.autopopulate import AutoPopulated

        one = table() if isinstance(table, type) and issubclass(table, AutoPopulated) else table
        if not isinstance(one, AutoPopulated):
            raise InvalidCondition(f"jobs are of an Imported or Computed table, and not of {table!r}.")
        if one.spec.name.schema != self._schema.name:
            raise InvalidCondition(
                f"{one.spec.name} is a table of another schema than {self._schema.name!r}, and its jobs are there."
            )
        return one

    # --- what is done about them ---------------------------------------------------------------------------------

    def clear(self) -> int:
        """Strike the jobs off the queue. Keys that are still missing come back with the next refresh, also failed ones.

        Gives how many.
        """
        return self._changed(lambda chosen: jobs.clear(self._schema.name, chosen))

    def retry(self) -> int:
        """Those that failed and those that are ignored are pending again. Gives how many."""
        again = self & 'status in ("error", "ignore")'
        return again._changed(lambda chosen: jobs.change(self._schema.name, chosen, "pending"))

    def ignore(self, *what: Any) -> int:
        """Have the keys passed over, until `retry` or `clear`. Gives how many.

        Without arguments those of these jobs. what: of a table, `Stats.jobs.ignore({"scan_id": 3})`, conditions on its
        key source: the keys that they leave and that have no row, whether they are in the queue or not; of a schema,
        after the table, `schema.jobs.ignore(Stats, {"scan_id": 3})`.
        """
        if not what:
            others = self & 'status <> "ignore"'
            return others._changed(lambda chosen: jobs.change(self._schema.name, chosen, "ignore"))
        tables, restrictions = self._told("ignore", what)
        source_keys(tables[0], restrictions)  # a restriction that would mean all keys is refused
        ensure_queue(self._database, self._schema)
        added, _ = refresh(tables[0], restrictions, ignored=True) or (0, 0)
        return added

    def schedule(self, *, priority: int | None = None, delay: float | None = None) -> int:
        """Give those that are pending another priority, or have them made in so many seconds at the earliest, or both.

        The smallest priority goes first; the usual one is 5. Gives how many.
        """
        if priority is None and delay is None:
            raise InvalidCondition("schedule: give a priority, a delay, or both.")
        _check(priority, delay)
        return self._changed(lambda chosen: jobs.schedule(self._schema.name, chosen, priority=priority, delay=delay))

    def refresh(
        self,
        *what: Any,
        restrictions: Any = (),
        order: str = "original",
        priority: int = jobs.USUAL_PRIORITY,
        delay: float = 0,
    ) -> Refreshed:
        """Enter the keys that are missing: of all tables of the schema that fill themselves, or of some.

        what: of a schema, the tables; of a table, conditions on its key source. restrictions: such conditions, too, a
        single one or a list; all must hold. order: "original", "reverse" or "random", for jobs of one priority.
        priority: the smallest goes first. delay: seconds before which they are not made. Jobs that are in the queue
        already stay as they are; `schedule` changes them. Pending jobs of keys that are not missing any more are struck
        off.

        Gives how many were entered, with `removed`. Raises TransactionError inside of a transaction.
        """
        if order not in ORDERS:
            raise InvalidCondition(f"refresh: order is one of {', '.join(ORDERS)}, not {order!r}.")
        _check(priority, delay)
        tables, conditions = self._told("refresh", what)
        given = [*conditions, *(restrictions if isinstance(restrictions, list | tuple) else [restrictions])]
        done = Refreshed()
        if tables:
            ensure_queue(self._database, self._schema)
        for one in tables:
            added, removed = refresh(one, given, order=order, priority=priority, delay=delay) or (0, 0)
            done = Refreshed(done + added, done.removed + removed)
        return done

    def _told(self, method: str, what: tuple[Any, ...]) -> tuple[list[AutoPopulated], tuple[Any, ...]]:
        """The tables that are meant, and conditions on their key sources."""
        from djarrow.jobs.gather import tables_of

        if self._whole is None:
            raise InvalidCondition(
                f"{method} of keys is of `schema.jobs` or `Table.jobs`, which no condition restricts."
            )
        if self._whole:
            return list(self._whole), what
        if method == "ignore":
            return [self._own(what[0])], what[1:]
        return [self._own(table) for table in what] or tables_of(self._schema), ()

    @on_class_too
    def delete(self, prompt: bool | None = None, *, dry_run: bool = False, part_integrity: str = "enforce") -> Deleted:
        """What `clear` does, shown and asked for as any delete is: the manual clears failed jobs this way."""
        del part_integrity  # nothing depends on a job
        name = f"{self._schema.name}.{jobs.JOBS}"
        free = self & 'status <> "reserved"'
        if dry_run:
            return Deleted(name, {name: len(free)})
        asks = config["safemode"] and can_ask() if prompt is None else prompt
        if asks and not confirm(f"Delete {len(free):,} jobs of {self._schema.name}?", prompt=prompt):
            return Deleted()
        return Deleted(name, {name: self.clear()})

    def _changed(self, statement: Callable[[Node], str]) -> int:
        """Run a statement on these jobs; gives how many it changed. There are none where there is no queue."""
        database, schema = self._database, self._schema.name
        if not has_queue(database, schema):
            return 0
        text = statement(self.node)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return int(database.read(text, few=True).column("n")[0].as_py())
            except EngineError as error:
                if error.sqlstate not in RETRIED or attempt == ATTEMPTS or database.in_transaction:
                    raise
        raise AssertionError  # pragma: no cover - the last attempt returns or raises


def _check(priority: int | None, delay: float | None) -> None:
    if priority is not None and (type(priority) is not int or priority not in PRIORITIES):
        raise InvalidCondition(f"a priority is a whole number of 16 bits, the smallest first, and not {priority!r}.")
    if delay is not None and (type(delay) not in (int, float) or not math.isfinite(delay) or not 0 <= delay < 1e9):
        raise InvalidCondition(f"a delay is a number of seconds, not {delay!r}.")


def jobs_of(schema: object) -> Jobs:
    """What Schema.jobs is: the queue as it is now, or a query without rows of the same heading where there is none."""
    if current_offline() is not None or not isinstance(schema, Schema):
        raise QueryError("queries run on a repository here, which has no queue. Ask outside of the `using` block.")
    if schema.name is None:
        raise NoSchema("the schema is not activated. Call `schema.activate('name')` before asking for its jobs.")
    spec = jobs.jobs_spec(schema.name)
    table: Any = type("Jobs", (Table,), {"_spec": spec, "_schema": schema})
    there = has_queue(schema.connection, schema.name)
    node = Stored(spec.name, spec.heading) if there else Rows(spec.heading, no_rows(spec.heading))
    found = Jobs(node, table())
    found._whole = ()
    return found
