"""One table of a repository -> one of a database: its rows, compared with their content hash, then what checks them.

Which tables, in which transactions: restore.py, merging.py, resuming.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from attrs import frozen

from djarrow.errors import IntegrityError, RepositoryError
from djarrow.repo.repository import Repository, provenance_files
from djarrow.sql import ddl
from djarrow.sql.insert import Conflict
from djarrow.table.schema import Schema
from djarrow.table.table import Table
from djarrow.table.writing.loading import Loading
from djarrow.table.writing.sending import Sending

if TYPE_CHECKING:
    import pyarrow as pa

    from djarrow.engine.postgres import PostgresConnection
    from djarrow.model.spec import TableSpec
    from djarrow.repo.manifest import DataFile, TableEntry
    from djarrow.sql.carried import Kind
    from djarrow.table.writing.inserted import Inserted


@frozen
class Target:
    """A table to restore. entry: what the manifest of the repository says of it; spec: it in the database."""

    repository: Repository
    entry: TableEntry
    spec: TableSpec

    @property
    def source(self) -> Table:
        """It in the repository."""
        return self.repository.table(self.entry.name)

    @property
    def carried(self) -> frozenset[Kind]:
        """What the repository tells of the makes and changes of its rows."""
        return frozenset(provenance_files(self.entry))

    def files(self, kind: Kind) -> list[DataFile]:
        """The files of that."""
        return provenance_files(self.entry)[kind]

    def notes(self, kind: Kind) -> Iterator[pa.RecordBatch]:
        """The rows of that."""
        return self.repository.notes(self.entry.name, kind)

    def table(self, database: PostgresConnection, spec: TableSpec | None = None) -> Table:
        """The table in the database, which need not be declared by any class. spec: of another one, beside it."""
        schema = Schema(self.spec.name.schema, connection=database, create_tables=False)
        cls: type[Table] = type("Restored", (Table,), {"_spec": spec or self.spec, "_schema": schema})
        return cls()


def sending(target: Target, database: PostgresConnection) -> Sending:
    """What puts rows into a table that has none."""
    return Sending(target.table(database), database, Conflict.RAISE, ignore_extra_fields=False)


def fill(target: Target, way: Sending) -> Inserted:
    """Send all rows of a table, and see that they are those that were exported. Raises RepositoryError."""
    import pyarrow as pa

    from djarrow.repo.content import ContentHash

    source, entry = target.source, target.entry
    content = ContentHash(source.heading)

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in source.to_batches():
            content.add(batch)
            yield batch

    done = Loading(way, None).load(pa.RecordBatchReader.from_batches(source.heading.arrow_schema, batches()))
    if (int(done) + done.skipped, content.hexdigest()) != (entry.rows, entry.content):
        raise RepositoryError(
            f"the rows of {entry.name} are not those that were exported: the repository was changed. `dj.verify` tells "
            "which files were. Nothing of it was restored."
        )
    return done


def complete(target: Target, database: PostgresConnection) -> None:
    """Add foreign keys and indexes, which the rows must agree with."""
    if statements := ddl.complete_table(target.spec):
        try:
            database.execute(ddl.block(statements))
        except IntegrityError as error:
            raise RepositoryError(f"the rows of {target.spec.name} contradict its definition: {error}") from error
