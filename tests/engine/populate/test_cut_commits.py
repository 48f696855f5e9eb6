"""Makes whose connection is cut as they commit: the row, its job and what is reported agree. See postgres/proxy.py."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from typing import Any

import pytest

import djarrow as dj
from djarrow.engine.connect import connect
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import ConnectionFailed
from tests.engine.postgres.proxy import Cut, Proxy, proxied

TIMES = 25 if "DJARROW_SOAK" in os.environ else 5


@pytest.fixture
def cutting(connection: PostgresConnection) -> Iterator[tuple[Proxy, PostgresConnection]]:
    """A proxy, and a connection through it."""
    with proxied(connection.url) as (proxy, url):
        through = connect(url)
        yield proxy, through
        through.close()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("reserve_jobs", [False, True], ids=["listed", "reserved"])
@pytest.mark.parametrize("cut", Cut, ids=lambda cut: cut.name.lower())
def test_row_and_job_agree(
    schema: dj.Schema,
    connection: PostgresConnection,
    cutting: tuple[Proxy, PostgresConnection],
    cut: Cut,
    reserve_jobs: bool,
) -> None:
    """Each key has its row, its provenance and no job, and counts as done, or it has none of them and failed.

    A job that failed so is no fault of its key: it is made again, and then it is there.
    """
    proxy, through = cutting
    chance = random.Random(6)  # noqa: S311 - for moments
    tried = {0}
    there = dj.Schema(schema.name, connection=through)

    @there
    class Scan(dj.Manual):
        definition = "n : int32\n---"

    @there
    class Result(dj.Computed):
        definition = "-> Scan\n---"

        def make(self, key: dict[str, Any]) -> None:
            self.insert1(key)
            if key["n"] not in tried:
                tried.add(key["n"])
                proxy.cut, proxy.delay = cut, chance.uniform(0, 0.0006)

    Scan.insert1((0,))
    Result.populate(reserve_jobs=True)
    made = {0}
    for n in range(1, TIMES + 1):
        Scan.insert1((n,))
        found = Result.populate({"n": n}, reserve_jobs=reserve_jobs, suppress_errors=True)
        assert proxy.cuts == n
        kept = {Cut.BEFORE: False, Cut.BEFORE_UNNOTICED: False, Cut.AFTER: True}.get(cut, not found.failed)
        assert found.failed == (not kept)
        assert [type(failure.error) for failure in found.failures] == [ConnectionFailed] * found.failed
        assert found.done == (kept or reserve_jobs)
        if found.done:
            made.add(n)
        rows = connection.query(f'SELECT n FROM "{schema.name}"."__result"').column("n").to_pylist()
        assert set(rows) == made
        assert connection.query(f'SELECT count(*)::int8 AS n FROM "{schema.name}"."~jobs"').column("n")[0].as_py() == 0
        makes = connection.query(f'SELECT count(*)::int8 AS n FROM "{schema.name}"."~makes"').column("n")[0].as_py()
        assert makes == len(made)
