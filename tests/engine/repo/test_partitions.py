"""Rows split over files by the values of attributes."""

from __future__ import annotations

import datetime
import decimal
import uuid
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import djarrow as dj
from djarrow.errors import ConfigError, RepositoryError, UnknownAttribute

from .conftest import Opener, declared, same

ODD_VALUES = [
    "",
    " ",
    ".",
    "..",
    "../..",
    "/etc/passwd",
    "a/b",
    "a b",
    "100%",
    "%2F",
    "é🐁",
    "A",
    "a",
    "it's",
    'quo"te',
    "*",
    "[a]",
    "a=b",
    "line\nend",
    "back\\slash",
    "~",
    "x" * 300,
    "x" * 299 + "y",
    "é" * 100,
    "CON",
    "a.parquet",
]


def test_odd_values(schema: dj.Schema, folder: Path, opened: Opener) -> None:
    """Whatever text a partition has, its file lies in the table's folder, opens, and holds its rows."""

    @schema
    class Odd(dj.Manual):
        definition = """
        value : varchar(300)
        n : int8
        """

    Odd.insert([(value, n) for value in ODD_VALUES for n in range(2)])
    exported = dj.export(schema, folder, partition_by=["value"])
    home = folder / schema.name / "tables" / "odd"
    assert exported.files == len(ODD_VALUES)
    assert {path.parent for path in folder.parent.rglob("*.parquet")} == {home}
    assert all(pl.read_parquet(path, glob=False)["value"].n_unique() == 1 for path in home.iterdir())
    table = opened(folder)[schema.name].Odd
    assert same(table.fetch(order_by="KEY"), Odd.fetch(order_by="KEY"))
    assert {row["value"] for row in table} == set(ODD_VALUES)


def test_types(schema: dj.Schema, folder: Path, opened: Opener) -> None:
    """Each type whose values have one text can split a table, in the key or outside of it."""
    kinds: dict[str, list[Any]] = {
        "int64": [-(2**63), 0, 2**63 - 1],
        "uint64": [0, 2**64 - 1],
        "decimal(20,9)": [decimal.Decimal("0.000000001"), decimal.Decimal(0), decimal.Decimal("-1.5")],
        "bool": [True, False],
        "char(3)": ["a", "b"],
        "enum('b','a b')": ["b", "a b"],
        "date": [datetime.date(2024, 2, 29), datetime.date(1, 1, 1)],
        "time": [datetime.time(1, 2, 3, 4)],
        "timestamp": [datetime.datetime(2024, 1, 1, 5, tzinfo=datetime.UTC)],
        "datetime": [datetime.datetime(2024, 1, 1, 5)],
        "uuid": [uuid.UUID(int=5), uuid.UUID(int=2**127)],
    }
    classes = []
    for number, kind in enumerate(kinds):
        definition = f"v : {kind}\nn : int8\n---\n" if number % 2 else f"n : int16\n---\nv : {kind}\n"
        classes.append(declared(schema, f"Of{number}", definition))
    for cls, values in zip(classes, kinds.values(), strict=True):
        cls.insert({"v": value, "n": 10 * j + i} for i in range(3) for j, value in enumerate(values))
    exported = dj.export(schema, folder, partition_by={cls: ["v"] for cls in classes})
    assert exported.files == sum(map(len, kinds.values()))
    found = opened(folder)[schema.name]
    for cls, values in zip(classes, kinds.values(), strict=True):
        table = getattr(found, cls.__name__)
        assert same(table.fetch(order_by="KEY"), cls.fetch(order_by="KEY"))
        for value in values:
            assert len(table & {"v": value}) == 3, value
    assert (folder / schema.name / "tables" / "of10" / f"v-{uuid.UUID(int=5)}.parquet").exists()


def test_two_attributes(schema: dj.Schema, folder: Path, opened: Opener) -> None:
    """Two attributes make folders and files; values without rows make neither."""

    @schema
    class Hour(dj.Manual):
        definition = """
        n : int16
        ---
        year : int16
        month : uint8
        """

    Hour.insert([(n, 2013 + n % 2, n % 3 + 1) for n in range(30) if n % 6 != 5])
    exported = dj.export(Hour, folder, partition_by=["year", "month"])
    home = folder / schema.name / "tables" / "hour"
    names = sorted(str(path.relative_to(home)) for path in home.rglob("*.parquet"))
    assert names == [f"year-{y}/month-{m}.parquet" for y in (2013, 2014) for m in (1, 2, 3) if (y, m) != (2014, 3)]
    assert exported.files == 5
    assert same(opened(folder)[schema.name].Hour.fetch(order_by="KEY"), Hour.fetch(order_by="KEY"))


def test_an_attribute_called_key(schema: dj.Schema, folder: Path, opened: Opener) -> None:
    """Rows are ordered by the attribute itself, also where its name means something in `order_by`."""

    @schema
    class Lock(dj.Manual):
        definition = """
        a : int16
        key : int16
        desc : int16
        """

    Lock.insert([(a, key, (a + key) % 2) for a in range(5) for key in range(4)])
    exported = dj.export(Lock, folder, partition_by=["key", "desc"])
    assert exported.files == 8
    assert len(opened(folder)[schema.name].Lock) == 20


def test_only_tables_that_have_the_attribute(lab: dj.Schema, folder: Path) -> None:
    """A list of attributes splits each table that has all of them and leaves the others whole."""
    dj.export(lab, folder, partition_by=["subject_id", "session"])
    home = folder / lab.name / "tables"
    assert [path.name for path in (home / "subject").iterdir()] == ["all.parquet"]
    assert len(list((home / "session").rglob("subject_id-*/session-*.parquet"))) == 60


def test_no_rows(lab: dj.Schema, folder: Path, opened: Opener) -> None:
    """A table without rows that should be split has one empty file, and its types."""
    unused = next(cls for cls in lab.tables if cls.__name__ == "Unused")
    dj.export(lab, folder, partition_by={unused: ["session"]})
    assert [path.name for path in (folder / lab.name / "tables" / "unused").iterdir()] == ["all.parquet"]
    found = opened(folder)[lab.name].Unused.fetch()
    assert found.schema == unused.fetch().schema
    assert len(found) == 0


def _refused(what: dj.Schema | type[dj.Table], folder: Path, partition_by: Any) -> Exception:
    with pytest.raises((RepositoryError, UnknownAttribute)) as caught:
        dj.export(what, folder, partition_by=partition_by)
    assert not folder.exists()
    return caught.value


def test_what_cannot_split_a_table(lab: dj.Schema, folder: Path) -> None:
    """Refused, and nothing made: a nullable or unknown attribute, a float, a text for a list, a table not exported."""
    classes = {cls.__name__: cls for cls in lab.tables}
    session, unused, method = classes["Session"], classes["Unused"], classes["Method"]
    assert "may be NULL" in str(_refused(lab, folder, {session: ["way"]}))
    assert "'x' is float64" in str(_refused(lab, folder, {session: ["x"]}))
    assert "'doc' is json" in str(_refused(lab, folder, {unused: ["doc"]}))
    unknown = _refused(lab, folder, {session: ["sesion"]})
    assert isinstance(unknown, UnknownAttribute)
    assert "Did you mean 'session'?" in str(unknown)
    nowhere = _refused(lab, folder, ["sesion"])
    assert isinstance(nowhere, UnknownAttribute)
    assert "Did you mean 'session'?" in str(nowhere)
    assert "no table has all" in str(_refused(lab, folder, ["gain", "session"]))
    assert "['session']" in str(_refused(lab, folder, "session"))
    assert "['session']" in str(_refused(lab, folder, {session: "session"}))
    assert "once" in str(_refused(lab, folder, ["session", "session"]))
    assert "not exported" in str(_refused(session, folder, {unused: ["session"]}))
    assert "is float32" in str(_refused(lab, folder, {method: ["gain"]}))


def _project(folder: Path, monkeypatch: pytest.MonkeyPatch, settings: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "datajoint.toml").write_text(settings, "utf-8")
    monkeypatch.chdir(folder)


def test_the_pattern_of_the_project(
    lab: dj.Schema, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: Opener
) -> None:
    """Where nothing else is said, keys are split by the parts of the pattern that they have, but for the last."""
    pattern = 'partition_pattern = "subject{subject_id}/session{session}"'
    _project(tmp_path / "project", monkeypatch, f"[object_storage]\nprotocol = 's3'\n{pattern}\n")
    dj.export(lab, folder)
    home = folder / lab.name / "tables"
    found = {
        path.name: sorted(str(each.relative_to(path)) for each in path.rglob("*.parquet")) for path in home.iterdir()
    }
    assert found["session"] == [f"subject{n}.parquet" for n in range(10)]
    assert found["subject"] == found["method"] == found["setting"] == ["all.parquet"]
    assert set(found["session__note"]) == {f"subject{i}/session{j}.parquet" for i in range(3) for j in (1, 2)}
    repository = opened(folder)[lab.name]
    for cls in lab.tables:
        name = cls().spec.name
        assert (
            same(repository.table(name).to_polars(order_by="KEY"), cls.to_polars(order_by="KEY"))
            or not cls().heading.primary_key
        )
    assert len(repository.Session & "subject_id = 3") == 6
    one = dj.export(lab, tmp_path / "by name", partition_by=["session"])
    assert one.files > 7
    unsplit = dj.export(lab, tmp_path / "not at all", partition_by=[]).path
    assert {path.name for path in (unsplit / lab.name / "tables").rglob("*.parquet")} == {"all.parquet"}


def test_patterns_that_do_not_fit(
    lab: dj.Schema, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slip in the pattern is refused; one of attributes that an export does not have splits nothing there."""
    session = next(cls for cls in lab.tables if cls.__name__ == "Session")
    method = next(cls for cls in lab.tables if cls.__name__ == "Method")
    refused: dict[str, type[Exception]] = {
        "'subject{subject_id}/session{sesion}'": UnknownAttribute,
        "'subjects{subjects}/session{session}'": UnknownAttribute,
        "'../{subject_id}'": RepositoryError,
        "5": RepositoryError,
    }
    for text, error in refused.items():
        _project(tmp_path / "project", monkeypatch, f"[object_storage]\npartition_pattern = {text}\n")
        with pytest.raises(error, match="partition_pattern"):
            dj.export(session & "session = 1", folder)
    _project(tmp_path / "project", monkeypatch, "[object_storage\n")
    with pytest.raises(ConfigError):
        dj.export(method, folder)
    assert not folder.exists()
    _project(tmp_path / "project", monkeypatch, "[object_storage]\npartition_pattern = 'rig{rig}/day{day}'\n")
    assert dj.export(method, folder).files == 1


def test_values_that_look_like_names(
    schema: dj.Schema, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: Opener
) -> None:
    """A file of a pattern is not left out of a query because its name looks like that of another value."""
    table = declared(schema, "Scan", "subject : varchar(20)\nn : int32")
    table.insert([(f"subject-{i}", n) for i in range(3) for n in range(2)])
    _project(tmp_path / "project", monkeypatch, "[object_storage]\npartition_pattern = '{subject}'\n")
    dj.export(schema, folder)
    found = opened(folder)[schema.name].Scan
    assert len(found & "subject = 'subject-1'") == 2
    assert len(found & "subject = '1'") == 0
