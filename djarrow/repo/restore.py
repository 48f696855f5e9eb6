"""dj.restore: a repository -> the schemas of a database, all or nothing.

Design section 11; specification 000 "Export, Sharing, and Backup/Restore"; docs/repositories.md.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from djarrow.errors import DefinitionError, IntegrityError, RepositoryError, TransactionError
from djarrow.model import names
from djarrow.model.heading import Attribute, Heading
from djarrow.model.names import TableName
from djarrow.model.spec import TableSpec
from djarrow.repo.places.find import StorageOptions
from djarrow.repo.repository import Repository, open_repository
from djarrow.sql import ddl, locks
from djarrow.table.declaring import declare
from djarrow.table.schema import Schema
from djarrow.table.source import current_offline
from djarrow.table.table import Table

if TYPE_CHECKING:
    import pyarrow as pa

    from djarrow.engine.postgres import PostgresConnection
    from djarrow.repo.manifest import TableEntry


@frozen
class Restored:
    """What a restore made. schemas: their names in the database; seconds: of all of it."""

    schemas: tuple[str, ...]
    tables: int
    rows: int
    seconds: float


def restore(
    url: str | Path,
    connection: PostgresConnection | None = None,
    *,
    schemas: Iterable[str] | None = None,
    rename: Mapping[str, str] | None = None,
    storage_options: StorageOptions | None = None,
) -> Restored:
    """Make the tables of a repository in a database, with their rows, in one transaction. Returns what was made.

    connection: where to; the default one if not given. schemas: those wanted, by their names in the repository; all of
    it if not given. rename: schema -> its name in the database. storage_options: how an object store is
    reached. Definitions come from the manifest and no code of the
    repository is run. The rows are compared with the manifest's content hashes on their way.

    Raises RepositoryError where a schema has tables there already, a schema that is wanted refers to one that is not,
    or the repository is not whole; TransactionError inside a transaction; AccessDenied. Then nothing was made.
    """
    from djarrow.engine.connect import conn

    started = time.monotonic()
    if current_offline() is not None:
        raise RepositoryError("inside a `using` block queries read a repository; restore it outside of the block.")
    database = connection or conn()
    if database.in_transaction:
        raise TransactionError("a repository is restored in a transaction of its own. End this one before.")
    repository = open_repository(url, storage_options=storage_options)
    try:
        return _restored(repository, database, _targets(repository, schemas, rename or {}), started)
    finally:
        repository.close()


def _targets(
    repository: Repository, wanted: Iterable[str] | None, rename: Mapping[str, str]
) -> dict[TableName, TableSpec]:
    """The tables to make, parents first: their names in the repository -> their specs in the database."""
    there = tuple(repository)
    chosen = there if wanted is None else (wanted,) if isinstance(wanted, str) else tuple(wanted)
    if unknown := [name for name in (*chosen, *rename) if name not in there]:
        raise RepositoryError(f"{repository.place} holds no schema {unknown[0]!r}; it holds {', '.join(there)}.")
    _check_names(chosen, rename)
    specs = {name: spec for name, spec in repository.specs.items() if name.schema in chosen}
    for name, spec in specs.items():
        for parent in spec.parents:
            if parent.schema not in chosen:
                raise RepositoryError(f"{name} refers to {parent}: restore the schema {parent.schema!r} with it.")
    return {name: renamed(spec, rename) for name, spec in specs.items()}


def _check_names(chosen: Iterable[str], rename: Mapping[str, str]) -> None:
    """Refuse names that no schema can have, and one name for two."""
    taken: dict[str, str] = {}
    for name in chosen:
        new = rename.get(name, name)
        try:
            names.check_schema_name(new)
        except DefinitionError as error:
            raise RepositoryError(f"rename: {error}") from error
        if new in taken:
            raise RepositoryError(f"{taken[new]!r} and {name!r} cannot both be restored as {new!r}.")
        taken[new] = name


def renamed(spec: TableSpec, rename: Mapping[str, str]) -> TableSpec:
    """The same table in a database where schemas have other names."""

    def other(name: TableName) -> TableName:
        return TableName(rename.get(name.schema, name.schema), name.table)

    def traced(attribute: Attribute) -> Attribute:
        lineage = attribute.lineage
        return attribute if lineage is None else evolve(attribute, lineage=evolve(lineage, table=other(lineage.table)))

    return evolve(
        spec,
        name=other(spec.name),
        heading=Heading(tuple(map(traced, spec.heading)), spec.heading.primary_key),
        foreign_keys=tuple(evolve(key, parent=other(key.parent)) for key in spec.foreign_keys),
    )


def _restored(
    repository: Repository, database: PostgresConnection, targets: Mapping[TableName, TableSpec], started: float
) -> Restored:
    schemas = tuple(dict.fromkeys(spec.name.schema for spec in targets.values()))
    entries = {entry.name: entry for entry in repository.manifest.tables}
    with database.begin(isolation="READ COMMITTED"):
        database.read(locks.lock_declarations())
        _check_empty(database, schemas)
        made = [statement for spec in targets.values() for statement in ddl.create_bare_table(spec)]
        database.execute(ddl.block([*map(ddl.create_schema, schemas), *made]))
        made_in = [Schema(name, connection=database, create_tables=False) for name in schemas]
        tables = {cls().spec.name: cls() for schema in made_in for cls in schema}
        for name, spec in targets.items():
            _fill(repository, entries[name], tables[spec.name])
        for spec in targets.values():
            _complete(database, spec)
    rows = sum(entries[name].rows for name in targets)
    return Restored(schemas, len(targets), rows, time.monotonic() - started)


def _check_empty(database: PostgresConnection, schemas: Iterable[str]) -> None:
    held = declare.stored(database, schemas)
    there = sorted(str(name) for name in (*held.specs, *held.refused) if name.schema in schemas)
    if there:
        shown = ", ".join(there[:5]) + (", ..." if len(there) > 5 else "")
        raise RepositoryError(
            f"the database has tables there already: {shown}. Drop these schemas, or restore under other names by "
            "`rename`."
        )


def _fill(repository: Repository, entry: TableEntry, table: Table) -> None:
    """Insert the rows of a table and see that they are those that were exported."""
    import pyarrow as pa

    from djarrow.repo.content import ContentHash

    source = repository.table(entry.name)
    content = ContentHash(source.heading)

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in source.to_batches():
            content.add(batch)
            yield batch

    reader = pa.RecordBatchReader.from_batches(source.heading.arrow_schema, batches())
    inserted = table.insert(reader, allow_direct_insert=True)
    if (inserted, content.hexdigest()) != (entry.rows, entry.content):
        raise RepositoryError(
            f"the rows of {entry.name} are not those that were exported: the repository was changed. `dj.verify` tells "
            "which files were. Nothing was restored."
        )


def _complete(database: PostgresConnection, spec: TableSpec) -> None:
    """Add foreign keys and indexes."""
    if statements := ddl.complete_table(spec):
        try:
            database.execute(ddl.block(statements))
        except IntegrityError as error:
            raise RepositoryError(f"the rows of {spec.name} contradict its definition: {error}") from error
