"""dj.restore: a repository -> the schemas of a database, all or nothing, or table by table.

Design section 11; specification 000 "Export, Sharing, and Backup/Restore"; docs/repositories.md.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from attrs import evolve, frozen

from djarrow.errors import DefinitionError, InvalidCondition, RepositoryError, TransactionError, told
from djarrow.model import names
from djarrow.model.heading import Attribute, Heading
from djarrow.model.names import TableName
from djarrow.model.spec import TableSpec
from djarrow.repo.opening.repository import Repository, open_repository
from djarrow.repo.places.find import StorageOptions
from djarrow.repo.restoring.filling import Target, complete, sending
from djarrow.repo.restoring.merging import merge
from djarrow.repo.restoring.occupied import check_empty, check_not_begun
from djarrow.repo.restoring.recalling import fill_told, prepare
from djarrow.repo.restoring.resuming import resume
from djarrow.sql import ddl, locks
from djarrow.table.declaring import declare
from djarrow.table.source import current_offline
from djarrow.table.writing.inserted import Inserted

if TYPE_CHECKING:
    from djarrow.engine.postgres import PostgresConnection


@frozen
class Restored:
    """What a restore made. schemas: their names in the database; tables: all of them; rows: that were added; kept: that
    were there already; seconds: of all of it.
    """

    schemas: tuple[str, ...]
    tables: int
    rows: int
    seconds: float
    kept: int = 0


def restore(
    url: str | Path,
    connection: PostgresConnection | None = None,
    *,
    schemas: Iterable[str] | None = None,
    rename: Mapping[str, str] | None = None,
    into: Literal["empty", "merge"] = "empty",
    resumable: bool = False,
    storage_options: StorageOptions | None = None,
) -> Restored:
    """Make the tables of a repository in a database, with their rows, in one transaction. Returns what was made.

    connection: where to; the default one if not given. schemas: those wanted, by their names in the repository; all of
    it if not given. rename: schema -> its name in the database. storage_options: how an object store is
    reached. Definitions come from the manifest and no code of the
    repository is run. The rows are compared with the manifest's content hashes on their way.

    into: "empty" refuses schemas that have tables; "merge" adds tables and rows that are new, keeps rows that are equal
    and refuses all of it where a row has other values than the one of its key, with a frame of these. resumable: a
    transaction for each table, parents first, so that a restore that was interrupted goes on when it is run again.

    Raises RepositoryError where a schema has tables there already, a schema that is wanted refers to one that is not,
    or the repository is not whole; MergeConflict and DefinitionMismatch of a merge; TransactionError inside a
    transaction; InvalidCondition; AccessDenied. Then nothing was made; where it is resumable, no table that was not
    complete.
    """
    from djarrow.engine.connect import conn

    started = time.monotonic()
    _check_options(into, resumable=resumable)
    if current_offline() is not None:
        raise RepositoryError("inside a `using` block queries read a repository; restore it outside of the block.")
    database = connection or conn()
    if database.in_transaction:
        raise TransactionError("a repository is restored in a transaction of its own. End this one before.")
    repository = open_repository(url, storage_options=storage_options)
    try:
        targets = _targets(repository, schemas, rename or {})
        work = merge if into == "merge" else resume if resumable else _whole
        done = work(database, targets)
    finally:
        repository.close()
    made = tuple(dict.fromkeys(target.spec.name.schema for target in targets))
    return Restored(made, len(targets), int(done), time.monotonic() - started, done.skipped)


def _check_options(into: str, *, resumable: bool) -> None:
    if into not in ("empty", "merge"):
        raise InvalidCondition(f'restore: into is "empty" or "merge", not {told(into)}.')
    if resumable and into == "merge":
        raise InvalidCondition(
            "restore: a merge is all or nothing, since a conflict in the last table is one of all of it. Leave out "
            "resumable: run again, a merge keeps what is there."
        )


def _targets(repository: Repository, wanted: Iterable[str] | None, rename: Mapping[str, str]) -> tuple[Target, ...]:
    """The tables to make, parents first."""
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
    entries = {entry.name: entry for entry in repository.manifest.tables}
    return tuple(Target(repository, entries[name], renamed(spec, rename)) for name, spec in specs.items())


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


# --- all of it in one transaction --------------------------------------------------------------------------------


def _whole(database: PostgresConnection, targets: Sequence[Target]) -> Inserted:
    schemas, done = tuple(dict.fromkeys(target.spec.name.schema for target in targets)), Inserted()
    with database.begin(isolation="READ COMMITTED"):
        database.read(locks.lock_declarations())
        check_not_begun(database, schemas)
        check_empty(declare.stored(database, schemas), schemas)
        made = [statement for target in targets for statement in ddl.create_bare_table(target.spec)]
        database.execute(ddl.block([*map(ddl.create_schema, schemas), *made]))
        prepare(database, targets)
        for target in targets:
            done = done.and_then(fill_told(database, target, targets, sending(target, database)))
        for target in targets:
            complete(target, database)
    return done
