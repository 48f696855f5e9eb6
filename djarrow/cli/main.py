"""`djarrow`: the command line's entry. What each command does stands in a module of its own beside this one."""

from __future__ import annotations

from typing import Annotated

import typer

from djarrow._version import __version__
from djarrow.cli import demo, diff, export, opening, progress, restore, server, verify, worker
from djarrow.cli.failure import CommandGroup

app = typer.Typer(
    name="djarrow",
    help="A computational database for dataframes.",
    cls=CommandGroup,
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,  # they can hold a password
)
app.command()(demo.demo)
app.command()(diff.diff)
app.command()(export.export)
app.command("open")(opening.open_repository)
app.command()(progress.progress)
app.command()(restore.restore)
app.command()(verify.verify)
app.command()(worker.worker)
app.add_typer(server.app, name="server")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"djarrow {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Hold what stands before a command."""


if __name__ == "__main__":
    app()
