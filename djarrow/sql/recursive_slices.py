"""Sets of rows of a slice that depend on themselves, as the rows above others in a hierarchy: a recursive expression.

All sets of a group are in one, the key of each in columns of its own; `t` tells which set a row is of. The rest of the
statement: slices.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, assert_never

from attrs import define, field, frozen

from djarrow.model.slices import Above, Below, Picked, Role, Rows, Same, Way, source_of
from djarrow.model.types import AttributeType
from djarrow.sql.ddl import full_name
from djarrow.sql.dialects import by_code_points
from djarrow.sql.literals import identifier

if TYPE_CHECKING:
    from djarrow.sql.slices import Slice, Writing


@frozen
class Recursion:
    """A group of sets that depend on themselves."""

    writing: Writing
    group: tuple[Rows, ...]

    @property
    def slice(self) -> Slice:
        """The slice that it is of."""
        return self.writing.slice

    @property
    def name(self) -> str:
        """Its name in the statement."""
        return f"c{self.slice.plan.order.index(self.group)}"

    @property
    def carried(self) -> tuple[Rows, ...]:
        """The sets whose keys are in it: those of parts that are brought are told by their master's."""
        return tuple(rows for rows in self.group if rows.role is not Role.BROUGHT)

    def column(self, rows: Rows, name: str, alias: str = "c") -> str:
        """A column of the recursion that has an attribute of a key."""
        return f"{alias}.k{self.carried.index(rows)}_{self.slice.key(rows).index(name)}"

    def listed(self, rows: Rows, names: Iterable[str]) -> str:
        """Attributes of a key, under their names."""
        return ", ".join(f"{self.column(rows, name)} AS {identifier(name)}" for name in names)

    def where(self, rows: Rows) -> str:
        """What tells the rows of a set."""
        return "" if len(self.carried) == 1 else f" WHERE c.t = {self.carried.index(rows)}"

    def text(self) -> str:
        """Its definition."""
        every = [(rows, name) for rows in self.carried for name in self.slice.key(rows)]
        columns = ", ".join(["t", *(self.column(rows, name).removeprefix("c.") for rows, name in every)])
        first = [text for rows in self.carried for text in self.anchors(rows)]
        steps = [_Step(self).text(rows, way) for rows in self.carried for way in self.inner(rows)]
        start, step = "\nUNION ALL ".join(first), "\nUNION ALL ".join(steps)
        return (
            f"{self.name} ({columns}) AS (({start})\nUNION SELECT e.* FROM {self.name} AS c CROSS JOIN LATERAL "
            f"({step}) AS e)"
        )

    def anchors(self, rows: Rows) -> Iterable[str]:
        """The rows of a set that others than the group lead to."""
        key = self.slice.key(rows)
        for way in self.slice.plan.ways[rows]:
            if source_of(way) not in self.group:
                inner = self.writing.union(rows, [way], key)
                yield f"{self.values(rows, {name: f's.{identifier(name)}' for name in key})} FROM ({inner}) AS s"

    def inner(self, rows: Rows) -> Iterable[Way]:
        """The ways to a set that begin in the group."""
        return (way for way in self.slice.plan.ways[rows] if source_of(way) in self.group)

    def values(self, rows: Rows, key: Mapping[str, str]) -> str:
        """SELECT of a key in its columns, all others NULL."""
        cells = [str(self.carried.index(rows))]
        for each in self.carried:
            for name in self.slice.key(each):
                kind = self.slice.attribute(each, name).type
                text = key[name] if each == rows else "NULL"
                cells.append(by_code_points(f"CAST({text} AS {_bare(kind)})", kind))
        return f"SELECT {', '.join(cells)}"


def _bare(kind: AttributeType) -> str:
    """The type without a length, which the two sides of a recursion would have to agree on."""
    return kind.row.recast or kind.postgres.partition("(")[0]


@define
class _Step:
    """How rows of a recursion lead to others: the tables that are asked on the way."""

    recursion: Recursion
    joined: list[str] = field(factory=list)
    where: list[str] = field(factory=list)
    aliases: dict[Rows, str] = field(factory=dict)

    def text(self, rows: Rows, way: Way) -> str:
        slice_, key = self.recursion.slice, self.recursion.slice.key(rows)
        match way:
            case Above():
                pairs = way.reference.pairs
                found = {there: self.value(way.source, here) for here, there in pairs}
                nullable = [here for here, _ in pairs if slice_.attribute(way.source, here).nullable]
                self.where += [f"{self.value(way.source, here)} IS NOT NULL" for here in nullable]
            case Below():
                alias = self.join(rows)
                values = [(here, self.value(way.source, there)) for here, there in way.reference.pairs]
                self.where += [f"{self.of(rows, here, alias)} = {value}" for here, value in values]
                found = {name: self.of(rows, name, alias) for name in key}
            case Picked() | Same():
                raise AssertionError  # neither leads from a set to itself
            case _:
                assert_never(way)
        if len(self.recursion.carried) > 1:
            self.where.append(f"c.t = {self.recursion.carried.index(self.beginning(way.source))}")
        tables = f" FROM {', '.join(self.joined)}" if self.joined else ""
        where = f" WHERE {' AND '.join(self.where)}" if self.where else ""
        return f"{self.recursion.values(rows, found)}{tables}{where}"

    def beginning(self, rows: Rows) -> Rows:
        """The set of the recursion whose keys tell the rows of a set: that of the master."""
        while rows.role is Role.BROUGHT:
            rows = self.owner(rows).source
        return rows

    def owner(self, rows: Rows) -> Below:
        (way,) = self.recursion.slice.plan.ways[rows]
        assert isinstance(way, Below)  # noqa: S101 - rows of a part are brought by what they refer to
        return way

    def join(self, rows: Rows) -> str:
        alias = f"x{len(self.joined)}"
        self.joined.append(f"{full_name(rows.table)} AS {alias}")
        return alias

    def of(self, rows: Rows, name: str, alias: str) -> str:
        return self.recursion.writing.column(rows, name, alias)

    def value(self, rows: Rows, name: str) -> str:
        """An attribute of the row that a row of the recursion means, of its table or of a part of it."""
        key = self.recursion.slice.key(rows)
        if rows.role is not Role.BROUGHT and name in key:
            return self.recursion.column(rows, name)
        if rows not in self.aliases:
            alias = self.aliases[rows] = self.join(rows)
            if rows.role is Role.BROUGHT:
                owner = self.owner(rows)
                same = [(here, self.value(owner.source, there)) for here, there in owner.reference.pairs]
            else:
                same = [(own, self.recursion.column(rows, own)) for own in key]
            self.where += [f"{self.of(rows, here, alias)} = {value}" for here, value in same]
        return self.of(rows, name, self.aliases[rows])
