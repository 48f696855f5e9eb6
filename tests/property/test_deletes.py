"""Random deletes over random tables: what is left, and what is told, is what following references by hand gives.

Tables are those of the algebra's tests; one of them may be a part of another. DJARROW_FUZZ=<examples> tries more.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import DeleteRefused, QueryError
from djarrow.table.expression import QueryExpression
from djarrow.table.writing.deleted import Deleted
from tests.property.algebra.rows import random_rows
from tests.property.algebra.schemas import Reference, Table, random_tables
from tests.property.conftest import EXAMPLES

PIPELINES = max(12, EXAMPLES // 10)
DELETES = 12
Place = tuple[str, int]
"""A row: the name of its table, and its number among the rows there."""


@dataclass
class Pipeline:
    """The tables of a seed in the database. part: the name of one that is a part, and the reference to its master.

    rows: as they are read, by table.
    """

    seed: int
    tables: dict[str, Table]
    classes: dict[str, Any]
    part: tuple[str, Reference] | None
    rows: dict[str, list[dict[str, Any]]]

    def referred(self, place: Place, reference: Reference) -> Place | None:
        """The row that one refers to."""
        row = self.rows[place[0]][place[1]]
        wanted = {theirs: row[ours] for ours, theirs in reference.pairs}
        if None in wanted.values():
            return None
        found = [n for n, other in enumerate(self.rows[reference.parent]) if wanted.items() <= other.items()]
        return reference.parent, found[0]

    def gone(self, chosen: set[Place], part_integrity: str) -> set[Place] | None:
        """The rows that go with these; None where it must be refused."""
        gone = set(chosen)
        while True:
            more = {place for place in self.places() - gone if self.refers(place, gone)}
            if part_integrity == "cascade":
                more |= set(self.masters(gone).values()) - gone
            if not more:
                break
            gone |= more
        refused = part_integrity == "enforce" and not set(self.masters(gone).values()) <= gone
        return None if refused else gone

    def refers(self, place: Place, gone: set[Place]) -> bool:
        """Whether a row refers to one that goes."""
        return any(self.referred(place, reference) in gone for reference in self.tables[place[0]].references)

    def masters(self, gone: set[Place]) -> dict[Place, Place]:
        """The master's row of each row of the part."""
        if self.part is None:
            return {}
        name, owner = self.part
        found = {place: self.referred(place, owner) for place in gone if place[0] == name}
        return {place: master for place, master in found.items() if master is not None}

    def places(self) -> set[Place]:
        """All rows."""
        return {(name, number) for name, rows in self.rows.items() for number in range(len(rows))}

    @property
    def names(self) -> dict[str, str]:
        """The name of a table in the database -> the name of its class."""
        return {f"{cls().spec.name}": name for name, cls in self.classes.items()}


def load(seed: int, connection: PostgresConnection) -> Pipeline:
    """Declare and fill the tables of a seed, and open them as they are in the database."""
    tables = random_tables(seed, f"deletes{seed}_")
    rows = random_rows(tables, seed)
    classes: dict[str, Any] = {}
    schemas = [dj.Schema(f"deletes{seed}_{number}", classes, connection=connection) for number in (0, 1)]
    for name, table in tables.items():
        bare: Any = type(name, (dj.Manual,), {"definition": table.definition, "__module__": __name__})
        classes[name] = schemas[table.schema](bare)
    for name, cls in classes.items():
        cls.insert(rows[name])
    stored = {name: cls().spec.name for name, cls in classes.items()}
    part = _part(tables, random.Random(seed))  # noqa: S311 - test data
    if part is not None:
        old, master = stored[part[0]], stored[part[1].parent]
        new = f"{master.table}__{old.table}"
        connection.execute(f'ALTER TABLE "{old.schema}"."{old.table}" RENAME TO "{new}"')
        stored[part[0]] = type(old)(old.schema, new)
    opened = {each.name: dj.virtual(each.name, connection=connection) for each in schemas if each.exists}
    found = {name: opened[home.schema][home.table] for name, home in stored.items()}
    return Pipeline(seed, tables, found, part, {name: cls.to_dicts() for name, cls in found.items()})


def _part(tables: dict[str, Table], chance: random.Random) -> tuple[str, Reference] | None:
    """A table that is made a part of one that it must refer to."""
    options = [
        (name, reference)
        for name, table in tables.items()
        for reference in table.references
        if reference.parent != name
        and tables[reference.parent].schema == table.schema
        and not {ours for ours, _ in reference.pairs} & table.nullable
        and reference == next(each for each in table.references if each.parent == reference.parent)
    ]
    return chance.choice(options) if options and chance.random() < 0.8 else None


@pytest.fixture(scope="module")
def pipelines(connection: PostgresConnection) -> Iterator[list[Pipeline]]:
    """Some pipelines, each in two schemas."""
    loaded = [load(seed, connection) for seed in range(PIPELINES)]
    yield loaded
    for seed in range(PIPELINES):
        for number in (0, 1):
            connection.execute(f'DROP SCHEMA IF EXISTS "deletes{seed}_{number}" CASCADE')


class Undone(Exception):
    """Ends a transaction without leaving anything of it."""


def draw(pipeline: Pipeline, name: str, chance: random.Random) -> QueryExpression:
    """An expression that means rows of a table."""
    table, rows = pipeline.classes[name], pipeline.rows[name]
    other = pipeline.classes[chance.choice(list(pipeline.classes))]
    match chance.choice(["key", "key", "rows", "rows", "top", "matching", "joined", "all"]):
        case "all":
            return table()  # type: ignore[no-any-return]
        case "matching":
            return table & other  # type: ignore[no-any-return]
        case "joined":
            return table * other & dj.Top(chance.randint(1, 5))  # type: ignore[no-any-return]
        case "top":
            return table & dj.Top(chance.randint(1, 3), offset=chance.randint(0, 2))  # type: ignore[no-any-return]
    key = table.heading.primary_key
    if not rows or not key:
        return table & "TRUE"  # type: ignore[no-any-return]
    row = {attribute: chance.choice(rows)[attribute] for attribute in [chance.choice(key)]}
    if chance.random() < 0.6:  # a condition on the key alone, which tables below are asked, too
        return chance.choice([table & row, table - row])  # type: ignore[no-any-return]
    return table.proj(..., renamed=key[0]) & dj.Top(2) if chance.random() < 0.3 else table & [row, chance.choice(rows)]  # type: ignore[no-any-return]


def chosen_by(query: QueryExpression, pipeline: Pipeline, name: str) -> set[Place]:
    """The rows of the table that an expression means, told by their keys."""
    key = pipeline.classes[name].heading.primary_key
    told = [{own: row["renamed" if own not in row else own] for own in key} for row in query.to_dicts()]
    return {
        (name, number) for number, row in enumerate(pipeline.rows[name]) if any(t.items() <= row.items() for t in told)
    }


def test_what_goes_is_what_refers(pipelines: list[Pipeline]) -> None:
    """Rows left, counts, and refusals agree with the model, inside a transaction and by a dry run."""
    tried = refused = 0
    for pipeline in pipelines:
        chance = random.Random(pipeline.seed)  # noqa: S311 - test data
        for number in range(DELETES):
            name, part_integrity = (
                chance.choice(list(pipeline.classes)),
                chance.choice(["enforce", "ignore", "cascade"]),
            )
            try:
                query = draw(pipeline, name, chance)
            except QueryError:  # the other table has a namesake of another origin
                continue
            expected = pipeline.gone(chosen_by(query, pipeline, name), part_integrity)
            try:
                check(query, pipeline, name, part_integrity, expected)
            except BaseException as failure:
                failure.add_note(f"seed {pipeline.seed}, delete {number}: {query.to_sql()}, {part_integrity}")
                raise
            tried, refused = tried + 1, refused + (expected is None)
    assert tried > PIPELINES * DELETES // 2
    assert 0 < refused < tried // 2


def check(
    query: QueryExpression, pipeline: Pipeline, name: str, part_integrity: str, expected: set[Place] | None
) -> None:
    """See that a delete takes the expected rows, and undo it."""
    if expected is None:
        for dry_run in (True, False):
            with pytest.raises(DeleteRefused, match="of the part"):
                query.delete(dry_run=dry_run, part_integrity=part_integrity)
        return
    planned = query.delete(dry_run=True, part_integrity=part_integrity)
    deleted, left = undone(query, pipeline, part_integrity)
    for each, rows in pipeline.rows.items():
        kept = [row for number, row in enumerate(rows) if (each, number) not in expected]
        assert list(map(repr, left[each])) == list(map(repr, kept))  # NaN is written alike
    told = {pipeline.names[full]: count for full, count in deleted.counts.items()}
    assert told == {each: n for each in pipeline.rows if (n := sum(place[0] == each for place in expected))}
    assert deleted == told.get(name, 0)
    assert (planned, planned.counts) == (deleted, deleted.counts)


def undone(query: QueryExpression, pipeline: Pipeline, part_integrity: str) -> tuple[Deleted, dict[str, Any]]:
    """Delete, and read what is left in all tables, in a transaction of which nothing is kept."""
    connection = pipeline.classes[next(iter(pipeline.classes))]().schema.connection
    with contextlib.suppress(Undone), connection.begin(isolation="READ COMMITTED"):
        deleted = query.delete(part_integrity=part_integrity)
        left = {each: cls.to_dicts() for each, cls in pipeline.classes.items()}
        raise Undone
    return deleted, left
