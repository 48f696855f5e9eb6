"""One make in one transaction, which commits only if the row is there; with it, what is kept of the make."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from djarrow.engine.base import Ready, may_come_of_keeping
from djarrow.errors import (
    DjarrowError,
    DuplicateKey,
    EngineError,
    InputsChanged,
    LeaseLost,
    MakeError,
    TransactionError,
)
from djarrow.jobs.forms import Form, prepared
from djarrow.jobs.provenance import author_of
from djarrow.settings import config
from djarrow.sql import jobs, makes
from djarrow.sql.ddl import MAKING
from djarrow.sql.locks import ATTEMPTS, RETRIED

if TYPE_CHECKING:
    from djarrow.engine.base import Database
    from djarrow.jobs.autopopulate import AutoPopulated
    from djarrow.jobs.queue import Job
    from djarrow.jobs.refreshing import Refreshing


class Maker:
    """Makes keys of one table, one after the other. options: further arguments of make and make_fetch.

    refreshing: its stale results, which are replaced; None where rows that are there stay.
    """

    def __init__(
        self, table: AutoPopulated, form: Form, options: Mapping[str, Any], refreshing: Refreshing | None = None
    ) -> None:
        self._table = table
        self._spec = table.spec
        self._form = form
        self._options = options
        self._refreshing = refreshing
        self._author = author_of(table)
        self._statements: dict[tuple[tuple[str, ...], bool], makes.Finishing] = {}
        self._database: Database = table.schema.writable(table.spec.name)

    def make(self, key: dict[str, Any], job: Job | None = None) -> bool:
        """Make one key. False where its row is there already: another process made it.

        Begun anew where the server ended it for the sake of another transaction, and where its inputs changed. job:
        the reservation of the key. Raises LeaseLost where that is another worker's by now, and what the make raises.
        """
        duplicates = 0
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._attempt(key, job)
            except (DuplicateKey, EngineError, InputsChanged) as error:
                if not _may_pass(error):
                    raise
                if job is not None and not self._holds(job):
                    raise self.lost(key) from error
                if self.is_done(key):
                    return False
                duplicates += isinstance(error, DuplicateKey)
                if attempt == ATTEMPTS or duplicates > 1:  # the first may have been of a row that has gone since
                    raise
        raise AssertionError  # pragma: no cover - the last attempt returns or raises

    def is_made(self, key: Mapping[str, Any]) -> bool:
        """Whether the row of a key is there."""
        return self._database.has_rows(makes.row_of(self._spec, key))

    def is_done(self, key: Mapping[str, Any]) -> bool:
        """Whether the row of a key is there, and need not be replaced."""
        return self.is_made(key) and (self._refreshing is None or not self._refreshing.is_stale(key))

    def _attempt(self, key: dict[str, Any], job: Job | None) -> bool:
        started = time.monotonic()
        if (job is None or self._refreshing is not None) and self.is_done(key):  # a job tells whether there is a row
            return False
        insert = prepared(self._form, self._table, key, self._options, self._database)
        number = uuid.uuid4()
        inserted = False
        try:
            with self._database.begin(settings={MAKING: str(number)}):  # by which its rows take the number
                if self._refreshing is not None and self.is_made(key):
                    if not self._refreshing.is_stale(key):  # another process was there first
                        return False
                    self._refreshing.clear(key)
                insert()
                inserted = True
                self._finish(number, started, key, job)
        except TransactionError as error:
            if not inserted or type(error) is not TransactionError:
                raise
            text = "make passed over an error of the database, so that nothing of it could be kept. Let it out of make."
            raise self._error(text, key) from error
        return True

    def _finish(self, number: uuid.UUID, started: float, key: Mapping[str, Any], job: Job | None) -> None:
        values = makes.values_of(self._spec, number, time.monotonic() - started, 1, key)
        if job is not None:
            values += [f"'{job.hash}'", f"'{job.token}'"]
        statement = self._finishing(tuple(key), job is not None)
        ready = Ready(statement.body, statement.types, f"({', '.join(values)})")
        if self._database.write(statement.text(values), ready=ready):
            return
        if job is not None and self.is_made(key):
            raise self.lost(key)
        text = (
            "make ended without inserting its row. Insert it, with the values of this key, or restrict `key_source` to "
            "the keys that have one."
        )
        raise self._error(text, key)

    def _finishing(self, names: tuple[str, ...], job: bool) -> makes.Finishing:
        """The statement that ends a make, which is the same for all keys."""
        found = self._statements.get((names, job))
        if found is None:
            keep = config["jobs.keep_completed"]
            found = makes.finishing(self._spec, names, self._author, job=job, keep=keep)
            self._statements[names, job] = found
        return found

    def _holds(self, job: Job) -> bool:
        text = jobs.find(self._spec.name.schema, self._spec.name.table, job.hash, job.token)
        return bool(self._database.read(text, few=True).column("found")[0].as_py())

    def lost(self, key: Mapping[str, Any]) -> LeaseLost:
        """The error of a key whose job is another worker's by now."""
        return LeaseLost(
            "the worker was away for longer than its lease, and the key was given to another. Nothing was kept. "
            "If makes hold Python up for so long, set a longer `jobs.lease`.",
            table=str(self._spec.name),
            key=key,
        )

    def _error(self, text: str, key: Mapping[str, Any]) -> MakeError:
        return MakeError(text, table=str(self._spec.name), key=key)


def _may_pass(error: DjarrowError) -> bool:
    """Whether the error can come of others that work on the same rows, or of a statement that was kept."""
    if isinstance(error, EngineError):
        return error.sqlstate in RETRIED or may_come_of_keeping(error)
    return True
