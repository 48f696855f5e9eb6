"""`djarrow export`: tables of the database to a repository. How: repo/exporting/export.py."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from djarrow.cli import targets
from djarrow.cli.targets import Imports


def export(
    what: Annotated[
        list[str], typer.Argument(help="SCHEMA, SCHEMA.TABLE, MODULE, MODULE:CLASS or MODULE.CLASS: what is exported.")
    ],
    url: Annotated[str, typer.Argument(help="A folder, or a URL as s3://bucket/path.")],
    imports: Imports = None,
    *,
    partition_by: Annotated[
        list[str] | None, typer.Option(help="An attribute whose values split the rows over files; may be repeated.")
    ] = None,
    compression: Annotated[str, typer.Option(help="zstd, snappy, gzip, brotli, lz4 or none.")] = "zstd",
    max_rows_per_file: Annotated[int | None, typer.Option(help="Split files further.", min=1)] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CONDITION",
            help='Of each TABLE or CLASS the rows where this holds, as "speed > 8", and all that they refer to; '
            "repeated, all must hold.",
        ),
    ] = None,
    include: Annotated[
        str | None, typer.Option(help="descendants: also all rows that depend on what is exported.")
    ] = None,
    connections: Annotated[int, typer.Option(help="Read so many tables at once.", min=1)] = 1,
    replace: Annotated[
        bool, typer.Option("--replace", help="Also over a repository that holds tables which this export does not.")
    ] = False,
    provenance: Annotated[
        bool, typer.Option(help="What made computed rows, and the log of changes with the values that were there.")
    ] = True,
) -> None:
    """Write tables, or some of their rows, and all that they refer to, to a place that `djarrow open` reads with no
    server.

    Where an export is published already, or was interrupted, only what changed is written. Exits with 1 where it could
    not be written, or another export runs there; what was published before is then as it was.
    """
    from djarrow.repo.exporting.export import export as write

    chosen = targets.exported(what, targets.modules(imports or ()))
    if where:
        chosen = [_restricted(word, table, where) for word, table in zip(what, chosen, strict=True)]
    done = write(
        chosen,
        url,
        include=include,
        partition_by=partition_by,
        compression=compression,
        max_rows_per_file=max_rows_per_file,
        connections=connections,
        replace=replace,
        provenance=provenance,
        display_progress=sys.stderr.isatty(),
    )
    kept = done.files - done.written
    typer.echo(
        f"{done.tables} tables, {done.rows:,} rows, {done.files} files of {done.bytes:,} bytes"
        f"{f', {kept} of them as they were' if kept else ''}, in {done.seconds:.1f} s",
        err=True,
    )


def _restricted(word: str, what: Any, conditions: Sequence[str]) -> Any:
    """The rows of a table where conditions hold. Raises typer.BadParameter for a schema or module."""
    from djarrow.table.table import Table

    if not (isinstance(what, type) and issubclass(what, Table)):
        raise typer.BadParameter(
            f"it restricts tables, and {word!r} is none. Name tables, as SCHEMA.TABLE.", param_hint="--where"
        )
    return what().restrict(*conditions)
