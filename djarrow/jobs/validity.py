"""Whether results still hold: those whose inputs or code have changed since, and those that someone accepted.

The statements: sql/stale.py, sql/accepted.py. docs/validity.md; docs/decisions/020-stale-results.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from djarrow.errors import DjarrowError, InvalidCondition, MakeError
from djarrow.expr.nodes import Stored, Written
from djarrow.jobs.fingerprint import MAKES, fingerprint
from djarrow.jobs.key_source import source_keys
from djarrow.model.flow import Stage, stages
from djarrow.model.names import is_made
from djarrow.table.expression import QueryExpression
from djarrow.table.provenance import database_schema, notes_of

if TYPE_CHECKING:
    from djarrow.expr.nodes import Node
    from djarrow.jobs.autopopulate import AutoPopulated
    from djarrow.model.heading import Heading
    from djarrow.model.names import TableName
    from djarrow.sql.stale import Known
    from djarrow.table.schema import Schema
    from djarrow.table.table import Table


class Stale(QueryExpression):
    """The keys of the rows of a table that do not hold any more.

    A log or a table of makes that is made later is read from then on.
    """

    def __init__(self, table: AutoPopulated, *, ready: bool = False) -> None:
        """ready: only those of which what is upstream holds."""
        self._table = table
        self._in = database_schema(table, "which results are stale")
        self._flow = flow(table, self._in)
        self._codes = codes(self._in, self._flow)
        self._ready = ready
        self._complete = False
        super().__init__(self._written(), table)

    @property
    def heading(self) -> Heading:
        """The key of the table."""
        return self._node.heading

    @property
    def node(self) -> Node:
        """The query, over the notes that there are now."""
        if not self._complete:
            try:
                self._node = self._written()
            except DjarrowError:  # the reading itself tells what is wrong
                return self._node
        return self._node

    def _written(self) -> Node:
        from djarrow.sql.stale import Stale as Statement

        known = self._known()
        made = (is_made(stage.spec.name) and stage.spec.master is None for stage in self._flow)
        of = dict(known)
        self._complete = all(one.updates for one in of.values()) and all(
            (of[stage.spec.name].makes and of[stage.spec.name].accepted) or not makes
            for stage, makes in zip(self._flow, made, strict=True)
        )
        heading = self._table.heading
        return Written(heading.select(heading.primary_key), Statement(self._flow, known, self._ready))

    def _known(self) -> tuple[tuple[TableName, Known], ...]:
        """What there is of each table upstream, and of each part, the table itself last."""
        from djarrow.sql.stale import Known

        parts = [part.spec for stage in self._flow for part in stage.parts]
        specs = {spec.name: spec for spec in (*parts, *(stage.spec for stage in self._flow))}
        found = notes_of(self._in, list(specs))
        known = []
        for (name, spec), notes in zip(specs.items(), found, strict=True):
            makes = bool(notes["makes"]) and spec.master is None
            there = {note: bool(notes[note]) for note in ("accepted", "updates", "numbered")}
            known.append((name, Known(self._codes.get(name), makes, **there)))
        return tuple(known)


def flow(table: Table, schema: Schema) -> tuple[Stage, ...]:
    """All tables upstream of a table, of which this process knows, and the table, in order."""
    names = dict.fromkeys((*schema.all_parents(), table.spec.name))
    return stages(table.spec.name, {name: schema.parent_spec(name) for name in names})


def codes(schema: Schema, among: Sequence[Stage]) -> dict[TableName, str]:
    """The fingerprints of the makes of these tables, of those whose code is here."""
    wanted = {stage.spec.name for stage in among if is_made(stage.spec.name) and stage.spec.master is None}
    found: dict[TableName, str] = {}
    for each in schema.linked_schemas():
        for cls in each.tables:
            name = cls().spec.name
            if name in wanted and name not in found and any(hasattr(cls, make) for make in MAKES):
                found[name] = fingerprint(cls)
    return found


def keys_to_make(table: AutoPopulated, restrictions: Sequence[Any], *, refresh_stale: bool) -> QueryExpression:
    """The keys of the key source, so restricted, that have no row yet.

    refresh_stale: and those whose rows do not hold any more, where what they are made from does.
    """
    keys = source_keys(table, restrictions)
    missing = keys - table.proj()
    return missing + (keys & Stale(table, ready=True)) if refresh_stale else missing


def waiting_keys(table: AutoPopulated, restrictions: Sequence[Any]) -> QueryExpression:
    """The keys whose rows do not hold, and of which results upstream do not hold, either: these are made first."""
    return (source_keys(table, restrictions) & Stale(table)) - Stale(table, ready=True)


def stale_part(part: Table, master: AutoPopulated) -> QueryExpression:
    """The keys of the rows of a part whose master's rows do not hold."""
    (stage,) = flow(master, database_schema(part, "which results are stale"))[-1:]
    owners = {one.spec.name: one.owner for one in stage.parts}
    path = [owners[part.spec.name]]
    while path[-1].parent != master.spec.name:
        path.append(owners[path[-1].parent])
    found: QueryExpression = Stale(master)
    for key, child in zip(reversed(path), [*(one.parent for one in path[-2::-1]), part.spec.name], strict=True):
        spec = master.schema.parent_spec(child)
        rows = QueryExpression(Stored(spec.name, spec.heading), part)
        found = (rows & found.proj(**key.renamed)).proj()
    return found


def accept(table: AutoPopulated, restriction: Any) -> int:
    """What AutoPopulated.accept does."""
    from djarrow.sql.accepted import accept as statement

    stale = Stale(table)
    rows = table.restrict(*([] if restriction is None else [restriction]))
    if rows._unmatched:
        names = ", ".join(map(repr, rows._unmatched[0]))
        raise InvalidCondition(
            f"accept: a restriction by {names} restricts nothing: none of these is an attribute of "
            f"{table.spec.name}. Correct it, or leave it out to accept all."
        )
    database = table.schema.writable(table.spec.name)
    if not dict(stale._known())[table.spec.name].makes:
        return 0  # without makes, nothing is stale
    ensure_accepted(table)
    fingerprints = {str(name): code for name, code in stale._codes.items()}
    text = statement(table.spec, (rows.proj() & stale).node, fingerprints)
    return int(database.read(text, few=True).column("n")[0].as_py())


def ensure_accepted(table: AutoPopulated) -> None:
    """Make the table of what is accepted where it is missing. Raises MakeError where it may not be made."""
    from djarrow.sql import accepted, locks

    name, database = table.spec.name, table.schema.writable(table.spec.name)
    if database.read(accepted.find_accepted(name.schema), few=True).column("found")[0].as_py():
        return
    if not table.schema.makes_tables:
        raise MakeError(
            f"what is accepted is kept in {accepted.ACCEPTED!r} of the schema, which is not there yet, and with "
            "create_tables=False none is made. Let a user who may make tables do this first.",
            table=str(name),
        )
    if database.in_transaction:
        database.read(locks.lock_declarations())
        database.execute(accepted.create_accepted(name.schema))
        return
    with database.begin(isolation="READ COMMITTED"):
        database.read(locks.lock_declarations())
        database.execute(accepted.create_accepted(name.schema))
