"""Foreign keys in every form: key, lineage, what the database then refuses, how they read back; and cycles."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import CyclicDependency, DefinitionError, DuplicateKey, MissingField, MissingParent
from djarrow.model import graph
from djarrow.model.changes import differences

from ...described import drop_schemas

Ask = Callable[[str], list[dict[str, Any]]]


def make(schema: dj.Schema, name: str, definition: str, base: type[dj.Table] = dj.Manual, **members: Any) -> Any:
    """A table class of this name and definition, declared in the schema."""
    return schema(type(name, (base,), {"definition": definition, **members}))


PARENTS = {
    "Person": "person : varchar(8)\n---",
    "Subject": "subject_id : uint16\n---\n-> [nullable] Person",
    "Session": "-> Subject\nsession : uint8\n---",
    "Scan": "-> Session\nscan : uint8\n---",
    "Sorting": "-> Session\nsorting : uint8\n---\n-> Person.proj(sorted_by='person')",
}
ROWS: dict[str, list[tuple[Any, ...]]] = {
    "Person": [("ada",), ("alan",)],
    "Subject": [(1, "ada"), (2, None)],
    "Session": [(1, 1), (1, 2), (2, 1)],
    "Scan": [(1, 1, 1), (1, 2, 1), (2, 1, 1)],
    "Sorting": [(1, 1, 7, "alan"), (2, 1, 7, "ada")],
}


def parents(schema: dj.Schema) -> SimpleNamespace:
    """The classes that others refer to, one of them in another schema."""
    made = {name: make(schema, name, text) for name, text in PARENTS.items()}
    other = dj.Schema(f"{schema.name}-far", connection=schema.connection, add_objects=made)
    made["Image"] = make(other, "Image", "-> [unique] Session\nimage : uint8\n---")
    return SimpleNamespace(**made)


@pytest.fixture
def lab(schema: dj.Schema) -> Iterator[SimpleNamespace]:
    """The parents with their rows."""
    made = parents(schema)
    for name, rows in ROWS.items():
        getattr(made, name).insert(rows)
    made.Image.insert([(1, 1, 5)])
    yield made
    drop_schemas(schema.connection, f"{schema.name}-far")


# Each: the definition; the primary key; origin of each attribute that has one, table.attribute; a row that is taken;
# rows that are not, each with its error.
FORMS: dict[str, tuple[str, str, str, tuple[Any, ...], list[tuple[tuple[Any, ...], type[Exception]]]]] = {
    "in the key": (
        "-> Session\nc : uint8\n---",
        "subject_id session c",
        "subject_id:subject.subject_id session:session.session c:child.c",
        (1, 1, 1),
        [((1, 3, 1), MissingParent), ((None, 1, 1), MissingField)],
    ),
    "below": (
        "c : uint8\n---\n-> Session",
        "c",
        "subject_id:subject.subject_id session:session.session c:child.c",
        (1, 1, 1),
        [((2, 3, 1), MissingParent), ((2, 1, None), MissingField)],
    ),
    "nullable": (
        "c : uint8\n---\n-> [nullable] Session",
        "c",
        "subject_id:subject.subject_id session:session.session c:child.c",
        (1, None, None),
        [((2, 3, 1), MissingParent)],
    ),
    "unique": (
        "c : uint8\n---\n-> [unique] Session",
        "c",
        "subject_id:subject.subject_id session:session.session c:child.c",
        (1, 1, 1),
        [((2, 1, 1), DuplicateKey), ((2, 1, None), MissingField)],
    ),
    "unique in the key": (
        "c : uint8\n-> [unique] Person\n---",
        "c person",
        "person:person.person c:child.c",
        (1, "ada"),
        [((2, "ada"), DuplicateKey), ((2, "alonzo"), MissingParent)],
    ),
    "both": (
        "c : uint8\n---\n-> [unique, nullable] Person",
        "c",
        "person:person.person c:child.c",
        (1, "ada"),
        [((2, "ada"), DuplicateKey), ((2, "alonzo"), MissingParent)],
    ),
    "several of one parent": (
        'c : uint8\n---\n-> Person.proj(first=person)\n-> Person.proj(second="person")\n-> [nullable] Person',
        "c",
        "first:person.person second:person.person person:person.person c:child.c",
        (1, "ada", "alan", None),
        [((2, "ada", "alonzo", None), MissingParent), ((2, "alonzo", "ada", None), MissingParent)],
    ),
    "sharing a part of the key": (
        "-> Session.proj(before='session')\n-> Session.proj(after='session')\n---",
        "subject_id before after",
        "subject_id:subject.subject_id before:session.session after:session.session",
        (1, 1, 2),
        [((2, 1, 2), MissingParent), ((2, 2, 1), MissingParent)],
    ),
    "all renamed": (
        "-> Session.proj(s='subject_id', n='session')\n---\n-> Session",
        "s n",
        "s:subject.subject_id n:session.session subject_id:subject.subject_id session:session.session",
        (1, 1, 2, 1),
        [((1, 3, 1, 1), MissingParent), ((2, 1, 1, 3), MissingParent)],
    ),
    "diamond": (
        "-> Scan\n-> Sorting\n---",
        "subject_id session scan sorting",
        "subject_id:subject.subject_id session:session.session scan:scan.scan sorting:sorting.sorting",
        (1, 1, 1, 7),
        [((1, 1, 2, 7), MissingParent), ((1, 2, 1, 7), MissingParent), ((2, 1, 1, 8), MissingParent)],
    ),
    "diamond of different depth": (
        "-> Subject\n---\n-> Scan",
        "subject_id",
        "subject_id:subject.subject_id session:session.session scan:scan.scan",
        (1, 1, 1),
        [((2, 2, 1), MissingParent), ((3, 1, 1), MissingParent)],
    ),
    "across schemas": (
        "-> far.Image\n---\n-> [nullable] Sorting",
        "subject_id session image",
        "subject_id:subject.subject_id session:session.session image:far.image.image sorting:sorting.sorting",
        (1, 1, 5, 7),
        [((2, 1, 5, None), MissingParent), ((1, 1, 6, None), MissingParent)],
    ),
    "from a computed name": (
        "-> Sorting.proj(run='sorting')\n---\n-> [nullable] Person",
        "subject_id session run",
        "subject_id:subject.subject_id session:session.session run:sorting.sorting person:person.person",
        (1, 1, 7, None),
        [((1, 2, 7, None), MissingParent), ((2, 1, 7, "alonzo"), MissingParent)],
    ),
}


def declare(schema: dj.Schema, lab: SimpleNamespace, definition: str) -> Any:
    """The child of this definition."""
    far = SimpleNamespace(Image=lab.Image)
    assert far.Image is lab.Image
    return schema(type("Child", (dj.Manual,), {"definition": definition}))


@pytest.mark.parametrize("form", FORMS)
def test_key_and_lineage(schema: dj.Schema, lab: SimpleNamespace, form: str) -> None:
    """The parent's key attributes join the table where the line stands, and trace to where they were defined."""
    definition, key, lineage, _, _ = FORMS[form]
    heading = declare(schema, lab, definition)().heading
    assert heading.primary_key == tuple(key.split())
    origins = dict(pair.split(":") for pair in lineage.split())
    wanted = {name: f"{schema.name}{'-' if text.startswith('far.') else '.'}{text}" for name, text in origins.items()}
    assert {attribute.name: str(attribute.lineage) for attribute in heading if attribute.lineage} == wanted


@pytest.mark.parametrize("form", FORMS)
def test_the_database_holds_every_reference(schema: dj.Schema, lab: SimpleNamespace, ask: Ask, form: str) -> None:
    """A row whose parents are there goes in; one without is refused by the database, also to another client."""
    definition, _, _, good, bad = FORMS[form]
    Child = declare(schema, lab, definition)
    Child.insert1(good)
    for row, error in bad:
        with pytest.raises(error):
            Child.insert1(row)
        values = ", ".join("NULL" if value is None else f"'{value}'" for value in row)
        with pytest.raises(error):
            ask(f"INSERT INTO {Child().full_table_name} VALUES ({values})")
    assert Child.to_dicts() == [dict(zip(Child().heading.names, good, strict=True))]


@pytest.mark.parametrize("form", FORMS)
def test_references_read_back(schema: dj.Schema, lab: SimpleNamespace, second: PostgresConnection, form: str) -> None:
    """The catalog gives the same references and lineage, and the description declares the same table."""
    Child = declare(schema, lab, FORMS[form][0])
    described = Child.describe()
    stored = schema.stored_spec(Child().spec.name)
    assert differences(Child().spec, stored) == ()
    assert stored.heading == Child().heading
    schema.connection.execute(f"DROP TABLE {Child().full_table_name}")
    again = dj.Schema(schema.name, connection=second)
    here = parents(again)
    text = described.replace(f"{schema.name}_far.", "far.")  # the module, by another name
    Again = declare(again, here, text)
    Again.declare()
    assert again.stored_spec(Again().spec.name) == stored
    assert Again.describe() == described


def test_a_shared_attribute_is_one_column(schema: dj.Schema, lab: SimpleNamespace, ask: Ask) -> None:
    """Two ways to one ancestor share its attributes: one column each, and both constraints are there."""
    declare(schema, lab, FORMS["diamond"][0]).declare()
    (row,) = ask(
        f"SELECT count(*) AS columns, (SELECT count(*) FROM pg_constraint WHERE conrelid = '\"{schema.name}\".child'"
        "::regclass AND contype = 'f') AS keys FROM pg_attribute WHERE attrelid = "
        f"'\"{schema.name}\".child'::regclass AND attnum > 0"
    )
    assert row == {"columns": 4, "keys": 2}


def test_a_diamond_joins_on_what_is_shared(schema: dj.Schema, lab: SimpleNamespace) -> None:
    """A join along both ways matches by the shared attributes, and takes new names for what else is called alike."""
    Child = declare(schema, lab, FORMS["diamond"][0])
    Child.insert([(1, 1, 1, 7), (2, 1, 1, 7)])
    joined = Child * lab.Scan * lab.Sorting * lab.Subject
    assert joined.to_dicts("subject_id", "sorted_by", "person") == [
        {"subject_id": 1, "sorted_by": "alan", "person": "ada"},
        {"subject_id": 2, "sorted_by": "ada", "person": None},
    ]


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ("-> [nullable] Person\nc : uint8\n---", "cannot be nullable; put it below"),
        ("c : uint8\n---\n-> Person\n-> Person", "stands here twice"),
        ("person : uint8\n---\n-> Person", "'person' is uint8 here and varchar.8. in 'Person'"),
        ("c : uint8\n---\n-> Person.proj(x='persons')", "has no 'persons'. Did you mean 'person'"),
        ("c : uint8\n---\n-> Session.proj(x='session', y='session')", "renames an attribute twice"),
        ("c : uint8\n---\n-> Session.proj(subject_id='session')", "two to the same name"),
        ("-> Scan.proj(a='scan')\n-> Sorting.proj(a='sorting')\n---", "already refers to .*scan.scan and cannot also"),
    ],
)
def test_references_that_mean_nothing(schema: dj.Schema, lab: SimpleNamespace, definition: str, message: str) -> None:
    """A reference that contradicts another line or itself is refused with its line, before any table is made."""
    with pytest.raises(DefinitionError, match=message) as caught:
        declare(schema, lab, definition)
    assert caught.value.table == "child"
    assert isinstance(caught.value.line, int)


# --- parts -------------------------------------------------------------------------------------------------------


def test_parts_refer_to_parts(schema: dj.Schema, ask: Ask) -> None:
    """A part refers to another of its master, sharing the master's key, and to one of another master."""

    @schema
    class Probe(dj.Lookup):
        definition = "probe : varchar(8)\n---"
        contents = (("A1",), ("B2",))

        class Site(dj.Part):
            definition = "-> master\nsite : uint8\n---"
            contents = (("A1", 0), ("B2", 1))

    @schema
    class Recording(dj.Manual):
        definition = "recording : uint16\n---"

        class Channel(dj.Part):
            definition = "-> master\nchannel : uint8\n---\n-> Probe.Site"

        class Unit(dj.Part):
            definition = (
                "-> master\nunit : uint8\n---\n-> Recording.Channel.proj(peak='channel')\n-> [nullable] Channel"
            )

    name = schema.name
    lineage = {a.name: str(a.lineage) for a in Recording.Unit().heading}
    assert lineage == {
        "recording": f"{name}.recording.recording",
        "unit": f"{name}.recording__unit.unit",
        "peak": f"{name}.recording__channel.channel",
        "channel": f"{name}.recording__channel.channel",
    }
    assert str(Recording.Channel().heading["site"].lineage) == f"{name}.#probe__site.site"
    Recording.insert([(1,), (2,)])
    with pytest.raises(MissingParent):
        Recording.Channel.insert1((1, 0, "A1", 1))
    Recording.Channel.insert([(1, 0, "A1", 0), (2, 5, "B2", 1)])
    Recording.Unit.insert([(1, 0, 0, None), (2, 0, 5, 5)])
    for row in ((1, 1, 5, None), (1, 1, 0, 5)):  # of the other recording
        with pytest.raises(MissingParent):
            Recording.Unit.insert1(row)
    assert Recording.Unit.describe() == (
        "-> master\nunit : uint8\n---\n-> Recording.Channel.proj(peak='channel')\n-> [nullable] Recording.Channel\n"
    )
    assert Recording.Unit().spec.parents == (Recording().spec.name, Recording.Channel().spec.name)


# --- hierarchies -------------------------------------------------------------------------------------------------

REGION = "region_id : int32\n---\nname : varchar(40)\n-> [nullable] Region.proj(parent_id='region_id')"
REGIONS = [
    {"region_id": 688, "name": "Olfactory areas", "parent_id": 997},
    {"region_id": 315, "name": "Hippocampal formation", "parent_id": 997},
    {"region_id": 382, "name": "CA1", "parent_id": 315},
    {"region_id": 997, "name": "Root", "parent_id": None},
]


@pytest.fixture
def region(schema: dj.Schema) -> Any:
    """A hierarchy of regions, its children inserted before their parents (002 "Self-References")."""
    Region = make(schema, "Region", REGION)
    assert Region.insert(REGIONS) == 4
    return Region


def test_a_hierarchy_traces_to_itself(schema: dj.Schema, region: Any) -> None:
    """The reference has the lineage of the table's own key, may be NULL, and counts as no parent."""
    attribute = region().heading["parent_id"]
    assert (str(attribute.lineage), attribute.nullable) == (f"{schema.name}.region.region_id", True)
    assert attribute.type == region().heading["region_id"].type
    assert region().spec.parents == ()
    assert graph.topological_order(graph.parents_of(schema.specs.values())) == (region().spec.name,)


def test_a_hierarchy_is_held_by_the_database(region: Any, ask: Ask) -> None:
    """A row goes in beside its parent, before it in one insert, as its own parent, and not without one."""
    for row in ((1, "lost", 2), (1, "lost", 0)):
        with pytest.raises(MissingParent):
            region.insert1(row)
    with pytest.raises(MissingParent):
        ask(f"INSERT INTO {region().full_table_name} VALUES (1, 'lost', 2)")
    region.insert1((1, "its own", 1))
    region.insert([(3, "child", 2), (2, "parent", None)], skip_duplicates=True)
    assert len(region) == 7


def test_a_hierarchy_reads_back(schema: dj.Schema, region: Any, second: PostgresConnection) -> None:
    """The table agrees with its class in another process, and its description declares it again."""
    described = region.describe()
    assert described == REGION + "\n"
    again = dj.Schema(schema.name, connection=second)
    assert len(make(again, "Region", described)) == 4
    stored = again.stored_spec(region().spec.name)
    assert stored.heading == region().heading
    assert stored.foreign_keys == region().spec.foreign_keys


def test_a_hierarchy_is_joined_with_itself(region: Any) -> None:
    """A table joins its own projection under the new name, and is restricted by it."""
    parent = region.proj(parent_id="region_id", parent_name="name")
    assert (region * parent).to_dicts("name", "parent_name") == [
        {"name": "Hippocampal formation", "parent_name": "Root"},
        {"name": "CA1", "parent_name": "Hippocampal formation"},
        {"name": "Olfactory areas", "parent_name": "Root"},
    ]
    leaves = region - region.proj(child="region_id", region_id="parent_id")
    assert sorted(leaves.fetch("name").tolist()) == ["CA1", "Olfactory areas"]
    children = region.proj(child="region_id", region_id="parent_id") & "region_id IS NOT NULL"
    counts = region.aggr(children, n="count(*)")
    assert {row["region_id"]: row["n"] for row in counts.to_dicts()} == {315: 1, 382: 0, 688: 0, 997: 2}


def test_results_are_computed_below_a_hierarchy(schema: dj.Schema, region: Any) -> None:
    """A computed table whose key is the hierarchy's has one result for each row, also by two of its references."""

    @schema
    class Volume(dj.Computed):
        definition = "-> Region\n---\nletters : uint16"

        def make(self, key: dict[str, Any]) -> None:
            self.insert1({**key, "letters": len((region & key).fetch1("name"))})

    @schema
    class Distance(dj.Computed):
        definition = "-> Region\n-> Region.proj(other='region_id')\n---"

        def make(self, key: dict[str, Any]) -> None:
            self.insert1(key)

    assert Volume.populate().done == 4
    assert (Volume & {"region_id": 382}).fetch1("letters") == 3
    assert Distance.populate().done == 16
    order = graph.topological_order(graph.parents_of(schema.specs.values()))
    assert [name.table for name in order] == ["region", "__distance", "__volume"]


def test_a_hierarchy_in_a_repository(region: Any, schema: dj.Schema, tmp_path: Path) -> None:
    """A hierarchy is exported, opened, and joined with itself there, with the same description."""
    dj.export(schema, tmp_path / "repo")
    opened = dj.open(tmp_path / "repo")
    try:
        Offline = opened[schema.name].Region
        assert Offline().heading == region().heading
        joined = Offline * Offline.proj(parent_id="region_id", parent_name="name")
        assert joined.to_dicts("name", "parent_name") == (
            region * region.proj(parent_id="region_id", parent_name="name")
        ).to_dicts("name", "parent_name")
        assert Offline.describe() == region.describe()
        (resource,) = json.loads((tmp_path / "repo" / "datapackage.json").read_text("utf-8"))["resources"]
        reference = {"fields": ["parent_id"], "reference": {"resource": "", "fields": ["region_id"]}}
        assert resource["schema"]["foreignKeys"] == [reference]
    finally:
        opened.close()


def test_a_hierarchy_within_a_group(schema: dj.Schema, second: PostgresConnection) -> None:
    """A reference to itself may share an attribute of the key: then parent and child are of one group."""
    text = "atlas : uint8\nregion : uint8\n---\n-> [nullable] Region.proj(parent='region')"
    Region = make(schema, "Region", text)
    heading = Region().heading
    assert heading.names == ("atlas", "region", "parent")
    assert [str(a.lineage) for a in heading] == [
        f"{schema.name}.region.{name}" for name in ("atlas", "region", "region")
    ]
    Region.insert([(1, 2, 1), (1, 1, None), (2, 1, None)])
    with pytest.raises(MissingParent):
        Region.insert1((2, 2, 2 + 1))
    with pytest.raises(MissingParent):
        Region.insert1((3, 2, 1))  # the parent is of another atlas
    assert Region.describe() == text + "\n"
    assert len(make(dj.Schema(schema.name, connection=second), "Region", text)) == 3


def test_a_part_that_is_a_hierarchy(schema: dj.Schema) -> None:
    """A part refers to itself by its own name, within its master."""

    @schema
    class Tree(dj.Manual):
        definition = "tree : uint8\n---"

        class Node(dj.Part):
            definition = "-> master\nnode : uint8\n---\n-> [nullable] Node.proj(parent='node')"

        class Leaf(dj.Part):
            definition = "-> master\n-> Tree.Node\n---"

    Tree.insert([(1,), (2,)])
    Tree.Node.insert([(1, 2, 1), (1, 1, None), (2, 1, None)])
    with pytest.raises(MissingParent):
        Tree.Node.insert1((2, 2, 2 + 7))
    described = "-> master\nnode : uint8\n---\n-> [nullable] Tree.Node.proj(parent='node')\n"
    assert Tree.Node.describe() == described
    assert str(Tree.Node().heading["parent"].lineage) == f"{schema.name}.tree__node.node"


def test_a_hierarchy_by_a_key_of_other_tables(schema: dj.Schema) -> None:
    """Where the key comes from elsewhere, so does the lineage of its new name, in the class and in the catalog."""

    @schema
    class Species(dj.Manual):
        definition = "species : uint8\n---"

    @schema
    class Taxon(dj.Manual):
        definition = "-> Species\n---\n-> [nullable] Taxon.proj(ancestor='species')"

    Taxon.declare()
    stored = schema.stored_spec(Taxon().spec.name)
    assert str(stored.heading["ancestor"].lineage) == f"{schema.name}.species.species"
    assert stored == Taxon().spec


def test_several_references_to_itself(schema: dj.Schema) -> None:
    """Two references of a table to itself are told apart by name; one may be unique."""
    text = "cell : uint8\n---\n-> [nullable] Cell.proj(mother='cell')\n-> [nullable, unique] Cell.proj(twin='cell')"
    Cell = make(schema, "Cell", text)
    Cell.insert([(1, None, 2), (2, None, 1), (3, 1, None), (4, 1, None)])
    with pytest.raises(DuplicateKey):
        Cell.insert1((5, 1, 1))
    assert Cell.describe() == text + "\n"


# --- cycles ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "definition",
    [
        "-> A\n---",
        "a : uint8\n-> A\n---",
        "a : uint8\n-> A.proj(b='a')\n---",
        "a : uint8\n---\n-> A",
        "a : uint8\n---\n-> [nullable] A",
        "a : uint8\n---\n-> A.proj(b='a')",
        "a : uint8\n---\nb : uint8\n-> A.proj(b='a')",
    ],
    ids=["only", "in the key", "renamed in the key", "below", "nullable", "required", "required by its own line"],
)
def test_a_table_that_needs_itself(schema: dj.Schema, definition: str) -> None:
    """A reference to itself that no first row could fulfil is a cycle, and the message shows the form that works."""
    with pytest.raises(CyclicDependency, match=r"\.proj\(") as caught:
        make(schema, "A", definition)
    assert caught.value.cycle == (f"{schema.name}.a", f"{schema.name}.a")
    assert schema.tables == ()


def test_a_cycle_by_declaring_again(schema: dj.Schema, ask: Ask) -> None:
    """A class that is declared again and then refers to its descendant is refused with the way around, and stays."""
    A = make(schema, "A", "a : uint8\n---")
    B = make(schema, "B", "-> A\nb : uint8\n---")
    make(schema, "C", "c : uint8\n---\n-> [nullable] B")
    for definition in ("a : uint8\n---\n-> [nullable] C", "a : uint8\n---\n-> [nullable] C.proj(d='c')"):
        with pytest.raises(CyclicDependency) as caught:
            make(schema, "A", definition)
        cycle = caught.value.cycle
        assert cycle[0] == cycle[-1]
        assert set(cycle) == {f"{schema.name}.{name}" for name in "abc"}
        around = [*cycle, *cycle[1:]]
        assert around[around.index(f"{schema.name}.c") + 1] == f"{schema.name}.b"
        assert " -> ".join(cycle) in str(caught.value)
    assert schema.tables[0] is A
    B.declare()
    assert ask(
        f"SELECT count(*) AS n FROM pg_constraint WHERE conrelid = '\"{schema.name}\".a'::regclass AND contype = 'f'"
    ) == [{"n": 0}]


def test_a_cycle_across_schemas(schema: dj.Schema) -> None:
    """A way from one schema through another and back is a cycle."""
    A = make(schema, "A", "a : uint8\n---")
    other = dj.Schema(f"{schema.name}_other", connection=schema.connection, add_objects={"A": A})
    B = make(other, "B", "-> A\nb : uint8\n---")
    with pytest.raises(CyclicDependency) as caught:
        schema(type("A", (dj.Manual,), {"definition": "a : uint8\n---\n-> [nullable] B"}))
    assert set(caught.value.cycle) == {f"{schema.name}.a", f"{other.name}.b"}
    assert A().spec.parents == ()
    assert B().spec.parents == (A().spec.name,)


@pytest.mark.parametrize(
    ("master", "part", "cycle"),
    [
        ("m : uint8\n---\n-> [nullable] Master.Part", "-> master\np : uint8\n---", "master master__part master"),
        ("m : uint8\n---\n-> [nullable] Part", "-> master\np : uint8\n---", "master master__part master"),
        ("m : uint8\n---", "-> master\n-> Master.Part\n---", "master__part master__part"),
        ("m : uint8\n---", "-> master\np : uint8\n-> Master.Part.proj(q='p')\n---", "master__part master__part"),
    ],
    ids=["its part", "its part by name", "a part in its key", "a part by its full name"],
)
def test_cycles_of_masters_and_parts(schema: dj.Schema, master: str, part: str, cycle: str) -> None:
    """A master that refers to its own part, and a part that needs itself, are cycles, and nothing is declared."""
    Part = type("Part", (dj.Part,), {"definition": part})
    with pytest.raises(CyclicDependency) as caught:
        make(schema, "Master", master, Part=Part)
    assert caught.value.cycle == tuple(f"{schema.name}.{name}" for name in cycle.split())
    assert schema.tables == ()


def test_two_parts_that_need_each_other(schema: dj.Schema) -> None:
    """Parts of one master that refer to each other are a cycle, whichever stands first."""

    class Master(dj.Manual):
        definition = "m : uint8\n---"

        class First(dj.Part):
            definition = "-> master\nf : uint8\n---\n-> [nullable] Master.Second"

        class Second(dj.Part):
            definition = "-> master\ns : uint8\n---\n-> [nullable] Master.First"

    with pytest.raises(DefinitionError) as caught:
        schema(Master)
    assert "Second" in str(caught.value)
    assert schema.tables == ()
