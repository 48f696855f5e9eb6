"""Imported and Computed: tables that fill themselves by calling `make` for every key that is missing.

Specification: 000 "Computation", 001 9.1 and 9.2; design section 10; docs/computing.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from djarrow.jobs.key_source import default_key_source, source_keys
from djarrow.jobs.options import Options, Populated
from djarrow.jobs.populate import pending_keys, populate
from djarrow.jobs.upstream import UpstreamRows
from djarrow.model import names
from djarrow.table.expression import QueryExpression
from djarrow.table.methods import on_class_too, property_on_class_too
from djarrow.table.table import BASES, Table, TableClass

if TYPE_CHECKING:
    from djarrow.jobs.view import Jobs


class AutoPopulatedClass(TableClass):
    """The class of these classes: `Spikes.key_source` is that of an instance, also where a subclass overrides it."""

    @property
    def key_source(cls) -> QueryExpression:  # noqa: N805 - the methods of a metaclass have a class
        """The keys that rows are computed for."""
        found: QueryExpression = cls().key_source
        return found


class AutoPopulated(Table, metaclass=AutoPopulatedClass):
    """Base of Imported and Computed. A subclass says what to compute by one of the forms of make.

    `make(self, key)`, which fetches, computes and inserts the rows of a key; the same as a generator that yields what
    it has fetched, and again when it has computed; or `make_fetch(self, key)`, `make_compute(self, key, fetched)` and
    `make_insert(self, key, fetched, computed)`. key: the primary-key values of one row of the key source. For many keys
    at once, `make_batch(self, keys)` with a frame of them, or `make_query(self)`, a query: docs/computing.md.
    """

    @property
    def key_source(self) -> QueryExpression:
        """The keys that rows are computed for: the join of the parents that the primary key refers to.

        A subclass may override it with any query over the same attributes. Specification: 000 "Key Source".
        """
        return default_key_source(self)

    @property
    def upstream(self) -> UpstreamRows:
        """Inside of make, the rows that the key depends on: `self.upstream[Session]` is a query. docs/provenance.md."""
        return UpstreamRows(self)

    @on_class_too
    def populate(
        self,
        *restrictions: Any,
        reserve_jobs: bool = False,
        suppress_errors: bool = False,
        order: str = "original",
        limit: int | None = None,
        max_calls: int | None = None,
        display_progress: bool = False,
        make_kwargs: Mapping[str, Any] | None = None,
        priority: int | None = None,
        batch_size: int | None = None,
        processes: int | None = 1,
        executor: Any = None,
        refresh_stale: bool = False,
    ) -> Populated:
        """Call make for every key of the key source that has no row yet, each in one transaction.

        restrictions: conditions on the key source that must all hold. reserve_jobs: take keys out of the schema's
        queue, which processes on all machines share, and keep there what failed; a key whose job says error or ignore
        is passed over. suppress_errors: collect errors and go on instead of raising the first. order: "original",
        "reverse" or "random". limit: at most so many keys; max_calls: at most so many makes. display_progress: show a
        bar. make_kwargs: further arguments of make, make_fetch, make_batch or make_query. priority: no jobs that come
        after this one. batch_size: how many keys make_batch gets at once, or make_query is asked for; without it, as
        many as take make_batch two seconds, and make_query all. Of these forms max_calls counts batches.
        processes: make in so many new processes, None for one a processor. executor: make in those of a
        `concurrent.futures.Executor` or a `dask.distributed.Client`. This process then hands keys out, or batches of
        them; the others find the class by its module and name, and connect by themselves: docs/executors.md.
        refresh_stale: also replace the rows of `stale()`, those of a key or of a batch in one transaction with all that
        depends on them; those of which results upstream are stale wait for these. Rows that were entered by hand are
        not lost for it.

        Returns what was done. Raises what a make raises, MakeError where one ends without its row, RefreshRefused, and
        LeaseLost where this process was away for too long and another has the key; the rows of earlier makes stay.
        Specification: 001 9.1.2, 9.5.1; docs/computing.md.
        """
        options = Options(
            suppress_errors=suppress_errors,
            reserve_jobs=reserve_jobs,
            order=order,
            limit=limit,
            max_calls=max_calls,
            display_progress=display_progress,
            make_kwargs=dict(make_kwargs or {}),
            priority=priority,
            batch_size=batch_size,
            processes=processes,
            executor=executor,
            refresh_stale=refresh_stale,
        )
        return populate(self, restrictions, options)

    @on_class_too
    def stale(self) -> QueryExpression:
        """The keys of the rows that do not hold any more, as a query: `(T & T.stale())` are the rows. docs/validity.md.

        A row is stale where, since its make has seen the database, a row upstream was changed by update1 or by insert
        with replace=True; where the code of make is another now than it was made by; and where a result upstream is
        stale. Rows that were inserted by hand have no make, and are not. Raises QueryError in a repository.
        """
        from djarrow.jobs.validity import Stale

        return Stale(self)

    @on_class_too
    def stale_part(self, part: Table) -> QueryExpression:
        """The keys of the rows of a part whose master's rows are stale."""
        from djarrow.jobs.validity import stale_part

        return stale_part(part, self)

    @on_class_too
    def accept(self, restriction: Any = None) -> int:
        """Say that stale rows hold all the same, until their inputs or code change the next time. Gives how many.

        restriction: a condition on the table; without it, all. What was accepted, by whom and when: `schema.accepted`.
        Raises InvalidCondition for a restriction that restricts nothing.
        """
        from djarrow.jobs.validity import accept

        return accept(self, restriction)

    @on_class_too
    def progress(self, *restrictions: Any) -> tuple[int, int]:
        """(keys without rows, keys in all) of the key source."""
        return len(pending_keys(self, restrictions)), len(source_keys(self, restrictions))

    @property_on_class_too
    def jobs(self) -> Jobs:
        """The jobs of the table, `schema.jobs.of(Table)`: a query, with what can be done about them. docs/jobs.md."""
        from djarrow.jobs.view import jobs_of

        return jobs_of(self.schema).of(self)


class Imported(AutoPopulated):
    """A table that fills itself from data outside the pipeline."""

    tier = names.IMPORTED


class Computed(AutoPopulated):
    """A table that fills itself from data inside the pipeline."""

    tier = names.COMPUTED


BASES.update({names.IMPORTED: Imported, names.COMPUTED: Computed})
