"""Exported, restored and exported again: the same content hashes, of random schemas and of every type at its ends."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.repo.manifest import read
from djarrow.repo.places.find import place_of
from tests.described import drop_schemas
from tests.each_type import CASES
from tests.property.algebra.loading import load, schema_names

from .conftest import EVERY_TYPE, EVERY_VALUE, declared

SOAK = "DJARROW_SOAK" in os.environ

FIRST = 5_000
"""The seed of the first of the random schemas, apart from those of other tests."""


@pytest.fixture
def there(connection: PostgresConnection) -> Iterator[PostgresConnection]:
    """The server, without what was restored afterwards."""
    yield connection
    for name in connection.query("SELECT nspname AS name FROM pg_namespace WHERE nspname LIKE 'again%'").column(0):
        drop_schemas(connection, name.as_py())


def contents(folder: Path) -> list[tuple[str, str, int, str]]:
    """What the manifest says of each table but its schema's name: its content hash and its number of rows."""
    entries = read(place_of(folder)).tables
    numbers = {name: str(number) for number, name in enumerate(sorted({entry.schema for entry in entries}))}
    return sorted((numbers[entry.schema], entry.table, entry.rows, entry.content) for entry in entries)


def check(folder: Path, names: Mapping[str, str], connection: PostgresConnection) -> None:
    """Restore under these names, and see that an export of that says the same."""
    dj.restore(folder, connection, rename=names)
    again = [dj.Schema(name, connection=connection) for name in names.values()]
    dj.export(again, folder.with_name(f"{folder.name} again"), connections=2)
    assert contents(folder) == contents(folder.with_name(f"{folder.name} again"))
    assert dj.diff(folder, again, rename=names).equal
    drop_schemas(connection, *names.values())


@pytest.mark.timeout(1800 if SOAK else 120)
@pytest.mark.parametrize("part", range(10))
def test_random_schemas(there: PostgresConnection, tmp_path: Path, part: int) -> None:
    """Tables of two schemas with references of all sorts: ten a part at length, one a part in each run."""
    for seed in range(FIRST + 10 * part, FIRST + 10 * part + (10 if SOAK else 1)):
        data_set = load(seed, there, tmp_path / str(seed))
        try:
            held = {name.schema for name in data_set.repository.tables}
            check(tmp_path / str(seed), {name: f"again_{name}" for name in sorted(held)}, there)
        finally:
            data_set.repository.close()
            drop_schemas(there, *schema_names(seed))


def test_every_type_at_its_ends(schema: dj.Schema, there: PostgresConnection, tmp_path: Path) -> None:
    """NaN, infinities, -0.0, empty text, years 1 and 9999, the largest uint64, 38 digits, and NULL beside each."""
    for number, case in enumerate(CASES):
        table = declared(schema, f"T{number}", f"n : int32\n---\nv = null : {case.written}")
        table.insert([*enumerate(case.values), (-1, None)])
    check(dj.export(schema, tmp_path / "types").path, {schema.name: "again_types"}, there)


def test_odd_shapes(schema: dj.Schema, there: PostgresConnection, tmp_path: Path) -> None:
    """No key and one row, no key and none, no rows, 1,000 columns, odd names, and hard values side by side."""
    declared(schema, "One", "---\nx : float64").insert1((-0.0,))
    declared(schema, "None0", "---\nx : float64").declare()
    declared(schema, "Empty", "n : int32\n---\nlabel : varchar(8)").declare()
    wide = declared(schema, "Wide", "n : int32\n---\n" + "\n".join(f"c{i} = null : int32" for i in range(1000)))
    wide.insert([{"n": n, **{f"c{i}": i * n for i in range(n, 1000, 7)}} for n in range(3)])
    odd = declared(schema, "Odd", "select : int32\ngroup : varchar(9)\n---\nuser = null : float32\ntable = null : bool")
    odd.insert([(1, "'\\\"", float("nan"), None), (2, "", float("-inf"), True)])
    every = declared(schema, "Every", EVERY_TYPE)
    every.insert(EVERY_VALUE)
    check(dj.export(schema, tmp_path / "shapes").path, {schema.name: "again_shapes"}, there)
