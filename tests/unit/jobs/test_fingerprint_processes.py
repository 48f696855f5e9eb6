"""Fingerprints in other processes, in scripts, in notebooks, and while code changes under a process."""

from __future__ import annotations

import importlib
import linecache
import multiprocessing
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from djarrow.jobs import fingerprint as module_of_fingerprint
from djarrow.jobs.fingerprint import fingerprint
from tests.processes import PLACES
from tests.unit.jobs.lab import FILES, Imprint, changed, forget, write

ROOT = Path(module_of_fingerprint.__file__).parents[2]

PRINTED = "from lab.tables import Rate\nfrom djarrow.jobs.fingerprint import fingerprint\nprint(fingerprint(Rate))\n"

SCRIPT = """
import sys
import djarrow as dj
from djarrow.jobs.fingerprint import fingerprint

THRESHOLD = 3

def helper(value):
    return value > THRESHOLD

class Rate(dj.Computed):
    def make(self, key):
        return helper(key), __name__, __file__

def printed():
    print(fingerprint(Rate))

if __name__ == "__main__":
    printed()
    if "spawn" in sys.argv:
        import multiprocessing
        process = multiprocessing.get_context("spawn").Process(target=printed)
        process.start()
        process.join()
"""


def run(*arguments: str, folder: Path, seed: str = "0") -> list[str]:
    """What a process of Python prints, by lines."""
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join([str(folder), PLACES])}
    line = [sys.executable, *arguments]
    return subprocess.run(line, cwd=folder, env=environment, check=True, capture_output=True, text=True).stdout.split()


@pytest.mark.parametrize("seed", ["0", "1", "random"])
def test_hash_seeds(imprint: Imprint, tmp_path: Path, seed: str) -> None:
    """The order of sets and other hashes is not in it, nor is where the package lies."""
    folder = write(tmp_path / "elsewhere", FILES)
    assert run("-c", PRINTED, folder=folder, seed=seed) == [imprint(FILES)]


def test_without_columns(imprint: Imprint, tmp_path: Path) -> None:
    """A process that keeps no columns of its code finds the same."""
    folder = write(tmp_path / "elsewhere", FILES)
    assert run("-X", "no_debug_ranges", "-c", PRINTED, folder=folder) == [imprint(FILES)]


def test_scripts(tmp_path: Path) -> None:
    """A script, the process that it spawns, and who imports it find the same; a changed constant changes it."""
    (tmp_path / "script.py").write_text(SCRIPT, "utf-8")
    first, spawned = run("script.py", "spawn", folder=tmp_path)
    (imported,) = run("-c", "import script; script.printed()", folder=tmp_path)
    assert first == spawned == imported
    (tmp_path / "script.py").write_text(SCRIPT.replace("THRESHOLD = 3", "THRESHOLD = 4"), "utf-8")
    assert run("script.py", folder=tmp_path) != [first]


def test_modules_side_by_side(tmp_path: Path) -> None:
    """A helper in a file beside a script, or beside a module outside of packages, counts as one of a package."""
    (tmp_path / "script.py").write_text("from beside import helper\n" + SCRIPT.replace("def helper", "def other"))
    (tmp_path / "beside.py").write_text("def helper(value):\n    return value + 1\n")
    before = run("script.py", folder=tmp_path)
    assert run("-c", "import script; script.printed()", folder=tmp_path) == before
    (tmp_path / "beside.py").write_text("def helper(value):\n    return value - 1\n")
    assert run("script.py", folder=tmp_path) != before


# --- a notebook and a prompt ---------------------------------------------------------------------------------------


class Notebook:
    """A module whose cells are run one after the other, with their sources kept as IPython does, or not."""

    def __init__(self, *, sources: bool) -> None:
        self._sources = sources
        self._module = ModuleType("__main__")
        self._count = 0

    def run(self, cell: str) -> Any:
        """Run a cell; gives the class Rate."""
        text, name = textwrap.dedent(cell), f"<ipython-input-{id(self)}-{self._count}>"
        self._count += 1
        if self._sources:
            linecache.cache[name] = len(text), None, text.splitlines(keepends=True), name
        exec(compile(text, name, "exec"), vars(self._module))  # noqa: S102 - what a notebook does
        return vars(self._module).get("Rate")


@pytest.fixture(params=[True, False], ids=["sources", "none"])
def notebook(request: pytest.FixtureRequest) -> Notebook:
    """A notebook, and a prompt that keeps no sources."""
    return Notebook(sources=request.param)


HELPER = """
    THRESHOLD = 3
    def helper(value):
        return value > THRESHOLD
    """

RATE = """
    import djarrow as dj
    class Rate(dj.Computed):
        def make(self, key):
            return helper(key) + self.other(key)
        def other(self, key):
            return 1
    """


def test_redefinitions(notebook: Notebook) -> None:
    """A cell that is run again as it was changes nothing; one that redefines a helper does, at once."""
    notebook.run(HELPER)
    rate = notebook.run(RATE)
    first = fingerprint(rate)
    assert fingerprint(notebook.run(HELPER)) == first
    assert fingerprint(notebook.run(HELPER.replace("value >", "value <"))) != first
    assert fingerprint(notebook.run(HELPER.replace("= 3", "= 4"))) != first
    assert fingerprint(notebook.run(HELPER)) == first
    assert fingerprint(notebook.run(RATE)) == first
    assert fingerprint(notebook.run(RATE.replace("return 1", "return 2"))) != first


def test_comments_and_locals_at_a_prompt(notebook: Notebook) -> None:
    """Comments, docstrings, lines and names of locals change nothing, also where only the bytecode is known."""
    notebook.run(HELPER)
    first = fingerprint(notebook.run(RATE))
    notebook.run(
        HELPER.replace("def helper(value)", "\n    # a comment\n    def helper(it: int)").replace("value >", "it >")
    )
    assert fingerprint(notebook.run(RATE)) == first


def test_later_definitions(notebook: Notebook) -> None:
    """A helper that is defined after the fingerprint was asked for counts from then on."""
    rate = notebook.run(RATE)
    first = fingerprint(rate)
    notebook.run(HELPER)
    assert fingerprint(rate) != first


# --- while a process runs ------------------------------------------------------------------------------------------


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The pipeline of the package, imported."""
    forget("lab")
    monkeypatch.syspath_prepend(str(write(tmp_path / "lab", FILES)))
    yield importlib.import_module("lab.tables")
    forget("lab")


def rewrite(module: ModuleType, old: str, new: str) -> None:
    """Change the file of a module that is imported."""
    path = Path(str(module.__file__))
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")
    os.utime(path, (1, 1))


def test_kept(lab: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second call looks only whether something changed."""
    first = fingerprint(lab.Rate)
    monkeypatch.setattr(module_of_fingerprint, "Walk", None)
    assert fingerprint(lab.Rate) == first


@pytest.mark.parametrize(
    "name",
    [
        "THRESHOLD",
        "helpers.SCALE",
        "helpers.window",
        "Rate.offset",
        "Rate.gain",
        "Base.shared",
        "Model.tolerance",
        "Model.fit",
    ],
)
def test_changes_of_what_is_loaded(lab: ModuleType, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A constant, function or method that is replaced in the process counts, and its return, too."""
    first = fingerprint(lab.Rate)
    owner, _, attribute = name.rpartition(".")
    with monkeypatch.context() as patched:
        patched.setattr(getattr(lab, owner) if owner else lab, attribute, 1000)
        assert fingerprint(lab.Rate) != first
    assert fingerprint(lab.Rate) == first


def test_a_method_that_is_replaced(lab: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """A method of a class that make uses counts as it is loaded, not as the source of the class has it."""
    first = fingerprint(lab.Rate)
    monkeypatch.setattr(lab.Model, "fit", lab.helpers.window)
    assert fingerprint(lab.Rate) != first


def test_changes_within_a_constant(lab: ModuleType) -> None:
    """A list or dict that is changed in place counts, at any depth."""
    first = fingerprint(lab.Rate)
    lab.NAMES["a"].append(3)
    second = fingerprint(lab.Rate)
    assert second != first
    lab.NAMES["a"].pop()
    assert fingerprint(lab.Rate) == first


def test_new_code_of_a_function(lab: ModuleType) -> None:
    """Code that is put into a function in place, as reloading in a notebook does, counts."""
    first = fingerprint(lab.Rate)
    lab.helpers.window.__code__ = lab.helpers.mean_of.__code__
    assert fingerprint(lab.Rate) != first


def test_what_the_code_itself_changes(lab: ModuleType) -> None:
    """A memo that is filled and a counter that counts are no constants."""
    first = fingerprint(lab.Rate)
    lab.MEMO[1] = 2
    vars(lab)["COUNTS"] += 1
    assert fingerprint(lab.Rate) == first
    del lab.Rate._fingerprint
    assert fingerprint(lab.Rate) == first


@pytest.mark.parametrize("new", ['key["session"] - 2', 'key["session"] + 1', 'key["other"] - 1'])
def test_a_file_that_changed_before(imprint: Imprint, lab: ModuleType, new: str) -> None:
    """New code in the file is not taken for the old code that is loaded."""
    rewrite(lab, 'key["session"] - 1', new)
    assert fingerprint(lab.Rate) != imprint(changed(("tables.py", 'key["session"] - 1', new)))


def test_a_file_that_changed_after(lab: ModuleType) -> None:
    """What is loaded keeps its fingerprint when the file changes, also where other code has to be read anew."""
    first = fingerprint(lab.Rate)
    rewrite(lab, 'key["session"] - 1', 'key["session"] - 2')
    assert fingerprint(lab.Rate) == first
    del lab.Rate._fingerprint
    assert fingerprint(lab.Rate) == first


def test_lines_that_moved_after(imprint: Imprint, lab: ModuleType) -> None:
    """A file whose lines moved since has the source of what is loaded."""
    rewrite(lab, "import math", "# a comment\n\nimport math")
    first = fingerprint(lab.Rate)
    assert first == imprint(FILES)


def test_spawned() -> None:
    """A spawned process finds the same."""
    from djarrow.demo.pipeline import DelayModel

    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.apply(fingerprint, (DelayModel,))
    assert found == fingerprint(DelayModel)
