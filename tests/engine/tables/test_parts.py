"""Master and part: where a part may stand, what its table is called, and what is refused (000 "Master-Part")."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import DefinitionError, DuplicateKey, MissingParent

Ask = Callable[[str], list[dict[str, Any]]]


@pytest.mark.parametrize(
    ("base", "master", "part"),
    [
        (dj.Lookup, "#recording_site", "#recording_site__channel_pair"),
        (dj.Manual, "recording_site", "recording_site__channel_pair"),
        (dj.Imported, "_recording_site", "_recording_site__channel_pair"),
        (dj.Computed, "__recording_site", "__recording_site__channel_pair"),
    ],
    ids=["lookup", "manual", "imported", "computed"],
)
def test_a_part_in_any_tier(schema: dj.Schema, ask: Ask, base: type[dj.Table], master: str, part: str) -> None:
    """The table of a part is called after its master, with the master's prefix, and its tier is the master's."""

    class RecordingSite(base):  # type: ignore[valid-type,misc]
        definition = "site : uint8\n---"

        class ChannelPair(dj.Part):
            definition = "-> master\npair : uint8\n---"

    Site: Any = schema(RecordingSite)
    Site.declare()
    rows = ask(f"SELECT tablename::text AS name FROM pg_tables WHERE schemaname = '{schema.name}'")
    assert sorted(row["name"] for row in rows) == [master, part]
    spec = Site.ChannelPair().spec
    assert (spec.tier, spec.class_name, spec.master) == (Site().spec.tier, "ChannelPair", Site().spec.name)
    assert Site.ChannelPair().master is Site
    assert Site.ChannelPair.describe() == "-> master\npair : uint8\n---\n"
    Site.insert([(1,)], allow_direct_insert=True)
    Site.ChannelPair.insert([(1, 1)], allow_direct_insert=True)
    with pytest.raises(MissingParent):
        Site.ChannelPair.insert([(2, 1)], allow_direct_insert=True)


@pytest.mark.parametrize(
    ("definition", "key"),
    [
        ("-> master\nitem : uint8\n---", ("order_id", "item")),
        ("-> master     #  foreign key to the order\nitem : uint8\n---", ("order_id", "item")),
        ("-> Order\nitem : uint8\n---", ("order_id", "item")),
        ("item : uint8\n-> master\n---", ("item", "order_id")),
        ("-> master.proj(number='order_id')\nitem : uint8\n---", ("number", "item")),
        ("-> master\n---\nitem : uint8", ("order_id",)),
        ("item : uint8\n---\n-> master", ("item",)),
        ("-> [unique] master\nitem : uint8\n---", ("order_id", "item")),
    ],
    ids=["master", "comment", "by name", "after", "renamed", "one a master", "below", "unique"],
)
def test_how_a_part_refers_to_its_master(
    schema: dj.Schema, second: PostgresConnection, definition: str, key: tuple[str, ...]
) -> None:
    """`-> master` or the master's name, renamed or not, above the divider or below: the reference is there."""

    class Order(dj.Manual):
        pass

    Order.definition = "order_id : uint16\n---"
    Order.Item = type("Item", (dj.Part,), {"definition": definition})  # type: ignore[attr-defined]
    Made: Any = schema(Order)
    assert Made.Item.primary_key == key
    assert [reference.parent for reference in Made.Item().spec.foreign_keys] == [Made().spec.name]
    assert {str(a.lineage) for a in Made.Item().heading} >= {f"{schema.name}.order.order_id"}
    text = Made.Item.describe()
    again = dj.Schema(schema.name, connection=second)
    members = {"definition": "order_id : uint16\n---", "Item": type("Item", (dj.Part,), {"definition": text})}
    Again: Any = again(type("Order", (dj.Manual,), members))
    assert Again.Item.describe() == text


@pytest.mark.parametrize(
    "definition",
    [
        "item : uint8\n---",
        "item : uint8\n---\n-> Other",
        "-> Other\nitem : uint8\n---",
    ],
    ids=["nothing", "another below", "another in the key"],
)
def test_a_part_without_its_master(schema: dj.Schema, definition: str) -> None:
    """A part that does not refer to its master is refused: a part always has a foreign key to it (000)."""

    @schema
    class Other(dj.Manual):
        definition = "other : uint8\n---"

    class Order(dj.Manual):
        definition = "order_id : uint16\n---"

        class Line(dj.Part):
            definition = "-> master\nline : uint8\n---"

    Order.Item = type("Item", (dj.Part,), {"definition": definition})  # type: ignore[attr-defined]
    with pytest.raises(DefinitionError, match=r"'order__item'.*`-> master`") as caught:
        schema(Order)
    assert caught.value.table == "order__item"
    assert schema.tables == (Other,)


def test_a_reference_to_the_master_that_may_be_null(schema: dj.Schema) -> None:
    """A part whose row could be without its master is refused."""

    class Order(dj.Manual):
        definition = "order_id : uint16\n---"

        class Item(dj.Part):
            definition = "item : uint8\n---\n-> [nullable] master"

    with pytest.raises(DefinitionError, match=r"'order__item'.*may not be NULL"):
        schema(Order)


def test_a_part_may_refer_to_its_master_twice(schema: dj.Schema) -> None:
    """Besides its own, a part may refer to other rows of its master's table, also where there are none."""

    @schema
    class Paper(dj.Manual):
        definition = "doi : varchar(40)\n---"

        class Citation(dj.Part):
            definition = "-> master\n-> Paper.proj(cites='doi')\n---\n-> [nullable] master.proj(via='doi')"

    Paper.insert([("a",), ("b",)])
    Paper.Citation.insert1(("a", "b", None))
    with pytest.raises(MissingParent):
        Paper.Citation.insert1(("a", "c", None))
    assert Paper.Citation.describe() == (
        "-> master\n-> Paper.proj(cites='doi')\n---\n-> [nullable] Paper.proj(via='doi')\n"
    )


def test_parts_do_not_nest(schema: dj.Schema) -> None:
    """A part of a part is refused wherever it comes from, and nothing is declared."""

    class Cell(dj.Part):
        definition = "-> master\ncell : int32\n---"

    class Field(dj.Part):
        definition = "-> master\nfield : int32\n---"

    class Scan(dj.Manual):
        definition = "scan : int32\n---"

    Field.Cell = Cell  # type: ignore[attr-defined]
    Scan.Field = Field  # type: ignore[attr-defined]
    with pytest.raises(DefinitionError, match="parts do not nest"):
        schema(Scan)
    assert schema.tables == ()


def test_a_part_is_no_master_by_its_name(schema: dj.Schema) -> None:
    """A table that refers to a part is no part of it: only nesting makes parts."""

    @schema
    class Scan(dj.Manual):
        definition = "scan : int32\n---"

        class Field(dj.Part):
            definition = "-> master\nfield : int32\n---"

    @schema
    class Cell(dj.Manual):
        definition = "-> Scan.Field\ncell : int32\n---"

    assert Scan.Field().spec.master == Scan().spec.name
    assert Cell().spec.master is None
    assert Cell().spec.parents == (Scan.Field().spec.name,)


def test_a_part_has_one_master(schema: dj.Schema) -> None:
    """A class that is the part of one master and stands in another's class stays the part of the first."""

    class Item(dj.Part):
        definition = "-> master\nitem : uint8\n---"

    first = type("First", (dj.Manual,), {"definition": "f : uint8\n---", "Item": Item})
    other = type("Other", (dj.Manual,), {"definition": "o : uint8\n---", "Item": Item})
    schema(first)
    schema(other)
    assert Item().spec.name.table == "first__item"
    assert [table.__name__ for table in schema.tables] == ["First", "Item", "Other"]


def test_two_parts_of_one_name(schema: dj.Schema) -> None:
    """Parts of different masters may have one name; each refers to its own master."""

    @schema
    class Survey(dj.Manual):
        definition = "survey : uint8\n---"

        class Item(dj.Part):
            definition = "-> master\nitem : uint8\n---"

    @schema
    class Invoice(dj.Manual):
        definition = "invoice : uint8\n---"

        class Item(dj.Part):
            definition = "-> master\nitem : uint8\n---\n-> [nullable] Survey.Item.proj(about='item')"

    assert Survey.Item.primary_key == ("survey", "item")
    assert Invoice.Item.primary_key == ("invoice", "item")
    assert Invoice.Item().spec.parents == (Invoice().spec.name, Survey.Item().spec.name)
    Survey.insert1((1,))
    Survey.Item.insert([(1, 1), (1, 2)])
    Invoice.insert1((7,))
    Invoice.Item.insert([(7, 1, 1, 2)])
    with pytest.raises(DuplicateKey):
        Invoice.Item.insert1((7, 1, 1, 1))


def test_a_part_of_a_singleton(schema: dj.Schema) -> None:
    """A master without a key has nothing that a part could refer to, and the message says so."""

    class Settings(dj.Manual):
        definition = "---\nrate : float64"

        class Channel(dj.Part):
            definition = "-> master\nchannel : uint8\n---"

    with pytest.raises(DefinitionError, match="'master' has no attributes in its key"):
        schema(Settings)


@pytest.mark.parametrize("name", ["Long" + "x" * 30, "Y" * 20])
def test_a_part_whose_name_is_too_long_with_its_master(schema: dj.Schema, name: str) -> None:
    """Master and part together keep to PostgreSQL's 63 bytes, or are refused before anything is made."""
    part = type(name, (dj.Part,), {"definition": "-> master\np : uint8\n---"})
    master = type("Master" + "x" * 27, (dj.Manual,), {"definition": "m : uint8\n---", name: part})
    with pytest.raises(DefinitionError, match="PostgreSQL keeps 63"):
        schema(master)
    assert schema.tables == ()


def test_a_part_may_have_the_name_of_the_table_it_refers_to(schema: dj.Schema) -> None:
    """Inside the part the bare name means the table outside, as in published pipelines; `Master.Part` means itself."""

    @schema
    class Project(dj.Lookup):
        definition = "project : varchar(12)"
        contents = (("atlas",),)

    @schema
    class Session(dj.Manual):
        definition = "session_id : int32"

        class Project(dj.Part):
            definition = "-> master\n-> Project\n---\n-> [nullable] Session.Project.proj(before='session_id')"

    part = Session.Project()
    assert part.spec.parents == (Session().spec.name, Project().spec.name)
    assert part.spec.foreign_keys[-1].parent == part.spec.name
    Session.insert([(1,), (2,)])
    Session.Project.insert([(1, "atlas", None), (2, "atlas", 1)])
    assert Session.Project.describe() == (
        "-> master\n-> Project\n---\n-> [nullable] Session.Project.proj(before='session_id')\n"
    )
