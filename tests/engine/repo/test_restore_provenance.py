"""Computed rows come back with what made them, and whether they hold: as in the database that was exported."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import DjarrowError, RepositoryError
from djarrow.frame.results import declared as declared_rows
from djarrow.repo.content import ContentHash
from djarrow.repo.exporting.carried import notes_of
from djarrow.repo.exporting.export import Exported
from djarrow.repo.exporting.selection import Taken
from djarrow.repo.manifest import read
from djarrow.repo.places.find import place_of
from djarrow.sql import compile as compiler
from djarrow.sql.carried import Kind, carried_spec
from djarrow.sql.dialects import Dialect
from tests.described import drop_schemas

from .conftest import declared, same


def pipeline(schema: dj.Schema) -> SimpleNamespace:
    """Scan with parts, Stats of it with its part Bin, which corrects scans of a negative value, and More of that."""

    @schema
    class Scan(dj.Manual):
        definition = "scan_id : uint8\n---\nvalue : float64"

        class Frame(dj.Part):
            definition = "-> master\nframe : uint8\n---\nbright = 0 : float64"

    @schema
    class Stats(dj.Computed):
        definition = "-> Scan\n---\ndouble : float64"

        class Bin(dj.Part):
            definition = "-> master\nbin : uint8\n---\nx = 0 : float64"

        def make(self, key: dict[str, Any]) -> None:
            value = (Scan & key).fetch1("value")
            if value < 0:
                Scan.update1({**key, "value": -value})
            self.insert1({**key, "double": 2 * value})
            self.Bin.insert([{**key, "bin": number} for number in range(2)])

    @schema
    class More(dj.Computed):
        definition = "-> Stats\n---"

        def make(self, key: dict[str, Any]) -> None:
            self.insert1(key)

    return SimpleNamespace(Scan=Scan, Frame=Scan.Frame, Stats=Stats, Bin=Stats.Bin, More=More, schema=schema)


@pytest.fixture
def history(schema: dj.Schema, connection: PostgresConnection) -> SimpleNamespace:
    """A pipeline of ten scans, of which 1, 2 and 3 were changed since, 3 is accepted, and 4 was changed under way;
    scan 5 was changed before its make, 6 by it, and the results of scan 7 are made by hand.
    """
    made = pipeline(schema)
    made.Scan.insert([(number, number / 4 if number != 6 else -1.0) for number in range(10)])
    made.Frame.insert([(number, frame, 0.0) for number in range(10) for frame in range(2)])
    made.Scan.update1({"scan_id": 5, "value": 55.0})
    done, begun = threading.Event(), threading.Event()

    def change() -> None:
        with connection.transaction:
            made.Scan.update1({"scan_id": 4, "value": 44.0})
            begun.set()
            done.wait(30)

    thread = threading.Thread(target=change)
    thread.start()
    assert begun.wait(30)
    made.Stats.populate("scan_id < 7")
    made.More.populate()
    done.set()
    thread.join()
    made.Stats.insert1((7, 7.0), allow_direct_insert=True)
    made.Bin.insert1((6, 9, 1.0), allow_direct_insert=True)
    made.Scan.update1({"scan_id": 1, "value": 11.0})
    made.Frame.update1({"scan_id": 2, "frame": 1, "bright": 5.0})
    made.Scan.update1({"scan_id": 3, "value": 33.0})
    assert made.Stats.accept("scan_id = 3") == 1
    assert ids(made.Stats.stale()) == [1, 2, 4]
    assert ids(made.More.stale()) == [1, 2, 3, 4]
    return made


@pytest.fixture
def path(history: SimpleNamespace, folder: Path) -> Path:
    """Its repository."""
    return dj.export(history.schema, folder).path


@pytest.fixture
def again(history: SimpleNamespace, path: Path, connection: PostgresConnection) -> Iterator[SimpleNamespace]:
    """It restored under another name."""
    dj.restore(path, connection, rename={history.schema.name: "again"})
    yield pipeline(dj.Schema("again", connection=connection))
    drop_schemas(connection, "again")


def ids(query: Any) -> list[int]:
    """The scans of a query."""
    return [row["scan_id"] for row in query.to_dicts("scan_id")]


def told(tables: SimpleNamespace) -> list[Any]:
    """All that is told of the rows of a pipeline."""
    made = [cls.provenance().to_polars(order_by="KEY").to_dicts() for cls in (tables.Stats, tables.Bin, tables.More)]
    updates = tables.schema.updates.to_dicts(order_by="updated")
    accepted = tables.schema.accepted.to_dicts(order_by="accepted")
    notes = [{name: value for name, value in row.items() if name != "id"} for row in (*updates, *accepted)]
    stale = [ids(cls.stale()) for cls in (tables.Stats, tables.Bin, tables.More)]
    return [*made, *notes, stale]


def renamed(notes: list[Any], old: str, new: str) -> list[Any]:
    """The same, of a schema of another name."""
    for note in notes:
        if isinstance(note, dict) and "fingerprints" in note:
            note["fingerprints"] = {name.replace(f"{old}.", f"{new}."): f for name, f in note["fingerprints"].items()}
    return notes


def test_it_is_as_it_was(history: SimpleNamespace, again: SimpleNamespace) -> None:
    """Who made the rows, what was changed, what was accepted, and what is stale; also of rows that nobody made."""
    assert told(again) == renamed(told(history), history.schema.name, "again")
    assert [row["host"] for row in (again.Stats.provenance() & "scan_id = 7").to_dicts()] == [None]
    assert [row["host"] is None for row in (again.Bin.provenance() & "scan_id = 6").to_dicts()] == [False, False, True]


def test_it_goes_on(again: SimpleNamespace) -> None:
    """Changes after the restore make stale, and results that are made anew hold."""
    again.Scan.update1({"scan_id": 0, "value": 0.5})
    again.Scan.update1({"scan_id": 3, "value": 3.5})
    assert ids(again.Stats.stale()) == [0, 1, 2, 3, 4]
    again.Scan.update1({"scan_id": 8, "value": 8.5})
    again.Stats.populate(refresh_stale=True)
    assert (again.Stats & "scan_id = 4").fetch1("double") == 88.0
    assert ids(again.Stats.stale()) == []
    again.More.populate(refresh_stale=True)
    assert ids(again.More.stale()) == []
    again.Scan.update1({"scan_id": 8, "value": 9.5})
    assert ids(again.Stats.stale()) == [8]


def test_table_by_table_and_merged(
    history: SimpleNamespace, again: SimpleNamespace, path: Path, connection: PostgresConnection
) -> None:
    """The other ways to restore bring the same, and a merge of what is there adds no note."""
    expected = told(again)
    dj.restore(path, connection, rename={history.schema.name: "again"}, into="merge")
    assert told(again) == expected
    again.Stats.delete(prompt=False)
    connection.execute('DROP TABLE "again"."~makes", "again"."~accepted", "again"."~updates"')
    dj.restore(path, connection, rename={history.schema.name: "again"}, into="merge")
    assert told(again) == expected
    connection.execute('DROP SCHEMA "again" CASCADE')
    dj.restore(path, connection, rename={history.schema.name: "again"}, resumable=True)
    assert told(pipeline(dj.Schema("again", connection=connection))) == expected


def test_exported_again(
    history: SimpleNamespace, again: SimpleNamespace, tmp_path: Path, connection: PostgresConnection
) -> None:
    """The repository of a restored database tells the same, also of what was made since."""
    again.Stats.populate("scan_id = 9")
    again.Scan.update1({"scan_id": 9, "value": 0.0})
    expected = told(again)
    assert 9 in expected[-1][0]
    path = dj.export(again.schema, tmp_path / "twice").path
    connection.execute('DROP SCHEMA "again" CASCADE')
    dj.restore(path, connection)
    assert told(pipeline(dj.Schema("again", connection=connection))) == expected


def test_what_others_read(history: SimpleNamespace, path: Path) -> None:
    """Of each row the number of its make, and the makes, by plain SQL over the files."""
    folder = str(path / history.schema.name / "provenance" / "stats").replace("'", "''")
    rows = (
        duckdb.connect()
        .execute(
            f"SELECT scan_id, host, started FROM read_parquet(['{folder}/rows/all.parquet']) "
            f"JOIN read_parquet(['{folder}/makes/all.parquet']) USING (make) ORDER BY scan_id"
        )
        .fetchall()
    )
    expected = history.Stats.provenance().to_dicts("scan_id", "host", "started")
    assert rows == [tuple(row.values()) for row in expected if row["host"] is not None]
    listed = {file.path for entry in read(place_of(path)).tables for file in entry.provenance or ()}
    files = {str(file.relative_to(path)) for file in path.rglob("provenance/**/*.parquet")}
    assert listed == files
    assert {f"{history.schema.name}/provenance/scan/updates/all.parquet"} <= files
    assert not (path / history.schema.name / "provenance" / "scan" / "rows").exists()


def test_it_is_verified(history: SimpleNamespace, path: Path, connection: PostgresConnection) -> None:
    """A file about makes that was changed, or is missing, is found, and nothing is restored."""
    assert dj.verify(path)
    file = path / history.schema.name / "provenance" / "stats" / "makes" / "all.parquet"
    data = file.read_bytes()
    file.write_bytes(data[:100] + bytes([data[100] ^ 1]) + data[101:])
    assert [problem.path for problem in dj.verify(path).problems] == [str(file.relative_to(path))]
    file.unlink()
    with pytest.raises(RepositoryError, match="missing"):
        dj.restore(path, connection, rename={history.schema.name: "again"})
    assert "again" not in dj.list_schemas(connection=connection)


@pytest.mark.parametrize("says_so", [False, True])
def test_other_makes(history: SimpleNamespace, path: Path, connection: PostgresConnection, says_so: bool) -> None:
    """Other rows than were exported are found; and where the manifest is made to say so, what is no snapshot is refused
    by the server, whatever it says. Nothing is restored.
    """
    file = path / history.schema.name / "provenance" / "stats" / "makes" / "all.parquet"
    table, before = pq.read_table(file), file.stat().st_size
    others = pa.array(["x'; DROP SCHEMA public; --"] * table.num_rows)
    table = table.set_column(table.schema.get_field_index("snapshot"), table.schema.field("snapshot"), others)
    pq.write_table(table, file)
    spec = carried_spec(Kind.MAKES, history.Stats().spec)
    content = ContentHash(spec.heading)
    rows = table.set_column(0, "make", pa.array([uuid.UUID(text).bytes for text in table["make"].to_pylist()]))
    for batch in declared_rows(rows, spec.heading).to_batches():
        content.add(batch)
    manifest = path / "manifest.json"
    document = json.loads(manifest.read_text())
    (entry,) = (file for table in document["tables"] for file in table["provenance"] if file["size"] == before)
    entry["size"] = file.stat().st_size
    if says_so:
        entry["content"] = content.hexdigest()
    manifest.write_text(json.dumps(document))
    with pytest.raises(DjarrowError, match="pg_snapshot" if says_so else "not what was exported"):
        dj.restore(path, connection, rename={history.schema.name: "again"})
    assert "again" not in dj.list_schemas(connection=connection)


def test_a_key_called_make(schema: dj.Schema, connection: PostgresConnection, tmp_path: Path) -> None:
    """An attribute of that name is no number of a make; and a table without a key has a make, too."""

    @schema
    class Car(dj.Manual):
        definition = "make : varchar(20)"

    @schema
    class Price(dj.Computed):
        definition = "-> Car\n---\nprice = 0 : int32"

        def make(self, key: dict[str, Any]) -> None:
            self.insert1(key)

    @schema
    class Total(dj.Computed):
        definition = "---\nn : int32"

        @property
        def key_source(self) -> Any:
            return dj.U() & Car

        def make(self, key: dict[str, Any]) -> None:
            self.insert1({"n": 2})

    Car.insert([["Ford"], ["it's \" %"]])
    Price.populate()
    Total.populate()
    path = dj.export(schema, tmp_path / "cars").path
    expected = [cls.provenance().to_dicts() for cls in (Price, Total)]
    assert len(expected[0]) == 2
    schema.drop(prompt=False)
    dj.restore(path, connection)
    again = dj.Schema(schema.name, connection=connection)
    assert [again[name].provenance().to_dicts() for name in ("Price", "Total")] == expected


def test_nothing_to_tell(schema: dj.Schema, tmp_path: Path, connection: PostgresConnection) -> None:
    """Tables that nobody has made or changed have no such files, and no notes after a restore."""
    declared(schema, "Plain", "n : uint8").insert1([1])
    declared(schema, "Result", "-> Plain", dj.Computed).insert1([1], allow_direct_insert=True)
    path = dj.export(schema, tmp_path / "plain").path
    assert [entry.provenance for entry in read(place_of(path)).tables] == [(), ()]
    schema.drop(prompt=False)
    dj.restore(path, connection)
    notes = "SELECT FROM pg_class JOIN pg_namespace AS n ON n.oid = relnamespace WHERE relname LIKE '~%' AND nspname = "
    assert not connection.has_rows(f"{notes}'{schema.name}'")


def test_left_out(history: SimpleNamespace, folder: Path, connection: PostgresConnection) -> None:
    """An export without provenance has no such file, and rows that are restored from it have no make."""
    path = dj.export(history.schema, folder, provenance=False).path
    assert not list(path.rglob("provenance"))
    history.schema.drop(prompt=False)
    dj.restore(path, connection)
    again = dj.Schema(history.schema.name, connection=connection)
    assert set(again["Stats"].provenance().to_polars()["host"]) == {None}
    assert len(again.updates) == 0


def test_a_whole_batch(schema: dj.Schema, tmp_path: Path, connection: PostgresConnection) -> None:
    """Of one make of many keys, all rows have its number, however many pieces they come in."""
    declared(schema, "Source", "n : int32").declare()

    @schema
    class Many(dj.Computed):
        definition = "-> Source\n---\ntext : varchar(400)"

        def make_batch(self, keys: Any) -> Any:
            import polars as pl

            return keys.with_columns(text=pl.lit("x" * 400))

    number = 50_000
    schema.connection.execute(
        f"INSERT INTO {schema['Source']().full_table_name} SELECT n FROM generate_series(1, {number}) AS n"
    )
    Many.populate()
    before = Many.provenance().to_polars(order_by="KEY")
    path = dj.export(schema, tmp_path / "many").path
    schema.drop(prompt=False)
    dj.restore(path, connection)
    assert same(dj.Schema(schema.name, connection=connection)["Many"].provenance().to_polars(order_by="KEY"), before)
    assert before.height == number
    assert before["started"].n_unique() < 20


def test_exports_of_parts(exported: Exported) -> None:
    """What the parts of a result are made by is told beside them."""
    entries = [entry for entry in read(place_of(exported.path)).tables if entry.provenance]
    kinds = {entry.table: [Path(file.path).parent.name for file in entry.provenance or ()] for entry in entries}
    assert kinds == {"__score": ["rows", "makes"], "__score__item": ["rows", "makes"]}


def test_a_slice(history: SimpleNamespace, tmp_path: Path, connection: PostgresConnection) -> None:
    """Of a slice, the rows that were taken have what made them, and hold as they did."""
    path = dj.export([history.Scan & "scan_id < 4"], tmp_path / "slice", include="descendants").path
    classes = (history.Stats, history.Bin, history.More)
    expected = [(cls.provenance() & "scan_id < 4").to_dicts() for cls in classes]
    stale = [ids(cls.stale() & "scan_id < 4") for cls in classes]
    history.schema.drop(prompt=False)
    dj.restore(path, connection)
    again = pipeline(dj.Schema(history.schema.name, connection=connection))
    classes = (again.Stats, again.Bin, again.More)
    assert [cls.provenance().to_dicts() for cls in classes] == expected
    assert [ids(cls.stale()) for cls in classes] == stale
    assert (len(again.schema.updates), len(again.schema.accepted)) == (3, 1)


def test_of_some_rows(history: SimpleNamespace, connection: PostgresConnection) -> None:
    """Of a slice, what is told is of its rows: of their makes, changes and acceptances, and no others."""
    classes = (history.Scan, history.Stats, history.Bin)
    taken = [Taken(cls().spec, (cls & "scan_id in (3, 7)").node) for cls in classes]
    with connection.begin(read_only=True):
        told = notes_of(taken, connection)
        texts = {
            (name.table, kind): compiler.select(rows.rows, Dialect.POSTGRES).text
            for name, its in told.items()
            for kind, rows in its.items()
        }
        counts = {place: connection.read(text).num_rows for place, text in texts.items()}
    assert counts == {
        ("scan", "updates"): 1,
        ("__stats", "rows"): 1,
        ("__stats", "makes"): 1,
        ("__stats", "accepted"): 1,
        ("__stats__bin", "rows"): 2,
        ("__stats__bin", "makes"): 1,
    }
