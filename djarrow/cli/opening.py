"""`djarrow open`: what is in a repository, a table of it, or the answer to a SELECT. How: repo/opening/."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from djarrow.repo.manifest import TableEntry
    from djarrow.repo.opening.repository import Repository
    from djarrow.table.table import Table


def open_repository(
    url: Annotated[str, typer.Argument(help="A folder, or a URL as s3://bucket/path.")],
    what: Annotated[
        str | None, typer.Argument(metavar="[TABLE|SQL]", help="schema.Table, or a SELECT over tables as schema.table.")
    ] = None,
    *,
    limit: Annotated[int, typer.Option(help="How many rows are shown.", min=1)] = 12,
) -> None:
    """Show what is in a repository: its tables, with their rows and sizes; the definition and the first rows of one; or
    the rows of a SELECT, in the SQL of DuckDB.

    Nothing in the repository is executed, and nothing outside of it read. Exits with 1 where there is none, where it is
    not as it was written, or where the table or the SELECT is refused.
    """
    from djarrow.repo.opening import repository as opened

    repository = opened.open_repository(url)
    try:
        if what is None:
            lines = _listing(repository)
        elif len(what.split()) > 1:
            lines = _rows(repository, what, limit)
        else:
            lines = _table(repository, what, limit)
        for line in lines:
            typer.echo(printable(line))
    finally:
        repository.close()


def printable(text: str) -> str:
    """Text of whoever wrote the repository, without what moves a terminal's cursor or asks it for something."""
    return "".join(
        mark if mark == "\n" or unicodedata.category(mark) not in _MOVING else mark.encode("unicode_escape").decode()
        for mark in text
    )


_MOVING = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def _listing(repository: Repository) -> Iterator[str]:
    document = repository.manifest
    software = document.software.get("djarrow", "?")
    yield f"{document.project}: {document.created[:19]}, from {document.source} by djarrow {software}"
    rows = [_described(repository, entry) for entry in document.tables]
    widths = [max(map(len, column)) for column in zip(*(row[:4] for row in rows), strict=True)]
    for name, tier, count, size, comment in rows:
        cells = (name.ljust(widths[0]), tier.ljust(widths[1]), count.rjust(widths[2]), size.rjust(widths[3]))
        yield f"  {'  '.join(cells)}  {comment}".rstrip()


def _described(repository: Repository, entry: TableEntry) -> tuple[str, str, str, str, str]:
    from djarrow.model.names import class_reference

    spec = repository.specs[entry.name]
    tier = "part" if spec.master else spec.tier.name.lower()
    size = sum(file.size for file in entry.files)
    name = f"{entry.schema}.{class_reference(entry.name, entry.schema)}"
    return name, tier, f"{entry.rows:,} rows", f"{size:,} bytes", spec.comment


def _table(repository: Repository, word: str, limit: int) -> Iterator[str]:
    table = _found(repository, word)
    yield table.describe().rstrip()
    yield ""
    yield table.preview(limit=limit)


def _found(repository: Repository, word: str) -> Table:
    """The table of `schema.Table` or `schema.Master.Part`. Raises UnknownTable or RepositoryError."""
    from djarrow.errors import UnknownTable, hint_nearest
    from djarrow.model.names import class_reference

    schema, _, rest = word.partition(".")
    if not rest:
        raise typer.BadParameter(f"{word!r} is not schema.Table, and no SELECT.")
    repository[schema]  # which says what schemas there are
    known = {class_reference(name, schema): name for name in repository.tables if name.schema == schema}
    if rest not in known:
        raise UnknownTable(f"the schema {schema!r} has no table {rest!r}.{hint_nearest(rest, known)}")
    return repository.table(known[rest])


def _rows(repository: Repository, text: str, limit: int) -> Iterator[str]:
    import polars as pl
    import pyarrow as pa

    with repository.reader.stream(text) as stream:
        held, count = [], 0
        for batch in stream:
            held.append(batch.slice(0, limit + 1 - count))
            count += held[-1].num_rows
            if count > limit:
                break
        frame = pl.DataFrame(pl.from_arrow(pa.Table.from_batches(held, stream.schema)))
    with pl.Config(tbl_rows=limit, tbl_cols=-1, tbl_hide_dataframe_shape=True):
        yield str(frame.head(limit))
    if count > limit:
        yield f"There are more rows: --limit {limit * 10} shows more."
