"""The Python blocks of the specification's 000 and 002, and of 001 5.9 and 9.2, run as they are written there.

Those of 000 and 002 that declare tables are run character for character; the tables that a block takes for granted are
added. Legacy type names run with a warning. What cannot run is refused, and runs as docs/specification.md has it.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import DuplicateKey, IncompatibleOperands, InsertRefused, MissingParent, UnknownType

from ..described import drop_schemas
from .specification import FORMS, WRITTEN, Runner, classes_in

# --- 000: table definition ---------------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runner:
    """Runs blocks as modules."""
    return Runner(tmp_path, monkeypatch)


def test_person_has_the_indexes_of_its_definition(run: Runner, schema: dj.Schema) -> None:
    """000 "Indexes": unique indexes refuse a second value, take any number of NULLs, and describe() shows them."""
    Person = run(WRITTEN["000 Indexes"], schema=schema).Person
    Person.insert([(1, "Ada", "Lovelace", None, None, "ada@x.org"), (2, "Alan", "Turing", None, None, None)])
    with pytest.raises(DuplicateKey) as caught:
        Person.insert1({"person_id": 3, "first_name": "Adele", "last_name": "L", "email": "ada@x.org"})
    assert caught.value.key == {"email": "ada@x.org"}
    assert len(Person) == 2
    assert [line for line in Person.describe().splitlines() if "index" in line] == [
        "index (last_name, first_name)",
        "unique index (drivers_license)",
        "unique index (cell_phone)",
        "unique index (email)",
    ]


@pytest.fixture
def chemistry(connection: PostgresConnection, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The test server as the default connection, and the schema of the block dropped afterwards."""
    monkeypatch.setattr("djarrow.engine.connect._default", connection)
    yield
    drop_schemas(connection, "chemistry")


@pytest.mark.usefixtures("chemistry")
def test_chemical_elements_are_there_when_declared(run: Runner) -> None:
    """000 "Lookup tables": the block imports datajoint, and the contents, exact decimals among them, are there."""
    ChemicalElement = run(WRITTEN["000 Lookup tables"]).ChemicalElement
    assert ChemicalElement().spec.name.schema == "chemistry"
    assert ChemicalElement.to_dicts("symbol", "atomic_weight") == [
        {"symbol": "H", "atomic_weight": Decimal("1.0080")},
        {"symbol": "He", "atomic_weight": Decimal("4.0026")},
        {"symbol": "Li", "atomic_weight": Decimal("6.9400")},
        {"symbol": "Be", "atomic_weight": Decimal("9.0122")},
    ]


# --- blocks that cannot run as written ---------------------------------------------------------------------------

REFUSED: dict[str, tuple[type[Exception], str]] = {
    "000 Using a CustomType in a DataJoint Table": (UnknownType, "'<dj_bioformats>' is not a type: .* no custom types"),
    "000 Master-Part Pattern": (UnknownType, "'<nparray>' is not a type: .* no custom types yet"),
    "002 Automated steps": (UnknownType, "'filepath' is not a type: djarrow has no object stores yet"),
    "002 The Problem: Group Integrity": (SyntaxError, "invalid syntax"),
    "002 The Solution: Master-Part Pattern": (SyntaxError, "invalid syntax"),
    "002 Multi-Site Recording": (SyntaxError, "invalid syntax"),
    "002 Master-Part vs. Regular Dependencies": (SyntaxError, "invalid syntax"),
    "002 The Workflow Approach": (SyntaxError, "invalid syntax"),
    "002 When Relationships Aren't Workflow Steps": (SyntaxError, "invalid syntax"),
    "002 Backward Compatibility": (SyntaxError, "invalid syntax"),
}
"""The blocks that do not run as they are written, and why."""


@pytest.fixture
def granted(schema: dj.Schema) -> dict[str, Any]:
    """The names that these blocks take for granted: tables, and functions of the laboratory."""

    @schema
    class Session(dj.Manual):
        definition = "session_id : uint32\n---"

    @schema
    class Subject(dj.Manual):
        definition = "subject_id : uint32\n---"

    @schema
    class Country(dj.Lookup):
        definition = "country : char(2)\n---"

    @schema
    class Image(dj.Manual):
        definition = "image_id : uint32\n---"

    @schema
    class SegmentationMethod(dj.Lookup):
        definition = "method : varchar(8)\n---"

    return {
        "schema": dj.Schema(f"{schema.name}_block", connection=schema.connection),
        "other_schema": dj.Schema(f"{schema.name}_other", connection=schema.connection),
        "acq": SimpleNamespace(Image=Image),
        **{table.__name__: table for table in (Session, Subject, Country, SegmentationMethod)},
        "import_from_instrument": lambda key: f"/data/{key['session_id']}.dat",
        "apply_filter": lambda path: np.arange(len(path)),
    }


@pytest.mark.parametrize("title", REFUSED)
def test_blocks_that_are_refused(run: Runner, granted: dict[str, Any], title: str) -> None:
    """What cannot run as written is refused with the reason that the documentation gives."""
    error, message = REFUSED[title]
    with pytest.raises(error, match=message):
        granted["schema"](run(WRITTEN[title], **granted).Specimen)  # the one block that decorates nothing
    assert granted["schema"].tables == ()


@pytest.mark.parametrize("title", REFUSED)
def test_the_forms_that_run(run: Runner, granted: dict[str, Any], title: str) -> None:
    """The documentation has a form of each of them that declares the same classes, and it runs."""
    assert classes_in(FORMS[title]) == classes_in(WRITTEN[title])
    homes = [granted["schema"], granted["other_schema"]]
    try:
        run(FORMS[title], **granted)
        for home in homes:
            home.activate()
        declared = [table.__name__ for home in homes for table in home.tables]
        assert sorted(declared) == sorted(classes_in(WRITTEN[title]))
        for table in (table for home in homes for table in home.tables):
            assert table().schema.stored_spec(table().spec.name) == table().spec
    finally:
        for home in homes:
            drop_schemas(home.connection, home.name)


def test_the_documentation_lists_them() -> None:
    """docs/specification.md tells of every block that does not run, and of no other."""
    assert FORMS.keys() == REFUSED.keys()


def test_blocks_are_all_here() -> None:
    """Each block that declares tables has a test: as it is written, or of its refusal."""
    source = Path(__file__).read_text("utf-8")
    assert [title for title in WRITTEN if title not in REFUSED and f'WRITTEN["{title}"]' not in source] == []


def test_recordings_of_the_documented_form(run: Runner, granted: dict[str, Any]) -> None:
    """002 "Automated steps" in its documented form imports and filters a recording for each session."""
    granted["Session"].insert([(101,), (102,)])
    home = granted["schema"]
    try:
        module = run(FORMS["002 Automated steps"], **granted)
        assert module.FilteredRecording.to_dicts("session_id") == [{"session_id": 101}, {"session_id": 102}]
        assert (module.FilteredRecording & "session_id = 101").fetch1("filtered_data").tolist() == list(range(13))
    finally:
        drop_schemas(home.connection, home.name)


# --- 000: data operations and queries ----------------------------------------------------------------------------


@pytest.fixture
def university(schema: dj.Schema) -> SimpleNamespace:
    """The tables that the blocks on queries take for granted, with the rows of the blocks on insert."""

    @schema
    class Student(dj.Manual):
        definition = """
        student_id : uint32
        ---
        first_name : varchar(40)
        last_name : varchar(40)
        sex : enum('F', 'M')
        date_of_birth : date
        home_address : varchar(120)
        home_city : varchar(60)
        home_state : char(2)
        home_zipcode : char(10)
        home_phone : varchar(20)
        """

    @schema
    class Course(dj.Manual):
        definition = """
        course_id : varchar(8)
        ---
        first_name : varchar(60)  # a namesake of the student's
        """

    @schema
    class Enroll(dj.Manual):
        definition = """
        -> Student
        -> Course
        """

    Student.insert1(
        {
            "student_id": 1002,
            "first_name": "Alice",
            "last_name": "Johnson",
            "sex": "F",
            "date_of_birth": "1998-03-12",
            "home_address": "1234 Elm Street",
            "home_city": "Springfield",
            "home_state": "IL",
            "home_zipcode": "62704",
            "home_phone": "(217)555-1234",
        }
    )
    Student.insert(
        [
            {
                "student_id": 1000,
                "first_name": "Rebecca",
                "last_name": "Sanchez",
                "sex": "F",
                "date_of_birth": "1997-09-13",
                "home_address": "6604 Gentry Turnpike Suite 513",
                "home_city": "Andreaport",
                "home_state": "MN",
                "home_zipcode": "29376",
                "home_phone": "(250)428-1836",
            },
            {
                "student_id": 1001,
                "first_name": "Matthew",
                "last_name": "Gonzales",
                "sex": "M",
                "date_of_birth": "1997-05-17",
                "home_address": "1432 Jessica Freeway Apt. 545",
                "home_city": "Frazierberg",
                "home_state": "NE",
                "home_zipcode": "60485",
                "home_phone": "(699)755-6306x996",
            },
        ]
    )
    names = ("student_id", "first_name", "last_name", "sex", "date_of_birth")
    rows = [
        (1003, "Tess", "Ray", "F", "2011-01-01", "1 A St", "El Paso", "TX", "79901", "1"),
        (1004, "Cal", "Low", "M", "2010-06-01", "2 B St", "Fresno", "CA", "93650", "2"),
        (1005, "Cora", "Hill", "F", "1990-06-01", "3 C St", "Fresno", "CA", "93650", "3"),
    ]
    Student.insert(rows)
    assert names == Student().heading.names[:5]
    Course.insert([("CS101", "Intro"), ("BIO1", "Cells")])
    Enroll.insert([(1002, "CS101"), (1003, "CS101"), (1003, "BIO1")])
    return SimpleNamespace(Student=Student, Course=Course, Enroll=Enroll)


def ids(query: Any) -> list[int]:
    """The students of a query."""
    return [key["student_id"] for key in query.keys()]  # noqa: SIM118 - the method of a query, not of a mapping


def test_inserted_students_come_back(university: SimpleNamespace) -> None:
    """000 "Insert1": a row given with its date as text comes back with a date."""
    assert (university.Student & {"student_id": 1002}).fetch1("date_of_birth") == datetime.date(1998, 3, 12)


def test_iteration_gives_dicts(university: SimpleNamespace) -> None:
    """000 "Iteration": a mapping with a name that is no attribute restricts by nothing, as 001 8.6.3 says."""
    Student = university.Student
    found = [rec for rec in Student & {"home_state": "TX"}]  # noqa: C416 - the loop of the block
    assert [rec["first_name"] for rec in found] == ["Tess"]


def test_restriction_by_a_condition(university: SimpleNamespace) -> None:
    """000 "Restriction" 1: text restricts by an expression of SQL."""
    Student = university.Student
    found = (Student & "home_state = 'CA'").fetch()
    assert isinstance(found, pl.DataFrame)
    assert found["student_id"].sort().to_list() == [1004, 1005]


def test_restriction_by_a_sequence(university: SimpleNamespace) -> None:
    """000 "Restriction" 2: a list is "any of", AndList is "all of", as are two restrictions in a row."""
    Student = university.Student
    assert ids(Student & ["home_state<>'CA'", "date_of_birth >= '2010-01-01'"]) == [1000, 1001, 1002, 1003, 1004]
    both = Student & dj.AndList(["home_state<>'CA'", "date_of_birth >= '2010-01-01'"])
    same = Student & "home_state<>'CA'" & "date_of_birth >= '2010-01-01'"
    assert ids(both) == ids(same) == [1003]


def test_restriction_by_a_subquery(university: SimpleNamespace) -> None:
    """000 "Restriction" 3: a query restricts by its matching rows."""
    Student, Enroll = university.Student, university.Enroll
    assert ids(Student & (Enroll & "course_id = 'CS101'")) == [1002, 1003]
    assert ids(Student - (Enroll & "course_id = 'CS101'")) == [1000, 1001, 1004, 1005]


def test_restriction_by_top(university: SimpleNamespace) -> None:
    """000 "Restriction" 4: Top gives so many rows, the first by its order."""
    Student = university.Student
    assert len(Student & dj.Top(5)) == 5
    youngest = Student & dj.Top(5, order_by="date_of_birth DESC")
    assert ids(youngest) == [1000, 1001, 1002, 1003, 1004]


def test_projection_selects_and_renames(university: SimpleNamespace) -> None:
    """000 "Projection": the key is kept beside what is named, and attributes take new names."""
    Student = university.Student
    assert Student.proj("first_name", "last_name").fetch().columns == ["student_id", "first_name", "last_name"]
    renamed = Student.proj(first="first_name", last="last_name").fetch(order_by="KEY")
    assert renamed.row(0) == (1000, "Rebecca", "Sanchez")


def test_projection_computes(university: SimpleNamespace) -> None:
    """000 "Universal Sets" with the parenthesis that the document lost: a year of birth."""
    Student = university.Student
    query = (Student & {"home_state": "TX"}).proj(year="YEAR(date_of_birth)")
    assert query.fetch("year").tolist() == [2011]


def test_join_matches_by_lineage(university: SimpleNamespace) -> None:
    """000 "Join" and "Semantic Match": student_id matches; namesakes of other origin are refused by name."""
    Student, Course, Enroll = university.Student, university.Course, university.Enroll
    assert len((Student * Enroll).fetch()) == 3
    with pytest.raises(IncompatibleOperands, match=r"'first_name'.*\n?.*proj"):
        (Student * Course).fetch()


# --- 000: computation --------------------------------------------------------------------------------------------


def test_processed_signal_is_computed(run: Runner, schema: dj.Schema) -> None:
    """000 "The make Method": populate calls make once a signal, and rows cannot be inserted by hand."""

    @schema
    class RawSignal(dj.Manual):
        definition = """
        signal_id : uint32
        ---
        signal : blob
        """

    with pytest.warns(DeprecationWarning, match="'float' is read as 'float32'"):
        ProcessedSignal = run(WRITTEN["000 The make Method"], schema=schema, RawSignal=RawSignal).ProcessedSignal
    RawSignal.insert([(i, np.arange(i + 3.0)) for i in range(3)])
    assert ProcessedSignal.populate().done == 3
    assert ProcessedSignal.fetch("avg_signal").tolist() == [1.0, 1.5, 2.0]
    with pytest.raises(InsertRefused, match="make"):
        ProcessedSignal.insert1((7, 1.0))


def test_key_source_of_two_parents_in_two_modules(run: Runner, schema: dj.Schema) -> None:
    """000 "Key Source": the join of the parents, one of them named through its module, without what is computed."""

    @schema
    class Image(dj.Manual):
        definition = "image_id : uint32\n---"

    @schema
    class ProcessingMethod(dj.Lookup):
        definition = "method : varchar(8)\n---"
        contents = (("blur",), ("sharpen",))

    acq = SimpleNamespace(Image=Image)
    given = {"schema": schema, "acq": acq, "ProcessingMethod": ProcessingMethod}
    ProcessedImage = run(WRITTEN["000 Understanding Key Source"], **given).ProcessedImage
    Image.insert([(1,), (2,)])
    expected = acq.Image.proj() * ProcessingMethod.proj()
    assert ProcessedImage().key_source.keys() == expected.keys()
    ProcessedImage.insert([(1, "blur", b""), (1, "sharpen", b"")], allow_direct_insert=True)
    assert (expected - ProcessedImage).keys() == [
        {"image_id": 2, "method": "blur"},
        {"image_id": 2, "method": "sharpen"},
    ]


# --- 002 ---------------------------------------------------------------------------------------------------------


def test_species_is_a_lookup_that_can_grow(run: Runner, schema: dj.Schema) -> None:
    """002 "Declaration Pattern": contents as dicts, and a species added later, which stays."""
    Species = run(WRITTEN["002 Declaration Pattern"], schema=schema).Species
    # Adding a new species (schema evolution)
    Species.insert1({"species": "zebrafish", "common_name": "Zebrafish", "scientific_name": "Danio rerio"})
    assert Species.fetch("species").tolist() == ["human", "mouse", "rat", "zebrafish"]
    again = dj.Schema(schema.name, connection=schema.connection)
    assert len(run(WRITTEN["002 Declaration Pattern"], schema=again).Species) == 4


def test_letter_grades(run: Runner, schema: dj.Schema) -> None:
    """002 "Letter Grades": contents as tuples, exact."""
    LetterGrade = run(WRITTEN["002 Letter Grades"], schema=schema).LetterGrade
    assert (LetterGrade & {"grade_letter": "A-"}).fetch1("grade_point") == Decimal("3.67")


def test_filter_parameters(run: Runner, schema: dj.Schema) -> None:
    """002 "Filter Parameters": an attribute called `order`, and legacy types that warn once each."""
    with pytest.warns(DeprecationWarning, match="is read as") as warned:
        FilterParams = run(WRITTEN["002 Filter Parameters"], schema=schema).FilterParams
    kinds = sorted(word for w in warned for word in ("'float'", "'int'") if word in str(w.message))
    assert kinds == ["'float'", "'float'", "'int'", "'int'"]
    assert (FilterParams & "filter_type = 'lowpass'").to_dicts("filter_id", "order") == [{"filter_id": 3, "order": 2}]


def test_brain_regions(run: Runner, schema: dj.Schema) -> None:
    """002 "Brain Regions": the hierarchy is an attribute of numbers, as the block writes it."""
    with pytest.warns(DeprecationWarning, match="'int' is read as 'int32'"):
        BrainRegion = run(WRITTEN["002 Brain Regions"], schema=schema).BrainRegion
    assert (BrainRegion & "color_hex = '#FF0000'").fetch1("acronym") == "HPF"
    children = BrainRegion & {"parent_id": 997}
    assert sorted(children.fetch("acronym").tolist()) == ["HPF", "OLF"]


def test_experimental_protocols(run: Runner, schema: dj.Schema) -> None:
    """002 "Experimental Protocols": a manual table whose key has a lookup's, with a value of any kind."""
    with pytest.warns(DeprecationWarning, match="is read as"):
        module = run(WRITTEN["002 Experimental Protocols"], schema=schema)
    module.Protocol.insert1((1, "visual_tuning", {"angles": [0, 45]}, "2024-10-28", "ada"))
    assert module.Protocol.fetch1("parameters") == {"angles": [0, 45]}
    with pytest.raises(MissingParent):
        module.Protocol.insert1((1, "auditory", b"", "2024-10-28", "ada"))


@pytest.fixture
def sessions(schema: dj.Schema) -> type[dj.Manual]:
    """Session with its part Trial (002 "Master-Part Pattern"; its `definition` line is lost in the document)."""
    with pytest.warns(DeprecationWarning, match="is read as"):

        @schema
        class Session(dj.Manual):
            definition = """
            session_id: int
            ---
            session_date: date
            """

            class Trial(dj.Part):
                definition = """
                -> master
                trial_id: int
                ---
                outcome: enum('success', 'failure')
                """

    Session.insert([(101, "2024-10-28"), (102, "2024-10-29"), (103, "2024-10-30")])
    Session.Trial.insert([(101, i, "success") for i in range(101)] + [(102, 0, "failure")])
    return Session


def test_trials_of_a_session(sessions: Any) -> None:
    """002 "Querying Master-Part": parts are restricted by the key of their master, and need it."""
    Session = sessions
    trials = (Session.Trial & {"session_id": 101}).fetch()
    assert trials.height == 101
    with pytest.raises(MissingParent, match="session_id = 999"):
        Session.Trial.insert1((999, 1, "success"))


def test_trial_counts_in_the_right_order(sessions: Any) -> None:
    """002 "Querying Master-Part", its operands set right: every session has its count, also 0."""
    Session = sessions
    trial_counts = Session.aggr(Session.Trial, n="count(*)")
    assert trial_counts.to_dicts() == [
        {"session_id": 101, "n": 101},
        {"session_id": 102, "n": 1},
        {"session_id": 103, "n": 0},
    ]
    busy_sessions = Session & (Session.aggr(Session.Trial, n="count(*)") & "n > 100")
    assert busy_sessions.keys() == [{"session_id": 101}]


def test_trial_counts_the_wrong_way_are_refused_with_a_hint(sessions: Any) -> None:
    """002 writes Session.Trial.aggr(Session, ...): refused, and the message says which way is meant."""
    Session = sessions
    with pytest.raises(IncompatibleOperands, match=r"Did you mean \S*session\.aggr\(\S*session__trial, \.\.\.\)\?"):
        Session.Trial.aggr(Session, n="count(*)")


def test_workflow_of_manual_and_automated_steps(run: Runner, schema: dj.Schema) -> None:
    """002 "Manual steps" and "Automated steps": insert a session, populate both results of it, in order."""

    @schema
    class Session(dj.Manual):
        definition = """
        session_id : uint32
        ---
        subject_id : varchar(16)
        session_date : date
        """

    @schema
    class Recording(dj.Imported):
        definition = """
        -> Session
        ---
        recording_file: varchar(255)
        """

        def make(self, key: dict[str, Any]) -> None:
            # Import from instrument
            self.insert1({**key, "recording_file": f"/data/{key['session_id']}.dat"})

    text = WRITTEN["002 Table Definition"] + WRITTEN["002 make() Method"]  # the method is a block of its own
    filtering = {"apply_bandpass_filter": lambda path, *band: (path, band)}
    FilteredRecording = run(text, schema=schema, Recording=Recording, **filtering).FilteredRecording
    Session.insert1({"session_id": 101, "subject_id": "mouse_042", "session_date": "2024-10-28"})
    assert FilteredRecording.populate().done == 0
    Recording.populate()
    FilteredRecording.populate()
    assert (FilteredRecording & {"session_id": 101}).fetch1("filtered_data") == ("/data/101.dat", (300, 3000))


# --- 001 ---------------------------------------------------------------------------------------------------------


def test_protocol_has_six_keys(schema: dj.Schema) -> None:
    """001 9.2.1: two stimuli and three modalities give the key source six keys."""

    @schema
    class Stimulus(dj.Lookup):
        definition = "stimulus_type : varchar(8)\n---"
        contents = (("Visual",), ("Auditory",))

    @schema
    class Modality(dj.Lookup):
        definition = "modality : varchar(8)\n---"
        contents = (("EEG",), ("fMRI",), ("PET",))

    @schema
    class Protocol(dj.Computed):
        definition = """
        -> Stimulus
        -> Modality
        ---
        """

        def make(self, key: dict[str, Any]) -> None:
            self.insert1(key)

    keys = Protocol().key_source.fetch(order_by="KEY")
    assert keys.rows() == [
        ("Auditory", "EEG"),
        ("Auditory", "PET"),
        ("Auditory", "fMRI"),
        ("Visual", "EEG"),
        ("Visual", "PET"),
        ("Visual", "fMRI"),
    ]
    assert Protocol.populate().done == 6


@pytest.fixture
def cells(schema: dj.Schema) -> type[dj.Manual]:
    """Cell, whose key is (animal_id, slice_id, cell_id), with two cells in each of two slices."""

    @schema
    class Cell(dj.Manual):
        definition = """
        animal_id : uint32
        slice_id : uint8
        cell_id : uint8
        ---
        """

    Cell.insert([(1, s, c) for s in (1, 2) for c in (1, 2)])
    return Cell


def test_synapse_within_a_slice(schema: dj.Schema, cells: Any) -> None:
    """001 5.9.5: the two references to Cell share animal and slice, so a synapse across slices cannot be said."""
    Cell = cells
    assert Cell.primary_key == ("animal_id", "slice_id", "cell_id")
    with pytest.warns(DeprecationWarning, match="'double' is read as 'float64'"):

        @schema
        class Synapse(dj.Manual):
            definition = """
            # synapse between two cells
            -> Cell.proj(presynaptic='cell_id')
            -> Cell.proj(postsynaptic='cell_id')
            ---
            connection_strength : double # (pA) peak synaptic current
            """

    assert Synapse().primary_key == ("animal_id", "slice_id", "presynaptic", "postsynaptic")
    Synapse.insert1((1, 1, 1, 2, 3.5))
    with pytest.raises(MissingParent):
        Synapse.insert1((1, 1, 1, 3, 3.5))
    joined = Synapse * Cell.proj(presynaptic="cell_id")
    assert joined.keys() == [{"animal_id": 1, "slice_id": 1, "presynaptic": 1, "postsynaptic": 2}]


def test_synapse_across_slices(schema: dj.Schema, cells: Any) -> None:
    """001 5.9.5: with slice_id renamed as well, the key keeps the animal only."""
    Cell = cells

    @schema
    class Synapse(dj.Manual):
        definition = """
        # synapse between two cells
        -> Cell.proj(presynaptic_slice='slice_id', presynaptic_cell='cell_id')
        -> Cell.proj(postsynaptic_slice='slice_id', postsynaptic_cell='cell_id')
        ---
        connection_strength : float64 # (pA) peak synaptic current
        """

    assert Cell.primary_key[0] == "animal_id"
    assert Synapse().primary_key == (
        "animal_id",
        "presynaptic_slice",
        "presynaptic_cell",
        "postsynaptic_slice",
        "postsynaptic_cell",
    )
    Synapse.insert1((1, 1, 1, 2, 2, 0.5))
    assert len(Synapse) == 1


@pytest.mark.parametrize(
    ("options", "shares", "ownerless"),
    [("", True, False), ("[unique] ", False, False), ("[nullable] ", True, True), ("[unique, nullable] ", False, True)],
)
def test_foreign_key_options(schema: dj.Schema, options: str, shares: bool, ownerless: bool) -> None:
    """001 5.9.6: unique lets a person own one rig, nullable lets a rig have no owner."""

    @schema
    class Person(dj.Manual):
        definition = "person_id : uint32\n---"

    class Rig(dj.Manual):
        pass

    Rig.definition = f"""
    rig_id : char(4) # experimental rig
    ---
    -> {options}Person
    """
    schema(Rig)
    Person.insert1((1,))
    Rig.insert1(("a", 1))
    accepted = {"shares": True, "ownerless": True}
    for name, row in (("shares", ("b", 1)), ("ownerless", ("c", None))):
        try:
            Rig.insert1(row)
        except dj.errors.RowError:
            accepted[name] = False
    assert accepted == {"shares": shares, "ownerless": ownerless}
