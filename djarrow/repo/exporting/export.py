"""dj.export: tables -> a repository, from one snapshot, streamed, the manifest last.

Design section 11; specification 000 "Export, Sharing, and Backup/Restore".
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from djarrow._version import __version__
from djarrow.errors import InvalidCondition, RepositoryError, TransactionError, told
from djarrow.expr.nodes import Order
from djarrow.expr.order import ordered
from djarrow.expr.terms import column
from djarrow.jobs.revision import Revision, revision_of
from djarrow.model.names import TableName
from djarrow.repo.exporting.carried import notes_of
from djarrow.repo.exporting.chosen import What
from djarrow.repo.exporting.dealing import dealt_out
from djarrow.repo.exporting.partitioning import PartitionBy, partitions
from djarrow.repo.exporting.patterns import ALL, Partitioning
from djarrow.repo.exporting.selection import Selection, Taken, select
from djarrow.repo.manifest import DataFile, Manifest, TableEntry
from djarrow.repo.places.base import Place
from djarrow.repo.places.find import StorageOptions, place_of
from djarrow.sql import snapshot
from djarrow.sql.carried import Kind
from djarrow.table.partitions import part_count
from djarrow.table.schema import Schema
from djarrow.table.source import current_offline

if TYPE_CHECKING:
    import pyarrow as pa

    from djarrow.engine.parallel import SnapshotReader
    from djarrow.repo.exporting.parquet import Layout
    from djarrow.repo.exporting.publication import Publication
    from djarrow.show.progress import Count

COMPRESSIONS = ("zstd", "snappy", "gzip", "brotli", "lz4", "none")
"""Of Parquet's pages."""


@frozen
class Exported:
    """What an export wrote, and where. files, bytes: of all Parquet files; written, written_bytes: of those that were
    not there already for the same rows; seconds: of the whole export.
    """

    place: str
    tables: int
    rows: int
    files: int
    bytes: int
    written: int
    written_bytes: int
    seconds: float

    @property
    def path(self) -> Path:
        """The folder, where it is one."""
        return Path(self.place)


def export(
    what: What | Iterable[What],
    url: str | Path,
    *,
    include: str | None = None,
    partition_by: PartitionBy = None,
    compression: str = "zstd",
    max_rows_per_file: int | None = None,
    connections: int = 1,
    replace: bool = False,
    provenance: bool = True,
    display_progress: bool = False,
    storage_options: StorageOptions | None = None,
) -> Exported:
    """Write tables to a place as a repository, which `dj.open` queries with no server. Returns what was written.

    what: a schema, a module, a table class, a restricted one, `Session & 'date > "2024-01-01"'`, or several of these.
    Of a schema without classes all tables are exported that the database holds. What they refer to is exported too, so
    that no reference dangles: of a restricted table the rows that its rows need, of others all; and a master's rows
    come with those of its parts. include: "descendants" takes also all rows that depend on those given.
    url: a folder, or a URL that fsspec knows, as `s3://bucket/path`, with its storage_options. partition_by: attributes
    whose values split the rows of a table over files, for every table that has them, or by table class; where not
    given, those of the `partition_pattern` of `datajoint.toml`, if it has one; of [] none.
    max_rows_per_file: splits them further. compression: zstd, snappy, gzip, brotli, lz4 or none. provenance: write what
    made computed rows, who and where, and the log of changes with the values that stood there before.

    All tables are read in one snapshot and streamed, so many at once as there are connections; the manifest is written
    last, so that a partial export does not open. Where an earlier export is published already, or was interrupted,
    files stay whose rows are the same, and the manifest is replaced in one step. replace: also where that holds tables
    which this export does not.

    Raises RepositoryError where the place cannot be written, another export runs there, a partition is not
    possible, a schema or table has a name or attributes that only other software gives, or what is given are no rows of
    a table; UnknownAttribute;
    InvalidCondition; TransactionError inside a transaction. Then what was published before is as it was.
    """
    from djarrow.repo.exporting.parquet import Layout
    from djarrow.repo.exporting.publication import publication
    from djarrow.show.progress import count_bar

    started = time.monotonic()
    if current_offline() is not None:
        raise RepositoryError("inside a `using` block queries read a repository; export the database outside of it.")
    layout = Layout(compression=_compression(compression), most=_most(max_rows_per_file))
    readers = part_count(connections, "connections")
    place = place_of(url, storage_options)
    selection = select(what, include)
    if selection.connection.in_transaction:
        raise TransactionError("an export reads a snapshot of its own. End this transaction before.")
    split = partitions(tuple(selection.specs.values()), partition_by)
    with _writing(place), publication(place) as target:
        if not replace:
            _check_kept(target, selection)
        with (
            selection.connection.snapshot_readers(
                readers, lock=_lock(selection), settings=snapshot.SETTINGS
            ) as sessions,
            count_bar("export", shown=display_progress) as count,
        ):
            told = notes_of(selection.tables, sessions[0]) if provenance else None
            writing = _Writing(target, layout, count)
            pieces = list(_pieces(selection, split, told))
            entries = _written(pieces, dealt_out(pieces, sessions, read=writing.read, write=writing.write))
        document = _manifest(place, selection, entries)
        target.publish(document, selection.specs)
    every = [file for entry in entries for file in entry.every_file]
    return Exported(
        place=str(place),
        tables=len(entries),
        rows=document.rows,
        files=len(every),
        bytes=sum(file.size for file in every),
        written=target.written,
        written_bytes=target.written_bytes,
        seconds=time.monotonic() - started,
    )


def _compression(given: str) -> str:
    if given not in COMPRESSIONS:
        raise InvalidCondition(f"export: compression is one of {', '.join(COMPRESSIONS)}, not {told(given)}.")
    return given


def _most(given: int | None) -> int | None:
    if given is not None and (type(given) is not int or given < 1):
        raise InvalidCondition(f"export: max_rows_per_file is a whole number from 1, not {told(given)}.")
    return given


@contextmanager
def _writing(place: Place) -> Iterator[None]:
    """Say what a refusal of the file system means."""
    try:
        yield
    except OSError as error:
        raise RepositoryError(f"{place} cannot be written: {error}. Nothing of this export was published.") from error


def _check_kept(target: Publication, selection: Selection) -> None:
    """Refuse to publish less than what is there: it may be another repository."""
    held = {entry.name for entry in target.earlier.tables} if target.earlier is not None else set()
    if gone := sorted(map(str, held - selection.specs.keys())):
        raise RepositoryError(
            f"{target.place} is a repository already, and holds tables that this export does not: {', '.join(gone)}. "
            "Choose another place, or let them go with `replace=True`."
        )


def _lock(selection: Selection) -> Callable[[bool], str]:
    return lambda wait: snapshot.lock_tables(selection.read, wait=wait)


@frozen
class _Piece:
    """Rows that go into files of their own. entry: of their table; kind: of what is told about that one's rows."""

    taken: Taken
    partitioning: Partitioning
    entry: TableEntry
    kind: Kind | None = None


def _pieces(
    selection: Selection,
    split: Mapping[TableName, Partitioning],
    told: Mapping[TableName, Mapping[Kind, Taken]] | None,
) -> Iterator[_Piece]:
    """All that is to be written. Children come first: mostly they have more rows, and while these are still being
    written, those of their parents are read already. told: of how rows came; None where that is left out.
    """
    for taken in reversed(selection.tables):
        partitioning = split[taken.spec.name]
        entry = evolve(taken.entry, partition_by=partitioning.attributes, provenance=None if told is None else ())
        yield _Piece(taken, partitioning, entry)
        for kind, notes in (told or {}).get(taken.spec.name, {}).items():
            yield _Piece(notes, ALL, entry, kind)


def _written(pieces: Sequence[_Piece], files: Sequence[tuple[DataFile, ...]]) -> list[TableEntry]:
    """What the manifest says of the tables, of the files of each piece: parents first."""
    from djarrow.repo.content import combined

    entries: dict[TableName, TableEntry] = {}
    for piece, its in zip(pieces, files, strict=True):
        entry = entries.get(piece.entry.name, piece.entry)
        if piece.kind is None:
            entry = evolve(entry, content=combined(file.content for file in its), files=its)
        else:
            entry = evolve(entry, provenance=(*(entry.provenance or ()), *its))
        entries[entry.name] = entry
    return list(reversed(entries.values()))


@frozen
class _Writing:
    """How the rows of an export become files. count: is told of rows as they are read."""

    target: Publication
    layout: Layout
    count: Count

    @contextmanager
    def read(self, piece: _Piece, reader: SnapshotReader) -> Iterator[Iterable[pa.RecordBatch]]:
        """Stream the rows of a piece, in the order of partition and key."""

        def counted(stream: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in stream:
                yield batch
                if piece.kind is None:
                    self.count(batch.num_rows, batch.nbytes)

        with reader.stream(_sorted(piece.taken, piece.partitioning.attributes)) as stream:
            yield counted(stream)

    def write(self, piece: _Piece, batches: Iterator[pa.RecordBatch]) -> tuple[DataFile, ...]:
        """Write them into files."""
        from djarrow.frame.results import declared_batch
        from djarrow.repo.exporting.parquet import write_table

        spec = piece.taken.spec
        declared = (declared_batch(batch, spec.heading) for batch in batches)
        layout = evolve(self.layout, partitioning=piece.partitioning)
        return tuple(write_table(spec, declared, layout, self.target.files(piece.entry, piece.kind)))


def _sorted(taken: Taken, partition_by: tuple[str, ...]) -> str:
    """The text that reads a table in the order of partition and key."""
    from djarrow.sql import compile as compiler
    from djarrow.sql.dialects import Dialect

    heading = taken.spec.heading
    names = dict.fromkeys((*partition_by, *heading.primary_key))
    order = tuple(Order(column(heading[name])) for name in names)
    node = ordered(taken.rows, order, None, 0)
    return compiler.select(node, Dialect.POSTGRES).text


def _manifest(place: Place, selection: Selection, entries: Sequence[TableEntry]) -> Manifest:
    import polars
    import pyarrow

    server = selection.connection.read("SELECT current_setting('server_version')").column(0)[0].as_py()
    return Manifest(
        project=place.name,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        source=f"PostgreSQL {server}",
        software={"djarrow": __version__, "pyarrow": pyarrow.__version__, "polars": polars.__version__},
        tables=tuple(entries),
        code=_code(selection.schemas),
    )


def _code(schemas: Iterable[Schema]) -> tuple[Revision, ...]:
    """The commits that the classes were loaded from."""
    found = {revision_of(cls) for schema in schemas for cls in schema.tables}
    return tuple(sorted((each for each in found if each is not None), key=lambda each: (each.commit, each.dirty)))
