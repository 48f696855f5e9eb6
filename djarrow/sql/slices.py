"""A plan of which rows a slice has (model/slices.py) -> a query for each table, by one statement of common table
expressions: `WITH r1 AS (...), r2 AS (... FROM r1 ...) SELECT ...`, a name for each set of rows.

However many paths lead to a table, each set stands there once, so that the text grows with the number of tables. Sets
that depend on themselves, as the rows above others in a hierarchy, are found by a recursive one.
docs/decisions/025-slices.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import assert_never

from attrs import define, field, frozen

from djarrow.expr.conditions import Condition, Matches
from djarrow.expr.nodes import Node, Restricted, Stored, Written, tables
from djarrow.expr.operators import any_of
from djarrow.model.heading import Attribute
from djarrow.model.names import TableName
from djarrow.model.slices import Above, Below, Picked, Plan, Role, Rows, Same, Way, source_of
from djarrow.model.spec import TableSpec
from djarrow.model.types import AttributeType
from djarrow.sql import compile as compiler
from djarrow.sql.ddl import compared, full_name
from djarrow.sql.dialects import Dialect, by_code_points
from djarrow.sql.literals import identifier

Names = tuple[str, ...]


@frozen(eq=False)
class Slice:
    """A plan, with the queries of its choices by their numbers. specs: those of all tables of the plan."""

    plan: Plan
    specs: Mapping[TableName, TableSpec]
    chosen: Sequence[Node]

    def rows(self, name: TableName) -> Node:
        """The query of the rows that are taken of a table."""
        stored = Stored(name, self.specs[name].heading)
        if name in self.plan.whole:
            return stored
        ways = self.ways_to(name)
        if ways is not None and len(ways) == 1 and isinstance(ways[0], Picked):
            return self.chosen[ways[0].choice]
        if not stored.heading.primary_key:
            return Restricted(stored, any_of([self._where(stored, way) for way in ways or ()]))
        return Written(stored.heading, Taken(self, name))

    def ways_to(self, name: TableName) -> tuple[Way, ...] | None:
        """The ways to the rows of a table. None where they depend on themselves, and only their keys are found."""
        sets = self.plan.rows[name]
        if any(self.is_recursive(rows) for rows in sets):
            return None
        return tuple(dict.fromkeys(way for rows in sets for way in self.plan.ways[rows]))

    def _where(self, stored: Stored, way: Way) -> Condition:
        """Whether the one row of a table without a key is among those that a way leads to."""
        if isinstance(way, Picked):
            return Matches(self.chosen[way.choice], ())
        return Matches(Written(stored.heading, Taken(self, stored.name, (way,))), ())

    # --- what the statements ask -----------------------------------------------------------------------------------

    @cached_property
    def _recursive(self) -> frozenset[Rows]:
        return frozenset(rows for group in self.plan.order if self.plan.is_recursive(group) for rows in group)

    def is_recursive(self, rows: Rows) -> bool:
        """Whether a set depends on itself."""
        return rows in self._recursive

    def attribute(self, rows: Rows, name: str) -> Attribute:
        """An attribute of the rows of a set."""
        return self.specs[rows.table].heading[name]

    def key(self, rows: Rows) -> Names:
        """The primary key of the table of a set."""
        return self.specs[rows.table].heading.primary_key


@frozen(eq=False)
class Taken:
    """The rows that are taken of a table: a statement. ways: not all of them, but those that these lead to."""

    slice: Slice
    name: TableName
    ways: tuple[Way, ...] | None = None

    @property
    def tables(self) -> frozenset[TableName]:
        """The tables that it reads."""
        sources = (found for node in self.slice.chosen for found in tables(node))
        return frozenset({self.name, *sources, *(rows.table for rows in self.slice.plan.ways)})

    def __str__(self) -> str:
        return f"a slice of {self.name}"

    def text(self) -> str:
        """The statement."""
        return _Writing(self.slice).text(self.name, self.ways or self.slice.ways_to(self.name))


@define
class _Writing:
    """One statement. wanted: set -> the attributes of its rows that are asked for; only such sets are named."""

    slice: Slice
    wanted: dict[Rows, dict[str, None]] = field(factory=dict)
    named: list[str] = field(factory=list)
    numbers: dict[Rows, int] = field(factory=dict)

    def text(self, name: TableName, ways: tuple[Way, ...] | None) -> str:
        """The rows of a table, whole: those that are referred to, those below others, or else those of its sets."""
        sets = self.slice.plan.rows[name]
        columns = self.slice.specs[name].heading.names
        if ways is not None and (len(ways) == 1 or all(isinstance(way, Above) for way in ways)):
            for way in ways:
                self.ask_for(way, ())
            self.name_wanted()
            rows = self.union(sets[0], ways, columns)
        else:
            for each in sets:
                self.want(each, self.slice.key(each))
            self.name_wanted()
            key = _alike(self.slice.key(sets[0]))
            keys = "\nUNION ".join(f"SELECT {_listed(key, 's')} FROM {self.at(each)} AS s" for each in sets)
            among = f"{self.at(sets[0])} AS s" if len(sets) == 1 else f"({keys}) AS s"
            rows = f"{self.read(sets[0], columns)} JOIN {among} ON {self.same(sets[0], key)}"
        return f"WITH RECURSIVE {_joined(self.named)}\n{rows}" if self.named else rows

    def name_wanted(self) -> None:
        """Name all sets that are wanted, and those that they need."""
        groups = [group for group in reversed(self.slice.plan.order) if self.ask(group)]
        for group in reversed(groups):
            if self.slice.plan.is_recursive(group):
                self.name_recursive(group)
            for rows in group:
                if rows in self.wanted:
                    self.name(rows, self.defined(rows))

    # --- what is asked for -----------------------------------------------------------------------------------------

    def want(self, rows: Rows, names: Iterable[str]) -> None:
        self.wanted.setdefault(rows, {}).update(dict.fromkeys(names))

    def ask(self, group: tuple[Rows, ...]) -> bool:
        """Ask the sets before those of a group for what these need, if any of them is wanted."""
        if not any(rows in self.wanted for rows in group):
            return False
        recursive = self.slice.plan.is_recursive(group)
        for rows in group:
            for way in self.slice.plan.ways[rows] if recursive or rows in self.wanted else ():
                if not recursive or source_of(way) not in group:
                    self.ask_for(way, [*self.columns(rows), *(self.slice.key(rows) if recursive else ())])
        if recursive:
            for rows in reversed(group):  # parts after what brings them
                self.want_owner(rows)
        return True

    def ask_for(self, way: Way, columns: Iterable[str]) -> None:
        """Ask where a way begins for what it needs. columns: what of the rows is wanted that it leads to."""
        match way:
            case Same():
                self.want(way.source, columns)
            case Above():
                self.want(way.source, way.reference.attributes)
            case Below():
                self.want(way.source, (there for _, there in way.reference.pairs))
            case Picked():
                pass
            case _:
                assert_never(way)

    def want_owner(self, rows: Rows) -> None:
        """The recursion finds keys alone: for a part that is wanted, what brings it is asked, too."""
        for way in self.slice.plan.ways[rows]:
            if rows in self.wanted and rows.role is Role.BROUGHT and isinstance(way, Below):
                self.want(way.source, (there for _, there in way.reference.pairs))

    def columns(self, rows: Rows) -> Names:
        """The attributes of the rows of a set that are asked for."""
        return tuple(self.wanted.get(rows, ()))

    # --- sets --------------------------------------------------------------------------------------------------------

    def at(self, rows: Rows) -> str:
        """The name of a set."""
        return f"r{self.numbers[rows]}"

    def name(self, rows: Rows, text: str) -> None:
        self.numbers[rows] = len(self.numbers) + 1
        self.named.append(f"{self.at(rows)} AS ({text})")

    def defined(self, rows: Rows) -> str:
        """The SELECT of a set."""
        if self.slice.is_recursive(rows) and rows.role is not Role.BROUGHT:
            return self.of_recursive(rows)
        return self.union(rows, self.slice.plan.ways[rows], self.columns(rows))

    def union(self, rows: Rows, ways: Iterable[Way], columns: Names) -> str:
        """The rows that some ways lead to, each once where there are several ways."""
        selects, among, key = [], list[str](), self.slice.key(rows)
        ways = list(ways)
        for way in ways:
            if isinstance(way, Above) and not set(columns) <= set(key):
                among.append(self.referred(way, key))
            else:
                selects.append(self.select(rows, way, columns, alone=len(ways) == 1))
        if among:
            # Each key once, before the table is asked: of IN, PostgreSQL may look for each row of the table through
            # all that could refer to it. A guess of too few keys costs a look-up for each of them and no more.
            named = ", ".join(f"s.{identifier(name)}" for name in key)
            keys = f"SELECT DISTINCT {named} FROM ({' UNION ALL '.join(among)}) AS s"
            selects.append(f"{self.read(rows, columns)} JOIN ({keys}) AS s ON {self.same(rows, _alike(key))}")
        return "\nUNION ".join(selects)

    def select(self, rows: Rows, way: Way, columns: Names, *, alone: bool) -> str:
        """The rows that one way leads to. alone: nothing else makes them distinct."""
        match way:
            case Picked():
                text = compiler.source(self.slice.chosen[way.choice], Dialect.POSTGRES, columns).text
                listed = ", ".join(f"{self.same_order(rows, name, 'g')} AS {identifier(name)}" for name in columns)
                return f"SELECT {listed} FROM (\n{text}\n) AS g"
            case Same():
                return f"SELECT {_listed(_alike(columns), 's')} FROM {self.at(way.source)} AS s"
            case Below():
                # Each row of a set is there once. Of a join PostgreSQL knows what it costs; of IN it takes the values
                # for few where it has no statistics of them, as of a set that has a name.
                same = self.same(rows, way.reference.pairs)
                return f"{self.read(rows, columns)} JOIN {self.at(way.source)} AS s ON {same}"
            case Above():
                return self.referred(way, columns, distinct=alone)
            case _:
                assert_never(way)

    def referred(self, way: Above, columns: Names, *, distinct: bool = False) -> str:
        """What the rows of a set refer to, of these attributes of the parent."""
        source, here = way.source, {there: own for own, there in way.reference.pairs}
        pairs = [(here[name], name) for name in columns]
        distinct = distinct and not set(self.slice.key(source)) <= {here[name] for name in columns}
        present = [name for name in way.reference.attributes if self.slice.attribute(source, name).nullable]
        where = " AND ".join(f"s.{identifier(name)} IS NOT NULL" for name in present)
        text = f"SELECT {'DISTINCT ' if distinct else ''}{_listed(pairs, 's')} FROM {self.at(source)} AS s"
        return f"{text} WHERE {where}" if where else text

    # --- columns of tables -------------------------------------------------------------------------------------------

    def read(self, rows: Rows, columns: Names) -> str:
        """SELECT of columns of the table itself, in the types and the collation that all of them are compared in."""
        listed = ", ".join(f"{self.column(rows, name, 'r')} AS {identifier(name)}" for name in columns)
        return f"SELECT {listed} FROM {full_name(rows.table)} AS r"

    def same(self, rows: Rows, pairs: Iterable[tuple[str, str]]) -> str:
        """That attributes of the table, `r`, are those of a set, `s`."""
        return " AND ".join(f"{self.column(rows, own, 'r')} = s.{identifier(there)}" for own, there in pairs)

    def column(self, rows: Rows, name: str, alias: str) -> str:
        attribute = self.slice.attribute(rows, name)
        return by_code_points(compared(attribute, alias), attribute.type)

    def same_order(self, rows: Rows, name: str, alias: str) -> str:
        return by_code_points(f"{alias}.{identifier(name)}", self.slice.attribute(rows, name).type)

    # --- recursion ---------------------------------------------------------------------------------------------------

    def name_recursive(self, group: tuple[Rows, ...]) -> None:
        """Name the sets of a group together: the keys of all in one, of each in columns of its own; `t` tells which."""
        self.named.append(_Recursion(self, group).text())

    def of_recursive(self, rows: Rows) -> str:
        """A set of such a group."""
        group = next(each for each in self.slice.plan.order if rows in each)
        recursion, key, columns = _Recursion(self, group), self.slice.key(rows), self.columns(rows)
        source = f"FROM {recursion.name} AS c{recursion.where(rows)}"
        if set(columns) <= set(key):
            distinct = "" if set(columns) == set(key) else "DISTINCT "
            return f"SELECT {distinct}{recursion.listed(rows, columns)} {source}"
        keys = f"(SELECT {recursion.listed(rows, key)} {source}) AS s"
        return f"{self.read(rows, columns)} JOIN {keys} ON {self.same(rows, _alike(key))}"


@frozen
class _Recursion:
    """A group of sets that depend on themselves."""

    writing: _Writing
    group: tuple[Rows, ...]

    @property
    def slice(self) -> Slice:
        return self.writing.slice

    @property
    def name(self) -> str:
        return f"c{self.slice.plan.order.index(self.group)}"

    @property
    def carried(self) -> tuple[Rows, ...]:
        """The sets whose keys are in it: those of parts that are brought are told by their master's."""
        return tuple(rows for rows in self.group if rows.role is not Role.BROUGHT)

    def column(self, rows: Rows, name: str, alias: str = "c") -> str:
        """A column of the recursion that has an attribute of a key."""
        return f"{alias}.k{self.carried.index(rows)}_{self.slice.key(rows).index(name)}"

    def listed(self, rows: Rows, names: Iterable[str]) -> str:
        return ", ".join(f"{self.column(rows, name)} AS {identifier(name)}" for name in names)

    def where(self, rows: Rows) -> str:
        return "" if len(self.carried) == 1 else f" WHERE c.t = {self.carried.index(rows)}"

    def text(self) -> str:
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

    recursion: _Recursion
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


def _joined(named: Iterable[str]) -> str:
    return ",\n".join(named)


def _alike(names: Iterable[str]) -> list[tuple[str, str]]:
    """Columns under their own names."""
    return [(name, name) for name in names]


def _listed(pairs: Iterable[tuple[str, str]], alias: str) -> str:
    """Columns under other names; of none, something that is there in each row."""
    return ", ".join(f"{alias}.{identifier(name)} AS {identifier(new)}" for name, new in pairs) or "1 AS one"
