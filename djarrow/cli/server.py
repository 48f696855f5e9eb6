"""`djarrow server`: status, start, stop, url and psql of the embedded server of a project. Not here: how it is run."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote, urlsplit

import typer
from rich.console import Console
from rich.table import Table

from djarrow.cli.failure import CommandGroup
from djarrow.engine.connect import server_folder
from djarrow.engine.embedded import EmbeddedServer, ServerStatus
from djarrow.engine.embedded.binaries import find_binaries
from djarrow.project import project_folder

app = typer.Typer(
    cls=CommandGroup,
    help="The embedded PostgreSQL server of a project.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)

_NOT_RUNNING = 3  # the exit code of `systemctl status` and `pg_ctl status` for this
_PASS_THROUGH = {"allow_extra_args": True, "ignore_unknown_options": True}

Folder = Annotated[
    Path, typer.Option("--folder", help="The folder of the project.", file_okay=False, show_default="the current one")
]


@app.command()
def status(folder: Folder = Path()) -> None:
    """Show whether the server runs, and where. Exits with 3 when it does not."""
    seen = _server_of(folder).status()
    Console().print(_as_table(seen))
    if not seen.running:
        raise typer.Exit(_NOT_RUNNING)


@app.command()
def start(folder: Folder = Path()) -> None:
    """Start the server and keep it up until `stop`, also while nobody uses it."""
    server = _server_of(folder)
    server.keep()
    typer.echo(f"The server runs at port {server.status().port}.")


@app.command()
def stop(folder: Folder = Path()) -> None:
    """Stop the server now, whoever uses it."""
    server = _server_of(folder)
    running = server.status().running
    server.stop()
    typer.echo("The server has stopped." if running else "The server was not running.")


@app.command()
def url(folder: Folder = Path()) -> None:
    """Print the URL of the running server, starting nothing. Exits with 3 when it does not run.

    This is the one command that shows the password.
    """
    found = _server_of(folder).url()
    if found is None:
        typer.echo("The server is not running. `djarrow server start` starts it.", err=True)
        raise typer.Exit(_NOT_RUNNING)
    typer.echo(found)


@app.command(context_settings=_PASS_THROUGH)
def psql(context: typer.Context, folder: Folder = Path()) -> None:
    """Open psql on the database, starting the server for that long. Further arguments are psql's."""
    program = find_binaries().program("psql")
    server = _server_of(folder)
    place = urlsplit(server.join())
    # The password goes through the environment: everybody can read a command line.
    environment = os.environ | {"PGPASSWORD": unquote(place.password or "")}
    target = ["-h", str(place.hostname), "-p", str(place.port), "-U", str(place.username), "-d", place.path[1:]]
    signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C is for psql, which cancels the query
    code = subprocess.run([program, *target, *context.args], env=environment, check=False).returncode
    server.leave()
    raise typer.Exit(code)


def _server_of(folder: Path) -> EmbeddedServer:
    return EmbeddedServer(server_folder(project_folder(folder)))


def _as_table(seen: ServerStatus) -> Table:
    table = Table(show_header=False)
    rows = {
        "running": ("yes, kept until stop" if seen.kept else "yes") if seen.running else "no",
        "pid": seen.pid,
        "port": seen.port,
        "version": None if seen.version is None else f"PostgreSQL {seen.version}",
        "data folder": seen.data,
        "users": "unknown" if seen.users is None else seen.users,
    }
    for name, value in rows.items():
        table.add_row(name, "-" if value is None else str(value))
    return table
