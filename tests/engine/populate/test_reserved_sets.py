"""Sets of keys out of the queue: jobs end in the transaction that makes their keys."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import LeaseLost
from djarrow.sql import jobs as statements

if TYPE_CHECKING:
    import polars as pl


@pytest.fixture(params=["make_batch", "make_query"])
def pipeline(request: pytest.FixtureRequest, schema: dj.Schema) -> SimpleNamespace:
    """Scan (20 rows), and Result in each of the two forms, which fails for the scans that `made.bad` holds."""

    @schema
    class Scan(dj.Manual):
        definition = "scan_id : uint8\n---\nvalue : int16"

    made = SimpleNamespace(calls=[], behave=lambda keys: None)

    def make_batch(self: Any, keys: pl.DataFrame) -> Any:
        made.calls.append(keys["scan_id"].to_list())
        made.behave(keys)
        return (Scan & keys).proj(x="value")

    def make_query(self: Any) -> Any:
        return Scan.proj(x="value")

    form = {"make_batch": make_batch, "make_query": make_query}[request.param]
    body = {"definition": "-> Scan\n---\nx : uint8", request.param: form}
    Result: Any = schema(type("Result", (dj.Computed,), body))
    Scan.insert([(number, number) for number in range(20)])
    return SimpleNamespace(Scan=Scan, Result=Result, made=made, schema=schema, form=request.param)


def jobs(connection: PostgresConnection, schema: dj.Schema) -> list[tuple[str, str]]:
    """Key and status of the jobs of a schema."""
    text = f'SELECT key::text AS key, status::text AS status FROM "{schema.name}"."~jobs" ORDER BY "_number"'
    return [(row["key"], row["status"]) for row in connection.query(text).to_pylist()]


def test_all_keys_are_made(pipeline: SimpleNamespace, connection: PostgresConnection) -> None:
    """Batches come out of the queue; nothing is left in it, and no worker."""
    result = pipeline.Result.populate(reserve_jobs=True, batch_size=6)
    assert (result.done, result.skipped, result.failed) == (20, 0, 0)
    assert len(pipeline.Result) == 20
    assert jobs(connection, pipeline.schema) == []
    assert connection.query(f'SELECT 1 FROM "{pipeline.schema.name}"."~workers"').num_rows == 0
    kept = connection.query(f'SELECT keys FROM "{pipeline.schema.name}"."~makes" ORDER BY started').to_pylist()
    assert [row["keys"] for row in kept] == [6, 6, 6, 2]


def test_restriction_and_limit(pipeline: SimpleNamespace) -> None:
    """Only jobs of keys for which the restriction holds are taken, so many at most."""
    assert pipeline.Result.populate("scan_id > 9", reserve_jobs=True, limit=4).done == 4
    assert pipeline.Result.fetch("scan_id").tolist() == [10, 11, 12, 13]


def test_what_failed_is_kept_and_passed_over(pipeline: SimpleNamespace, connection: PostgresConnection) -> None:
    """The keys that fail are found by halving, and are in the queue with their errors; another populate leaves them."""
    pipeline.Scan.update1({"scan_id": 3, "value": 1000})
    pipeline.Scan.update1({"scan_id": 17, "value": -1})
    result = pipeline.Result.populate(reserve_jobs=True, suppress_errors=True)
    assert sorted(failure.key["scan_id"] for failure in result.failures) == [3, 17]
    assert result.done == 18
    assert jobs(connection, pipeline.schema) == [('{"scan_id": 3}', "error"), ('{"scan_id": 17}', "error")]
    again = pipeline.Result.populate(reserve_jobs=True, suppress_errors=True)
    assert (again.done, again.failed) == (0, 0)


def test_a_key_that_is_gone_is_no_success(schema: dj.Schema, connection: PostgresConnection) -> None:
    """Its job goes, also where those that are done are kept: nothing was made."""

    @schema
    class Scan(dj.Manual):
        definition = "scan_id : uint8\n---"

    @schema
    class Result(dj.Computed):
        definition = "-> Scan\n---"

        def make_batch(self, keys: pl.DataFrame) -> Any:
            return Scan & keys

    Scan.insert([(number,) for number in range(3)])
    Result.jobs.refresh()
    (Scan & "scan_id = 1").delete(prompt=False)
    with dj.config.override(jobs__keep_completed=True):
        found = Result.populate(reserve_jobs=True, suppress_errors=True)
    assert (found.done, found.skipped, found.failed) == (2, 1, 0)
    assert jobs(connection, schema) == [('{"scan_id": 0}', "success"), ('{"scan_id": 2}', "success")]


def test_an_error_gives_the_jobs_back(pipeline: SimpleNamespace, connection: PostgresConnection) -> None:
    """Where a batch fails and errors are raised, its jobs are pending again."""
    pipeline.Scan.update1({"scan_id": 3, "value": 1000})
    with pytest.raises(dj.errors.DjarrowError):
        pipeline.Result.populate(reserve_jobs=True)
    assert len(pipeline.Result) == 0
    assert [status for _, status in jobs(connection, pipeline.schema)] == ["pending"] * 20


def test_an_error_of_one_key_is_kept(pipeline: SimpleNamespace, connection: PostgresConnection) -> None:
    """Where the batch is one key, the error that is raised is in the queue, too."""
    pipeline.Scan.update1({"scan_id": 0, "value": 1000})
    with pytest.raises(dj.errors.DjarrowError):
        pipeline.Result.populate(reserve_jobs=True, batch_size=1)
    assert jobs(connection, pipeline.schema)[0] == ('{"scan_id": 0}', "error")


def test_four_workers_share_the_queue(pipeline: SimpleNamespace, connection: PostgresConnection) -> None:
    """Each key is made once, by whichever worker has its job, and none is skipped."""
    pipeline.Scan.insert([(number, 1) for number in range(20, 250)])
    pipeline.Result.declare()
    with ThreadPoolExecutor(4) as pool:
        results = list(
            pool.map(lambda size: pipeline.Result.populate(reserve_jobs=True, batch_size=size), (3, 7, 20, None))
        )
    assert sum(result.done for result in results) == 250
    assert len(pipeline.Result) == 250
    assert jobs(connection, pipeline.schema) == []


def test_a_lost_lease_keeps_nothing(schema: dj.Schema, connection: PostgresConnection) -> None:
    """A batch whose jobs were given to another worker meanwhile cannot be committed, and is not halved."""
    calls = []

    @schema
    class Scan(dj.Manual):
        definition = "scan_id : uint8\n---"

    @schema
    class Result(dj.Computed):
        definition = "-> Scan\n---"

        def make_batch(self, keys: pl.DataFrame) -> pl.DataFrame:
            calls.append(len(keys))
            with ThreadPoolExecutor(1) as pool:
                pool.submit(steal).result(timeout=20)
            return keys

    def steal() -> None:
        """As if the lease had been over, and another worker had the jobs."""
        name = f'"{schema.name}"'
        connection.execute(f"UPDATE {name}.\"~workers\" SET expires = now() - interval '1 hour'")
        connection.query(statements.take_back(schema.name or ""))

    Scan.insert([(number,) for number in range(4)])
    with pytest.raises(LeaseLost):
        Result.populate(reserve_jobs=True)
    assert len(Result) == 0
    assert set(calls) == {4}
    assert len(calls) <= 2  # once more where the server has ended it for the other's sake
    assert [status for _, status in jobs(connection, schema)] == ["pending"] * 4


def test_keys_without_rows_leave_the_queue(schema: dj.Schema, connection: PostgresConnection) -> None:
    """Keys for which make_query has no row end as jobs, so that nobody takes them again and again."""

    @schema
    class Scan(dj.Manual):
        definition = "scan_id : uint8\n---"

    @schema
    class Result(dj.Computed):
        definition = "-> Scan\n---"

        def make_query(self) -> Any:
            return Scan.proj() & "scan_id > 1"

    Scan.insert([(number,) for number in range(4)])
    result = Result.populate(reserve_jobs=True)
    assert (result.done, result.skipped) == (2, 2)
    assert jobs(connection, schema) == []
    assert Result.progress() == (2, 4)
