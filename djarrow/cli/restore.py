"""`djarrow restore`: a repository into the database. How: repo/restoring/restore.py."""

from __future__ import annotations

from typing import Annotated, Literal

import typer


def restore(
    path: Annotated[str, typer.Argument(help="The folder of a repository.")],
    *,
    schema: Annotated[
        list[str] | None, typer.Option(help="Restore this schema of the repository, and not all of them.")
    ] = None,
    rename: Annotated[
        list[str] | None, typer.Option(metavar="SCHEMA=NAME", help="Restore a schema under another name.")
    ] = None,
    into: Annotated[
        Literal["empty", "merge"], typer.Option(help="Schemas without tables, or add what is new to those there are.")
    ] = "empty",
    resumable: Annotated[
        bool, typer.Option("--resumable", help="Table by table: run again, it goes on where it was interrupted.")
    ] = False,
) -> None:
    """Make the tables of a repository in the database, with their rows, all or nothing.

    The database is the one that djarrow is configured for. Exits with 1 where a schema has tables there already, or
    contradicts the repository, or that is not whole; then nothing was made.
    """
    from djarrow.repo.restoring.restore import restore as make

    made = make(path, schemas=schema or None, rename=dict(map(renaming, rename or ())), into=into, resumable=resumable)
    kept = f", {made.kept:,} were there" if made.kept else ""
    named = ", ".join(made.schemas)
    typer.echo(f"{named}: {made.tables} tables, {made.rows:,} rows{kept} in {made.seconds:.1f} s", err=True)


def renaming(text: str) -> tuple[str, str]:
    """What `--rename` says: a schema and its other name. Raises typer.BadParameter."""
    old, equals, new = text.partition("=")
    if not (old and equals and new):
        raise typer.BadParameter(f"{text!r} is not SCHEMA=NAME.", param_hint="--rename")
    return old, new
