"""Restoring table by table: what is interrupted goes on where it was, and is whole when it ends.

A note in each schema says which tables are there; each is made, filled, compared with its content hash, completed and
noted in one transaction. The notes go with the last one. docs/repositories.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from attrs import frozen

from djarrow.errors import MissingTable, RepositoryError
from djarrow.model.changes import mismatches
from djarrow.model.names import TableName
from djarrow.repo.restoring.filling import Target, complete, sending
from djarrow.repo.restoring.occupied import begun, check_empty
from djarrow.repo.restoring.recalling import fill_told, prepare
from djarrow.sql import ddl, locks, restoring
from djarrow.table.declaring import declare
from djarrow.table.writing.inserted import Inserted

if TYPE_CHECKING:
    from djarrow.engine.postgres import PostgresConnection


def resume(database: PostgresConnection, targets: Sequence[Target]) -> Inserted:
    """Restore tables, parents first, a transaction each. Gives how many rows went in; skipped are those of tables that
    were there.

    Raises RepositoryError where the schemas hold something else than the beginning of this very restore.
    """
    schemas = tuple(dict.fromkeys(target.spec.name.schema for target in targets))
    _begin(database, schemas, targets)
    done = Inserted()
    for target in targets:
        done = done.and_then(_make(database, target, targets))
    with database.begin(isolation="READ COMMITTED"):
        database.read(locks.lock_declarations())
        database.execute(restoring.drop_restoring(schemas))
    return done


def _make(database: PostgresConnection, target: Target, targets: Sequence[Target]) -> Inserted:
    """One table, all of it, where it is not there yet."""
    with database.begin(isolation="READ COMMITTED"):
        if not _is_taken(database, target.spec.name):
            return Inserted(0, skipped=target.entry.rows)
        database.execute(ddl.block(ddl.create_bare_table(target.spec)))
        done = fill_told(database, target, targets, sending(target, database))
        complete(target, database)
    return done


def _is_taken(database: PostgresConnection, table: TableName) -> bool:
    """Whether the table is for us to make. One that another process makes just now is waited for."""
    try:
        return bool(database.write(restoring.take_table(table)))
    except MissingTable as error:
        raise RepositoryError(
            f"the note of the restore of {table.schema!r} is gone: another process has ended it meanwhile, or dropped "
            "the schema."
        ) from error


# --- beginning, and finding what was begun ------------------------------------------------------------------------


@frozen
class Noted:
    """What a note says of a table. what: the hash of the restore."""

    what: str
    done: bool


def _begin(database: PostgresConnection, schemas: Sequence[str], targets: Sequence[Target]) -> None:
    what = _hash_of(targets)
    with database.begin(isolation="READ COMMITTED"):
        database.read(locks.lock_declarations())
        if marked := begun(database, schemas):
            _check_begun(database, schemas, marked, what)
            _check_tables(database, schemas, targets)
            return
        check_empty(declare.stored(database, schemas), schemas)
        there = declare.existing_schemas(database, schemas)
        statements = [ddl.create_schema(name) for name in schemas if name not in there]
        for name in schemas:
            tables = [target.spec.name for target in targets if target.spec.name.schema == name]
            statements += restoring.create_restoring(name, tables, what)
        database.execute(ddl.block(statements))
        prepare(database, targets)


def _hash_of(targets: Sequence[Target]) -> str:
    """What tells a restore from one of other rows, definitions, tables or names."""
    digest = hashlib.sha256()
    for target in targets:
        entry = target.entry
        for text in (str(entry.name), str(target.spec.name), entry.definition, entry.content, str(entry.rows)):
            digest.update(f"{len(text)} {text}".encode())
    return digest.hexdigest()


def _noted(database: PostgresConnection, schemas: Sequence[str]) -> dict[TableName, Noted]:
    rows = database.read(restoring.read_restoring(schemas)).to_pylist()
    return {TableName(row["schema"], row["table"]): Noted(row["what"], row["done"]) for row in rows}


_DROP = "Drop these schemas, or restore under other names by `rename`."


def _check_begun(database: PostgresConnection, schemas: Sequence[str], marked: Sequence[str], what: str) -> None:
    """Refuse the beginning of another restore, and one of which a schema was dropped."""
    if missing := sorted(set(schemas) - set(marked)):
        raise RepositoryError(
            f"a restore of {', '.join(marked)} was interrupted, which is not one of {', '.join(missing)} with it, or "
            f"not any more. {_DROP}"
        )
    if any(noted.what != what for noted in _noted(database, schemas).values()):
        raise RepositoryError(
            f"a restore of {', '.join(marked)} was interrupted, which was one of another repository, other rows or "
            f"other schemas. Go on with that one. Else: {_DROP[0].lower()}{_DROP[1:]}"
        )


def _check_tables(database: PostgresConnection, schemas: Sequence[str], targets: Sequence[Target]) -> None:
    """Refuse tables that were dropped, altered or made since. Another process may make some just now."""
    before, held, after = _noted(database, schemas), declare.stored(database, schemas), _noted(database, schemas)
    for target in targets:
        name = target.spec.name
        there = held.spec(name)
        if before[name].done and (there is None or mismatches(target.spec, there)):
            how = "dropped" if there is None else "altered"
            raise RepositoryError(f"{name} was {how} since it was restored. {_DROP}")
        if there is not None and not after[name].done:
            raise RepositoryError(f"{name} was made since the restore was interrupted, and not by it. {_DROP}")
