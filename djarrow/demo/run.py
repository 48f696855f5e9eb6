"""`djarrow demo`, step by step: load, look, compute, ask, export, and ask the export with no server.

All that is printed was computed a moment before.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import shlex
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from polars.testing import assert_frame_equal

import djarrow as dj
from djarrow.demo import pipeline, show
from djarrow.demo.folder import new_folder
from djarrow.demo.loading import frames
from djarrow.demo.pipeline import Airline, DelayModel, Flight, Month, Weather, schema
from djarrow.demo.questions import QUESTIONS, Question
from djarrow.engine.connect import server_folder
from djarrow.engine.embedded import EmbeddedServer
from djarrow.errors import DemoError

if TYPE_CHECKING:
    from rich.console import Console

Answers = list[pl.DataFrame]


def run(wanted: Path) -> None:
    """Run the demo in a new folder.

    Raises DemoError where the folder cannot be made, the data are not there, or the answers with and without the server
    differ.
    """
    started = time.monotonic()
    console = show.new_console()
    folder = new_folder(wanted)
    with _server_of(folder) as server:
        console.print(f"PostgreSQL {server.status().version} started in {folder} in {_since(started)}.", soft_wrap=True)
        _load(console)
        _count_holes(console)
        _compute(console)
        answers = _ask(console, folder / "queries.sql")
        _export(console, folder / "export")
    check_export(console, folder / "export", answers, server)
    _end(console, folder, started)


@contextlib.contextmanager
def _server_of(folder: Path) -> Iterator[EmbeddedServer]:
    """The folder's own PostgreSQL, to which the default connection leads. It is stopped when the block ends."""
    server = EmbeddedServer(server_folder(folder))
    try:
        connection = dj.conn(server.join())
        yield server
        connection.close()
    finally:
        server.stop()


def _load(console: Console) -> None:
    """Declare all tables, which fills the lookups, then insert frames, parents first."""
    started = time.monotonic()
    schema.activate()
    declared = _since(started)
    report = {"table": ["rows", "time"]} | {table.__name__: [f"{len(table):,}", ""] for table in (Airline, Month)}
    with console.status("Loading ..."):
        for table, frame in frames():
            started = time.monotonic()
            report[table.__name__] = [f"{table.insert(frame):,}", _since(started)]
    show.heading(console, f"1. Load: {len(schema.tables)} tables, declared in {declared}, filled from Polars frames")
    show.frame(console, pl.DataFrame(report))


def _count_holes(console: Console) -> None:
    """Real data have holes, and they are still there."""
    no_plane = Flight & "tail_number is null"
    no_tail_number = no_plane & "recorded_tail_number is null"
    no_airport = Flight & "destination is null"
    show.heading(console, f"2. Look: what is missing in {len(Flight):,} flights")
    show.line(console, f"{len(no_plane):,} have no plane, {len(no_tail_number):,} of them not even a tail number")
    show.line(console, f"{len(no_airport):,} have a destination that is not among the airports")
    show.line(console, f"{len(Flight - Weather):,} fall in an hour without weather")


def _compute(console: Console) -> None:
    """Fit a model for each origin and month. The progress bar is drawn on standard error."""
    done = DelayModel.populate(display_progress=True)
    what = f"{len(DelayModel)} models of the delays by origin and month, {len(DelayModel.Coefficient)} coefficients"
    show.heading(console, f"3. Compute: {what}, in {done.seconds:.2f} s")


def _ask(console: Console, queries: Path) -> Answers:
    """Show each question's source, the beginning of its SQL, and its answer. The whole SQL goes to a file."""
    answers, statements = [], []
    for number, (question, order_by) in enumerate(QUESTIONS, 1):
        expression = question()
        show.heading(console, f"4.{number} {question.__doc__}")
        show.code(console, source_of(question))
        show.shortened(console, expression.to_sql(pretty=False), lines=2)
        answers.append(expression.to_polars(order_by=order_by))
        show.frame(console, answers[-1])
        statements.append(f"-- {question.__doc__}\n{expression.to_sql()};\n")
    queries.write_text("\n".join(statements), encoding="utf-8")
    return answers


def source_of(question: Question) -> str:
    """What a function of questions.py does: its lines after the signature and the docstring, as they stand there."""
    lines, _ = inspect.getsourcelines(question)
    return textwrap.dedent("".join(lines[2:])).replace("return ", "").rstrip()


def _export(console: Console, folder: Path) -> None:
    """Write all tables as Parquet from one snapshot, flights and weather one file a month."""
    done = dj.export(schema, folder, partition_by={Flight: ["month"], Weather: ["month"]})
    what = f"{done.rows:,} rows of {done.tables} tables, partitioned by month"
    show.heading(console, f"5. Export: {what}: {done.files} files, {done.bytes / 1e6:.1f} MB, in {done.seconds:.2f} s")


def check_export(console: Console, export: Path, answers: Answers, server: EmbeddedServer) -> None:
    """Ask the same functions on the export. Raises DemoError where an answer differs in any value, type or order."""
    state = "running" if server.status().running else "stopped"
    started = time.monotonic()
    with dj.open(export).using(pipeline):
        for (question, order_by), answer in zip(QUESTIONS, answers, strict=True):
            try:
                assert_frame_equal(question().to_polars(order_by=order_by), answer, check_exact=True)
            except AssertionError as difference:
                raise DemoError(f"{question.__doc__} The export answers otherwise: {difference}") from None
    what = f"{len(answers)} of {len(QUESTIONS)} answers from the export, with the server {state}, are equal"
    show.heading(console, f"6. Ask again: {what}, in {_since(started)}")


def _end(console: Console, folder: Path, started: float) -> None:
    """The paths, and what to try."""
    paths = f"Tables: {pipeline.__file__}. SQL: {folder / 'queries.sql'}. Export: {folder / 'export'}."
    show.heading(console, f"Done in {_since(started)}. Three things to try:")
    for command in things_to_try(folder):
        show.line(console, command, "cyan")
    show.line(console, paths)


def things_to_try(folder: Path) -> tuple[str, ...]:
    """Commands for a shell: the server and its SQL; the export in djarrow; the files in any tool that reads Parquet."""
    export = folder / "export"
    opened = f'import djarrow as dj; print(dj.open({json.dumps(str(export))})["flights"].DelayModel.head())'
    files = json.dumps(str(export / "flights" / "tables" / "flight" / "*.parquet"))
    scanned = f'import polars as pl; print(pl.scan_parquet({files}).group_by("origin").len().collect())'
    return (
        shlex.join(["djarrow", "server", "psql", "--folder", str(folder), "-f", str(folder / "queries.sql")]),
        shlex.join(["python", "-c", opened]),
        shlex.join(["python", "-c", scanned]),
    )


def _since(started: float) -> str:
    return f"{time.monotonic() - started:.2f} s"
