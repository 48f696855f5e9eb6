"""How a query is cut into parts that are read at once: by ranges of an attribute's values. Decision 009."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from numbers import Integral
from typing import TYPE_CHECKING, Any

from attrs import frozen

from djarrow.errors import InvalidCondition, told
from djarrow.expr.conditions import Condition, Holds
from djarrow.expr.functions import BOOL
from djarrow.expr.nodes import Joined, Node, Order, Projected, Restricted, Stored, tables
from djarrow.expr.operators import all_of, any_of, restrict
from djarrow.expr.terms import Call, Column, Term, Value, column
from djarrow.model.types import KEYLESS_FAMILIES

if TYPE_CHECKING:
    import pyarrow as pa

    from djarrow.engine.base import Reader
    from djarrow.table.selection import Selection

MOST = 32
"""Each part takes a connection of the server, which has a hundred unless told otherwise."""


def part_count(given: Any, name: str = "partitions") -> int:
    """The number of partitions, or what it is called here. Raises InvalidCondition for what is none."""
    if isinstance(given, bool) or not isinstance(given, Integral) or not 1 <= int(given) <= MOST:
        raise InvalidCondition(f"{name} is a number of connections from 1 to {MOST}, not {told(given)}.")
    return int(given)


def read(node: Node, wanted: Selection, parts: int, reader: Reader) -> pa.Table:
    """What is wanted of the query, as the engine gives it, over at most so many connections.

    A number of rows from the first on cannot be cut: one connection reads them.
    """
    import pyarrow as pa

    from djarrow.sql.snapshot import lock_tables

    kept = sorted(tables(node))
    if reader.read_parallel is None or not kept:
        return reader.read(wanted.text(node, reader.dialect))
    cut = [node] if wanted.bounded else parts_of(node, wanted.rows(node).order, parts, reader)
    texts = [wanted.text(part, reader.dialect) for part in cut]
    return pa.concat_tables(reader.read_parallel(texts, lock=lambda wait: lock_tables(kept, wait=wait)))


def parts_of(node: Node, order: Sequence[Order], parts: int, reader: Reader) -> list[Node]:
    """The query as at most so many queries, in the order of the rows; itself where it cannot be cut.

    Its rows are cut by the first term of the order, so that the parts follow each other; where there is no order, by
    that attribute of the key which cuts best.
    """
    from djarrow.frame import results
    from djarrow.sql.bounds import bounds_of

    key = [Order(column(node.heading[name])) for name in node.heading.primary_key]
    cuts = _cuts(node, order[:1] or key)
    if parts == 1 or not cuts:
        return [node]
    table = cuts[0].table
    asked = table.heading.select(tuple(dict.fromkeys(cut.attribute for cut in cuts)))
    answer = results.declared(reader.read(bounds_of(table.name, asked, parts), few=True), asked)
    rows = list(results.to_dicts(answer, asked))
    found = [(cut, list(dict.fromkeys(row[cut.attribute] for row in rows))) for cut in cuts]
    cut, values = max(found, key=lambda pair: len(pair[1]))  # the first of the best: the key's index begins with it
    return [restrict(node, condition) for condition in _ranges(cut.order, values)]


@frozen
class _Cut:
    """A term of the order, and the attribute of a stored table whose values it gives."""

    order: Order
    table: Stored
    attribute: str


def _cuts(node: Node, orders: Sequence[Order]) -> list[_Cut]:
    """By what a query can be cut, all of one table."""
    found: list[_Cut] = []
    for order in orders if _is_plain(node) else ():
        term = order.term
        if isinstance(term, Column) and term.type.family not in KEYLESS_FAMILIES:
            origin = _origin(node, term.name)
            if origin is not None and (not found or origin[0] == found[0].table):
                found.append(_Cut(order, *origin))
    return found


def _is_plain(node: Node) -> bool:
    """Whether a condition on the query is one on its tables: groups and first rows would be computed for each part."""
    match node:
        case Stored():
            return True
        case Restricted() | Projected():
            return _is_plain(node.source)
        case Joined():
            return _is_plain(node.left) and _is_plain(node.right)
        case _:
            return False


def _origin(node: Node, name: str) -> tuple[Stored, str] | None:
    """The stored table, and its attribute, that an attribute of the query is."""
    match node:
        case Stored():
            return node, name
        case Restricted():
            return _origin(node.source, name)
        case Projected():
            term = dict(node.columns)[name]
            return _origin(node.source, term.name) if isinstance(term, Column) else None
        case Joined():
            holding = [side for side in (node.left, node.right) if name in side.heading]
            detailed = max(holding, key=lambda side: len(side.heading.primary_key))  # its rows are the result's
            return _origin(detailed, name)
        case _:
            return None


def _ranges(order: Order, values: list[Any]) -> list[Condition]:
    """Conditions of which each row meets one: below the first value, between two, from the last on.

    In the direction of the order; rows without a value come last.
    """
    bounds = [None, *values, None]
    found = [_between(order.term, low, high) for low, high in pairwise(bounds)]
    if order.descending:
        found.reverse()
    if order.term.nullable:
        found[-1] = any_of([found[-1], Holds(Call("is null", (order.term,), BOOL, nullable=False))])
    return found


def _between(term: Term, low: Any, high: Any) -> Condition:
    ends = ((">=", low), ("<", high))
    return all_of([_compared(term, sign, value) for sign, value in ends if value is not None])


def _compared(term: Term, sign: str, value: Any) -> Condition:
    return Holds(Call(sign, (term, Value(value, term.type)), BOOL, nullable=term.nullable))
