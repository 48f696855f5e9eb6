"""Where processes that tests start find what they import."""

from __future__ import annotations

import os
from pathlib import Path

import djarrow

ROOT = Path(djarrow.__file__).parents[1]
"""Where the djarrow under test lies."""

WITHOUT_PANDAS = Path(__file__).parent / "without_pandas"
"""A place without pandas, which Arrow loads wherever it is: before all others, a process begins a quarter sooner."""

PLACES = os.pathsep.join(map(str, (WITHOUT_PANDAS, ROOT)))
"""For PYTHONPATH."""
