"""`djarrow diff`: what differs between repositories and databases. How: repo/comparing/diff.py."""

from __future__ import annotations

from typing import Annotated

import typer

from djarrow.cli.restore import renaming
from djarrow.cli.rows import rows_as_text
from djarrow.errors import DjarrowError

_DIFFERENT, _TROUBLE = 1, 2

_READ = 100
"""Rows that are read of each kind, where fewer are shown: they tell which attributes differ."""


def diff(
    before: Annotated[
        str, typer.Argument(metavar="A", help="A repository, or the URL of a database: postgresql://...")
    ],
    after: Annotated[
        str | None,
        typer.Argument(metavar="[B]", help="Another one. If not given, the database djarrow is configured for."),
    ] = None,
    *,
    schema: Annotated[list[str] | None, typer.Option(help="Compare this schema of A, and not all of them.")] = None,
    rename: Annotated[
        list[str] | None, typer.Option(metavar="SCHEMA=NAME", help="A schema of A has another name in B.")
    ] = None,
    rows: Annotated[int, typer.Option(help="Show so many of the rows of each kind of each table.", min=0)] = 0,
) -> None:
    """Compare the tables of A and B, and show what was added, removed and changed from A to B.

    Exits with 0 where both have the same tables with the same definitions and rows, with 1 where they do not, and with
    2 where they could not be compared.
    """
    from djarrow.engine.connect import conn
    from djarrow.repo.comparing.diff import diff as compare

    names = dict(map(renaming, rename or ()))
    try:
        found = compare(
            before, conn() if after is None else after, schemas=schema or None, rename=names, limit=max(rows, _READ)
        )
    except DjarrowError as error:
        typer.secho(error.message, fg=typer.colors.RED, err=True)
        raise typer.Exit(_TROUBLE) from None
    if found.equal:
        typer.echo(str(found), err=True)
        return
    typer.echo(str(found))
    for table in found.tables:
        for text in rows_as_text(table, rows):
            typer.echo(f"\n{text}")
    raise typer.Exit(_DIFFERENT)
