"""The dependency graph: order, ancestors, children, and cycles by name."""

from __future__ import annotations

import itertools
import random

import pytest

from djarrow.errors import CyclicDependency
from djarrow.model import graph
from djarrow.model.heading import Attribute, Heading
from djarrow.model.names import TableName
from djarrow.model.spec import ForeignKey, TableSpec
from djarrow.model.types import core


def name(table: str) -> TableName:
    """The name of a table in the one schema."""
    return TableName("lab", table)


def spec(table: str, *parents: str) -> TableSpec:
    """A table that refers to these parents."""
    heading = Heading((Attribute("a", core("int8")),), ("a",))
    return TableSpec(name(table), "", heading, tuple(ForeignKey(name(parent), (("a", "a"),)) for parent in parents))


SPECS = [spec("stat", "session", "method"), spec("session", "subject"), spec("subject"), spec("method")]
PARENTS = graph.parents_of(SPECS)


def test_parents() -> None:
    """The graph maps each table to those it refers to, each once."""
    assert PARENTS[name("stat")] == (name("session"), name("method"))
    assert graph.parents_of([spec("b", "a", "a")]) == {name("b"): (name("a"),)}


def test_topological_order() -> None:
    """Parents come before children, and by name where either would do."""
    assert [t.table for t in graph.topological_order(PARENTS)] == ["method", "subject", "session", "stat"]


def test_order_leaves_out_what_is_unknown() -> None:
    """A parent outside the mapping does not appear in the order."""
    assert graph.topological_order({name("b"): [name("elsewhere")]}) == (name("b"),)


def test_cycle() -> None:
    """A cycle is refused with the tables around it, in the direction of the references."""
    parents = {name("a"): [name("b")], name("b"): [name("c")], name("c"): [name("a")], name("d"): [name("a")]}
    with pytest.raises(CyclicDependency) as caught:
        graph.topological_order(parents)
    cycle = caught.value.cycle
    assert (cycle[0], set(cycle), len(cycle)) == (cycle[-1], {"lab.a", "lab.b", "lab.c"}, 4)
    follows = {"lab.a": "lab.b", "lab.b": "lab.c", "lab.c": "lab.a"}
    assert all(follows[child] == parent for child, parent in itertools.pairwise(cycle))
    assert " -> ".join(cycle) in str(caught.value)


def test_check_acyclic() -> None:
    """A table that closes a cycle is refused by its own name; one that does not is taken."""
    graph.check_acyclic(spec("report", "stat"), PARENTS)
    with pytest.raises(CyclicDependency, match="Table 'subject': the foreign keys form a cycle") as caught:
        graph.check_acyclic(spec("subject", "stat"), PARENTS)
    assert caught.value.table == "subject"
    assert set(caught.value.cycle) == {"lab.subject", "lab.session", "lab.stat"}


def test_self_reference_is_no_dependency() -> None:
    """A hierarchy, which refers to itself, depends on other tables only; spec.py says which may."""
    graph.check_acyclic(spec("a", "a", "b"), {})
    assert graph.parents_of([spec("a", "a", "b")]) == {name("a"): (name("b"),)}


def test_ancestors() -> None:
    """Ancestors are all tables on which one depends, not itself."""
    assert graph.ancestors(name("stat"), PARENTS) == {name("session"), name("subject"), name("method")}
    assert graph.ancestors(name("subject"), PARENTS) == set()
    assert graph.ancestors(name("unknown"), PARENTS) == set()


def test_children() -> None:
    """The graph read the other way maps each table to those that refer to it, by name."""
    children = graph.children_of({**PARENTS, name("album"): [name("subject")]})
    assert children[name("subject")] == (name("album"), name("session"))
    assert children[name("stat")] == ()


def test_components() -> None:
    """What depends on each other is one group, and each group comes after all that it depends on."""
    dice = random.Random(1)  # noqa: S311 - a test that can be repeated
    for _ in range(200):
        size = dice.randint(0, 9)
        sources = {n: [dice.randrange(size) for _ in range(dice.randint(0, 2))] for n in range(size)}
        groups = graph.components(sources)
        assert sorted(n for group in groups for n in group) == list(range(size))
        reached = {n: _reached(n, sources) for n in sources}
        place = {n: number for number, group in enumerate(groups) for n in group}
        for one in sources:
            for other in sources:
                together = one == other or (other in reached[one] and one in reached[other])
                assert (place[one] == place[other]) == together
                assert other not in reached[one] or place[other] <= place[one]
    chain = {n: [n - 1] if n else [] for n in range(20_000)}
    assert graph.components(chain) == [(n,) for n in range(20_000)]


def _reached(node: int, sources: dict[int, list[int]]) -> set[int]:
    found: set[int] = set()
    waiting = list(sources[node])
    while waiting:
        if (each := waiting.pop()) not in found:
            found.add(each)
            waiting += sources[each]
    return found
