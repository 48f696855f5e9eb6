"""`djarrow progress`: how far the tables are that fill themselves, once or live. What is counted: jobs/progress.py."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer
from attrs import fields
from rich.console import Console
from rich.live import Live
from rich.table import Table

from djarrow.cli import targets
from djarrow.cli.targets import Imports
from djarrow.errors import ConnectionFailed, MissingSchema, hint_nearest

if TYPE_CHECKING:
    from djarrow.jobs.autopopulate import AutoPopulated
    from djarrow.jobs.progress import Progress

COUNTING = 5.0
"""Seconds that counting one table may take; where it takes longer, what was counted last is shown, or `?`."""

PAUSE = 1.0
"""Seconds between two looks of the live view."""


def progress(
    what: Annotated[
        list[str], typer.Argument(help="MODULE, MODULE:CLASS, SCHEMA.TABLE, or SCHEMA, a schema of the database.")
    ],
    imports: Imports = None,
    *,
    once: Annotated[bool, typer.Option("--once", help="Show it once, and not until Ctrl-C.")] = False,
) -> None:
    """Show how many keys of each table are done, pending, reserved, failed and ignored.

    Live in a terminal, counted again each second until Ctrl-C; once where the output is no terminal. Exits with 0.
    """
    console = Console()
    tables = _tables(what, imports or ())
    seen = _counted(tables, {})
    if once or not console.is_terminal:
        console.print(as_table(seen.values()))
        return
    note = None
    with Live(console=console, auto_refresh=False) as live:
        try:
            while True:
                live.update(as_table(seen.values(), note), refresh=True)
                time.sleep(PAUSE)
                try:
                    seen, note = _counted(tables, seen), None
                except ConnectionFailed:
                    note = "The connection was lost, and is tried again."
        except KeyboardInterrupt:
            return


def _tables(words: list[str], imports: Iterable[str]) -> list[AutoPopulated]:
    """What the words mean, as for a worker; else a schema of the database, without classes."""
    from djarrow.jobs.gather import tables_of
    from djarrow.table.existing.virtual import virtual

    imported = targets.modules(imports)
    found: list[Any] = []
    for word in words:
        try:
            found.append(targets.tables([word], imported))
        except typer.BadParameter as wrong:
            if ":" in word:
                raise
            try:
                found.append(virtual(word))
            except MissingSchema as missing:
                text = f"{wrong.message} Nor is it a schema of the database.{hint_nearest(word, missing.known)}"
                raise typer.BadParameter(text) from None
    return tables_of(found, virtual=True)


def _counted(tables: list[AutoPopulated], before: dict[str, Progress]) -> dict[str, Progress]:
    from djarrow.jobs.progress import counted

    seen = {row.table: row for row in counted(tables, COUNTING)}
    return {name: before.get(name, row) if row.total is None else row for name, row in seen.items()}


def as_table(rows: Iterable[Progress], note: str | None = None) -> Table:
    """The table that is shown, with the sum of all in the last row."""
    from djarrow.jobs.progress import Progress

    rows = list(rows)
    names = [each.name for each in fields(Progress)]
    shown = Table(caption=note, caption_style="red", show_footer=len(rows) > 1)
    total = Progress("all", *(sum(getattr(row, name) or 0 for row in rows) for name in names[1:]))
    for name in names:
        shown.add_column(name, _cell(total, name), justify="left" if name == "table" else "right", no_wrap=True)
    for row in rows:
        shown.add_row(*(_cell(row, name) for name in names))
    return shown


def _cell(row: Progress, name: str) -> Any:
    from rich.text import Text

    value = getattr(row, name)
    if isinstance(value, str):
        return Text(value)
    styles = {"done": "green" if row.done == row.total else "", "error": "red" if row.error else ""}
    return Text("?" if value is None else f"{value:,}", style=styles.get(name, ""))
