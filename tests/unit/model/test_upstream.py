"""The plan of what is upstream: which tables, in which order, reached from where by which attributes."""

from __future__ import annotations

from djarrow.model.names import TableName
from djarrow.model.spec import TableSpec, table_spec
from djarrow.model.upstream import Climb, Reached, Via, determined, upstream


def name(table: str) -> TableName:
    """A table of the one schema."""
    return TableName("s", table)


def specs(**definitions: str) -> dict[TableName, TableSpec]:
    """Tables by name, each with the text of its definition; references are names of tables."""
    found: dict[TableName, TableSpec] = {}
    for table, text in definitions.items():
        found[name(table)] = table_spec(
            text, name(table), lambda reference, _: found.get(name(reference.lower().replace(".", "__")))
        )
    return found


def ways(reached: Reached) -> list[str]:
    """How a table is reached: `t: a=x` where its a is x of t; `!x` where x must be there."""
    return [
        f"{via.source.table}: {' '.join([*(f'{a}={b}' for a, b in via.pairs), *(f'!{x}' for x in via.present)])}"
        for via in reached.vias
    ]


CHAIN = specs(
    a="a : uint8\n---",
    b="-> A\nb : uint8\n---",
    c="-> B.proj(x='a')\nc : uint8\n---",
    d="d : uint8\n---\n-> C\n-> [nullable] A.proj(other='a')",
)


def test_primary_keys_are_one_step() -> None:
    """However far an ancestor is, the attributes of the first table that hold its key are what it is asked by."""
    found = upstream(name("c"), CHAIN)
    assert [each.table for each in found] == ["c", "b", "a"]
    assert ways(found[name("b")]) == ["c: a=x b=b"]
    assert ways(found[name("a")]) == ["c: a=x"]


def test_secondary_references_lift_too() -> None:
    """What a reference below the divider holds of a key is in the first row as well; each way stands once."""
    found = upstream(name("d"), CHAIN)
    assert [each.table for each in found] == ["d", "c", "b", "a"]
    assert ways(found[name("a")]) == ["d: a=other", "d: a=x"]


def test_what_is_nullable_must_be_there() -> None:
    """A step that leaves out an attribute of a nullable reference asks that it is there."""
    tables = specs(a="a : uint8\n---", b="-> A\nb : uint8\n---", c="c : uint8\n---\n-> [nullable] B")
    assert ways(upstream(name("c"), tables)[name("a")]) == ["c: a=a !b"]


def test_a_reference_outside_of_a_key_nests() -> None:
    """Attributes that the first table has not are asked for where they are."""
    tables = specs(a="a : uint8\n---", b="b : uint8\n---\n-> A", c="-> B\n---")
    assert ways(upstream(name("c"), tables)[name("a")]) == ["b: a=a"]


def test_a_master_brings_its_parts() -> None:
    """And what these refer to; a part asked for by itself brings neither its siblings nor what they refer to."""
    tables = specs(
        k="k : uint8\n---",
        m="m : uint8\n---",
        m__p="-> M\np : uint8\n---\n-> K",
        m__q="-> M.P\nq : uint8\n---",
        c="c : uint8\n---\n-> M.Q",
    )
    found = upstream(name("c"), tables)
    assert {each.table for each in found} == {"c", "m", "m__p", "m__q", "k"}
    assert ways(found[name("m")]) == ["c: m=m"]
    assert (ways(found[name("m__q")]), found[name("m__q")].brought) == (["m: m=m"], True)
    assert [each.table for each in upstream(name("m__q"), tables)] == ["m__q", "m__p", "m", "k"]
    assert ways(upstream(name("m__q"), tables)[name("m__p")]) == ["m__q: m=m p=p"]
    assert {each.table for each in upstream(name("m"), tables)} == {"m", "m__p", "m__q", "k"}


def test_hierarchies_climb() -> None:
    """A table that refers to itself, and a part that refers to another row of its master."""
    tables = specs(a="a : uint8\n---\n-> [nullable] A.proj(up='a')", a__p="-> A\np : uint8\n---\n-> A.proj(last='a')")
    found = upstream(name("a"), tables)
    assert found[name("a")].climbs == (Climb(name("a"), ("a",), ("up",)), Climb(name("a__p"), ("a",), ("last",)))
    assert found[name("a__p")] == Reached(name("a__p"), (Via(name("a"), (("a", "a"),)),), brought=True)


def test_parts_that_depend_on_their_master_by_others() -> None:
    """They have no place in an order, and are left out; the rest is as ever, from whatever table one begins."""
    tables = specs(
        m="m : uint8\n---",
        r="-> M\nr : uint8\n---",
        m__best="-> M\n---\n-> R.proj(other='m', r='r')",
        c="-> R\n---",
    )
    assert [each.table for each in upstream(name("c"), tables)] == ["c", "r", "m"]
    assert [each.table for each in upstream(name("m"), tables)] == ["m"]
    assert [each.table for each in upstream(name("m__best"), tables)] == ["m__best", "r", "m"]


def test_what_a_key_determines() -> None:
    """Only what the known attributes lead to; not the table itself, its parts, or what is chosen when it is made."""
    tables = specs(
        a="a : uint8\n---",
        b="-> A\nb : uint8\n---",
        k="k : uint8\n---",
        n="n : uint8\n---",
        c="-> B\n---\n-> K",
        c__p="-> C\np : uint8\n---\n-> N",
    )
    reached = upstream(name("c"), tables)
    assert {each.table for each in reached} == {"a", "b", "k", "n", "c", "c__p"}
    assert [each.table for each in determined(name("c"), frozenset({"a", "b"}), reached)] == ["c", "b", "a"]
    assert [each.table for each in determined(name("c"), frozenset({"a"}), reached)] == ["c", "a"]
