"""`python -m benchmarks [name ...]`: all benchmarks, or those named. Exits 1 when a figure is not reached."""

from __future__ import annotations

import os
import platform
import sys
from importlib import import_module
from importlib.metadata import version

NAMES = (
    *("imports", "embedded_start", "flights", "schemas", "reading", "queries", "lazy", "streaming"),
    *("inserting", "deleting", "computing", "repositories"),
)
PACKAGES = ("adbc-driver-postgresql", "polars", "pyarrow", "duckdb", "sqlglot")


def main(names: list[str]) -> int:
    """Run the benchmarks and print a line each."""
    print(f"Python {platform.python_version()}, {platform.machine()}, {_processor()}")
    print(", ".join(f"{package} {version(package)}" for package in PACKAGES))
    missed = 0
    for name in names or NAMES:
        for figure in import_module(f"benchmarks.{name}").run():
            print(figure, flush=True)
            missed += not figure.reached
    return 1 if missed else 0


def _processor() -> str:
    return f"{os.cpu_count()} processors"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
