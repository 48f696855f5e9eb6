"""What dj.diff found, as records, and as a text for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from attrs import field, frozen

from djarrow.errors import UnknownTable, hint_nearest
from djarrow.model import names
from djarrow.model.heading import Heading
from djarrow.model.names import TableName
from djarrow.show.text import seen
from djarrow.table.existing.classes import is_called
from djarrow.table.table import Table

if TYPE_CHECKING:
    import polars as pl

NAMED = 8
"""How many attributes that differ a line names."""


@frozen(eq=False, repr=False)
class TableDifference:
    """What differs in a table that both sides have.

    name: on the first side. before, after: its headings on the first side and on the second. definition: a line for
    each difference of the definitions, but for comments and for indexes that only make reading faster. compared:
    whether rows were compared; they are not where the keys are not the same.

    added, removed: frames of the rows whose key only the second side has, and only the first one, with all attributes
    that these have there. changed: a frame of the rows of one key and other values: the key, and of each attribute
    that differs in any of them `NAME.before` and `NAME.after`. Frames are in the order of the key, with the dtypes that
    `to_polars` gives, and have as many rows as `limit` let them. added_rows, removed_rows, changed_rows: how many there
    are, always; rows_before, rows_after: how many the tables have, None where rows were not compared.
    attributes: name -> how many rows of `changed` it differs in.
    """

    name: TableName
    before: Heading
    after: Heading
    definition: tuple[str, ...]
    added: pl.DataFrame
    removed: pl.DataFrame
    changed: pl.DataFrame
    compared: bool = True
    rows_before: int | None = None
    rows_after: int | None = None
    added_rows: int = 0
    removed_rows: int = 0
    changed_rows: int = 0
    attributes: Mapping[str, int] = field(factory=dict)

    @property
    def equal(self) -> bool:
        """Whether definition and rows are the same."""
        return self.compared and not (self.definition or self.added_rows or self.removed_rows or self.changed_rows)

    def __bool__(self) -> bool:
        return not self.equal

    def __repr__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> Iterator[str]:
        """What differs, as lines: of the rows one, of the definition one for each difference."""
        yield f"{seen(str(self.name))}: {self._of_rows()}"
        yield from (f"  {seen(line)}" for line in self.definition)

    def _of_rows(self) -> str:
        if not self.compared:
            return "rows not compared, because the keys are not the same"
        counts = {"added": self.added_rows, "removed": self.removed_rows, "changed": self.changed_rows}
        told = [f"{count:,} {what}" for what, count in counts.items() if count]
        if not told:
            return f"the same {_rows(self.rows_after or 0)}"
        rows = f"{self.rows_before:,} -> {_rows(self.rows_after or 0)}: {', '.join(told)}"
        return rows + (f" in {self._of_attributes()}" if self.attributes else "")

    def _of_attributes(self) -> str:
        named = [seen(name) for name in self.attributes]
        more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
        return ", ".join(named[:NAMED]) + more + (" at least" if self.changed.height < self.changed_rows else "")


@frozen(eq=False, repr=False)
class Difference:
    """What dj.diff found. True where anything differs; `equal` is the opposite.

    before, after: what was compared. tables: of each table that both have, in order of dependency, what differs, also
    where nothing does; `difference["lab.Session"]` and `difference[Session]` are one of them. only_before, only_after:
    tables that one side lacks. refused: tables that could not be compared, because no definition describes them, with
    why. seconds: it took.
    """

    before: str
    after: str
    tables: tuple[TableDifference, ...]
    only_before: tuple[TableName, ...]
    only_after: tuple[TableName, ...]
    refused: Mapping[TableName, str]
    seconds: float

    @property
    def equal(self) -> bool:
        """Whether both sides have the same tables with the same definitions and rows."""
        return not (self.only_before or self.only_after or self.refused or any(self.tables))

    def __bool__(self) -> bool:
        return not self.equal

    def __getitem__(self, table: str | type[Table]) -> TableDifference:
        """What differs in a table. Raises UnknownTable for one that not both sides have."""
        wanted = table if isinstance(table, str) else str(table().spec.name)
        for matches in (_is_name, _is_reference, is_called):
            found = [each for each in self.tables if matches(each.name, wanted)]
            if len(found) == 1:
                return found[0]
        known = [names.class_reference(each.name, "") for each in self.tables]
        raise UnknownTable(f"no table {wanted!r} is on both sides, or several are.{hint_nearest(wanted, known)}")

    def __repr__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> Iterator[str]:
        """What differs, as lines: how much does, and then of each table what."""
        differing = [table for table in self.tables if table]
        sides, both = f"{seen(self.before)} -> {seen(self.after)}", _tables(len(self.tables))
        if self.equal:
            yield f"equal: {sides}: {both}, {_rows(sum(table.rows_after or 0 for table in self.tables))}"
            return
        yield f"{sides}: of {both} on both sides {len(differing) or 'none'} differ{'s' * (len(differing) < 2)}"
        if not self.tables and self.only_before and self.only_after:
            yield "no table has the same name on both sides; `rename` says which schema has another one"
        for table in differing:
            yield from table.lines()
        yield from (f"{seen(str(name))}: only in {seen(self.before)}" for name in self.only_before)
        yield from (f"{seen(str(name))}: only in {seen(self.after)}" for name in self.only_after)
        yield from (f"{seen(str(name))}: not compared: {seen(why)}" for name, why in self.refused.items())


def _is_name(name: TableName, wanted: str) -> bool:
    return str(name) == wanted


def _is_reference(name: TableName, wanted: str) -> bool:
    return names.class_reference(name, "") == wanted


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def _tables(count: int) -> str:
    return f"{count:,} table{'' if count == 1 else 's'}"
