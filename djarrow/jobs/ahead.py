"""What makes will read of their keys: guessed from what they have read of others, and read in one statement.

docs/decisions/022-small-makes-share-a-transaction.md, "Reads".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import define, field

from djarrow.sql.at_once import Columns, apart, at_once

if TYPE_CHECKING:
    import pyarrow as pa

    from djarrow.engine.base import Reader
    from djarrow.model.names import TableName
    from djarrow.sql.compile import Compiled
    from djarrow.sql.template import Template

BYTES = 1_000_000
"""What the results of one statement take at most, as far as is known before."""

MOST = 200
"""Keys whose reads are guessed from that of one, in one statement."""

HABITS = 500
"""How many are remembered: a make can ask what none will ask again."""


@define
class Habit:
    """How makes of a table have read so far, by queries that differ in constants only.

    columns: of the results; size: bytes of the largest one that was read by itself, 0 before that; guessed: how many
    have been read ahead; used: how many of these were wanted.
    """

    template: Template
    columns: Columns = field(factory=Columns)
    size: int = 0
    guessed: int = 0
    used: int = 0

    @property
    def pays(self) -> bool:
        """Whether to read ahead: those that were read were small, and what was guessed was often right."""
        return 0 < self.size * MOST < BYTES and (self.guessed < MOST or 2 * self.used > self.guessed)


Habits = dict[int, Habit]
"""By the identity of the template, which the habit keeps alive."""


class Ahead:
    """Results of the keys that come next, by the texts of their queries.

    keys: of the makes, in their order; habits: outlives it.
    """

    def __init__(self, keys: Sequence[Mapping[str, Any]], habits: Habits) -> None:
        self._keys = keys
        self._habits = habits
        if len(habits) > HABITS:
            habits.clear()
        self._results: dict[str, pa.Table] = {}
        self._tables: set[TableName] = set()
        self._guessed_to: dict[int, int] = {}

    def _habit(self, template: Template) -> Habit:
        return self._habits.setdefault(id(template), Habit(template))

    def take(self, compiled: Compiled) -> pa.Table | None:
        """The result of a query; None where it was not read."""
        found = self._results.get(compiled.text)
        if found is not None:
            self._habit(compiled.template).used += 1
        return found

    def learn(self, template: Template, found: pa.Table) -> None:
        """A query was read by itself."""
        habit = self._habit(template)
        if not habit.size:
            habit.columns = Columns.of(found)
        habit.size = max(habit.size, found.nbytes)

    def guess(self, compiled: Compiled, at: int) -> dict[str, list[str]]:
        """This query of the make of the key at this place, and the same of the keys that come next: text -> literals.

        Their values stand where this one has those of its key. None of them where it is to be read by itself.
        """
        template = compiled.template
        if not self._habit(template).pays or at < self._guessed_to.get(id(template), 0):
            return {}
        key, *others = self._keys[at : at + MOST]
        names = _names_of(compiled.constants, key)
        places = list(zip(compiled.constants, names, strict=True))
        guesses = {}
        for other in (key, *others) if any(names) else ():
            literals = template.literals(tuple(c if name is None else other[name] for c, name in places))
            guesses[template.around(literals)] = literals
        return guesses if len(guesses) > 1 else {}

    def read(
        self,
        guesses: Mapping[str, Sequence[str]],
        template: Template,
        at: int,
        tables: Collection[TableName],
        by: Reader,
    ) -> None:
        """Read what was guessed, of these tables. Results with a large value are left out."""
        habit = self._habit(template)
        habit.guessed += len(guesses)
        self._guessed_to[id(template)] = at + MOST
        statement = at_once(template, list(guesses.values()), habit.columns)
        self._results |= apart(by.read(statement, few=True), list(guesses))
        self._tables |= set(tables)

    def changed(self, table: TableName) -> None:
        """A table gets rows: what was read of it does not hold."""
        if table in self._tables:
            self.forget()

    def forget(self) -> None:
        """Nothing that was read is sure to hold."""
        self._results, self._tables = {}, set()


def _names_of(constants: Sequence[Any], key: Mapping[str, Any]) -> list[str | None]:
    """The attributes of the key whose values constants are: of several with one value, one after the other."""
    found, taken = list[str | None](), Counter[str]()
    for constant in constants:
        same = [name for name, value in key.items() if type(constant) is type(value) and constant == value]
        name = min(same, key=taken.__getitem__, default=None)
        if name is not None:
            taken[name] += 1
        found.append(name)
    return found
