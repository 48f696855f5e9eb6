"""Dropping tables, and schemas: what goes, which is shown first, and the one transaction in which it goes.

A table takes with it all that depend on it, in every schema of the database; a part takes its master. Specification:
001 5.13; docs/existing-databases.md.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from djarrow.errors import CyclicDependency, DropRefused, TransactionError
from djarrow.model import graph, names
from djarrow.model.graph import Parents
from djarrow.model.names import TableName
from djarrow.model.spec import TableSpec
from djarrow.sql import ddl, dependencies, locks
from djarrow.table.changing.confirm import confirm, listed, rows_text
from djarrow.table.declaring import declare
from djarrow.table.declaring.pending import declaring
from djarrow.table.source import current_offline

if TYPE_CHECKING:
    from djarrow.engine.postgres import PostgresConnection
    from djarrow.table.schema import Schema
    from djarrow.table.table import Table

Going = Callable[[Parents], tuple[TableName, ...]]
"""What a drop takes of the tables that there are, parents first."""


def drop_table(table: Table, *, prompt: bool | None) -> list[str]:
    """What Table.drop does."""
    from djarrow.table.schema import Schema

    schema, name = table.schema, table.spec.name
    if not isinstance(schema, Schema):
        raise DropRefused(f"{name} is a table of a repository, which is read only.")

    def going(parents: Parents) -> tuple[TableName, ...]:
        _check_no_part(table.spec, parents)
        return with_dependents([name], parents)

    connection = _connection(schema)
    planned = going(_parents(connection))
    if not planned or not _confirmed(connection, planned, "", prompt=prompt):
        return []
    with declaring:
        dropped = locks.repeated(lambda: _drop_tables(connection, planned, going), _refused)
        _forget(schema, dropped)
    return list(map(str, dropped))


def drop_schema(schema: Schema, *, prompt: bool | None) -> list[str]:
    """What Schema.drop does."""
    if schema.name is None:
        return []
    connection = _connection(schema)

    def going(parents: Parents) -> tuple[TableName, ...]:
        own = [name for name in parents if name.schema == schema.name]
        every = with_dependents(own, parents)
        if others := [str(name) for name in every if name.schema != schema.name]:
            raise DropRefused(
                f"the schema {schema.name!r} cannot be dropped, because tables of other schemas depend on it: "
                f"{', '.join(others)}. Nothing was dropped. Drop these first."
            )
        return every

    planned = going(_parents(connection))
    types = _types(connection, schema.name)
    if not schema.exists or not _confirmed(connection, planned, _ending(schema.name, types, planned), prompt=prompt):
        return []
    with declaring:
        dropped = locks.repeated(lambda: _drop_all(connection, schema.name, planned, types, going), _refused)
        _forget(schema, [*dropped, *schema.specs])
    return [str(name) for name in dropped if not name.is_note]


# --- what goes ---------------------------------------------------------------------------------------------------


def with_dependents(chosen: Iterable[TableName], parents: Parents) -> tuple[TableName, ...]:
    """These tables and all that cannot stay without them, parents first: dependents, and the masters of their parts."""
    children = graph.children_of(parents)
    found: set[TableName] = set()
    pending = [name for name in chosen if name in parents]
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending += children[name]
            if (master := graph.master_of(name, parents)) is not None:
                pending.append(master)
    try:
        return graph.topological_order({name: parents[name] for name in found})
    except CyclicDependency:  # of tables that other software made; they go in one statement
        return tuple(sorted(found))


def _check_no_part(spec: TableSpec, parents: Parents) -> None:
    master = graph.master_of(spec.name, parents) if spec.name in parents else spec.master
    if master is not None:
        part, whole = (names.class_reference(each, master.schema) for each in (spec.name, master))
        raise DropRefused(f"{part} is a part, and goes with its master. Drop that: `{whole}.drop()`.")


# --- asking ------------------------------------------------------------------------------------------------------


def _connection(schema: Schema) -> PostgresConnection:
    if current_offline() is not None:
        raise DropRefused("queries run on a repository here, which is read only. Drop outside of the `using` block.")
    if schema.connection.in_transaction:
        raise TransactionError("tables are dropped in a transaction of their own. Drop them outside of this one.")
    return schema.connection


def _parents(connection: PostgresConnection) -> Parents:
    return dependencies.read_parents(connection.read(dependencies.every_reference()).to_pylist())


def _types(connection: PostgresConnection, schema: str) -> dict[str, frozenset[TableName]]:
    """The enum types of a schema, and the tables that use each."""
    return dependencies.read_types(connection.read(dependencies.enum_types(schema)).to_pylist())


def _ending(schema: str, types: Mapping[str, frozenset[TableName]], planned: Sequence[TableName]) -> str:
    """The end of the question for a schema: it names the types that are not just those of attributes that go."""
    others = [name for name, users in types.items() if not users or not users <= set(planned)]
    named = f", the enum {'type' if len(others) == 1 else 'types'} {', '.join(others)}" if others else ""
    return f"{named} and the schema {schema!r}"


def _confirmed(
    connection: PostgresConnection, planned: Sequence[TableName], ending: str, *, prompt: bool | None
) -> bool:
    """Whether the user agrees, who is shown the tables and how many rows each has."""
    if prompt is False:
        return True
    shown = [name for name in planned if not name.is_note]
    counts = {str(name): count for name, count in _counted(connection, shown).items()}
    total = f"{len(counts)} {'table' if len(counts) == 1 else 'tables'} with {rows_text(sum(counts.values()))}"
    return confirm(f"{listed(counts)}Drop {total}{ending}?", prompt=prompt)


def _counted(connection: PostgresConnection, tables: Sequence[TableName]) -> dict[TableName, int]:
    if not tables:
        return {}
    counts = connection.read(dependencies.row_counts(tables)).to_pylist()[0]
    return dict(zip(tables, counts.values(), strict=True))


# --- dropping ----------------------------------------------------------------------------------------------------


def _refused(reason: str) -> DropRefused:
    return DropRefused(f"{reason}. Nothing was dropped.")


def _drop_tables(connection: PostgresConnection, planned: Sequence[TableName], going: Going) -> tuple[TableName, ...]:
    """Drop what is left of the tables. Returns it."""
    with connection.begin(isolation="READ COMMITTED"):
        left = _locked(connection, planned, going)
        if left:
            connection.execute(dependencies.drop_tables(left))
    return left


def _drop_all(
    connection: PostgresConnection, schema: str, planned: Sequence[TableName], types: Collection[str], going: Going
) -> tuple[TableName, ...]:
    """Drop the tables, the enum types, and the schema. Anything else in it makes the server refuse."""
    with connection.begin(isolation="READ COMMITTED"):
        left = _locked(connection, planned, going)
        statements = [dependencies.drop_tables(left)] if left else []
        statements += [dependencies.drop_type(schema, name) for name in _types(connection, schema) if name in types]
        if declare.existing_schemas(connection, {schema}):
            connection.execute(ddl.block([*statements, dependencies.drop_schema(schema)]))
    return left


def _locked(connection: PostgresConnection, planned: Sequence[TableName], going: Going) -> tuple[TableName, ...]:
    """Keep others from declaring until the transaction ends; what is there now of what was planned.

    Raises DropRefused where something else would go as well: the user has not seen it.
    """
    connection.read(locks.lock_declarations())
    connection.read(locks.wait_at_most())
    left = going(_parents(connection))
    if new := [str(name) for name in left if name not in planned]:
        raise DropRefused(f"{', '.join(new)} would go, too, and was made meanwhile. Nothing was dropped; drop again.")
    return left


def _forget(schema: Schema, dropped: Iterable[TableName]) -> None:
    """Let the schema, and those that it refers to, have no classes of these tables: each can be declared anew."""
    gone = set(dropped)
    for each in schema.linked_schemas():
        with each._lock:
            each._classes = {name: cls for name, cls in each._classes.items() if name not in gone}
            each._pending = [name for name in each._pending if name not in gone]
            each.held.forget(gone)
