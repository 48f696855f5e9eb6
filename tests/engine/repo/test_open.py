"""Opening: by other tools, by a module's own classes, and what a repository is not let do."""

from __future__ import annotations

import gc
import shutil
import threading
import types
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import polars as pl
import pytest

import djarrow as dj
from djarrow.errors import (
    DefinitionMismatch,
    DjarrowError,
    EngineError,
    IncompatibleOperands,
    InsertRefused,
    NotOneRow,
    QueryError,
    RepositoryError,
    UnknownTable,
)
from djarrow.repo.exporting.export import Exported

from .conftest import EVERY_VALUE, Opener, declared, same


def _named(lab: dj.Schema, name: str) -> type[dj.Table]:
    return next(cls for cls in lab.tables if cls.__name__ == name)


# --- other tools -------------------------------------------------------------------------------------------------


def test_polars_and_duckdb_read_the_files(every: type[dj.Table], folder: Path) -> None:
    """Polars and DuckDB read the files by themselves, with the values and, where they have them, the types."""
    dj.export(every, folder)
    (file,) = folder.rglob("*.parquet")
    copy = shutil.copy(file, folder.parent / "plain.parquet")
    frame = pl.read_parquet(copy)
    expected = every.fetch(order_by="KEY")
    as_text = ["ident", "doc", "kind"]
    assert same(frame.drop(as_text), expected.drop(as_text))
    assert frame["kind"].cast(pl.String).to_list() == [row.get("kind") for row in EVERY_VALUE]
    assert frame["ident"].to_list() == [None if (u := row.get("ident")) is None else str(u) for row in EVERY_VALUE]
    names = ("i8", "u64", "f32", "f64", "price", "wide", "flag", "label", "kind", "day", "clock", "local", "raw")
    with duckdb.connect() as connection:
        rows = connection.execute(f"SELECT {', '.join(names)} FROM '{copy}' ORDER BY n").fetchall()
        for row, given in zip(rows, EVERY_VALUE, strict=True):
            for name, value in zip(names, row, strict=True):
                assert repr(value) == repr(given.get(name)) or value == given.get(name), name
        assert connection.execute(f"SELECT n FROM '{copy}' WHERE f64 > 1e300 ORDER BY n").fetchall() == [(2,), (4,)]
        assert connection.execute(f"SELECT n FROM '{copy}' WHERE isnan(f32)").fetchall() == [(3,)]


# --- using -------------------------------------------------------------------------------------------------------


def test_using_a_schema(lab: dj.Schema, exported: Exported, opened: Opener) -> None:
    """Inside the block the schema's own classes read the repository; before and after it the server."""
    subject = _named(lab, "Subject")
    subject.insert1({"subject_id": 100, "name": "later", "sex": "M", "born": "2024-01-01"})
    with opened(exported.path).using(lab):
        assert len(subject) == 12
        assert len(subject * _named(lab, "Session")) == 60
        assert not subject & {"subject_id": 100}
    assert len(subject) == 13


def test_using_a_module(lab: dj.Schema, exported: Exported, opened: Opener) -> None:
    """A module stands for the schemas in it; one without any, and what is neither, are refused."""
    repository = opened(exported.path)
    module = types.ModuleType("pipeline")
    with pytest.raises(RepositoryError, match="pipeline"):
        repository.using(module)
    module.schema = lab  # type: ignore[attr-defined]
    subject = _named(lab, "Subject")
    subject.insert1({"subject_id": 100, "name": "later", "sex": "M", "born": "2024-01-01"})
    with repository.using(module):
        assert len(subject) == 12
    with pytest.raises(RepositoryError, match="no module and no schema"):
        repository.using("pipeline")  # type: ignore[arg-type]


def test_using_classes_that_disagree(lab: dj.Schema, exported: Exported, opened: Opener) -> None:
    """A class that is not what the repository holds is refused before any query, with what differs."""
    changed = dj.Schema(lab.name, connection=lab.connection)
    declared(changed, "Setting", "---\nscale : float32\nunit : char(2)\n")
    with pytest.raises(DefinitionMismatch) as caught:
        opened(exported.path).using(changed)
    assert "unit" in str(caught.value)
    assert "float32" in str(caught.value)


def test_using_does_not_need_a_server(lab: dj.Schema, exported: Exported, opened: Opener) -> None:
    """Classes that were never declared anywhere read the repository, with no connection at all."""
    unbound = dj.Schema(lab.name)
    setting = declared(unbound, "Setting", "---\nscale : float64\n")
    with opened(exported.path).using(unbound):
        assert setting.fetch1("scale") == 0.5


def test_a_table_that_it_does_not_hold(lab: dj.Schema, folder: Path, opened: Opener) -> None:
    """A query of a table that was not exported is refused inside the block, by its name."""
    dj.export(_named(lab, "Subject"), folder)
    with opened(folder).using(lab):
        assert len(_named(lab, "Subject")) == 12
        with pytest.raises(QueryError, match="session"):
            (_named(lab, "Subject") & _named(lab, "Session")).fetch()


def test_nested_blocks(lab: dj.Schema, exported: Exported, opened: Opener, tmp_path: Path) -> None:
    """An inner block counts until it ends, also by an exception; then the outer one counts again."""
    setting = _named(lab, "Setting")
    lab.connection.execute(f'UPDATE "{lab.name}".setting SET scale = 2')
    dj.export(lab, tmp_path / "second")
    lab.connection.execute(f'UPDATE "{lab.name}".setting SET scale = 3')
    first, second = opened(exported.path), opened(tmp_path / "second")
    with first.using(lab):
        assert setting.fetch1("scale") == 0.5
        with pytest.raises(NotOneRow), second.using(lab):  # noqa: PT012 - what is in the block is the point
            assert setting.fetch1("scale") == 2
            (setting & "scale > 2").fetch1()
        assert setting.fetch1("scale") == 0.5
    assert setting.fetch1("scale") == 3


def test_other_threads_are_not_concerned(lab: dj.Schema, exported: Exported, opened: Opener) -> None:
    """While one thread is inside a block, another reads the server."""
    setting = _named(lab, "Setting")
    lab.connection.execute(f'UPDATE "{lab.name}".setting SET scale = 2')
    with ThreadPoolExecutor(1) as pool, opened(exported.path).using(lab):
        assert pool.submit(lambda: setting.fetch1("scale")).result() == 2
        assert setting.fetch1("scale") == 0.5


def test_threads_share_a_repository(lab: dj.Schema, exported: Exported, opened: Opener) -> None:
    """Queries of several threads at once each get their own rows."""
    session = opened(exported.path)[lab.name].Session
    barrier = threading.Barrier(4)

    def count(number: int) -> list[int]:
        barrier.wait()
        return [len((session & {"subject_id": number}).fetch()) for _ in range(10)]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(count, range(4))) == [[6] * 10] * 4


# --- what it refuses ---------------------------------------------------------------------------------------------


def test_writing(lab: dj.Schema, exported: Exported, opened: Opener) -> None:
    """A repository's classes take no rows."""
    table = opened(exported.path)[lab.name].Setting
    with pytest.raises(InsertRefused, match="read only"):
        table.insert1({"scale": 1.0})


def test_unknown_names(lab: dj.Schema, exported: Exported, opened: Opener) -> None:
    """A schema or table that is not there is named, with the nearest that is."""
    repository = opened(exported.path)
    with pytest.raises(RepositoryError, match=lab.name):
        repository["labb"]
    with pytest.raises(UnknownTable, match="Did you mean 'Session'"):
        _ = repository[lab.name].Sesion
    assert not hasattr(repository[lab.name], "_private")
    assert list(repository) == [lab.name]
    assert {"Subject", "Session", "Score"} <= set(dir(repository[lab.name]))


def test_two_places_do_not_mix(lab: dj.Schema, exported: Exported, opened: Opener) -> None:
    """A table of a repository and one of the server are not joined."""
    with pytest.raises(DjarrowError) as caught:
        _ = opened(exported.path)[lab.name].Subject * _named(lab, "Session")
    assert isinstance(caught.value, QueryError | IncompatibleOperands)


OUTSIDE = [
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM read_parquet('{root}/../other.parquet')",
    "SELECT * FROM read_parquet('https://localhost:1/x.parquet')",
    "COPY (SELECT 1) TO '/tmp/djarrow-out.csv'",
    "COPY (SELECT 1) TO '{root}/inside.csv'",
    "SELECT 1; COPY (SELECT 1) TO '{root}/inside.csv'",
    "ATTACH '{root}/x.duckdb'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET enable_external_access = true",
    "RESET lock_configuration",
    "CREATE TABLE t (n int)",
    'DROP VIEW "{schema}".subject',
    "SET TimeZone = 'Asia/Tokyo'",
    "SELECT * FROM some_python_frame",
]


def test_hardened(lab: dj.Schema, exported: Exported, opened: Opener) -> None:
    """The engine reads the repository's own files only, writes nothing, loads nothing, and its settings are locked."""
    some_python_frame = pl.DataFrame({"a": [1]})
    pl.DataFrame({"a": [1]}).write_parquet(exported.path.parent / "other.parquet")
    repository = opened(exported.path)
    root = str(exported.path).replace("'", "''")
    allowed = []
    for statement in OUTSIDE:
        text = statement.format(root=root, schema=lab.name)
        for run in (repository.reader.read, lambda t: list(repository.reader.stream(t))):
            try:
                run(text)
            except EngineError:
                continue
            allowed.append(text)
    assert allowed == []
    assert len(some_python_frame) == 1
    assert not list(exported.path.rglob("*.csv"))
    assert len(repository[lab.name].Subject) == 12


def test_settings_are_locked(lab: dj.Schema, exported: Exported, opened: Opener) -> None:
    """Past the check of statements, the engine itself refuses to change a setting or to reach out."""
    cursor = opened(exported.path).reader._cursor()
    for statement in (
        "SET enable_external_access = true",
        "SET allowed_directories = ['/']",
        "COPY (SELECT 1) TO '/tmp/x'",
    ):
        with pytest.raises(duckdb.Error):
            cursor.execute(statement)
    cursor.close()


def test_a_missing_file(lab: dj.Schema, exported: Exported, opened: Opener) -> None:
    """A repository from which a file is gone says which, before any row is given."""
    next(exported.path.rglob("session-3.parquet")).unlink()
    with pytest.raises(RepositoryError, match=r"session-3\.parquet is missing"):
        len(opened(exported.path)[lab.name].Subject)


def test_a_cut_file(lab: dj.Schema, exported: Exported, opened: Opener) -> None:
    """A file that is shorter than it was written is named."""
    path = next(exported.path.rglob("session-3.parquet"))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(RepositoryError, match=r"session-3\.parquet has"):
        len(opened(exported.path)[lab.name].Subject)


def test_a_file_that_is_no_parquet(lab: dj.Schema, exported: Exported, opened: Opener) -> None:
    """A file of the right length with other content is refused before the engine sees it."""
    path = next(exported.path.rglob("session-3.parquet"))
    path.write_bytes(b"x" * path.stat().st_size)
    with pytest.raises(RepositoryError, match=r"session-3\.parquet is no Parquet file"):
        opened(exported.path)[lab.name].Session.fetch()


def test_a_link_that_leads_out(lab: dj.Schema, exported: Exported, opened: Opener) -> None:
    """A data file that is a link to a file elsewhere is refused."""
    path = next(exported.path.rglob("session-3.parquet"))
    outside = exported.path.parent / "outside.parquet"
    path.rename(outside)
    path.symlink_to(outside)
    with pytest.raises(RepositoryError, match="leads out"):
        len(opened(exported.path)[lab.name].Subject)


def test_a_copy_elsewhere(lab: dj.Schema, exported: Exported, opened: Opener, tmp_path: Path) -> None:
    """A repository can be moved: nothing in it says where it was."""
    moved = tmp_path / "moved"
    shutil.move(exported.path, moved)
    assert len(opened(moved)[lab.name].Session) == 60


def test_closing_lets_go(lab: dj.Schema, exported: Exported) -> None:
    """A closed repository leaves nothing that complains when it is collected, and can be asked again."""
    repository = dj.open(exported.path)
    assert len(repository[lab.name].Subject) == 12
    repository.close()
    del repository
    gc.collect()


def test_a_hostile_type_is_not_trusted(lab: dj.Schema, exported: Exported, opened: Opener) -> None:
    """A file whose columns are not those of the definition gives an error of djarrow."""
    path = next((exported.path / lab.name / "tables" / "setting").iterdir())
    size = path.stat().st_size
    pl.DataFrame({"scale": ["text"]}).write_parquet(path)
    content = path.read_bytes()
    manifest = exported.path / "manifest.json"
    manifest.write_text(manifest.read_text().replace(f'"size": {size}', f'"size": {len(content)}'))
    with pytest.raises(DjarrowError):
        opened(exported.path)[lab.name].Setting.fetch()
