"""The tables upstream of one, in order, and by which references changes reach its rows."""

from __future__ import annotations

from djarrow.model.flow import stages
from djarrow.model.names import TableName
from djarrow.model.spec import TableSpec, table_spec


def specs(**definitions: str) -> dict[TableName, TableSpec]:
    """Tables by name; a definition refers to one by its name."""
    found: dict[str, TableSpec] = {}
    for name, text in definitions.items():
        found[name] = table_spec(text, TableName("lab", name), lambda reference, _: found.get(reference))
    return {spec.name: spec for spec in found.values()}


def order(first: str, known: dict[TableName, TableSpec]) -> list[str]:
    """The names of the stages."""
    return [stage.spec.name.table for stage in stages(TableName("lab", first), known)]


def test_only_what_is_upstream_and_the_table_last() -> None:
    """Tables below it and beside it are left out."""
    known = specs(a="a : int32\n---", b="-> a\n---", c="-> b\n---\n-> a", d="-> c\n---", e="-> a\n---")
    assert order("c", known) == ["a", "b", "c"]
    assert order("a", known) == ["a"]


def test_references_of_a_hierarchy_are_told_apart() -> None:
    """Those to the table itself are not among those to tables before it."""
    known = specs(a="a : int32\n---", b="-> a\n---\n-> [nullable] b.proj(up='a')")
    *_, stage = stages(TableName("lab", "b"), known)
    assert [key.parent.table for key in stage.references] == ["a"]
    assert [key.pairs for key in stage.own] == [(("up", "a"),)]


def test_parts_come_with_their_master() -> None:
    """With what they refer to, the part that hangs on another part first."""
    known = specs(
        a="a : int32\n---",
        m="m : int32\n---",
        m__one="-> m\none : int32\n---",
        m__two="two : int32\n---\n-> m__one\n-> a",
        r="-> m\n---",
    )
    assert order("r", known) == ["a", "m", "r"]
    master = stages(TableName("lab", "r"), known)[1]
    assert [(part.spec.name.table, part.owner.parent.table) for part in master.parts] == [
        ("m__two", "m__one"),
        ("m__one", "m"),
    ]
    assert [[key.parent.table for key in part.references] for part in master.parts] == [["a"], []]


def test_a_part_that_refers_to_what_depends_on_its_master() -> None:
    """Is not followed there: that comes later. Two masters whose parts refer to each other have an order."""
    known = specs(m="m : int32\n---", n="n : int32\n---", d="-> m\n---", m__p="-> m\n---\n-> d", r="-> d\n---")
    assert order("r", known) == ["m", "d", "r"]
    known |= specs(m="m : int32\n---", n="n : int32\n---", m__p="-> m\n---\n-> n", n__p="-> n\n---\n-> m")
    known |= specs(m="m : int32\n---", n="n : int32\n---", r="-> m\n-> n\n---")
    assert set(order("r", known)) == {"m", "n", "r"}
    assert order("r", known)[-1] == "r"


def test_a_part_itself() -> None:
    """Its master comes before it, as a table that it refers to, and brings the other parts."""
    known = specs(m="m : int32\n---", m__p="-> m\n---", m__q="-> m\n---", r="-> m__p\n---")
    assert order("r", known) == ["m", "m__p", "r"]
