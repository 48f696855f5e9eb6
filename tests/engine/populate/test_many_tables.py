"""Many tables at once: schemas and modules populated in the order of their dependencies, and how far they are."""

from __future__ import annotations

import importlib
import sys
import threading
import types
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import InvalidCondition, MakeError, NoSchema

from ...described import drop_schemas


@pytest.fixture
def pipeline(schema: dj.Schema) -> SimpleNamespace:
    """Source (4 rows) -> First -> Second, declared in this order; First fails for what is in `bad`."""

    @schema
    class Source(dj.Manual):
        definition = "source_id : uint16\n---"

    made = SimpleNamespace(bad=set(), calls=[])

    @schema
    class First(dj.Imported):
        definition = "-> Source\n---"

        def make(self, key: dict[str, Any]) -> None:
            made.calls.append(("first", key["source_id"]))
            if key["source_id"] in made.bad:
                raise ValueError("bad")
            self.insert1(key)

    @schema
    class Second(dj.Computed):
        definition = "-> First\n---"

        class Item(dj.Part):
            definition = "-> master\nitem : uint8\n---"

        def make(self, key: dict[str, Any]) -> None:
            made.calls.append(("second", key["source_id"]))
            self.insert1(key)
            self.Item.insert1({**key, "item": 0})

    Source.insert([(number,) for number in range(4)])
    return SimpleNamespace(Source=Source, First=First, Second=Second, made=made, schema=schema)


def test_a_mapping_restricts_the_tables_that_have_its_attributes(pipeline: SimpleNamespace) -> None:
    """Others are made whole; one that no table has is a mistake, and nothing is made by it."""
    schema = pipeline.schema

    @schema
    class Finest(dj.Computed):
        definition = "-> Second.Item\n---"

        def make(self, key: dict[str, Any]) -> None:
            self.insert1(key)

    with pytest.raises(InvalidCondition, match="restricts nothing"):
        schema.populate({"sorce_id": 1})
    assert not pipeline.made.calls
    done = schema.populate({"item": 1})
    assert (done[pipeline.First].done, done[pipeline.Second].done, done[Finest].done) == (4, 4, 0)


@pytest.mark.parametrize("reserve_jobs", [False, True])
def test_a_schema_is_populated_parents_first(pipeline: SimpleNamespace, *, reserve_jobs: bool) -> None:
    """All that can be made is, in one call; the result tells by table, and in all."""
    found = pipeline.schema.populate(reserve_jobs=reserve_jobs)
    assert list(found) == [pipeline.First, pipeline.Second]
    assert (found.done, found.failed, found.skipped, len(found)) == (8, 0, 0, 2)
    assert found[pipeline.First].done == found[pipeline.Second].done == 4
    assert found.seconds > 0
    assert pipeline.made.calls == [(table, number) for table in ("first", "second") for number in range(4)]
    assert len(pipeline.Second.Item) == 4
    assert f"{pipeline.schema.name}._first: 4 done, 0 failed" in repr(found)
    assert pipeline.schema.populate(reserve_jobs=reserve_jobs).done == 0


@pytest.mark.parametrize("reserve_jobs", [False, True])
def test_a_failed_key_does_not_stop_the_rest(pipeline: SimpleNamespace, *, reserve_jobs: bool) -> None:
    """It is tried once a call, and told once; what does not depend on it is made."""
    pipeline.made.bad = {0, 2}
    found = pipeline.schema.populate(reserve_jobs=reserve_jobs)
    assert (found.done, found.failed, found[pipeline.First].failed) == (4, 2, 2)
    assert [failure.key for failure in found.failures] == [{"source_id": 0}, {"source_id": 2}]
    assert pipeline.made.calls.count(("first", 0)) == 1
    assert sorted(pipeline.Second.fetch("source_id")) == [1, 3]
    pipeline.schema.jobs.retry()
    with pytest.raises(ValueError, match="bad"):
        pipeline.schema.populate(reserve_jobs=reserve_jobs, suppress_errors=False)


def test_rounds_go_on_until_nothing_is_made(schema: dj.Schema) -> None:
    """A make that gives rows to a table before its own has them computed, too."""

    @schema
    class Step(dj.Manual):
        definition = "step : uint16\n---"

    @schema
    class Doubled(dj.Computed):
        definition = "-> Step\n---"

        def make(self, key: dict[str, Any]) -> None:
            self.insert1(key)

    @schema
    class Next(dj.Computed):
        definition = "-> Doubled\n---"

        def make(self, key: dict[str, Any]) -> None:
            self.insert1(key)
            if key["step"] < 3:
                Step.insert1({"step": key["step"] + 1})

    Step.insert1((0,))
    assert schema.populate().done == 8
    assert len(Next) == 4


def test_restrictions_and_limits(pipeline: SimpleNamespace) -> None:
    """Conditions are of every key source; limit is for each table, max_calls for all together."""
    assert pipeline.schema.populate({"source_id": 3}).done == 2
    assert dj.populate([pipeline.First, pipeline.Second], limit=2)[pipeline.First].done == 2
    assert len(pipeline.First) == len(pipeline.Second) == 3
    (pipeline.Source).insert([(number,) for number in range(4, 10)])
    found = dj.populate(pipeline.schema, max_calls=3)
    assert (found[pipeline.First].done, found[pipeline.Second].done) == (3, 0)
    with pytest.raises(InvalidCondition):
        pipeline.schema.populate(limit=-1)
    with pytest.raises(InvalidCondition):
        pipeline.schema.populate(max_calls=True)


def test_a_class_without_make_stops_it_at_the_start(pipeline: SimpleNamespace) -> None:
    """Before anything is made: it is a mistake of the program."""

    @pipeline.schema
    class Lacking(dj.Computed):
        definition = "-> pipeline.Second\n---"

    with pytest.raises(MakeError, match="defines no"):
        pipeline.schema.populate()
    assert pipeline.made.calls == []


def test_what_cannot_be_populated(pipeline: SimpleNamespace) -> None:
    """Manual tables, what is no table, and schemas without a name are refused."""
    for wrong in (pipeline.Source, pipeline.Source(), "lab", None, 3, int, [pipeline.First, pipeline.Source]):
        with pytest.raises(InvalidCondition):
            dj.populate(wrong)
    with pytest.raises(NoSchema):
        dj.populate(dj.Schema())
    assert dj.populate([]).done == 0


# --- modules ---------------------------------------------------------------------------------------------------------

UPSTREAM = """
import djarrow as dj
from djarrow.engine.connect import connect
from . import connection
schema = dj.Schema({name!r}, connection=connection)

@schema
class Source(dj.Manual):
    definition = "source_id : uint16\\n---"

@schema
class First(dj.Imported):
    definition = "-> Source\\n---"

    def make(self, key):
        self.insert1(key)
"""

DOWNSTREAM = """
import djarrow as dj
from . import connection
from . import upstream
schema = dj.Schema({name!r}, connection=connection)

@schema
class Above(dj.Computed):  # a name before those that it depends on
    definition = "-> upstream.First\\n---"

    def make(self, key):
        self.insert1(key)
"""


@pytest.fixture
def package(
    connection: PostgresConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[types.ModuleType]:
    """A package with two modules, each with a schema of its own; the second refers to the first."""
    folder = tmp_path / "lab_package"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "upstream.py").write_text(UPSTREAM.format(name="many_z_upstream"))
    (folder / "downstream.py").write_text(DOWNSTREAM.format(name="many_a_downstream"))
    monkeypatch.syspath_prepend(str(tmp_path))
    made: Any = importlib.import_module("lab_package")
    made.connection = connection
    yield made
    for name in [name for name in sys.modules if name.split(".")[0] == "lab_package"]:
        del sys.modules[name]
    drop_schemas(connection, "many_a_downstream", "many_z_upstream")


def test_a_module_and_a_package(package: Any) -> None:
    """A module stands for the schemas that it names; a package for those of its loaded modules, parents first."""
    assert dj.populate(package).done == 0
    downstream = importlib.import_module("lab_package.downstream")
    downstream.upstream.Source.insert([(1,), (2,)])
    assert dj.populate(downstream).done == 0, "its own tables, whose parents have no rows yet"
    found = dj.populate(package)
    assert list(found) == [downstream.upstream.First, downstream.Above]
    assert found.done == 4
    frame = dj.progress(package)
    assert frame["table"].to_list() == ["many_z_upstream._first", "many_a_downstream.__above"]
    assert dj.progress(dj.virtual("many_a_downstream", connection=package.connection))["done"].to_list() == [2]


# --- progress --------------------------------------------------------------------------------------------------------


def test_progress_counts_what_became_of_every_key(pipeline: SimpleNamespace) -> None:
    """Done, pending, reserved, error and ignored make up the total, while a make runs and after it."""
    empty = pipeline.schema.progress()
    assert empty.columns == ["table", "total", "done", "pending", "reserved", "error", "ignored"]
    assert empty.rows() == [
        (f"{pipeline.schema.name}._first", 4, 0, 4, 0, 0, 0),
        (f"{pipeline.schema.name}.__second", 0, 0, 0, 0, 0, 0),
    ]
    pipeline.made.bad = {0}
    pipeline.schema.jobs.ignore(pipeline.First, "source_id = 3")
    seen: list[Any] = []
    insert = pipeline.First.insert1

    def make(self: Any, key: dict[str, Any]) -> None:
        if key["source_id"] == 0:
            raise ValueError
        if key["source_id"] == 1:
            look = threading.Thread(target=lambda: seen.extend(dj.progress(pipeline.First).rows()))
            look.start()
            look.join()
        insert(key)

    pipeline.First.make = make
    pipeline.First.populate(reserve_jobs=True, suppress_errors=True)
    assert seen[0][1:3] == (4, 0)
    assert seen[0][3] + seen[0][4] == 2
    assert seen[0][4] >= 1
    assert seen[0][5:] == (1, 1)
    assert dj.progress(pipeline.First).rows() == [(f"{pipeline.schema.name}._first", 4, 2, 0, 0, 1, 1)]
    pipeline.First.make = lambda _, key: insert(key)
    pipeline.First.populate()  # past the queue, whose jobs stay
    assert dj.progress(pipeline.First).rows() == [(f"{pipeline.schema.name}._first", 4, 4, 0, 0, 0, 0)]
    assert pipeline.First.progress() == (0, 4)


def test_progress_in_bounded_time(pipeline: SimpleNamespace, connection: PostgresConnection) -> None:
    """Where a table cannot be counted in time its numbers are NULL, and others have theirs."""
    pipeline.schema.jobs.refresh()
    other = threading.Event()
    held = threading.Event()

    def hold() -> None:
        with connection.transaction:
            connection.query(f"LOCK TABLE {pipeline.Second().full_table_name} IN ACCESS EXCLUSIVE MODE")
            held.set()
            other.wait(20)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(20)
    try:
        rows = pipeline.schema.progress(seconds=0.2).rows()
    finally:
        other.set()
        holder.join()
    assert rows[0][1:] == (4, 0, 4, 0, 0, 0)
    assert rows[1][1:] == (None,) * 6
    for wrong in (0, -1, "1", True):
        with pytest.raises(InvalidCondition):
            pipeline.schema.progress(seconds=wrong)


def test_progress_of_nothing(schema: dj.Schema) -> None:
    """A schema without such tables gives a frame without rows."""
    assert schema.progress().rows() == []
