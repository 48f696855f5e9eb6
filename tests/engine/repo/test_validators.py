"""datapackage.json and croissant.json by the packages that read them: valid, and read to the rows that were there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import djarrow as dj
from djarrow.repo.export import Exported

from .conftest import declared

LONG = "DJARROW_SOAK" in os.environ

READ = """
import json, logging, os, sys, warnings
warnings.simplefilter("ignore")  # of the packages' own
logging.disable(logging.CRITICAL)
import mlcroissant
from frictionless import Package

found = []
for folder in sys.argv[1:]:
    os.chdir(folder)
    report = Package("datapackage.json").validate()
    problems = [f"{task.name}: {error.message}" for task in report.tasks for error in task.errors]
    problems += [error.message for error in report.errors]
    rows = {task.name: task.stats.get("rows", 0) for task in report.tasks}
    dataset = mlcroissant.Dataset("croissant.json")
    issues = dataset.metadata.ctx.issues
    records = {each.id: sum(1 for _ in dataset.records(each.id)) for each in dataset.metadata.record_sets}
    found.append({"valid": report.valid, "problems": problems, "rows": rows, "errors": sorted(issues.errors)})
    found[-1]["records"] = records
print(json.dumps(found))
"""


def read(*folders: Path) -> subprocess.CompletedProcess[str]:
    """The packages read repositories, in a process of their own."""
    command = [sys.executable, "-c", READ, *map(str, folders)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def validated(*folders: Path) -> list[dict[str, Any]]:
    """What the packages say of repositories that they can read."""
    done = read(*folders)
    assert done.returncode == 0, done.stderr[-3000:]
    found: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.fixture
def wide(schema: dj.Schema) -> type[dj.Table]:
    """A table of many columns, with what words mean to others as names. A thousand take the validators a minute."""
    names = ["id", "type", "key", "data", "schema", "path", "name", "column", "references"]
    lines = [f"{name}_ : int32" for name in names] + [f"c{number} : int8" for number in range(990 if LONG else 40)]
    table = declared(schema, "Wide", "key : int32\n---\n" + "\n".join(lines))
    table.insert(dict.fromkeys(table.heading.names, n) for n in range(3))
    return table


def test_valid(lab: dj.Schema, exported: Exported, every: type[dj.Table], wide: type[dj.Table], tmp_path: Path) -> None:
    """Repositories of every type, of tables without rows and keys, in one file and in several, and of many columns are
    valid to both, and both read as many rows as there are, the first of the files alone.
    """
    folders = [exported.path]
    for table in (every, wide):
        folders.append(dj.export(table, tmp_path / table.__name__).path)
    for folder, found in zip(folders, validated(*folders), strict=True):
        repository = dj.open(folder)
        repository.close()
        assert found["problems"] == []
        assert found["valid"]
        assert found["errors"] == []
        tables = repository.manifest.tables
        assert sorted(found["rows"].values()) == sorted(entry.files[0].rows for entry in tables)  # validators read one
        assert sorted(found["records"].values()) == sorted(entry.rows for entry in tables)


@pytest.mark.parametrize(
    ("name", "old", "new", "told"),
    [
        ("datapackage.json", '"type": "number"', '"type": "boolean"', "type is not compatible|Type error|boolean"),
        ("croissant.json", '"column": "weight"', '"column": "nothing"', "nothing"),
    ],
)
def test_they_look(exported: Exported, name: str, old: str, new: str, told: str) -> None:
    """What is valid above is so because they look: another type, and a column that is not there, are told."""
    path = exported.path / name
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")
    done = read(exported.path)
    assert re.search(told, done.stdout + done.stderr)
    assert done.returncode != 0 or json.loads(done.stdout.splitlines()[-1])[0]["problems"]
