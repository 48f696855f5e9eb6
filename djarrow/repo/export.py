"""dj.export: tables -> a repository, from one snapshot, streamed, the manifest last.

Design section 11; specification 000 "Export, Sharing, and Backup/Restore".
"""

from __future__ import annotations

import datetime
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from djarrow._version import __version__
from djarrow.errors import RepositoryError
from djarrow.expr.nodes import Order
from djarrow.expr.order import ordered
from djarrow.expr.terms import column
from djarrow.repo import manifest
from djarrow.repo.chosen import What
from djarrow.repo.manifest import Manifest, TableEntry
from djarrow.repo.partitioning import PartitionBy, partitions
from djarrow.repo.selection import Taken, select
from djarrow.sql import snapshot
from djarrow.table.source import current_offline

if TYPE_CHECKING:
    import pyarrow as pa

    from djarrow.engine.postgres import PostgresConnection


@frozen
class Exported:
    """What an export wrote. bytes: of all Parquet files; seconds: of the whole export."""

    path: Path
    tables: int
    rows: int
    files: int
    bytes: int
    seconds: float


def export(
    what: What | Iterable[What],
    url: str | Path,
    *,
    partition_by: PartitionBy = None,
    include: str | None = None,
) -> Exported:
    """Write tables to a folder as a repository, which `dj.open` queries with no server. Returns what was written.

    what: a schema, a module, a table class, a restricted one, `Session & 'date > "2024-01-01"'`, or several of these.
    Of a schema without classes all tables are exported that the database holds. What they refer to is exported too, so
    that no reference dangles: of a restricted table the rows that its rows need, of others all; and a master's rows
    come with those of its parts. include: "descendants" takes also all rows that depend on those given.
    url: a folder, new, empty, or left by an export that was interrupted. partition_by: attributes
    whose values split the rows of a table over files, for every table that has them, or by table class.

    All tables are read in one snapshot and streamed; the manifest is written last, so that a partial export does not
    open. Raises RepositoryError where the folder is a repository already or cannot be written, a partition is not
    possible, a schema or table has a name or attributes that only other software gives, or what is given are no rows of
    a table, and UnknownAttribute.
    """
    from djarrow.repo import companions

    started = time.monotonic()
    if current_offline() is not None:
        raise RepositoryError("inside a `using` block queries read a repository; export the database outside of it.")
    root = _free(url)
    selection = select(what, include)
    connection, specs = selection.connection, selection.specs
    split = partitions(tuple(specs.values()), partition_by)
    entries = []
    with connection.begin(read_only=True, settings=snapshot.SETTINGS):
        connection.execute(snapshot.lock_tables(selection.read))
        with _writing(root):
            root.mkdir(parents=True, exist_ok=True)
            for taken in selection.tables:
                entries.append(_write(taken, split[taken.spec.name], root, connection))
    document = _manifest(root, connection, entries)
    with _writing(root):
        _remove_leftovers(document, root)
        companions.write(document, specs, root)
        manifest.write(document, root)
    every = [file for entry in entries for file in entry.files]
    return Exported(
        root, len(entries), document.rows, len(every), sum(f.size for f in every), time.monotonic() - started
    )


def _free(url: str | Path) -> Path:
    """The folder to write to, which is no repository yet."""
    root = Path(url).expanduser().resolve()
    if (root / manifest.FILE_NAME).exists():
        raise RepositoryError(f"{root} is a repository already. Choose another folder, or remove it first.")
    return root


@contextmanager
def _writing(root: Path) -> Iterator[None]:
    """Say what a refusal of the file system means."""
    try:
        yield
    except OSError as error:
        raise RepositoryError(
            f"{root} cannot be written: {error}. Nothing was published; the folder has no manifest and does not open."
        ) from error


def _remove_leftovers(document: Manifest, root: Path) -> None:
    """Remove what an interrupted export left: Parquet files in the folders of our tables that are not listed."""
    listed = {root.joinpath(*PurePosixPath(file.path).parts) for entry in document.tables for file in entry.files}
    for entry in document.tables:
        for folder, _, names in os.walk(root.joinpath(*manifest.folder_of(entry.name).parts)):
            for path in (Path(folder, name) for name in names if name.endswith(".parquet")):
                if path not in listed:
                    path.unlink()


def _write(taken: Taken, partition_by: tuple[str, ...], root: Path, connection: PostgresConnection) -> TableEntry:
    """Stream one table into its files, in the order of partition and key."""
    from djarrow.frame.results import declared_batch
    from djarrow.repo.content import ContentHash
    from djarrow.repo.parquet import write_table

    spec, content = taken.spec, ContentHash(taken.spec.heading)

    def batches(stream: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in stream:
            declared = declared_batch(batch, spec.heading)
            content.add(declared)
            yield declared

    with connection.stream(_sorted(taken, partition_by)) as stream:
        files = tuple(write_table(spec, batches(stream), partition_by, root))
    return evolve(taken.entry, content=content.hexdigest(), partition_by=partition_by, files=files)


def _sorted(taken: Taken, partition_by: tuple[str, ...]) -> str:
    """The text that reads a table in the order of partition and key."""
    from djarrow.sql import compile as compiler
    from djarrow.sql.dialects import Dialect

    heading = taken.spec.heading
    names = dict.fromkeys((*partition_by, *heading.primary_key))
    order = tuple(Order(column(heading[name])) for name in names)
    node = ordered(taken.rows, order, None, 0)
    return compiler.select(node, Dialect.POSTGRES).text


def _manifest(root: Path, connection: PostgresConnection, entries: Sequence[TableEntry]) -> Manifest:
    import polars
    import pyarrow

    server = connection.read("SELECT current_setting('server_version')").column(0)[0].as_py()
    software = {"djarrow": __version__, "pyarrow": pyarrow.__version__, "polars": polars.__version__}
    return Manifest(
        project=os.fsencode(root.name).decode(errors="replace"),
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        source=f"PostgreSQL {server}",
        software=software,
        tables=tuple(entries),
    )
