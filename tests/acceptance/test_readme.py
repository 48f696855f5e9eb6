"""The code of the README and of docs/definitions.md runs as it stands there, with nothing configured."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"
DEFINITIONS = README.parent / "docs" / "definitions.md"


def _run(source: str, folder: Path) -> str:
    """What a script prints that is run in a folder of its own."""
    (folder / "example.py").write_text(source, "utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DJ_", "DJARROW_"))}
    run = subprocess.run(
        [sys.executable, "example.py"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_the_example_runs_and_answers_the_same_offline(tmp_path: Path) -> None:
    """The example declares, inserts, populates, queries, exports, and gets the same frame from the repository."""
    (source,) = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    printed = _run(source, tmp_path)
    frames = re.findall(r"shape: .*?└[^\n]*", printed, re.DOTALL)
    assert len(frames) == 2
    assert frames[0] == frames[1]
    assert "4.0" in frames[0]
    assert (tmp_path / "published" / "manifest.json").is_file()


def test_the_definition_of_the_documentation_declares(tmp_path: Path) -> None:
    """The class of docs/definitions.md is declared, takes a row with its defaults, and is described as written."""
    (source,) = re.findall(r"```python\n(.*?)```", DEFINITIONS.read_text("utf-8"), re.DOTALL)
    use = "Subject.insert1({'subject_id': 1, 'species': 'rat'})\nprint(Subject.fetch1('weight'), Subject.describe())"
    printed = _run(f"{source}\n{use}\n", tmp_path)
    assert printed.startswith("0.00 # an animal of the lab\nsubject_id : uint16  # the number on the cage\n---\n")
    assert printed.rstrip().endswith("index (species, (year(born)))")
