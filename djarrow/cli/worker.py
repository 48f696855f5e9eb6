"""`djarrow worker`: makes keys out of the queue, until nothing is left or forever. How: jobs/worker.py."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import signal
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from djarrow.cli import targets
from djarrow.cli.targets import Imports

if TYPE_CHECKING:
    from djarrow.jobs.options import Outcome
    from djarrow.jobs.worker import Worker

_FAILED = 1

_LONGEST = 500
"""Characters of an error in the log. The queue keeps more, and the stack."""


def worker(
    what: Annotated[
        list[str], typer.Argument(help="SCHEMA.TABLE, MODULE, MODULE:CLASS or MODULE.CLASS: what is to be made.")
    ],
    imports: Imports = None,
    *,
    forever: Annotated[bool, typer.Option("--forever", help="Go on when nothing is left, and wait for more.")] = False,
    priority: Annotated[int | None, typer.Option(help="No jobs that come after this priority.")] = None,
    limit: Annotated[int | None, typer.Option(help="At most so many jobs.", min=0)] = None,
    poll: Annotated[float, typer.Option(help="Seconds until it looks again.", min=0.01, max=86_400)] = 5.0,
    refresh_stale: Annotated[
        bool, typer.Option("--refresh-stale", help="Also make results anew that do not hold any more.")
    ] = False,
) -> None:
    """Make keys out of the queue, which all workers share, until nothing is left.

    Writes a line for each job. SIGTERM or Ctrl-C: the make that runs is finished, the other keys are given back, and it
    exits with 0; a second one ends it at once. Exits with 1 where jobs failed, which the queue keeps: `schema.jobs`.
    """
    from djarrow.jobs.worker import Orders, Worker

    tables = targets.tables(what, targets.modules(imports or ()))
    orders = Orders(
        forever=forever,
        priority=priority,
        limit=limit,
        poll=poll,
        refresh_stale=refresh_stale,
        report=_write,
        warn=_warn,
    )
    one = Worker(tables, orders)
    _heed_signals(one)
    one.run()
    _warn(f"{one.done} done, {one.failed} failed{', stopped by a signal' if one.stopped else ''}")
    if not one.stopped and (earlier := sum(len(table.jobs.errors) for table in tables) - one.failed) > 0:
        _warn(f"{earlier} failed before, and are not tried again until `schema.jobs.errors.retry()` says so.")
    if one.failed and not one.stopped:
        raise typer.Exit(_FAILED)


def _heed_signals(one: Worker) -> None:
    def heed(number: int, _: Any) -> None:
        if one.stopped:
            one.give_back()
            os._exit(128 + number)
        one.stop()
        _warn("Stopping: the make that runs is finished first. Once more ends it at once.")

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, heed)


def _write(outcome: Outcome) -> None:
    with contextlib.suppress(BrokenPipeError):  # nobody reads the log any more, and the keys are to be made
        _echo(line(outcome), sys.stdout)


def _warn(text: str) -> None:
    with contextlib.suppress(BrokenPipeError):
        _echo(_printable(text), sys.stderr)


def _echo(text: str, stream: Any) -> None:
    encoding = stream.encoding or "utf-8"
    typer.echo(text.encode(encoding, "backslashreplace").decode(encoding), file=stream)


def line(outcome: Outcome) -> str:
    """The line of the log: time, table, key or keys, seconds, and what came of it. A single one in any case."""
    from djarrow.errors import LeaseLost

    time = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    key = json.dumps(outcome.key, default=str, ensure_ascii=False)
    if outcome.keys > 1:
        key = f"{outcome.keys} keys, the first {key}"
    match outcome.error:
        case None:
            result = "made" if outcome.made else "skipped"
            if 0 < outcome.made < outcome.keys:
                result = f"{outcome.made} made, {outcome.keys - outcome.made} skipped"
        case LeaseLost():
            result = "lease lost"
        case error:
            first = next(iter(str(error).splitlines()), "")[:_LONGEST]
            result = f"error: {type(error).__name__}: {first}"
    return _printable(f"{time} {outcome.table} {key} {outcome.seconds:.3f} s {result}")


def _printable(text: str) -> str:
    """The text without what moves the cursor of a terminal, or begins a line."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
