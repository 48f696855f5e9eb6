"""The code of the README runs as it stands there, in an empty folder, with nothing configured."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"


def test_the_example_runs_and_answers_the_same_offline(tmp_path: Path) -> None:
    """The example declares, inserts, populates, queries, exports, and gets the same frame from the repository."""
    (source,) = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    (tmp_path / "example.py").write_text(source, "utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DJ_", "DJARROW_"))}
    run = subprocess.run(
        [sys.executable, "example.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    frames = re.findall(r"shape: .*?└[^\n]*", run.stdout, re.DOTALL)
    assert len(frames) == 2
    assert frames[0] == frames[1]
    assert "4.0" in frames[0]
    assert (tmp_path / "published" / "manifest.json").is_file()
