"""dj.diff: which rows of two repositories or databases differ.

Design section 11; docs/repositories.md; docs/decisions/024-diff.md.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from attrs import frozen

from djarrow.errors import InvalidCondition, RepositoryError, told
from djarrow.model.changes import AddIndex, ChangeComment, DropIndex, changes
from djarrow.model.heading import Heading
from djarrow.model.names import TableName
from djarrow.model.spec import TableSpec
from djarrow.model.types import AttributeType
from djarrow.repo.comparing.difference import Difference, TableDifference
from djarrow.repo.comparing.sides import Side, one_snapshot, open_sides
from djarrow.repo.opening.repository import Repository
from djarrow.repo.places.find import StorageOptions
from djarrow.repo.restoring.restore import renamed
from djarrow.table.schema import Schema
from djarrow.table.table import Table

if TYPE_CHECKING:
    from djarrow.engine.postgres import PostgresConnection
    from djarrow.repo.comparing.matching import Found, Source
    from djarrow.repo.comparing.pairing import Attributes

    Comparable = (
        str
        | Path
        | Repository
        | Schema
        | ModuleType
        | type[Table]
        | Iterable[Schema | type[Table]]
        | PostgresConnection
    )


def diff(
    a: Comparable,
    b: Comparable,
    *,
    schemas: Iterable[str] | None = None,
    rename: Mapping[str, str] | None = None,
    limit: int | None = None,
    storage_options: StorageOptions | None = None,
) -> Difference:
    """Compare two repositories, two databases, or one with the other: which rows were added, removed and changed.

    a, b: before and after. Each is the path or URL of a repository, or one that is open; a schema, a module with
    schemas, table classes, or a list of these, which stand for what the database holds of them and all that they refer
    to; a connection, or its `postgresql://` URL, which stands for the schemas that the other side has. schemas: those
    that are compared, by their names in a; all if not given. rename: schema in a -> its name in b. limit: how many rows
    the frames of each table have at most; they are counted all the same. storage_options: how fsspec reaches URLs that
    are given as text, as `dj.open` takes them; one that has others is given opened.

    Nothing is read of tables whose content hashes agree in both manifests; of a database all rows are, in one snapshot.
    Memory is bounded by 32 bytes a row of the largest table, and the rows that differ. Values are the same as content
    hashes see them: NaN is NaN, -0.0 is not 0.0.

    Raises RepositoryError where a repository does not open, or what is given cannot be compared, TransactionError
    inside a transaction, and InvalidCondition.
    """
    started = time.monotonic()
    if limit is not None and (type(limit) is not int or limit < 0):
        raise InvalidCondition(f"diff: limit is a number of rows from 0, not {told(limit)}.")
    wanted = () if schemas is None else (schemas,) if isinstance(schemas, str) else tuple(schemas)
    with ExitStack() as resources:
        before, after = open_sides(a, b, wanted, rename or {}, resources, storage_options=storage_options)
        plan = _planned(before, after, wanted, rename or {})
        both = list(plan.both)
        resources.enter_context(one_snapshot([(before, both), (after, [plan.both[name].name for name in both])]))
        tables = tuple(_compared(before, after, name, plan, limit) for name in both)
    return Difference(
        before.shown, after.shown, tables, plan.only_before, plan.only_after, plan.refused, time.monotonic() - started
    )


# --- which tables ------------------------------------------------------------------------------------------------


@frozen
class _Plan:
    """What is to be compared. before: tables of the first side, as the second one calls their schemas, by their names
    on the first; both: those of them that the second side has, as it has them.
    """

    before: dict[TableName, TableSpec]
    both: dict[TableName, TableSpec]
    only_before: tuple[TableName, ...]
    only_after: tuple[TableName, ...]
    refused: dict[TableName, str]


def _planned(before: Side, after: Side, schemas: tuple[str, ...], rename: Mapping[str, str]) -> _Plan:
    """Match the tables of both sides by name. Raises RepositoryError for schemas that are not there."""
    _check_names(before, schemas, rename)
    there = {_other(name, rename): name for name in (*before.specs, *before.refused)}
    chosen = {rename.get(name, name) for name in schemas}

    def is_meant(name: TableName) -> bool:
        """name: as the second side has it."""
        mine = there.get(name, name)
        limits = ((mine, before.only), (name, after.only))
        return (not chosen or name.schema in chosen) and all(only is None or each in only for each, only in limits)

    refused = {
        **{name: str(error) for name, error in before.refused.items() if is_meant(_other(name, rename))},
        **{there.get(name, name): str(error) for name, error in after.refused.items() if is_meant(name)},
    }
    ours = {name: renamed(spec, rename) for name, spec in before.specs.items() if name not in refused}
    ours = {name: spec for name, spec in ours.items() if is_meant(spec.name)}
    theirs = {name: spec for name, spec in after.specs.items() if is_meant(name) and there.get(name) not in refused}
    known = {spec.name for spec in ours.values()}
    return _Plan(
        ours,
        {name: theirs[spec.name] for name, spec in ours.items() if spec.name in theirs},
        tuple(sorted(name for name, spec in ours.items() if spec.name not in theirs)),
        tuple(sorted(theirs.keys() - known)),
        refused,
    )


def _other(name: TableName, rename: Mapping[str, str]) -> TableName:
    return TableName(rename.get(name.schema, name.schema), name.table)


def _check_names(before: Side, schemas: Iterable[str], rename: Mapping[str, str]) -> None:
    there = before.schemas
    if unknown := [name for name in (*schemas, *rename) if name not in there]:
        known = f"; it has {', '.join(there)}." if there else "."
        raise RepositoryError(f"{before.shown} has no schema {unknown[0]!r} with tables{known}")
    taken: dict[str, str] = {}
    for name in there:
        new = rename.get(name, name)
        if new in taken:
            raise RepositoryError(f"rename: {taken[new]!r} and {name!r} cannot both be {new!r}.")
        taken[new] = name


# --- one table ---------------------------------------------------------------------------------------------------


def _compared(before: Side, after: Side, name: TableName, plan: _Plan, limit: int | None) -> TableDifference:
    from djarrow.repo.comparing import matching, pairing

    ours, theirs = before.specs[name], plan.both[name]
    alike = _alike(ours.heading, theirs.heading)
    keys = [set(heading.primary_key) for heading in (ours.heading, theirs.heading)]
    compared = keys[0] == keys[1] and keys[0] <= {attribute.name for attribute, _ in alike}
    whole = all(_types(spec) == _types(ours) for spec in (ours, theirs))
    sources = _source(before, ours, content=whole), _source(after, theirs, content=whole)
    found = _matched(before, after, sources, alike, limit) if compared else matching.nothing(*sources, 0)
    rest = [both for both in alike if both[0].name not in keys[0]]
    changed, attributes = pairing.changes(found.changed_rows, ours.heading.primary_key, rest)
    return TableDifference(
        name,
        ours.heading,
        theirs.heading,
        tuple(_definition(plan.before[name], theirs, before.shown, after.shown)),
        added=found.right_rows,
        removed=found.left_rows,
        changed=changed,
        compared=compared,
        rows_before=found.left if compared else None,
        rows_after=found.right if compared else None,
        added_rows=found.right_alone,
        removed_rows=found.left_alone,
        changed_rows=found.changed,
        attributes=attributes,
    )


def _alike(ours: Heading, theirs: Heading) -> list[Attributes]:
    """The attributes of one name whose values can be the same."""
    from djarrow.repo.comparing.pairing import comparable

    both = [(attribute, theirs[attribute.name]) for attribute in ours if attribute.name in theirs]
    return [(one, other) for one, other in both if comparable(one, other)]


def _types(spec: TableSpec) -> dict[str, AttributeType]:
    return {attribute.name: attribute.type for attribute in spec.heading}


def _source(side: Side, spec: TableSpec, *, content: bool) -> Source:
    """content: whether the hash that a manifest has can be compared with that of the other side."""
    from djarrow.repo.comparing.matching import Source

    shown, batches = f"{spec.name} of {side.shown}", partial(side.batches, spec.name)
    entry = side.entries.get(spec.name)
    if entry is None or not content:
        return Source(shown, spec.heading, batches)
    return Source(shown, spec.heading, batches, entry.rows, entry.content)


def _matched(
    before: Side, after: Side, sources: tuple[Source, Source], alike: list[Attributes], limit: int | None
) -> Found:
    """The rows that differ. A database is read first: its content hash can make it needless to read a repository."""
    from djarrow.repo.comparing.matching import compare, nothing

    ours, theirs = sources
    if ours.content and (ours.rows, ours.content) == (theirs.rows, theirs.content):
        return nothing(ours, theirs, ours.rows or 0)
    if before.connection is None and after.connection is not None:
        return compare(theirs, ours, tuple(other for _, other in alike), limit).turned()
    return compare(ours, theirs, tuple(one for one, _ in alike), limit)


def _definition(ours: TableSpec, theirs: TableSpec, before: str, after: str) -> Iterator[str]:
    """What differs in the definitions. Comments, and indexes that only make reading faster, are no difference."""
    for change in changes(theirs, ours):
        plain = isinstance(change, AddIndex | DropIndex) and not change.index.unique
        if not plain and not isinstance(change, ChangeComment):
            yield change.line(before, after)
