"""The files beside the manifest do what they say, each with the tool that it is for."""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import duckdb
import pytest

import djarrow as dj
from djarrow.repo import companions
from djarrow.repo.exporting.export import Exported
from djarrow.repo.opening.repository import Repository

from .conftest import Another, Opener, declared

NAMES = ["README.md", "SHA256SUMS", "croissant.json", "datajoint.toml", "datapackage.json", "manifest.json", "open.sql"]


def _python(code: str, folder: Path) -> str:
    """What code prints that runs in the folder, by a Python which takes warnings for errors."""
    path = os.pathsep.join([str(folder), *filter(None, map(os.path.abspath, sys.path))])
    command = [sys.executable, "-W", "error", "-c", code]
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_is_there(lab: dj.Schema, exported: Exported) -> None:
    """The folder holds these files, and nothing else beside the tables."""
    found = sorted(str(p.relative_to(exported.path)) for p in exported.path.rglob("*") if p.is_file())
    assert [name for name in found if not name.endswith(".parquet")] == [*NAMES, f"{lab.name}/schema.py"]


def test_checksums(exported: Exported) -> None:
    """SHA256SUMS has every file but itself, in the form of sha256sum, and each sum is right."""
    lines = (exported.path / "SHA256SUMS").read_text().splitlines()
    sums = {path: digest for digest, path in (line.split("  ", 1) for line in lines)}
    files = {str(p.relative_to(exported.path)): p for p in exported.path.rglob("*") if p.is_file()}
    assert set(sums) == set(files) - {"SHA256SUMS"}
    for name, digest in sums.items():
        assert hashlib.sha256(files[name].read_bytes()).hexdigest() == digest, name


def test_nothing_of_the_machine(lab: dj.Schema, exported: Exported) -> None:
    """No file tells the password, the host, the port, the user or where the folder lies."""
    url = lab.connection.url
    password, host, port = re.match(r"\w+://\w+:([^@]+)@([^:/]*):?(\d*)", url).groups()  # type: ignore[union-attr]
    secrets = [url, password, f"{host}:{port}", str(exported.path.parent), socket.gethostname(), str(Path.home()) + "/"]
    for path in exported.path.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert [s for s in secrets if len(s) > 3 and s.encode() in content] == [], path


def test_the_same_manifest_gives_the_same_files(exported: Exported, opened: Opener) -> None:
    """Writing them again from the manifest gives the same bytes."""
    repository = opened(exported.path)
    written = dict(companions.texts(repository.manifest, repository.specs))
    assert len(written) == len(NAMES)
    for path, text in written.items():
        assert text.encode() == (exported.path / path).read_bytes(), path


# --- README.md ---------------------------------------------------------------------------------------------------


def test_the_code_of_the_readme_runs(exported: Exported) -> None:
    """Each block for djarrow, DuckDB and Polars runs in the folder as it stands and shows rows."""
    blocks = re.findall(r"```python\n(.*?)```", (exported.path / "README.md").read_text(), re.DOTALL)
    libraries = [re.search(r"import (\w+)", block)[1] for block in blocks]  # type: ignore[index]
    assert libraries == ["djarrow", "duckdb", "polars", "pandas"]
    for block in blocks[:3]:
        assert "session" in _python(block, exported.path)


def test_the_readme_lists_tables(lab: dj.Schema, exported: Exported) -> None:
    """Each table stands with its tier, rows, key and comment, which cannot break the page."""
    text = (exported.path / "README.md").read_text()
    assert "| `Session.Note` | part | 9 | `subject_id`, `session`, `note` |  |" in text
    assert "| `Setting` | manual | 1 | (one row at most) | one row at most |" in text
    assert r'| `Method` | lookup | 2 | `method` | ways to do it \| with a "pipe" and \*stars\* |' in text
    assert "8 tables with 133 rows" in text


def test_the_diagram(exported: Exported) -> None:
    """The diagram has an arrow for each foreign key: solid in the key, dotted outside of it."""
    text = (exported.path / "README.md").read_text()
    diagram = text.partition("```mermaid\n")[2].partition("```")[0]
    nodes = dict(re.findall(r'(t\d+)\["([\w.]+)"\]', diagram))
    arrows = {(nodes[a], kind, nodes[b]) for a, kind, b in re.findall(r"(t\d+) (-->|-\.->) (t\d+)", diagram)}
    assert arrows == {
        ("Subject", "-->", "Session"),
        ("Method", "-.->", "Session"),
        ("Session", "-->", "Session.Note"),
        ("Session", "-->", "Score"),
        ("Method", "-->", "Score"),
        ("Score", "-->", "Score.Item"),
        ("Session.Note", "-->", "Score.Item"),
        ("Session", "-->", "Unused"),
    }


# --- schema.py ---------------------------------------------------------------------------------------------------

AGREE = """
import importlib, sys
import djarrow as dj

repository = dj.open(sys.argv[1] if len(sys.argv) > 1 else ".")
specs = {}
for name in repository:
    module = importlib.import_module(name + ".schema")
    specs.update(module.schema.specs)
assert specs == repository.specs, (specs, repository.specs)
print(len(specs))
"""


def test_the_module_agrees(exported: Exported) -> None:
    """schema.py can be imported with the folder on the path, with no server, and its classes are the tables."""
    assert _python(AGREE, exported.path) == "8\n"


def test_the_module_queries_the_repository(lab: dj.Schema, exported: Exported) -> None:
    """The classes of schema.py can be used on the repository beside it."""
    code = f"import djarrow as dj\nimport {lab.name}.schema as m\nwith dj.open('.').using(m): print(len(m.Score.Item))"
    assert _python(code, exported.path) == "9\n"


@pytest.mark.parametrize("ending", ["_b", "-b"])
def test_modules_of_two_schemas(schema: dj.Schema, another: Another, folder: Path, ending: str) -> None:
    """A schema that refers to another imports its module, also where Python does not take the name."""
    rats = another(schema.name + ending)

    @rats
    class Rat(dj.Manual):
        definition = "rat : int8"

    @schema
    class Sound(dj.Manual):
        definition = """
        -> Rat
        n : int8
        """

        class Echo(dj.Part):
            definition = """
            -> master
            -> Rat.proj(other='rat')
            """

    dj.export(schema, folder)
    assert _python(AGREE, folder) == "3\n"


def test_schemas_that_refer_to_each_other(schema: dj.Schema, another: Another, folder: Path) -> None:
    """Where schemas refer to each other without a cycle of tables, the first of them can be imported."""
    other = another(schema.name + "_b")

    @schema
    class A(dj.Manual):
        definition = "a : int8"

    @other
    class B(dj.Manual):
        definition = """
        -> A
        b : int8
        """

    other.activate()

    @schema
    class C(dj.Manual):
        definition = """
        -> B
        c : int8
        """

    dj.export([A, B, C], folder)
    assert _python(AGREE, folder) == "3\n"


def test_hard_definitions(schema: dj.Schema, folder: Path) -> None:
    """Quotes and backslashes in comments, defaults and values come through Python's own quoting."""
    definition = (
        r'''
    # a comment with """ and \ and '''
        + r"""'''
    n : int8  # ends in a backslash \
    ---
    a = "quote \" and \\ end" : varchar(40)
    b = 'it''s' : enum('it''s', "\"\"\"", "\\")
    """
    )
    cls = declared(schema, "Hard", definition)
    cls.insert([{"n": 1}])
    dj.export(schema, folder)
    assert _python(AGREE, folder) == "1\n"
    assert cls.fetch1("a") == 'quote " and \\ end'


# --- open.sql ----------------------------------------------------------------------------------------------------


def test_the_views(lab: dj.Schema, exported: Exported, opened: Opener, tmp_path: Path) -> None:
    """The script makes a view of each table in a database, which goes on working where variable and folder move."""
    script = (exported.path / "open.sql").read_text()
    database = tmp_path / "views.duckdb"
    with duckdb.connect(str(database)) as connection:
        connection.execute(f"SET VARIABLE repo = '{str(exported.path).replace(chr(39), chr(39) * 2)}'")
        connection.execute(script)
        connection.execute(script)
        _check_views(connection, opened(exported.path))
    moved = exported.path.rename(tmp_path / "moved")
    with duckdb.connect(str(database)) as connection:
        connection.execute(f"SET VARIABLE repo = '{moved}'")
        _check_views(connection, opened(moved))


def _check_views(connection: Any, repository: Repository) -> None:
    for entry in repository.manifest.tables:
        text = f'SELECT count(*) FROM "{entry.schema}"."{entry.table}"'
        assert connection.execute(text).fetchall() == [(entry.rows,)]


def test_expressions_run_on_the_views(lab: dj.Schema, exported: Exported) -> None:
    """The text that an expression gives for DuckDB runs on these views."""
    classes = {cls.__name__: cls for cls in lab.tables}
    query = classes["Subject"].aggr(classes["Session"], n="count(*)") & "n > 0"
    with duckdb.connect() as connection:
        connection.execute(f"SET VARIABLE repo = '{str(exported.path).replace(chr(39), chr(39) * 2)}'")
        connection.execute((exported.path / "open.sql").read_text())
        assert len(connection.execute(query.to_sql("duckdb")).fetchall()) == len(query)


# --- descriptions ------------------------------------------------------------------------------------------------


def test_datajoint_toml(exported: Exported) -> None:
    """datajoint.toml names the project, whatever is in its name."""
    assert tomllib.loads((exported.path / "datajoint.toml").read_text()) == {"project": {"name": exported.path.name}}


def test_datapackage(lab: dj.Schema, exported: Exported) -> None:
    """Each table is a resource with its files, types, keys and references; no Parquet file has a size or a hash."""
    package = json.loads((exported.path / "datapackage.json").read_text())
    resources = {resource["name"]: resource for resource in package["resources"]}
    assert len(resources) == 8
    for resource in resources.values():
        assert not {"bytes", "hash"} & set(resource)
        paths = resource["path"] if isinstance(resource["path"], list) else [resource["path"]]
        assert all((exported.path / path).is_file() for path in paths)
    session = resources[f"{lab.name}.session"]
    assert len(session["path"]) == 6
    assert session["schema"]["primaryKey"] == ["subject_id", "session"]
    assert session["schema"]["foreignKeys"] == [
        {"fields": ["subject_id"], "reference": {"resource": f"{lab.name}.subject", "fields": ["subject_id"]}},
        {"fields": ["way"], "reference": {"resource": f"{lab.name}.method", "fields": ["method"]}},
        {"fields": ["helper"], "reference": {"resource": f"{lab.name}.subject", "fields": ["subject_id"]}},
    ]
    fields = {field["name"]: field for field in resources[f"{lab.name}.subject"]["schema"]["fields"]}
    assert {name: field["type"] for name, field in fields.items()} == {
        "subject_id": "integer",
        "name": "string",
        "sex": "string",
        "weight": "number",
        "born": "datetime",
    }
    assert fields["sex"]["constraints"] == {"required": True, "enum": ["M", "F"]}
    assert fields["subject_id"]["description"] == "number"


def test_croissant(lab: dj.Schema, exported: Exported) -> None:
    """Each table is a record set on its files; references are of single attributes, and lead to fields that exist."""
    dataset = json.loads((exported.path / "croissant.json").read_text())
    assert dataset["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    files = {item["@id"]: item for item in dataset["distribution"]}
    fields = {field["@id"]: field for records in dataset["recordSet"] for field in records["field"]}
    assert len(dataset["recordSet"]) == len(files) == 8
    for field in fields.values():
        source = field["source"]
        assert (source.get("fileObject") or source["fileSet"])["@id"] in files
        assert "references" not in field or field["references"]["field"]["@id"] in fields
    referring = {name for name, field in fields.items() if "references" in field}
    names = ["session/subject_id", "session/way", "session/helper", "score/method"]
    assert referring == {f"{lab.name}.{name}" for name in names}
    whole = files[f"{lab.name}.subject.parquet"]
    content = (exported.path / whole["contentUrl"]).read_bytes()
    assert whole["sha256"] == hashlib.sha256(content).hexdigest()
    assert len(files[f"{lab.name}.session.parquet"]["includes"]) == 6
