"""Restored into what is there: new rows are added, equal ones kept, others of the same keys refused with a frame."""

from __future__ import annotations

import decimal
import math
import random
import threading
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import djarrow as dj
from djarrow.engine.connect import connect
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import DefinitionMismatch, InvalidCondition, MergeConflict, RepositoryError
from djarrow.model.names import TableName
from djarrow.repo.exporting.export import Exported
from djarrow.repo.restoring.merging import Conflicts
from djarrow.repo.restoring.restore import Restored

from .conftest import EVERY_VALUE, Another, declared, same


def merged(path: Path, connection: PostgresConnection, **options: Any) -> Restored:
    """What a merge did."""
    return dj.restore(path, connection, into="merge", **options)


def contents(schema: dj.Schema) -> dict[str, pl.DataFrame]:
    """The rows of each table."""
    frames = {cls().spec.name.table: cls.to_polars() for cls in schema.tables}
    return {name: frame.sort(frame.columns[:3], maintain_order=True) for name, frame in frames.items()}


def unchanged(before: dict[str, pl.DataFrame], schema: dj.Schema) -> bool:
    """Whether the tables have these rows."""
    return all(same(before[name], frame) for name, frame in contents(schema).items())


def table(schema: dj.Schema, name: str) -> type[dj.Table]:
    """A class of the schema by its name."""
    return schema[name]


def test_nothing_is_new(exported: Exported, lab: dj.Schema, connection: PostgresConnection) -> None:
    """What is there already, is kept as it is, and no table is made again."""
    before = contents(lab)
    done = merged(exported.path, connection)
    assert (done.rows, done.kept, done.tables) == (0, exported.rows, exported.tables)
    assert unchanged(before, lab)


def test_what_is_missing_comes_back(exported: Exported, lab: dj.Schema, connection: PostgresConnection) -> None:
    """Rows of every kind of table, the one of a table without a key, and a table that was dropped."""
    before = contents(lab)
    (table(lab, "Subject") & "subject_id > 5").delete(prompt=False)
    table(lab, "Session.Note").delete(prompt=False, part_integrity="ignore")
    table(lab, "Setting").delete(prompt=False)
    table(lab, "Unused").drop(prompt=False)
    left = sum(map(len, contents_there(lab, before)))
    done = merged(exported.path, connection)
    assert (done.rows, done.kept) == (exported.rows - left, left)
    again = dj.Schema(lab.name, connection=connection)
    assert all(same(before[name], again[name].to_polars().sort(before[name].columns[:3])) for name in before)
    with pytest.raises(dj.errors.MissingParent):
        again["Unused"].insert1({"subject_id": 99, "session": 0, "doc": 1}, allow_direct_insert=True)


def contents_there(schema: dj.Schema, before: dict[str, pl.DataFrame]) -> list[pl.DataFrame]:
    """The rows of the tables that there still are."""
    there = dj.Schema(schema.name, connection=schema.connection)
    return [there[name].to_polars() for name in there.list_tables() if name in before]


def test_rows_that_only_the_database_has_stay(
    exported: Exported, lab: dj.Schema, connection: PostgresConnection
) -> None:
    """A merge adds, and takes nothing away."""
    extra = {"subject_id": 77, "name": "new", "sex": "F", "born": "2024-01-01T00:00:00Z"}
    table(lab, "Subject").insert1(extra)
    assert merged(exported.path, connection).rows == 0
    assert len(table(lab, "Subject") & {"subject_id": 77}) == 1


def test_conflicts(exported: Exported, lab: dj.Schema, connection: PostgresConnection) -> None:
    """All of them are told, of all tables, with the values of both sides; and nothing was restored."""
    (table(lab, "Score") & "subject_id = 2").delete(prompt=False)
    table(lab, "Subject").update1({"subject_id": 3, "weight": "9.99", "name": "other"})
    table(lab, "Subject").update1({"subject_id": 5, "weight": None})
    table(lab, "Session").update1({"subject_id": 1, "session": 2, "x": 5.0})  # it is NaN in the repository
    table(lab, "Setting").update1({"scale": 0.25})
    before = contents(lab)
    with pytest.raises(MergeConflict, match=r"session: 1 row\b") as raised:
        merged(exported.path, connection)
    assert unchanged(before, lab)
    subject, session, setting = (f"{lab.name}.{name}" for name in ("subject", "session", "setting"))
    assert raised.value.counts == {setting: 1, subject: 2, session: 1}
    of_subject = raised.value.conflicts[subject].sort("subject_id")
    assert of_subject.drop("_conflict").rows() == [
        (3, "other", "n\\3'", decimal.Decimal("9.99"), None),
        (5, None, None, None, decimal.Decimal("6.25")),
    ]
    weights = ["weight.database", "weight.repository"]
    assert of_subject.columns == ["subject_id", "name.database", "name.repository", *weights, "_conflict"]
    of_session = raised.value.conflicts[session].row(0, named=True)
    assert of_session["x.database"] == 5
    assert math.isnan(of_session["x.repository"])
    assert raised.value.conflicts[setting].rows() == [(0.25, 0.5, "other values")]


def test_conflicts_of_several_pieces() -> None:
    """Rows that come later may differ in other attributes: all are there, and what is wrong is the last column."""
    found = Conflicts()
    found.add(TableName("lab", "t"), 1, pl.DataFrame({"n": 1, "x.database": 1, "x.repository": 2, "_conflict": "a"}))
    found.add(
        TableName("lab", "t"), 1, pl.DataFrame({"n": 2, "y.database": "u", "y.repository": "v", "_conflict": "b"})
    )
    with pytest.raises(MergeConflict, match=r"lab\.t: 2 rows") as raised:
        found.check()
    frame = raised.value.conflicts["lab.t"]
    assert frame.columns == ["n", *(f"{a}.{side}" for a in "xy" for side in ("database", "repository")), "_conflict"]
    assert frame.rows() == [(1, 1, 2, None, None, "a"), (2, None, None, "u", "v", "b")]


def test_every_type(every: type[dj.Table], folder: Path, connection: PostgresConnection) -> None:
    """Equal values of all types are equal, at their ends too; another value of any of them is a conflict in it."""
    path = dj.export(every, folder).path
    assert merged(path, connection).kept == len(EVERY_VALUE)
    one, other = ({**EVERY_VALUE[0], **EVERY_VALUE[n]} for n in (1, 2))
    every.update1({**other, "n": 1})
    with pytest.raises(MergeConflict) as raised:
        merged(path, connection)
    (frame,) = raised.value.conflicts.values()
    sides = ("database", "repository")
    assert set(frame.columns) == {"n", "_conflict", *(f"{a}.{side}" for a in one if a != "n" for side in sides)}
    types = every.to_polars().schema
    assert all(frame.schema[f"{a}.{side}"] == types[a] for a in one if a != "n" for side in sides)
    values = frame.row(0, named=True)
    assert [values[f"ident.{side}"] for side in sides] == [other["ident"].bytes, one["ident"].bytes]
    assert [values[f"kind.{side}"] for side in sides] == [other["kind"], one["kind"]]
    assert [values[f"wide.{side}"] for side in sides] == [other["wide"], one["wide"]]
    assert values["doc.repository"] is None


@pytest.mark.parametrize(
    ("there", "equal"),
    [(math.nan, False), (0.0, False), (-0.0, True), (None, False), (5e-324, False)],
)
def test_zeros_and_nan(
    schema: dj.Schema, connection: PostgresConnection, tmp_path: Path, there: float | None, equal: bool
) -> None:
    """-0.0 is not 0.0, NULL is not NaN: as the content hash has it."""
    cls = declared(schema, "F", "n : uint8\n---\nx = null : float32\ny = null : float64")
    cls.insert([{"n": 1, "x": math.nan, "y": -0.0}])
    path = dj.export(cls, tmp_path / "f").path
    cls.update1({"n": 1, "y": there})
    if equal:
        assert merged(path, connection).kept == 1
    else:
        with pytest.raises(MergeConflict) as raised:
            merged(path, connection)
        (frame,) = raised.value.conflicts.values()
        assert frame.columns == ["n", "y.database", "y.repository", "_conflict"]


def test_keys_that_differ_in_a_sign(schema: dj.Schema, connection: PostgresConnection, tmp_path: Path) -> None:
    """To the database 0.0 and -0.0 are one key, and to the content hash two values."""
    cls = declared(schema, "K", "x : float64\n---\ny : int8")
    cls.insert([(-0.0, 1), (math.nan, 2)])
    path = dj.export(cls, tmp_path / "k").path
    assert merged(path, connection).kept == 2
    (cls & "y = 1").delete(prompt=False)
    cls.insert1((0.0, 1))
    with pytest.raises(MergeConflict) as raised:
        merged(path, connection)
    (frame,) = raised.value.conflicts.values()
    assert frame.columns == ["x", "x.database", "x.repository", "_conflict"]
    assert [math.copysign(1, value) for value in frame.row(0)[:3]] == [-1, 1, -1]


def test_documents(schema: dj.Schema, connection: PostgresConnection, tmp_path: Path) -> None:
    """In whatever order their keys were written, also in a column that keeps this; 1 is not 1.0."""
    cls = declared(schema, "D", "n : uint8\n---\ndoc : json")
    cls.insert([(1, {"a": 1, "b": [None]}), (2, 1)])
    path = dj.export(cls, tmp_path / "d").path
    connection.execute(f"ALTER TABLE {cls().full_table_name} ALTER COLUMN doc TYPE json USING doc")
    connection.execute(f'UPDATE {cls().full_table_name} SET doc = \'{{"b":  [null], "a": 1}}\' WHERE n = 1')
    assert merged(path, connection).kept == 2
    connection.execute(f"UPDATE {cls().full_table_name} SET doc = '1.0' WHERE n = 2")
    with pytest.raises(MergeConflict) as raised:
        merged(path, connection)
    (frame,) = raised.value.conflicts.values()
    assert frame.rows() == [(2, "1.0", "1", "other values")]


def test_hierarchies(schema: dj.Schema, connection: PostgresConnection, tmp_path: Path) -> None:
    """Rows that refer to later ones of their own table, some of which are there."""
    node = declared(schema, "Node", "node : int32\n---\n-> [nullable] Node.proj(above='node')")
    node.insert([{"node": n, "above": n + 1 if n < 99 else None} for n in range(100)])
    path = dj.export(node, tmp_path / "tree").path
    (node & "node <= 50").delete(prompt=False)
    assert (merged(path, connection).rows, len(node)) == (51, 100)


def test_what_the_database_refuses(schema: dj.Schema, connection: PostgresConnection, tmp_path: Path) -> None:
    """A value that another row has under a unique index: told as such, and nothing was restored."""
    declared(schema, "First", "n : uint8").insert([[1], [2]])
    unique = declared(schema, "U", "n : uint8\n---\nname : varchar(10)\nunique index (name)")
    unique.insert([(1, "a"), (2, "b")])
    path = dj.export(schema, tmp_path / "u").path
    schema["First"].delete(prompt=False)
    (unique & "n = 2").delete(prompt=False)
    unique.insert1((3, "b"))
    with pytest.raises(RepositoryError, match=r"\.u do not go with those that the database holds.*name"):
        merged(path, connection)
    assert len(schema["First"]) == 0


def test_other_definitions(schema: dj.Schema, connection: PostgresConnection, tmp_path: Path) -> None:
    """A table that is there under the same name must be the same table, but for comments."""
    cls = declared(schema, "T", "n : uint8  # number\n---\nx : int32")
    cls.insert1((1, 1))
    path = dj.export(cls, tmp_path / "t").path
    connection.execute(f"COMMENT ON COLUMN {cls().full_table_name}.n IS ':uint8:other'")
    assert merged(path, connection).kept == 1
    cls.drop(prompt=False)
    again = dj.Schema(schema.name, connection=connection)
    declared(again, "T", "n : uint8\n---\nx : int64\ny = null : int8").declare()
    with pytest.raises(DefinitionMismatch, match="the definition in the repository does not agree") as raised:
        merged(path, connection)
    assert raised.value.differences == (
        "attribute 'x': the repository says int32, the database int64",
        "attribute 'y' (int8) is in the database and not in the repository",
    )


def test_into_other_names(exported: Exported, lab: dj.Schema, another: Another, connection: PostgresConnection) -> None:
    """A schema that is not there is made, and the next merge finds all of it."""
    again = another("merged_again")
    for rows, kept in ((exported.rows, 0), (0, exported.rows)):
        done = merged(exported.path, connection, rename={lab.name: again.name})
        assert (done.rows, done.kept) == (rows, kept)


def test_parts_of_another_make(exported: Exported, lab: dj.Schema, connection: PostgresConnection) -> None:
    """A result that is there is not given parts that its own make has not made, but those that it has."""
    item, notes = table(lab, "Score.Item"), table(lab, "Session.Note") & "subject_id = 1"
    before = len(item)
    item.delete(prompt=False, part_integrity="ignore")
    assert merged(exported.path, connection).rows == len(item) == before
    notes.delete(prompt=False, part_integrity="ignore")
    (table(lab, "Score") & "subject_id = 1").delete(prompt=False)
    score: Any = next(cls for cls in lab.tables if cls.__name__ == "Score")
    score.populate("subject_id = 1 and method = 'slow'")
    gone = before - len(item)
    assert gone
    with pytest.raises(MergeConflict) as raised:
        merged(exported.path, connection)
    name = f"{lab.name}.__score__item"
    assert list(raised.value.counts) == [name]
    assert raised.value.counts[name] == gone
    frame = raised.value.conflicts[name]
    assert frame.columns == [*table(lab, "Score.Item")().heading.primary_key, "_conflict"]
    assert frame["_conflict"].unique().to_list() == ["part of another make"]
    table(lab, "Score").delete(prompt=False)
    merged(exported.path, connection)
    assert len(item) == before


def test_wide_tables(schema: dj.Schema, connection: PostgresConnection, tmp_path: Path) -> None:
    """Of a thousand attributes that differ, the values of the first ones are told."""
    names = [f"x{n}" for n in range(1000)]
    cls = declared(schema, "Wide", "n : uint8\n---\n" + "\n".join(f"{name} : int8" for name in names))
    cls.insert1([1] * 1001)
    path = dj.export(cls, tmp_path / "wide").path
    cls.delete(prompt=False)
    cls.insert1([1, *[2] * 1000])
    with pytest.raises(MergeConflict) as raised:
        merged(path, connection)
    (frame,) = raised.value.conflicts.values()
    told = [f"{name}.{side}" for name in names[:400] for side in ("database", "repository")]
    assert frame.columns == ["n", *told, "_conflict"]
    assert frame.row(0)[-3:] == (2, 1, "other values")


def test_random(schema: dj.Schema, connection: PostgresConnection, tmp_path: Path) -> None:
    """As a mapping would be merged, whatever is where."""
    cls = declared(schema, "R", "a : int8\nb : varchar(3)\n---\nx = null : float32\ny = null : enum('u', 'v')")
    for seed in range(8):
        chance = random.Random(seed)  # noqa: S311 - the same each time

        def rows(chance: random.Random = chance) -> dict[tuple[int, str], tuple[Any, ...]]:
            keys = {(chance.randrange(4), chance.choice(["", "a", "A", "é"])) for _ in range(8)}
            return {key: (chance.choice([None, 0.0, 1.5]), chance.choice([None, "u"])) for key in keys}

        ours, theirs = rows(), rows()
        if seed % 2:
            ours = {key: theirs.get(key, values) for key, values in ours.items()}
        cls.insert([(*key, *values) for key, values in theirs.items()])
        path = dj.export(cls, tmp_path / str(seed)).path
        cls.delete(prompt=False)
        cls.insert([(*key, *values) for key, values in ours.items()])
        different = {key for key in ours.keys() & theirs.keys() if ours[key] != theirs[key]}
        if different:
            with pytest.raises(MergeConflict) as raised:
                merged(path, connection)
            (frame,) = raised.value.conflicts.values()
            assert set(frame.select("a", "b").rows()) == different
        else:
            merged(path, connection)
            ours |= theirs
        assert {tuple(row[:2]): tuple(row[2:]) for row in cls.to_polars().rows()} == ours
        cls.delete(prompt=False)


@pytest.mark.parametrize("other", [True, False])
def test_beside_one_who_inserts(schema: dj.Schema, connection: PostgresConnection, tmp_path: Path, other: bool) -> None:
    """A row of the same key that is inserted meanwhile, and committed later: it is waited for, and compared."""
    cls = declared(schema, "T", "n : uint8\n---\nx : int32")
    cls.insert([(n, n) for n in range(5)])
    path = dj.export(cls, tmp_path / "t").path
    cls.delete(prompt=False)
    results: list[Any] = []

    def merging() -> None:
        mine = connect(connection.url)
        try:
            results.append(merged(path, mine).rows)
        except MergeConflict as error:
            results.append(error.counts)
        finally:
            mine.close()

    thread = threading.Thread(target=merging)
    with connection.transaction:
        cls.insert1((3, 33 if other else 3))
        thread.start()
        waiting = "SELECT FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid()"
        deadline = time.monotonic() + 20
        while not connection.has_rows(waiting) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not results
    thread.join()
    assert results == ([{f"{schema.name}.t": 1}] if other else [4])
    assert len(cls) == (1 if other else 5)


def test_wrong_options(exported: Exported, connection: PostgresConnection) -> None:
    """What is no way to restore."""
    wrong: Any = "replace"
    with pytest.raises(InvalidCondition, match="into"):
        dj.restore(exported.path, connection, into=wrong)
    with pytest.raises(InvalidCondition, match="all or nothing"):
        merged(exported.path, connection, resumable=True)
