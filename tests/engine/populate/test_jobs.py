"""`schema.jobs`: the queue as a query, and what is done about the jobs that it chooses."""

from __future__ import annotations

import copy
import pickle
import threading
from types import SimpleNamespace
from typing import Any

import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import InvalidCondition, NoSchema, QueryError, TransactionError, UnknownAttribute
from djarrow.jobs.view import Jobs, Refreshed


@pytest.fixture
def pipeline(schema: dj.Schema) -> SimpleNamespace:
    """Scan (6 rows), Stats, whose make fails for the scans in `bad`, and Other, whose make does not."""

    @schema
    class Scan(dj.Manual):
        definition = "scan_id : uint16\n---\nvalue : float64"

    made = SimpleNamespace(bad=set())

    @schema
    class Stats(dj.Computed):
        definition = "-> Scan\n---\ndouble : float64"

        def make(self, key: dict[str, Any]) -> None:
            if key["scan_id"] in made.bad:
                raise ValueError(f"bad scan {key['scan_id']}")
            self.insert1({**key, "double": 2 * (Scan & key).fetch1("value")})

    @schema
    class Other(dj.Imported):
        definition = "-> Scan\n---\n"

        def make(self, key: dict[str, Any]) -> None:
            self.insert1(key)

    Scan.insert([(number, number / 4) for number in range(6)])
    return SimpleNamespace(Scan=Scan, Stats=Stats, Other=Other, made=made, schema=schema)


def statuses(jobs: Any) -> dict[int, str]:
    """Scan -> the status of its job."""
    return {job["key"]["scan_id"]: job["status"] for job in jobs.to_dicts()}


def failed(pipeline: SimpleNamespace) -> None:
    """Scans 1 and 4 have failed, all others of Stats are made."""
    pipeline.made.bad = {1, 4}
    assert pipeline.Stats.populate(reserve_jobs=True, suppress_errors=True).failed == 2


def test_without_a_queue_there_are_no_jobs_and_none_is_made(
    pipeline: SimpleNamespace, connection: PostgresConnection
) -> None:
    """Asking, and changing what is not there, makes nothing."""
    pipeline.Stats.declare()
    jobs = pipeline.schema.jobs
    assert (len(jobs), jobs.to_dicts(), jobs.heading.primary_key) == (0, [], ("table_name", "key_hash"))
    assert jobs.to_polars().columns[2] == "status"
    assert "status" in repr(jobs)
    assert (jobs.clear(), jobs.retry(), jobs.ignore(), jobs.schedule(priority=1), jobs.delete()) == (0, 0, 0, 0, 0)
    assert jobs.keys_of(pipeline.Stats).columns == ["scan_id"]
    found = connection.query(f"SELECT to_regclass('{pipeline.schema.name}.\"~jobs\"') IS NULL AS absent")
    assert found.to_pylist() == [{"absent": True}]


def test_failed_jobs_are_found_and_tried_again(pipeline: SimpleNamespace) -> None:
    """Conditions name what a job has, and parts of its key; `retry` makes those that failed pending."""
    failed(pipeline)
    errors = pipeline.schema.jobs & 'status="error"'
    assert isinstance(errors, Jobs)
    assert sorted(errors.to_polars()["error_message"]) == ["ValueError: bad scan 1", "ValueError: bad scan 4"]
    assert (errors & "key.scan_id = 4").fetch1("error_message") == "ValueError: bad scan 4"
    assert '{"scan_id": 4}' in errors.preview(width=20)
    assert "in make" in (errors & "key.scan_id = 4").fetch1("error_stack")
    pipeline.made.bad = set()
    assert (errors & "key.scan_id = 4").retry() == 1
    assert statuses(pipeline.Stats.jobs) == {1: "error", 4: "pending"}
    assert (pipeline.Stats.jobs & "key.scan_id = 4").to_dicts()[0]["error_message"] == ""
    assert pipeline.Stats.populate(reserve_jobs=True).done == 1
    assert pipeline.schema.jobs.retry() == 1
    assert pipeline.schema.jobs.retry() == 0
    assert pipeline.Stats.populate(reserve_jobs=True).done == 1
    assert len(pipeline.schema.jobs) == 0


def test_clear_and_delete_strike_jobs_off(pipeline: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed key that was cleared is tried by the next populate. The manual says `delete`, which does the same."""
    failed(pipeline)
    errors = pipeline.schema.jobs & 'status = "error"'
    assert errors.delete(dry_run=True) == 2
    answers = iter(["no"])
    monkeypatch.setattr("builtins.input", lambda _: next(answers))
    assert errors.delete(prompt=True) == 0
    assert len(errors) == 2
    gone = (errors & "key.scan_id = 1").delete(prompt=False)
    assert (gone, gone.counts) == (1, {f"{pipeline.schema.name}.~jobs": 1})
    assert errors.clear() == 1
    pipeline.made.bad = set()
    assert pipeline.Stats.populate(reserve_jobs=True).done == 2


def test_ignored_keys_are_passed_over(pipeline: SimpleNamespace) -> None:
    """Of jobs that are there, and of keys that are not in the queue yet; `retry` and `clear` take it back."""
    failed(pipeline)
    assert (pipeline.schema.jobs & "key.scan_id = 1").ignore() == 1
    assert pipeline.schema.jobs.ignore(pipeline.Other, "scan_id > 3") == 2
    assert pipeline.schema.jobs.ignore(pipeline.Other, "scan_id > 3") == 0
    assert pipeline.Stats.jobs.ignore({"scan_id": 4}) == 1
    assert pipeline.Other.populate(reserve_jobs=True).done == 4
    assert statuses(pipeline.Stats.jobs) == {1: "ignore", 4: "ignore"}
    jobs = pipeline.Stats.jobs
    by_status = (jobs.pending, jobs.reserved, jobs.errors, jobs.ignored, jobs.completed)
    assert [len(each) for each in by_status] == [0, 0, 0, 2, 0]
    assert statuses(pipeline.Other.jobs) == {4: "ignore", 5: "ignore"}
    assert pipeline.Other.jobs.retry() == 2
    assert pipeline.Other.populate(reserve_jobs=True).done == 2


def test_refresh_enters_what_is_missing(pipeline: SimpleNamespace) -> None:
    """Of all tables that fill themselves, or of some, restricted; jobs that are there stay as they are."""
    schema, Stats, Other = pipeline.schema, pipeline.Stats, pipeline.Other
    some = schema.jobs.refresh(Stats, restrictions="scan_id < 2", priority=1)
    assert (some, some.removed) == (2, 0)
    assert Other.jobs.refresh("scan_id < 3", "scan_id > 1", restrictions={"scan_id": 2}) == 1
    assert Other.jobs.clear() == 1
    assert schema.jobs.refresh() == 10
    assert sorted(Stats.jobs.fetch("priority")) == [1, 1, 5, 5, 5, 5]
    assert len(Other.jobs) == 6
    Stats.populate("scan_id = 5")
    again = Stats.jobs.refresh()
    assert (again, again.removed) == (0, 1)
    assert repr(again) == "Refreshed(0, removed=1)"
    for other in (copy.copy(again), pickle.loads(pickle.dumps(again))):  # noqa: S301 - what multiprocessing does
        assert (other, other.removed) == (Refreshed(), 1)
    assert schema.jobs.clear() == 11
    assert schema.jobs.refresh(Stats, restrictions=[{"scan_id": 3}, "scan_id > 0"]) == 1


def test_priority_and_delay(pipeline: SimpleNamespace) -> None:
    """What is scheduled later is not made now; a priority is changed while the job is pending."""
    schema, Stats = pipeline.schema, pipeline.Stats
    schema.jobs.refresh(Stats, delay=3600)
    assert Stats.populate(reserve_jobs=True).done == 0
    assert (Stats.jobs & "key.scan_id in (2, 3)").schedule(delay=0, priority=7) == 2
    assert (Stats.jobs & "key.scan_id = 3").schedule(priority=-7) == 1
    made: list[int] = []

    def make(self: Any, key: dict[str, Any]) -> None:
        made.append(key["scan_id"])
        self.insert1({**key, "double": 0})

    Stats.make = make
    assert Stats.populate(reserve_jobs=True).done == 2
    assert made == [3, 2]
    assert set(Stats.jobs.fetch("status")) == {"pending"}


def test_jobs_of_keys_and_keys_of_jobs(pipeline: SimpleNamespace) -> None:
    """A condition on the key source chooses jobs; the keys of jobs restrict queries (001 9.5.1)."""
    failed(pipeline)
    pipeline.schema.jobs.refresh(pipeline.Other)
    jobs = pipeline.schema.jobs
    assert statuses(jobs.of(pipeline.Stats, "scan_id > 2")) == {4: "error"}
    assert statuses(jobs.of(pipeline.Other, {"scan_id": 2}, "scan_id > 0")) == {2: "pending"}
    assert statuses(jobs.of(pipeline.Stats, "scan_id = 0")) == {}
    keys = (jobs & 'status = "error"').keys_of(pipeline.Stats)
    assert sorted(keys["scan_id"]) == [1, 4]
    assert keys.schema["scan_id"] == pipeline.Scan.to_polars().schema["scan_id"]
    assert sorted((pipeline.Scan & keys).fetch("value")) == [0.25, 1.0]
    assert jobs.of(pipeline.Stats(), "scan_id = 1").clear() == 1


def test_reserved_jobs_are_left_to_their_worker(pipeline: SimpleNamespace) -> None:
    """While a make runs, its job can be neither cleared, ignored nor tried again by others."""
    seen: list[Any] = []

    def make(self: Any, key: dict[str, Any]) -> None:
        if key["scan_id"] == 0:
            jobs = pipeline.Stats.jobs & "key.scan_id = 0"
            change = threading.Thread(
                target=lambda: seen.extend(
                    [jobs.fetch1("status"), jobs.clear(), jobs.ignore(), jobs.retry(), jobs.schedule(priority=1)]
                )
            )
            change.start()
            change.join()
        self.insert1({**key, "double": 0})

    pipeline.Stats.make = make
    assert pipeline.Stats.populate(reserve_jobs=True).done == 6
    assert seen == ["reserved", 0, 0, 0, 0]


def test_what_would_mean_all_jobs_by_mistake_is_refused(pipeline: SimpleNamespace) -> None:
    """A table, or a mapping of what is no attribute of a job, restricts nothing: it chooses no jobs, also to read."""
    jobs = pipeline.schema.jobs
    jobs.refresh()
    before = statuses(pipeline.Stats.jobs)
    for wrong in (pipeline.Stats, pipeline.Scan & "scan_id = 1", [pipeline.Scan], dj.Not(pipeline.Scan)):
        with pytest.raises(InvalidCondition, match=r"schema\.jobs\.of"):
            jobs & wrong
    for wrong in ({"scan_id": 1}, [{"scan_id": 1}], dj.Not({"scan_id": 1})):
        with pytest.raises(InvalidCondition, match=r"restricts nothing.*schema\.jobs\.of"):
            pipeline.Stats.jobs & wrong
    with pytest.raises(InvalidCondition, match="restricts nothing"):
        jobs - {"scan_id": 1}
    with pytest.raises(InvalidCondition, match="restricts nothing"):
        jobs.of(pipeline.Stats, {"scan": 1})
    with pytest.raises(InvalidCondition, match="restricts nothing"):
        jobs.ignore(pipeline.Stats, {"scan": 1})
    with pytest.raises(UnknownAttribute):
        jobs & "state = 1"
    assert statuses(pipeline.Stats.jobs) == before


@pytest.mark.parametrize(
    "arguments",
    [
        {"order": "up"},
        {"priority": 1.0},
        {"priority": True},
        {"priority": 2**15},
        {"delay": -1},
        {"delay": float("nan")},
        {"delay": "1"},
    ],
)
def test_what_refresh_cannot_be_told(pipeline: SimpleNamespace, arguments: dict[str, Any]) -> None:
    """Wrong arguments are refused before anything is entered."""
    with pytest.raises(InvalidCondition):
        pipeline.schema.jobs.refresh(**arguments)
    assert len(pipeline.schema.jobs) == 0


def test_what_jobs_are_not_of(pipeline: SimpleNamespace, connection: PostgresConnection) -> None:
    """Other tables, other schemas, restricted jobs, an unnamed schema, a transaction."""
    jobs = pipeline.schema.jobs
    for wrong in (pipeline.Scan, "stats", None):
        with pytest.raises(InvalidCondition):
            jobs.of(wrong)
    other = dj.Schema("another", connection=connection)
    with pytest.raises(InvalidCondition, match="another schema"):
        other.jobs.of(pipeline.Stats)
    with pytest.raises(InvalidCondition, match="no condition"):
        (jobs & "priority = 5").refresh()
    with pytest.raises(InvalidCondition):
        jobs.schedule()
    with pytest.raises(NoSchema):
        _ = dj.Schema().jobs
    pipeline.Stats.declare()
    with connection.transaction, pytest.raises(TransactionError):
        jobs.refresh()


def test_no_jobs_in_a_repository(pipeline: SimpleNamespace, tmp_path: Any) -> None:
    """An export has no queue, and neither has a query that runs on it."""
    pipeline.Stats.populate()
    dj.export(pipeline.schema, tmp_path / "out")
    with dj.open(tmp_path / "out").using(pipeline.schema), pytest.raises(QueryError):
        _ = pipeline.schema.jobs


def test_names_with_quotes_and_percent_signs(connection: PostgresConnection, schema: dj.Schema) -> None:
    """Keys hold any text, and conditions on them choose the right jobs."""

    @schema
    class Thing(dj.Manual):
        definition = "name : varchar(40)\n---"

    @schema
    class Made(dj.Computed):
        definition = "-> Thing\n---"

        def make(self, key: dict[str, Any]) -> None:
            self.insert1(key)

    names = ['it\'s 100% "quoted" \\ %s', "", "null", "é😀"]
    Thing.insert([(name,) for name in names])
    assert schema.jobs.refresh() == 4
    for name in names:
        assert schema.jobs.of(Made, {"name": name}).keys_of(Made).rows() == [(name,)]
    assert schema.jobs.ignore(Made, {"name": names[0]}) == 1
    assert sorted(Made.jobs.keys_of(Made)["name"]) == sorted(names)
    assert Made.populate(reserve_jobs=True).done == 3


def test_refreshes_in_every_order_at_once(pipeline: SimpleNamespace) -> None:
    """They wait for each other's keys in turn, and none fails; each key has one job."""
    pipeline.Scan.insert([(number, 0.0) for number in range(6, 3000)])
    pipeline.Stats.declare()
    pipeline.schema.jobs.refresh(pipeline.Stats, restrictions="scan_id = 0")
    errors: list[BaseException] = []

    def work(order: str) -> None:
        try:
            pipeline.Stats.jobs.refresh(order=order)
        except BaseException as error:  # noqa: BLE001 - told below
            errors.append(error)

    threads = [threading.Thread(target=work, args=(order,)) for order in ("original", "reverse", "random") * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(pipeline.Stats.jobs) == 3000
