"""Processes that tests start, and where these find what they import."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import djarrow

ROOT = Path(djarrow.__file__).parents[1]
"""Where the djarrow under test lies."""

WITHOUT_PANDAS = Path(__file__).parent / "without_pandas"
"""A place without pandas, which Arrow loads wherever it is: before all others, a process begins a quarter sooner."""

PLACES = os.pathsep.join(map(str, (WITHOUT_PANDAS, ROOT)))
"""For PYTHONPATH."""


def started(script: str, *words: str) -> subprocess.Popen[str]:
    """A process that runs a script with these words, which is told what to do and tells what it did, line by line."""
    return subprocess.Popen(
        [sys.executable, "-c", script, *words],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": PLACES},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
