"""Restriction and its complement by each kind of condition. Design section 6; specification 001 8.6."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

import djarrow as dj
from djarrow.errors import IncompatibleOperands, InvalidCondition, InvalidTerm, UnknownAttribute

from .conftest import Evaluate

KEY = ("subject_id", "session")


def sessions(rows: list[dict[str, Any]]) -> list[tuple[int, int]]:
    """The keys of rows of Session."""
    return [(row["subject_id"], row["session"]) for row in rows]


def shown(given: Any) -> str:
    """The name of a case: the same in every process, whose sets have another order."""
    return str(sorted(given) if isinstance(given, set) else given)[:60]


ALL = [(1, 1), (1, 2), (1, 3), (2, 1), (3, 1)]


CONDITIONS: list[tuple[Any, list[tuple[int, int]]]] = [
    ("x > 0", [(1, 1), (2, 1)]),
    ("x <= 0", [(1, 3), (3, 1)]),
    ("x", [(1, 1), (1, 3), (2, 1)]),
    ("x = NULL", []),
    ("x IS NULL", [(1, 2)]),
    ("NOT x > 0", [(1, 3), (3, 1)]),
    ("x > 0 OR method = 'patch'", [(1, 1), (1, 3), (2, 1)]),
    ("x > 0 AND method = 'patch' OR session = 2", [(1, 1), (1, 2), (2, 1)][:2]),
    ("x > 0 AND (method = 'patch' OR session = 1)", [(1, 1), (2, 1)]),
    ("method <> 'patch'", [(2, 1)]),
    ("method NOT IN ('patch')", [(2, 1)]),
    ("day BETWEEN '2024-01-01' AND '2024-02-28'", [(1, 1), (1, 2), (1, 3)]),
    ("YEAR(day) = 2024 AND MONTH(day) < 3", [(1, 1), (1, 2), (1, 3)]),
    ({"subject_id": 1}, [(1, 1), (1, 2), (1, 3)]),
    ({"method": None}, [(1, 2), (3, 1)]),
    ({"day": "2024-02-01", "method": "patch"}, [(1, 3)]),
    ({"day": datetime.date(2024, 2, 1), "elsewhere": 5}, [(1, 2), (1, 3)]),
    ({}, ALL),
    ({"elsewhere": 5}, ALL),
    (True, ALL),
    (False, []),
    ([], []),
    ((), []),
    (set(), []),
    ([{}], ALL),
    (["x > 0", {"session": 3}], [(1, 1), (1, 3), (2, 1)]),
    (
        [{"subject_id": 1, "session": 1}, {"subject_id": 3, "session": 1}, {"subject_id": 9, "session": 1}],
        [(1, 1), (3, 1)],
    ),
    ([{"method": "probe"}, {"method": None}], [(1, 2), (2, 1), (3, 1)]),
    ([{"method": "probe"}, {"session": 2}], [(1, 2), (2, 1)]),
    (("session = 2", False), [(1, 2)]),
    ({"x > 0", "session = 2"}, [(1, 1), (1, 2), (2, 1)]),
    (["x > 0", True], ALL),
    ([dj.AndList(["x > 0", "session = 1"]), {"session": 3}], [(1, 1), (1, 3), (2, 1)]),
    (dj.AndList(["x > 0", {"subject_id": 1}]), [(1, 1)]),
    (dj.AndList([]), ALL),
    (dj.AndList([["x > 0", "session = 3"], "subject_id = 1"]), [(1, 1), (1, 3)]),
    (dj.Not("x > 0"), [(1, 2), (1, 3), (3, 1)]),
    (dj.Not(dj.Not("x > 0")), [(1, 1), (2, 1)]),
    (dj.Not([]), ALL),
    (dj.Not({"method": None}), [(1, 1), (1, 3), (2, 1)]),
    ([dj.Not("session = 1"), "x > 5"], [(1, 2), (1, 3), (2, 1)]),
]


@pytest.mark.parametrize(("condition", "wanted"), CONDITIONS, ids=shown)
def test_conditions(tables: SimpleNamespace, evaluate: Evaluate, condition: Any, wanted: list[tuple[int, int]]) -> None:
    """A condition keeps the rows where it holds."""
    assert sessions(evaluate(tables.Session & condition)) == wanted


@pytest.mark.parametrize(("condition", "wanted"), CONDITIONS, ids=shown)
def test_complements(
    tables: SimpleNamespace, evaluate: Evaluate, condition: Any, wanted: list[tuple[int, int]]
) -> None:
    """`A - c` has exactly the other rows of A, those where c is NULL among them; so has `A & Not(c)`."""
    others = [key for key in ALL if key not in wanted]
    assert sessions(evaluate(tables.Session - condition)) == others
    assert sessions(evaluate(tables.Session & dj.Not(condition))) == others


def test_by_table(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """A table keeps the rows that have a matching row in it; its complement the others."""
    assert sessions(evaluate(tables.Session & tables.Trial)) == [(1, 1), (1, 2), (2, 1)]
    assert sessions(evaluate(tables.Session - tables.Trial)) == [(1, 3), (3, 1)]


def test_by_query(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """A query restricts as the table of its rows would."""
    wrong = tables.Trial & "correct = 0"
    assert sessions(evaluate(tables.Session & wrong)) == [(1, 1)]
    assert sessions(evaluate(tables.Session & (tables.Subject & "name = 'Ann'").proj())) == [(1, 1), (1, 2), (1, 3)]
    assert [row["subject_id"] for row in evaluate(tables.Subject & (tables.Session & wrong).proj())] == [1]


def test_null_matches_nothing(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """A row whose reference is NULL has no match, so that it is in the complement."""
    assert sessions(evaluate(tables.Session & tables.Method)) == [(1, 1), (1, 3), (2, 1)]
    assert sessions(evaluate(tables.Session - tables.Method)) == [(1, 2), (3, 1)]
    assert [row["method"] for row in evaluate(tables.Method - tables.Session)] == ["wide"]


def test_without_shared_attributes(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """A table that shares no attribute keeps all rows when it has any row, and none when it has none."""
    assert len(evaluate(tables.Session & tables.Pair)) == 5
    assert evaluate(tables.Session - tables.Pair) == []
    assert evaluate(tables.Session & tables.Absent) == []
    assert len(evaluate(tables.Session - tables.Absent)) == 5


def test_by_tables_in_lists(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """A list may hold tables and queries beside text; their complement is exact too."""
    either = [tables.Trial & "rt > 0.6", "session = 3"]
    assert sessions(evaluate(tables.Session & either)) == [(1, 3), (2, 1)]
    assert sessions(evaluate(tables.Session - either)) == [(1, 1), (1, 2), (3, 1)]
    both = dj.AndList([tables.Trial, tables.Method])
    assert sessions(evaluate(tables.Session & both)) == [(1, 1), (2, 1)]


def test_of_computed_attributes(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """A computed attribute is restricted by as any other, also by one computed from it."""
    query = tables.Session.proj(y="x * 2").proj(z="y + 1") & "z > 3" & {"z": 21.0}
    assert sessions(evaluate(query)) == [(2, 1)]
    assert sessions(evaluate(tables.Session.proj(y="x * 2") - "y > 3")) == [(1, 1), (1, 2), (1, 3), (3, 1)]


def test_of_renamed_attributes(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """A renamed attribute is restricted by under its new name, and matches under it."""
    owners = tables.Subject.proj(first="subject_id")
    assert [row["first"] for row in evaluate(owners & tables.Pair)] == [1, 2, 3]
    assert [row["first"] for row in evaluate(owners - tables.Pair)] == [4]
    assert [
        row["second"] for row in evaluate(tables.Subject.proj(second="subject_id") & (tables.Pair & "strength > 5"))
    ] == [1]
    with pytest.raises(UnknownAttribute, match="subject_id"):
        owners & "subject_id = 1"


def test_restrictions_add_up(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """Restrictions by turns, hundreds of them too, are all kept."""
    query = tables.Session()
    for number in range(400):
        query = query & f"session <> {number + 2}"
    assert sessions(evaluate(query)) == [(1, 1), (2, 1), (3, 1)]
    assert sessions(evaluate(tables.Session.restrict("x > 0", {"subject_id": 1}))) == [(1, 1)]


def test_reserved_words(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """Attributes may be called as words of SQL: with backticks always, without where no expression needs the word."""
    query = tables.Odd & "`order` = 1 and user = 'root' and `group` = 1 and `desc` > 1 and key < 4"
    assert evaluate(query) == [{"order": 1, "user": "root", "group": 1, "desc": 2, "key": 3}]
    assert [row["user"] for row in evaluate(tables.Odd & "user = 'it''s'")] == ["it's"]
    assert [row["user"] for row in evaluate(tables.Odd & {"user": "it's"})] == ["it's"]


def test_singleton(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """A table without key attributes restricts and is restricted."""
    assert evaluate(tables.Threshold & "limit_x > 5") == []
    assert len(evaluate(tables.Subject & tables.Threshold)) == 4
    assert evaluate(tables.Subject & (tables.Threshold & "limit_x > 5")) == []
    assert evaluate(tables.Threshold - tables.Absent) == [{"limit_x": 1.0}]


def test_every_type_by_mapping(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """A value that came out of a row finds the row again, whatever its type; so do many rows at once."""
    rows = evaluate(tables.Kinds & "id < 3")
    for row in rows:
        for name in row:
            if name != "doc":  # the engines keep JSON differently
                found = evaluate(tables.Kinds & {name: row[name]} & "id < 3")
                assert [other["id"] for other in found] == [row["id"]], name
    many = [{name: value for name, value in row.items() if name != "doc"} for row in rows]
    assert [row["id"] for row in evaluate(tables.Kinds & many)] == [1, 2]


def test_count_and_existence(tables: SimpleNamespace) -> None:
    """`len` and `bool` are of the rows that a query has."""
    assert len(tables.Session & "x > 0") == 2
    assert len(tables.Session - tables.Method) == 2
    assert bool(tables.Session & "x > 0")
    assert not bool(tables.Session & "x > 100")
    assert len(tables.Absent()) == 0


@pytest.mark.parametrize(
    ("condition", "error", "words"),
    [
        ("weigth > 1", UnknownAttribute, "weight"),
        ("ctid = 1", UnknownAttribute, "ctid"),
        ("count(*) > 1", InvalidTerm, "aggr"),
        ("name", InvalidTerm, "true or false"),
        ("pg_sleep(1) is null", InvalidTerm, "list of functions"),
        ("name = 'a'; drop table x", InvalidTerm, ";"),
        ("subject_id in (select 1)", InvalidTerm, "subqueries"),
        ("weight > 'heavy'", InvalidTerm, "heavy"),
        ({"subject_id": "x"}, InvalidCondition, "subject_id"),
        ({"subject_id": 300}, InvalidCondition, "255"),
        (5, InvalidCondition, "int"),
        (b"x", InvalidCondition, "bytes"),
        (None, InvalidCondition, "None"),
    ],
)
def test_refusals(tables: SimpleNamespace, condition: Any, error: type[Exception], words: str) -> None:
    """What cannot restrict is refused when it is written, with what is wrong in it; for the complement too."""
    with pytest.raises(error, match=words):
        tables.Subject & condition
    with pytest.raises(error, match=words):
        tables.Subject - condition


def test_namesakes_of_other_origin(tables: SimpleNamespace) -> None:
    """Attributes of one name and different origin do not match: the error names both and what to write."""
    named = tables.Method.proj(name="method")
    with pytest.raises(IncompatibleOperands) as caught:
        tables.Subject & named
    assert "secondary" in str(caught.value)
    assert "queries.#method.method" in str(caught.value)
    assert ".proj(..., other_name='name')" in str(caught.value)


def test_messages_show_what_was_written(tables: SimpleNamespace) -> None:
    """Operators and methods stand in messages as they were written."""
    uses: tuple[tuple[Callable[[], Any], str], ...] = (
        (lambda: tables.Session - tables.Session, r"queries\.session - queries\.session: "),
        (lambda: tables.Session & tables.Session, r"queries\.session & queries\.session: "),
        (lambda: tables.Session.aggr(tables.Session, n="count(*)"), r"queries\.session\.aggr\(queries\.session\): "),
        (lambda: tables.Session.extend(tables.Session), r"queries\.session\.extend\(queries\.session\): "),
    )
    for use, text in uses:
        with pytest.raises(IncompatibleOperands, match=text):
            use()
