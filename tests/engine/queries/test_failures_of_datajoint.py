"""What users of DataJoint-Python 2.3 on PostgreSQL live with, and must not meet here: each that no other test is about.

Those that have one: NULL in a match (test_restriction), counts over no matches (test_aggregation), Top under other
operators and Top of Top (test_top), rows of defaults only (tables/test_insert), statements to open many tables
(tables/test_declare), indexes in describe (described.py, for every table of every test).
"""

from __future__ import annotations

import math
import uuid
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

import djarrow as dj
from djarrow.engine.connect import connect
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import ConnectionFailed, DeleteRefused

from .conftest import Evaluate


def test_rename_after_join(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """There, an attribute of a join cannot be renamed."""
    renamed = (tables.Session * tables.Subject).proj(who="subject_id", called="name") & "who = 2"
    assert evaluate(renamed) == [{"who": 2, "session": 1, "called": "Bob"}]


def test_union_in_an_order(tables: SimpleNamespace) -> None:
    """There, a union cannot be read in an order."""
    low, high = tables.Subject & "subject_id < 3", tables.Subject & "subject_id > 2"
    union = low.proj("name") + high.proj("sex")
    assert union.fetch("subject_id", order_by="subject_id DESC", limit=3).tolist() == [4, 3, 2]
    assert [row["name"] for row in union.to_dicts(order_by="name DESC")] == ["Bob", "Ann", None, None]


def test_whether_there_is_any_row(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """There, `U() & A` fails."""
    assert evaluate(dj.U() & tables.Subject) == [{}]
    assert evaluate(dj.U() & tables.Absent) == []


@pytest.mark.parametrize("text", ["\\", "a\\", "\\'", "C:\\new\\table", "\\0", "%\\_", 'x"\\"'])
def test_backslashes_in_values(schema: dj.Schema, text: str) -> None:
    """There, a backslash in a value fails or is lost: when inserted, in a mapping, and in words."""

    @schema
    class File(dj.Manual):
        definition = "path : varchar(20)\n---\nagain : varchar(20)"

    File.insert([(text, text), ("other", "other")])
    words = text.replace("\\", "\\\\").replace("'", "\\'")
    for condition in ({"path": text}, [{"again": text}, {"again": text + "x"}], f"path = '{words}'"):
        assert (File & condition).to_dicts() == [{"path": text, "again": text}]


def test_uuids_are_inserted(schema: dj.Schema) -> None:
    """There, a UUID cannot be inserted; here in any of its forms, and it finds its row."""

    @schema
    class Tag(dj.Manual):
        definition = "tag : uuid\n---\nn : int8"

    ones = [uuid.UUID(int=number) for number in range(1, 4)]
    Tag.insert([(ones[0], 1), (str(ones[1]), 2)])
    Tag.insert(pl.DataFrame({"tag": [ones[2].bytes], "n": [3]}))
    assert [row["tag"] for row in Tag.to_dicts()] == ones
    assert (Tag & {"tag": ones[2]}).fetch1("n") == 3


def test_integers_into_bool(schema: dj.Schema) -> None:
    """There, 0 and 1 cannot be inserted into a bool, or compared with one."""

    @schema
    class Flag(dj.Manual):
        definition = "n : int8\n---\nflag : bool"

    Flag.insert([(1, 1), (2, 0), (3, True)])
    assert [row["flag"] for row in Flag.to_dicts()] == [True, False, True]
    assert (Flag & {"flag": 1}).fetch("n").tolist() == [1, 3]
    assert (Flag & "flag = 0").fetch1("n") == 2


@pytest.mark.parametrize("path", ["restricted", "joined", "projected", "aggregated", "first", "together", "distinct"])
def test_results_without_rows_keep_their_types(tables: SimpleNamespace, path: str) -> None:
    """There, the columns of an empty result have lost their types, whatever the query."""
    kinds: Any = tables.Kinds
    query = {
        "restricted": kinds & "FALSE",
        "joined": kinds.proj("tag", "exact") * kinds.proj("choice", "moment") & "id > 9",
        "projected": kinds.proj(..., "-raw", half="exact / 2", year="year(day)") & "id > 9",
        "aggregated": (kinds.proj() & "id > 9").aggr(kinds, n="count(*)", last="max(moment)", total="sum(u64)"),
        "first": kinds & dj.Top(0),
        "together": kinds.proj("tag") + kinds.proj("exact", "choice") & "id > 9",
        "distinct": dj.U("tag", "choice") & (kinds & "id > 9"),
    }[path]
    frame, table = query.fetch(), query.to_arrow()
    assert frame.height == table.num_rows == 0
    assert frame.schema == {attribute.name: attribute.type.polars for attribute in query.heading}
    assert table.schema == query.heading.arrow_schema


def test_nan_is_not_null(schema: dj.Schema) -> None:
    """There, NaN becomes NULL on the way in, and NULL becomes NaN on the way out."""

    @schema
    class Reading(dj.Manual):
        definition = "n : int8\n---\nx = null : float64"

    Reading.insert([(1, math.nan), (2, None), (3, 1.0)])
    assert (Reading & "x IS NULL").fetch1("n") == 2
    assert (Reading & {"x": None}).fetch1("n") == 2
    assert (Reading & {"x": math.nan}).fetch1("n") == 1
    assert Reading.fetch()["x"].null_count() == 1
    assert Reading.fetch()["x"].is_nan().sum() == 1
    assert [math.isnan(row["x"]) for row in (Reading & "x IS NOT NULL").to_dicts()] == [True, False]
    assert dj.U().aggr(Reading, n="count(x)").fetch1("n") == 2


def test_a_dropped_table_leaves_the_enums_of_others(schema: dj.Schema) -> None:
    """There, tables share the enum types of their columns, and lose those columns with the first of them."""

    @schema
    class First(dj.Manual):
        definition = "n : int8\n---\nkind : enum('a','b')"

    @schema
    class Second(dj.Manual):
        definition = "n : int8\n---\nkind : enum('a','b')"

    First.insert1((1, "a"))
    Second.insert1((1, "b"))
    First.drop(prompt=False)
    Second.insert1((2, "a"))
    assert [row["kind"] for row in Second.to_dicts()] == ["b", "a"]


def test_no_fallback_to_plaintext(connection: PostgresConnection) -> None:
    """There, a server without TLS is talked to in plaintext although `sslmode` requires it."""
    separator = "&" if "?" in connection.url else "?"
    with pytest.raises(ConnectionFailed, match="SSL"):
        connect(f"{connection.url}{separator}sslmode=require").query("SELECT 1")


@pytest.fixture
def family(schema: dj.Schema) -> SimpleNamespace:
    """Three parents, two of which have a child."""

    @schema
    class Parent(dj.Manual):
        definition = "parent : int8\n---"

    @schema
    class Child(dj.Manual):
        definition = "-> Parent\nchild : int8\n---"

    Parent.insert([(1,), (2,), (3,)])
    Child.insert([(1, 1), (2, 1)])
    return SimpleNamespace(Parent=Parent, Child=Child)


def test_delete_of_the_first_rows(family: SimpleNamespace) -> None:
    """There, `(T & Top(2)).delete()` deletes every row."""
    assert (family.Parent & dj.Top(2)).delete() == 2
    assert family.Parent.fetch("parent").tolist() == [3]
    assert len(family.Child) == 0


def test_delete_of_rows_with_dependents(family: SimpleNamespace) -> None:
    """There, `(A & Child).delete()` deletes nothing."""
    assert (family.Parent & family.Child).delete() == 2
    assert family.Parent.fetch("parent").tolist() == [3]


def test_delete_by_a_key_that_is_misspelt(family: SimpleNamespace) -> None:
    """There, `(T & {'typo': 1}).delete()` empties the table."""
    with pytest.raises(DeleteRefused, match="'parnt' restricts nothing"):
        (family.Parent & {"parnt": 1}).delete()
    assert len(family.Parent) == 3
