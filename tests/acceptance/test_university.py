"""The university of the manual (001 8.2): its counts, and the manual's queries (8.3 to 8.11) in Python form."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

import djarrow as dj

from ..university import DEFINITIONS, SHOWN, STUDENTS, TERMS, frames


@pytest.fixture(scope="module")
def rows() -> dict[str, pl.DataFrame]:
    """What the tables hold, to compute results from without djarrow."""
    return frames()


def test_the_data_are_the_same_each_time(rows: dict[str, pl.DataFrame]) -> None:
    """The data are generated from a seed: two calls give the same frames."""
    assert all(frame.equals(again) for frame, again in zip(rows.values(), frames().values(), strict=True))


def test_every_table_is_loaded(university: SimpleNamespace, rows: dict[str, pl.DataFrame]) -> None:
    """Each of the ten tables has its rows, enough of them to be of a realistic size."""
    counts = {name: len(getattr(university, name)) for name in DEFINITIONS}
    assert counts == {name: frame.height for name, frame in rows.items()}
    assert counts["Student"] == STUDENTS
    assert counts["Course"] >= 40
    assert counts["Enroll"] >= 10_000
    assert 0 < counts["Enroll"] - counts["Grade"] < counts["Enroll"] / 5
    assert (counts["CurrentTerm"], counts["Term"]) == (1, len(TERMS))


def test_lineage_of_a_grade(university: SimpleNamespace) -> None:
    """A grade's key traces through enrolment and section to the student, the department and the term."""
    heading = university.Grade().heading
    assert heading.primary_key == ("dept", "course", "term_year", "term", "section", "student_id")
    origins = {a.name: str(a.lineage).partition(".")[2] for a in heading}
    assert origins == {
        "dept": "department.dept",
        "course": "course.course",
        "term_year": "term.term_year",
        "term": "term.term",
        "section": "section.section",
        "student_id": "student.student_id",
        "grade": "letter_grade.grade",
    }


def test_the_current_term_is_one(university: SimpleNamespace) -> None:
    """A table without a key holds one row, which a join attaches to what it matches (001 8.2)."""
    assert university.CurrentTerm.fetch1() == {"term_year": 2023, "term": "Fall"}
    current = university.Section & university.CurrentTerm
    assert set(current.proj("room").to_polars("term_year", "term").rows()) == {(2023, "Fall")}


def test_students_with_a_major(university: SimpleNamespace, rows: dict[str, pl.DataFrame]) -> None:
    """001 8.3.1: the keys of the students who declared a major, and those who did not."""
    keys = (university.Student & university.StudentMajor).keys()
    assert [key["student_id"] for key in keys] == sorted(rows["StudentMajor"]["student_id"])
    assert len(university.Student - university.StudentMajor) == STUDENTS - len(keys)


def test_courses_of_a_department_in_order(university: SimpleNamespace, rows: dict[str, pl.DataFrame]) -> None:
    """001 8.3.6: names of the biology courses sorted by number, and the five most advanced courses."""
    names = (university.Course & 'dept="BIOL"').fetch("course_name", order_by="course")
    assert names.tolist() == ["Cell Biology", "Genetics", "Ecology", "Evolution", "Neurobiology", "Microbiology"]
    top = university.Course.fetch(order_by="course DESC", limit=5)
    assert top["course"].to_list() == rows["Course"]["course"].sort(descending=True).head(5).to_list()


def test_restriction_by_a_collection(university: SimpleNamespace) -> None:
    """001 8.6.5: any of two conditions gives the three students of the manual's table."""
    found = university.Student & ['first_name = "Aaron"', 'last_name = "Aaronson"']
    assert [(s["student_id"], s["first_name"], s["last_name"]) for s in found.to_dicts()] == [row[:3] for row in SHOWN]
    both = university.Student & [
        {"first_name": "Aaron", "last_name": "Paul"},
        {"first_name": "Rosie", "last_name": "Aaronson"},
    ]
    assert sorted(both.fetch("student_id").tolist()) == [112_360, 263_430]
    assert len(university.Student & []) == 0
    assert len(university.Student - []) == STUDENTS


def test_number_of_students_in_each_section(university: SimpleNamespace, rows: dict[str, pl.DataFrame]) -> None:
    """001 8.9.1: the count of enrolments of every section, 0 for those that have none."""
    counts = university.Section.aggr(university.Enroll, n="count(*)").to_polars()
    key = rows["Section"].drop("room").columns
    expected = (
        rows["Section"].join(rows["Enroll"], on=key, how="left").group_by(key).agg(n=pl.col("student_id").count())
    )
    assert counts.height == rows["Section"].height
    assert counts["n"].min() == 0
    assert sorted(counts["n"].to_list()) == sorted(expected["n"].to_list())


def test_average_grade_in_each_course(university: SimpleNamespace, rows: dict[str, pl.DataFrame]) -> None:
    """001 8.9.1: the mean of the points of all grades in a course, equal to that computed from the frames."""
    average = university.Course.aggr(university.Grade * university.LetterGrade, avg_grade="avg(points)")
    joined = rows["Grade"].join(rows["LetterGrade"], on="grade").with_columns(pl.col("points").cast(pl.Float64))
    expected = joined.group_by("dept", "course").agg(pl.col("points").mean()).sort("dept", "course")
    found = average.to_polars("dept", "course", "avg_grade", order_by="KEY")
    assert found.select("dept", "course").rows() == expected.select("dept", "course").rows()
    differences = found["avg_grade"].cast(pl.Float64) - expected["points"]
    assert differences.abs().max() < 1e-6


def test_students_with_a_perfect_record(university: SimpleNamespace, rows: dict[str, pl.DataFrame]) -> None:
    """A restriction by an exclusion: students who have grades, and none but the best."""
    Student, Grade = university.Student, university.Grade
    perfect = (Student & Grade) - (Grade & "grade <> 'A'")
    worst = rows["Grade"].join(rows["LetterGrade"], on="grade").group_by("student_id").agg(pl.col("points").min())
    expected = worst.filter(pl.col("points") == Decimal("4.00"))["student_id"]
    assert perfect.fetch("student_id", order_by="KEY").tolist() == sorted(expected)


def test_a_namesake_by_chance_is_no_match(university: SimpleNamespace) -> None:
    """001 8.5.2: attributes match by origin; a computed one of the same name does not."""
    renamed = university.Course.proj(home_state="'UT'")
    with pytest.raises(dj.errors.IncompatibleOperands, match="home_state"):
        university.Student * renamed


def test_every_query_has_the_types_of_the_tables(university: SimpleNamespace) -> None:
    """Joined and empty results keep the declared types."""
    empty: Any = (university.Enroll * university.Course & "credits > 90").to_polars()
    assert empty.height == 0
    assert empty.schema["credits"] == pl.Decimal(3, 1)
    assert empty.schema["term"] == pl.Enum(["Spring", "Summer", "Fall"])
    assert (empty.schema["term_year"], empty.schema["course"]) == (pl.Int16, pl.UInt32)
