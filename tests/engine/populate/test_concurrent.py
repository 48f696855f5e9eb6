"""Two populates of one table at once: each key is made once, and neither fails."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import EngineError


def test_two_populates_share_the_keys(schema: dj.Schema) -> None:
    """A key that another make committed meanwhile counts as skipped, and no row is there twice."""

    @schema
    class Scan(dj.Manual):
        definition = "scan_id : uint16\n---"

    together = threading.Barrier(2, timeout=20)

    @schema
    class Result(dj.Computed):
        definition = "-> Scan\n---\nthread : uint64"

        class Item(dj.Part):
            definition = "-> master\nitem : uint8\n---"

        def make(self, key: dict[str, Any]) -> None:
            if key["scan_id"] == 0:
                together.wait()  # both are making the first key, so that one of them must lose
            self.insert1({**key, "thread": threading.get_ident()})
            self.Item.insert([{**key, "item": number} for number in range(2)])

    Scan.insert([(number,) for number in range(30)])
    Result.declare()
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda _: Result.populate(), range(2)))
    assert sum(result.done for result in results) == 30
    assert sum(result.skipped for result in results) >= 1
    assert [result.failures for result in results] == [(), ()]
    assert len(Result) == 30
    assert len(Result.Item) == 60


def test_a_row_made_since_the_keys_were_listed_is_skipped(schema: dj.Schema) -> None:
    """A key whose row appears before its turn is skipped without a call of make."""
    calls = []

    @schema
    class Scan(dj.Manual):
        definition = "scan_id : uint16\n---"

    @schema
    class Result(dj.Computed):
        definition = "-> Scan\n---"

        def make(self, key: dict[str, Any]) -> None:
            calls.append(key["scan_id"])
            self.insert1(key)
            if key["scan_id"] == 0:
                self.insert1({"scan_id": 2})

    Scan.insert([(number,) for number in range(4)])
    result = Result.populate()
    assert calls == [0, 1, 3]
    assert (result.done, result.skipped) == (3, 1)


def test_a_conflict_is_tried_again(schema: dj.Schema, connection: PostgresConnection) -> None:
    """A make that loses to another's update of a row (40001) runs again and then commits."""
    attempts = []

    @schema
    class Scan(dj.Manual):
        definition = "scan_id : uint16\n---\nuses : uint32"

    @schema
    class Result(dj.Computed):
        definition = "-> Scan\n---"

        def make(self, key: dict[str, Any]) -> None:
            attempts.append(key)
            update = f"UPDATE {Scan().full_table_name} SET uses = uses + 1"
            if len(attempts) == 1:
                (Scan & key).fetch1("uses")
                other = threading.Thread(target=connection.execute, args=(update,))
                other.start()
                other.join(20)
            connection.execute(update)
            self.insert1(key)

    Scan.insert1((1, 0))
    assert Result.populate().done == 1
    assert len(attempts) == 2
    assert Scan.fetch1("uses") == 2


def test_a_conflict_that_never_ends_is_raised(schema: dj.Schema) -> None:
    """After five attempts the conflict is an error of the caller's."""
    attempts = []

    @schema
    class Scan(dj.Manual):
        definition = "scan_id : uint16\n---"

    @schema
    class Result(dj.Computed):
        definition = "-> Scan\n---"

        def make(self, key: dict[str, Any]) -> None:
            attempts.append(key)
            raise EngineError("could not serialize access", sqlstate="40001")

    Scan.insert1((1,))
    with pytest.raises(EngineError, match="could not serialize"):
        Result.populate()
    assert len(attempts) == 5
    assert len(Result) == 0
