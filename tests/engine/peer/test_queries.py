"""Queries over columns that the peer made otherwise than djarrow would: enum types of PostgreSQL, padded char(n)."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize(
    ("condition", "animals"),
    [
        ("sex = 'F'", [1]),
        ("sex != 'F'", [2, 3]),
        ("sex in ('M', 'U')", [2, 3]),
        ("sex not in ('M', 'U')", [1]),
        ("sex like 'M%'", [2]),
        ("sex = 'nothing'", []),
        ("sex < 'M'", [1]),
        ("concat(sex, '!') = 'F!'", [1]),
        ("born > '2000-01-01' and sex = 'F'", [1]),
        ({"sex": "F"}, [1]),
        ({"sex": ["F", "M"]}, [1, 2]),
        ([{"sex": "U"}, {"sex": "M", "species": "mouse"}], [2, 3]),
    ],
    ids=str,
)
def test_conditions_on_an_enum(ours: Any, condition: Any, animals: list[int]) -> None:
    """Restrictions by an enum compare its values as text: in every form of condition."""
    if isinstance(condition, dict) and isinstance(condition["sex"], list):
        condition = [{"sex": value} for value in condition["sex"]]
    assert (ours.lab.Animal & condition).to_dicts("animal_id") == [{"animal_id": number} for number in animals]


@pytest.mark.parametrize(
    ("condition", "rooms"),
    [
        ("code = 'b'", [""]),
        ("code != 'b'", ["north", "south"]),
        ("code in ('b', 'zz')", [""]),
        ("code like 'a_'", ["north", "south"]),
        ("length(code) = 1", [""]),
        ("concat(code, '.') = 'b.'", [""]),
        ({"code": "b"}, [""]),
        ({"kind": "2p", "code": "a1"}, ["north"]),
        ([{"code": "b"}, {"kind": "patch"}], ["", "south"]),
    ],
    ids=str,
)
def test_conditions_on_a_char(ours: Any, condition: Any, rooms: list[str]) -> None:
    """Restrictions by a char see its value without the padding."""
    assert sorted((ours.lab.Rig & condition).to_polars()["room"]) == rooms


def test_computed_attributes(ours: Any) -> None:
    """Expressions over enum and char give the values of text."""
    rows = (ours.lab.Rig & "room = 'north'").proj(label="concat(kind, '/', code, '/')", n="length(code)").to_dicts()
    assert rows == [{"kind": "2p", "code": "a1", "label": "2p/a1/", "n": 2}]


def test_joins(ours: Any) -> None:
    """Tables join over enum, char and renamed foreign keys, across schemas."""
    joined = ours.ephys.Session * ours.lab.Rig
    rows = joined.proj("room").to_dicts(order_by=("animal_id", "session"))
    assert [row["room"] for row in rows] == ["north", "", "south"]
    named = ours.ephys.Pairing * ours.lab.Animal.proj("sex", mother="animal_id")
    assert named.to_dicts() == [{"mother": 1, "father": 2, "sex": "F"}]


def test_anti_restriction(ours: Any) -> None:
    """What does not match over an enum and a char is the complement of what does."""
    used = ours.lab.Rig & ours.ephys.Session
    unused = ours.lab.Rig - (ours.ephys.Session & "animal_id = 3")
    assert len(used) == 3
    assert sorted((row["kind"], row["code"]) for row in unused.to_dicts()) == [("2p", "a1"), ("2p", "b")]


def test_grouping(ours: Any) -> None:
    """Aggregation by an enum and a char, over an enum, and distinct values of one."""
    counts = ours.lab.Rig.aggr(ours.ephys.Session, n="count(*)").to_dicts()
    assert sorted((row["kind"], row["code"], row["n"]) for row in counts) == [
        ("2p", "a1", 1),
        ("2p", "b", 1),
        ("patch", "a1", 1),
    ]
    hits = ours.ephys.Session.aggr(ours.ephys.Session.Trial, hits="sum(outcome = 'hit')", last="max(outcome)")
    first = (hits & {"animal_id": 1, "session": 1}).fetch1()
    assert (first["hits"], first["last"]) == (1, "miss")


def test_order(ours: Any) -> None:
    """Rows in the order of an enum come in that of its text, as they do from djarrow's own enums."""
    rows = ours.lab.Animal().to_dicts("sex", order_by="sex")
    assert [row["sex"] for row in rows] == ["F", "M", "U"]
