"""Makes that take little time share a transaction: nothing but the time shows it. docs/computing.md."""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import DuplicateKey, EngineError, LeaseLost, MakeError, MissingParent, StrictReadError

from .sharing import KEYS, declare, together, transactions


@pytest.fixture
def pipeline(schema: dj.Schema) -> SimpleNamespace:
    """Scan with notes, and Stats."""
    return declare(schema)


@pytest.mark.parametrize(("reserve_jobs", "sizes"), [(False, [1, 20, 19]), (True, [1, 4, 16, 19])])
def test_small_makes_share_transactions(
    pipeline: SimpleNamespace, connection: PostgresConnection, reserve_jobs: bool, sizes: list[int]
) -> None:
    """Their number grows from one; each key is made once, and has a make of its own in the provenance."""
    with together():
        found = pipeline.Stats.populate(reserve_jobs=reserve_jobs)
    assert (found.done, found.failed, found.skipped) == (KEYS, 0, 0)
    assert transactions(connection, pipeline.Stats) == sizes
    assert sorted(pipeline.made.calls) == list(range(KEYS))
    assert pipeline.Stats.to_dicts() == [{"scan": n, "double": 2 * n * n} for n in range(KEYS)]
    kept = pipeline.Stats.provenance().to_polars()
    assert kept["scan"].n_unique() == KEYS
    numbers = connection.query(f'SELECT count(DISTINCT "_make") AS n FROM {pipeline.Stats().full_table_name}')
    assert numbers.column("n")[0].as_py() == KEYS
    assert (kept["keys"] == 1).all()
    assert (kept["duration"] >= 0).all()
    ordered = kept.sort("scan")["started"].to_list()
    assert ordered == sorted(ordered)


def test_without_the_setting_each_has_its_own(pipeline: SimpleNamespace, connection: PostgresConnection) -> None:
    """0 seconds."""
    with together(0):
        pipeline.Stats.populate()
    assert transactions(connection, pipeline.Stats) == [1] * KEYS


def test_long_makes_have_their_own(pipeline: SimpleNamespace, connection: PostgresConnection) -> None:
    """What is made stays visible as it comes: a long make ends the transaction of those before it."""
    seen: dict[str, int] = {}

    def make(table: Any, key: dict[str, Any]) -> None:
        if key["scan"] in (12, 13):
            time.sleep(0.3)
        if key["scan"] == 14:
            query = f"SELECT count(*) AS n FROM {table.full_table_name}"
            other = threading.Thread(target=lambda: seen.update(n=connection.query(query).column("n")[0].as_py()))
            other.start()
            other.join()
        pipeline.insert(table, key, pipeline.Scan)

    pipeline.made.make = make
    with together(0.1):
        pipeline.Stats.populate()
    assert seen["n"] >= 13
    assert len(pipeline.Stats()) == KEYS


@pytest.mark.parametrize("reserve_jobs", [False, True])
def test_a_make_that_fails_leaves_the_others(pipeline: SimpleNamespace, reserve_jobs: bool) -> None:
    """Its rows, which had not gone up, are forgotten; no make is called twice."""

    def make(table: Any, key: dict[str, Any]) -> None:
        pipeline.Note.insert1({**key, "text": "seen"})
        pipeline.insert(table, key, pipeline.Scan)
        table.Item.insert([{**key, "item": 1}])
        if key["scan"] % 7 == 3:
            raise ValueError(key["scan"])

    pipeline.made.make = make
    with together():
        found = pipeline.Stats.populate(reserve_jobs=reserve_jobs, suppress_errors=True)
    bad = [n for n in range(KEYS) if n % 7 == 3]
    assert (found.done, found.failed) == (KEYS - len(bad), len(bad))
    assert [failure.key["scan"] for failure in found.failures] == bad
    assert all(isinstance(failure.error, ValueError) for failure in found.failures)
    assert sorted(pipeline.made.calls) == list(range(KEYS))
    good = [n for n in range(KEYS) if n not in bad]
    for table in (pipeline.Stats, pipeline.Note, pipeline.Stats.Item):
        assert table.to_polars("scan", order_by="KEY")["scan"].to_list() == good
    if reserve_jobs:
        errors = (pipeline.schema.jobs & 'status="error"').to_dicts("key")
        assert sorted(job["key"]["scan"] for job in errors) == bad


def test_the_first_error_ends_it_and_what_was_made_stays(pipeline: SimpleNamespace) -> None:
    """Errors are not suppressed: the error of the make itself is raised, with its key."""

    def make(table: Any, key: dict[str, Any]) -> None:
        if key["scan"] == 23:
            raise ValueError("no")
        pipeline.insert(table, key, pipeline.Scan)

    pipeline.made.make = make
    with together(), pytest.raises(ValueError, match="no") as caught:
        pipeline.Stats.populate()
    assert any("'scan': 23" in note for note in caught.value.__notes__)
    assert pipeline.Stats.to_polars("scan", order_by="KEY")["scan"].to_list() == list(range(23))
    assert pipeline.made.calls == list(range(24))


@pytest.mark.parametrize("reserve_jobs", [False, True])
def test_an_interruption_keeps_what_was_made(pipeline: SimpleNamespace, reserve_jobs: bool) -> None:
    """Ctrl-C in a make: the makes before it are kept, and nothing of its own; the other keys are pending."""

    def make(table: Any, key: dict[str, Any]) -> None:
        pipeline.insert(table, key, pipeline.Scan)
        if key["scan"] == 23:
            raise KeyboardInterrupt

    pipeline.made.make = make
    with together(), pytest.raises(KeyboardInterrupt):
        pipeline.Stats.populate(reserve_jobs=reserve_jobs, suppress_errors=True)
    assert pipeline.Stats.to_polars("scan", order_by="KEY")["scan"].to_list() == list(range(23))
    assert len(pipeline.Stats.provenance()) == 23
    if reserve_jobs:
        assert pipeline.schema.jobs.to_arrays("status").tolist() == ["pending"] * (KEYS - 23)


def test_an_interruption_of_what_has_gone_up_keeps_none_of_it(pipeline: SimpleNamespace) -> None:
    """Half a make is never kept."""

    def make(table: Any, key: dict[str, Any]) -> None:
        pipeline.insert(table, key, pipeline.Scan)
        table.Item.insert(pl.DataFrame({"scan": [key["scan"]] * 30, "item": range(30)}))
        if key["scan"] == 23:
            raise KeyboardInterrupt

    pipeline.made.make = make
    with together(), pytest.raises(KeyboardInterrupt):
        pipeline.Stats.populate()
    kept = pipeline.Stats.to_polars("scan", order_by="KEY")["scan"].to_list()
    assert kept == list(range(len(kept)))
    assert len(kept) <= 23
    assert len(pipeline.Stats.Item) == 30 * len(kept)
    pipeline.made.make = lambda table, key: pipeline.insert(table, key, pipeline.Scan)
    assert pipeline.Stats.populate().done == KEYS - len(kept)


def overflow(scan: Any) -> None:
    """A query that the server cannot answer."""
    scan.proj(x="pow(10, 4000 + scan)").to_dicts()


def refusals(pipeline: SimpleNamespace) -> dict[str, tuple[Callable[[Any, dict[str, Any]], None], type[Exception]]]:
    """What ends a transaction, or leaves no row: what the make of some keys does before, and the error of each."""
    Scan, Note = pipeline.Scan, pipeline.Note

    def duplicate(table: Any, key: dict[str, Any]) -> None:
        pipeline.insert(table, key, Scan)
        pipeline.insert(table, key, Scan)

    def orphan(table: Any, key: dict[str, Any]) -> None:
        table.Item.insert1({**key, "item": 1})
        pipeline.insert(table, {"scan": key["scan"]}, Scan)
        table.Item.insert1({"scan": 1000, "item": 1})

    def fails(table: Any, key: dict[str, Any]) -> None:
        pipeline.insert(table, key, Scan)
        overflow(Scan)

    def after_copy(table: Any, key: dict[str, Any]) -> None:
        pipeline.insert(table, key, Scan)
        table.Item.insert(pl.DataFrame({"scan": [key["scan"]] * 30, "item": range(30)}))
        raise ValueError("after")

    def passed_over(table: Any, key: dict[str, Any]) -> None:
        pipeline.insert(table, key, Scan)
        with contextlib.suppress(EngineError):
            overflow(Scan)

    def nothing(table: Any, key: dict[str, Any]) -> None:
        Note.insert1({**key, "text": "nothing"})

    return {
        "duplicate": (duplicate, DuplicateKey),
        "orphan": (orphan, MissingParent),
        "fails": (fails, EngineError),
        "after copy": (after_copy, ValueError),
        "passed over": (passed_over, MakeError),
        "nothing": (nothing, MakeError),
    }


@pytest.mark.parametrize("reserve_jobs", [False, True])
@pytest.mark.parametrize("what", ["duplicate", "orphan", "fails", "after copy", "passed over", "nothing"])
def test_what_cannot_be_undone_alone_is_made_alone(pipeline: SimpleNamespace, what: str, reserve_jobs: bool) -> None:
    """The others' makes are called again, and the error is that of its own key."""
    bad = (6, 17)
    wrong, error = refusals(pipeline)[what]

    def make(table: Any, key: dict[str, Any]) -> None:
        if key["scan"] in bad:
            wrong(table, key)
        else:
            pipeline.insert(table, key, pipeline.Scan)

    pipeline.made.make = make
    with together(), dj.config.override(strict_reads="off"):
        found = pipeline.Stats.populate(suppress_errors=True, reserve_jobs=reserve_jobs)
    assert (found.done, found.failed, found.skipped) == (KEYS - len(bad), len(bad), 0)
    assert [failure.key["scan"] for failure in found.failures] == list(bad)
    assert all(isinstance(failure.error, error) for failure in found.failures), found.failures
    good = [n for n in range(KEYS) if n not in bad]
    assert pipeline.Stats.to_polars("scan", order_by="KEY")["scan"].to_list() == good
    assert not pipeline.Note()
    assert not pipeline.Stats.Item()
    assert len(pipeline.Stats.provenance()) == len(good)


def test_reads_are_made_of_all_keys_at_once(
    pipeline: SimpleNamespace, connection: PostgresConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What each make reads of its key takes a statement for all that share the transaction."""
    reads = []
    read = PostgresConnection.read

    def counted(self: PostgresConnection, text: str, *, few: bool = False) -> Any:
        reads.append(text)
        return read(self, text, few=few)

    monkeypatch.setattr(PostgresConnection, "read", counted)
    with together():
        pipeline.Stats.populate()
    of_scan = [text for text in reads if '."scan"' in text and '"value"' in text and few_keys(text)]
    assert 2 <= len(of_scan) <= 6  # one of the first key, and one or two for each transaction
    assert pipeline.Stats.to_dicts() == [{"scan": n, "double": 2 * n * n} for n in range(KEYS)]


def few_keys(text: str) -> bool:
    """Whether a text reads values of keys, and not the key source."""
    return "LIMIT 2" in text


def test_a_read_that_fails_for_one_key_fails_for_no_other(pipeline: SimpleNamespace) -> None:
    """The same query of another key has a result that is too large."""

    def make(table: Any, key: dict[str, Any]) -> None:
        x = (pipeline.Scan & key).proj(x="pow(10, if(scan = 20, 4000, 1))").fetch1("x")
        table.insert1({**key, "double": int(x)})

    pipeline.made.make = make
    with together():
        found = pipeline.Stats.populate(suppress_errors=True)
    assert [(f.key["scan"], type(f.error)) for f in found.failures] == [(20, EngineError)]
    assert found.done == KEYS - 1


def test_rows_that_wait_are_seen_by_reads(pipeline: SimpleNamespace) -> None:
    """A make reads what it and those before it have inserted, in every way of reading."""

    def make(table: Any, key: dict[str, Any]) -> None:
        n = key["scan"]
        assert len(pipeline.Note()) == n
        assert len(pipeline.Note & key) == 0
        pipeline.Note.insert1({**key, "text": f"{n}"})
        assert len(pipeline.Note()) == n + 1
        assert (pipeline.Note & key).fetch1("text") == f"{n}"
        assert pipeline.Note.to_polars("scan", order_by="KEY")["scan"].to_list() == list(range(n + 1))
        assert pipeline.Note.to_lazy().filter(pl.col("scan") == n).collect().height == 1
        assert sum(batch.num_rows for batch in pipeline.Note.to_batches()) == n + 1
        assert [row["scan"] for row in pipeline.Note] == list(range(n + 1))
        assert bool(pipeline.Note & key)
        assert table.schema.connection.query(f"SELECT 1 FROM {pipeline.Note().full_table_name}").num_rows == n + 1
        if n:
            assert (table & {"scan": n - 1}).fetch1("double") == n - 1
        table.insert1({**key, "double": n})

    pipeline.made.make = make
    with together(), dj.config.override(strict_reads="off"):
        assert pipeline.Stats.populate().done == KEYS


def test_what_a_make_changes_is_read_anew(pipeline: SimpleNamespace) -> None:
    """update1 and delete in a make: what was read ahead for the others is not theirs any more."""
    pipeline.Note.insert([(n, "old") for n in range(KEYS) if n != 15])
    seen = {}

    def make(table: Any, key: dict[str, Any]) -> None:
        n = key["scan"]
        seen[n] = (pipeline.Note & key).fetch1("text") if pipeline.Note & key else None
        if n == 10:
            pipeline.Note.insert1({"scan": 15, "text": "late"}, skip_duplicates=True)
            (pipeline.Note & {"scan": 16}).delete(prompt=False)
        if n == 20:
            (pipeline.Note & "scan > 30").delete(prompt=False)
            pipeline.Note.update1({"scan": 25, "text": "new"})
        table.insert1({**key, "double": n})

    pipeline.made.make = make
    with together(), dj.config.override(strict_reads="off"):
        assert pipeline.Stats.populate().done == KEYS
    expected: list[str | None] = ["old"] * KEYS
    expected[15:17], expected[25], expected[31:] = ["late", None], "new", [None] * 9
    assert [seen[n] for n in range(KEYS)] == expected


def test_a_key_that_another_makes_meanwhile_is_passed_over(
    pipeline: SimpleNamespace, connection: PostgresConnection
) -> None:
    """Its row comes while the transaction is open: the others are made all the same."""

    def make(table: Any, key: dict[str, Any]) -> None:
        if key["scan"] == 10:
            text = f"INSERT INTO {table.full_table_name} VALUES (12, -1) ON CONFLICT DO NOTHING"
            other = threading.Thread(target=lambda: connection.execute(text))
            other.start()
            other.join()
        pipeline.insert(table, key, pipeline.Scan)

    pipeline.made.make = make
    with together():
        found = pipeline.Stats.populate()
    assert (found.done, found.failed) == (KEYS - 1, 0)
    assert (pipeline.Stats & {"scan": 12}).fetch1("double") == -1


def test_a_lost_lease_loses_its_own_keys_alone(pipeline: SimpleNamespace, connection: PostgresConnection) -> None:
    """One of the jobs is not this worker's any more by the time of the commit: the others are kept."""

    def make(table: Any, key: dict[str, Any]) -> None:
        if key["scan"] == 10:
            queue = f'"{pipeline.schema.name}"."~jobs"'
            text = f"""UPDATE {queue} SET "_token" = gen_random_uuid() WHERE "key" @> '{{"scan": 8}}'"""
            other = threading.Thread(target=lambda: connection.execute(text))
            other.start()
            other.join()
        pipeline.insert(table, key, pipeline.Scan)

    pipeline.made.make = make
    with together():
        found = pipeline.Stats.populate(reserve_jobs=True, suppress_errors=True)
    assert [(f.key["scan"], type(f.error)) for f in found.failures] == [(8, LeaseLost)]
    assert found.done == KEYS  # no worker has that token: the key comes back, and is made


def test_calls_are_counted(pipeline: SimpleNamespace) -> None:
    """max_calls, limit and stopping hold, however many keys are made together."""
    with together():
        assert pipeline.Stats.populate(max_calls=7).done == 7
        assert pipeline.Stats.populate(limit=9).done == 9
        assert pipeline.Stats.populate(reserve_jobs=True, max_calls=7).done == 7
    assert len(pipeline.made.calls) == 23


def test_strict_reads_tell_the_key_that_read(pipeline: SimpleNamespace) -> None:
    """What another key of the transaction may read, this one may not."""

    def make(table: Any, key: dict[str, Any]) -> None:
        other = {"scan": 19} if key["scan"] == 18 else key
        table.insert1({**key, "double": (pipeline.Scan & other).fetch1("value")})

    pipeline.made.make = make
    with together(), dj.config.override(strict_reads="error"):
        found = pipeline.Stats.populate(suppress_errors=True)
    assert [(f.key["scan"], type(f.error)) for f in found.failures] == [(18, StrictReadError)]


@pytest.mark.parametrize("seed", range(80 if "DJARROW_SOAK" in os.environ else 3))
def test_together_and_alone_come_to_the_same(schema: dj.Schema, seed: int) -> None:
    """Makes that read, insert, correct, delete and fail at random leave the same rows either way."""

    @schema
    class Scan(dj.Manual):
        definition = "scan : int32\n---\nvalue : int32"

    @schema
    class Log(dj.Manual):
        definition = "entry : int32\n---\nscan : int32\nvalue : int64"

    def make(table: Any, key: dict[str, Any]) -> None:
        n = key["scan"]
        choose = random.Random(1000 * seed + n)  # noqa: S311 - to be repeated
        total = 0
        for step in range(choose.randrange(1, 6)):
            match choose.randrange(8):
                case 0 | 1:
                    total += (Scan & key).fetch1("value")
                case 2:
                    total += len(Log & f"scan < {choose.randrange(60)}")
                case 3:
                    Log.insert1({"entry": 10 * n + step, "scan": choose.randrange(60), "value": total})
                case 4:
                    rows = (Log & {"scan": choose.randrange(60)}).to_polars(order_by="KEY")
                    total += int(rows["value"].sum()) + rows.height
                case 5:
                    entry = choose.randrange(10 * n + 1)
                    if Log & {"entry": entry}:
                        Log.update1({"entry": entry, "value": total})
                case 6:
                    (Log & f"entry < {n} and scan = {choose.randrange(60)}").delete(prompt=False)
                case 7 if choose.random() < 0.3:
                    raise ValueError(step)
        table.insert1({**key, "total": total % 2**31})
        table.Item.insert([{**key, "item": item} for item in range(choose.randrange(3))])

    def computed(name: str) -> Any:
        class Item(dj.Part):
            definition = "-> master\nitem : int32"

        body = {"definition": "-> Scan\n---\ntotal : int32", "Item": Item, "make": make}
        return schema(type(name, (dj.Computed,), body))

    Scan.insert([(n, n * n) for n in range(60)])
    results = []
    for name, seconds in (("Alone", 0), ("Shared", 60)):
        table = computed(name)
        with together(seconds), dj.config.override(strict_reads="off"):
            found = table.populate(suppress_errors=True)
        failed = [(f.key["scan"], repr(f.error)) for f in found.failures]
        results.append((failed, table.to_dicts(), table.Item.to_dicts(), Log.to_dicts()))
        Log.delete(prompt=False)
    assert results[0] == results[1]
