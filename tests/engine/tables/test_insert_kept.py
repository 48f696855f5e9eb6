"""The statement by which single rows go in: a session keeps it ready, and an insert never fails because of that."""

from __future__ import annotations

from typing import Any

import pytest

import djarrow as dj
from djarrow.engine.kept import MOST
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import DuplicateKey, EngineError, InvalidValue, TableChanged

from .conftest import Ask

KEPT = "SELECT count(*)::int AS n FROM pg_prepared_statements WHERE name LIKE 'djarrow%'"


@pytest.fixture
def mice(schema: dj.Schema, connection: PostgresConnection) -> Any:
    """A table with a value of most types, on a new session."""
    connection.close()

    @schema
    class Mouse(dj.Manual):
        definition = """
        mouse : int32
        ---
        sex = null : enum('F', 'M')
        weight = null : decimal(5,2)
        name = 'Ada' : varchar(8)
        notes = null : json
        trace = null : blob
        mark = null : uuid
        """

    Mouse.declare()
    return Mouse


@pytest.fixture
def kept(ask: Ask) -> Any:
    """How many statements this thread's session keeps more than before the test."""
    before = ask(KEPT)[0]["n"]
    return lambda: ask(KEPT)[0]["n"] - before


def test_rows_one_by_one_keep_one_statement(mice: Any, connection: PostgresConnection, kept: Any) -> None:
    """Each set of columns has one; several rows at once, and a user's transaction, have none."""
    row = {"sex": "F", "weight": "20.25", "name": "Lin", "notes": {"a": [1]}, "trace": [1, 2.5], "mark": None}
    for mouse in range(3):
        mice.insert1({"mouse": mouse, **row})
    assert kept() == 1
    mice.insert1({"mouse": 3})
    assert kept() == 2
    mice.insert([{"mouse": 4, "sex": "M"}, {"mouse": 5, "sex": "F"}])
    with connection.transaction:
        mice.insert1({"mouse": 6, "sex": "M"})
    assert kept() == 2
    found = mice.to_dicts()
    assert [each["sex"] for each in found] == ["F", "F", "F", None, "M", "F", "M"]
    assert [each["name"] for each in found] == ["Lin"] * 3 + ["Ada"] * 4
    assert (found[2]["notes"], found[2]["trace"], str(found[2]["weight"])) == ({"a": [1]}, [1, 2.5], "20.25")


def test_refusals_are_the_same_and_leave_it_kept(mice: Any, kept: Any) -> None:
    """What the database refuses of a row is told with its key, and the next row goes in by the kept statement."""
    mice.insert1({"mouse": 1})
    with pytest.raises(DuplicateKey) as caught:
        mice.insert1({"mouse": 1})
    assert (caught.value.key, caught.value.row) == ({"mouse": 1}, 0)
    assert mice.insert1({"mouse": 1}, skip_duplicates=True).skipped == 1
    with pytest.raises(InvalidValue):
        mice.insert1({"mouse": 2, "name": "far too long"})
    mice.insert1({"mouse": 2})
    assert len(mice()) == 2
    assert kept() == 2  # that which skips is another


def test_statements_that_are_gone_do_not_matter(mice: Any, connection: PostgresConnection, kept: Any) -> None:
    """As behind a pooler, which gives the session another process of the server: the row goes in all the same."""
    mice.insert1({"mouse": 1})
    connection.execute("DEALLOCATE ALL")
    mice.insert1({"mouse": 2})
    mice.insert1({"mouse": 3})
    assert len(mice()) == 3
    assert connection._sessions.own().kept is None  # and no more turns are lost
    connection.close()  # the other tests have a session that keeps


def test_a_table_changed_under_it(schema: dj.Schema, ask: Ask, connection: PostgresConnection) -> None:
    """A column of another type is told as of any insert; a class declared anew with that type inserts at once."""

    def declared(kind: str) -> Any:
        return schema(type("Value", (dj.Manual,), {"definition": f"k : int32\n---\nx = null : {kind}"}))

    Value = declared("int32")
    Value.insert1({"k": 1, "x": 5})
    connection.execute(f"ALTER TABLE {Value.full_table_name} ALTER x TYPE varchar(9) USING x::text")
    with pytest.raises(TableChanged, match="'x' is int32"):
        Value.insert1({"k": 2, "x": 6})
    assert ask(f"SELECT x FROM {Value.full_table_name}") == [{"x": "5"}]
    Value.drop(prompt=False)
    for number, (kind, value) in enumerate([("varchar(9)", "six"), ("date", "2024-02-29"), ("enum('a', 'b')", "b")]):
        Value = declared(kind)
        Value.insert1({"k": number, "x": value})
        assert str(Value.fetch1("x")) == value
        Value.drop(prompt=False)


def test_a_column_that_is_gone(schema: dj.Schema, connection: PostgresConnection) -> None:
    """It is told, and nothing is written."""
    Value: Any = schema(type("Value", (dj.Manual,), {"definition": "k : int32\n---\nx : int32\ny = 0 : int32"}))
    Value.insert1({"k": 1, "x": 5, "y": 1})
    connection.execute(f"ALTER TABLE {Value.full_table_name} DROP y")
    with pytest.raises((TableChanged, EngineError), match="y"):
        Value.insert1({"k": 2, "x": 6, "y": 2})
    connection.execute(f"ALTER TABLE {Value.full_table_name} ADD y int NOT NULL DEFAULT 0")
    Value.insert1({"k": 2, "x": 6, "y": 2})
    assert [each["y"] for each in Value.to_dicts()] == [0, 2]
    connection.close()


def test_a_session_keeps_no_more_than_so_many(schema: dj.Schema, connection: PostgresConnection, ask: Ask) -> None:
    """Those beyond are sent as they are."""
    connection.close()  # a new session has kept nothing yet
    names = [f"a{number}" for number in range(MOST + 1)]
    columns = "\n".join(f"{name} = 0 : int32" for name in names)
    Wide: Any = schema(type("Wide", (dj.Manual,), {"definition": f"k : int32\n---\n{columns}"}))
    for number, name in enumerate(names):
        Wide.insert1({"k": number, name: number + 1})
    assert ask(KEPT) == [{"n": MOST}]
    assert [row[name] for row, name in zip(Wide.to_dicts(), names, strict=True)] == list(range(1, MOST + 2))
    connection.close()
