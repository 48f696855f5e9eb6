"""What an export takes, where it writes, and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import djarrow as dj
from djarrow.errors import RepositoryError, TransactionError
from djarrow.repo.exporting.export import Exported

from .conftest import Another, Opener, declared, same


def test_what_it_says(exported: Exported, lab: dj.Schema) -> None:
    """The result counts tables, rows, files and bytes as they lie in the folder."""
    files = list(exported.path.rglob("*.parquet"))
    assert exported.files == len(files) == 17
    assert exported.bytes == sum(path.stat().st_size for path in files)
    assert exported.rows == sum(len(cls()) for cls in lab.tables)
    assert exported.seconds > 0


def test_ancestors_come_along(lab: dj.Schema, folder: Path, opened: Opener) -> None:
    """Of one class, all tables that it refers to are exported too, parts with their masters, and no other."""
    score = next(cls for cls in lab.tables if cls.__name__ == "Score")
    dj.export(score, folder)
    tables = {str(name.table) for name in opened(folder).tables}
    assert tables == {"__score", "__score__item", "session", "session__note", "subject", "#method"}


def test_other_schemas_come_along(schema: dj.Schema, another: Another, folder: Path, opened: Opener) -> None:
    """References lead into other schemas, whose tables are exported and joined offline."""
    second = another(f"{schema.name}-b")

    @schema
    class Rat(dj.Manual):
        definition = """
        rat : int32
        """

        class Ear(dj.Part):
            definition = """
            -> master
            side : enum('left', 'right')
            """

    @schema
    class Unrelated(dj.Manual):
        definition = """
        n : int32
        """

    @second
    class Sound(dj.Manual):
        definition = """
        -> Rat.Ear
        ---
        -> [nullable] Rat.proj(other='rat')
        level : float32
        """

    Unrelated.insert1((1,))
    Rat.insert([(1,), (2,)])
    Rat.Ear.insert([(1, "left"), (1, "right"), (2, "left")])
    Sound.insert([(1, "left", 2, 0.5), (2, "left", None, 1.5)])
    dj.export(second, folder)
    repository = opened(folder)
    assert {str(name) for name in repository.tables} == {
        f"{schema.name}.rat",
        f"{schema.name}.rat__ear",
        f"{second.name}.sound",
    }
    offline = repository[second.name].Sound * repository[schema.name].Rat.Ear
    assert same(offline.fetch(order_by="KEY"), (Sound * Rat.Ear).fetch(order_by="KEY"))
    assert repository[second.name].Sound().spec == Sound().spec


def test_nothing_to_export(schema: dj.Schema, folder: Path) -> None:
    """A schema without tables, an empty list, and what is no table are refused, and nothing is made."""
    for what in (schema, [], [5], "flights"):
        with pytest.raises(RepositoryError):
            dj.export(what, folder)  # type: ignore[arg-type]
    assert not folder.exists()


def test_schemas_without_classes(lab: dj.Schema, folder: Path, opened: Opener) -> None:
    """Of a schema without classes, as itself, of a virtual module or that module, what the database holds is taken."""
    lab.activate()
    bare = dj.Schema(lab.name, connection=lab.connection)
    module = dj.virtual(lab.name, connection=lab.connection)
    every: tuple[Any, ...] = (bare, module.schema, module, [bare])
    for number, what in enumerate(every):
        assert dj.export(what, folder / str(number)).tables == 8
    assert same(opened(folder / "0")[lab.name].Session.fetch(order_by="KEY"), module.Session.fetch(order_by="KEY"))
    lab.connection.execute(f'CREATE TABLE "{lab.name}".heap (a integer)')
    with pytest.warns(UserWarning, match="not exported") as caught:
        assert dj.export(bare, folder / "heap").tables == 8
    assert f"{lab.name}.heap: " in str(caught[0].message)
    assert caught[0].filename == __file__


HOSTILE = {
    "code": "z(dj.Manual): pass; print('run')#",
    "a path that climbs": "../../../evil",
    "a path that climbs from a part": "../../../evil__part",
    "an absolute path": "/evil",
    "a backslash": "a\\b",
    "a word of Python": "none",
    "no way back": "scan_2",
    "upper case": "Upper",
    "a new line": "a\nb",
}


@pytest.mark.parametrize("table", HOSTILE.values(), ids=HOSTILE.keys())
def test_names_of_other_software(schema: dj.Schema, folder: Path, table: str) -> None:
    """Tables whose names are no folders or no classes are refused, with what to do, and nothing is written."""
    declared(schema, "Fine", "a : int32").declare()
    connection = schema.connection
    odd = f'"{schema.name}"."{table}"'
    connection.execute(f"CREATE TABLE {odd} (a integer PRIMARY KEY)")
    connection.execute(f'CREATE TABLE "{schema.name}".child (a integer PRIMARY KEY REFERENCES {odd})')
    module = dj.virtual(schema.name, connection=connection)
    for what in (module, module.schema, module[table], module.Child):
        with pytest.raises(RepositoryError, match=r"name of other software.*Rename it in the database") as caught:
            dj.export(what, folder)
        assert repr(f"{schema.name}.{table}") in str(caught.value)
    assert not folder.exists()
    assert dj.export(module.Fine, folder).tables == 1
    assert not list(folder.parent.rglob("*evil*"))


def test_a_schema_of_another_name(schema: dj.Schema, folder: Path) -> None:
    """A schema whose name is code is refused, also where only a reference leads there; nothing is written."""
    hostile = '"x""); import os; os.system(""touch run"")#"'
    declared(schema, "Fine", "a : int32").declare()
    connection = schema.connection
    connection.execute(f"CREATE SCHEMA {hostile}")
    try:
        connection.execute(f"CREATE TABLE {hostile}.p (a integer PRIMARY KEY)")
        connection.execute(f'CREATE TABLE "{schema.name}".s (a integer PRIMARY KEY REFERENCES {hostile}.p)')
        with pytest.raises(RepositoryError, match="must start with a lowercase letter"):
            dj.export(dj.virtual(schema.name, connection=connection), folder)
        assert not folder.exists()
    finally:
        connection.execute(f"DROP SCHEMA {hostile} CASCADE")


def test_attributes_of_other_software(schema: dj.Schema, folder: Path) -> None:
    """A table with attributes that no definition can name is refused, because its repository would not open."""
    schema.activate()
    schema.connection.execute(f'CREATE SCHEMA "{schema.name}"')
    schema.connection.execute(f'CREATE TABLE "{schema.name}".b (a integer PRIMARY KEY, "../x" integer)')
    with pytest.raises(RepositoryError, match="no definition can say what it is"):
        dj.export(schema, folder, partition_by=["a"])
    assert not folder.exists()


def test_two_tables_of_one_name(schema: dj.Schema, folder: Path) -> None:
    """A class declared again in another tier is another table of the same folder, and refused."""
    first = declared(schema, "Thing", "n : int8")
    second = declared(schema, "Thing", "n : int8", dj.Lookup)
    first.insert1((1,))
    second.insert1((2,))
    with pytest.raises(RepositoryError, match="both"):
        dj.export(schema, folder)
    assert not folder.exists()


def test_inside_a_transaction(lab: dj.Schema, folder: Path) -> None:
    """An export reads a snapshot of its own, and says so inside an open transaction."""
    lab.activate()
    with lab.connection.transaction, pytest.raises(TransactionError):
        dj.export(lab, folder)
    assert not folder.exists()


def test_inside_using(lab: dj.Schema, exported: Exported, opened: Opener, tmp_path: Path) -> None:
    """Inside a `using` block it is not plain which rows are meant, and the export is refused."""
    with opened(exported.path).using(lab), pytest.raises(RepositoryError, match="using"):
        dj.export(lab, tmp_path / "other")


def test_a_file_in_the_way(lab: dj.Schema, tmp_path: Path) -> None:
    """A file where a folder should be, at any level, is refused, and stays."""
    (tmp_path / "file").write_text("mine")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / lab.name).write_text("mine")
    (tmp_path / "b" / lab.name / "tables" / "subject" / "all.parquet").mkdir(parents=True)
    for target in ("file", "file/deeper", "a", "b"):
        with pytest.raises(RepositoryError):
            dj.export(lab, tmp_path / target)
        with pytest.raises(RepositoryError):
            dj.open(tmp_path / target)
    assert (tmp_path / "file").read_text() == (tmp_path / "a" / lab.name).read_text() == "mine"


def test_a_connection_works_on_after_a_refusal(lab: dj.Schema, tmp_path: Path) -> None:
    """A failed export leaves no transaction open and no stream in the way of the next statement."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / lab.name).write_text("")
    with pytest.raises(RepositoryError):
        dj.export(lab, tmp_path / "a")
    assert not lab.connection.in_transaction
    assert dj.export(lab, tmp_path / "b").tables == 8


def test_leftovers_of_an_interrupted_export(lab: dj.Schema, folder: Path, opened: Opener) -> None:
    """Files that an interrupted export left in the tables' folders are gone after the next; other files stay."""
    session = next(cls for cls in lab.tables if cls.__name__ == "Session")
    dj.export(lab, folder, partition_by={session: ["subject_id", "session"]})
    (folder / "manifest.json").unlink()
    (folder / "notes.parquet").write_text("mine")
    (folder / lab.name / "tables" / "session" / "notes.txt").write_text("mine")
    with pytest.raises(RepositoryError, match="no repository"):
        dj.open(folder)
    dj.export(lab, folder, partition_by={session: ["session"]})
    assert same(opened(folder)[lab.name].Session.fetch(order_by="KEY"), session.fetch(order_by="KEY"))
    document = json.loads((folder / "manifest.json").read_text())
    listed = {file["path"] for table in document["tables"] for file in (*table["files"], *table["provenance"])}
    assert {str(path.relative_to(folder)) for path in folder.rglob("*.parquet")} == listed | {"notes.parquet"}
    assert (folder / lab.name / "tables" / "session" / "notes.txt").read_text() == "mine"


KILLED = """
import sys
import djarrow as dj
from djarrow.engine.connect import connect

schema = dj.Schema(sys.argv[2], connection=connect(sys.argv[1]))

@schema
class First(dj.Manual):
    definition = "n : int32"

@schema
class Second(dj.Manual):
    definition = '''
    n : int32
    ---
    x : float64
    '''

print("ready", flush=True)
dj.export(schema, sys.argv[3])
"""


def test_killed(schema: dj.Schema, folder: Path, opened: Opener) -> None:
    """An export that is killed while it writes leaves no repository; the next one into the folder is whole."""
    first = declared(schema, "First", "n : int32")
    second = declared(schema, "Second", "n : int32\n---\nx : float64\n")
    schema.activate()
    fill = f'INSERT INTO "{schema.name}"."second" SELECT i, random() FROM generate_series(1, 400000) AS i'
    schema.connection.execute(fill)
    first.insert1((1,))
    command = [sys.executable, "-c", KILLED, schema.connection.url, schema.name, str(folder)]
    target = folder / schema.name / "tables" / "second" / "all.parquet"
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        deadline = time.monotonic() + 30
        while not (target.exists() and target.stat().st_size > 4) and time.monotonic() < deadline:
            assert process.poll() is None
            time.sleep(0.001)
        process.kill()
    assert process.returncode == -9
    assert target.exists()
    with pytest.raises(RepositoryError, match="no repository"):
        dj.open(folder)
    exported = dj.export(schema, folder)
    assert exported.rows == 400_001
    assert len(opened(folder)[schema.name].Second) == 400_000
    assert second().spec.name in opened(folder).tables


FULL = """
import resource, sys
import djarrow as dj
from djarrow.engine.connect import connect

schema = dj.Schema(sys.argv[2], connection=connect(sys.argv[1]))

@schema
class Big(dj.Manual):
    definition = '''
    n : int32
    ---
    x : float64
    '''

resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    dj.export(schema, sys.argv[3])
except dj.errors.RepositoryError as error:
    print(error)
schema.connection.close()
"""


def _filled(schema: dj.Schema, definition: str, columns: str, rows: int) -> None:
    """A table `big` with generated rows."""
    declared(schema, "Big", definition)
    schema.activate()
    schema.connection.execute(f'ALTER TABLE "{schema.name}".big SET UNLOGGED')
    schema.connection.execute(f'INSERT INTO "{schema.name}".big SELECT {columns} FROM generate_series(1, {rows}) AS i')


def _run(script: str, schema: dj.Schema, folder: Path) -> str:
    """What a process prints that runs the script with the server's URL, the schema and the folder."""
    command = [sys.executable, "-W", "error", "-c", script, schema.connection.url, schema.name, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_no_space(schema: dj.Schema, folder: Path) -> None:
    """When the system takes no more bytes, the error says so, and neither manifest nor half a file is left."""
    _filled(schema, "n : int32\n---\nx : float64\n", "i, random()", 50_000)
    assert "File too large" in _run(FULL, schema, folder)
    assert [path.name for path in folder.rglob("*") if path.is_file()] == []


MEMORY = """
import resource, sys
import djarrow as dj
from djarrow.engine.connect import connect

schema = dj.Schema(sys.argv[2], connection=connect(sys.argv[1]))

@schema
class Big(dj.Manual):
    definition = '''
    n : int32
    ---
    a : int64
    label : varchar(100)
    '''

@schema
class Tiny(dj.Manual):
    definition = "n : int8"

dj.export(Tiny, sys.argv[3] + "-tiny")  # so that what is imported is not counted
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
dj.export(Big, sys.argv[3])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
schema.connection.close()
"""


def test_memory(schema: dj.Schema, folder: Path, opened: Opener) -> None:
    """The memory that an export takes does not grow with the table: 165 MB of rows add less than 110."""
    definition = "n : int32\n---\na : int64\nlabel : varchar(100)\n"
    _filled(schema, definition, "i, i * 7919::bigint, repeat(md5(i::text), 3)", 1_500_000)
    grown = int(_run(MEMORY, schema, folder))
    assert opened(folder).manifest.rows == 1_500_000
    assert grown < 110_000
