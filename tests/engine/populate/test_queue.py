"""The queue: reserved keys, leases, failed jobs, and that each key is made once."""

from __future__ import annotations

import contextlib
import datetime
import decimal
import re
import threading
import time
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import djarrow as dj
from djarrow.engine.embedded.supervisor import LOG_FILE
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import InvalidCondition, LeaseLost, LeaseWarning, MakeError
from djarrow.jobs.queue import Lease, Queue, ensure_queue, refresh


@pytest.fixture
def pipeline(schema: dj.Schema) -> SimpleNamespace:
    """Scan (10 rows) and Stats, whose make does what `behave` says before it inserts."""

    @schema
    class Scan(dj.Manual):
        definition = "scan_id : uint16\n---\nvalue : float64"

    made = SimpleNamespace(calls=[], behave=lambda _: None)

    @schema
    class Stats(dj.Computed):
        definition = "-> Scan\n---\ndouble : float64"

        def make(self, key: dict[str, Any]) -> None:
            made.calls.append(key["scan_id"])
            made.behave(key)
            self.insert1({**key, "double": 2 * (Scan & key).fetch1("value")})

    Scan.insert([(number, number / 4) for number in range(10)])
    return SimpleNamespace(Scan=Scan, Stats=Stats, made=made, schema=schema)


def jobs(connection: PostgresConnection, schema: dj.Schema) -> list[dict[str, Any]]:
    """The jobs of a schema."""
    columns = "key::text AS key, status::text AS status, error_message AS message, error_stack AS stack, pid"
    text = f'SELECT {columns} FROM "{schema.name}"."~jobs" ORDER BY "_number"'
    found: list[dict[str, Any]] = connection.query(text).to_pylist()
    return found


def entered(pipeline: SimpleNamespace) -> None:
    """Have all keys in the queue, and none made."""
    table = pipeline.Stats()
    pipeline.Stats.declare()
    ensure_queue(table.schema.writable(), table.schema)
    refresh(table)


def test_every_key_is_made_out_of_the_queue(pipeline: SimpleNamespace, connection: PostgresConnection) -> None:
    """In the order of the keys; nothing is left in the queue, and no worker."""
    found = pipeline.Stats.populate(reserve_jobs=True)
    assert (found.done, found.skipped, found.failed) == (10, 0, 0)
    assert pipeline.made.calls == list(range(10))
    assert len(pipeline.Stats) == 10
    assert jobs(connection, pipeline.schema) == []
    name = pipeline.schema.name
    assert connection.query(f'SELECT count(*)::int AS n FROM "{name}"."~workers"').to_pylist() == [{"n": 0}]


def test_what_failed_is_kept_and_passed_over(pipeline: SimpleNamespace, connection: PostgresConnection) -> None:
    """An error is in the queue with message and stack, and its key is not made until the job is cleared."""

    def behave(key: dict[str, Any]) -> None:
        if key["scan_id"] in (3, 7):
            raise ValueError(f"no scan {key['scan_id']}\0")

    pipeline.made.behave = behave
    found = pipeline.Stats.populate(reserve_jobs=True, suppress_errors=True)
    assert (found.done, found.failed) == (8, 2)
    kept = jobs(connection, pipeline.schema)
    assert [(job["status"], job["message"]) for job in kept] == [
        ("error", "ValueError: no scan 3\\0"),
        ("error", "ValueError: no scan 7\\0"),
    ]
    assert "in behave" in kept[0]["stack"]
    assert kept[0]["pid"] > 0
    pipeline.made.behave = lambda _: None
    assert pipeline.Stats.populate(reserve_jobs=True).done == 0
    connection.execute(f'DELETE FROM "{pipeline.schema.name}"."~jobs"')
    assert pipeline.Stats.populate(reserve_jobs=True).done == 2


def test_an_error_that_is_raised_gives_the_rest_back(pipeline: SimpleNamespace, connection: PostgresConnection) -> None:
    """Without suppress_errors the first one ends it: its job says so, and the others are pending."""

    def behave(key: dict[str, Any]) -> None:
        if key["scan_id"] == 6:
            raise ZeroDivisionError("six")

    pipeline.made.behave = behave
    with pytest.raises(ZeroDivisionError, match="six"):
        pipeline.Stats.populate(reserve_jobs=True)
    assert [job["status"] for job in jobs(connection, pipeline.schema)] == ["error", "pending", "pending", "pending"]
    assert len(pipeline.Stats) == 6


def test_a_make_that_passes_over_an_error_is_an_error_of_the_job(
    pipeline: SimpleNamespace, connection: PostgresConnection
) -> None:
    """Its transaction cannot be committed, and the job tells."""

    def behave(key: dict[str, Any]) -> None:
        if key["scan_id"] == 0:
            with contextlib.suppress(dj.errors.DjarrowError):
                connection.query("SELECT 1 / 0")

    pipeline.made.behave = behave
    found = pipeline.Stats.populate(reserve_jobs=True, suppress_errors=True)
    assert (found.done, found.failed) == (9, 1)
    assert isinstance(found.failures[0].error, (MakeError, dj.errors.TransactionError))
    assert [job["status"] for job in jobs(connection, pipeline.schema)] == ["error"]
    assert len(pipeline.Stats) == 9


def test_workers_at_once_share_the_keys(pipeline: SimpleNamespace, connection: PostgresConnection) -> None:
    """Eight threads make each key once, whoever has it."""
    pipeline.Scan.insert([(number, 0.5) for number in range(10, 200)])
    pipeline.Stats.declare()
    entered(pipeline)
    results: list[Any] = []

    def work() -> None:
        results.append(pipeline.Stats.populate(reserve_jobs=True))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(found.done for found in results) == 200
    assert sum(found.failed for found in results) == 0
    assert sorted(pipeline.made.calls) == list(range(200))
    assert jobs(connection, pipeline.schema) == []


def test_restrictions_priority_limit_and_order(pipeline: SimpleNamespace, connection: PostgresConnection) -> None:
    """Only the jobs asked for are taken."""
    Stats = pipeline.Stats
    assert Stats.populate("scan_id in (2, 5)", reserve_jobs=True).done == 2
    assert pipeline.made.calls == [2, 5]
    assert Stats.populate(reserve_jobs=True, limit=3, order="reverse").done == 3
    assert pipeline.made.calls[2:] == [9, 8, 7]
    connection.execute(f'UPDATE "{pipeline.schema.name}"."~jobs" SET priority = 9 WHERE key @> \'{{"scan_id": 0}}\'')
    assert Stats.populate(reserve_jobs=True, priority=5).done == 4
    assert [job["key"] for job in jobs(connection, pipeline.schema)] == ['{"scan_id": 0}']
    connection.execute(f'UPDATE "{pipeline.schema.name}"."~jobs" SET scheduled = now() + interval \'1 hour\'')
    assert Stats.populate(reserve_jobs=True).done == 0
    for wrong in ({"order": "up"}, {"limit": -1}, {"max_calls": 1.5}, {"priority": 3}):
        with pytest.raises(InvalidCondition):
            Stats.populate(**wrong)


def test_pending_jobs_whose_keys_went_are_struck_off(pipeline: SimpleNamespace, connection: PostgresConnection) -> None:
    """A refresh adds what is missing, and removes what is made, or is no key any more."""
    entered(pipeline)
    (pipeline.Scan & "scan_id = 4").delete(prompt=False)
    pipeline.Stats.populate("scan_id = 5")
    assert refresh(pipeline.Stats()) == (0, 2)
    assert len(jobs(connection, pipeline.schema)) == 8


def test_a_key_that_goes_while_its_job_is_pending_is_no_error(
    pipeline: SimpleNamespace, connection: PostgresConnection
) -> None:
    """Its make fails for want of the row, and its job leaves the queue; an error of a key that is there stays."""

    def behave(key: dict[str, Any]) -> None:
        if key["scan_id"] == 0:
            other = threading.Thread(target=lambda: (pipeline.Scan & "scan_id in (4, 5)").delete(prompt=False))
            other.start()
            other.join()
        if key["scan_id"] == 6:
            raise ValueError("six")

    pipeline.made.behave = behave
    with dj.config.override(jobs__keep_completed=True):
        found = pipeline.Stats.populate(reserve_jobs=True, suppress_errors=True)
    assert (found.done, found.skipped, found.failed) == (7, 2, 1)
    kept = {job["key"]: job["status"] for job in jobs(connection, pipeline.schema)}
    assert kept == {f'{{"scan_id": {n}}}': "error" if n == 6 else "success" for n in (0, 1, 2, 3, 6, 7, 8, 9)}


def test_workers_that_begin_together_enter_the_keys_once(pipeline: SimpleNamespace) -> None:
    """Where the queue has keys to be made now, a worker that begins takes them and looks for no more."""
    table = pipeline.Stats()
    pipeline.Stats.populate(reserve_jobs=True, max_calls=1)
    pipeline.Scan.insert1((20, 1.0))
    assert refresh(table, unless_pending=True) is None
    pipeline.schema.jobs.schedule(delay=3600)
    assert refresh(table, unless_pending=True) == (1, 0)


def test_keys_of_every_type_come_back_as_they_were(schema: dj.Schema) -> None:
    """The queue keeps keys as documents, and gives them back in the types of the attributes."""

    @schema
    class Thing(dj.Manual):
        definition = """
        name : varchar(40)
        number : decimal(8,3)
        mark : uuid
        day : date
        moment : timestamp
        flag : bool
        kind : enum('it''s', 'b"')
        big : int64
        """

    seen = []

    @schema
    class Made(dj.Computed):
        definition = "-> Thing\n---"

        def make(self, key: dict[str, Any]) -> None:
            seen.append(key)
            self.insert1(key)

    rows = [
        {
            "name": name,
            "number": decimal.Decimal("-12345.670"),
            "mark": uuid.UUID(int=7),
            "day": datetime.date(1, 2, 3),
            "moment": datetime.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=datetime.UTC),
            "flag": True,
            "kind": 'b"',
            "big": -(2**63),
        }
        for name in ("", "quote ' \" \\ %", "é😀", "null")
    ]
    Thing.insert(rows)
    assert Made.populate(reserve_jobs=True).done == 4
    assert sorted(seen, key=lambda key: key["name"]) == sorted(Thing.to_dicts(), key=lambda key: key["name"])
    assert Made.populate(reserve_jobs=True).done == 0


def test_a_key_of_no_attributes(schema: dj.Schema) -> None:
    """A table of one row at most has one job."""

    @schema
    class Total(dj.Computed):
        definition = "---\nn : int32"

        @property
        def key_source(self) -> Any:
            return Unit

        def make(self, key: dict[str, Any]) -> None:
            self.insert1({"n": 1})

    @schema
    class Unit(dj.Manual):
        definition = "---\nx : int32"

    Unit.insert1({"x": 1})
    assert Total.populate(reserve_jobs=True).done == 1
    assert Total.populate(reserve_jobs=True).done == 0


# --- leases ----------------------------------------------------------------------------------------------------------


def test_a_lost_lease_cannot_commit(pipeline: SimpleNamespace, connection: PostgresConnection) -> None:
    """While one worker was away, another took its lease for over and made the key: the first gets LeaseLost."""
    name = pipeline.schema.name
    others: list[Any] = []

    def behave(key: dict[str, Any]) -> None:
        if key["scan_id"] == 0 and not others:
            others.append(None)  # the second worker comes by here, too
            expire = threading.Thread(
                target=lambda: connection.execute(f'UPDATE "{name}"."~workers" SET expires = now() - interval \'1 s\'')
            )
            expire.start()
            expire.join()
            second = threading.Thread(target=lambda: others.append(pipeline.Stats.populate(reserve_jobs=True)))
            second.start()
            second.join()

    pipeline.made.behave = behave
    with pytest.raises(LeaseLost):
        pipeline.Stats.populate(reserve_jobs=True)
    assert others[1].done == 10
    assert pipeline.made.calls.count(0) == 2
    assert len(pipeline.Stats) == 10
    makes = connection.query(f'SELECT count(*)::int AS n FROM "{name}"."~makes"').to_pylist()
    assert makes == [{"n": 10}]


def test_a_dead_workers_keys_return(pipeline: SimpleNamespace, connection: PostgresConnection) -> None:
    """They are pending again once the lease is over, and not before."""
    entered(pipeline)
    table = pipeline.Stats()
    with dj.config.override(**{"jobs.lease": 0.5, "jobs.heartbeat": 100}):
        lease = Lease(connection, pipeline.schema.name)
        lease.__enter__()
    queue = Queue(table, table.key_source.heading, lease)
    assert len(queue.reserve(4)) == 4
    assert pipeline.Stats.populate(reserve_jobs=True).done == 6
    time.sleep(0.6)
    assert pipeline.Stats.populate(reserve_jobs=True).done == 4
    lease.__exit__(None, None, None)


def test_a_lease_is_prolonged(pipeline: SimpleNamespace) -> None:
    """A make that takes several leases keeps its key, because the heart beats."""
    pipeline.made.behave = lambda key: time.sleep(0.7) if key["scan_id"] == 0 else None
    with dj.config.override(**{"jobs.lease": 0.3}):
        found = pipeline.Stats.populate(reserve_jobs=True)
    assert (found.done, found.failed) == (10, 0)


def test_a_sign_of_life_that_fails_is_told_once(pipeline: SimpleNamespace, connection: PostgresConnection) -> None:
    """With the reason, and once that it is back; the thread goes on, also where telling raises."""
    entered(pipeline)
    name = pipeline.schema.name
    told: list[str] = []

    def tell(text: str) -> None:
        told.append(text)
        raise ValueError(text)

    def until(number: int) -> None:
        end = time.monotonic() + 30
        while len(told) < number:
            assert time.monotonic() < end, told
            time.sleep(0.02)

    with dj.config.override(**{"jobs.heartbeat": 0.05}), Lease(connection, name, tell) as lease:
        for number in (1, 3):
            connection.execute(f'ALTER TABLE "{name}"."~workers" RENAME TO "away"')
            until(number)
            time.sleep(0.3)  # others fail
            connection.execute(f'ALTER TABLE "{name}"."away" RENAME TO "~workers"')
            until(number + 1)
        time.sleep(0.3)
        assert not lease.lost
    failed, back = told[:2]
    assert failed.startswith(f"the sign of life of this worker of '{name}' failed, and is tried again every 0.05 s.")
    assert "MissingTable: " in failed
    assert back == f"the sign of life of this worker of '{name}' has arrived again."
    assert told[2:] == [failed, back]


def test_a_sign_of_life_that_fails_is_a_warning(pipeline: SimpleNamespace, connection: PostgresConnection) -> None:
    """Where nobody else is to be told."""

    def behave(key: dict[str, Any]) -> None:
        if key["scan_id"] == 0:
            time.sleep(1)

    entered(pipeline)
    pipeline.made.behave = behave
    function, workers = f'"{pipeline.schema.name}".refuse()', f'"{pipeline.schema.name}"."~workers"'
    body = "$$ BEGIN RAISE 'no signs today'; END $$"
    connection.execute(f"CREATE FUNCTION {function} RETURNS trigger LANGUAGE plpgsql AS {body}")
    connection.execute(f"CREATE TRIGGER refuse BEFORE UPDATE ON {workers} EXECUTE FUNCTION {function}")
    try:
        with dj.config.override(**{"jobs.heartbeat": 0.05}), pytest.warns(LeaseWarning, match="no signs today") as told:
            assert pipeline.Stats.populate(reserve_jobs=True).done == 10
        assert len(told) == 1
    finally:
        connection.execute(f"DROP FUNCTION {function} CASCADE")


def test_a_key_that_is_gone_is_no_error(pipeline: SimpleNamespace, connection: PostgresConnection) -> None:
    """What it was to be made of was deleted after it was entered: the job goes, and nothing is told to have failed."""
    entered(pipeline)
    (pipeline.Scan & "scan_id = 4").delete(prompt=False)
    found = pipeline.Stats.populate(reserve_jobs=True)
    assert (found.done, found.skipped, found.failed) == (9, 1, 0)
    assert jobs(connection, pipeline.schema) == []


def test_an_interrupted_job_is_given_back(pipeline: SimpleNamespace, connection: PostgresConnection) -> None:
    """Ctrl-C in a make: its key is pending at once, as those that were not come to."""

    def behave(key: dict[str, Any]) -> None:
        if key["scan_id"] == 6:
            raise KeyboardInterrupt

    pipeline.made.behave = behave
    with pytest.raises(KeyboardInterrupt):
        pipeline.Stats.populate(reserve_jobs=True, suppress_errors=True)
    assert [job["status"] for job in jobs(connection, pipeline.schema)] == ["pending"] * 4
    assert len(pipeline.Stats) == 6


@pytest.mark.parametrize("together", [0, 0.1])
def test_a_key_takes_four_statements_at_most(
    pipeline: SimpleNamespace, connection: PostgresConnection, together: float
) -> None:
    """As the server logs them, reserving included; the read and the insert of the make itself are not the queue's."""
    keys = 200
    pipeline.Scan.insert([(number, number / 4) for number in range(10, keys)])
    entered(pipeline)
    log = Path(str(connection.query("SELECT current_setting('data_directory')").column(0)[0])).parent / LOG_FILE
    connection.execute("SET log_statement = 'all'")
    before = log.stat().st_size
    with dj.config.override(jobs__together=together):
        assert pipeline.Stats.populate(reserve_jobs=True).done == keys
    statements = re.findall(r"LOG:  (?:statement|execute [^:]*): (\w+)", log.read_bytes()[before:].decode())
    connection.execute("RESET log_statement")
    own = 2 * keys if not together else 0
    assert 0 < len(statements) - own <= 4 * keys
