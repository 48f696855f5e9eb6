"""make_batch: the rows of many keys by one call, in one transaction. docs/computing.md, "Many keys at once"."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from attrs import evolve

from djarrow.errors import DjarrowError, MakeError
from djarrow.jobs.key_source import source_keys
from djarrow.jobs.keys import Keys, among, count, without_row
from djarrow.jobs.provenance import author_of
from djarrow.jobs.whole import OF_NO_KEY, Made, begun_anew, kept_whole, lease_lost, taking_jobs
from djarrow.sql import compile as compiler
from djarrow.sql import makes
from djarrow.sql.dialects import Dialect
from djarrow.sql.makes import Taking
from djarrow.table.writing.many import insert_many
from djarrow.table.writing.permission import Making, during

if TYPE_CHECKING:
    from djarrow.engine.base import Database
    from djarrow.expr.nodes import Node
    from djarrow.jobs.autopopulate import AutoPopulated
    from djarrow.jobs.refreshing import Refreshing

SHOWN, TOLD = 3, 1000
"""How many of the keys that have no row an error's text shows, and how many it has as a frame."""


class BatchMaker:
    """Makes keys of one table by its make_batch. options: further arguments of it.

    refreshing: its stale results, which are replaced; None where rows that are there stay.
    """

    def __init__(self, table: AutoPopulated, options: Mapping[str, Any], refreshing: Refreshing | None = None) -> None:
        self._table = table
        self._spec = table.spec
        self._options = options
        self._refreshing = refreshing
        self._author = author_of(table)
        self._database: Database = table.schema.writable(table.spec.name)
        self._asked: int | None = None

    def make(self, keys: Keys) -> Made:
        """Make those of the keys that have no row, or a stale one, in one transaction: afterwards all have one.

        Begun anew where the server ended it for the sake of another transaction, and with those that are left where
        others made some meanwhile, or deleted what they were to be made of. Raises MakeError where a key has no row at
        the end, LeaseLost where a job of theirs is another worker's by now, and what make_batch raises; then nothing
        was kept.
        """
        self._asked = None
        try:
            return begun_anew(
                lambda: self._attempt(keys),
                lambda: self._left(keys),
                lambda: self._asked,
            )
        except Exception as error:
            if keys.jobs or isinstance(error, OF_NO_KEY):
                raise
            left = self._still_there(keys)
            if len(left) == len(keys):
                raise
        made = self.make(left)
        return evolve(made, skipped=made.skipped + len(keys) - len(left))

    def _still_there(self, keys: Keys) -> Keys:
        """Those of them that are of the key source now. All of them where that cannot be asked."""
        try:
            return Keys.read(self._database, among(keys.node, source_keys(self._table, ()).node))
        except DjarrowError:  # what the make has raised is to be told
            return keys

    def _missing(self, keys: Keys) -> Node:
        return without_row(keys.node, self._spec)

    def _left(self, keys: Keys) -> int:
        """How many are still to be made."""
        stale = 0 if self._refreshing is None else self._refreshing.count(keys.node)
        return count(self._database, self._missing(keys)) + stale

    def _attempt(self, keys: Keys) -> Made:
        number, started = uuid.uuid4(), time.monotonic()
        pending = keys

        def insert() -> None:
            nonlocal pending
            if self._refreshing is not None:
                self._refreshing.clear_stale(keys.node)
            pending = Keys.read(self._database, self._missing(keys))
            self._asked = len(pending)
            if len(pending):
                self._insert(pending)

        def finish() -> Made:
            taking = taking_jobs(self._spec.name, keys.jobs)
            if len(pending):
                self._finish(pending, number, started, taking)
            elif taking is not None:
                self._database.write(taking.statement)
            aside = 0.0 if self._refreshing is None else self._refreshing.seconds
            return Made(len(pending), len(keys) - len(pending), aside)

        return kept_whole(self._database, number, insert, finish, name=str(self._spec.name))

    def _insert(self, pending: Keys) -> None:
        """Call make_batch and insert what it returns, which may be made only while that is inserted."""
        user: Any = self._table
        with during(Making(self._spec.name, None, maker=self._table)):
            rows = user.make_batch(pending.frame, **self._options)
            if isinstance(rows, Mapping):
                self._insert_many(rows)
            elif rows is not None:
                self._table.insert(rows)

    def _insert_many(self, rows: Mapping[Any, Any]) -> None:
        if any(isinstance(name, str) for name in rows):
            raise MakeError(
                "make_batch returned a mapping with names. Return the rows as a frame or as a list of mappings, or "
                "tables with their rows: `{type(self): rows, self.Part: rows_of_parts}`.",
                table=str(self._spec.name),
            )
        insert_many(rows)

    def _finish(self, pending: Keys, number: uuid.UUID, started: float, taking: Taking | None) -> None:
        missing = self._missing(pending)
        text = compiler.source(missing, Dialect.POSTGRES, missing.heading.names).text
        values = [f"'{number}'", repr(time.monotonic() - started), str(len(pending))]
        if self._database.write(makes.finish_batch(self._spec.name, self._author, values, text, taking)):
            return
        left, some = count(self._database, missing), Keys.read(self._database, missing, TOLD)
        if not left:
            raise lease_lost(self._spec.name)
        shown = ", ".join(map(str, some.dicts(SHOWN)))
        raise MakeError(
            f"make_batch ended without the rows of {left} of its {len(pending)} keys, such as {shown}. Give all of "
            "them theirs, or restrict `key_source` to the keys that have one.",
            table=str(self._spec.name),
            keys=some.frame,
        )
