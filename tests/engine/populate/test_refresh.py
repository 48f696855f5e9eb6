"""populate(refresh_stale=True): a stale result and what depends on it go in the transaction that makes it anew."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import RefreshRefused
from djarrow.jobs.queue import refresh

from ...described import drop_schemas


@pytest.fixture
def second(connection: PostgresConnection, schema: dj.Schema) -> Iterator[dj.Schema]:
    """Another schema, dropped before the first one."""
    made = dj.Schema(f"{schema.name}b", connection=connection)
    yield made
    drop_schemas(connection, made.name)


@pytest.fixture
def pipeline(schema: dj.Schema, second: dj.Schema) -> SimpleNamespace:
    """Scan (4 rows), Stats of it with its part Bin, and More of that in another schema, with a part of its own."""

    @schema
    class Scan(dj.Manual):
        definition = "scan_id : uint8\n---\nvalue : float64"

    made = SimpleNamespace(calls=[], behave=lambda key: None)

    @schema
    class Stats(dj.Computed):
        definition = "-> Scan\n---\ndouble : float64"

        class Bin(dj.Part):
            definition = "-> master\nbin : uint8\n---"

        def make(self, key: dict[str, Any]) -> None:
            made.calls.append(key["scan_id"])
            self.insert1({**key, "double": 2 * (Scan & key).fetch1("value")})
            self.Bin.insert([{**key, "bin": number} for number in range(2)])
            made.behave(key)

    @second
    class More(dj.Computed):
        definition = "-> Stats\n---\nmore : float64"

        class Item(dj.Part):
            definition = "-> master\n-> Stats.Bin\n---"

        def make(self, key: dict[str, Any]) -> None:
            self.insert1({**key, "more": 1 + (Stats & key).fetch1("double")})
            self.Item.insert((Stats.Bin & key).to_dicts("scan_id", "bin"))

    Scan.insert([(number, number / 4) for number in range(4)])
    Stats.populate()
    More.populate()
    made.calls.clear()
    return SimpleNamespace(Scan=Scan, Stats=Stats, More=More, made=made, schema=schema, second=second)


def ids(query: Any) -> list[int]:
    """The scans of a query."""
    return [row["scan_id"] for row in query.to_dicts()]


def correct(pipeline: SimpleNamespace, *numbers: int, value: float = 9.0) -> None:
    """Change the value of these scans."""
    for number in numbers:
        pipeline.Scan.update1({"scan_id": number, "value": value})


@pytest.mark.parametrize("reserve_jobs", [False, True])
def test_stale_results_are_replaced(
    pipeline: SimpleNamespace, connection: PostgresConnection, reserve_jobs: bool
) -> None:
    """They alone, with what is missing; what depends on them is gone until its own populate."""
    correct(pipeline, 1, 2)
    pipeline.Scan.insert1((7, 1.0))
    found = pipeline.Stats.populate(refresh_stale=True, reserve_jobs=reserve_jobs)
    assert (found.done, found.skipped, found.failed, found.waiting) == (3, 0, 0, 0)
    assert sorted(pipeline.made.calls) == [1, 2, 7]
    assert (pipeline.Stats & [{"scan_id": 1}, {"scan_id": 3}]).to_dicts("double") == [{"double": 18.0}, {"double": 1.5}]
    assert len(pipeline.Stats.Bin) == 10
    assert len(pipeline.Stats.stale()) == 0
    assert ids(pipeline.More) == [0, 3]
    assert len(pipeline.More.Item) == 4
    assert pipeline.More.populate(refresh_stale=True, reserve_jobs=reserve_jobs).done == 3
    assert len(pipeline.More.stale()) == 0
    assert pipeline.Stats.populate(refresh_stale=True, reserve_jobs=reserve_jobs).done == 0
    if reserve_jobs:
        for each in (pipeline.schema, pipeline.second):
            text = f'SELECT (SELECT count(*) FROM "{each.name}"."~jobs")::int AS jobs, '
            text += f'(SELECT count(*) FROM "{each.name}"."~workers")::int AS workers'
            assert connection.query(text).to_pylist() == [{"jobs": 0, "workers": 0}]


def test_without_it_they_stay(pipeline: SimpleNamespace) -> None:
    """A populate that is not told to replace makes what is missing only."""
    correct(pipeline, 1)
    assert pipeline.Stats.populate().done == 0
    assert ids(pipeline.Stats.stale()) == [1]


def test_accepted_results_stay(pipeline: SimpleNamespace) -> None:
    """What was accepted is not replaced."""
    correct(pipeline, 1, 2)
    pipeline.Stats.accept("scan_id = 1")
    assert pipeline.Stats.populate(refresh_stale=True).done == 1
    assert pipeline.made.calls == [2]


def test_restrictions_and_limits(pipeline: SimpleNamespace) -> None:
    """Restrictions, max_calls and order count for stale keys as for missing ones."""
    correct(pipeline, 0, 1, 2, 3)
    assert pipeline.Stats.populate("scan_id > 0", refresh_stale=True, max_calls=2, order="reverse").done == 2
    assert pipeline.made.calls == [3, 2]
    assert pipeline.Stats.populate("scan_id > 0", refresh_stale=True, reserve_jobs=True).done == 1
    assert ids(pipeline.Stats.stale()) == [0]


def test_upstream_goes_first(pipeline: SimpleNamespace) -> None:
    """A result of a stale one is not made again from that: it waits, and is told."""
    correct(pipeline, 1, 2)
    found = pipeline.More.populate(refresh_stale=True)
    assert (found.done, found.waiting) == (0, 2)
    assert len(pipeline.More) == 4
    pipeline.Stats.populate(refresh_stale=True)
    found = pipeline.More.populate(refresh_stale=True)
    assert (found.done, found.waiting) == (2, 0)
    assert pipeline.More.to_dicts("more") == [{"more": 1.0}, {"more": 19.0}, {"more": 19.0}, {"more": 2.5}]


def test_a_failing_make_keeps_the_old_rows(pipeline: SimpleNamespace) -> None:
    """They and all that depends on them stay, and are stale."""
    correct(pipeline, 1, 2)

    def behave(key: dict[str, Any]) -> None:
        if key["scan_id"] == 1:
            raise ZeroDivisionError

    pipeline.made.behave = behave
    before = pipeline.More.provenance().to_dicts()[:2]
    found = pipeline.Stats.populate(refresh_stale=True, suppress_errors=True)
    assert (found.done, [failure.key for failure in found.failures]) == (1, [{"scan_id": 1}])
    assert pipeline.Stats.to_dicts("double")[:3] == [{"double": 0.0}, {"double": 0.5}, {"double": 18.0}]
    assert ids(pipeline.Stats.stale()) == [1]
    assert pipeline.More.provenance().to_dicts()[:2] == before
    assert len(pipeline.Stats.Bin & "scan_id = 1") == 2
    with pytest.raises(ZeroDivisionError):
        pipeline.Stats.populate(refresh_stale=True, reserve_jobs=True)
    assert ids(pipeline.Stats.stale()) == [1]
    assert len(pipeline.More) == 3


def test_rows_entered_by_hand_are_not_lost(pipeline: SimpleNamespace) -> None:
    """A stale result that such rows depend on, directly or not, stays with them; the refusal says which."""

    @pipeline.second
    class Note(dj.Manual):
        definition = "-> pipeline.More\n---\ntext : varchar(20)"

    Note.insert1((1, "by hand"))
    correct(pipeline, 1, 2)
    found = pipeline.Stats.populate(refresh_stale=True, suppress_errors=True)
    assert found.done == 1
    (failure,) = found.failures
    assert isinstance(failure.error, RefreshRefused)
    assert f"1 of {pipeline.second.name}.note" in str(failure.error)
    assert (len(Note), ids(pipeline.Stats.stale()), ids(pipeline.More)) == (1, [1], [0, 1, 3])
    Note.delete(prompt=False)
    assert pipeline.Stats.populate(refresh_stale=True).done == 1


def test_masters_of_parts_that_depend(pipeline: SimpleNamespace, schema: dj.Schema) -> None:
    """A result whose part depends on the stale one goes with it; a group that was entered by hand is not lost."""

    @schema
    class Group(dj.Computed):
        definition = "-> pipeline.Scan.proj(first='scan_id')\n---"

        class Member(dj.Part):
            definition = "-> master\n-> pipeline.Stats\n---"

        def make(self, key: dict[str, Any]) -> None:
            self.insert1(key)
            if key["first"] < 2:
                self.Member.insert([{**key, "scan_id": number} for number in (key["first"], 3)])

    Group.populate()
    correct(pipeline, 1)
    assert pipeline.Stats.populate(refresh_stale=True).done == 1
    assert [row["first"] for row in Group.to_dicts()] == [0, 2, 3]
    assert len(Group.Member) == 2
    Group.populate(refresh_stale=True)
    assert len(Group.stale()) == 0

    @schema
    class Set(dj.Manual):
        definition = "name : varchar(9)\n---"

        class Member(dj.Part):
            definition = "-> master\n-> pipeline.Stats\n---"

    Set.insert1(("mine",))
    Set.Member.insert1(("mine", 2))
    correct(pipeline, 2)
    with pytest.raises(RefreshRefused, match=r"1 of .*set, 1 of .*set__member"):
        pipeline.Stats.populate(refresh_stale=True)
    assert (len(Set), len(Set.Member), ids(pipeline.Stats.stale())) == (1, 1, [2])


def test_forms_in_parts(schema: dj.Schema) -> None:
    """Results of make_fetch, make_compute and make_insert, and of generators, are replaced in the same way."""

    @schema
    class Scan(dj.Manual):
        definition = "scan_id : uint8\n---\nvalue : float64"

    @schema
    class Split(dj.Computed):
        definition = "-> Scan\n---\ndouble : float64"

        def make_fetch(self, key: dict[str, Any]) -> Any:
            return (Scan & key).fetch1("value")

        def make_compute(self, key: dict[str, Any], value: float) -> float:
            return 2 * value

        def make_insert(self, key: dict[str, Any], fetched: float, computed: float) -> None:
            self.insert1({**key, "double": computed})

    @schema
    class Stepwise(dj.Computed):
        definition = "-> Scan\n---\ndouble : float64"

        def make(self, key: dict[str, Any]) -> Iterator[Any]:
            value = yield (Scan & key).fetch1("value") or None
            value = (Scan & key).fetch1("value")
            yield
            self.insert1({**key, "double": 2 * value})

    Scan.insert([(1, 1.0), (2, 2.0)])
    for table in (Split, Stepwise):
        table.populate()
    Scan.update1({"scan_id": 2, "value": 5.0})
    for table in (Split, Stepwise):
        assert table.populate(refresh_stale=True).done == 1
        assert table.to_dicts("double") == [{"double": 2.0}, {"double": 10.0}]
        assert len(table.stale()) == 0


def test_a_key_source_of_fewer_attributes(schema: dj.Schema) -> None:
    """All rows of a key are replaced where one of them is stale."""

    @schema
    class Scan(dj.Manual):
        definition = "scan_id : uint8\n---\nvalue : float64"

    @schema
    class Method(dj.Manual):
        definition = "method : uint8\n---\nfactor : float64"

    calls = []

    @schema
    class Both(dj.Computed):
        definition = "-> Scan\n-> Method\n---\nresult : float64"

        @property
        def key_source(self) -> Any:
            return Scan.proj()

        def make(self, key: dict[str, Any]) -> None:
            calls.append(key["scan_id"])
            value = (Scan & key).fetch1("value")
            self.insert([{**key, "method": m["method"], "result": value * m["factor"]} for m in Method.to_dicts()])

    Scan.insert([(1, 1.0), (2, 2.0)])
    Method.insert([(1, 1.0), (2, 2.0)])
    Both.populate()
    Scan.update1({"scan_id": 2, "value": 5.0})
    assert Both.stale().to_dicts() == [{"scan_id": 2, "method": 1}, {"scan_id": 2, "method": 2}]
    assert Both.populate(refresh_stale=True).done == 1
    Method.update1({"method": 2, "factor": 3.0})
    assert Both.populate(refresh_stale=True).done == 2
    assert Both.to_dicts("result") == [{"result": 1.0}, {"result": 3.0}, {"result": 5.0}, {"result": 15.0}]
    assert calls == [1, 2, 2, 1, 2]


@pytest.mark.parametrize("reserve_jobs", [False, True])
def test_two_that_replace_at_once(pipeline: SimpleNamespace, reserve_jobs: bool) -> None:
    """Each stale key is made anew once, and neither populate fails."""
    correct(pipeline, 0, 1, 2, 3)
    together = threading.Barrier(2, timeout=20)

    def run(_: int) -> Any:
        together.wait()
        return pipeline.Stats.populate(refresh_stale=True, reserve_jobs=reserve_jobs)

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(run, range(2)))
    assert sum(one.done for one in found) == 4
    assert [one.failures for one in found] == [(), ()]
    assert (len(pipeline.Stats), len(pipeline.Stats.Bin), len(pipeline.Stats.stale())) == (4, 8, 0)


def test_one_that_was_replaced_meanwhile(pipeline: SimpleNamespace) -> None:
    """A key that another process made anew since the keys were listed is skipped, without a call of make."""
    correct(pipeline, 1, 2)
    other: list[Any] = []

    def behave(key: dict[str, Any]) -> None:
        if key["scan_id"] == 1 and not other:
            other.append(None)
            thread = threading.Thread(
                target=lambda: other.append(pipeline.Stats.populate("scan_id = 2", refresh_stale=True))
            )
            thread.start()
            thread.join(20)

    pipeline.made.behave = behave
    found = pipeline.Stats.populate(refresh_stale=True)
    assert other[1].done == 1
    assert (found.done, found.skipped) == (1, 1)
    assert pipeline.made.calls == [1, 2]


def test_a_change_while_it_is_replaced(pipeline: SimpleNamespace) -> None:
    """A change that comes after the new make has read is not lost: the new result is stale."""
    correct(pipeline, 1)
    pipeline.made.behave = lambda key: run(lambda: correct(pipeline, 1, value=10.0))

    def run(action: Callable[[], None]) -> None:
        thread = threading.Thread(target=action)
        thread.start()
        thread.join(20)
        assert not thread.is_alive()

    assert pipeline.Stats.populate(refresh_stale=True).done == 1
    assert ids(pipeline.Stats.stale()) == [1]
    pipeline.made.behave = lambda key: None
    assert pipeline.Stats.populate(refresh_stale=True).done == 1
    assert (pipeline.Stats & "scan_id = 1").fetch1("double") == 20.0


def test_stale_keys_in_the_queue(pipeline: SimpleNamespace, connection: PostgresConnection) -> None:
    """They are entered with the missing ones, and those that do not need it any more are struck off."""
    pipeline.Stats.populate(reserve_jobs=True)
    correct(pipeline, 1, 2)
    assert refresh(pipeline.Stats(), refresh_stale=True) == (2, 0)
    assert refresh(pipeline.Stats(), refresh_stale=True) == (0, 0)
    pipeline.Stats.accept("scan_id = 1")
    assert refresh(pipeline.Stats(), refresh_stale=True) == (0, 1)
    assert pipeline.Stats.populate(refresh_stale=True, reserve_jobs=True).done == 1
    assert pipeline.made.calls == [2]


def test_a_job_of_a_result_that_holds(pipeline: SimpleNamespace, connection: PostgresConnection) -> None:
    """A key that was accepted since it was entered is taken out of the queue, and not made."""
    pipeline.Stats.populate(reserve_jobs=True)
    correct(pipeline, 1)
    assert refresh(pipeline.Stats(), refresh_stale=True) == (1, 0)
    pipeline.Stats.accept()
    from djarrow.jobs.options import Options
    from djarrow.jobs.populate import populate

    found = populate(pipeline.Stats(), (), Options(reserve_jobs=True, refresh=False, refresh_stale=True))
    assert (found.done, found.skipped) == (0, 1)
    assert connection.query(f'SELECT * FROM "{pipeline.schema.name}"."~jobs"').to_pylist() == []


def test_corrections_makes_and_refreshes_at_once(pipeline: SimpleNamespace) -> None:
    """While inputs are corrected, results are replaced and others made from them: no error, and in the end all hold."""
    over = threading.Event()

    def correcting() -> None:
        for number in range(60):
            correct(pipeline, number % 4, value=float(number))

    def refreshing() -> int:
        done = 0
        while not over.is_set():
            done += pipeline.Stats.populate(refresh_stale=True).done
        return done

    def making() -> int:
        done = 0
        while not over.is_set():
            done += pipeline.More.populate(refresh_stale=True).done
        return done

    with ThreadPoolExecutor(4) as pool:
        working = [pool.submit(work) for work in (refreshing, refreshing, making)]
        try:
            pool.submit(correcting).result(60)
        finally:
            over.set()
        assert all(one.result(60) > 0 for one in working)
    for table in (pipeline.Stats, pipeline.More):
        table.populate(refresh_stale=True)
        assert len(table.stale()) == 0
    expected = [1 + 2 * value for value in pipeline.Scan.fetch("value").tolist()]
    assert [row["more"] for row in pipeline.More.to_dicts("more")] == expected
    assert len(pipeline.More.Item) == 8
