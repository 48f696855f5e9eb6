"""A transaction that small makes share, as they see it: their rows wait, and go up together. What is read for the makes
that come next: ahead.py.

docs/decisions/022-small-makes-share-a-transaction.md.
"""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from attrs import define, field

from djarrow.engine.base import Stream, Streams
from djarrow.expr.nodes import tables
from djarrow.jobs.ahead import Ahead, Habits
from djarrow.model import graph
from djarrow.model.heading import Special
from djarrow.sql.ddl import MAKING
from djarrow.sql.insert import Waited, insert_waited
from djarrow.sql.plain import plain
from djarrow.table.writing.agreement import check_columns

if TYPE_CHECKING:
    import pyarrow as pa

    from djarrow.engine.base import Database, Reader, ReadParallel
    from djarrow.expr.nodes import Node
    from djarrow.model.names import TableName
    from djarrow.model.spec import TableSpec
    from djarrow.sql.compile import Compiled

BYTES = 1_000_000
"""What waits at most."""

VALUE = 16
"""Bytes that a value without a length counts as."""


@define
class _Kept:
    """Rows of one table that wait, in the order in which they came."""

    spec: TableSpec
    rows: list[Waited] = field(factory=list)

    @property
    def text(self) -> str:
        """The INSERT of all. In the order of the key, so that two processes with the same keys do not wait for each
        other's; but not of rows that are numbered as they come.
        """
        heading, rows = self.spec.heading, self.rows
        numbered = any(a.default is Special.AUTO for a in heading)
        if not numbered and all(row.values.keys() >= set(heading.primary_key) for row in rows):
            rows = sorted(rows, key=lambda row: [row.values[name] for name in heading.primary_key])
        return insert_waited(self.spec, rows)


class Shared:
    """The open transaction, as the makes in it see it: a reader for what they read, and a place for rows that can wait.

    own: the tables that the makes fill; keys: of the makes that are to share it, in their order; habits: outlives it.
    Whatever else they do goes to the server at once, after the rows that wait, and then a make cannot be undone alone.
    Threads that a make starts are outside of it, whatever they know of the make, but for what Polars reads for it.
    """

    dialect = "postgres"
    narrowed = None  # it has indexes

    def __init__(
        self, database: Database, own: Sequence[TableName], keys: Sequence[Mapping[str, Any]], habits: Habits
    ) -> None:
        self._database = database
        self._own = own
        self._ahead = Ahead(keys, habits)
        self._thread = _this_thread()
        self._at = 0
        self._number: uuid.UUID | None = None
        self._told: uuid.UUID | None = None
        self._lock = threading.Lock()
        self._kept: dict[TableName, _Kept] = {}
        self._bytes = 0
        self._marks: dict[TableName, int] = {}
        self._looked: set[TableName] = set()
        self._plain: dict[TableName, bool] = {}
        self._touched = False
        self._is_own = self._only_reads = False
        self.changes = False
        """Whether values were changed, of which the log says by which transaction: no other make may share it."""

    # --- makes ---------------------------------------------------------------------------------------------------

    def begin(self, at: int, number: uuid.UUID) -> None:
        """The make of the key at this place begins, under this number."""
        self._at, self._number, self._touched = at, number, False
        self._marks = {name: len(kept.rows) for name, kept in self._kept.items()}

    def undo(self) -> bool:
        """Forget the rows of the make that ran last. False where more of it than these has gone to the server."""
        if self._touched or self._database.has_failed:
            return False
        for name, kept in self._kept.items():
            del kept.rows[self._marks.get(name, 0) :]
        return True

    def keep(self, database: Database, spec: TableSpec, values: Mapping[str, Sequence[Any]]) -> bool:
        """Have rows wait until they must go. False where they cannot. values: canonical, as lists of one length."""
        if database is not self._database or not self._is_here or self._number is None:
            return False
        if not self._are_plain([spec.name]):
            return False
        if self._has_children_of(spec.name):
            self.send()
        number, columns = self._number, tuple(values)
        rows = [Waited(dict(zip(columns, row, strict=True)), number) for row in zip(*values.values(), strict=True)]
        with self._lock:
            self._kept.setdefault(spec.name, _Kept(spec)).rows += rows
        self._ahead.changed(spec.name)
        self._bytes += sum(_size(value) for column in values.values() for value in column)
        if self._bytes > BYTES:
            self.send()
        return True

    def _has_children_of(self, name: TableName) -> bool:
        """Whether rows of this make wait that may refer to rows of a table. These must be there: they came first."""
        return any(
            len(kept.rows) > self._marks.get(child, 0) and name in kept.spec.parents
            for child, kept in self._kept.items()
        )

    def change(self) -> None:
        """Values of rows are changed in it, and logged."""
        self.changes = True

    def before_statement(self) -> None:
        """The rows that wait go up, and what the statement inserts gets the make's number."""
        if self._is_own:
            return
        self.send()
        if self._only_reads:
            return
        self._touched = True
        self._ahead.forget()

    def send(self) -> None:
        """Send the rows that wait, parents before children. Raises TableChanged, and what the server says of them.

        Where it does not come to its end, nothing of the transaction is kept.
        """
        try:
            with self._by_itself():
                self._send(self._taken())
        except BaseException:
            self._database.fail()
            raise

    def _send(self, waiting: Sequence[_Kept]) -> None:
        for kept in waiting:
            if kept.spec.name not in self._looked:
                check_columns(self._database, kept.spec)
                self._looked.add(kept.spec.name)
        texts = [kept.text for kept in waiting]
        if self._number != self._told and not self._only_reads and self._number is not None:
            texts.append(f"SET LOCAL {MAKING} = '{self._number}'")
            self._told = self._number
        if texts:
            self._database.run(";\n".join(texts))

    def _taken(self) -> list[_Kept]:
        """The rows that wait, which do so no longer, parents before children."""
        with self._lock:
            kept, self._kept = self._kept, {}
        if any(len(each.rows) > self._marks.get(name, 0) for name, each in kept.items()):
            self._touched = True  # rows of the make that runs
        self._marks, self._bytes = {}, 0
        waiting = {name: each for name, each in kept.items() if each.rows}
        order = graph.topological_order(graph.parents_of(each.spec for each in waiting.values()))
        return [waiting[name] for name in order]

    def _are_plain(self, names: Collection[TableName]) -> bool:
        """Whether tables do nothing but hold rows. What others do with theirs, or to others, is not known here."""
        if not self._plain.keys() >= set(names):
            new = [name for name in dict.fromkeys((*names, *self._own)) if name not in self._plain]
            with self._by_itself():
                found = set(self._database.read(plain(new), few=True).column("number").to_pylist())
            self._plain |= {name: place in found for place, name in enumerate(new)}
        return all(self._plain[name] for name in names)

    @contextmanager
    def _by_itself(self) -> Iterator[None]:
        """What runs in the block is no statement of a make."""
        self._is_own = True
        try:
            yield
        finally:
            self._is_own = False

    # --- reads ---------------------------------------------------------------------------------------------------

    @property
    def _is_here(self) -> bool:
        return self._thread == _this_thread()

    def reader(self, reader: Reader) -> Reader:
        """Itself in the place of the database."""
        return self if reader is self._database and self._is_here else reader

    def read_compiled(self, node: Node, compiled: Compiled) -> pa.Table:
        """The result of a query of few rows. The same queries of the keys that come next are read with it."""
        ahead = self._ahead
        if (found := ahead.take(compiled)) is not None:
            return found
        if (guesses := ahead.guess(compiled, self._at)) and self._are_plain(of := tables(node)):
            with self._reading():
                ahead.read(guesses, compiled.template, self._at, of, self._database)
            if (found := ahead.take(compiled)) is not None:
                return found
        found = self.read(compiled.text, few=True)
        ahead.learn(compiled.template, found)
        return found

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """What runs in the block changes nothing."""
        self._only_reads = True
        try:
            yield
        finally:
            self._only_reads = False

    def read(self, text: str, *, few: bool = False) -> pa.Table:
        """The whole result of a SELECT."""
        with self._reading():
            return self._database.read(text, few=few)

    def stream(self, text: str) -> Stream:
        """The result of a SELECT batch by batch."""
        with self._reading():
            return self._database.stream(text)

    def explain(self, text: str, *, analyze: bool) -> str:
        """How the server would run a SELECT."""
        with self._reading():
            return self._database.explain(text, analyze=analyze)

    @property
    def read_parallel(self) -> ReadParallel | None:
        """What the database says of it, in a transaction."""
        return self._database.read_parallel

    def look(self, seconds: float) -> AbstractContextManager[Callable[[str], pa.Table]]:
        """What the database says of it, in a transaction."""
        return self._database.look(seconds)

    def pinned(self) -> Streams:
        """Streams for other threads, which read in this transaction."""
        return self._database.pinned()


def _this_thread() -> tuple[int, int]:
    """What no other thread has, nor one of a process that a fork began."""
    return os.getpid(), threading.get_ident()


def _size(value: Any) -> int:
    return len(value) if isinstance(value, str | bytes) else VALUE
