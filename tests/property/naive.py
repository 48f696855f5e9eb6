"""The algebra once more, in plain Python over lists of dicts, written from design section 6 and not from the compiler.

A relation is a heading and rows. Operators give a relation or raise Refused, where the design says that they must not
be done. Terms carry their text, for the library, and a function that says what they are, for this evaluator.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]


class Refused(Exception):
    """The operation is one that must be refused."""


@dataclass(frozen=True)
class Attribute:
    """kind: "int", "str", "bool" or "float". lineage: the definition it traces to, None if it matches nothing."""

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


@dataclass(frozen=True)
class Term:
    """A scalar term: its text, its kind, the names that it reads and its value in a row. None is NULL."""

    text: str
    kind: str
    value: Callable[[Row], Any]
    names: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Aggregate:
    """A term over many rows. value: of the group's row and its matching rows, merged with it."""

    text: str
    kind: str
    value: Callable[[Row, list[Row]], Any]


Condition = Callable[[Row], bool]


# --- matching ----------------------------------------------------------------------------------------------------


def namesakes(left: Relation, right: Relation) -> list[str]:
    """The shared names. All of them must be homologous."""
    shared = [name for name in left.attributes if name in right.attributes]
    for name in shared:
        ours, theirs = left.attributes[name].lineage, right.attributes[name].lineage
        if ours is None or ours != theirs:
            raise Refused(name)
    return shared


def match(left: Row, right: Row, on: Iterable[str]) -> bool:
    """Whether two rows match. NULL matches nothing."""
    return all(left[name] is not None and left[name] == right[name] for name in on)


# --- operators ---------------------------------------------------------------------------------------------------


def restrict(relation: Relation, condition: Condition, *, complement: bool = False) -> Relation:
    """The rows where the condition is true, or exactly the others."""
    rows = [row for row in relation.rows if condition(row) != complement]
    return Relation(relation.attributes, relation.key, rows)


def holds(term: Term) -> Condition:
    """A condition that a term is true: neither false nor NULL."""
    return lambda row: bool(term.value(row)) if term.value(row) is not None else False


def equals(mapping: Row, relation: Relation) -> Condition:
    """A condition by a mapping: unknown names are ignored, None means IS NULL."""
    known = {name: value for name, value in mapping.items() if name in relation.attributes}
    return lambda row: all(row[name] is value if value is None else row[name] == value for name, value in known.items())


def matches(relation: Relation, other: Relation) -> Condition:
    """A condition that there is a matching row in another relation; with nothing shared, any row."""
    on = namesakes(relation, other)
    return lambda row: any(match(row, theirs, on) for theirs in other.rows)


def project(
    relation: Relation, kept: Sequence[str], renamed: dict[str, str], copied: dict[str, str], computed: dict[str, Term]
) -> Relation:
    """The key, the attributes kept, and new ones. renamed and copied: new name -> old."""
    sources = {name: name for name in relation.attributes if name in relation.key or name in kept}
    for old in renamed.values():
        sources.pop(old, None)
    if set(sources) & (set(renamed) | set(copied) | set(computed)):
        raise Refused("twice")
    key_names = {old: new for new, old in renamed.items()}
    sources |= renamed | copied
    attributes = {new: relation.attributes[old] for new, old in sources.items()}
    attributes |= {new: Attribute(term.kind) for new, term in computed.items()}
    rows = [
        {new: row[old] for new, old in sources.items()} | {new: term.value(row) for new, term in computed.items()}
        for row in relation.rows
    ]
    return Relation(attributes, tuple(key_names.get(name, name) for name in relation.key), rows)


def join(left: Relation, right: Relation) -> Relation:
    """Merged pairs of matching rows."""
    on = namesakes(left, right)
    if set(right.key) <= set(left.attributes):
        key = left.key
    elif set(left.key) <= set(right.attributes):
        key = right.key
    else:
        key = left.key + tuple(name for name in right.key if name not in left.key)
    pairs = itertools.product(left.rows, right.rows)
    rows = [ours | theirs for ours, theirs in pairs if match(ours, theirs, on)]
    return Relation(left.attributes | right.attributes, key, rows)


def aggregate(groups: Relation, source: Relation, kept: Sequence[str], new: dict[str, Aggregate]) -> Relation:
    """Every row of groups, with aggregates over its matching rows of source."""
    on = namesakes(groups, source)
    if not set(groups.key) <= set(on):
        raise Refused("key")
    names = [name for name in groups.attributes if name in groups.key or name in kept]
    if set(names) & set(new):
        raise Refused("twice")
    rows = []
    for row in groups.rows:
        members = [row | theirs for theirs in source.rows if match(row, theirs, on)]
        rows.append({name: row[name] for name in names} | {n: term.value(row, members) for n, term in new.items()})
    attributes = {name: groups.attributes[name] for name in names}
    return Relation(attributes | {n: Attribute(term.kind) for n, term in new.items()}, groups.key, rows)


def top(relation: Relation, order: Sequence[tuple[Term, bool]], limit: int | None, offset: int) -> Relation:
    """The first rows. order: terms, and whether each is descending; the key ends it, NULLs are last either way."""

    def compare(left: Row, right: Row) -> int:
        for term, descending in order:
            found = _compare(term.value(left), term.value(right), descending=descending)
            if found:
                return found
        ours, theirs = (tuple(row[name] for name in relation.key) for row in (left, right))
        return (ours > theirs) - (ours < theirs)

    rows = sorted(relation.rows, key=functools.cmp_to_key(compare))
    return Relation(relation.attributes, relation.key, rows[offset:][:limit])


def _compare(left: Any, right: Any, *, descending: bool) -> int:
    if left is None or right is None:
        return (left is None) - (right is None)
    found = int(left > right) - int(left < right)
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


def among(value: Any, values: Sequence[Any]) -> bool | None:
    """IN."""
    result: bool | None = False
    for other in values:
        result = either(result, None if value is None or other is None else value == other)
    return result


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
