"""`djarrow demo`: the whole idea on a third of a million flights. What it does: djarrow/demo/run.py."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Folder = Annotated[
    Path,
    typer.Option("--folder", help="A new folder for the demo. Where it exists, a numbered one beside it is taken."),
]


def demo(folder: Folder = Path("djarrow-demo")) -> None:
    """Load, query, compute and export 336,776 real flights, and query the export with no server."""
    from djarrow.demo.run import run

    run(folder)
