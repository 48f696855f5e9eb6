"""insert(replace=True): rows of keys that are there take their place, and their dependents stay."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import polars as pl
import pytest

import djarrow as dj
from djarrow.errors import DuplicateKey, InvalidCondition, MissingParent


@pytest.fixture
def tables(schema: dj.Schema) -> Any:
    """Subject(s; name, weight) with a unique name, and Session(s, n) below it."""

    @schema
    class Subject(dj.Manual):
        definition = "s : int32\n---\nname : varchar(8)\nweight = 1.5 : float64\nunique index (name)"

    @schema
    class Session(dj.Manual):
        definition = "-> Subject\nn : int32\n---\nnote = '' : varchar(8)"

    Subject.insert([{"s": 1, "name": "a", "weight": 2.0}, {"s": 2, "name": "b", "weight": 3.0}])
    Session.insert([{"s": 1, "n": 1}, {"s": 2, "n": 1}])
    return Subject, Session


FORMS: dict[str, Callable[[list[dict[str, Any]]], Any]] = {
    "one": lambda rows: rows,
    "frame": pl.DataFrame,
    "many": lambda rows: rows + [{**rows[0], "s": n, "name": f"x{n}"} for n in range(1000, 1100)],
}


@pytest.mark.parametrize("form", FORMS)
def test_a_row_takes_the_place_of_another(tables: Any, form: str) -> None:
    """What the new row leaves out has its default, as in a row that is inserted; dependents are there as before."""
    Subject, Session = tables
    rows = FORMS[form]([{"s": 1, "name": "new"}])
    done = Subject.insert(rows, replace=True)
    assert (done, done.replaced, done.skipped) == (len(rows) - 1, 1, 0)
    assert (Subject & {"s": 1}).fetch1() == {"s": 1, "name": "new", "weight": 1.5}
    assert (Subject & {"s": 2}).fetch1("weight") == 3.0
    assert len(Session) == 2


def test_rows_replace_one_by_one(tables: Any) -> None:
    """Of rows of the same key the last one stays, in one piece and in several."""
    Subject, _ = tables
    rows = [{"s": 1, "name": "x", "weight": float(n)} for n in range(30)]
    done = Subject.insert(rows, replace=True)
    assert (done, done.replaced, done.skipped) == (0, 1, 29)
    assert (Subject & {"s": 1}).fetch1("weight") == 29.0
    Subject.insert(reversed(rows), replace=True, chunk_size=7)
    assert (Subject & {"s": 1}).fetch1("weight") == 0.0
    assert Subject.insert1({"s": 1, "name": "y"}, replace=True).replaced == 1


def test_what_no_replacement_can_be(tables: Any) -> None:
    """A clash on another unique index, and a parent that is not there, are refused; nothing is replaced then."""
    Subject, Session = tables
    for rows in ([{"s": 1, "name": "b"}], [{"s": 1, "name": "z"}, {"s": 9, "name": "z"}]):
        with pytest.raises(DuplicateKey) as caught:
            Subject.insert(rows, replace=True)
        assert set(caught.value.key) == {"name"}
    with pytest.raises(MissingParent):
        Session.insert1({"s": 7, "n": 1}, replace=True)
    assert Subject.fetch("name").tolist() == ["a", "b"]


def test_a_table_of_keys_only(schema: dj.Schema) -> None:
    """Where there is nothing to replace, the row stays what it is."""

    @schema
    class Pair(dj.Manual):
        definition = "a : int32\nb : int32"

    Pair.insert1((1, 1))
    done = Pair.insert([(1, 1), (1, 2)], replace=True)
    assert (done, done.skipped) == (1, 1)
    assert len(Pair) == 2


def test_a_table_without_a_key(schema: dj.Schema) -> None:
    """The one row of a singleton is replaced, by the last of several."""

    @schema
    class Setting(dj.Manual):
        definition = "---\nx = 5 : int32"

    Setting.insert1({"x": 1})
    assert Setting.insert1({"x": 2}, replace=True).replaced == 1
    assert Setting.insert([{"x": 3}, {"x": 4}], replace=True).replaced == 1
    assert Setting.fetch1("x") == 4
    assert Setting.insert([{}], replace=True).replaced == 1
    assert Setting.fetch1("x") == 5


def test_replace_or_skip(tables: Any) -> None:
    """A row cannot be skipped and replace another at once."""
    Subject, _ = tables
    with pytest.raises(InvalidCondition, match="two things"):
        Subject.insert([], replace=True, skip_duplicates=True)


def test_two_replace_the_same_rows_at_once(tables: Any) -> None:
    """Each row is that of one of the two, whole."""
    Subject, _ = tables

    def work(number: int) -> None:
        for _ in range(20):
            keys = range(100, 150) if number else reversed(range(100, 150))
            Subject.insert([{"s": k, "name": f"{k}-{number}", "weight": float(number)} for k in keys], replace=True)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, (0, 1)))
    for row in (Subject & "s >= 100").to_dicts():
        assert row["name"] == f"{row['s']}-{int(row['weight'])}"


def test_what_is_replaced_is_logged(tables: Any, schema: dj.Schema) -> None:
    """The log keeps each value that a replacement changed, once, as of an update; rows that are new are no changes."""
    Subject, _ = tables
    rows = [{"s": 1, "name": "a", "weight": 2.5}, {"s": 2, "name": "z", "weight": 3.0}, {"s": 3, "name": "new"}]
    Subject.insert(rows, replace=True)
    changes = schema.updates
    assert [(row["key"], row["attribute"], row["old_value"], row["new_value"]) for row in changes.to_dicts()] == [
        ({"s": 1}, "weight", "2", "2.5"),
        ({"s": 2}, "name", "b", "z"),
    ]
    Subject.insert1(rows[1], replace=True)
    assert len(schema.updates) == 2
    Subject.insert((Subject & "s = 3").proj(name="'other'", weight="weight * 2"), replace=True)
    assert [row["attribute"] for row in (schema.updates & "id > 2").to_dicts()] == ["name", "weight"]


def test_a_query_that_gives_a_key_twice(tables: Any, schema: dj.Schema) -> None:
    """Which of two rows should stay, a query does not say: nothing is replaced."""
    Subject, Session = tables
    Session.insert([{"s": 1, "n": 2}])
    twice = Subject * Session.proj()
    with pytest.raises(DuplicateKey, match="the query gives a key twice"):
        Subject.insert(twice, replace=True, ignore_extra_fields=True)
    assert Subject.fetch("name").tolist() == ["a", "b"]
    assert len(schema.updates) == 0
