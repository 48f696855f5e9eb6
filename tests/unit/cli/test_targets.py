"""What the words of a command mean: modules, classes, tables of schemas. No database is asked."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from djarrow.cli import targets

MODULE = """
import djarrow as dj
schema = dj.Schema("targets-lab")

@schema
class Scan(dj.Manual):
    definition = "scan_id : uint16\\n---"

@schema
class Stats(dj.Computed):
    definition = "-> Scan\\n---"

@schema
class Above(dj.Computed):  # its name comes before that of its parent
    definition = "-> Stats\\n---"
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The folder that a command runs in has the module `targets_lab`, and one that does not load."""
    (tmp_path / "targets_lab.py").write_text(MODULE)
    (tmp_path / "targets_broken.py").write_text("import targets_absent")
    (tmp_path / "targets_package").mkdir()
    (tmp_path / "targets_package" / "__init__.py").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield
    for name in [name for name in sys.modules if name.startswith("targets_")]:
        del sys.modules[name]


def found(*words: str, imports: tuple[str, ...] = ()) -> list[str]:
    """The names of the tables that words mean."""
    return [str(table.spec.name) for table in targets.tables(words, targets.modules(imports))]


BOTH = ["targets-lab.__stats", "targets-lab.__above"]


@pytest.mark.parametrize(
    ("words", "imports", "names"),
    [
        (["targets_lab"], [], BOTH),
        (["targets_lab:schema"], [], BOTH),
        (["targets_lab:Above", "targets_lab:Stats", "targets_lab"], [], BOTH),
        (["targets_lab:Stats"], [], BOTH[:1]),
        (["targets_lab.Stats"], [], BOTH[:1]),
        (["targets-lab"], ["targets_lab"], BOTH),
        (["targets-lab.stats"], ["targets_lab"], BOTH[:1]),
        (["targets-lab.Stats"], ["targets_lab"], BOTH[:1]),
        (["targets-lab.__stats"], ["targets_lab"], BOTH[:1]),
    ],
)
def test_what_words_mean(module: None, words: list[str], imports: list[str], names: list[str]) -> None:
    """Modules of the current folder, their classes, and tables of imported schemas, each once, parents first."""
    targets.modules([])
    assert found(*words, imports=tuple(imports)) == names


@pytest.mark.parametrize(
    ("word", "imports", "says"),
    [
        ("nowhere", [], "no module"),
        ("nowhere:Stats", [], "no module"),
        ("targets_lab:Nothing", [], "no class of a module"),
        ("targets_lab:", [], "no class of a module"),
        ("targets_lab:Stats.definition", [], "fills itself"),
        ("targets_lab:Scan", [], "does not fill itself"),
        ("targets-lab.scan", ["targets_lab"], "does not fill itself"),
        ("targets-lab.nothing", ["targets_lab"], "--import"),
        ("targets-lab.stats", [], "--import"),
        ("targets_package", [], "no Imported or Computed table"),
        ("json", [], "no Imported or Computed table"),
        ("targets_lab; drop", [], "no module"),
        ("targets_lab.py", [], "no module"),
        ("", [], "no module"),
        ("..", [], "no module"),
        (".targets_lab", [], "no module"),
        ("targets_lab", ["nowhere"], "no module 'nowhere'"),
    ],
)
def test_what_words_cannot_mean(module: None, word: str, imports: list[str], says: str) -> None:
    """They are refused as mistakes of the command line."""
    targets.modules([])
    with pytest.raises(typer.BadParameter, match=says):
        found(word, imports=tuple(imports))


def test_what_goes_wrong_in_a_module_is_let_out(module: None) -> None:
    """An import within the module that fails is no wrong name of the module."""
    with pytest.raises(ModuleNotFoundError, match="targets_absent"):
        targets.modules(["targets_broken"])


def test_help_of_both_commands() -> None:
    """Both take the same words."""
    from typer.testing import CliRunner

    from djarrow.cli.main import app

    for command in ("worker", "progress"):
        shown: Any = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"})
        assert shown.exit_code == 0
        assert "--import" in shown.output
