"""dj.restore makes the database again that was exported, all of it or nothing, or table by table."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import djarrow as dj
from djarrow.engine.connect import connect
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import RepositoryError, TransactionError
from djarrow.repo.exporting.export import Exported
from djarrow.repo.manifest import read
from djarrow.repo.places.find import place_of
from djarrow.repo.restoring.filling import complete
from djarrow.repo.restoring.restore import Restored
from tests.described import drop_schemas
from tests.processes import PLACES

from .conftest import Another, declared, same


@pytest.fixture
def restored(connection: PostgresConnection) -> Iterator[Any]:
    """Restores a repository under other names, which are dropped after the test."""
    made: set[str] = set()

    def restore(path: Path, rename: dict[str, str], **options: Any) -> Restored:
        made.update(rename.values())
        return dj.restore(path, connection, rename=rename, **options)

    yield restore
    drop_schemas(connection, *made)


def contents(path: Path) -> list[tuple[str, str]]:
    """The content hash of each table, without its schema."""
    return sorted((entry.table, entry.content) for entry in read(place_of(path)).tables)


def schemas_there(connection: PostgresConnection, name: str) -> int:
    """How many schemas have this name."""
    return len(connection.query(f"SELECT 1 FROM pg_namespace WHERE nspname = '{name}'").to_pylist())


def catalog(connection: PostgresConnection, schema: str) -> list[tuple[str, ...]]:
    """Columns, constraints and indexes of a schema, as the server writes them, without its name."""
    statement = f"""
        SELECT c.relname AS a, attname AS b,
            format_type(atttypid, atttypmod) || attnotnull::text || attidentity::text AS c,
            coalesce(pg_get_expr(adbin, adrelid), '') || coalesce(col_description(c.oid, attnum), '') AS d
        FROM pg_attribute JOIN pg_class AS c ON c.oid = attrelid
        LEFT JOIN pg_attrdef ON adrelid = c.oid AND adnum = attnum
        WHERE relnamespace = '"{schema}"'::regnamespace AND attnum > 0 AND relkind = 'r' AND relname NOT LIKE '~%'
        UNION ALL SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), '' FROM pg_constraint
        WHERE connamespace = '"{schema}"'::regnamespace AND conrelid::regclass::text NOT LIKE '%~%'
        UNION ALL SELECT tablename, indexname, indexdef, '' FROM pg_indexes
        WHERE schemaname = '{schema}' AND tablename NOT LIKE '~%'
    """
    rows = connection.query(statement).to_pylist()
    return sorted(tuple(_without(schema, str(value)) for value in row.values()) for row in rows)


def _without(schema: str, text: str) -> str:
    """A text without the name of the schema, and without what a long name of a constraint is cut to."""
    text = re.sub(rf"\b{schema}\b", "schema", text)
    return re.sub(r" (foreign|unique|index|reference|check) [^\"]* [0-9a-f]{12}\b", r" \1 ...", text)


def test_it_is_the_same(
    lab: dj.Schema, exported: Exported, connection: PostgresConnection, restored: Any, tmp_path: Path
) -> None:
    """Definitions, rows, references and indexes; and exported again, its contents are the same."""
    found = restored(exported.path, {lab.name: "again"})
    assert (found.schemas, found.tables, found.rows) == (("again",), exported.tables, exported.rows)
    again = dj.Schema("again", connection=connection)
    for cls in lab.tables:
        other = again[cls().spec.name.table]
        assert other.describe() == cls.describe()
        assert same(other.to_polars(order_by="KEY"), cls.to_polars(order_by="KEY")) or not cls().heading.primary_key
    assert contents(dj.export(again, tmp_path / "twice").path) == contents(exported.path)
    assert catalog(connection, "again") == catalog(connection, lab.name)


def test_every_type(every: type[dj.Table], folder: Path, restored: Any, connection: PostgresConnection) -> None:
    """At its ends, and what is hard."""
    dj.export(every, folder)
    restored(folder, {every().spec.name.schema: "again"})
    again = dj.Schema("again", connection=connection)["Every"]
    assert same(again.to_polars(order_by="KEY"), every.to_polars(order_by="KEY"))


def test_hierarchies_and_counts(
    schema: dj.Schema, tmp_path: Path, restored: Any, connection: PostgresConnection
) -> None:
    """Rows that refer to later ones come back, however many; numbers that the database gives go on after them."""
    declared(schema, "Node", "node : int32\n---\n-> [nullable] Node.proj(above='node')\ntext : varchar(200)")
    counted = declared(schema, "Event", "event : int64 auto_increment\n---\nx : int32")
    node, number = schema["Node"], 100_000
    node.declare()
    with schema.connection.transaction:
        schema.connection.execute(
            f"INSERT INTO {node().full_table_name} SELECT n, nullif(n + 1, {number}), repeat('x', 200) "
            f"FROM generate_series(0, {number - 1}) AS n"
        )
    counted.insert([{"x": 1}, {"x": 2}])
    path = dj.export(schema, tmp_path / "tree").path
    assert restored(path, {schema.name: "again"}).rows == number + 2
    again = dj.Schema("again", connection=connection)
    assert len(again["Node"] & "above is null") == 1
    again["Event"].insert1({"x": 3})
    assert again["Event"].to_dicts() == [{"event": n, "x": n} for n in (1, 2, 3)]


def test_some_schemas(
    schema: dj.Schema, another: Another, tmp_path: Path, restored: Any, connection: PostgresConnection
) -> None:
    """Those that are wanted, where all that they refer to is wanted, too; references lead to the new names."""
    other = another("restore_other")
    parent = declared(other, "Parent", "p : int32")
    third = another("restore_third")
    declared(third, "Alone", "a : int32").insert([{"a": 1}])
    child: Any = type("Child", (dj.Manual,), {"definition": "-> Parent"})
    dj.Schema(schema.name, {"Parent": parent}, connection=connection)(child)
    parent.insert([{"p": 1}])
    child.insert([{"p": 1}])
    path = dj.export([child, third], tmp_path / "both").path
    with pytest.raises(RepositoryError, match="restore the schema 'restore_other' with it"):
        dj.restore(path, connection, schemas=[schema.name], rename={schema.name: "again"})
    rename = {schema.name: "again", "restore_other": "again_other"}
    found = restored(path, rename, schemas=[schema.name, "restore_other"])
    assert (sorted(found.schemas), found.rows) == (["again", "again_other"], 2)
    with pytest.raises(dj.errors.MissingParent):
        dj.Schema("again", connection=connection)["Child"].insert1({"p": 2})


def test_what_is_there_is_kept(exported: Exported, lab: dj.Schema, connection: PostgresConnection) -> None:
    """A schema with tables is no place to restore to, and stays as it is."""
    before = catalog(connection, lab.name)
    with pytest.raises(RepositoryError, match=rf"has tables there already: {lab.name}\."):
        dj.restore(exported.path, connection)
    assert catalog(connection, lab.name) == before


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"schemas": ["nowhere"]}, "holds no schema 'nowhere'"),
        ({"rename": {"nowhere": "x"}}, "holds no schema 'nowhere'"),
        ({"rename": {"LAB": "a b"}}, "rename"),
        ({"rename": {"LAB": ""}}, "rename"),
        ({"rename": {"LAB": "pg_catalog"}}, "rename"),
    ],
)
def test_wrong_names(
    exported: Exported, lab: dj.Schema, connection: PostgresConnection, options: dict[str, Any], match: str
) -> None:
    """Schemas that the repository has not, and names that no schema can have."""
    if "rename" in options:
        options = {"rename": {lab.name if old == "LAB" else old: new for old, new in options["rename"].items()}}
    with pytest.raises(RepositoryError, match=match):
        dj.restore(exported.path, connection, **options)


def test_damage_is_found(exported: Exported, lab: dj.Schema, connection: PostgresConnection, tmp_path: Path) -> None:
    """Rows of another export in the place of a file, or other bytes: nothing is made."""
    subject = next(cls for cls in lab.tables if cls.__name__ == "Subject")
    subject.update1({"subject_id": 3, "weight": "9.99"})
    other = dj.export(lab, tmp_path / "other").path
    path = next(file for file in exported.path.rglob("*.parquet") if file.parent.name == "subject")
    changed = next(file for file in other.rglob("*.parquet") if file.parent.name == "subject")
    size = path.stat().st_size
    shutil.copyfile(changed, path)
    manifest = exported.path / "manifest.json"
    text = manifest.read_text()
    manifest.write_text(text.replace(f'"size": {size}', f'"size": {changed.stat().st_size}'))
    with pytest.raises(RepositoryError, match="not those that were exported"):
        dj.restore(exported.path, connection, rename={lab.name: "again"})
    assert schemas_there(connection, "again") == 0
    path.unlink()
    with pytest.raises(RepositoryError, match="missing"):
        dj.restore(exported.path, connection, rename={lab.name: "again"})
    assert schemas_there(connection, "again") == 0


def test_where_it_cannot_be(exported: Exported, lab: dj.Schema, connection: PostgresConnection) -> None:
    """Inside a transaction, or a block that reads a repository."""
    with connection.transaction, pytest.raises(TransactionError):
        dj.restore(exported.path, connection, rename={lab.name: "again"})
    with dj.open(exported.path).using(lab), pytest.raises(RepositoryError, match="using"):
        dj.restore(exported.path, connection, rename={lab.name: "again"})


RESTORING = """
import sys
import djarrow as dj
from djarrow.engine.connect import connect

connection = connect(sys.argv[2])
print("begins", flush=True)
dj.restore(sys.argv[1], connection, rename={sys.argv[3]: "again"}, resumable=sys.argv[4] == "True")
print("done", flush=True)
"""


KILLS = 50 if "DJARROW_SOAK" in os.environ else 2


def killed(path: Path, connection: PostgresConnection, schema: str, *, resumable: bool, within: float = 0.4) -> bool:
    """Whether a process that restores was done before it was killed, at any moment of so many seconds."""
    command = [sys.executable, "-c", RESTORING, str(path), connection.url, schema, str(resumable)]
    environment = os.environ | {"PYTHONPATH": PLACES}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begins\n"
        time.sleep(random.uniform(0, within))  # noqa: S311 - any moment
        process.send_signal(signal.SIGKILL)
        return "done" in process.stdout.read()


def test_killed(schema: dj.Schema, connection: PostgresConnection, tmp_path: Path, restored: Any) -> None:
    """A process that is killed leaves nothing, or all of it; afterwards it can be restored."""
    table = declared(schema, "Row", "row : int32\n---\ntext : varchar(200)")
    table.insert([{"row": n, "text": str(n) * 20} for n in range(30_000)])
    path = dj.export(schema, tmp_path / "rows").path
    for _ in range(KILLS):
        done = killed(path, connection, schema.name, resumable=False)
        with contextlib.suppress(RepositoryError):  # it waits for what is left of the transaction
            restored(path, {schema.name: "again"})
            assert not done
        assert len(dj.Schema("again", connection=connection)["Row"]) == 30_000
        connection.execute('DROP SCHEMA "again" CASCADE')
    restored(path, {schema.name: "again"})


# --- table by table ----------------------------------------------------------------------------------------------


def relations(connection: PostgresConnection, schema: str) -> set[str]:
    """The names of all that the schema has, notes too."""
    text = f"SELECT relname FROM pg_class WHERE relnamespace = '\"{schema}\"'::regnamespace AND relkind = 'r'"
    return {row["relname"] for row in connection.query(text).to_pylist()}


def test_table_by_table(
    lab: dj.Schema, exported: Exported, connection: PostgresConnection, restored: Any, tmp_path: Path
) -> None:
    """What comes of it is the same, and nothing tells how it came."""
    restored(exported.path, {lab.name: "again"})
    found = restored(exported.path, {lab.name: "stepwise"}, resumable=True)
    assert (found.schemas, found.tables, found.rows, found.kept) == (("stepwise",), exported.tables, exported.rows, 0)
    assert catalog(connection, "stepwise") == catalog(connection, "again")
    assert relations(connection, "stepwise") == relations(connection, "again")
    again = dj.export(dj.Schema("stepwise", connection=connection), tmp_path / "twice")
    assert contents(again.path) == contents(exported.path)


class Interrupted(Exception):
    """Ends a restore."""


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch, exported: Exported, lab: dj.Schema, restored: Any) -> Any:
    """Restores as "again" and stops within the table of this number."""

    def restore(number: int) -> None:
        calls = iter(range(number))

        def stop(*arguments: Any) -> None:
            if next(calls, None) is None:
                raise Interrupted
            complete(*arguments)

        with monkeypatch.context() as patched:
            patched.setattr("djarrow.repo.restoring.resuming.complete", stop)
            with pytest.raises(Interrupted):
                restored(exported.path, {lab.name: "again"}, resumable=True)

    return restore


@pytest.mark.parametrize("number", [0, 3, 7])
def test_it_goes_on(lab: dj.Schema, exported: Exported, restored: Any, interrupted: Any, number: int) -> None:
    """What was interrupted is told as such by all who restore there, and is whole after it goes on."""
    interrupted(number)
    connection = lab.connection
    assert len([name for name in relations(connection, "again") if not name.startswith("~")]) == number
    for options in ({}, {"into": "merge"}):
        with pytest.raises(RepositoryError, match=r"a restore of again was interrupted.*resumable=True"):
            restored(exported.path, {lab.name: "again"}, **options)
    before = read(place_of(exported.path)).tables[:number]
    found = restored(exported.path, {lab.name: "again"}, resumable=True)
    assert found.kept == sum(table.rows for table in before)
    assert found.rows == exported.rows - found.kept
    restored(exported.path, {lab.name: "whole"})
    assert catalog(connection, "again") == catalog(connection, "whole")
    assert "~restoring" not in relations(connection, "again")
    with pytest.raises(RepositoryError, match="already"):
        restored(exported.path, {lab.name: "again"}, resumable=True)


def test_what_was_begun_is_no_other(
    lab: dj.Schema, exported: Exported, restored: Any, interrupted: Any, tmp_path: Path
) -> None:
    """Only the same rows go on, and only where nobody has changed the tables."""
    interrupted(4)
    connection = lab.connection
    first = read(place_of(exported.path)).tables[0].table
    lab["Setting"].update1({"scale": 0.75})
    other = dj.export(lab, tmp_path / "other").path
    with pytest.raises(RepositoryError, match="another repository, other rows"):
        restored(other, {lab.name: "again"}, resumable=True)
    connection.execute(f'ALTER TABLE "again"."{first}" ADD COLUMN "more" int')
    with pytest.raises(RepositoryError, match=rf"again\.{first} was altered since"):
        restored(exported.path, {lab.name: "again"}, resumable=True)
    connection.execute(f'DROP TABLE "again"."{first}" CASCADE')
    with pytest.raises(RepositoryError, match=rf"again\.{first} was dropped since"):
        restored(exported.path, {lab.name: "again"}, resumable=True)


def test_of_two_schemas_one_is_dropped(
    schema: dj.Schema, another: Another, connection: PostgresConnection, restored: Any, tmp_path: Path
) -> None:
    """What is left is no beginning of both."""
    other = another("restore_other")
    declared(other, "Parent", "p : int32").insert1([1])
    declared(schema, "Alone", "a : int32").insert1([1])
    path, rename = dj.export([schema, other], tmp_path / "both").path, {schema.name: "again", other.name: "again2"}
    manifest = path / "manifest.json"
    whole = manifest.read_text()
    manifest.write_text(re.sub(r'"content": "[^"]*"', '"content": "0"', whole))
    with pytest.raises(RepositoryError, match="not those that were exported"):
        restored(path, rename, resumable=True)
    manifest.write_text(whole)
    connection.execute('DROP SCHEMA "again" CASCADE')
    with pytest.raises(RepositoryError, match="which is not one of again with it, or not any more"):
        restored(path, rename, resumable=True)
    connection.execute('DROP SCHEMA "again2" CASCADE')
    assert restored(path, rename, resumable=True).rows == 2


def test_two_at_once(lab: dj.Schema, exported: Exported, connection: PostgresConnection, restored: Any) -> None:
    """Two that restore the same share the tables, and it is whole."""
    again, results = {lab.name: "again"}, []
    restored(exported.path, {lab.name: "whole"})

    def work() -> None:
        mine = connect(connection.url)
        try:
            results.append(dj.restore(exported.path, mine, rename=again, resumable=True).rows)
        except RepositoryError as error:  # the other one has ended it just before
            assert re.search("is gone|already", error.message)  # noqa: PT017 - either may be first
        finally:
            mine.close()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results
    connection.execute('CREATE SCHEMA IF NOT EXISTS "again"')
    restored(
        exported.path, again, into="merge"
    )  # nothing is missing, nothing contradicts; and it is dropped afterwards
    assert catalog(connection, "again") == catalog(connection, "whole")


def test_killed_and_gone_on(schema: dj.Schema, connection: PostgresConnection, tmp_path: Path, restored: Any) -> None:
    """A process that is killed at any moment leaves whole tables, and the next one goes on: what comes is equal."""
    for number in range(6):
        above = "" if not number else f"\n-> T{number - 1}"
        table = declared(schema, f"T{number}", f"row{number} : int32{above}\n---\ntext : varchar(200)\nindex (text)")
        table.insert([(n, *[n] * number, str(n) * 10) for n in range(2_000)])

    @schema
    class Made(dj.Computed):
        definition = "-> T0"

        def make_batch(self, keys: Any) -> Any:
            return keys

    Made.populate()
    path = dj.export(schema, tmp_path / "rows").path
    seconds = restored(path, {schema.name: "whole"}, resumable=True).seconds
    expected, whole = catalog(connection, "whole"), dj.Schema("whole", connection=connection)
    for _ in range(KILLS):
        done = killed(path, connection, schema.name, resumable=True, within=seconds * 1.2)
        with contextlib.suppress(RepositoryError):  # it was done just before
            found = restored(path, {schema.name: "again"}, resumable=True)
            assert found.rows + found.kept == 14_000
            assert not done
        again = dj.Schema("again", connection=connection)
        assert catalog(connection, "again") == expected
        assert relations(connection, "again") == relations(connection, "whole")
        assert same(*(each["Made"].provenance().to_polars(order_by="KEY") for each in (again, whole)))
        assert restored(path, {schema.name: "again"}, into="merge").kept == 14_000
        connection.execute('DROP SCHEMA "again" CASCADE')


# --- in a shell --------------------------------------------------------------------------------------------------


def test_the_command(
    exported: Exported, lab: dj.Schema, connection: PostgresConnection, restored: Any, tmp_path: Path
) -> None:
    """Into the database that is configured; 1 where tables are there, 2 for what is no renaming."""
    environment = os.environ | {"DJARROW_URL": connection.url, "PYTHONPATH": PLACES}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "djarrow.cli.main", "restore", str(exported.path), *words]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    done = run("--schema", lab.name, "--rename", f"{lab.name}=again", "--resumable")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith(f"again: {exported.tables} tables, {exported.rows} rows in ")
    twice = run("--rename", f"{lab.name}=again")
    assert (twice.returncode, twice.stdout) == (1, "")
    assert "has tables there already" in twice.stderr
    assert run("--rename", "again").returncode == 2
    merged = run("--rename", f"{lab.name}=again", "--into", "merge")
    assert merged.stderr.startswith(f"again: {exported.tables} tables, 0 rows, {exported.rows} were there in ")
    with pytest.raises(RepositoryError, match="already"):
        restored(exported.path, {lab.name: "again"})
