"""The algebra once more, in plain Python over lists of dicts, written from design section 6 and not from the compiler.

A relation is a heading and rows. Operators give a relation or raise Refused, where the design says that they must not
be done. Terms are functions of a row; None is NULL.
"""

from __future__ import annotations

import datetime
import functools
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]
Value = Callable[[Row], Any]
"""A scalar term: its value in a row."""
Total = Callable[[Row, list[Row]], Any]
"""A term over many rows: its value for a row of groups and the rows that match it, merged with it."""
Condition = Callable[[Row], bool]


class Refused(Exception):
    """The operation is one that must be refused."""


@dataclass(frozen=True)
class Attribute:
    """kind: what can be done with its values. lineage: the definition it traces to, None if it matches nothing."""

    kind: str
    lineage: str | None = None


@dataclass(frozen=True)
class Relation:
    """attributes: by name; key: the names that tell rows apart."""

    attributes: dict[str, Attribute]
    key: tuple[str, ...]
    rows: list[Row]

    def of_kind(self, *kinds: str) -> list[str]:
        """The names of the attributes of these kinds."""
        return [name for name, attribute in self.attributes.items() if attribute.kind in kinds]


# --- values ------------------------------------------------------------------------------------------------------


def rank(value: Any) -> tuple[int, Any]:
    """What values are compared by: NaN equals itself and is greater than all numbers, a date is its midnight in UTC."""
    if isinstance(value, float) and value != value:  # noqa: PLR0124 - NaN alone is not itself
        return 1, 0
    if isinstance(value, datetime.datetime):
        return 0, value if value.tzinfo is None else value.astimezone(datetime.UTC).replace(tzinfo=None)
    if isinstance(value, datetime.date):
        return 0, datetime.datetime.combine(value, datetime.time())
    return 0, value


def equal(left: Any, right: Any) -> bool:
    """Whether two values are the same value; NULL is the same as NULL here."""
    return left is right if left is None or right is None else rank(left) == rank(right)


COMPARABLE = ({"int", "big", "wide", "float", "decimal"}, {"date", "timestamp", "datetime"})
"""Kinds whose values can be compared although they differ; any other can be compared with itself."""


def comparable(left: Attribute, right: Attribute) -> bool:
    """Whether values of one attribute can be equal to those of the other."""
    return left.kind == right.kind or any({left.kind, right.kind} <= kinds for kinds in COMPARABLE)


# --- matching ----------------------------------------------------------------------------------------------------


def namesakes(left: Relation, right: Relation, *, by_name: bool = False) -> list[str]:
    """The shared names. All of them must be homologous; by name, their values comparable."""
    shared = [name for name in left.attributes if name in right.attributes]
    for name in shared:
        ours, theirs = left.attributes[name], right.attributes[name]
        if by_name and not comparable(ours, theirs):
            raise Refused(f"{name}: {ours.kind} with {theirs.kind}")
        if not by_name and (ours.lineage is None or ours.lineage != theirs.lineage):
            raise Refused(f"{name}: {ours.lineage} with {theirs.lineage}")
    return shared


def match(left: Row, right: Row, on: Iterable[str]) -> bool:
    """Whether two rows match. NULL matches nothing."""
    return all(left[name] is not None and equal(left[name], right[name]) for name in on)


# --- restriction -------------------------------------------------------------------------------------------------


def restrict(relation: Relation, condition: Condition, *, complement: bool = False) -> Relation:
    """The rows where the condition is true, or exactly the others."""
    rows = [row for row in relation.rows if condition(row) != complement]
    return Relation(relation.attributes, relation.key, rows)


def holds(term: Value) -> Condition:
    """A condition that a term is true: neither false nor NULL."""
    return lambda row: term(row) is True


def agrees(mapping: Mapping[str, Any], relation: Relation) -> Condition:
    """A condition by a mapping: unknown names are ignored, None means IS NULL."""
    known = {name: value for name, value in mapping.items() if name in relation.attributes}
    return lambda row: all(equal(row[name], value) for name, value in known.items())


def matches(relation: Relation, other: Relation, *, by_name: bool = False) -> Condition:
    """A condition that there is a matching row in another relation; with nothing shared, any row."""
    on = namesakes(relation, other, by_name=by_name)
    return lambda row: any(match(row, theirs, on) for theirs in other.rows)


# --- projection --------------------------------------------------------------------------------------------------


def project(
    relation: Relation,
    kept: Iterable[str] = (),
    renamed: Mapping[str, str] | None = None,
    copied: Mapping[str, str] | None = None,
    computed: Mapping[str, tuple[str, Value]] | None = None,
) -> Relation:
    """The key, the attributes kept, and new ones. renamed, copied: new name -> old; computed: -> kind and term."""
    sources = _sources(relation, kept, renamed or {}, copied or {}, computed or {})
    key_names = {old: new for new, old in (renamed or {}).items()}
    attributes = {new: relation.attributes[old] for new, old in sources.items()}
    attributes |= {new: Attribute(kind) for new, (kind, _) in (computed or {}).items()}
    rows = [
        {new: row[old] for new, old in sources.items()}
        | {new: term(row) for new, (_, term) in (computed or {}).items()}
        for row in relation.rows
    ]
    return Relation(attributes, tuple(key_names.get(name, name) for name in relation.key), rows)


def _sources(
    relation: Relation, kept: Iterable[str], renamed: Mapping[str, str], copied: Mapping[str, str], more: Iterable[str]
) -> dict[str, str]:
    """New name -> old name, of what is not computed. No name may stand twice."""
    wanted = {*relation.key, *kept}
    sources = {name: name for name in relation.attributes if name in wanted and name not in renamed.values()}
    for new in (*renamed, *copied, *more):
        if new in sources:
            raise Refused(f"{new} twice")
    return sources | dict(renamed) | dict(copied)


# --- join and union ----------------------------------------------------------------------------------------------


def join(left: Relation, right: Relation, *, by_name: bool = False) -> Relation:
    """Merged pairs of matching rows."""
    on = namesakes(left, right, by_name=by_name)
    if set(right.key) <= set(left.attributes):
        key = left.key
    elif set(left.key) <= set(right.attributes):
        key = right.key
    else:
        key = left.key + tuple(name for name in right.key if name not in left.key)
    pairs = itertools.product(left.rows, right.rows)
    rows = [theirs | ours for ours, theirs in pairs if match(ours, theirs, on)]
    return Relation(right.attributes | left.attributes, key, rows)


def extend(left: Relation, right: Relation, *, by_name: bool = False) -> Relation:
    """Every row of left, with the attributes of the one row of right that matches it, or NULL."""
    on = namesakes(left, right, by_name=by_name)
    if not set(right.key) <= set(left.attributes):
        raise Refused("many rows could match")
    nothing = dict.fromkeys(right.attributes)
    rows = [next((theirs for theirs in right.rows if match(ours, theirs, on)), nothing) | ours for ours in left.rows]
    return Relation(right.attributes | left.attributes, left.key, rows)


def union(left: Relation, right: Relation, *, by_name: bool = False) -> Relation:
    """The rows of both; those of equal key are one row, and what neither says is NULL."""
    on = namesakes(left, right, by_name=by_name)
    same_types = all(left.attributes[name].kind == right.attributes[name].kind for name in on)
    if set(left.key) != set(right.key) or set(on) != set(left.key) or not same_types:
        raise Refused("keys")
    nothing = dict.fromkeys(left.attributes | right.attributes)
    rows = []
    for ours in left.rows:
        rows.append(nothing | next((theirs for theirs in right.rows if match(ours, theirs, on)), {}) | ours)
    rows += [nothing | theirs for theirs in right.rows if not any(match(ours, theirs, on) for ours in left.rows)]
    return Relation(right.attributes | left.attributes, left.key, rows)


# --- aggregation -------------------------------------------------------------------------------------------------


def aggregate(
    groups: Relation,
    source: Relation,
    kept: Iterable[str] = (),
    new: Mapping[str, tuple[str, Total]] | None = None,
    *,
    only_matching: bool = False,
    by_name: bool = False,
) -> Relation:
    """Every row of groups, or those that match, with aggregates over its matching rows of source."""
    on = namesakes(groups, source, by_name=by_name)
    if not set(groups.key) <= set(on):
        raise Refused("key")
    names = list(_sources(groups, kept, {}, {}, new or {}))
    rows = []
    for row in groups.rows:
        members = [theirs | row for theirs in source.rows if match(row, theirs, on)]
        if members or not only_matching:
            values = {name: total(row, members) for name, (_, total) in (new or {}).items()}
            rows.append({name: row[name] for name in names} | values)
    attributes = {name: groups.attributes[name] for name in names}
    return Relation(attributes | {n: Attribute(kind) for n, (kind, _) in (new or {}).items()}, groups.key, rows)


def universal(names: Sequence[str], relation: Relation) -> Relation:
    """The distinct values of attributes, where none is NULL; of no attributes, one row if there is any."""
    if not set(names) <= set(relation.attributes):
        raise Refused("unknown")
    found: dict[Any, Row] = {}
    for row in relation.rows:
        if all(row[name] is not None for name in names):
            found.setdefault(tuple(rank(row[name]) for name in names), {name: row[name] for name in names})
    return Relation({name: relation.attributes[name] for name in names}, tuple(names), list(found.values()))


# --- the first rows ----------------------------------------------------------------------------------------------


def top(relation: Relation, order: Sequence[tuple[Value, bool]], limit: int | None, offset: int) -> Relation:
    """The first rows. order: terms, and whether each is descending; the key ends it, NULLs are last either way."""

    def compare(left: Row, right: Row) -> int:
        for term, descending in order:
            found = _compare(term(left), term(right), descending=descending)
            if found:
                return found
        ours, theirs = (tuple(rank(row[name]) for name in relation.key) for row in (left, right))
        return (ours > theirs) - (ours < theirs)

    rows = sorted(relation.rows, key=functools.cmp_to_key(compare))
    return Relation(relation.attributes, relation.key, rows[offset:][:limit])


def _compare(left: Any, right: Any, *, descending: bool) -> int:
    if left is None or right is None:
        return (left is None) - (right is None)
    found = int(rank(left) > rank(right)) - int(rank(left) < rank(right))
    return -found if descending else found


# --- three-valued logic ------------------------------------------------------------------------------------------


def strict(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that is NULL where any argument is."""
    return lambda *values: None if any(value is None for value in values) else function(*values)


def both(left: bool | None, right: bool | None) -> bool | None:
    """AND."""
    if left is False or right is False:
        return False
    return None if left is None or right is None else True


def either(left: bool | None, right: bool | None) -> bool | None:
    """OR."""
    if left is True or right is True:
        return True
    return None if left is None or right is None else False


def negation(value: bool | None) -> bool | None:
    """NOT."""
    return None if value is None else not value


def truncated(value: int, divisor: int) -> int | None:
    """DIV: towards zero; NULL for 0."""
    if divisor == 0:
        return None
    whole = abs(value) // abs(divisor)
    return whole if (value < 0) == (divisor < 0) else -whole


def remainder(value: int, divisor: int) -> int | None:
    """%: with the sign of the dividend; NULL for 0."""
    whole = truncated(value, divisor)
    return None if whole is None else value - divisor * whole
