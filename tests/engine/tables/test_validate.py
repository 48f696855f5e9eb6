"""validate: a frame of all that is wrong with rows, and the same frame on the error of an insert."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import InvalidCondition, RowError


@pytest.fixture
def Subject(schema: dj.Schema) -> Any:  # noqa: N802 - a class
    """Subject(id, sex; name, weight, note)."""

    @schema
    class Subject(dj.Manual):
        definition = """
        id : uint8
        sex : enum('F', 'M')
        ---
        name : varchar(4)
        weight = null : float32
        note = '' : varchar(10)
        """

    return Subject


ROWS = [
    {"id": 1, "sex": "F", "name": "a"},
    {"id": 256, "sex": "X", "name": "long name"},
    {"id": 1, "sex": "F", "name": None},
    {"id": 2, "sex": "M", "nme": "b"},
    {"id": 3, "sex": "M", "name": "c", "weight": 1e300},
    "no row",
    (4, "M"),
    {"id": 1, "sex": "M", "name": "d"},
]


def test_every_problem_of_every_row(Subject: Any) -> None:  # noqa: N803
    """Each problem has its row, attribute, value and reason; rows with several have several; good ones have none."""
    found = Subject.validate(ROWS)
    assert found.schema == {"row": pl.Int64, "attribute": pl.String, "value": pl.String, "reason": pl.String}
    assert found.select("row", "attribute", "value").rows() == [
        (1, "id", "256"),
        (1, "sex", "'X'"),
        (1, "name", "'long name'"),
        (2, "name", None),
        (2, "id, sex", "{'id': 1, 'sex': 'F'}"),
        (3, "nme", None),
        (3, "name", None),
        (4, "weight", "1e+300"),
        (5, None, None),
        (6, None, None),
    ]
    assert found["reason"].to_list()[:5] == [
        "256 is no uint8, which goes from 0 to 255.",
        "'X' is none of the values 'F', 'M'.",
        "'long name' is no varchar(4): it has 9 characters.",
        "a value is required and NULL was given. Only attributes declared `= null` may be NULL.",
        "the key is given twice, first in row 0.",
    ]
    assert "Did you mean 'name'?" in found["reason"][5]


def test_frames_tell_what_all_rows_have_once(Subject: Any) -> None:  # noqa: N803
    """A missing or unknown column is one problem without a row, however many pieces the frame has."""
    frame = pl.DataFrame({"id": [1, 300], "nme": ["a", "b"], "weight": [1.5, None]})
    found = Subject.validate(frame.lazy())
    assert sorted(found.select("row", "attribute").rows(), key=str) == [
        (1, "id"),
        (None, "name"),
        (None, "nme"),
        (None, "sex"),
    ]
    assert Subject.validate(frame, ignore_extra_fields=True).height == 3


def test_no_problem_is_an_empty_frame(Subject: Any) -> None:  # noqa: N803
    """Good rows, and no rows, have an empty frame with the same columns."""
    for rows in ([], ROWS[:1], iter(ROWS[:1]), pl.DataFrame(ROWS[:1])):
        found = Subject.validate(rows)
        assert (found.height, found.columns) == (0, ["row", "attribute", "value", "reason"])


def test_the_database_is_not_asked(Subject: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: N803
    """Validate needs no connection, and makes no table."""
    for method in ("read", "execute", "ingest", "stream"):
        monkeypatch.setattr(PostgresConnection, method, None)
    assert Subject.validate(ROWS).height == 10


@pytest.mark.parametrize("form", ["list", "generator", "frame"])
def test_a_failed_insert_carries_the_frame(Subject: Any, form: str) -> None:  # noqa: N803
    """The error of an insert is of the first problem, and has a frame of all, also of rows after the one at fault."""
    rows = [{"id": n % 250, "sex": "F", "name": "ok" if n % 50 else "too long"} for n in range(1, 250)]
    given: Any = {"list": rows, "generator": iter(rows), "frame": pl.DataFrame(rows)}[form]
    with pytest.raises(RowError) as caught:
        Subject.insert(given, chunk_size=40)
    assert caught.value.row == 49
    assert caught.value.problems["row"].to_list() == [49, 99, 149, 199]
    assert len(Subject) == 0


def test_keys_that_are_left_to_the_database(schema: dj.Schema) -> None:
    """A key that is counted up by the database is not looked at; nor is NULL, which is told as such."""

    @schema
    class Counted(dj.Manual):
        definition = "n : int32 auto_increment\n---\nx : int32"

    assert Counted.validate([{"x": 1}, {"x": 1}]).height == 0
    assert Counted.validate([{"n": None, "x": 1}, {"n": None, "x": 1}])["row"].to_list() == [0, 1]


def test_a_table_without_a_key_takes_one_row(schema: dj.Schema) -> None:
    """All rows but the first are one too many."""

    @schema
    class Setting(dj.Manual):
        definition = "---\nx : int32"

    assert Setting.validate([{"x": 1}]).height == 0
    assert Setting.validate([{"x": 1}, {"x": 2}, {"x": 3}])["row"].to_list() == [1, 2]


def test_a_query_has_its_rows_in_the_database(Subject: Any) -> None:  # noqa: N803
    """A query is not validated."""
    with pytest.raises(InvalidCondition):
        Subject.validate(Subject)
