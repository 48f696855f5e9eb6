"""Many tables: populated in the order of their dependencies until nothing is left. Which tables: gather.py.

docs/jobs.md.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import evolve

from djarrow.errors import InvalidCondition
from djarrow.jobs import progress as counting
from djarrow.jobs.autopopulate import AutoPopulated
from djarrow.jobs.forms import form_of
from djarrow.jobs.gather import tables_of
from djarrow.jobs.key_source import restricts
from djarrow.jobs.options import Failure, Populated
from djarrow.jobs.view import Jobs, jobs_of
from djarrow.table.computing import provide
from djarrow.table.conditions import Not

if TYPE_CHECKING:
    import polars as pl

    from djarrow.table.schema import Schema


class Totals(Mapping[type[AutoPopulated], Populated]):
    """What populating many tables did: table class -> what was done of it, parents first; and all of them together."""

    def __init__(self, tables: Mapping[type[AutoPopulated], Populated]) -> None:
        self._tables = dict(tables)

    def __getitem__(self, table: type[AutoPopulated]) -> Populated:
        return self._tables[table]

    def __iter__(self) -> Iterator[type[AutoPopulated]]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)

    @property
    def done(self) -> int:
        """How many keys were made."""
        return sum(each.done for each in self._tables.values())

    @property
    def failed(self) -> int:
        """How many makes failed."""
        return len(self.failures)

    @property
    def skipped(self) -> int:
        """How many keys others made meanwhile."""
        return sum(each.skipped for each in self._tables.values())

    @property
    def seconds(self) -> float:
        """How long it took."""
        return sum(each.seconds for each in self._tables.values())

    @property
    def failures(self) -> tuple[Failure, ...]:
        """The makes that failed, table by table."""
        return tuple(failure for each in self._tables.values() for failure in each.failures)

    def __repr__(self) -> str:
        lines = (
            f"\n  {table().spec.name}: {each.done} done, {each.failed} failed, {each.skipped} skipped"
            for table, each in self._tables.items()
        )
        return f"{self.done} done, {self.failed} failed, {self.skipped} skipped in {self.seconds:.1f} s{''.join(lines)}"


def populate(what: Any, /, *restrictions: Any, suppress_errors: bool = True, **options: Any) -> Totals:
    """Populate all tables of a schema, a module or a list of classes, parents first, until nothing is left to make.

    what: a schema; a module, which stands for its schemas, a package also for those of its loaded modules; classes; or
    a list of these. restrictions: conditions on the key source of every table; a mapping restricts those that have its
    attributes. suppress_errors: a key that fails is collected, and tried once; False raises the first error. options:
    those of Table.populate; limit is for each table, max_calls for all of them together.

    Rounds go on until one of them makes nothing, because a make may give rows to tables before its own. Returns what
    was done by table, with totals. Raises, before anything is made, MakeError of a class without make, and
    InvalidCondition of a mapping that has attributes of no table.
    """
    tables = tables_of(what)
    for table in tables:
        form_of(table)
    meant = _meant(tables, restrictions)
    limits = {name: options.pop(name, None) for name in ("limit", "max_calls")}
    totals = {type(table): Populated(0) for table in tables}
    left, made = limits["max_calls"], -1
    while made:
        made = 0
        for table in tables:
            before = totals[type(table)]
            calls = None if limits["limit"] is None else _left(limits["limit"], _tried(before))
            if calls == 0 or left == 0:
                continue
            failed = [] if options.get("reserve_jobs") else [failure.key for failure in before.failures]
            new = table.populate(
                *meant[type(table)],
                *([Not(failed)] if failed else []),
                suppress_errors=suppress_errors,
                limit=calls,
                max_calls=left,
                **options,
            )
            totals[type(table)] = _added(before, new)
            left = None if left is None else _left(left, _tried(new))
            made += new.done
    return Totals(totals)


def _meant(tables: Sequence[AutoPopulated], restrictions: Sequence[Any]) -> dict[type[AutoPopulated], list[Any]]:
    """Which of the restrictions are of a table, for each table."""
    meant: dict[type[AutoPopulated], list[Any]] = {type(table): [] for table in tables}
    for restriction in restrictions:
        its = [table for table in tables if restricts(table, restriction)]
        if tables and not its:
            raise InvalidCondition(
                f"populate: the restriction {restriction!r} restricts nothing: none of its names is an attribute of a "
                "key source. Correct it, or leave it out to mean all keys."
            )
        for table in its:
            meant[type(table)].append(restriction)
    return meant


def _tried(done: Populated) -> int:
    return done.done + done.failed + done.skipped


def _left(most: Any, tried: int) -> Any:
    """What is left of a limit. What is no number is refused by whoever populates."""
    return max(0, most - tried) if type(most) is int and most >= 0 else most


def _added(one: Populated, other: Populated) -> Populated:
    return evolve(
        other,
        done=one.done + other.done,
        failures=one.failures + other.failures,
        skipped=one.skipped + other.skipped,
        seconds=one.seconds + other.seconds,
    )


def progress(what: Any, /, *, seconds: float | None = None) -> pl.DataFrame:
    """How far the tables are that fill themselves, of a schema, a module, classes or a list of these: a Polars frame.

    A row a table, parents first: table, total (keys of its key source), done (those that have a row), pending, and of
    the others, by their jobs, reserved, error and ignored; done and these four make up the total. One statement a
    table. seconds: that it may take, outside of a transaction; where it takes longer, the table's numbers are NULL.

    Without classes, as of `dj.virtual`, a key source that a class would override is not known.
    """
    if seconds is not None and (type(seconds) not in (int, float) or not 0 < seconds <= sys.maxsize):
        raise InvalidCondition(f"progress: seconds is a number above 0, not {seconds!r}.")
    return counting.frame(counting.counted(tables_of(what, virtual=True), seconds))


class _Here:
    """jobs/, for schemas."""

    def jobs(self, schema: Schema) -> Jobs:
        return jobs_of(schema)

    def populate(self, schema: Schema, restrictions: Sequence[Any], options: Mapping[str, Any]) -> Totals:
        return populate(schema, *restrictions, **options)

    def progress(self, schema: Schema, seconds: float | None) -> pl.DataFrame:
        return progress(schema, seconds=seconds)


provide(_Here())
