"""Restricted tables, all that they refer to, and what depends on them: no more rows, no fewer, none that dangles."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.frame.results import declared_batch
from djarrow.model.names import TableName
from djarrow.model.spec import ForeignKey, TableSpec
from djarrow.repo import manifest
from djarrow.repo.selection import Selection, select
from djarrow.sql import compile as compiler
from djarrow.sql.dialects import Dialect
from tests.described import drop_schemas
from tests.random_pipelines import Rows, declare, fill, refers

from .conftest import Opener

Row = tuple[tuple[str, Any], ...]
Found = dict[str, set[Row]]
Item = tuple[TableName, dict[str, Any]]
Dropped = Callable[..., None]

# --- what is taken, by a naive walk over all rows ------------------------------------------------------------------


class Walk:
    """All rows of some tables, and what follows from some of them."""

    def __init__(self, classes: Iterable[type[dj.Table]]) -> None:
        tables = {cls().spec.name: cls for cls in classes}
        self.specs: dict[TableName, TableSpec] = {name: cls().spec for name, cls in tables.items()}
        self.rows: Rows = {name: cls.to_dicts() for name, cls in tables.items()}

    def master(self, name: TableName) -> TableName | None:
        """The master of a part."""
        return self.specs[name].master

    def owner(self, name: TableName) -> ForeignKey:
        """The reference of a part to its master, or to a fellow part."""
        keys = [key for key in self.specs[name].foreign_keys if not key.nullable]
        fellows = [key for key in keys if self.specs[key.parent].master == self.master(name)]
        return next((key for key in keys if key.parent == self.master(name)), *fellows)

    def taken(self, given: Iterable[tuple[type[dj.Table], list[dict[str, Any]]]], *, below: bool) -> Found:
        """The rows of a slice. given: rows of tables."""
        found: Found = {}
        for cls, rows in given:
            name = cls().spec.name
            start = [(name, row) for row in rows]
            alone = self.master(name)
            for table, row in self.closed(self.below(start) if below else start, alone):
                found.setdefault(str(table), set()).add(tuple(row.items()))
        return found

    def below(self, start: list[Item]) -> list[Item]:
        """These rows and all that depend on them."""
        return self.walked(start, self.children)

    def children(self, name: TableName, row: dict[str, Any]) -> Iterator[Item]:
        """Rows that refer to a row."""
        for child, spec in self.specs.items():
            for key in spec.foreign_keys:
                if key.parent == name:
                    yield from ((child, each) for each in self.rows[child] if refers(each, row, key))

    def closed(self, start: list[Item], alone: TableName | None) -> list[Item]:
        """These rows and all that they need. alone: a master whose parts do not come with it."""

        def needed(name: TableName, row: dict[str, Any]) -> Iterator[Item]:
            for key in self.specs[name].foreign_keys:
                yield from ((key.parent, each) for each in self.rows[key.parent] if refers(row, each, key))
            for part in self.specs:
                if self.master(part) not in (None, alone) and self.owner(part).parent == name:
                    yield from ((part, each) for each in self.rows[part] if refers(each, row, self.owner(part)))

        return self.walked(start, needed)

    def walked(self, start: list[Item], following: Callable[[TableName, dict[str, Any]], Iterator[Item]]) -> list[Item]:
        """All that is reached, once each."""
        seen: set[tuple[TableName, Row]] = set()
        found: list[Item] = []
        waiting = list(start)
        while waiting:
            name, row = waiting.pop()
            if (name, tuple(row.items())) not in seen:
                seen.add((name, tuple(row.items())))
                found.append((name, row))
                waiting += following(name, row)
        return found


def read(selection: Selection) -> Found:
    """The rows that a selection takes, of tables that have any; each once, or this fails."""
    found: Found = {}
    for taken in selection.tables:
        text = compiler.select(taken.rows, Dialect.POSTGRES).text
        batches = selection.connection.read(text).to_batches()
        frames = (declared_batch(batch, taken.spec.heading) for batch in batches)
        rows = [tuple(row.items()) for frame in frames for row in frame.to_pylist()]
        assert len(set(rows)) == len(rows), taken.spec.name
        if rows:
            found[str(taken.spec.name)] = set(rows)
    return found


def dangling(path: Path) -> list[str]:
    """The references of a repository that lead nowhere, by plain DuckDB over its files."""
    folders = {entry.name: path / manifest.folder_of(entry.name) for entry in manifest.read(path).tables}
    repository = dj.open(path)
    specs = repository.specs
    repository.close()
    found = []
    with duckdb.connect() as engine:
        tables = {}
        for number, (name, folder) in enumerate(folders.items()):
            tables[name] = f"t{number}"
            files = [str(file) for file in folder.rglob("*.parquet")]
            engine.execute(f"CREATE TABLE t{number} AS SELECT * FROM read_parquet($1)", [files])
        for name, spec in specs.items():
            for key in spec.foreign_keys:
                same = " AND ".join(f'p."{there}" = c."{own}"' for own, there in key.pairs)
                present = " AND ".join(f'c."{own}" IS NOT NULL' for own in key.attributes)
                orphans = engine.execute(
                    f"SELECT count(*) FROM {tables[name]} AS c WHERE {present} AND NOT EXISTS "
                    f"(SELECT 1 FROM {tables[key.parent]} AS p WHERE {same})"
                ).fetchone()
                if orphans != (0,):
                    found.append(f"{orphans} of {name} to {key.parent}")
    return found


# --- at random -----------------------------------------------------------------------------------------------------


def choices(dice: random.Random, classes: list[type[dj.Table]]) -> list[tuple[type[dj.Table], list[dict[str, Any]]]]:
    """Some rows of one to three tables."""
    given = []
    for cls in dice.sample(classes, dice.randint(1, min(3, len(classes)))):
        rows = cls.to_dicts()
        given.append((cls, dice.sample(rows, min(len(rows), dice.randint(0, 4)))))
    return given


def query(cls: type[dj.Table], rows: list[dict[str, Any]]) -> Any:
    """The query of these rows."""
    return cls & [{name: row[name] for name in cls.primary_key} for row in rows]


@pytest.fixture
def dropped(connection: PostgresConnection) -> Iterator[Dropped]:
    """Notes schemas that are dropped after the test."""
    noted: list[str] = []
    yield lambda *names: noted.extend(names)
    drop_schemas(connection, *noted)


@pytest.mark.parametrize("seed", range(200 if "DJARROW_SOAK" in os.environ else 3))
def test_random_slices(
    connection: PostgresConnection, dropped: Dropped, tmp_path: Path, opened: Opener, seed: int
) -> None:
    """Of random pipelines, rows and choices: what is taken is what a walk over all rows finds, it opens with these
    rows, nothing in it dangles, and it is restored with its foreign keys.
    """
    dice = random.Random(seed)  # noqa: S311 - a test that can be repeated
    context: dict[str, Any] = {}
    names = {"slice_a": "again_a", "slice_b": "again_b"}
    schemas = [dj.Schema(name, context, connection=connection) for name in names]
    dropped(*names, *names.values())
    classes = declare(schemas[0], dice, context, schemas[1])
    fill(classes, dice)
    walk = Walk(classes)
    for _ in range(6):
        given, below = choices(dice, classes), dice.random() < 0.5
        what, include = [query(*each) for each in given], "descendants" if below else None
        expected = walk.taken(given, below=below)
        assert read(select(what, include)) == expected, (given, below)
    path = dj.export(what, tmp_path / "slice", include=include).path
    assert dangling(path) == []
    repository = opened(path)
    held = {name.schema for name in repository.tables}
    dj.restore(path, connection, rename={name: new for name, new in names.items() if name in held})
    again = {name: dj.Schema(names[name], connection=connection) for name in held}
    for cls in classes:
        name = cls().spec.name
        rows = expected.get(str(name), set())
        if name in repository.tables:
            assert {tuple(row.items()) for row in repository.table(name).to_dicts()} == rows
            assert {tuple(row.items()) for row in again[name.schema][name.table].to_dicts()} == rows
        else:
            assert not rows
