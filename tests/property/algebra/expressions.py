"""Random expressions: a query of djarrow, the relation that it should be, and the text that makes it again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

import djarrow as dj
from djarrow.errors import QueryError
from tests.property import naive
from tests.property.algebra.conditions import draw_condition
from tests.property.algebra.drawing import Draw
from tests.property.algebra.given import Given
from tests.property.algebra.loading import DataSet
from tests.property.algebra.terms import Aggregate, Term, draw_aggregate, draw_computed, read
from tests.property.naive import Refused, Relation

MOST_ROWS, MOST_PAIRS = 60, 600
"""What the evaluator, which tries every pair of rows, does in little time."""


@dataclass
class Pair:
    """A query, or a table's class, which may stand for it anywhere; and what it should be."""

    query: Any
    relation: Relation
    text: str


def both(draw: Draw, pair: Pair, text: str, build: Callable[[], Any], evaluate: Callable[[], Relation]) -> Pair:
    """Take a step on both sides. Where it must be refused, see that it is, and stay."""
    draw.note(text)
    try:
        relation = evaluate()
    except Refused as why:
        draw.note(f"    must be refused: {why}")
        with pytest.raises(QueryError):
            build()
        return pair
    return Pair(build(), relation, text)


def draw_pair(draw: Draw, data: DataSet, depth: int) -> Pair:
    """An expression of this depth: operators inside each other, tables innermost."""
    if depth == 0:
        name = draw.one(list(data.classes))
        table = data.classes[name]
        return Pair(table, data.relations[name], name) if draw.flag() else Pair(table(), *_instance(data, name))
    pair = draw_pair(draw, data, depth - 1)
    step = draw.one(STEPS)
    return step(draw, data, pair, depth) if len(pair.relation.rows) <= MOST_ROWS else pair


def _instance(data: DataSet, name: str) -> tuple[Relation, str]:
    return data.relations[name], f"{name}()"


def draw_other(draw: Draw, data: DataSet, depth: int) -> Pair:
    """Another operand, which is less deep; half of the time its key alone, which matches more."""
    other = draw_pair(draw, data, draw.number(0, min(depth - 1, 2)))
    return keys_of(other) if draw.flag() else other


def keys_of(pair: Pair) -> Pair:
    """A query's keys."""
    return Pair(pair.query.proj(), naive.project(pair.relation), f"{pair.text}.proj()")


def draw_by_name(draw: Draw) -> dict[str, bool]:
    """Now and then, the argument by which all that is called alike is matched."""
    return {"semantic_check": False} if draw.number(0, 5) == 5 else {}


def arguments(*parts: str, **options: Any) -> str:
    """The arguments of a call as they are written."""
    return ", ".join([*parts, *(f"{name}={value!r}" for name, value in options.items())])


# --- restriction -------------------------------------------------------------------------------------------------


def draw_restriction(draw: Draw, data: DataSet, pair: Pair, depth: int) -> Pair:
    """`A & c`, `A - c`, or by name."""
    by_name = draw_by_name(draw)

    def query() -> Given:
        other = draw_other(draw, data, depth)
        other = meeting(draw, pair, other) if by_name else other
        return Given(
            other.text,
            lambda: other.query,
            lambda: naive.matches(pair.relation, other.relation, by_name=bool(by_name)),
        )

    made = draw_condition(draw, pair.relation, query)
    complement = draw_complement(draw, pair, made)

    def build() -> Any:
        if by_name:
            return pair.query.restrict(dj.Not(made.given()) if complement else made.given(), **by_name)
        return pair.query - made.given() if complement else pair.query & made.given()

    argument = f"dj.Not({made.text})" if complement else made.text
    return both(
        draw,
        pair,
        f"{pair.text}.restrict({argument}, semantic_check=False)"
        if by_name
        else f"({pair.text} {'-' if complement else '&'} {made.text})",
        build,
        lambda: naive.restrict(pair.relation, made.condition(), complement=complement),
    )


def draw_complement(draw: Draw, pair: Pair, made: Given) -> bool:
    """Whether to take the other rows: mostly so that some are left, because of no rows little can be wrong."""
    complement: bool = draw.flag()
    try:
        left = naive.restrict(pair.relation, made.condition(), complement=complement).rows
    except Refused:
        return complement
    return complement if left or draw.number(0, 5) == 0 else not complement


def draw_top(draw: Draw, _: DataSet, pair: Pair, __: int) -> Pair:
    """`A & Top(limit, order_by, offset)`."""
    order: list[tuple[Term, bool]] = []
    for _number in range(draw.number(0, 2)):
        term = draw_computed(draw, pair.relation)
        if pair.relation.attributes and draw.number(0, 2):
            name = draw.one(list(pair.relation.attributes))
            term = read(name, pair.relation.attributes[name].kind)
        if term.names:
            order.append((term, draw.flag()))
    limit = draw.one([None, 1, 2, 3, 5, 8, 0])
    offset = draw.one([0, 0, 0, 0, 1, 2])
    texts = [term.text + (" DESC" if descending else "") for term, descending in order]
    values = [(term.value, descending) for term, descending in order]
    return both(
        draw,
        pair,
        f"({pair.text} & dj.Top({limit}, {texts}, {offset}))",
        lambda: pair.query & dj.Top(limit, texts, offset),
        lambda: naive.top(pair.relation, values, limit, offset),
    )


# --- projection --------------------------------------------------------------------------------------------------

NEW_NAMES = ("a0", "b0", "c0", "g0_", "n1", "n2", "n3", "order", "v", "t1")


def draw_projection(draw: Draw, _: DataSet, pair: Pair, __: int) -> Pair:
    """Attributes kept, left out, renamed, copied and computed."""
    names = list(pair.relation.attributes)
    listing, kept = draw_listing(draw, pair.relation)
    renamed: dict[str, str] = {}
    copied: dict[str, str] = {}
    computed: dict[str, Term] = {}
    for name in draw.some(NEW_NAMES, most=3):
        what = draw.one(["rename", "copy", "compute"]) if names else "compute"
        old = draw.one(names) if names else ""
        if what == "rename" and old not in renamed.values():
            renamed[name] = old
        elif what == "copy":
            copied[name] = old
        else:
            computed[name] = draw_computed(draw, pair.relation)
    texts = renamed | {n: _copy(o) for n, o in copied.items()} | {n: term.text for n, term in computed.items()}
    terms = {name: (term.kind, term.value) for name, term in computed.items()}
    return both(
        draw,
        pair,
        f"{pair.text}.proj({arguments(*map(_listed, listing), **texts)})",
        lambda: pair.query.proj(*listing, **texts),
        lambda: naive.project(pair.relation, kept, renamed, copied, terms),
    )


def _copy(name: str) -> str:
    return f"(`{name}`)" if name in ("order", "user") else f"({name})"


def _listed(item: Any) -> str:
    return "..." if item is ... else repr(item)


def draw_listing(draw: Draw, relation: Relation) -> tuple[list[Any], set[str]]:
    """The names that proj and aggr are given, and which attributes they keep beside the key."""
    names = list(relation.attributes)
    chosen = draw.some(names) if names else []
    match draw.one(["names", "all", "all but"]):
        case "names":
            return chosen, set(chosen)
        case "all":
            return [...], set(names)
    left_out = [name for name in chosen if name not in relation.key]
    return [..., *(f"-{name}" for name in left_out)], set(names) - set(left_out)


# --- joins and unions --------------------------------------------------------------------------------------------


def draw_join(draw: Draw, data: DataSet, pair: Pair, depth: int) -> Pair:
    """`A * B`, either way round."""
    by_name = draw_by_name(draw)
    left, right = draw_operands(draw, data, pair, depth, naive.join, by_name=bool(by_name))
    written = f"{left.text}.join({arguments(right.text, **by_name)})" if by_name else f"({left.text} * {right.text})"
    return both(
        draw,
        pair,
        written,
        lambda: left.query.join(right.query, **by_name) if by_name else left.query * right.query,
        lambda: naive.join(left.relation, right.relation, by_name=bool(by_name)),
    )


def draw_extension(draw: Draw, data: DataSet, pair: Pair, depth: int) -> Pair:
    """`A.extend(B)`, or `A.join(B, left=True)`, which is the same."""
    by_name = draw_by_name(draw)
    left, right = draw_operands(draw, data, pair, depth, naive.extend, by_name=bool(by_name))
    method, options = draw.one([("extend", by_name), ("join", {"left": True, **by_name})])
    return both(
        draw,
        pair,
        f"{left.text}.{method}({arguments(right.text, **options)})",
        lambda: getattr(left.query, method)(right.query, **options),
        lambda: naive.extend(left.relation, right.relation, by_name=bool(by_name)),
    )


def draw_union(draw: Draw, data: DataSet, pair: Pair, depth: int) -> Pair:
    """`A + B`. Mostly of two queries on the same rows, each with attributes of its own, because others are refused."""
    if draw.number(0, 3):
        secondary = [name for name in pair.relation.attributes if name not in pair.relation.key]
        ours = draw.some(secondary) if secondary else []
        left = draw_restriction(draw, data, pair, 1)
        right = draw_restriction(draw, data, pair, 1)
        left, right = keeping(left, ours), keeping(right, [name for name in secondary if name not in ours])
    else:
        left, right = pair, draw_other(draw, data, depth)
    by_name = draw_by_name(draw) if of_known_types(left.relation, right.relation) else {}
    return both(
        draw,
        pair,
        f"{left.text}.union({arguments(right.text, **by_name)})" if by_name else f"({left.text} + {right.text})",
        lambda: left.query.union(right.query, **by_name) if by_name else left.query + right.query,
        lambda: naive.union(left.relation, right.relation, by_name=bool(by_name)),
    )


ONE_TYPE = {"wide", "bool", "date", "timestamp", "datetime", "uuid"}
"""Kinds of one type each. A union takes keys of equal types only, and the evaluator knows kinds."""


def of_known_types(left: Relation, right: Relation) -> bool:
    """Whether it is known that namesakes have the same type, or another one."""
    shared = [(left.attributes[name], right.attributes[name]) for name in left.attributes if name in right.attributes]
    return all(a.kind != b.kind or a.kind in ONE_TYPE or (a.lineage and a.lineage == b.lineage) for a, b in shared)


def keeping(pair: Pair, names: list[str]) -> Pair:
    """The key and these attributes."""
    text = f"{pair.text}.proj({arguments(*map(repr, names))})"
    return Pair(pair.query.proj(*names), naive.project(pair.relation, names), text)


def draw_operands(
    draw: Draw, data: DataSet, pair: Pair, depth: int, evaluate: Callable[..., Relation], *, by_name: bool
) -> tuple[Pair, Pair]:
    """Two operands, one of them this. Mostly in a form that the operator takes; now and then as they come.

    Of the right one often a part, so that some rows of the left have no match.
    """
    other = draw_relative(draw, data, pair) if draw.flag() else draw_other(draw, data, depth)
    if len(pair.relation.rows) * len(other.relation.rows) > MOST_PAIRS:
        other = Pair(
            other.query & "FALSE", naive.restrict(other.relation, lambda _: False), f"({other.text} & 'FALSE')"
        )
    left, right = (pair, other) if draw.flag() else (other, pair)
    if by_name:
        right = meeting(draw, left, right)
    if draw.number(0, 4) == 0:
        return left, right
    choices = [(left, right), (right, left), (keys_of(left), right), (left, keys_of(right))]
    fitting = [two for two in choices if takes(evaluate, *two, by_name=by_name)]
    left, right = draw.one(fitting) if fitting else (left, keys_of(left))
    return left, draw_restriction(draw, data, right, 1) if draw.flag() else right


def draw_relative(draw: Draw, data: DataSet, pair: Pair) -> Pair:
    """A table, or a part of its rows, that has an attribute of the same origin as one of the pair's."""
    origins = {attribute.lineage for attribute in pair.relation.attributes.values()} - {None}
    names = [name for name, found in data.relations.items() if origins & {a.lineage for a in found.attributes.values()}]
    if not names:
        return draw_pair(draw, data, 0)
    name = draw.one(names)
    relative = Pair(data.classes[name], data.relations[name], name)
    return draw_restriction(draw, data, relative, 1) if draw.flag() else relative


def meeting(draw: Draw, left: Pair, right: Pair) -> Pair:
    """The right operand, with an attribute called as one of the left's that it mostly can be compared with."""
    ours, theirs = left.relation.attributes, right.relation.attributes
    any_kind = draw.number(0, 4) == 4
    choices = [
        (new, old)
        for new in ours
        for old in theirs
        if new not in theirs and (any_kind or naive.comparable(ours[new], theirs[old]))
    ]
    if not choices:
        return right
    new, old = draw.one(choices)
    relation = naive.project(right.relation, theirs, {new: old})
    return Pair(right.query.proj(..., **{new: old}), relation, f"{right.text}.proj(..., {new}={old!r})")


def takes(evaluate: Callable[..., Relation], left: Pair, right: Pair, *, by_name: bool = False) -> bool:
    """Whether an operator takes these two."""
    try:
        evaluate(_bare(left.relation), _bare(right.relation), by_name=by_name)
    except Refused:
        return False
    return True


def _bare(relation: Relation) -> Relation:
    return Relation(relation.attributes, relation.key, [])


# --- aggregation -------------------------------------------------------------------------------------------------


def draw_aggregation(draw: Draw, data: DataSet, pair: Pair, depth: int) -> Pair:
    """`A.aggr(B, ...)`, either way round."""
    by_name = draw_by_name(draw)
    groups, source = draw_operands(draw, data, pair, depth, naive.aggregate, by_name=bool(by_name))
    listing = draw_listing(draw, groups.relation)
    only = {"exclude_nonmatching": True} if draw.number(0, 3) == 0 else {}
    return aggregated(draw, pair, groups, source, listing=listing, options={**only, **by_name}, by_name=bool(by_name))


def draw_universal_aggregation(draw: Draw, data: DataSet, pair: Pair, _: int) -> Pair:
    """`U(...).aggr(A, ...)`."""
    names = draw_names(draw, pair.relation)
    try:
        relation = naive.universal(names, pair.relation)
    except Refused:
        return draw_universal(draw, data, pair, 0)
    groups = Pair(dj.U(*names), relation, f"dj.U({arguments(*map(repr, names))})")
    return aggregated(draw, pair, groups, pair, options={}, by_name=True)


def aggregated(
    draw: Draw,
    pair: Pair,
    groups: Pair,
    source: Pair,
    *,
    listing: tuple[list[Any], set[str]] = ([], set()),
    options: dict[str, bool],
    by_name: bool,
) -> Pair:
    """Some aggregates; where the operands do not go together, just one."""
    new: dict[str, Aggregate] = {"n9": Aggregate("count(*)", "int", lambda _, rows: len(rows))}
    if takes(naive.aggregate, groups, source, by_name=by_name):
        least = min(draw.number(0, 3), 1)
        wanted = draw.some(["n1", "n4", "n5", "a0"], least=least, most=2)
        new = {name: draw_aggregate(draw, groups.relation, source.relation) for name in wanted}
    texts = {name: total.text for name, total in new.items()}
    totals = {name: (total.kind, total.value) for name, total in new.items()}
    return both(
        draw,
        pair,
        f"{groups.text}.aggr({arguments(source.text, *map(_listed, listing[0]), **options, **texts)})",
        lambda: groups.query.aggr(source.query, *listing[0], **options, **texts),
        lambda: naive.aggregate(
            groups.relation,
            source.relation,
            listing[1],
            totals,
            only_matching="exclude_nonmatching" in options,
            by_name=by_name,
        ),
    )


def draw_universal(draw: Draw, _: DataSet, pair: Pair, __: int) -> Pair:
    """`U(...) & A`."""
    names = draw_names(draw, pair.relation)
    return both(
        draw,
        pair,
        f"(dj.U({arguments(*map(repr, names))}) & {pair.text})",
        lambda: dj.U(*names) & pair.query,
        lambda: naive.universal(names, pair.relation),
    )


def draw_names(draw: Draw, relation: Relation) -> list[str]:
    """A few attributes, and now and then a name that is none."""
    among = [*relation.attributes, *(["nowhere"] if draw.number(0, 9) == 0 else [])]
    names: list[str] = draw.some(among, most=2) if among else []
    return names


WEIGHTS: dict[Callable[[Draw, DataSet, Pair, int], Pair], int] = {
    draw_restriction: 3,
    draw_projection: 2,
    draw_join: 2,
    draw_extension: 1,
    draw_union: 1,
    draw_aggregation: 2,
    draw_universal: 1,
    draw_universal_aggregation: 1,
    draw_top: 2,
}
"""The operators, and how often each is drawn."""
STEPS = [step for step, weight in WEIGHTS.items() for _ in range(weight)]
