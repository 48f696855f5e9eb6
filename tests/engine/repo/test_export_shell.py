"""`djarrow export`: what its words mean, what it says, and its exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from tests.processes import PLACES

Shell = Callable[..., subprocess.CompletedProcess[str]]

MODULE = """
import djarrow as dj

schema = dj.Schema("{name}")


@schema
class Station(dj.Manual):
    definition = "station : int32"


@schema
class Reading(dj.Manual):
    definition = '''
    -> Station
    day : date
    ---
    speed : float64
    '''

    class Note(dj.Part):
        definition = '''
        -> master
        note : int32
        '''
"""


@pytest.fixture
def shell(schema: dj.Schema, connection: PostgresConnection, tmp_path: Path) -> Shell:
    """Runs the command in a folder that has the module `winds`, whose tables hold rows."""
    (tmp_path / "winds.py").write_text(MODULE.format(name=schema.name))
    environment = os.environ | {"DJARROW_URL": connection.url, "PYTHONPATH": PLACES}
    filling = (
        "import winds; winds.Station.insert([(1,), (2,)]);"
        "winds.Reading.insert([(1, '2024-01-01', 0.5), (2, '2024-01-02', 1.5)])"
    )
    for program in (("-c", filling),):
        subprocess.run([sys.executable, *program], cwd=tmp_path, env=environment, check=True)

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "djarrow.cli.main", "export", *words]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    return run


def test_what_words_mean(shell: Shell, schema: dj.Schema, tmp_path: Path) -> None:
    """A class of a module, a schema that only the database knows, and a table of that."""
    for number, (words, tables) in enumerate(
        [
            (("winds:Station", f"{schema.name}.Station"), {"station"}),
            ((schema.name,), {"station", "reading", "reading__note"}),
        ]
    ):
        done = shell(*words, f"out {number}")
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        repository = dj.open(tmp_path / f"out {number}")
        assert {name.table for name in repository.tables} == tables
        repository.close()


def test_what_it_says(shell: Shell, tmp_path: Path) -> None:
    """One line: tables, rows, files; of a second run how many stayed. Files are split as it is told."""
    first = shell("winds", "out", "--partition-by", "day", "--compression", "gzip")
    assert first.returncode == 0
    assert first.stderr.startswith("3 tables, 4 rows, 4 files of ")
    assert {path.name for path in tmp_path.rglob("out/**/reading/*.parquet")} == {
        "day-2024-01-01.parquet",
        "day-2024-01-02.parquet",
    }
    again = shell("winds", "out", "--partition-by", "day")
    assert "bytes, 4 of them as they were, in " in again.stderr
    assert dj.verify(tmp_path / "out")


def test_refusals(shell: Shell, tmp_path: Path) -> None:
    """2 for words that mean nothing, 1 where it cannot be written."""
    nothing = shell("no_such_thing", "out")
    assert nothing.returncode == 2
    assert "no schema of the database" in nothing.stderr
    (tmp_path / "file").write_text("mine")
    there = shell("winds", "file")
    assert there.returncode == 1
    assert "cannot be written" in there.stderr
    assert not (tmp_path / "out").exists()


def test_some_rows(shell: Shell, schema: dj.Schema, tmp_path: Path) -> None:
    """`--where` takes rows of tables, and with `--include` what depends on them; of several conditions all must hold.

    It exits with 2 for a schema or a module, and 1 for a condition that is refused or empty, which writes nothing.
    """
    reading = f"{schema.name}.Reading"
    done = shell(reading, "some", "--where", "speed > 0.1", "--where", "month(day) = 1 and station = 2")
    assert done.stderr.startswith("3 tables, 2 rows, "), done.stderr
    done = shell("winds:Station", "below", "--where", "station = 1", "--include", "descendants")
    assert done.stderr.startswith("3 tables, 2 rows, "), done.stderr
    with dj.open(tmp_path / "below").using(schema):
        assert schema["Reading"].fetch1("speed") == 0.5
    for word, condition, code, said in [
        ("winds", "speed > 1", 2, "'winds' is none"),
        ("winds:Reading", "sped > 1", 1, "there is no attribute 'sped'"),
        ("winds:Reading", "", 1, "this is empty"),  # of a variable of the shell that is not set
    ]:
        done = shell(word, "none", "--where", condition)
        assert (done.returncode, said in done.stderr) == (code, True), done.stderr
        assert not (tmp_path / "none").exists()
