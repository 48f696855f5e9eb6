"""From definition to TableSpec: foreign keys, keys, lineage, and the definitions that make no table."""

from __future__ import annotations

import pytest

from djarrow.errors import DefinitionError, UnknownReference
from djarrow.model.definition import ReferenceLine
from djarrow.model.heading import Attribute, Origin, Special
from djarrow.model.names import COMPUTED, LOOKUP, TableName
from djarrow.model.spec import ForeignKey, Index, TableSpec, table_spec
from djarrow.model.types import core


class Lab:
    """The tables declared so far, by the name of their class."""

    def __init__(self) -> None:
        self.specs: dict[str, TableSpec] = {}

    def declare(self, class_name: str, text: str, table: str | None = None) -> TableSpec:
        spec = table_spec(text, TableName("lab", table or class_name.lower()), self.resolve)
        self.specs[class_name] = spec
        return spec

    def resolve(self, reference: str, line: ReferenceLine) -> TableSpec:
        if reference not in self.specs:
            raise UnknownReference(reference, self.specs, table="?", line=line.line, column=line.column)
        return self.specs[reference]


def origin(table: str, attribute: str) -> Origin:
    """A lineage in the one schema."""
    return Origin(TableName("lab", table), attribute)


@pytest.fixture
def lab() -> Lab:
    """Person, Subject and Session <- Subject."""
    made = Lab()
    made.declare("Person", "person : varchar(16)  # login\n---\nage : uint8")
    made.declare("Subject", "subject_id : uint16  # id\n---\nname : varchar(20)")
    made.declare("Session", "-> Subject\nsession : uint8\n---\nnote = null : varchar(100)")
    return made


def refused(lab: Lab, text: str) -> DefinitionError:
    """Why a definition makes no table."""
    with pytest.raises(DefinitionError) as caught:
        lab.declare("Wrong", text)
    assert caught.value.table == "wrong"
    assert "Wrong" not in lab.specs
    return caught.value


# --- attributes and key --------------------------------------------------------------------------------------------


def test_attributes(lab: Lab) -> None:
    """An attribute carries its type, comment, default, nullability and, in the key, its lineage."""
    spec = lab.declare("Rig", "# rigs\nrig : char(4)  # name\n---\nsize = 3 : int8\nnote : varchar(9) = null  # free")
    assert spec.comment == "rigs"
    assert spec.heading.primary_key == ("rig",)
    assert tuple(spec.heading) == (
        Attribute("rig", core("char", 4), comment="name", lineage=origin("rig", "rig")),
        Attribute("size", core("int8"), default=3),
        Attribute("note", core("varchar", 9), nullable=True, default=Special.NULL, comment="free"),
    )
    assert (spec.foreign_keys, spec.indexes) == ((), ())


def test_singleton(lab: Lab) -> None:
    """A table with no attributes above the divider has an empty key."""
    spec = lab.declare("Setting", "---\nvalue : float64")
    assert spec.heading.primary_key == ()
    assert spec.heading.names == ("value",)


def test_no_attributes(lab: Lab) -> None:
    """A table without attributes is refused."""
    assert "at least one attribute" in str(refused(lab, "# nothing\n---\n"))


def test_duplicate_attribute(lab: Lab) -> None:
    """An attribute that stands twice is refused with the second line."""
    for text in ("a : int8\n---\na : int8", "a : int8\na : int16", "-> Subject\nsubject_id : uint16"):
        error = refused(lab, text)
        assert "is defined a second time" in str(error)
        assert error.line is not None
        assert error.line > 1


@pytest.mark.parametrize("kind", ["blob", "json"])
def test_keyless_types(lab: Lab, kind: str) -> None:
    """A blob or JSON is refused in the key and taken below it."""
    error = refused(lab, f"a : {kind}\n---\nb : int8")
    assert "'a' cannot be in the primary key" in str(error)
    assert error.line == 1
    assert lab.declare("Right", f"b : int8\n---\na : {kind}").heading["a"].type == core(kind)


@pytest.mark.parametrize("default", ["1", "null"])
def test_key_default(lab: Lab, default: str) -> None:
    """A key attribute has no default, and so cannot be NULL either."""
    error = refused(lab, f"b : int8\na = {default} : int8")
    assert "'a' is in the primary key and cannot have a default" in str(error)
    assert error.line == 2


@pytest.mark.parametrize("name", ["_hidden", "Upper", "a" * 64])
def test_attribute_names_are_checked(lab: Lab, name: str) -> None:
    """Names that the database or the specification refuses are refused with their line, also as new names."""
    assert refused(lab, f"{name} : int8").line in (1, None)
    assert name in str(refused(lab, f"-> Subject.proj({name}='subject_id')"))


def test_limits(lab: Lab) -> None:
    """PostgreSQL's limits on columns and key columns are held before any DDL."""
    lab.declare("Wide", "\n".join(f"a{i} : int8" for i in range(32)))
    assert "at most 32 attributes in its key; 'a32' is one more" in str(
        refused(lab, "\n".join(f"a{i} : int8" for i in range(33)))
    )
    assert "at most 1600 attributes; 'a1599' is one more" in str(
        refused(lab, "a : int8\n---\n" + "\n".join(f"a{i} : int8" for i in range(1600)))
    )


def test_long_table_name(lab: Lab) -> None:
    """A table whose name PostgreSQL would cut is refused."""
    with pytest.raises(DefinitionError, match="has 64 bytes"):
        lab.declare("Wrong", "a : int8", table="t" * 64)


def test_unknown_type_names_its_line(lab: Lab) -> None:
    """An unknown type is refused with table and line."""
    error = refused(lab, "a : int8\n---\nb : unit8")
    assert error.line == 3
    assert "Did you mean 'uint8'?" in str(error)


def test_names_of_a_spec(lab: Lab) -> None:
    """Tier, class and master are read from the table's name."""
    part = lab.declare("Item", "a : int8", table="__stat__item")
    assert (part.tier, part.class_name, part.master) == (COMPUTED, "Item", TableName("lab", "__stat"))
    lookup = lab.declare("Method", "a : int8", table="#method")
    assert (lookup.tier, lookup.class_name, lookup.master) == (LOOKUP, "Method", None)


# --- foreign keys ------------------------------------------------------------------------------------------------


def test_plain_reference(lab: Lab) -> None:
    """A reference in the key brings the parent's key with type, comment and lineage."""
    spec = lab.specs["Session"]
    assert spec.heading.primary_key == ("subject_id", "session")
    assert spec.heading["subject_id"] == lab.specs["Subject"].heading["subject_id"]
    assert spec.heading["session"].lineage == origin("session", "session")
    assert spec.foreign_keys == (ForeignKey(TableName("lab", "subject"), (("subject_id", "subject_id"),)),)
    assert spec.parents == (TableName("lab", "subject"),)
    assert spec.primary_foreign_keys == spec.foreign_keys


def test_secondary_reference(lab: Lab) -> None:
    """A reference below the divider brings required attributes that keep their lineage and form no key source."""
    spec = lab.declare("Rig", "rig : int8\n---\n-> Person")
    person = spec.heading["person"]
    assert (person.nullable, person.default, person.lineage) == (False, None, origin("person", "person"))
    assert spec.heading.primary_key == ("rig",)
    assert spec.primary_foreign_keys == ()


def test_nullable_reference(lab: Lab) -> None:
    """A nullable reference makes all its attributes nullable, NULL where they are left out."""
    spec = lab.declare("Note", "note : int8\n---\n-> [nullable] Session")
    assert spec.foreign_keys[0].nullable
    for name in ("subject_id", "session"):
        assert (spec.heading[name].nullable, spec.heading[name].default) == (True, Special.NULL)


def test_unique_reference(lab: Lab) -> None:
    """A unique reference says so."""
    spec = lab.declare("Rig", "rig : int8\n---\n-> [unique, nullable] Person")
    assert (spec.foreign_keys[0].unique, spec.foreign_keys[0].nullable) == (True, True)


def test_nullable_in_key(lab: Lab) -> None:
    """A nullable reference in the key is refused."""
    error = refused(lab, "a : int8\n-> [nullable] Person")
    assert "cannot be nullable; put it below `---`" in str(error)
    assert error.line == 2


def test_renamed_reference(lab: Lab) -> None:
    """A renamed attribute keeps its lineage; those not renamed keep their names."""
    spec = lab.declare("Synapse", "-> Session.proj(pre='session')\n-> Session.proj(post=session)")
    assert spec.heading.primary_key == ("subject_id", "pre", "post")
    assert spec.heading["pre"].lineage == spec.heading["post"].lineage == origin("session", "session")
    assert spec.foreign_keys[0].pairs == (("subject_id", "subject_id"), ("pre", "session"))
    assert spec.foreign_keys[1].renamed == {"post": "session"}
    assert spec.foreign_keys[1].attributes == ("subject_id", "post")
    assert spec.parents == (TableName("lab", "session"),)


def test_lineage_is_that_of_the_origin(lab: Lab) -> None:
    """Through several references and renames, lineage stays with the first definition."""
    lab.declare("Scan", "-> Session.proj(mouse='subject_id')\nscan : int8")
    spec = lab.declare("Cell", "-> Scan.proj(animal='mouse')\ncell : int16\n---\nsize : float32")
    assert spec.heading["animal"].lineage == origin("subject", "subject_id")
    assert spec.heading["session"].lineage == origin("session", "session")
    assert spec.heading["size"].lineage is None


def test_rename_of_an_unknown_attribute(lab: Lab) -> None:
    """Only attributes of the parent's key can be renamed."""
    error = refused(lab, "-> Subject.proj(x='subject')")
    assert "the primary key of 'Subject' has no 'subject'. Did you mean 'subject_id'?" in str(error)
    assert error.line == 1
    assert "has no 'name'" in str(refused(lab, "-> Subject.proj(x='name')"))


@pytest.mark.parametrize(
    "renames", ["a='subject_id', b='subject_id'", "a='subject_id', a='session'", "session='subject_id'"]
)
def test_renames_that_collide(lab: Lab, renames: str) -> None:
    """One attribute cannot get two names, nor two attributes the same one."""
    assert "renames an attribute twice, or two to the same name" in str(refused(lab, f"-> Session.proj({renames})"))


def test_names_can_be_swapped(lab: Lab) -> None:
    """Renames are made at once, so that two names can change places."""
    lab.declare("Pair", "a : int8\nb : int8")
    spec = lab.declare("Swap", "-> Pair.proj(a='b', b='a')")
    assert spec.foreign_keys[0].pairs == (("b", "a"), ("a", "b"))
    assert spec.heading["a"].lineage == origin("pair", "b")


def test_shared_attribute(lab: Lab) -> None:
    """Two references share the attributes that trace to the same definition."""
    lab.declare("Scan", "-> Session\nscan : int8")
    spec = lab.declare("Stat", "-> Scan\n-> Session\n---\nn : int32")
    assert spec.heading.names == ("subject_id", "session", "scan", "n")
    assert spec.primary_foreign_keys == spec.foreign_keys


def test_diamond(lab: Lab) -> None:
    """Two ways to the same ancestor meet in one attribute, of the ancestor's lineage."""
    lab.declare("Scan", "-> Subject\nscan : int8")
    spec = lab.declare("Match", "-> Session\n-> Scan")
    assert spec.heading.primary_key == ("subject_id", "session", "scan")
    assert spec.heading["subject_id"].lineage == origin("subject", "subject_id")


def test_key_attribute_and_reference_below(lab: Lab) -> None:
    """A reference below the divider to a key attribute adds the reference and leaves the key."""
    spec = lab.declare("Tag", "subject_id : uint16\n---\n-> Subject")
    assert spec.heading.primary_key == ("subject_id",)
    assert spec.heading["subject_id"].lineage == origin("subject", "subject_id")
    assert spec.primary_foreign_keys == spec.foreign_keys


def test_conflicting_lineage(lab: Lab) -> None:
    """Two references whose namesakes have different origins are refused with both and the way out."""
    lab.declare("Rig", "subject_id : uint16")
    error = refused(lab, "-> Subject\n-> Rig")
    assert "'subject_id' already refers to lab.subject.subject_id and cannot also refer to lab.rig" in str(error)
    assert "rename it: `-> Rig.proj(other_name='subject_id')`" in str(error)
    assert error.line == 2


def test_conflicting_lineage_is_resolved_by_renaming(lab: Lab) -> None:
    """What the hint says works."""
    lab.declare("Rig", "subject_id : uint16")
    assert lab.declare("Right", "-> Subject\n-> Rig.proj(other_name='subject_id')").heading.primary_key == (
        "subject_id",
        "other_name",
    )


def test_type_clash(lab: Lab) -> None:
    """An attribute that is here already must have the type of the parent's."""
    error = refused(lab, "subject_id : int32\n---\n-> Subject")
    assert "'subject_id' is int32 here and uint16 in 'Subject'" in str(error)
    assert "`-> Subject.proj(other_name='subject_id')`" in str(error)
    assert error.line == 3


def test_same_reference_twice(lab: Lab) -> None:
    """The same reference twice is refused."""
    assert "stands here twice" in str(refused(lab, "-> Subject\na : int8\n---\n-> Subject"))


def test_unknown_reference(lab: Lab) -> None:
    """A reference to an unknown class is refused with the nearest one."""
    with pytest.raises(UnknownReference, match="Did you mean 'Subject'") as caught:
        lab.declare("Wrong", "a : int8\n-> Subjct")
    assert (caught.value.reference, caught.value.line) == ("Subjct", 2)


def test_singleton_parent(lab: Lab) -> None:
    """A reference to a table without key attributes has nothing to refer by and is refused."""
    lab.declare("Setting", "---\nvalue : float64")
    error = refused(lab, "run : int8\n---\n-> Setting")
    assert "'Setting' has no attributes in its key" in str(error)
    assert error.line == 3


# --- nullability where references share attributes -----------------------------------------------------------------


@pytest.mark.parametrize("text", ["-> Session\n-> [nullable] Scan", "-> [nullable] Scan\n-> Session"])
def test_required_wins(lab: Lab, text: str) -> None:
    """An attribute that a required reference brings stays required where a nullable one shares it, in either order."""
    lab.declare("Scan", "-> Subject\nscan : int8")
    spec = lab.declare("Note", f"note : int8\n---\n{text}")
    assert {a.name: (a.nullable, a.default) for a in spec.heading if a.name != "note"} == {
        "subject_id": (False, None),
        "session": (False, None),
        "scan": (True, Special.NULL),
    }
    assert {key.parent.table: key.nullable for key in spec.foreign_keys} == {"session": False, "scan": True}


def test_own_attribute_in_a_nullable_reference(lab: Lab) -> None:
    """An attribute of the table's own is as its own line says: a nullable reference only fills in the others."""
    text = "note : int8\n---\nsubject_id : uint16  # mine\n-> [nullable] Session"
    spec = lab.declare("Note", text)
    assert (spec.heading["subject_id"].nullable, spec.heading["subject_id"].comment) == (False, "mine")
    assert spec.heading["session"].nullable
    assert spec.foreign_keys[0].nullable


@pytest.mark.parametrize(
    "text",
    [
        "note : int8\n---\nperson : varchar(16)\n-> [nullable] Person",
        "note : int8\n---\nperson = 'root' : varchar(16)\n-> [nullable] Person",
        "note : int8\n---\n-> Session\n-> [nullable] Subject",
        "note : int8\n---\n-> [nullable] Subject\n-> Session",
        "person : varchar(16)\n---\n-> [nullable] Person",
    ],
)
def test_nullable_against_other_lines(lab: Lab, text: str) -> None:
    """A nullable reference all of whose attributes other lines require is a contradiction, and refused."""
    assert "is `[nullable]`, but it consists of " in str(refused(lab, text))


def test_own_nullable_attribute_in_a_reference(lab: Lab) -> None:
    """An attribute declared `= null` makes the reference that uses it nullable."""
    spec = lab.declare("Note", "note : int8\n---\nperson = null : varchar(16)\n-> Person")
    assert spec.heading["person"].nullable
    assert spec.foreign_keys[0].nullable


def test_own_default_in_a_reference(lab: Lab) -> None:
    """An attribute of a reference may have a default, when it is declared as the table's own."""
    spec = lab.declare("Note", "note : int8\n---\nperson = 'root' : varchar(16)\n-> Person")
    assert (spec.heading["person"].default, spec.heading["person"].nullable) == ("root", False)
    assert spec.heading["person"].lineage == origin("person", "person")


def test_key_attributes_stay_required(lab: Lab) -> None:
    """A nullable reference below the divider leaves those of its attributes that are in the key required."""
    spec = lab.declare("Note", "-> Subject\nnote : int8\n---\n-> [nullable] Session")
    assert not spec.heading["subject_id"].nullable
    assert spec.heading["session"].nullable
    assert spec.foreign_keys[1].nullable


# --- indexes -----------------------------------------------------------------------------------------------------


def test_indexes(lab: Lab) -> None:
    """Indexes are kept in order, above or below the divider, also on attributes of references declared later."""
    spec = lab.declare("Rig", "index (person, a)\na : int8\n---\nb : int8\nunique index (b)\n-> Person")
    assert spec.indexes == (Index(("person", "a")), Index(("b",), unique=True))


def test_index_on_an_unknown_attribute(lab: Lab) -> None:
    """An index on an unknown attribute is refused with its line and the nearest name."""
    error = refused(lab, "weight : int8\n---\nindex (wieght)")
    assert "there is no attribute 'wieght' to index. Did you mean 'weight'?" in str(error)
    assert error.line == 3


def test_index_that_repeats(lab: Lab) -> None:
    """An index names each attribute once."""
    assert "names each attribute once" in str(refused(lab, "a : int8\nindex (a, a)"))


def test_index_twice(lab: Lab) -> None:
    """The same index twice is one index, with a warning."""
    with pytest.warns(UserWarning, match="table 'rig', line 3: this index stands here twice"):
        spec = lab.declare("Rig", "a : int8\nindex (a)\nindex (a)")
    assert spec.indexes == (Index(("a",)),)
