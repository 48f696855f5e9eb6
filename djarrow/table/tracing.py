"""dj.trace: every upstream row of a result, as one query for each table. docs/provenance.md.

Which tables, and how they are reached: model/upstream.py; the queries' nodes: expr/upstream.py; how a diagram is
written: show/flowchart.py.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from djarrow.errors import NotUpstream, QueryError, hint_nearest, told
from djarrow.expr.identity import identified
from djarrow.expr.nodes import First
from djarrow.expr.upstream import Upstream, all_rows_of
from djarrow.model import names
from djarrow.model.names import TableName
from djarrow.model.upstream import upstream
from djarrow.show.flowchart import Arrow, Box, flowchart
from djarrow.table.existing.classes import classes_of
from djarrow.table.expression import QueryExpression, as_expression
from djarrow.table.table import Home, Table

if TYPE_CHECKING:
    from djarrow.model.spec import TableSpec

COUNTED = 10_000
"""Rows up to which the repr counts those of a table."""
SECONDS = 0.5
"""What counting the rows of one table may take there."""
BUDGET = 2.0
"""What all of it may take; tables that are left then have no count."""


def trace(what: Any) -> Trace:
    """Every row that a result depends on by foreign keys, in every table upstream, as queries: nothing is read yet.

    what: a table, or a query that tells which rows of its first table it means, `dj.trace(Spikes & key)`.

    The trace is a mapping from a table, as class or as "schema.table", to a query of its rows: `trace[Session]`.
    Iterating gives the names: the table itself first, then the others, each after all that depend on it. Raises
    QueryError for a query that has rows of its own. docs/provenance.md.
    """
    expression = as_expression(what)
    if expression is None:
        raise QueryError(f"dj.trace takes a table or a query, not {told(what)}.")
    found = identified(expression.node)
    tables = [root for root in expression._roots if isinstance(root, Table)]
    table = None if found is None else next((t for t in tables if t.spec.name == found.table.name), None)
    if found is None or found.key is None or table is None:
        raise QueryError(
            f"{expression.node} has rows of its own, and does not tell which rows of a table to trace. Restrict the "
            "table by it: `dj.trace(Table & query)`."
        )
    specs = all_specs(table.schema)
    plan = upstream(found.table.name, specs)
    return Trace(expression, table, Upstream(plan, specs, all_rows_of(found, expression.node)))


def all_specs(home: Home) -> dict[TableName, TableSpec]:
    """What every table is that those of a schema can depend on."""
    return {name: home.parent_spec(name) for name in home.all_parents()}


def name_of(given: Any) -> TableName | str:
    """The name of a table that is given as class, instance, or name."""
    if isinstance(given, str | TableName):
        return given
    table = given() if isinstance(given, type) and issubclass(given, Table) else given
    if isinstance(table, Table):
        return table.spec.name
    raise QueryError(f"a table is named by its class, or by text as 'schema.table', not by {told(given)}.")


def found_name(given: TableName | str, among: Mapping[TableName, Any]) -> TableName | None:
    """The table of this name: `lab.session`, or as definitions refer to it, `lab.Session`."""
    if isinstance(given, TableName):
        return given if given in among else None
    for called in (str, lambda name: names.class_reference(name, "")):
        alike = [name for name in among if called(name) == given]
        if len(alike) == 1:
            return alike[0]
    return None


def as_query(found: Upstream, name: TableName, given: Any, home: Home, *others: QueryExpression) -> QueryExpression:
    """The rows of a table upstream as a query. given: how the user named it; if by its class, that serves."""
    table = as_expression(given)
    if not isinstance(table, Table):
        (cls,) = classes_of([found.specs[name]], home).values()
        table = cls()
    return QueryExpression(found.rows(name), table, *others)


@frozen(eq=False, repr=False)
class Trace(Mapping[Any, QueryExpression]):
    """What dj.trace gives: table -> query of the rows upstream."""

    expression: QueryExpression = field()
    table: Table
    upstream: Upstream

    def __getitem__(self, table: Any) -> QueryExpression:
        """The rows of a table. Raises NotUpstream, with the nearest name."""
        given = name_of(table)
        name = found_name(given, self.upstream.plan)
        if name is None:
            raise NotUpstream(
                f"{self.table.spec.name} does not depend on {given}.{hint_nearest(str(given), self)}", table=str(given)
            )
        return as_query(self.upstream, name, table, self.table.schema, *self.expression._roots)

    def __contains__(self, table: object) -> bool:
        return found_name(name_of(table), self.upstream.plan) is not None

    def __iter__(self) -> Iterator[str]:
        return map(str, self.upstream.plan)

    def __len__(self) -> int:
        return len(self.upstream.plan)

    def counts(self) -> dict[str, int]:
        """How many rows each table has; those without rows are left out. One statement a table."""
        found = {name: len(self[name]) for name in self}
        return {name: number for name, number in found.items() if number}

    def diagram(self) -> str:
        """The text of a Mermaid flowchart of the tables that have rows, with how many; an arrow is a foreign key.

        Parents stand above children. Shape and colour tell the tier; arrows of secondary foreign keys are dashed.
        """
        counts = self.counts()
        shown = [name for name in self.upstream.plan if str(name) in counts]
        specs = self.upstream.specs
        boxes = [_box(specs[name], counts[str(name)]) for name in shown]
        arrows = dict.fromkeys(
            Arrow(key.parent, name, key in specs[name].primary_foreign_keys)
            for name in shown
            for key in specs[name].foreign_keys
            if key.parent in shown
        )
        return flowchart(boxes, arrows)

    def __repr__(self) -> str:
        """The tables with their rows, counted in bounded time: looking at it never raises and connects to nothing."""
        until, lines = time.monotonic() + BUDGET, [f"What {self.expression.node} depends on:"]
        for name in self:
            lines.append(f"  {name}  {self._counted(name) if time.monotonic() < until else 'not counted'}")
        return "\n".join(lines)

    def _counted(self, name: str) -> str:
        from djarrow.sql import compile as compiler
        from djarrow.sql.dialects import Dialect
        from djarrow.table.preview import open_reader

        try:
            query = self[name]
            reader = open_reader(query)
            if reader is None:
                return "not counted: nothing is connected yet"
            text = compiler.count(First(query.node, (), COUNTED + 1), Dialect(reader.dialect)).text
            with reader.look(SECONDS) as read:
                number = int(read(text).column("n")[0].as_py())
        except Exception as error:  # noqa: BLE001 - shown instead: a repr that raises hides what one wanted to see
            return f"not counted: {type(error).__name__}"
        return f"more than {COUNTED} rows" if number > COUNTED else _rows(number)


def _rows(number: int) -> str:
    return f"{number} {'row' if number == 1 else 'rows'}"


def _box(spec: TableSpec, number: int) -> Box:
    lines = [str(spec.name), *([spec.comment] if spec.comment else []), _rows(number)]
    return Box(spec.name, spec.tier, lines, is_part=spec.master is not None)
