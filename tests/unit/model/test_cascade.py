"""The plan of a delete: by which columns each table is asked for the rows that go, and when parts must be looked at."""

from __future__ import annotations

import pytest

from djarrow.errors import CyclicDependency
from djarrow.model.cascade import CASCADE, ENFORCE, IGNORE, Link, Plan, Reference, plan
from djarrow.model.names import TableName


def name(table: str) -> TableName:
    """A table of the one schema."""
    return TableName("s", table)


def refer(child: str, parent: str, *pairs: str, strict: bool = True) -> Reference:
    """A foreign key; pairs: `x` for a column of the same name, `x=y` for a renamed one."""
    split = [each.split("=") for each in pairs]
    return Reference(name(child), name(parent), tuple((each[0], each[-1]) for each in split), strict=strict)


def planned(first: str, *references: Reference, whole: bool = False, part_integrity: str = ENFORCE) -> Plan:
    """The plan for tables whose keys are `k`."""
    tables = {one.table for one in references} | {one.parent for one in references}
    return plan(name(first), references, dict.fromkeys(tables, ("k",)), whole=whole, part_integrity=part_integrity)


def links(found: Plan, table: str) -> list[str]:
    """The links of a table: `a: x=y` where its x is y of a."""
    step = found.steps[found.number(name(table)) or 0]
    return [f"{each.source.table}: {', '.join(f'{o}={t}' for o, t in sorted(each.pairs))}" for each in step.links]


CHAIN = (refer("b", "a", "a"), refer("c", "b", "a", "b"), refer("d", "c", "x=a", "y=b", "c"))


def test_keys_that_hold_the_first_key_are_asked_for_it() -> None:
    """Below a key that is passed on, each table is linked to the first one, under whatever name."""
    found = planned("a", *CHAIN)
    assert [links(found, table) for table in "bcd"] == [["a: a=a"], ["a: a=a"], ["a: x=a"]]
    assert [found.needed(step) for step in found.steps] == [("a",), (), (), ()]


def test_a_key_that_is_not_passed_on() -> None:
    """Where the columns are not in the reference, or may be NULL, a table is linked to its parent."""
    found = planned("a", refer("b", "a", "a"), refer("c", "b", "b"), refer("d", "c", "b", strict=False))
    assert [links(found, table) for table in "bcd"] == [["a: a=a"], ["b: b=b"], ["c: b=b"]]


def test_paths_that_mean_the_same_are_one() -> None:
    """Both sides of a diamond below one key are one link; different ones are two."""
    sides = (refer("l", "a", "a"), refer("r", "a", "a"))
    same = planned("a", *sides, refer("d", "l", "a", "l"), refer("d", "r", "a", "r"))
    assert links(same, "d") == ["a: a=a"]
    other = planned("a", *sides, refer("d", "l", "a", "l"), refer("d", "r", "b=a", "r"))
    assert links(other, "d") == ["a: a=a", "a: b=a"]


def test_below_a_hierarchy() -> None:
    """Of a table that refers to itself more rows go than its parents say: what is below asks for its own."""
    found = planned("a", refer("h", "a", "a"), refer("h", "h", "up=k", "a"), refer("c", "h", "a", "k"))
    assert links(found, "c") == ["h: a=a, k=k"]


def test_all_of_a_table() -> None:
    """What must refer to a table goes whole with it, and needs no link; what can be NULL does not."""
    found = planned("a", *CHAIN, refer("e", "b", "b", strict=False), whole=True)
    assert [step.whole for step in found.steps] == [True, True, True, False, True]
    assert links(found, "e") == ["b: b=b"]


def test_what_is_asked_of_the_first_table_can_be_asked_below() -> None:
    """Where the columns that decide are here under their names, strictly, and no more rows go than they choose."""

    def alike(*references: Reference, asked: str = "a") -> list[bool]:
        tables = {one.table for one in references} | {one.parent for one in references}
        keys = dict.fromkeys(tables, ("k",))
        found = plan(name("a"), references, keys, whole=False, part_integrity=ENFORCE, asked=asked)
        return [link.alike for step in found.steps for link in step.links]

    assert alike(*CHAIN) == [True, True, False]
    assert alike(*CHAIN, asked="v") == [False, False, False]
    assert alike(refer("b", "a", "a", strict=False), refer("c", "b", "a", "b")) == [False, False]
    assert alike(refer("b", "a", "a"), refer("a", "a", "up=a", strict=False)) == [False]
    assert alike(refer("b", "a", "a", "v"), asked="av") == [True]


PARTS = (refer("m__p", "m", "m"), refer("m__p", "t", "t"))


def test_parts_that_cannot_go_alone_are_not_looked_at() -> None:
    """Where each reason for which rows of a part go is a reason for their master, there is nothing to check."""

    def owned(found: Plan) -> list[str]:
        return [step.table.table for step in found.steps if step.owner is not None]

    assert owned(planned("m", *PARTS)) == []
    assert owned(planned("t", *PARTS)) == ["m__p"]
    assert owned(planned("m__p", *PARTS)) == ["m__p"]
    assert owned(planned("t", *PARTS, part_integrity=IGNORE)) == []
    below = (refer("m", "a", "a"), refer("t", "a", "a"), refer("m__p", "m", "a", "m"), refer("m__p", "t", "a", "t"))
    assert owned(planned("a", *below)) == []
    assert owned(planned("a", *below, whole=True)) == []


def test_masters_go_along() -> None:
    """With `cascade`, masters and all below them are in the plan, and know the parts that claim them."""
    found = planned("t", *PARTS, refer("n", "m", "m"), part_integrity=CASCADE)
    assert {step.table.table for step in found.steps} == {"t", "m", "m__p", "n"}
    assert [len(step.claims) for step in found.steps if step.table == name("m")] == [1]
    assert {step.table.table for step in planned("t", *PARTS, refer("n", "m", "m")).steps} == {"t", "m__p"}


def test_a_circle() -> None:
    """Tables that refer to each other are told."""
    with pytest.raises(CyclicDependency):
        planned("a", refer("a", "b", "b"), refer("b", "a", "a"))


def test_links_are_equal_whatever_their_order() -> None:
    """Two references with their columns in another order are one link."""
    assert Link(name("a"), frozenset({("x", "y"), ("u", "v")})) == Link(name("a"), frozenset({("u", "v"), ("x", "y")}))
