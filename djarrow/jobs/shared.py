"""A transaction that small makes share: their rows, which go up together, and what they read of their keys, at once.

docs/decisions/022-small-makes-share-a-transaction.md.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from attrs import define, field

from djarrow.engine.base import Stream, Streams
from djarrow.expr.nodes import tables
from djarrow.model import graph
from djarrow.sql import insert
from djarrow.sql.at_once import apart, at_once
from djarrow.sql.ddl import MAKING
from djarrow.table.writing.agreement import check_columns

if TYPE_CHECKING:
    import pyarrow as pa

    from djarrow.engine.base import Database, Reader, ReadParallel
    from djarrow.expr.nodes import Node
    from djarrow.jobs.autopopulate import AutoPopulated
    from djarrow.model.names import TableName
    from djarrow.model.spec import TableSpec
    from djarrow.sql.compile import Compiled
    from djarrow.sql.template import Template

BYTES = 1_000_000
"""What is kept, or read ahead, at most."""

MOST = 200
"""Keys whose reads are guessed from that of one, in one statement."""


@define
class _Kept:
    """Rows of one table with values for the same attributes. makes: the number of each one's make."""

    spec: TableSpec
    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]] = field(factory=list)
    makes: list[uuid.UUID] = field(factory=list)

    @property
    def text(self) -> str:
        """The INSERT of all. In the order of the key, so that two processes with the same keys do not wait for each
        other's.
        """
        places = [self.columns.index(name) for name in self.spec.heading.primary_key if name in self.columns]
        order = sorted(range(len(self.rows)), key=lambda row: [self.rows[row][place] for place in places])
        rows, makes = [self.rows[row] for row in order], [self.makes[row] for row in order]
        return insert.insert_made(self.spec, self.columns, rows, makes)


@define
class Habit:
    """How makes of a table have read so far, by queries that differ in constants only.

    size: bytes of the largest result; guessed: how many have been read ahead; used: how many of these were wanted.
    """

    template: Template
    size: int = 0
    guessed: int = 0
    used: int = 0

    @property
    def pays(self) -> bool:
        """Whether to read ahead: one was read and was small, and what was guessed was often right."""
        return 0 < self.size * MOST < BYTES and (self.guessed < MOST or 2 * self.used > self.guessed)


Habits = dict[int, Habit]
"""By the identity of the template, which the habit keeps alive."""


class Shared:
    """The open transaction, as the makes in it see it: a reader for what they read, and a place for rows that can wait.

    keys: of the makes that are to share it, in their order; habits: outlives it. Whatever else they do goes to the
    server at once, after the rows that wait, and from then on a make cannot be undone alone.
    """

    dialect = "postgres"

    def __init__(
        self, table: AutoPopulated, database: Database, keys: Sequence[Mapping[str, Any]], habits: Habits
    ) -> None:
        self._table = table
        self._database = database
        self._keys = keys
        self._habits = habits
        self._at = 0
        self._number: uuid.UUID | None = None
        self._told: uuid.UUID | None = None
        self._kept: dict[tuple[TableName, tuple[str, ...]], _Kept] = {}
        self._bytes = 0
        self._marks: dict[tuple[TableName, tuple[str, ...]], int] = {}
        self._looked: set[TableName] = set()
        self._touched = False
        self._sending = self._only_reads = False
        self._read_ahead: dict[str, pa.Table] = {}
        self._read_of: set[TableName] = set()
        self._guessed_to: dict[int, int] = {}

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
            mark = self._marks.get(name, 0)
            del kept.rows[mark:], kept.makes[mark:]
        return True

    def keep(self, database: Database, spec: TableSpec, values: Mapping[str, Sequence[Any]]) -> bool:
        """Have rows wait until they must go. False where they cannot. values: canonical, as lists of one length."""
        if database is not self._database or self._number is None:
            return False
        columns = tuple(values)
        kept = self._kept.setdefault((spec.name, columns), _Kept(spec, columns))
        rows = list(zip(*values.values(), strict=True))
        kept.rows += rows
        kept.makes += [self._number] * len(rows)
        if spec.name in self._read_of:
            self._forget()
        self._bytes += sum(len(value) for row in rows for value in row if isinstance(value, str | bytes))
        if self._bytes > BYTES:
            self.send()
            self._touched = True
        return True

    def ahead(self) -> None:
        """Before every statement: the rows that wait go up, and what the statement inserts gets the make's number."""
        if self._sending:
            return
        self.send()
        if self._only_reads:
            return
        self._touched = True
        self._forget()

    def send(self) -> None:
        """Send the rows that wait, parents before children. Raises TableChanged, and what the server says of them."""
        waiting = [kept for kept in self._kept.values() if kept.rows]
        self._sending = True
        try:
            for kept in waiting:
                if kept.spec.name not in self._looked:
                    check_columns(self._database, kept.spec)
                    self._looked.add(kept.spec.name)
            texts = [kept.text for kept in self._in_order(waiting)]
            if self._number != self._told and not self._only_reads and self._number is not None:
                texts.append(f"SET LOCAL {MAKING} = '{self._number}'")
                self._told = self._number
            if texts:
                self._database.run(";\n".join(texts))
        finally:
            self._sending = False
        if any(len(kept.rows) > self._marks.get(name, 0) for name, kept in self._kept.items()):
            self._touched = True  # rows of the make that runs
        self._kept, self._marks, self._bytes = {}, {}, 0

    def _in_order(self, waiting: list[_Kept]) -> list[_Kept]:
        if len(waiting) < 2:
            return waiting
        places = {name: at for at, name in enumerate(graph.topological_order(self._table.schema.all_parents()))}
        return sorted(waiting, key=lambda kept: places.get(kept.spec.name, -1))

    def _forget(self) -> None:
        self._read_ahead, self._read_of = {}, set()

    # --- reads ---------------------------------------------------------------------------------------------------

    def reader(self, reader: Reader) -> Reader:
        """Itself in the place of the database."""
        return self if reader is self._database else reader

    def read_compiled(self, node: Node, compiled: Compiled) -> pa.Table:
        """The result of a query of few rows. The same queries of the keys that come next are read with it."""
        text, template = compiled.text, compiled.template
        habit = self._habits.setdefault(id(template), Habit(template))
        found = self._read_ahead.get(text)
        if found is not None:
            habit.used += 1
            return found
        if not habit.pays or self._at < self._guessed_to.get(id(template), 0):
            found = self.read(text, few=True)
            habit.size = max(habit.size, found.nbytes)
            return found
        texts = self._guesses(compiled, text)
        habit.guessed += len(texts) - 1
        self._guessed_to[id(template)] = self._at + MOST
        with self._reading():
            self._read_ahead |= apart(self._database.read(at_once(texts), few=True), texts)
        self._read_of |= tables(node)
        return self._read_ahead[text]

    def _guesses(self, compiled: Compiled, text: str) -> list[str]:
        """This query, and those of the keys that come next, whose values stand where this one has those of its key."""
        key, *others = self._keys[self._at : self._at + MOST]
        names = [_name_of(constant, key) for constant in compiled.constants]
        places = list(zip(compiled.constants, names, strict=True))
        texts = {text: None}
        if any(names):
            for other in others:
                constants = tuple(constant if name is None else other[name] for constant, name in places)
                texts[compiled.template.filled(constants)] = None
        return list(texts)

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


def _name_of(constant: Any, key: Mapping[str, Any]) -> str | None:
    """The attribute of the key whose value a constant is."""
    for name, value in key.items():
        if type(constant) is type(value) and constant == value:
            return name
    return None
