"""The texts of the specification, and those that users of MySQL and PostgreSQL would write, on both engines: 000
"Queries", 001 chapter 8, 002. The same query on the server and on an exported repository gives the same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

import djarrow as dj
from djarrow.repo.opening.repository import Repository
from djarrow.table.expression import QueryExpression

from ..university import frames

Query = Callable[[SimpleNamespace], QueryExpression]

QUERIES: dict[str, Query] = {
    # 000 and 001: conditions
    "equal": lambda u: u.Student & "home_state = 'TX'",
    "two conditions": lambda u: u.Student & "home_state<>'CA'" & "date_of_birth >= '2000-01-01'",
    "any of two": lambda u: u.Student & ["home_state<>'CA'", "date_of_birth >= '2000-01-01'"],
    "all of two": lambda u: u.Student & dj.AndList(["home_state<>'CA'", "date_of_birth >= '2000-01-01'"]),
    "a list of values": lambda u: u.Student & "student_id IN (1005, 1006, 112360)",
    "strings in double quotes": lambda u: u.Course & 'dept="BIOL"' & 'course_name LIKE "%ology"',
    "a day in double quotes": lambda u: u.Student & 'date_of_birth >= "2003-01-01"',
    "between": lambda u: u.Section & "term_year between 2020 and 2021 and term in ('Spring', \"Fall\")",
    "a query that a query restricts": lambda u: u.Student & (u.Enroll & "course > 2000"),
    "first ones": lambda u: u.Student & dj.Top(5, order_by="date_of_birth DESC"),
    "first ones by a string": lambda u: u.Student & dj.Top(7, order_by=["last_name DESC", "first_name"]),
    # computed attributes
    "the year of a day": lambda u: (u.Student & {"home_state": "TX"}).proj(year="YEAR(date_of_birth)"),
    "years as a universal set": lambda u: dj.U("year").aggr(
        u.Student.proj(year="YEAR(date_of_birth)"), n="count(*)"
    ),
    "a difference": lambda u: u.Course.proj(depth="course - credits") & "depth > 2000",
    "a quotient of products": lambda u: u.Course.proj(index="course / (credits * credits)"),
    "a full name": lambda u: u.Student.proj(name="concat(first_name, ' ', last_name)"),
    "age in years": lambda u: u.Student.proj(age="timestampdiff(year, date_of_birth, '2024-06-30')") & "age >= 30",
    "days": lambda u: u.StudentMajor.proj(days="datediff('2024-01-01', declare_date)", month="month(declare_date)"),
    "a later day": lambda u: u.StudentMajor.proj(due="declare_date + interval 1 month") & "due > '2020-02-01'",
    "a format": lambda u: u.StudentMajor.proj(month="date_format(declare_date, '%Y-%m')"),
    "a choice": lambda u: u.Grade.proj(passed="if(grade in ('F', 'D'), 'no', 'yes')"),
    "cases": lambda u: u.Course.proj(level="case when course < 2000 then 'a' else concat('n', course div 1000) end"),
    "initials": lambda u: u.Student.proj(i="concat(left(first_name, 1), upper(right(last_name, 1)))"),
    # aggregates
    "a count": lambda u: u.Section.aggr(u.Enroll, n="count(*)"),
    "an average": lambda u: u.Course.aggr(u.Grade * u.LetterGrade, avg_grade="avg(points)"),
    "how many hold": lambda u: u.Course.aggr(u.Grade * u.LetterGrade, best="sum(points = 4)", n="count(*)"),
    "distinct ones": lambda u: u.Course.aggr(u.Enroll, students="count(distinct student_id)"),
    "an average of a condition": lambda u: u.Course.aggr(u.Grade, share="avg(grade = 'A')"),
    "busy ones": lambda u: u.Section & (u.Section.aggr(u.Enroll, n="count(*)") & "n > 25"),
    "a weighted mean": lambda u: u.Student.aggr(
        u.Course * u.Grade * u.LetterGrade, gpa="round(sum(points * credits) / sum(credits), 2)", total="sum(credits)"
    ),
    "by city and state": lambda u: dj.U("home_city", "home_state").aggr(u.Student, n="count(*)"),
    "by state": lambda u: dj.U("home_state").aggr(u.Student, n="count(*)", first="min(last_name)"),
    "of all": lambda u: dj.U().aggr(u.Student, n="count(*)", oldest="min(date_of_birth)"),
    "text joined": lambda u: u.Department.aggr(
        u.Course, courses="group_concat(course_name order by course desc separator '; ')"
    ),
    "percentiles": lambda u: u.Course.aggr(
        u.Grade * u.LetterGrade, m="median(points)", p="percentile(points, 0.9)", s="stddev(points)"
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def offline(university: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    """A repository of the university."""
    folder = tmp_path_factory.mktemp("texts") / "repository"
    dj.export(list(vars(university).values()), folder)
    opened = dj.open(folder)
    yield opened
    opened.close()


@pytest.mark.parametrize("name", list(QUERIES))
def test_the_engines_agree(university: SimpleNamespace, offline: Repository, name: str) -> None:
    """A query gives rows, the same of the same types on the server and on the repository."""
    query = QUERIES[name](university)
    order = list(query.primary_key)
    server = query.to_polars(order_by=order)
    with offline.using():
        files = query.to_polars(order_by=order)
    assert server.height > 0
    assert files.schema == server.schema
    assert _rounded(files).equals(_rounded(server))


def _rounded(frame: pl.DataFrame) -> pl.DataFrame:
    """Sums of floats depend on their order in the last digits."""
    return frame.with_columns(pl.col(pl.Float64).round_sig_figs(10))


def test_against_the_frames(university: SimpleNamespace) -> None:
    """Some of them computed from the frames that were inserted."""
    rows = frames()
    texas = rows["Student"].filter(pl.col("home_state") == "TX")
    found: Any = QUERIES["the year of a day"](university).to_polars(order_by="KEY")
    assert found["year"].to_list() == texas.sort("student_id")["date_of_birth"].dt.year().to_list()
    joined = QUERIES["text joined"](university).to_dicts()
    courses = rows["Course"].sort("course", descending=True).group_by("dept", maintain_order=True)
    assert {row["dept"]: row["courses"] for row in joined} == {
        dept: "; ".join(part["course_name"]) for (dept,), part in courses
    }
