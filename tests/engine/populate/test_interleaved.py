"""make, update1 and delete of the same rows, statement by statement in every order: as if one came after the other."""

from __future__ import annotations

import itertools
import os
from types import SimpleNamespace
from typing import Any

import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.jobs.forms import form_of
from djarrow.jobs.making import Maker
from tests.interleaving import orders, run, stepped

SOAK = "DJARROW_SOAK" in os.environ

GONE = {"NotOneRow", "MissingParent", "NoSuchRow", "23503"}
"""What a make or an update says of a key that was deleted before it, whichever of its statements finds out."""

RETRYABLE = {"40001", "40P01", "InputsChanged"}


@pytest.fixture
def pipeline(schema: dj.Schema) -> SimpleNamespace:
    """Scan, what is computed of it in one piece and in parts, and a ledger of the makes."""

    @schema
    class Scan(dj.Manual):
        definition = "n : int32\n---\nvalue : int32"

    @schema
    class Ledger(dj.Manual):
        definition = "n : int32\nvalue : int32\n---"

    @schema
    class Plain(dj.Computed):
        definition = "-> Scan\n---\nvalue : int32"

        def make(self, key: dict[str, Any]) -> None:
            value = (Scan & key).fetch1("value")
            Ledger.insert1({**key, "value": value})
            self.insert1({**key, "value": 2 * value})

    @schema
    class Parts(dj.Computed):
        definition = "-> Scan\n---\nvalue : int32"

        def make_fetch(self, key: dict[str, Any]) -> Any:
            return (Scan & key).fetch1("value")

        def make_compute(self, key: dict[str, Any], fetched: Any) -> Any:
            return 2 * fetched

        def make_insert(self, key: dict[str, Any], fetched: Any, computed: Any) -> None:
            Ledger.insert1({**key, "value": fetched})
            self.insert1({**key, "value": computed})

    Scan.insert([(0, 0)])
    Plain.populate()
    Parts.populate("FALSE")
    Scan.update1({"n": 0, "value": 1})
    return SimpleNamespace(schema=schema, Scan=Scan, Ledger=Ledger, Plain=Plain, Parts=Parts)


def scripts_of(pipeline: SimpleNamespace, names: str) -> list[Any]:
    """The scripts of these names; each works on the key 1."""

    def making(table: Any) -> Any:
        maker = Maker(table(), form_of(table()), {})
        return lambda: maker.make({"n": 1})

    known = {
        "plain": making(pipeline.Plain),
        "parts": making(pipeline.Parts),
        "again": making(pipeline.Plain),
        "update": lambda: pipeline.Scan.update1({"n": 1, "value": 20}),
        "delete": lambda: (pipeline.Scan & {"n": 1}).delete(prompt=False),
    }
    return [known[name] for name in names.split()]


def begin(pipeline: SimpleNamespace, connection: PostgresConnection) -> None:
    """The same rows for every order."""
    name = pipeline.schema.name
    connection.execute(f'TRUNCATE "{name}".scan, "{name}".ledger, "{name}"."__plain", "{name}"."__parts"')
    connection.execute(f'INSERT INTO "{name}".scan VALUES (1, 10)')


def state(pipeline: SimpleNamespace) -> tuple[Any, ...]:
    """What the tables hold."""
    tables = (pipeline.Scan, pipeline.Ledger, pipeline.Plain, pipeline.Parts)
    return tuple(tuple(tuple(row.values()) for row in table.to_dicts(order_by="KEY")) for table in tables)


@pytest.mark.timeout(1800 if SOAK else 120)
@pytest.mark.parametrize(
    ("names", "most"),
    [
        ("plain update", 400 if SOAK else 5),
        ("plain delete", 400 if SOAK else 5),
        ("parts update", 400 if SOAK else 5),
        ("parts delete", 400 if SOAK else 5),
        ("plain again", 400 if SOAK else 5),
        ("plain update delete", 300 if SOAK else 5),
        ("parts update delete", 300 if SOAK else 5),
        ("plain again delete", 300 if SOAK else 5),
    ],
)
def test_every_order_equals_one_after_the_other(
    pipeline: SimpleNamespace,
    connection: PostgresConnection,
    monkeypatch: pytest.MonkeyPatch,
    names: str,
    most: int | None,
) -> None:
    """The tables are as after some serial order of those that ended well, without the others, which found the key gone,
    or may be tried again.
    """
    scripts = scripts_of(pipeline, names)
    numbers = range(len(scripts))
    with stepped(monkeypatch, connection) as turns:
        possible: set[tuple[frozenset[int], Any]] = set()
        steps: dict[int, int] = {}
        for chosen in (chosen for count in numbers for chosen in itertools.permutations(numbers, count + 1)):
            begin(pipeline, connection)
            told = run(turns, scripts, [number for number in chosen for _ in range(100)], only=chosen)
            if not any(told):
                possible.add((frozenset(chosen), state(pipeline)))
            steps = {number: max(count, steps.get(number, 0)) for number, count in turns.steps.items()}
        for order in orders(steps, most):
            begin(pipeline, connection)
            told = run(turns, scripts, order)
            assert {error for error in told if error} <= GONE | RETRYABLE, (order, told)
            well = frozenset(number for number in numbers if not told[number])
            assert (well, state(pipeline)) in possible, (order, told, state(pipeline))


def test_what_equals_no_order_is_seen(
    pipeline: SimpleNamespace, connection: PostgresConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two that read a value and write the next one, without a transaction: in most orders one of them is lost."""

    def add() -> None:
        value = pipeline.Scan.fetch1("value")
        connection.execute(f'UPDATE "{pipeline.schema.name}".scan SET value = {value + 1}')

    with stepped(monkeypatch, connection) as turns:
        ends = set()
        for order in orders({0: 2, 1: 2}, None):
            begin(pipeline, connection)
            assert run(turns, [add, add], order) == ["", ""]
            ends.add((order, pipeline.Scan.fetch1("value")))
    assert {value for order, value in ends if order in ((0, 0, 1, 1), (1, 1, 0, 0))} == {12}
    assert [value for order, value in ends if order not in ((0, 0, 1, 1), (1, 1, 0, 0))] == [11] * 4
