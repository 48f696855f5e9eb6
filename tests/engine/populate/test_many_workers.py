"""Sixty-four workers on one table at once: no error of the database reaches a user."""

from __future__ import annotations

import threading
from typing import Any

import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection

WORKERS = 64


@pytest.mark.parametrize("reserve_jobs", [False, True], ids=["listed", "reserved"])
def test_workers_do_not_hinder_each_other(
    schema: dj.Schema, connection: PostgresConnection, reserve_jobs: bool
) -> None:
    """They share the keys, each in an order of its own, and each key is made once."""

    @schema
    class Scan(dj.Manual):
        definition = "n : int32\n---"

    @schema
    class Result(dj.Computed):
        definition = "-> Scan\n---"

        class Item(dj.Part):
            definition = "-> master\nitem : int8\n---"

        def make(self, key: dict[str, Any]) -> None:
            self.insert1(key)
            self.Item.insert([{**key, "item": item} for item in range(3)])

    Scan.insert([(n,) for n in range(320)])
    Result.populate(max_calls=0)
    found: list[Any] = []
    together = threading.Barrier(WORKERS, timeout=60)

    def work() -> None:
        together.wait()
        try:
            found.append(Result.populate(reserve_jobs=reserve_jobs, order="random"))
        except Exception as error:  # noqa: BLE001 - it is what the test looks at
            found.append(error)

    threads = [threading.Thread(target=work) for _ in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [each for each in found if isinstance(each, Exception)] == []
    assert sum(each.done for each in found) == 320
    assert sum(each.failed for each in found) == 0
    assert len(Result.Item) == 960
    if reserve_jobs:
        assert connection.query(f'SELECT key FROM "{schema.name}"."~jobs"').num_rows == 0
        assert connection.query(f'SELECT pid FROM "{schema.name}"."~workers"').num_rows == 0
