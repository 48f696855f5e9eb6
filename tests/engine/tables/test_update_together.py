"""update1 while others do the same: nothing is lost, and what the log says was there before was there."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import djarrow as dj
from djarrow.engine.connect import connect
from djarrow.engine.embedded import EmbeddedServer
from djarrow.engine.postgres import PostgresConnection

WORKERS = 6


@pytest.fixture
def connections(server: EmbeddedServer) -> Iterator[list[PostgresConnection]]:
    """Connections as of several processes."""
    url = server.url()
    assert url is not None
    made = [connect(url) for _ in range(WORKERS)]
    yield made
    for each in made:
        each.close()


def tables(schema: dj.Schema, connections: list[PostgresConnection]) -> list[Any]:
    """The same table with some rows, for each connection."""

    def declare(connection: PostgresConnection) -> Any:
        own = dj.Schema(schema.name, connection=connection)
        return own(type("Value", (dj.Manual,), {"definition": "k : uint8\n---\nx : int32\ny = null : varchar(9)"}))

    made = [declare(each) for each in connections]
    made[0].insert([{"k": k, "x": 0} for k in range(WORKERS)])
    return made


@pytest.mark.parametrize("isolation", ["READ COMMITTED", "REPEATABLE READ", "own"])
def test_several_processes_make_the_log(
    schema: dj.Schema, connections: list[PostgresConnection], isolation: str
) -> None:
    """The first changes in a schema, at once: the log is made once, and has all of them."""
    made = tables(schema, connections)
    for repetition in range(10 if "DJARROW_SOAK" in os.environ else 4):
        schema.connection.execute(f'DROP TABLE IF EXISTS "{schema.name}"."~updates"')
        ready = threading.Barrier(WORKERS)

        def work(number: int, ready: threading.Barrier = ready, value: str = f"{repetition} by ") -> None:
            row = {"k": number, "y": f"{value}{number}"}
            ready.wait()
            if isolation == "own":
                made[number].update1(row)
            else:
                with connections[number].begin(isolation=isolation):
                    connections[number].read("SELECT 1 AS one")
                    made[number].update1(row)

        with ThreadPoolExecutor(WORKERS) as pool:
            list(pool.map(work, range(WORKERS)))
        found = sorted(row["new_value"] for row in schema.updates.to_dicts())
        assert found == [f"{repetition} by {n}" for n in range(WORKERS)]


def test_the_log_is_a_chain(schema: dj.Schema, connections: list[PostgresConnection]) -> None:
    """Of many changes of one value at once, each line's old value is the new one of the line before it."""
    made = tables(schema, connections)
    rounds = 25

    def work(number: int) -> None:
        for count in range(rounds):
            made[number].update1({"k": 1, "x": 1 + number * rounds + count})

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(work, range(WORKERS)))
    lines = (schema.updates & {"attribute": "x"}).to_dicts(order_by="updated")
    assert len(lines) == WORKERS * rounds
    follows = {row["old_value"]: row["new_value"] for row in lines}
    assert len(follows) == len(lines)
    chain, value = [], "0"
    while value in follows:
        chain.append(value := follows[value])
    assert len(chain) == len(lines)
    assert [row["new_value"] for row in lines] == chain
    assert chain[-1] == str((made[0] & {"k": 1}).fetch1("x"))


def test_inserting_children_goes_on(schema: dj.Schema, second: PostgresConnection) -> None:
    """A correction that is not committed yet keeps nobody from inserting rows that refer to its row."""

    @schema
    class Value(dj.Manual):
        definition = "k : uint8\n---\nx : int32"

    @schema
    class Child(dj.Manual):
        definition = "-> Value\nn : int8"

    Value.insert1((1, 0))
    Child.declare()
    with schema.connection.transaction:
        Value.update1({"k": 1, "x": 5})
        second.execute("SET lock_timeout = '2s'")
        second.execute(f'INSERT INTO "{schema.name}".child VALUES (1, 1)')
    assert Child.to_dicts() == [{"k": 1, "n": 1}]
