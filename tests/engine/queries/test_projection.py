"""Projection: selecting, renaming, copying and computing attributes. Design section 6; specification 001 8.8."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from djarrow.errors import DefinitionError, IncompatibleOperands, InvalidCondition, InvalidTerm, UnknownAttribute

from .conftest import Evaluate


def test_key_only(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """Without attributes the key is left, with all rows."""
    assert evaluate(tables.Subject.proj()) == [{"subject_id": n} for n in (1, 2, 3, 4)]


def test_selected(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """Named attributes come beside the key; `...` gives all, `-a` leaves one out."""
    assert list(evaluate(tables.Subject.proj("name"))[0]) == ["subject_id", "name"]
    assert list(evaluate(tables.Subject.proj(..., "-name"))[0]) == ["subject_id", "sex", "weight"]
    assert list(evaluate(tables.Subject.proj(...))[0]) == ["subject_id", "name", "sex", "weight"]


def test_renamed(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """A renamed attribute stands in its old place, and the key follows its names."""
    query = tables.Session.proj(..., who="subject_id", y="x")
    assert query.primary_key == ("who", "session")
    assert evaluate(query)[0] == {
        "who": 1, "session": 1, "method": "patch", "day": evaluate(tables.Session)[0]["day"], "y": 1.0,
    }  # fmt: skip


def test_swapped(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """Two attributes can take each other's name in one step."""
    query = tables.Pair.proj("strength", first="second", second="first")
    assert {"first": 4, "second": 3, "strength": -1} in evaluate(query)


def test_copied(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """`copy='(old)'` is the attribute a second time, with its lineage; the key keeps the first."""
    query = tables.Subject.proj("name", again="(subject_id)", called="(name)")
    assert query.primary_key == ("subject_id",)
    assert query.heading["again"].lineage == query.heading["subject_id"].lineage
    assert evaluate(query)[1] == {"subject_id": 2, "name": "Bob", "again": 2, "called": "Bob"}


def test_renamed_and_copied(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """A key can be renamed and copied at once: the renamed one is the key."""
    query = tables.Subject.proj(a="subject_id", b="(subject_id)")
    assert query.primary_key == ("a",)
    assert evaluate(query)[2] == {"a": 3, "b": 3}


def test_computed(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """Computed attributes may use others, constants, and what an earlier projection computed."""
    query = tables.Session.proj(y="x + session", c="5", s='"a"', n="NULL").proj("s", z="y * 2", n2="coalesce(n, s)")
    assert evaluate(query)[0] == {"subject_id": 1, "session": 1, "s": "a", "z": 4.0, "n2": "a"}


def test_computed_constants_have_their_type(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """A constant is a whole number of 64 bits, so that what is computed from it does not overflow."""
    query = tables.Subject.proj(big="2000000000").proj(bigger="big * big")
    assert evaluate(query)[0] == {"subject_id": 1, "bigger": 4 * 10**18}


def test_computed_attributes_have_no_lineage(tables: SimpleNamespace) -> None:
    """A computed attribute matches nothing, not even one of the name that it was computed from."""
    shifted = tables.Subject.proj(other="subject_id + 0")
    assert shifted.heading["other"].lineage is None
    with pytest.raises(IncompatibleOperands, match="other"):
        shifted & tables.Subject.proj(other="subject_id")


def test_projected_away_and_restricted_before(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """A restriction holds on after its attribute is projected away."""
    assert evaluate((tables.Subject & "name = 'Bob'").proj()) == [{"subject_id": 2}]
    with pytest.raises(UnknownAttribute, match="name"):
        tables.Subject.proj() & "name = 'Bob'"


def test_of_singleton(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """A table without key attributes projects to computed attributes, one row."""
    assert evaluate(tables.Threshold.proj(double="limit_x * 2")) == [{"double": 2.0}]
    assert len(tables.Threshold.proj()) == 1
    assert evaluate(tables.Subject & tables.Threshold.proj()) == evaluate(tables.Subject)
    assert evaluate((tables.Threshold.proj().top(1)) & "true") == [{}]


def test_after_top(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """A projection of the first rows is of those rows, also when it takes the order's attribute away."""
    query = tables.Subject.top(2, "name DESC").proj(initial="left(name, 1)")
    assert evaluate(query) == [{"subject_id": 3, "initial": "C"}, {"subject_id": 4, "initial": "a"}]


def test_reserved_words(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """New attributes may be called as words of SQL."""
    assert evaluate(tables.Odd.proj(select="`order`", table="`order` + key"))[0] == {
        "order": 1,
        "select": 1,
        "table": 4,
    }


@pytest.mark.parametrize(
    ("attributes", "new", "error", "words"),
    [
        (["nam"], {}, UnknownAttribute, "name"),
        (["-nam"], {}, UnknownAttribute, "name"),
        (["-subject_id"], {}, InvalidTerm, "primary key"),
        ([5], {}, InvalidCondition, "5"),
        ([], {"a": "nam"}, UnknownAttribute, "name"),
        ([], {"a": 5}, InvalidCondition, "5"),
        ([], {"a": ["name"]}, InvalidCondition, "name"),
        ([], {"a": "name", "b": "name"}, InvalidTerm, r"new='\(old\)'"),
        ([], {"subject_id": "name"}, IncompatibleOperands, "subject_id"),
        (["name"], {"name": "weight * 2"}, IncompatibleOperands, "name"),
        ([], {"n": "count(*)"}, InvalidTerm, "aggr"),
        ([], {"Name": "name"}, DefinitionError, "lowercase"),
        ([], {"a": "(select 1)"}, InvalidTerm, "subqueries"),
    ],
)
def test_refusals(
    tables: SimpleNamespace, attributes: list[str], new: dict[str, str], error: type[Exception], words: str
) -> None:
    """What cannot be projected is refused when it is written."""
    with pytest.raises(error, match=words):
        tables.Subject.proj(*attributes, **new)
