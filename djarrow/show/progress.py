"""The progress bar of long work. Drawn by rich on standard error, and only where someone can see it or asked for it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

Advance = Callable[[int], None]
"""Called after so many units of work."""


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
