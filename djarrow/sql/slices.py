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
from djarrow.sql import compile as compiler
from djarrow.sql.ddl import compared, full_name
from djarrow.sql.dialects import Dialect, by_code_points
from djarrow.sql.literals import identifier
from djarrow.sql.recursive_slices import Recursion

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
        return Writing(self.slice).text(self.name, self.ways or self.slice.ways_to(self.name))


@define
class Writing:
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
        """Have these attributes among the columns of a set."""
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
        """Define a set."""
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
                distinct = "" if not columns or set(self.slice.key(rows)) <= set(columns) else "DISTINCT "
                return f"SELECT {distinct}{listed} FROM (\n{text}\n) AS g"
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
        """An attribute of a table of a set, as it is compared."""
        attribute = self.slice.attribute(rows, name)
        return by_code_points(compared(attribute, alias), attribute.type)

    def same_order(self, rows: Rows, name: str, alias: str) -> str:
        """An attribute of a set, in the collation that all of them are compared in."""
        return by_code_points(f"{alias}.{identifier(name)}", self.slice.attribute(rows, name).type)

    # --- recursion ---------------------------------------------------------------------------------------------------

    def name_recursive(self, group: tuple[Rows, ...]) -> None:
        """Name the sets of a group together: the keys of all in one, of each in columns of its own; `t` tells which."""
        self.named.append(Recursion(self, group).text())

    def of_recursive(self, rows: Rows) -> str:
        """A set of such a group."""
        group = next(each for each in self.slice.plan.order if rows in each)
        recursion, key, columns = Recursion(self, group), self.slice.key(rows), self.columns(rows)
        source = f"FROM {recursion.name} AS c{recursion.where(rows)}"
        if set(columns) <= set(key):
            distinct = "" if set(columns) == set(key) else "DISTINCT "
            return f"SELECT {distinct}{recursion.listed(rows, columns)} {source}"
        keys = f"(SELECT {recursion.listed(rows, key)} {source}) AS s"
        return f"{self.read(rows, columns)} JOIN {keys} ON {self.same(rows, _alike(key))}"


def _joined(named: Iterable[str]) -> str:
    return ",\n".join(named)


def _alike(names: Iterable[str]) -> list[tuple[str, str]]:
    """Columns under their own names."""
    return [(name, name) for name in names]


def _listed(pairs: Iterable[tuple[str, str]], alias: str) -> str:
    """Columns under other names; of none, something that is there in each row."""
    return ", ".join(f"{alias}.{identifier(name)} AS {identifier(new)}" for name, new in pairs) or "1 AS one"
