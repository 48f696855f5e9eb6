"""`djarrow verify`: whether a repository is whole. How: repo/verify.py."""

from __future__ import annotations

from typing import Annotated

import typer

_DAMAGED = 1


def verify(
    path: Annotated[str, typer.Argument(help="The folder of a repository.")],
    *,
    sample: Annotated[
        float, typer.Option(help="The share of the bytes of Parquet files to read, chosen by chance.", min=0, max=1)
    ] = 1.0,
) -> None:
    """Compare every file of a repository with what was written, and show a line for each that is not the same.

    Exits with 0 where the repository is whole, as far as it was read, and with 1 where it is not, or is none.
    """
    from djarrow.repo.verify import verify as read

    found = read(path, sample=sample)
    for problem in found.problems:
        typer.echo(str(problem))
    verdict = "whole" if found else f"{len(found.problems)} problems"
    typer.echo(f"{verdict}: {found.files} files, {found.bytes:,} bytes read in {found.seconds:.1f} s", err=True)
    if not found:
        raise typer.Exit(_DAMAGED)
