"""`djarrow open`: what it shows of a repository, its exit codes, and that what it shows is text."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import djarrow as dj
from djarrow.cli.main import app
from djarrow.cli.opening import printable
from djarrow.repo.exporting.export import Exported
from djarrow.repo.manifest import TableEntry

from .conftest import declared


def shell(*words: object) -> Result:
    """The command, run."""
    return CliRunner().invoke(app, ["open", *map(str, words)], terminal_width=200)


def test_what_is_there(lab: dj.Schema, exported: Exported) -> None:
    """Every table with its tier, rows, bytes and comment."""
    done = shell(exported.path)
    assert done.exit_code == 0, done.stderr
    head, *lines = done.stdout.splitlines()
    assert head.startswith(f"{exported.path.name}: 2")
    assert len(lines) == 8
    words = {line.split()[0]: line.split() for line in lines}
    assert words[f"{lab.name}.Session"][1:4] == ["manual", "60", "rows"]
    assert words[f"{lab.name}.Session.Note"][1] == "part"
    assert words[f"{lab.name}.Session"][-3:] == ["days", "at", "work"]
    size = sum(file.size for table in exported_tables(exported) if table.table == "session" for file in table.files)
    assert words[f"{lab.name}.Session"][4] == f"{size:,}"


def exported_tables(exported: Exported) -> tuple[TableEntry, ...]:
    """What the manifest says of tables."""
    repository = dj.open(exported.path)
    repository.close()
    return repository.manifest.tables


def test_a_table(lab: dj.Schema, exported: Exported) -> None:
    """Its definition and its first rows; of a part as well."""
    done = shell(exported.path, f"{lab.name}.Session", "--limit", 3)
    assert done.exit_code == 0, done.stderr
    assert "-> Subject" in done.stdout
    assert "session : int32" in done.stdout
    assert "60" in done.stdout.rpartition("session")[2]
    part = shell(exported.path, f"{lab.name}.Session.Note")
    assert part.exit_code == 0, part.stderr
    assert "0/1 é" in part.stdout


def test_a_select(lab: dj.Schema, exported: Exported) -> None:
    """Its rows up to the limit, and that there are more."""
    text = f"SELECT session, count(*) AS n FROM {lab.name}.session GROUP BY session ORDER BY session"
    done = shell(exported.path, text, "--limit", 2)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.count("10") == 2
    assert "--limit 20" in done.stdout
    every = shell(exported.path, f"FROM {lab.name}.subject SELECT 'é' AS letter LIMIT 1")
    assert "é" in every.stdout
    assert "--limit" not in every.stdout


REFUSED = {
    "no repository": (["{root}/nowhere"], 1, "is no repository"),
    "an unknown schema": (["{root}", "nowhere.Subject"], 1, "holds no schema 'nowhere'"),
    "an unknown table": (["{root}", "{lab}.Subjekt"], 1, "Did you mean 'Subject'"),
    "an unknown part": (["{root}", "{lab}.Session.Nope"], 1, "has no table"),
    "an attribute of a class": (["{root}", "{lab}.Session.fetch"], 1, "has no table"),
    "a schema alone": (["{root}", "{lab}"], 2, "no SELECT"),
    "a statement that writes": (["{root}", "COPY (SELECT 1) TO 'x.csv'"], 1, "read only"),
    "a file outside": (
        ["{root}", "SELECT * FROM read_text('/etc/hostname')"],
        1,
        "file system operations are disabled",
    ),
    "wrong SQL": (["{root}", "SELECT FROM"], 1, "DuckDB refused"),
    "a limit of 0": (["{root}", "--limit", "0"], 2, "--limit"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
def test_refusals(lab: dj.Schema, exported: Exported, case: tuple[list[str], int, str]) -> None:
    """What cannot be shown is told on standard error, with 1, and 2 for wrong usage."""
    words, code, said = case
    done = shell(*(word.replace("{root}", str(exported.path)).replace("{lab}", lab.name) for word in words))
    assert done.exit_code == code, done.output
    assert said in " ".join(done.stderr.split()), done.stderr


def test_what_moves_a_cursor_is_shown(schema: dj.Schema, tmp_path: Path) -> None:
    """Comments and values that a terminal would obey are shown as what they are."""
    table = declared(schema, "Odd", "# \x1b[2J\x07 \u202e\nn : int8  # \x1b]0;title\x07\n---\ns : varchar(20)")
    table.insert1({"n": 1, "s": "\x1b[31m\u202ered"})
    dj.export(table, tmp_path / "odd")
    for words in ((), (f"{schema.name}.Odd",), (f"SELECT * FROM {schema.name}.odd",)):
        done = shell(tmp_path / "odd", *words)
        assert done.exit_code == 0, done.stderr
        assert not {"\x1b", "\x07", "\u202e"} & set(done.stdout)
    assert printable("a\nb\x1b\u202eé🐁") == "a\nb\\x1b\\u202eé🐁"
