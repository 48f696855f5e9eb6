"""What made rows, asked of an opened repository: `T.provenance()` there is the query that it is on a server."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import polars as pl
import pytest

import djarrow as dj
from djarrow.errors import QueryError
from djarrow.repo.opening.repository import Repository
from tests.stores import Spot

from .conftest import declared, same


@pytest.fixture
def pipeline(schema: dj.Schema) -> SimpleNamespace:
    """Scan (4 rows, of a key that is hard), Stats with its part Bin of all but the last, which is by hand, and More."""

    @schema
    class Scan(dj.Manual):
        definition = "scan : varchar(20)\n---\nvalue : float64"

    @schema
    class Stats(dj.Computed):
        definition = "-> Scan\n---\nhost : float64\nmake : int8"

        class Bin(dj.Part):
            definition = "-> master\nmake : uint8\n---"

        def make(self, key: dict[str, Any]) -> None:
            self.insert1({**key, "host": 2 * (Scan & key).fetch1("value"), "make": 1})
            self.Bin.insert([{**key, "make": number} for number in range(2)])

    @schema
    class More(dj.Computed):
        definition = "-> Stats\n---"

        def make(self, key: dict[str, Any]) -> None:
            self.insert1(key)

    Scan.insert([("a", 1.0), ("it's %", 2.0), ('"c"', 3.0), ("d", 4.0)])
    Stats.populate(Scan & "value < 4")
    Stats.insert1(("d", 0.5, 0), allow_direct_insert=True)
    return SimpleNamespace(Scan=Scan, Stats=Stats, Bin=Stats.Bin, More=More, schema=schema)


@pytest.fixture
def repository(pipeline: SimpleNamespace, folder: Path) -> Iterator[Repository]:
    """It exported, Stats split over files."""
    dj.export(pipeline.schema, folder, partition_by={pipeline.Stats: ["scan"]})
    opened = dj.open(folder)
    yield opened
    opened.close()


def tables(pipeline: SimpleNamespace) -> list[type[dj.Table]]:
    """Those that have makes."""
    return [pipeline.Stats, pipeline.Bin, pipeline.More]


def test_the_same_as_on_the_server(pipeline: SimpleNamespace, repository: Repository) -> None:
    """Heading, types and rows: by the classes of the repository, and by a module's; with NULL of rows by hand."""
    there = repository[pipeline.schema.name]
    classes = [there.Stats, there.Stats.Bin, there.More]
    for cls, other in zip(tables(pipeline), classes, strict=True):
        server = cls.provenance()
        expected = server.to_polars(order_by="KEY")
        found = other.provenance()
        assert found.heading.attributes == server.heading.attributes
        assert found.primary_key == server.primary_key
        assert same(found.to_polars(order_by="KEY"), expected)
        with repository.using(pipeline.schema):
            assert same(cls.provenance().to_polars(order_by="KEY"), expected)
    made = there.Stats.provenance() & "started IS NOT NULL"
    assert [row["make_host"] for row in made] == [socket.gethostname()] * 3
    assert len(there.Stats.provenance() - "keys > 0") == 1
    assert len(there.More.provenance()) == 0  # no make of it, and so no file


def test_it_composes(pipeline: SimpleNamespace, repository: Repository) -> None:
    """It is restricted, joined, aggregated, ordered, previewed and read in every form, through DuckDB."""
    with repository.using(pipeline.schema):
        found = pipeline.Stats.provenance()
        joined = pipeline.Stats * found & {"process": os.getpid()} & "host < 5"
        assert joined.to_dicts("scan", "host", "keys") == [
            {"scan": "a", "host": 2.0, "keys": 1},
            {"scan": "it's %", "host": 4.0, "keys": 1},
        ]
        assert (pipeline.Scan & (found & {"scan": "it's %"})).fetch1("value") == 2.0
        assert len(pipeline.Scan - found) == 0
        assert [row["scan"] for row in (pipeline.Stats & "host > 5").provenance()] == ['"c"']
        assert len((pipeline.Stats * pipeline.Scan).provenance()) == 4
        (total,) = (dj.U("make_host").aggr(found, n="count(*)", s="sum(duration)") & "n = 3").to_dicts()
        assert (total["make_host"], total["s"] > 0) == (socket.gethostname(), True)
        assert (found & dj.Top(1, "started DESC")).fetch1("scan") == "it's %"  # which is made last, in order of keys
        assert found.to_lazy().filter(pl.col("scan") == "a").select("keys").collect()["keys"].to_list() == [1]
        assert "4 rows" in repr(found)
        assert (found - "keys > 0").fetch1("started") is None
        explained = (found & {"scan": "a"}).explain().splitlines()
        stats = next(line for line in explained if line.endswith(".__stats"))
        assert stats.startswith("reading 1 of 4 files")


def test_in_an_object_store(pipeline: SimpleNamespace, spot: Spot) -> None:
    """The files are read from wherever the repository is."""
    dj.export(pipeline.schema, spot.url, storage_options=spot.options)
    expected = pipeline.Stats.provenance().to_polars(order_by="KEY")
    opened = dj.open(spot.url, storage_options=spot.options)
    assert same(opened[pipeline.schema.name].Stats.provenance().to_polars(order_by="KEY"), expected)
    opened.close()


def test_of_a_slice(pipeline: SimpleNamespace, tmp_path: Path) -> None:
    """A slice tells of its rows."""
    dj.export(pipeline.Stats & {"scan": "a"}, tmp_path / "slice")
    expected = (pipeline.Stats & {"scan": "a"}).provenance().to_polars()
    with dj.open(tmp_path / "slice").using(pipeline.schema):
        assert same(pipeline.Stats.provenance().to_polars(), expected)
        assert expected["started"].null_count() == 0


def test_a_table_without_key(schema: dj.Schema, tmp_path: Path) -> None:
    """The one row of a table whose key has no attributes tells its make, too."""
    declared(schema, "Plain", "n : uint8").insert1([1])

    @schema
    class Everything(dj.Computed):
        definition = "---\nn : int32"

        @property
        def key_source(self) -> Any:
            return dj.U() & schema["Plain"]

        def make(self, key: dict[str, Any]) -> None:
            self.insert1({"n": 1})

    Everything.populate()
    dj.export(schema, tmp_path / "one")
    expected = Everything.provenance().to_dicts()
    with dj.open(tmp_path / "one").using(schema):
        assert Everything.provenance().to_dicts() == expected
    assert expected[0]["keys"] == 1


def test_before_the_first_make(schema: dj.Schema, tmp_path: Path) -> None:
    """Where nothing was ever made, rows by hand have NULL, as on the server."""
    declared(schema, "Plain", "n : uint8").insert1([1])
    result = declared(schema, "Result", "-> Plain", dj.Computed)
    result.insert1([1], allow_direct_insert=True)
    dj.export(schema, tmp_path / "plain")
    with dj.open(tmp_path / "plain").using(schema):
        assert result.provenance().fetch1("n", "started", "keys") == (1, None, None)


def test_exported_without_it(pipeline: SimpleNamespace, tmp_path: Path) -> None:
    """Where the export left it out, asking says so, by either kind of class; rows are read all the same."""
    dj.export(pipeline.schema, tmp_path / "bare", provenance=False)
    opened = dj.open(tmp_path / "bare")
    said = "exported without that .`provenance=False`"
    with pytest.raises(QueryError, match=said):
        opened[pipeline.schema.name].Stats.provenance()
    with opened.using(pipeline.schema):
        with pytest.raises(QueryError, match=said):
            pipeline.Stats.Bin.provenance()
        with pytest.raises(QueryError, match="has no makes"):
            pipeline.Scan.provenance()
        assert len(pipeline.Stats()) == 4
    opened.close()


def test_asked_on_the_other_side(pipeline: SimpleNamespace, repository: Repository) -> None:
    """A query that was asked of the database does not read a repository, and says where to ask."""
    asked = pipeline.Stats & pipeline.Stats.provenance()
    stale = pipeline.Stats.stale()
    with repository.using(pipeline.schema):
        with pytest.raises(QueryError, match="outside of the `using` block"):
            asked.to_dicts()
        with pytest.raises(QueryError, match="outside of the `using` block"):
            len(stale)
        offline = pipeline.Stats.provenance()
    for act in (offline.to_dicts, lambda: offline.delete(prompt=False)):
        with pytest.raises(QueryError, match="inside a `using` block"):
            act()
    assert len(asked.to_dicts()) == 4


def test_traces_and_stale_results(pipeline: SimpleNamespace, repository: Repository) -> None:
    """A trace reads the repository; whether results hold, only the database tells, and that is said."""
    there = repository[pipeline.schema.name]
    trace = dj.trace(there.Stats & {"scan": "a"})
    assert trace[there.Scan].to_dicts() == [{"scan": "a", "value": 1.0}]
    with repository.using(pipeline.schema):
        assert dj.trace(pipeline.Bin & {"scan": "a"})[pipeline.Scan].to_dicts() == [{"scan": "a", "value": 1.0}]
        with pytest.raises(QueryError, match="does not tell which results are stale"):
            pipeline.Stats.stale()
    with pytest.raises(QueryError, match="does not tell which results are stale"):
        there.Stats.stale()


def test_a_module(pipeline: SimpleNamespace, repository: Repository) -> None:
    """Within `using(module)`, the module's own classes tell it."""
    module = ModuleType("lab")
    module.schema, module.Stats = pipeline.schema, pipeline.Stats  # type: ignore[attr-defined]
    with repository.using(module):
        assert len(pipeline.Stats.provenance() & "started IS NOT NULL") == 3
