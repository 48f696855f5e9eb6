"""insert(query): rows go from table to table in one statement on the server, with the checks of any insert."""

from __future__ import annotations

import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import (
    DuplicateKey,
    InsertRefused,
    InvalidCondition,
    InvalidValue,
    MissingField,
    MissingParent,
    UnknownField,
)


@pytest.fixture
def tables(schema: dj.Schema) -> Any:
    """Department, Student and their pairs."""

    @schema
    class Department(dj.Manual):
        definition = "dept : varchar(6)\n---"

    @schema
    class Student(dj.Manual):
        definition = "student_id : uint32\n---\nname : varchar(20)"

    @schema
    class StudentMajor(dj.Manual):
        definition = "-> Student\n-> Department\n---\nsince = null : date\nnote = 'new' : varchar(6)"

    Department.insert([("BIO",), ("CS",)])
    Student.insert([(n, f"Student {n}") for n in range(100)])
    return Department, Student, StudentMajor


def test_the_example_of_the_specification(tables: Any) -> None:
    """All possible majors of all students: no row is fetched, defaults are those of the table."""
    Department, Student, StudentMajor = tables
    done = StudentMajor.insert(Department.proj() * Student.proj())
    assert (done, done.skipped) == (200, 0)
    assert len(StudentMajor & "note = 'new' AND since IS NULL") == 200


def test_one_statement_writes_and_nothing_is_read(tables: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """No rows come to the client, and no COPY goes up."""
    Department, Student, StudentMajor = tables
    read = PostgresConnection.read
    results = []

    def looking(self: PostgresConnection, text: str, **options: Any) -> Any:
        results.append(read(self, text, **options))
        return results[-1]

    monkeypatch.setattr(PostgresConnection, "read", looking)
    monkeypatch.setattr(PostgresConnection, "ingest", None)
    monkeypatch.setattr(PostgresConnection, "stream", None)
    assert StudentMajor.insert(Department * Student, ignore_extra_fields=True) == 200
    assert max(result.num_rows for result in results) < 10


def test_skip_and_replace(tables: Any) -> None:
    """Rows whose key is there are passed over or replaced, as in any insert, and counted."""
    Department, Student, StudentMajor = tables
    pairs = Department.proj() * (Student & "student_id < 10").proj()
    StudentMajor.insert([(1, "CS", "2024-01-01", "kept")])
    with pytest.raises(DuplicateKey):
        StudentMajor.insert(pairs)
    done = StudentMajor.insert(pairs, skip_duplicates=True)
    assert (done, done.skipped) == (19, 1)
    assert (StudentMajor & "note = 'kept'").fetch1("since") == datetime.date(2024, 1, 1)
    done = StudentMajor.insert(pairs.proj(note="'other'"), replace=True)
    assert (done, done.replaced) == (0, 20)
    assert len(StudentMajor & "note = 'other' AND since IS NULL") == 20


def test_every_kind_of_query(tables: Any) -> None:
    """Restricted, projected, aggregated, joined, united, first rows, also of the table itself."""
    Department, Student, StudentMajor = tables
    top = (Student & dj.Top(3, "student_id DESC")).proj() * (Department & "dept = 'CS'").proj()
    assert StudentMajor.insert(top) == 3
    counted = Student.aggr(StudentMajor, n="count(*)") & "n > 0"
    assert StudentMajor.insert(counted.proj() * Department.proj(), skip_duplicates=True) == 3
    moved = (Student & "student_id < 5").proj(old="student_id", student_id="student_id + 1000")
    assert Student.insert((dj.U("student_id") & moved).proj(name="'copy'")) == 5
    assert len(Student & "name = 'copy'") == 5


def test_what_does_not_fit(tables: Any) -> None:
    """Unknown and missing attributes, parents and values are refused by name; nothing is inserted."""
    Department, Student, StudentMajor = tables
    with pytest.raises(UnknownField, match="'name'"):
        StudentMajor.insert(Department * Student)
    with pytest.raises(MissingField) as missing:
        StudentMajor.insert(Student.proj())
    assert missing.value.attribute == "dept"
    with pytest.raises(MissingParent) as parent:
        StudentMajor.insert(dj.U("student_id", "dept") & (Student.proj(dept="'ART'")))
    assert parent.value.key == {"dept": "ART"}
    with pytest.raises(InvalidCondition, match="chunk_size"):
        StudentMajor.insert(Student, chunk_size=10)
    assert len(StudentMajor) == 0


VALUES = [
    # attribute of the target, term over x float64, i int64, d decimal(7,3), s varchar(20), at datetime; values or None
    ("a : int16", "i", [7, None]),
    ("a : int16", "i * 10000", None),
    ("a : uint8", "0 - i", None),
    ("a : int32", "x", None),
    ("a : int32", "x * 2", [3, None]),
    ("a : float64", "i", [7.0, None]),
    ("a : float64", "i + 9007199254740993", None),
    ("a : float32", "x", [1.5, None]),
    ("a : decimal(5,3)", "d", ["2.250", None]),
    ("a : decimal(5,2)", "d", ["2.25", None]),
    ("a : decimal(5,1)", "d", None),
    ("a : decimal(3,2)", "d + 10", None),
    ("a : decimal(5,1)", "i", ["7.0", None]),
    ("a : decimal(5,1)", "x", None),
    ("a : varchar(3)", "s", ["abc", None]),
    ("a : varchar(2)", "s", None),
    ("a : varchar(4)", "concat(s, '  ')", None),
    ("a : enum('abc', 'z')", "s", ["abc", None]),
    ("a : enum('z')", "s", None),
    ("a : timestamp", "at", [datetime.datetime(2024, 1, 2, 3, tzinfo=datetime.UTC), None]),
    ("a : date", "at", None),
    ("a : bool", "i", None),
    ("a : varchar(9)", "i", None),
]


@pytest.mark.parametrize(("attribute", "term", "values"), VALUES)
def test_values_lose_nothing(schema: dj.Schema, attribute: str, term: str, values: list[Any] | None) -> None:
    """A value goes into an attribute of another type where it is the same value there, else all is refused."""
    name, _, kind = attribute.partition(" : ")

    @schema
    class Source(dj.Manual):
        definition = """
        k : int32
        ---
        x = null : float64
        i = null : int64
        d = null : decimal(7,3)
        s = null : varchar(20)
        at = null : datetime
        """

    @schema
    class Target(dj.Manual):
        definition = f"k : int32\n---\n{name} = null : {kind}"

    Source.insert([(1, 1.5, 7, "2.250", "abc", "2024-01-02 03:00:00"), (2, None, None, None, None, None)])
    query = Source.proj(a=f"({term})")
    if values is None:
        with pytest.raises(InvalidValue):
            Target.insert(query)
        assert len(Target) == 0
    else:
        assert Target.insert(query) == 2
        found = [row["a"] for row in Target.to_dicts("k", "a")]
        assert [str(v) if isinstance(v, Decimal) else v for v in found] == values


def test_what_the_server_refuses_is_told_in_words_of_the_definition(schema: dj.Schema) -> None:
    """A value out of range, NULL where one is required, and a key that is there: not in the database's own words."""

    @schema
    class Source(dj.Manual):
        definition = "a : int32\n---\nx = null : int32"

    @schema
    class Target(dj.Manual):
        definition = "a : int32\n---\nx : uint8"

    Source.insert([(1, 5), (2, 300), (3, None)])
    with pytest.raises(InvalidValue, match=r"is no uint8, which goes from 0 to 255, in the row \(2, 300\)\.") as wide:
        Target.insert(Source & "a = 2")
    assert wide.value.attribute == "x"
    with pytest.raises(MissingField, match="a value is required and NULL was given") as empty:
        Target.insert(Source & "a = 3")
    assert empty.value.attribute == "x"
    Target.insert(Source & "a = 1")
    with pytest.raises(DuplicateKey) as twice:
        Target.insert(Source & "a = 1")
    assert twice.value.key == {"a": 1}
    assert Target.to_dicts() == [{"a": 1, "x": 5}]


def test_in_a_transaction_of_the_user(tables: Any, connection: PostgresConnection) -> None:
    """It sees what the transaction wrote, and goes with it."""
    Department, Student, StudentMajor = tables
    StudentMajor.declare()
    with pytest.raises(ZeroDivisionError), connection.transaction:  # noqa: PT012 - the block is what is tested
        Student.insert1((1000, "late"))
        assert StudentMajor.insert(Department.proj() * Student.proj()) == 202
        raise ZeroDivisionError
    assert len(StudentMajor) == 0


def test_from_a_repository(tables: Any, schema: dj.Schema, tmp_path: Path) -> None:
    """A query of an opened repository goes in as a stream; inside its `using` block nothing is written."""
    _, Student, _ = tables
    dj.export(schema, tmp_path / "repository")
    held = dj.open(tmp_path / "repository")[schema.name]
    with pytest.raises(InsertRefused), dj.open(tmp_path / "repository").using(schema):
        Student.insert(Student)
    assert Student.insert(held.Student, skip_duplicates=True).skipped == 100
    moved = held.Student.proj(old="student_id", student_id="student_id + 500")
    assert Student.insert((dj.U("student_id") & moved).proj(name="'copy'")) == 100
    assert len(Student) == 200
