"""What made a row: `T.provenance()`, a query like any other."""

from __future__ import annotations

import datetime
import getpass
import os
import socket
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import QueryError
from djarrow.jobs.fingerprint import fingerprint

TOLD = ["started", "duration", "host", "user", "process", "version", "git_commit", "dirty", "fingerprint", "keys"]


@pytest.fixture
def pipeline(schema: dj.Schema) -> SimpleNamespace:
    """Scan (3 rows) and Stats with its part Bin."""

    @schema
    class Scan(dj.Manual):
        definition = "scan_id : uint8\n---\nvalue : float64"

    @schema
    class Stats(dj.Computed):
        definition = "-> Scan\n---\ndouble : float64"

        class Bin(dj.Part):
            definition = "-> master\nbin : uint8\n---"

        def make(self, key: dict[str, Any]) -> None:
            self.insert1({**key, "double": 2 * (Scan & key).fetch1("value")})
            self.Bin.insert([{**key, "bin": number} for number in range(2)])

    Scan.insert([(number, number / 4) for number in range(3)])
    return SimpleNamespace(Scan=Scan, Stats=Stats, schema=schema)


def test_what_is_told(pipeline: SimpleNamespace) -> None:
    """The key, and of the make where, when, for how long, by whom and by which code."""
    before = datetime.datetime.now(datetime.UTC)
    pipeline.Stats.populate()
    after = datetime.datetime.now(datetime.UTC)
    found = pipeline.Stats.provenance()
    assert list(found.heading.names) == ["scan_id", *TOLD]
    assert found.primary_key == ("scan_id",)
    row = (found & "scan_id = 1").fetch1()
    assert before <= row["started"] <= after
    assert 0 < row["duration"] < 10
    assert (row["host"], row["user"], row["process"]) == (socket.gethostname(), getpass.getuser(), os.getpid())
    assert (row["version"], row["keys"]) == (dj.__version__, 1)
    assert row["fingerprint"] == fingerprint(pipeline.Stats)
    assert (row["git_commit"] is None) == (row["dirty"] is None)


def test_it_is_asked_of_an_instance_a_part_and_a_restriction(pipeline: SimpleNamespace) -> None:
    """A part's rows have the make of their master; a restriction tells of its rows alone."""
    pipeline.Stats.populate()
    assert pipeline.Stats().provenance().to_dicts() == pipeline.Stats.provenance().to_dicts()
    parts = pipeline.Stats.Bin.provenance()
    assert parts.primary_key == ("scan_id", "bin")
    by_scan = {row["scan_id"]: row["started"] for row in pipeline.Stats.provenance()}
    assert {(row["scan_id"], row["started"]) for row in parts} == set(by_scan.items())
    assert len(parts) == 6
    assert [row["scan_id"] for row in (pipeline.Stats & "double > 0.4").provenance()] == [1, 2]
    assert len((pipeline.Stats * pipeline.Scan).provenance()) == 3


def test_it_composes(pipeline: SimpleNamespace) -> None:
    """It is restricted, joined, projected, aggregated, previewed, ordered and read in every form."""
    pipeline.Stats.populate()
    found = pipeline.Stats.provenance()
    joined = pipeline.Stats * found & {"process": os.getpid()} & "double < 0.9"
    assert joined.to_dicts("scan_id", "double", "keys") == [
        {"scan_id": 0, "double": 0.0, "keys": 1},
        {"scan_id": 1, "double": 0.5, "keys": 1},
    ]
    assert (pipeline.Scan & (found & "scan_id = 2")).fetch1("value") == 0.5
    assert len(pipeline.Scan - found) == 0
    assert found.proj(long="duration > 100").to_dicts() == [{"scan_id": n, "long": False} for n in range(3)]
    (total,) = dj.U("host").aggr(found, n="count(*)", seconds="sum(duration)").to_dicts()
    assert (total["host"], total["n"]) == (socket.gethostname(), 3)
    assert total["seconds"] > 0
    assert (pipeline.Scan.aggr(found, n="count(*)") & "n = 1").to_polars()["scan_id"].to_list() == [0, 1, 2]
    assert (found & dj.Top(1, "started DESC")).fetch1("scan_id") == 2
    assert "Stats" not in repr(found)
    assert "3 rows" in repr(found)
    assert "LEFT JOIN" in found.to_sql()
    assert found.to_lazy().filter(pl.col("scan_id") > 1).select("keys").collect()["keys"].to_list() == [1]
    assert found.to_polars(partitions=2).height == 3


def test_rows_without_a_make(pipeline: SimpleNamespace) -> None:
    """A row that was inserted by hand is there, with NULL for all that is told."""
    pipeline.Stats.insert1((1, 7.0), allow_direct_insert=True)
    assert pipeline.Stats.provenance().fetch1("started", "host", "keys") == (None, None, None)  # before any make
    pipeline.Stats.populate()
    found = pipeline.Stats.provenance()
    assert [row["started"] is None for row in found] == [False, True, False]
    assert (found & "started IS NULL").to_dicts("scan_id") == [{"scan_id": 1}]
    assert (found - "keys > 0").to_dicts("scan_id") == [{"scan_id": 1}]


def test_before_the_first_make(pipeline: SimpleNamespace, connection: PostgresConnection) -> None:
    """A table that was never populated has no rows, the same heading, and nothing is made by asking."""
    found = pipeline.Stats.provenance()
    assert found.to_polars().schema == pipeline.Stats.provenance().to_polars().schema
    assert len(found) == 0
    asked = f'SELECT to_regclass(\'"{pipeline.schema.name}"."~makes"\') IS NULL AS missing'
    assert connection.query(asked).to_pylist() == [{"missing": True}]


def test_names_that_the_table_has(schema: dj.Schema) -> None:
    """What the table calls so itself is told as make_..., so that both join."""

    @schema
    class Scan(dj.Manual):
        definition = "host : varchar(20)\n---"

    @schema
    class Stats(dj.Computed):
        definition = "-> Scan\n---\nduration : float64\nmake_duration : float64\nuser : varchar(30)"

        def make(self, key: dict[str, Any]) -> None:
            self.insert1({**key, "duration": 1.0, "make_duration": 2.0, "user": 'a "user"'})

    Scan.insert1(("it's %s",))
    Stats.populate()
    row = (Stats * Stats.provenance()).fetch1()
    assert (row["host"], row["duration"], row["make_duration"], row["user"]) == ("it's %s", 1.0, 2.0, 'a "user"')
    assert (row["make_host"], row["make_user"]) == (socket.gethostname(), getpass.getuser())
    assert 0 < row["make_make_duration"] < 10


def test_a_table_without_key(schema: dj.Schema) -> None:
    """The one row of a table whose key has no attributes tells its make, too."""

    @schema
    class Scan(dj.Manual):
        definition = "scan_id : uint8\n---"

    @schema
    class Everything(dj.Computed):
        definition = "---\nn : int32"

        @property
        def key_source(self) -> Any:
            return dj.U() & Scan

        def make(self, key: dict[str, Any]) -> None:
            self.insert1({"n": 1})

    Scan.insert1((1,))
    Everything.populate()
    assert Everything.provenance().fetch1("keys") == 1
    assert Everything.provenance().primary_key == ()


def test_tables_that_do_not_fill_themselves(pipeline: SimpleNamespace) -> None:
    """A manual table has no makes, and a query whose rows are not those of its table does not tell which it means."""
    with pytest.raises(QueryError, match="has no makes"):
        pipeline.Scan.provenance()
    with pytest.raises(QueryError, match="does not tell which rows"):
        (dj.U("double") & pipeline.Stats).provenance()


def test_other_engines_are_refused(pipeline: SimpleNamespace) -> None:
    """The notes of a schema are not in a repository: the text for DuckDB is refused with what to do."""
    with pytest.raises(QueryError, match="only the database keeps"):
        pipeline.Stats.provenance().to_sql("duckdb")


def test_queries_of_one_structure_are_told_apart(pipeline: SimpleNamespace, schema: dj.Schema) -> None:
    """Text that is remembered for one table is not that of another."""

    @schema
    class Other(dj.Computed):
        definition = "-> pipeline.Scan\n---"

        def make(self, key: dict[str, Any]) -> None:
            self.insert1(key)

    pipeline.Stats.populate("scan_id = 1")
    Other.populate("scan_id = 2")
    assert [row["scan_id"] for row in pipeline.Stats.provenance() & "keys = 1"] == [1]
    assert [row["scan_id"] for row in Other.provenance() & "keys = 1"] == [2]
