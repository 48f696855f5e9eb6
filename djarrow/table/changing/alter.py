"""Table.alter: the table in the database is made to agree with its class, all of it in one transaction, or not at all.

docs/evolution.md; docs/decisions/006.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self

from djarrow.errors import (
    AccessDenied,
    AlterRefused,
    ConnectionFailed,
    DjarrowError,
    EngineError,
    IntegrityError,
    TransactionError,
)
from djarrow.model import graph, names
from djarrow.model.changes import AddForeignKey, Change, DropAttribute, changes
from djarrow.model.names import TableName
from djarrow.model.spec import TableSpec
from djarrow.sql import alter as text
from djarrow.sql import catalog, ddl, evidence, locks, physical
from djarrow.sql.alter import Alteration
from djarrow.table.changing.confirm import confirm
from djarrow.table.changing.safety import Survey, index_hints, reasons, rename_hints
from djarrow.table.declaring import declare
from djarrow.table.declaring.pending import declaring
from djarrow.table.source import current_offline

if TYPE_CHECKING:
    from djarrow.engine.postgres import PostgresConnection
    from djarrow.table.schema import Schema
    from djarrow.table.table import Table


class Changes(tuple[Change, ...]):
    """The changes that were made to a table, none where it agreed with its class. Shown as one line each."""

    __slots__ = ()

    def __new__(cls, made: Iterable[Change] = ()) -> Self:
        """The changes, in order."""
        return super().__new__(cls, made)

    def __repr__(self) -> str:
        if not self:
            return "Nothing to alter: the class agrees with its table."
        return "\n".join(["The table was altered. Before:", *(f"  - {change.line()}" for change in self)])

    __str__ = __repr__


class Declined(Changes):
    """No changes, because the answer to the question was no."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Nothing was altered: the answer was no."

    __str__ = __repr__


def alter(table: Table, *, prompt: bool | None) -> Changes:
    """What Table.alter does."""
    spec = table.spec
    schema = _alterable(table)
    _warn_of_another_tier(schema, spec)
    survey = _survey(schema, spec)
    if survey is None:
        return _make(schema, spec)
    if not survey.changes:
        return Changes()
    asked = None if prompt is False else _question(schema.connection, survey)
    if asked:
        _check(schema.connection, survey)
        if not confirm(asked, prompt=prompt):
            return Declined()
    with declaring:
        return locks.repeated(
            lambda: _apply(schema, spec, asked), lambda reason: AlterRefused((reason,), table=str(spec.name))
        )


def _alterable(table: Table) -> Schema:
    """The schema of a table that may be altered here. Raises AlterRefused or TransactionError."""
    from djarrow.table.schema import Schema

    name, schema = table.spec.name, table.schema
    if current_offline() is not None or not isinstance(schema, Schema):
        raise AlterRefused(("a repository is read only; alter the table outside of it",), table=str(name))
    if getattr(table, "definition", None) is None:
        raise AlterRefused(
            ("the class was made from what the database holds, so it has no definition to alter the table to",),
            table=str(name),
        )
    if not schema._create_tables:
        raise AlterRefused(
            (f"the schema {schema.name!r} was opened with create_tables=False, which never changes tables",),
            table=str(name),
        )
    if schema.connection.in_transaction:
        raise TransactionError(f"{name} cannot be altered inside a transaction. Call `alter()` before it.")
    return schema


# --- the difference ----------------------------------------------------------------------------------------------


def _survey(schema: Schema, spec: TableSpec) -> Survey | None:
    """The table and what is around it, or None where the database lacks it."""
    connection = schema.connection
    constraints = physical.read_constraints(connection.read(physical.constraints_below(spec.name)).to_pylist())
    around = graph.ancestors(spec.name, schema.all_parents()) | {c.table for c in constraints} | {spec.name}
    rows = connection.read(catalog.tables_of({name.schema for name in around})).to_pylist()
    held = catalog.read_catalog(rows)
    stored = held.spec(spec.name)
    if stored is None:
        return None
    return Survey(
        declared=spec,
        stored=stored,
        changes=(found := changes(spec, stored)),
        held=held.specs,
        created=_absent_parents(schema, found, held),
        physical=physical.read_physical(rows, constraints, held.carriers),
        carriers=held.carriers,
    )


def _absent_parents(schema: Schema, found: tuple[Change, ...], held: catalog.Catalog) -> tuple[TableSpec, ...]:
    """The tables that new foreign keys lead to, directly or not, and that the database lacks; parents first."""
    absent: dict[TableName, TableSpec] = {}
    pending = [change.key.parent for change in found if isinstance(change, AddForeignKey)]
    while pending:
        name = pending.pop()
        if name not in absent and held.spec(name) is None:
            absent[name] = schema.parent_spec(name)
            pending += absent[name].parents
    return tuple(absent[name] for name in graph.topological_order(graph.parents_of(absent.values())))


def _check(connection: PostgresConnection, survey: Survey) -> None:
    """Raise AlterRefused where something stands against the changes."""
    if found := reasons(survey, lambda question: _row(connection, question)):
        raise AlterRefused(found, table=str(survey.declared.name))


def _row(connection: PostgresConnection, question: str) -> dict[str, Any]:
    row: dict[str, Any] = connection.read(question).to_pylist()[0]
    return row


def _question(connection: PostgresConnection, survey: Survey) -> str:
    """What is to be confirmed: all changes, how many values each dropped attribute has, and what may be a renaming.

    Nothing where no attribute is dropped, and no index that somebody else made.
    """
    dropped = [change.attribute.name for change in survey.changes if isinstance(change, DropAttribute)]
    hints = [*rename_hints(survey), *index_hints(survey)]
    if not dropped and not hints:
        return ""
    counts = _row(connection, evidence.values(survey.stored, dropped)) if dropped else {}
    lines = [f"Altering {survey.declared.name}:"]
    for change in survey.changes:
        lost = _lost(counts[change.attribute.name]) if isinstance(change, DropAttribute) else ""
        lines.append(f"  - {change.line()}{lost}")
    return "\n".join([*lines, *(f"  - {hint}" for hint in hints), "Alter the table?"])


def _lost(count: int) -> str:
    return f"; {count} {'value is' if count == 1 else 'values are'} lost"


# --- doing it ----------------------------------------------------------------------------------------------------


def _apply(schema: Schema, spec: TableSpec, confirmed: str | None) -> Changes:
    """Make the changes, as they are once nobody else can change the table.

    confirmed: the question that was agreed to, empty where there was none; None where there was to be none.
    """
    connection = schema.connection
    with connection.begin(isolation="READ COMMITTED"):
        connection.read(locks.lock_declarations())
        connection.read(locks.wait_at_most())
        survey = _survey(schema, spec)
        if survey is None:
            raise AlterRefused(("the table was dropped meanwhile",), table=str(spec.name))
        specs = survey.becoming
        connection.execute(locks.lock_tables(tuple(specs)))
        _check(connection, survey)
        if confirmed is not None and _question(connection, survey) != confirmed:
            changed = "the table changed meanwhile, and what you would lose with it; call alter() again"
            raise AlterRefused((changed,), table=str(spec.name))
        creating = _creating(schema, survey)
        carriers = declare.carriers_of(spec, survey.carriers)
        alteration = Alteration(spec, survey.stored, survey.changes, survey.retyped, specs, survey.physical, carriers)
        _execute(connection, survey, [*creating, *text.statements(alteration)])
        _verify(connection, spec)
    return Changes(survey.changes)


def _creating(schema: Schema, survey: Survey) -> list[str]:
    """The statements that make the parents which the database lacks. Raises AlterRefused where they may not be made."""
    owners = {name: each for each in schema.linked_schemas() for name in each.specs}
    for spec in survey.created:
        if not owners[spec.name]._create_tables:
            reason = f"it refers to {spec.name}, which is not there and which create_tables=False forbids to make"
            raise AlterRefused((reason,), table=str(survey.declared.name))
    wanted = {spec.name.schema for spec in survey.created}
    lacking = sorted(wanted - declare.existing_schemas(schema.connection, wanted)) if wanted else []
    made = [ddl.create_schema(name) for name in lacking]
    for spec in survey.created:
        made += ddl.create_table(spec, declare.carriers_of(spec, survey.carriers))
    return made


def _execute(connection: PostgresConnection, survey: Survey, statements: list[str]) -> None:
    """Run the statements. What the database then finds against them is a refusal, too: views, for one.

    Raises the errors that do not tell of the table, such as those of waiting, as they are.
    """
    if not statements:
        return
    try:
        connection.execute(ddl.block(statements))
    except (ConnectionFailed, AccessDenied, TransactionError):
        raise
    except IntegrityError as error:
        rows = ", ".join(f"{name} = {value}" for name, value in error.key.items())
        reason = f"the rows do not allow it, such as {rows or '(unknown)'}: the constraint {error.constraint!r} refuses"
        raise AlterRefused((reason,), table=str(survey.declared.name)) from error
    except DjarrowError as error:
        if isinstance(error, EngineError) and error.sqlstate in (*locks.RETRIED, locks.WAITED):
            raise
        raise AlterRefused((error.message,), table=str(survey.declared.name)) from error


def _verify(connection: PostgresConnection, spec: TableSpec) -> None:
    """Refuse, and so undo, what did not make the table agree with its class."""
    held = declare.stored(connection, {spec.name.schema}).spec(spec.name)
    left = () if held is None else changes(spec, held)
    if left:
        raise AlterRefused(
            tuple(f"it cannot be changed here: {change.line()}" for change in left), table=str(spec.name)
        )


# --- tables that are not there -----------------------------------------------------------------------------------


def _make(schema: Schema, spec: TableSpec) -> Changes:
    """Make a table that the database lacks, as its first use does. Raises QueryError where it was dropped."""
    schema.ready_connection()
    schema.stored_spec(spec.name)
    return Changes()


def _warn_of_another_tier(schema: Schema, spec: TableSpec) -> None:
    """Say that the table of a class whose tier was changed is still there: the tier is part of a table's name."""
    for name in declare.stored(schema.connection, {spec.name.schema}).specs:
        if (
            name.schema == spec.name.schema
            and name != spec.name
            and _same(name, spec.name)
            and name not in schema.specs
        ):
            tier = names.split_table_name(name.table)[0].name
            warnings.warn(
                f"{spec.name} is a {spec.tier.name} table, and the database also holds {name}, a {tier} table of the "
                "same class: the tier is part of a table's name, so changing it makes another table and leaves the "
                "first one with its rows. Insert them here and drop it, or change the tier back.",
                stacklevel=4,
            )


def _same(one: TableName, other: TableName) -> bool:
    """Whether two tables have the same name but for the prefix of the tier."""
    stems = [name.table.removeprefix(names.split_table_name(name.table)[0].prefix) for name in (one, other)]
    return stems[0] == stems[1]
