"""The operators of the algebra: check the operands, build the node.

Design section 6; specification 000 "Query Operators", 001 chapter 8.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import EllipsisType

from djarrow.errors import IncompatibleOperands, InvalidCondition, InvalidTerm, told
from djarrow.expr.conditions import All, Always, AnyOf, Condition, Holds, Matches, Negated
from djarrow.expr.nodes import Aggregated, Distinct, Joined, Node, Projected, Restricted, United
from djarrow.expr.parse import parse_term
from djarrow.expr.terms import Term, aggregates, as_boolean, column, comparable, names_outside
from djarrow.model.heading import Attribute, Heading
from djarrow.model.names import check_attribute_name
from djarrow.model.types import KEYLESS_FAMILIES

# --- matching ----------------------------------------------------------------------------------------------------


def matched(left: Node, right: Node, *, operator: str, semantic_check: bool = True) -> tuple[str, ...]:
    """The namesakes of two operands. Raises IncompatibleOperands unless each pair has the same lineage.

    semantic_check: without it they match by name alone, and only their types must be comparable.
    """
    namesakes = tuple(name for name in left.heading.names if name in right.heading)
    for name in namesakes:
        ours, theirs = left.heading[name], right.heading[name]
        if not semantic_check:
            _check_comparable(left, right, ours, theirs, operator)
        elif ours.lineage is None or ours.lineage != theirs.lineage:
            raise IncompatibleOperands(
                f"{_applied(left, operator, right)}: both have an attribute {name!r}, but not the same one: here it is "
                f"{_origin(ours, left)}, there {_origin(theirs, right)}. {_resolution(name, right)}"
            )
    return namesakes


def _check_comparable(left: Node, right: Node, ours: Attribute, theirs: Attribute, operator: str) -> None:
    """Attributes that match by name must have types whose values can be equal."""
    if not comparable(ours.type, theirs.type):
        raise IncompatibleOperands(
            f"{_applied(left, operator, right)}: both have an attribute {ours.name!r}, here {ours.type} and there "
            f"{theirs.type}, whose values cannot be compared. {_resolution(ours.name, right)}"
        )


def _applied(left: Node, operator: str, right: Node) -> str:
    """An operator between its operands, or a method of the first one, as users write them."""
    return f"{left}{operator}({right})" if operator.startswith(".") else f"{left} {operator} {right}"


def _origin(attribute: Attribute, node: Node) -> str:
    if attribute.lineage is None:
        return f"a secondary or computed attribute of {node}"
    return str(attribute.lineage)


def _resolution(name: str, right: Node) -> str:
    """What to write instead. An attribute of the key cannot be left out, any can be renamed."""
    rename = f"`.proj(..., other_{name}='{name}')`"
    if name in right.heading.primary_key:
        return f"Rename it in one of them, as in {rename}."
    return (
        f"Rename it in one of them, or leave it out, as in {rename} or `.proj(..., '-{name}')`, "
        "or keep the key only, `.proj()`."
    )


# --- restriction -------------------------------------------------------------------------------------------------


def restrict(source: Node, condition: Condition) -> Node:
    """`A & c`. Conditions that say nothing add nothing; further ones join those that are there, so that a loop of
    restrictions does not nest.
    """
    if condition == Always(True):
        return source
    if isinstance(source, Restricted):
        return Restricted(source.source, all_of([*_parts(source.condition), *_parts(condition)]))
    return Restricted(source, condition)


def _parts(condition: Condition) -> tuple[Condition, ...]:
    return condition.conditions if isinstance(condition, All) else (condition,)


def negate(condition: Condition) -> Condition:
    """The exact complement of a condition."""
    match condition:
        case Negated():
            return condition.condition
        case Always():
            return Always(not condition.value)
        case _:
            return Negated(condition)


def text_condition(text: str, heading: Heading) -> Condition:
    """A condition written as text. Raises InvalidTerm for an aggregate: those are for aggr."""
    term = as_boolean(parse_term(text, heading, where="condition"), text)
    if aggregates(term):
        raise InvalidTerm("an aggregate cannot be a condition; compute it with aggr first.", text=text)
    return Holds(term)


def matching(source: Node, other: Node, *, operator: str = "&", semantic_check: bool = True) -> Condition:
    """A condition that rows of another query match."""
    return Matches(other, matched(source, other, operator=operator, semantic_check=semantic_check))


def all_of(conditions: Sequence[Condition]) -> Condition:
    """Logical and: of a mapping's items or an AndList."""
    kept = tuple(c for c in conditions if not (isinstance(c, Always) and c.value))
    if not kept:
        return Always(True)
    return kept[0] if len(kept) == 1 else All(kept)


def any_of(conditions: Sequence[Condition]) -> Condition:
    """Logical or: of a list. An empty list holds for no row."""
    if not conditions:
        return Always(False)
    if Always(True) in conditions:
        return Always(True)
    return conditions[0] if len(conditions) == 1 else AnyOf(tuple(conditions))


# --- projection --------------------------------------------------------------------------------------------------


def project(source: Node, /, *attributes: str | EllipsisType, **new: str) -> Node:
    """`A.proj('a', ..., '-b', new='old', copy='(old)', computed='expression')`. The key is always kept.

    A renamed attribute and a copy keep the lineage; a renamed one is gone under its old name.
    """
    heading = source.heading
    where = f"{source}.proj"
    columns = _renamed_and_kept(heading, attributes, new, where=where)
    for name, text in new.items():
        if text.strip() not in heading:
            columns[_new_name(name, columns, where)] = _computed(text, heading, where=f"{where}({name}=...)")
    ordered = tuple(columns.items())
    if ordered == tuple((name, column(heading[name])) for name in heading.names):
        return source
    return Projected(source, ordered)


def _renamed_and_kept(
    heading: Heading, attributes: Sequence[str | EllipsisType], new: Mapping[str, str], *, where: str
) -> dict[str, Term]:
    """The attributes that stay, in the heading's order, under their new names."""
    for name, text in new.items():
        if not isinstance(text, str):
            raise InvalidCondition(
                f"{where}({name}=...): an attribute is renamed or computed by text, not {told(text)}."
            )
    renames = [(text.strip(), name) for name, text in new.items() if text.strip() in heading]
    renamed = dict(renames)
    if len(renamed) < len(renames):
        raise InvalidTerm("an attribute is renamed twice; write one of them as a copy, new='(old)'.", text=where)
    kept = _kept(heading, attributes, where=where)
    columns: dict[str, Term] = {}
    for name in heading.names:
        if name in renamed or name in kept:
            columns[_new_name(renamed.get(name, name), columns, where)] = column(heading[name])
    return columns


def _kept(heading: Heading, attributes: Sequence[str | EllipsisType], *, where: str) -> set[str]:
    kept = set(heading.primary_key)
    for item in attributes:
        if item is ...:
            kept.update(heading.names)
        elif isinstance(item, str):
            name = item.removeprefix("-").strip()
            heading.attribute(name, where=where)
            if not item.startswith("-"):
                kept.add(name)
        else:
            raise InvalidCondition(f"{where} takes names of attributes and `...`, not {told(item)}.")
    for item in attributes:
        if isinstance(item, str) and item.startswith("-"):
            name = item[1:].strip()
            if name in heading.primary_key:
                raise InvalidTerm(f"{name!r} is in the primary key and cannot be left out.", text=where)
            kept.discard(name)
    return kept


def _new_name(name: str, taken: Mapping[str, Term], where: str) -> str:
    check_attribute_name(name, table=where)
    if name in taken:
        raise IncompatibleOperands(f"{where}: there would be two attributes {name!r}. Rename or leave out one of them.")
    return name


def _computed(text: str, heading: Heading, *, where: str) -> Term:
    """A computed attribute. `(old)` is the attribute itself: a copy of it."""
    term = parse_term(text, heading, where=where)
    if aggregates(term):
        raise InvalidTerm("an aggregate needs rows to aggregate: use `A.aggr(B, ...)`.", text=text)
    return term


# --- join --------------------------------------------------------------------------------------------------------


def determines(left: Heading, right: Heading) -> bool:
    """Whether a row of left matches one row of right at most: right's key is among left's attributes."""
    return set(right.primary_key) <= set(left.names)


def join(left: Node, right: Node, *, semantic_check: bool = True) -> Node:
    """`A * B`. The key is A's where A determines B, B's where B determines A, else both together."""
    on = matched(left, right, operator="*", semantic_check=semantic_check)
    a, b = left.heading, right.heading
    if determines(a, b):
        key = a.primary_key
    elif determines(b, a):
        key = b.primary_key
    else:
        key = a.primary_key + tuple(name for name in b.primary_key if name not in a.primary_key)
    return Joined(left, right, on, key)


def extend(left: Node, right: Node, *, semantic_check: bool = True) -> Node:
    """`A.extend(B)`: every row of A, with the attributes of its one matching row of B, or NULL.

    Raises IncompatibleOperands unless A determines B: a row of A without a match would have no key otherwise.
    """
    on = matched(left, right, operator=".extend", semantic_check=semantic_check)
    missing = [name for name in right.heading.primary_key if name not in left.heading]
    if missing:
        raise IncompatibleOperands(
            f"{left}.extend({right}): {left} lacks {', '.join(map(repr, missing))} of the key of {right}, so that one "
            "of its rows may match many, or none. Join by `*`, or aggregate first."
        )
    return Joined(left, right, on, left.heading.primary_key, keep_left=True)


# --- union -------------------------------------------------------------------------------------------------------


def union(left: Node, right: Node, *, semantic_check: bool = True) -> Node:
    """`A + B`: the rows of both; those of the same key are one row. Raises IncompatibleOperands (001 8.10)."""
    a, b = left.heading, right.heading
    if set(a.primary_key) != set(b.primary_key):
        ours, theirs = (", ".join(map(repr, heading.primary_key)) or "empty" for heading in (a, b))
        raise IncompatibleOperands(
            f"{left} + {right}: both must have the same primary key, and here it is {ours}, there {theirs}."
        )
    common = matched(left, right, operator="+", semantic_check=semantic_check)
    twice = [name for name in common if name not in a.primary_key]
    if twice:
        raise IncompatibleOperands(
            f"{left} + {right}: both have {', '.join(map(repr, twice))} outside of the key, so that a row could have "
            f"two values. {_resolution(twice[0], right)}"
        )
    different = [name for name in a.primary_key if a[name].type != b[name].type]
    if different:
        name = different[0]
        raise IncompatibleOperands(
            f"{left} + {right}: {name!r} is {a[name].type} here and {b[name].type} there. Give it one type, as in "
            f"`.proj(..., {name}_text='cast({name} as char)')`."
        )
    return United(left, right)


# --- universal sets ----------------------------------------------------------------------------------------------


def distinct(names_: Sequence[str], source: Node) -> Node:
    """`dj.U(names) & A`. Raises UnknownAttribute, and InvalidCondition for what can be in no key (001 8.11)."""
    for name in names_:
        attribute = source.heading.attribute(name, where=f"U({', '.join(map(repr, names_))}) & {source}")
        if attribute.type.family in KEYLESS_FAMILIES:
            raise InvalidCondition(f"{name!r} is {attribute.type}, whose values cannot be told apart as a key.")
    return Distinct(source, tuple(names_))


# --- aggregation -------------------------------------------------------------------------------------------------


def aggregate(
    groups: Node,
    source: Node,
    /,
    *attributes: str | EllipsisType,
    exclude_nonmatching: bool = False,
    semantic_check: bool = True,
    **new: str,
) -> Node:
    """`A.aggr(B, 'a', ..., n='count(*)', new='old')`: as A.proj, with aggregates over the matching rows of B."""
    on = matched(groups, source, operator=".aggr", semantic_check=semantic_check)
    _check_groups(groups, source, on)
    columns = _aggregate_columns(groups, source, attributes, new)
    if exclude_nonmatching and not any(aggregates(term) for _, term in columns):
        return Projected(restrict(groups, Matches(source, on)), columns)
    return Aggregated(groups, source, on, columns, exclude_nonmatching)


def aggregate_universal(names_: Sequence[str], source: Node, /, *attributes: str | EllipsisType, **new: str) -> Node:
    """`dj.U(names).aggr(A, ...)`, which is `(dj.U(names) & A).aggr(A, ...)`, matched by name (001 8.11)."""
    groups = distinct(names_, source)
    return Aggregated(groups, source, groups.heading.names, _aggregate_columns(groups, source, attributes, new))


def _aggregate_columns(
    groups: Node, source: Node, attributes: Sequence[str | EllipsisType], new: Mapping[str, str]
) -> tuple[tuple[str, Term], ...]:
    where = f"{groups}.aggr"
    columns = _renamed_and_kept(groups.heading, attributes, new, where=where)
    both = _both(groups.heading, source.heading)
    for name, text in new.items():
        if text.strip() not in groups.heading:
            term = parse_term(text, both, where=f"{where}({name}=...)")
            _check_outside(term, groups.heading, text)
            columns[_new_name(name, columns, where)] = term
    return tuple(columns.items())


def _check_groups(groups: Node, source: Node, on: tuple[str, ...]) -> None:
    missing = [name for name in groups.heading.primary_key if name not in on]
    if not missing:
        return
    message = (
        f"{groups}.aggr({source}, ...): {source} lacks {', '.join(map(repr, missing))} of the key of {groups}, "
        f"so that its rows belong to no row of {groups}."
    )
    if set(source.heading.primary_key) <= set(groups.heading.names):
        message += f" Did you mean {source}.aggr({groups}, ...)?"
    raise IncompatibleOperands(message)


def _both(groups: Heading, source: Heading) -> Heading:
    """What terms of an aggregation may name: the attributes of groups, and those of source that it lacks."""
    extra = tuple(attribute for attribute in source if attribute.name not in groups)
    return Heading(groups.attributes + extra, groups.primary_key)


def _check_outside(term: Term, groups: Heading, text: str) -> None:
    """Outside of aggregates a term may name attributes of groups only."""
    free = names_outside(term) - set(groups.names)
    if free:
        raise InvalidTerm(f"{min(free)!r} has many values here; put it into an aggregate.", text=text)
