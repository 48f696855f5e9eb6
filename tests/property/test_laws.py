"""The laws of the algebra, on random operands: what must hold between queries, whatever the rows are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import djarrow as dj
from djarrow.errors import IncompatibleOperands
from tests.property import naive
from tests.property.algebra.comparing import check_key, comparable
from tests.property.algebra.conditions import draw_condition
from tests.property.algebra.drawing import Draw, from_hypothesis
from tests.property.algebra.expressions import draw_pair, draw_part
from tests.property.algebra.given import Given
from tests.property.algebra.loading import ENGINES, DataSet
from tests.property.algebra.pairs import Pair, keeping, takes
from tests.property.algebra.terms import draw_computed, draw_term
from tests.property.conftest import EXAMPLES
from tests.property.naive import Relation, Row

pytestmark = pytest.mark.timeout(0 if EXAMPLES >= 1000 else 120)
laws = settings(
    max_examples=max(EXAMPLES // 20, 20), deadline=None, print_blob=True, suppress_health_check=list(HealthCheck)
)


@contextmanager
def tables(data: st.DataObject, data_sets: list[DataSet]) -> Iterator[tuple[Draw, DataSet]]:
    """Any of the data sets, read by either engine; and what draws from it."""
    draw = from_hypothesis(data)
    data_set, engine = draw.one(data_sets[1:]), draw.one(ENGINES)
    draw.note(f"{data_set.text}\n# read by {engine}")
    with data_set.using(engine):
        yield draw, data_set


def drawn(draw: Draw, data: DataSet, *, depth: int = 2) -> Pair:
    """An operand."""
    return draw_pair(draw, data, draw.number(0, depth))


def two(draw: Draw, data: DataSet, evaluate: Callable[[Relation, Relation], Relation]) -> tuple[Pair, Pair]:
    """Two operands that an operator takes: the second maybe in part only, or the first once more."""
    left, right = drawn(draw, data), drawn(draw, data)
    choices = [(left, right), (left, keeping(right, [])), (keeping(left, []), right)]
    choices.append((left, keeping(draw_part(draw, data, left), [])))
    found = [pair for pair in choices if takes(evaluate, *pair)]
    assume(found)
    return found[0]


def rows(query: Any) -> Counter[tuple[tuple[str, str], ...]]:
    """The rows of a query, each with how often it is there."""
    return Counter(map(tuple, comparable((query & True).to_dicts(order_by=[]))))


def values(query: Any, names: tuple[str, ...]) -> Counter[tuple[tuple[str, str], ...]]:
    """The rows of a query, of these attributes only."""
    found = [{name: row[name] for name in names} for row in (query & True).to_dicts(order_by=[])]
    return Counter(map(tuple, comparable(found)))


def draw_given(draw: Draw, data: DataSet, pair: Pair) -> Given:
    """A condition of any kind that the operand takes."""

    def query() -> Given:
        other = drawn(draw, data, depth=1)
        other = other if takes(naive.join, pair, other) else keeping(pair, [])
        return Given(other.text, lambda: other.query, lambda: naive.matches(pair.relation, other.relation))

    made = draw_condition(draw, pair.relation, query)
    draw.note(f"A = {pair.text}; c = {made.text}")
    return made


@laws
@given(data=st.data())
def test_a_condition_and_its_complement_are_all_rows(data: st.DataObject, data_sets: list[DataSet]) -> None:
    """`A & c` and `A - c` partition A, whatever c is; so do c and Not(c)."""
    with tables(data, data_sets) as (draw, data_set):
        pair = drawn(draw, data_set)
        made = draw_given(draw, data_set, pair)
        assert rows(pair.query & made.given()) + rows(pair.query - made.given()) == rows(pair.query)
        assert rows(pair.query & dj.Not(made.given())) == rows(pair.query - made.given())


@laws
@given(data=st.data())
def test_join_commutes(data: st.DataObject, data_sets: list[DataSet]) -> None:
    """`A * B` has the rows of `B * A`, and both are refused together."""
    with tables(data, data_sets) as (draw, data_set):
        left, right = two(draw, data_set, naive.join) if draw.flag() else (drawn(draw, data_set), drawn(draw, data_set))
        draw.note(f"A = {left.text}; B = {right.text}")
        if takes(naive.join, left, right):
            assert rows(left.query * right.query) == rows(right.query * left.query)
        else:
            for one, other in ((left, right), (right, left)):
                with pytest.raises(IncompatibleOperands):
                    one.query * other.query


@laws
@given(data=st.data())
def test_join_associates(data: st.DataObject, data_sets: list[DataSet]) -> None:
    """`(A * B) * C` has the rows of `A * (B * C)`."""
    with tables(data, data_sets) as (draw, data_set):
        left, middle = two(draw, data_set, naive.join)
        right = drawn(draw, data_set, depth=1)
        right = right if takes(naive.join, joined(left, middle), right) else keeping(middle, [])
        assume(takes(naive.join, joined(left, middle), right))
        draw.note(f"A = {left.text}; B = {middle.text}; C = {right.text}")
        first = (left.query * middle.query) * right.query
        assert rows(first) == rows(left.query * (middle.query * right.query))


def joined(left: Pair, right: Pair) -> Pair:
    """`A * B`."""
    return Pair(left.query * right.query, naive.join(left.relation, right.relation), f"({left.text} * {right.text})")


@laws
@given(data=st.data())
def test_restriction_by_a_query_is_the_join_over_the_key(data: st.DataObject, data_sets: list[DataSet]) -> None:
    """`A & B` has the keys that `A * B` has; where A determines B, `(A * B).proj()` is just these."""
    with tables(data, data_sets) as (draw, data_set):
        left, right = two(draw, data_set, naive.join)
        draw.note(f"A = {left.text}; B = {right.text}")
        key = left.query.primary_key
        semijoin, join = left.query & right.query, left.query * right.query
        assert set(values(semijoin, key)) == set(values(join, key))
        if set(right.relation.key) <= set(left.relation.attributes):
            assert rows(semijoin.proj()) == rows(join.proj())


@laws
@given(data=st.data())
def test_the_complement_of_a_query_is_that_of_its_matches(data: st.DataObject, data_sets: list[DataSet]) -> None:
    """`A - B` is `A - (A & B)`, by A's key, also where the match has NULL."""
    with tables(data, data_sets) as (draw, data_set):
        left, right = two(draw, data_set, naive.join)
        draw.note(f"A = {left.text}; B = {right.text}")
        matching = (left.query & right.query).proj()
        without = left.query.restrict(dj.Not(matching), semantic_check=False)  # a key that was computed has no lineage
        assert rows(left.query - right.query) == rows(without)


@laws
@given(data=st.data())
def test_true_false_and_null_are_all_rows(data: st.DataObject, data_sets: list[DataSet]) -> None:
    """Of a condition in words, c, NOT c and c IS NULL partition A; counts and sums over the parts add up."""
    with tables(data, data_sets) as (draw, data_set):
        pair = drawn(draw, data_set)
        condition = draw_term(draw, pair.relation, "bool", 3).text
        number = draw_term(draw, pair.relation, "int", 1).text
        draw.note(f"A = {pair.text}; c = {condition!r}; x = {number!r}")
        parts = [pair.query & text for text in (condition, f"NOT ({condition})", f"({condition}) IS NULL")]
        assert rows(parts[0]) + rows(parts[1]) + rows(parts[2]) == rows(pair.query)
        whole, *found = [totals(part, number) for part in (pair.query, *parts)]
        assert tuple(map(sum, zip(*found, strict=True))) == whole


def totals(query: Any, number: str) -> tuple[int, int, int]:
    """How many rows, how many that have the number, and its sum; all 0 without rows."""
    found = dj.U().aggr(query, n="count(*)", m=f"count({number})", s=f"coalesce(sum({number}), 0)").to_dicts()
    return tuple(found[0].values()) if found else (0, 0, 0)


@laws
@given(data=st.data())
def test_union_commutes_and_associates(data: st.DataObject, data_sets: list[DataSet]) -> None:
    """`A + B` is `B + A`, and `(A + B) + C` is `A + (B + C)`, for attributes that only one of them has."""
    with tables(data, data_sets) as (draw, data_set):
        base = drawn(draw, data_set)
        assume(all(base.relation.attributes[name].lineage for name in base.relation.key))
        secondary = [name for name in base.relation.attributes if name not in base.relation.key]
        places = [draw.number(0, 2) for _ in secondary]
        a, b, c = (
            keeping(
                draw_part(draw, data_set, base),
                [n for n, at in zip(secondary, places, strict=True) if at == place],
            ).query
            for place in range(3)
        )
        assert rows(a + b) == rows(b + a)
        assert rows((a + b) + c) == rows(a + (b + c))
        assert set((a + b).primary_key) == set(base.relation.key)
        assert rows((a + b).proj()) == rows(base.query.proj() & [a.proj(), b.proj()])


@laws
@given(data=st.data())
def test_keys_are_unique(data: st.DataObject, data_sets: list[DataSet]) -> None:
    """Every result has a key without NULL that tells its rows apart."""
    with tables(data, data_sets) as (draw, data_set):
        pair = draw_pair(draw, data_set, 4)
        check_key(pair.query, (pair.query & True).to_dicts(order_by=[]))


@laws
@given(data=st.data())
def test_top_is_a_window(data: st.DataObject, data_sets: list[DataSet]) -> None:
    """`A & Top(...)` are the rows that reading A in this order begins with; of it, another Top takes a part."""
    with tables(data, data_sets) as (draw, data_set):
        pair = drawn(draw, data_set)
        term = draw_computed(draw, pair.relation)
        order = [term.text + draw.one(["", " DESC"])] if term.names else ["KEY DESC"]
        limit, offset, inner = (draw.number(0, 5) for _ in range(3))
        draw.note(f"A = {pair.text}; order = {order}; limit, offset, inner = {limit, offset, inner}")
        ordered = (pair.query & True).to_dicts(order_by=order)
        first = pair.query & dj.Top(limit, order, offset)
        assert comparable(first.to_dicts()) == comparable(ordered[offset : offset + limit])
        then = first & dj.Top(limit, order, inner)
        assert comparable(then.to_dicts()) == comparable(ordered[offset + inner : offset + limit])
        assert comparable((pair.query & True).to_dicts(order_by=order, limit=limit, offset=offset)) == comparable(
            ordered[offset : offset + limit]
        )


@laws
@given(data=st.data())
def test_ways_of_reading_agree(data: st.DataObject, data_sets: list[DataSet]) -> None:
    """`len`, `bool`, iteration, `in`, keys and the frame are all of the same rows."""
    with tables(data, data_sets) as (draw, data_set):
        pair = drawn(draw, data_set, depth=3)
        query = pair.query & True
        found: list[Row] = query.to_dicts()
        keys = [{name: row[name] for name in query.primary_key} for row in found]
        assert len(query) == len(found)
        assert query.fetch().height == len(found) or not query.heading.names  # a frame without columns has no rows
        assert bool(query) == bool(found)
        assert comparable(query) == comparable(found)
        assert comparable(query.keys()) == comparable(keys)
        assert all(key in query for key in keys)
        assert all((row in query) and (row not in query - row) for row in found[:2])
