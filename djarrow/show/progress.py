"""The progress bar of long work. Drawn by rich on standard error, and only where someone can see it or asked for it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

Advance = Callable[[int], None]
"""Called after so many units of work."""

Count = Callable[[int, int], None]
"""Called after so many rows, of so many bytes."""


@contextlib.contextmanager
def progress_bar(label: str, total: int | None, *, shown: bool) -> Iterator[Advance]:
    """Gives a function to call after units of work. total: how many there are, where that is known."""
    if not shown:
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(label, total=total)
        yield lambda units: progress.advance(task, units)


@contextlib.contextmanager
def count_bar(label: str, *, shown: bool) -> Iterator[Count]:
    """Gives a function to call after rows: how many there will be, nobody knows before all were read."""
    if not shown:
        yield lambda _rows, _bytes: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[rows]:,} rows"),
        TextColumn("{task.fields[megabytes]:,.1f} MB"),
        TransferSpeedColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(label, total=None, rows=0, megabytes=0.0)
        lock = threading.Lock()

        def count(rows: int, size: int) -> None:
            with lock:
                fields = progress.tasks[0].fields
                progress.update(
                    task, advance=size, rows=fields["rows"] + rows, megabytes=fields["megabytes"] + size / 1e6
                )

        yield count
