"""What made the rows of a table, and what was changed in them: out of a repository into the notes of a database.

docs/decisions/026-provenance-in-repositories.md. The statements: sql/recalling.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from attrs import evolve

from djarrow.errors import RepositoryError
from djarrow.repo.filling import Target, fill
from djarrow.sql import accepted, ddl, makes, recalling, updates
from djarrow.sql.carried import Kind, carried_spec
from djarrow.sql.insert import Conflict
from djarrow.sql.notes import find_notes
from djarrow.table.writing.loading import Loading
from djarrow.table.writing.sending import Sending

if TYPE_CHECKING:
    from djarrow.engine.postgres import PostgresConnection
    from djarrow.model.names import TableName
    from djarrow.model.spec import ForeignKey
    from djarrow.table.writing.inserted import Inserted


def prepare(database: PostgresConnection, targets: Iterable[Target]) -> None:
    """Make the notes that these tables need, which are there or to be made, in the transaction that is open."""
    wanted: dict[str, set[Kind]] = {}
    for target in targets:
        wanted.setdefault(target.spec.name.schema, set()).update(target.carried)
    for schema, kinds in wanted.items():
        if kinds & {Kind.ROWS, Kind.MAKES, Kind.ACCEPTED}:
            database.execute(makes.create_makes(schema))
            database.execute(accepted.create_accepted(schema))
        if Kind.UPDATES in kinds:
            database.execute(updates.create_log(schema))


def has_made(database: PostgresConnection, table: TableName) -> bool:
    """Whether a table that is there has the hidden column of makes, which tables of other software lack."""
    return bool(database.read(makes.ready_table(table), few=True).column("made")[0].as_py())


def fill_told(database: PostgresConnection, target: Target, targets: Iterable[Target], way: Sending) -> Inserted:
    """Send all rows of a table, each with the make that it is of, and restore the notes about them.

    targets: all tables that are restored. What `fill` raises.
    """
    with _recalled(database, target, {str(each.entry.name): str(each.spec.name) for each in targets}, way):
        return fill(target, way)


@contextmanager
def _recalled(database: PostgresConnection, target: Target, renamed: Mapping[str, str], way: Sending) -> Iterator[None]:
    """renamed: tables by their names in the repository -> in the database."""
    spec = target.spec
    if Kind.ROWS in target.carried:
        _load(database, target, Kind.ROWS, recalling.waiting(Kind.ROWS))
        way.made = recalling.make_of(spec)
    yield
    (notes,) = database.read(find_notes([spec.name]), few=True).to_pylist()
    for kind in recalling.NOTES:
        if kind in target.carried:
            table = recalling.waiting(kind)
            _load(database, target, kind, table)
            numbered = bool(notes["numbered"]) or kind is not Kind.UPDATES
            database.execute(recalling.recall(kind, spec, renamed=renamed, numbered=numbered))
            database.execute(recalling.drop(table))
    if Kind.ROWS in target.carried:
        database.execute(recalling.drop(recalling.waiting(Kind.ROWS)))


@contextmanager
def owners_told(database: PostgresConnection, owner: Target, key: ForeignKey) -> Iterator[str]:
    """The number of the make, in the repository, of the row that a staged row of a part belongs to: an expression for
    the time of the block. key: the reference to it.
    """
    if Kind.ROWS not in owner.carried:
        yield "NULL"
        return
    _load(database, owner, Kind.ROWS, recalling.OWNERS)
    yield recalling.make_of_owner(owner.spec, key)
    database.execute(recalling.drop(recalling.OWNERS))


def _load(database: PostgresConnection, target: Target, kind: Kind, table: TableName) -> None:
    """Put the rows of a file into a temporary table, and see that they are those that were exported."""
    import pyarrow as pa

    from djarrow.repo.content import ContentHash, combined

    spec = evolve(carried_spec(kind, target.spec), name=table)
    database.execute(ddl.block(ddl.create_table(spec)))
    waits = target.table(database, spec)
    content = ContentHash(spec.heading)

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in target.notes(kind):
            content.add(batch)
            yield batch

    reader = pa.RecordBatchReader.from_batches(spec.heading.arrow_schema, batches())
    Loading(Sending(waits, database, Conflict.RAISE, ignore_extra_fields=False), None).load(reader)
    if content.hexdigest() != combined(file.content for file in target.files(kind)):
        raise RepositoryError(
            f"what is told of the rows of {target.entry.name} ({kind}) is not what was exported: the repository was "
            "changed. `dj.verify` tells which files were. Nothing of it was restored."
        )
    database.execute(recalling.analyze(table))
