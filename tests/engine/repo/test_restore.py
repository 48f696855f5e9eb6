"""dj.restore makes the database again that was exported, all of it or nothing."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import RepositoryError, TransactionError
from djarrow.repo.export import Exported
from djarrow.repo.manifest import read
from djarrow.repo.places.find import place_of
from djarrow.repo.restore import Restored
from tests.described import drop_schemas

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
dj.restore(sys.argv[1], connection, rename={sys.argv[3]: "again"})
print("done", flush=True)
"""


KILLS = 50 if "DJARROW_SOAK" in os.environ else 2


def test_killed(schema: dj.Schema, connection: PostgresConnection, tmp_path: Path, restored: Any) -> None:
    """A process that is killed leaves nothing, or all of it; afterwards it can be restored."""
    table = declared(schema, "Row", "row : int32\n---\ntext : varchar(200)")
    table.insert([{"row": n, "text": str(n) * 20} for n in range(30_000)])
    path = dj.export(schema, tmp_path / "rows").path
    for _ in range(KILLS):
        command = [sys.executable, "-c", RESTORING, str(path), connection.url, schema.name]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "begins\n"
            time.sleep(random.uniform(0, 0.4))  # noqa: S311 - any moment
            process.send_signal(signal.SIGKILL)
            done = "done" in process.stdout.read()
        with contextlib.suppress(RepositoryError):  # it waits for what is left of the transaction
            restored(path, {schema.name: "again"})
            assert not done
        assert len(dj.Schema("again", connection=connection)["Row"]) == 30_000
        connection.execute('DROP SCHEMA "again" CASCADE')
    restored(path, {schema.name: "again"})


def test_the_command(
    exported: Exported, lab: dj.Schema, connection: PostgresConnection, restored: Any, tmp_path: Path
) -> None:
    """Into the database that is configured; 1 where tables are there, 2 for what is no renaming."""
    environment = os.environ | {"DJARROW_URL": connection.url}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "djarrow.cli.main", "restore", str(exported.path), *words]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    done = run("--schema", lab.name, "--rename", f"{lab.name}=again")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith(f"again: {exported.tables} tables, {exported.rows} rows in ")
    twice = run("--rename", f"{lab.name}=again")
    assert (twice.returncode, twice.stdout) == (1, "")
    assert "has tables there already" in twice.stderr
    assert run("--rename", "again").returncode == 2
    with pytest.raises(RepositoryError, match="already"):
        restored(exported.path, {lab.name: "again"})
