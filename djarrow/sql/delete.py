"""A plan of what goes -> statements: the one that deletes all of it, and those that count, lock and look for masters.

PostgreSQL checks foreign keys at the end of a statement, so that one may delete parents first, each table asking for
the rows that went before. Nothing is expanded for several paths: a table is deleted from once for each, and a row that
two of them reach goes once. The statements that count and lock are of the same shape, with SELECT.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from attrs import frozen

from djarrow.expr.conditions import names_in
from djarrow.expr.nodes import Node, Restricted, Stored, matched_with
from djarrow.model.cascade import Plan, Reference, Step
from djarrow.model.heading import Heading
from djarrow.model.names import TableName
from djarrow.sql import compile as compiler
from djarrow.sql.ddl import full_name
from djarrow.sql.dialects import Dialect
from djarrow.sql.literals import identifier


@frozen
class Rows:
    """Rows of a table: what stands after FROM, and the name of the table in it."""

    text: str
    alias: str = "r"

    def columns(self, names: Iterable[str]) -> str:
        """These columns; without any, something that is there in each row."""
        return _columns(names, self.alias) or "1 AS one"


def chosen(table: Stored, node: Node, key: tuple[str, ...]) -> Rows:
    """The rows of a table that a query identifies. key: the attributes that hold the table's key in the query."""
    if _is_plain(node):
        return Rows(compiler.deleting(node).text.removeprefix("DELETE FROM "), "t1")
    rows = f"{full_name(table.name)} AS r WHERE "
    inner = compiler.source(node, Dialect.POSTGRES, key).text
    if not key:
        return Rows(f"{rows}EXISTS ({inner})")
    return Rows(f"{rows}({_compared(table.heading)}) IN ({inner})")


def _is_plain(node: Node) -> bool:
    return isinstance(node, Stored) or (isinstance(node, Restricted) and _is_plain(node.source))


def asked(node: Node) -> frozenset[str] | None:
    """The attributes that alone decide which rows of a table a query means; None where other rows do, too."""
    if isinstance(node, Stored):
        return frozenset()
    if not isinstance(node, Restricted) or any(True for _ in matched_with(node.condition)):
        return None
    inner = asked(node.source)
    return None if inner is None else inner | names_in(node.condition)


def _chosen_alike(node: Node, table: TableName) -> Rows:
    """The rows of another table for which the conditions hold, which ask for columns of the same names."""

    def moved(part: Node) -> Node:
        return (
            Restricted(moved(part.source), part.condition)
            if isinstance(part, Restricted)
            else Stored(table, node.heading)
        )

    return Rows(compiler.deleting(moved(node)).text.removeprefix("DELETE FROM "), "t1")


def _compared(heading: Heading) -> str:
    """The key as terms compare it (model/types.py)."""
    columns = [(f"r.{identifier(name)}", heading[name].type.row.recast) for name in heading.primary_key]
    return ", ".join(column if cast is None else f"CAST({column} AS {cast})" for column, cast in columns)


@frozen
class Statements:
    """The statements of one plan. first: the rows of its first table; node: the query that chooses them."""

    plan: Plan
    first: Rows
    node: Node

    # --- deleting and counting -----------------------------------------------------------------------------------

    def delete(self) -> str:
        """Delete everything. Gives one row: n0, n1, ... by step, and v0, ... rows that would go without a master's."""
        return self._counting(self._deleted)

    def count(self) -> str:
        """What `delete` would give."""
        return self._counting(self._selected)

    def _counting(self, form: Callable[[int, Step], list[str]]) -> str:
        named = [text for number, step in enumerate(self.plan.steps) for text in form(number, step)]
        counts = [f"(SELECT count(*) FROM d{number}) AS n{number}" for number in range(len(self.plan.steps))]
        counts += [
            f"(SELECT count(*) FROM {self._without_master(number, step.owner)}) AS v{number}"
            for number, step in enumerate(self.plan.steps)
            if step.owner is not None
        ]
        return f"WITH RECURSIVE {_listed(named)}\nSELECT {', '.join(counts)}"

    def _deleted(self, number: int, step: Step) -> list[str]:
        """The rows of a step, deleted."""
        closure, ways = self._ways(number, step)
        needed = self.plan.needed(step)
        if len(ways) == 1:
            return [*closure, f"d{number} AS (DELETE FROM {ways[0].text} RETURNING {ways[0].columns(needed)})"]
        each = [
            f"d{number}_{place} AS (DELETE FROM {way.text} RETURNING {way.columns(needed)})"
            for place, way in enumerate(ways)
        ]
        together = " UNION ALL ".join(f"SELECT * FROM d{number}_{place}" for place in range(len(ways)))
        return [*closure, *each, f"d{number} AS NOT MATERIALIZED ({together})"]

    def _selected(self, number: int, step: Step) -> list[str]:
        """The rows of a step, each once."""
        closure, ways = self._ways(number, step)
        needed = self.plan.needed(step)
        if len(ways) == 1:
            return [*closure, f"d{number} AS MATERIALIZED (SELECT {ways[0].columns(needed)} FROM {ways[0].text})"]
        each = " UNION ".join(
            f"SELECT {way.alias}.tableoid, {way.alias}.ctid, {way.columns(needed)} FROM {way.text}" for way in ways
        )
        return [*closure, f"d{number} AS MATERIALIZED ({each})"]

    # --- which rows ----------------------------------------------------------------------------------------------

    def _ways(self, number: int, step: Step) -> tuple[list[str], list[Rows]]:
        """The rows of a step, by each way that leads to them, and what must be named before: of a hierarchy, all keys
        below these.
        """
        table, ways = full_name(step.table), []
        if step.table == self.plan.first:
            ways.append(self.first)
        elif step.whole:
            ways.append(Rows(f"{table} AS r"))
        for link in step.links:
            if link.alike:
                ways.append(_chosen_alike(self.node, step.table))
                continue
            pairs = sorted(link.pairs)
            inner = (
                f"SELECT {_columns((theirs for _, theirs in pairs), 'd')} FROM d{self.plan.number(link.source)} AS d"
            )
            ways.append(Rows(f"{table} AS r WHERE ({_columns((ours for ours, _ in pairs), 'r')}) IN ({inner})"))
        for claim in step.claims:
            columns = claim.parent_columns
            inner = f"SELECT {_columns(columns, 'm')} FROM {self._masters(claim)} AS m"
            ways.append(Rows(f"{table} AS r WHERE ({_columns(columns, 'r')}) IN ({inner})"))
        if not step.own:
            return [], ways
        inner = f"SELECT {_columns(step.identity, 'c')} FROM c{number} AS c"
        return [_closure(number, step, ways)], [
            Rows(f"{table} AS r WHERE ({_columns(step.identity, 'r')}) IN ({inner})")
        ]

    # --- parts ---------------------------------------------------------------------------------------------------

    def _without_master(self, number: int, owner: Reference) -> str:
        """The rows of a part that go although their master's stays."""
        part, master = f"d{number} AS p", self.plan.number(owner.parent)
        if master is None:
            return part
        same = " AND ".join(f"m.{identifier(theirs)} = p.{identifier(ours)}" for ours, theirs in owner.pairs)
        return f"{part} WHERE NOT EXISTS (SELECT 1 FROM d{master} AS m WHERE {same})"

    @property
    def _claims(self) -> list[Reference]:
        return [claim for step in self.plan.steps for claim in step.claims]

    def _masters(self, claim: Reference) -> str:
        """The temporary table of the masters that go because of one of their parts."""
        return f"pg_temp.{identifier(f'djarrow_masters_{self._claims.index(claim)}')}"

    def create_masters(self) -> list[str]:
        """Temporary tables for the keys of masters that go because of their parts, one for each part."""
        return [
            f"CREATE TEMPORARY TABLE {self._masters(claim).removeprefix('pg_temp.')} ON COMMIT DROP AS "
            f"SELECT {_columns(claim.parent_columns, 'm')} FROM {full_name(claim.parent)} AS m WITH NO DATA"
            for claim in self._claims
        ]

    def drop_masters(self) -> list[str]:
        """Remove these before the transaction ends, so that it can delete once more."""
        return [f"DROP TABLE {self._masters(claim)}" for claim in self._claims]

    def find_masters(self) -> str | None:
        """Add the masters of the rows that would go without; gives how many as `n`. None where there can be none."""
        owners = {step.owner: number for number, step in enumerate(self.plan.steps) if step.owner is not None}
        wanted = [claim for claim in self._claims if claim in owners]
        if not wanted:
            return None
        named = [text for number, step in enumerate(self.plan.steps) for text in self._selected(number, step)]
        for place, claim in enumerate(wanted):
            columns = _columns(claim.columns, "p")
            rows = self._without_master(owners[claim], claim)
            named.append(
                f"f{place} AS (INSERT INTO {self._masters(claim)} SELECT DISTINCT {columns} FROM {rows} RETURNING 1)"
            )
        counts = " + ".join(f"(SELECT count(*) FROM f{place})" for place in range(len(wanted)))
        return f"WITH RECURSIVE {_listed(named)}\nSELECT {counts} AS n"

    # --- locking -------------------------------------------------------------------------------------------------

    def locks(self) -> list[str]:
        """Keep others from changing what is chosen, and from adding rows below what goes: a statement for the first
        table and for each that has tables below, in order. Each sees what was added before the one above was locked.
        """
        named: list[str] = []
        statements = []
        for number, step in enumerate(self.plan.steps):
            closure, ways = self._ways(number, step)
            if step.table in self.plan.above or step.table == self.plan.first:
                before = [*named, *closure]
                each = " + ".join(f"(SELECT count(*) FROM ({_locking(step, way)}) AS l)" for way in ways)
                statements.append((f"WITH RECURSIVE {_listed(before)}\n" if before else "") + f"SELECT {each} AS n")
            if self.plan.needed(step):
                named += self._selected(number, step)
        return statements


def _locking(step: Step, way: Rows) -> str:
    """In the order of the key: of two that delete the same rows, one waits for the other."""
    order = _columns(step.key, way.alias)
    return f"SELECT 1 FROM {way.text}{f' ORDER BY {order}' if order else ''} FOR UPDATE OF {way.alias}"


def _closure(number: int, step: Step, ways: list[Rows]) -> str:
    """The keys of the rows that the ways lead to, and of all below them in the hierarchy."""
    columns = tuple(dict.fromkeys((*step.identity, *(theirs for one in step.own for _, theirs in one.pairs))))
    start = " UNION ".join(f"SELECT {way.columns(columns)} FROM {way.text}" for way in ways)
    same = " OR ".join(
        " AND ".join(f"r.{identifier(ours)} = c.{identifier(theirs)}" for ours, theirs in one.pairs) for one in step.own
    )
    below = f"SELECT {_columns(columns, 'r')} FROM c{number} AS c JOIN {full_name(step.table)} AS r ON {same}"
    return f"c{number} AS (({start}) UNION {below})"


def _columns(names: Iterable[str], alias: str) -> str:
    return ", ".join(f"{alias}.{identifier(name)}" for name in names)


def _listed(named: Iterable[str]) -> str:
    return ",\n".join(named)
