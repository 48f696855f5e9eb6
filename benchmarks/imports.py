"""What `import djarrow` costs, against `import polars`: whole processes, in turn."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator

from benchmarks.paired import Ratio, compare


def run() -> Iterator[Ratio]:
    """The import of each, with the start of Python, which both pay."""
    peer = "`import polars`"
    theirs = _python("import polars")
    yield compare("`import djarrow`", _python("import djarrow"), peer, theirs, reach=1.3)


def _python(statement: str) -> Callable[[], object]:
    return lambda: subprocess.run([sys.executable, "-c", statement], check=True)
