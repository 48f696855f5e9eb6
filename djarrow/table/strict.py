"""Strict reads: what a make may read of which tables, and what becomes of other reads. docs/provenance.md.

What a query reads is proved from its structure, expr/confinement.py; no row is asked for. The proof is remembered for
all queries that differ in constants only, as long as these have the key's values in the same places.
"""

from __future__ import annotations

import inspect
import sys
import warnings
from collections.abc import Mapping
from types import FrameType
from typing import TYPE_CHECKING, Any
from uuid import UUID
from weakref import WeakKeyDictionary

from attrs import field, frozen

from djarrow.errors import StrictReadError, StrictReadWarning
from djarrow.expr.confinement import Names, Problem, Rule, problems
from djarrow.expr.structure import take_apart
from djarrow.model.upstream import Reached, determined, upstream
from djarrow.settings import config

if TYPE_CHECKING:
    from collections.abc import Callable

    from djarrow.expr.nodes import Node
    from djarrow.model.names import TableName
    from djarrow.model.spec import TableSpec
    from djarrow.table.table import Table
    from djarrow.table.writing.permission import Making

REMEMBERED = 512
"""Structures of queries whose proof is kept, for each table that is made."""


@frozen(eq=False)
class Permitted:
    """What the makes of a table for keys of these attributes may read. upstream: every table that it depends on;
    determined: those of which the key tells the rows.
    """

    known: Names
    specs: Mapping[TableName, TableSpec]
    upstream: Mapping[TableName, Reached]
    determined: Mapping[TableName, Reached]
    rules: Mapping[TableName, Rule]
    _proved: dict[Any, tuple[tuple[TableName, Problem], ...]] = field(factory=dict, init=False)

    def problems(self, node: Node, key: Mapping[str, Any]) -> tuple[tuple[TableName, Problem], ...]:
        """What a query reads against the rules."""
        query = take_apart(node)
        values = [(name, key[name]) for name in self.known]
        constants = tuple(_constant(constant, values) for constant in query.constants)
        proved = self._proved.get((query.structure, constants))
        if proved is None:
            if len(self._proved) >= REMEMBERED:
                self._proved.clear()
            read = tuple(dict(c) if isinstance(c, tuple) else c for c in constants)
            proved = self._proved[query.structure, constants] = problems(query.structure, read, self.rules)
        return proved


_permitted: WeakKeyDictionary[type[Table], tuple[object, Permitted]] = WeakKeyDictionary()
"""By the class of the table, with what it was found from."""


def permitted(maker: Table, key: Mapping[str, Any]) -> Permitted:
    """What a make of this table for a key may read. Remembered until its schemas have other tables."""
    schema, spec = maker.schema, maker.spec
    evidence = (spec, frozenset(key), schema.tables_known())
    found = _permitted.get(type(maker))
    if found is None or found[0] != evidence:
        specs = {name: schema.parent_spec(name) for name in schema.all_parents()}
        found = _permitted[type(maker)] = (evidence, _rules(spec, frozenset(key), specs))
    return found[1]


def _rules(spec: TableSpec, key: Names, specs: Mapping[TableName, TableSpec]) -> Permitted:
    known = key & frozenset(spec.heading.primary_key)
    reached = upstream(spec.name, specs)
    told = determined(spec.name, known, reached)
    rules: dict[TableName, Rule] = {}
    for name, one in reached.items():
        if name == spec.name:
            own = tuple(n for n in spec.heading.primary_key if n in known)
            rules[name] = Rule(own, ({n: n for n in own},))
        elif one.brought:
            rules[name] = _of_part(one, rules[one.vias[0].source])
        elif name in told:
            ways = tuple(dict(via.pairs) for via in told[name].vias if via.source == spec.name)
            rules[name] = Rule(specs[name].heading.primary_key, ways)
        else:
            rules[name] = Rule(free=True)
    return Permitted(known, specs, reached, told, rules)


def _of_part(part: Reached, master: Rule) -> Rule:
    """The rule of a part: that of its master, by the names that the part has for its key."""
    if master.free:
        return master
    own = {there: here for here, there in part.vias[0].pairs}
    options = tuple({own[n]: value for n, value in option.items()} for option in master.options)
    return Rule(tuple(own[n] for n in master.attributes), options)


# --- constants ---------------------------------------------------------------------------------------------------


def _constant(constant: Any, values: list[tuple[str, Any]]) -> Any:
    """Which attributes of the key have the value of a constant; of a table of rows, one pair for each column."""
    if hasattr(constant, "column_names"):
        return tuple((name, _of_column(constant.column(name), values)) for name in constant.column_names)
    return frozenset(name for name, value in values if _same(constant, value))


def _of_column(column: Any, values: list[tuple[str, Any]]) -> Names:
    """Which attributes of the key have the only value of a column."""
    distinct = column.unique() if len(column) > 1 else column
    if len(distinct) != 1:
        return frozenset()
    only = distinct[0].as_py()
    return frozenset(name for name, value in values if _same(only, value))


def _same(one: Any, other: Any) -> bool:
    """Whether two values are one, of types that can be. Values that cannot be compared are not."""
    if isinstance(one, bytes) and isinstance(other, UUID):  # as columns carry it
        one = UUID(bytes=one)
    try:
        return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)
    except (TypeError, ValueError, ArithmeticError):
        return False


# --- reads -------------------------------------------------------------------------------------------------------


def check_read(node: Node, make: Making, written_in: Callable[..., Any] | None = None) -> None:
    """Warn of a read, or refuse it, where it reads what the make of this key does not depend on.

    A make for many keys may read every row of what these depend on. written_in: the function that the read stands in,
    where that is not running. Raises StrictReadError where `strict_reads` is "error".
    """
    if make.maker is None or (wanted := config["strict_reads"]) == "off":
        return
    key = make.key or {}
    try:
        found = permitted(make.maker, key).problems(node, key)
    except RecursionError:  # the compiler tells what to do of a query that is nested so deeply
        return
    if not found:
        return
    file, line, names = _place() if written_in is None else _place_of(written_in)
    for table, problem in found:
        message = _MESSAGES[problem](str(table))
        if wanted == "error":
            raise StrictReadError(message, table=str(make.table), key=make.key, read=str(table), file=file, line=line)
        text = f"The make of {make.table}: {message}"
        registry = names.setdefault("__warningregistry__", {})
        warnings.warn_explicit(text, StrictReadWarning, file, line, names.get("__name__"), registry)


_MESSAGES: dict[Problem, Callable[[str], str]] = {
    Problem.FOREIGN: lambda table: (
        f"it reads {table}, which is not upstream of it, so that nothing tells that its results depend on that. Refer "
        "to it in the definition."
    ),
    Problem.OTHER_KEYS: lambda table: (
        f"it reads rows of {table} beyond those that its key depends on, or that cannot be told from the query. "
        "Restrict by the key, or read `self.upstream[...]`."
    ),
}

_LIBRARIES = frozenset({"polars", "pyarrow", "pandas", "numpy", "contextlib"})
"""What can stand between the code of a user and a read."""


Place = tuple[str, int, dict[str, Any]]
"""A file, a line, and the global names there."""


def _place() -> Place:
    """The line of the user's that reads."""
    frame = _reading_frame()
    return ("<unknown>", 0, {}) if frame is None else (frame.f_code.co_filename, frame.f_lineno, frame.f_globals)


def _place_of(function: Callable[..., Any]) -> Place:
    """Where a function is defined."""
    plain: Any = inspect.unwrap(function)
    code = plain.__code__
    return code.co_filename, code.co_firstlineno, plain.__globals__


def _reading_frame() -> FrameType | None:
    """Where it runs: the innermost that belongs to no library."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        module = str(frame.f_globals.get("__name__"))
        package = module.partition(".")[0]
        if (package != "djarrow" or module.startswith("djarrow.demo")) and package not in _LIBRARIES:
            return frame
        frame = frame.f_back
    return None
