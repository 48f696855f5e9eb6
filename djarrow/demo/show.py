"""What the demo prints: headings, frames and text, in few lines. Plain where the output is no terminal."""

from __future__ import annotations

import datetime
import textwrap
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    import polars as pl

_WIDTH = 100  # columns, where the output is no terminal that tells its own


def new_console() -> Console:
    """A console on standard output."""
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = _WIDTH
    return console


def heading(console: Console, text: str) -> None:
    """The title of a step, after an empty line."""
    console.print()
    console.print(text, style="bold")


def line(console: Console, text: str, style: str | None = None) -> None:
    """Text that is not broken into lines, so that it can be copied."""
    console.print(f"  {text}", style=style, soft_wrap=True)


def code(console: Console, text: str) -> None:
    """Python source, indented."""
    console.print(textwrap.indent(text, "  "), style="cyan", soft_wrap=True)


def shortened(console: Console, text: str, lines: int) -> None:
    """The beginning of a long text in so many lines."""
    for part in textwrap.wrap(text, console.width - 2, max_lines=lines, placeholder=" ..."):
        line(console, part, "dim")


def frame(console: Console, rows: pl.DataFrame) -> None:
    """All rows of a small frame, numbers to the right."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")  # an indent
    for name, dtype in rows.schema.items():
        table.add_column(name, justify="right" if dtype.is_numeric() else "left", no_wrap=True)
    for row in rows.iter_rows():
        table.add_row("", *map(_cell, row))
    console.print(table)


def _cell(value: object) -> str:
    match value:
        case None:
            return "NULL"
        case float():
            return f"{value:.4g}"
        case datetime.datetime():
            return f"{value:%Y-%m-%d %H:%M}"
        case _:
            return str(value)
