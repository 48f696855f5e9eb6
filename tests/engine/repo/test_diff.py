"""dj.diff finds the rows that differ, and no others, between repositories and databases."""

from __future__ import annotations

import contextlib
import datetime
import math
import os
import shutil
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

import djarrow as dj
from djarrow.cli.main import app
from djarrow.engine.connect import connect
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import InvalidCondition, NoSchema, RepositoryError, TransactionError, UnknownTable
from djarrow.model.types import KEYLESS_FAMILIES
from djarrow.repo.comparing import matching
from djarrow.repo.comparing.difference import TableDifference
from djarrow.repo.content import mixed
from djarrow.repo.exporting.export import Exported
from tests.described import drop_schemas
from tests.each_type import CASES
from tests.processes import PLACES

from .conftest import Another, Opener, declared

if TYPE_CHECKING:
    import polars as pl

Row = dict[str, Any]


@pytest.fixture
def copied(connection: PostgresConnection) -> Iterator[Any]:
    """Restores a repository as the schema `copy`, which is dropped after the test."""

    def restore(path: Path, name: str) -> dj.Schema:
        dj.restore(path, connection, rename={name: "copy"})
        return dj.Schema("copy", connection=connection)

    yield restore
    drop_schemas(connection, "copy")


# --- the same in plain Python ------------------------------------------------------------------------------------


def exact(value: Any) -> Any:
    """What is equal only to the same value."""
    if isinstance(value, float):
        return ("float", "NaN" if math.isnan(value) else struct.pack("<d", value))
    return (type(value).__name__, repr(value))


def naive(before: list[Row], after: list[Row], key: tuple[str, ...]) -> tuple[list[Row], list[Row], list[Row]]:
    """The rows added, removed and changed; of these the key and what differs."""
    old, new = ({tuple(exact(row[k]) for k in key): row for row in rows} for rows in (before, after))
    changed = []
    for both in old.keys() & new.keys():
        one, other = old[both], new[both]
        differs = [name for name in one if name not in key and exact(one[name]) != exact(other[name])]
        if differs:
            values = {
                f"{name}.{side}": row[name] for name in differs for side, row in (("before", one), ("after", other))
            }
            changed.append({name: one[name] for name in key} | values)
    return [new[k] for k in new.keys() - old.keys()], [old[k] for k in old.keys() - new.keys()], changed


def as_set(rows: list[Row]) -> set[Any]:
    """Rows without their order."""
    return {tuple(sorted((name, exact(value)) for name, value in row.items())) for row in rows}


def what_differs(frame: pl.DataFrame, key: tuple[str, ...]) -> list[Row]:
    """The rows of a frame of changes, of each only what differs in it."""
    found = []
    for row in frame.to_dicts():
        names = {name.rpartition(".")[0] for name in row if name not in key}
        differs = {name for name in names if exact(row[f"{name}.before"]) != exact(row[f"{name}.after"])}
        found.append({n: v for n, v in row.items() if n in key or n.rpartition(".")[0] in differs})
    return found


def check(found: TableDifference, before: list[Row], after: list[Row], key: tuple[str, ...]) -> None:
    """Compare what was found with what plain Python finds."""
    added, removed, changed = naive(before, after, key)
    assert as_set(found.added.to_dicts()) == as_set(added)
    assert as_set(found.removed.to_dicts()) == as_set(removed)
    assert as_set(what_differs(found.changed, key)) == as_set(changed)
    assert (found.added_rows, found.removed_rows, found.changed_rows) == (len(added), len(removed), len(changed))
    assert (found.added.height, found.removed.height, found.changed.height) == (len(added), len(removed), len(changed))
    assert (found.rows_before, found.rows_after) == (len(before), len(after))
    assert found.equal == (not (added or removed or changed))


# --- equal -------------------------------------------------------------------------------------------------------


def test_equal(lab: dj.Schema, exported: Exported, tmp_path: Path, copied: Any, connection: PostgresConnection) -> None:
    """A repository, one that is split otherwise, its database and the database made of it hold the same, both ways."""
    whole = dj.export(lab, tmp_path / "whole").path
    copy = copied(exported.path, lab.name)
    cases: list[tuple[Any, Any, dict[str, Any]]] = [
        (exported.path, whole, {}),
        (exported.path, lab, {}),
        (lab, str(whole), {}),
        (exported.path, connection, {}),
        (connection, whole, {}),
        (exported.path, copy, {"rename": {lab.name: "copy"}}),
        (lab, copy, {"rename": {lab.name: "copy"}}),
        (copy, lab, {"rename": {"copy": lab.name}}),
        (connection, connection, {"schemas": [lab.name], "rename": {lab.name: "copy"}}),
        (lab, lab, {}),
    ]
    for a, b, options in cases:
        found = dj.diff(a, b, **options)
        assert found.equal
        assert not found
        assert (len(found.tables), found.only_before, found.only_after) == (8, (), ())
        assert sum(table.rows_after or 0 for table in found.tables) == exported.rows
        assert str(found).startswith("equal: ")
        assert all(table.added.is_empty() and table.changed.is_empty() for table in found.tables)


def test_equal_content_reads_no_file(
    lab: dj.Schema, exported: Exported, tmp_path: Path, connection: PostgresConnection
) -> None:
    """Where the content hashes agree no file of tables is opened, nor need it be there."""
    copy = Path(shutil.copytree(exported.path, tmp_path / "copy"))
    whole = dj.export(lab, tmp_path / "whole").path
    for path in (file for root in (copy, whole) for file in root.rglob("*.parquet")):
        path.unlink()
    assert dj.diff(whole, copy).equal
    assert dj.diff(copy, lab).equal
    assert dj.diff(lab, copy).equal
    subject = lab["Subject"]
    subject.update1({"subject_id": 3, "weight": "9.99"})
    with pytest.raises(RepositoryError, match="missing"):
        dj.diff(copy, lab)


# --- rows --------------------------------------------------------------------------------------------------------


def test_what_changed(lab: dj.Schema, exported: Exported, tmp_path: Path, connection: PostgresConnection) -> None:
    """Rows added, removed and changed, as frames with declared types, in both directions and of all kinds of sides."""
    session, subject = lab["Session"], lab["Subject"]
    before = {cls: cls.to_polars().to_dicts() for cls in (session, subject)}
    subject.update1({"subject_id": 3, "weight": "9.99", "name": "other"})
    subject.update1({"subject_id": 4, "weight": None})
    (subject & "subject_id = 11").delete(prompt=False)
    subject.insert1({"subject_id": 500, "name": "new", "sex": "F", "born": datetime.datetime(2024, 1, 1)})
    session.update1({"subject_id": 1, "session": 5, "x": -0.0})
    session.update1({"subject_id": 1, "session": 2, "x": math.inf})
    after = {cls: cls.to_polars().to_dicts() for cls in (session, subject)}
    later = dj.export(lab, tmp_path / "later").path
    others: list[Any] = [lab, later, connection]
    for a, b in ((exported.path, other) for other in others):
        for cls in (session, subject):
            check(dj.diff(a, b)[cls], before[cls], after[cls], cls().heading.primary_key)
            check(dj.diff(b, a)[cls], after[cls], before[cls], cls().heading.primary_key)
    found = dj.diff(exported.path, lab)
    assert [table.name.table for table in found.tables if table] == ["subject", "session"]
    table = found[subject]
    assert table.added.schema == table.removed.schema == subject.to_polars().schema
    assert table.changed.columns == [
        "subject_id",
        *(f"{n}.{s}" for n in ("name", "weight") for s in ("before", "after")),
    ]
    assert table.changed["subject_id"].to_list() == [3, 4]
    assert table.attributes == {"name": 1, "weight": 2}
    assert repr(table) == f"{lab.name}.subject: 12 -> 12 rows: 1 added, 1 removed, 2 changed in name, weight"
    assert str(found).splitlines() == [
        f"{exported.path} -> {lab.name}: of 8 tables on both sides 2 differ",
        repr(table),
        f"{lab.name}.session: 60 -> 60 rows: 2 changed in x",
    ]


def test_each_type(schema: dj.Schema, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each value of each type is itself, and no other one nor NULL, as an attribute and in a key, also to fetch by."""
    values = {number: list({exact(v): v for v in case.values}.values()) for number, case in enumerate(CASES)}
    keyed: dict[int, type[dj.Table]] = {}
    plain: dict[int, type[dj.Table]] = {}
    for number, case in enumerate(CASES):
        plain[number] = declared(schema, f"Plain{number}", f"n : int32\n---\nv = null : {case.written}")
        if case.kind.family not in KEYLESS_FAMILIES:
            keyed[number] = declared(schema, f"Keyed{number}", f"v : {case.written}\n---\nn : int32")
    schema.activate()
    for number, table in plain.items():
        table.insert([{"n": n, "v": v} for n, v in enumerate([*values[number], None])])
    for number, table in keyed.items():
        table.insert([{"n": n, "v": v} for n, v in enumerate(values[number])])
    path = dj.export(schema, tmp_path / "types").path
    assert dj.diff(path, schema).equal
    before = {table: table.to_polars().to_dicts() for table in (*plain.values(), *keyed.values())}
    for number, table in plain.items():
        table.delete(prompt=False)
        table.insert([{"n": n, "v": v} for n, v in enumerate([None, *values[number]])])
    for number, table in keyed.items():
        for n, value in enumerate(values[number][1:]):
            table.update1({"v": value, "n": 77 + n})
    monkeypatch.setattr(matching, "WHOLE", 0)
    by_key = matching._read
    monkeypatch.setattr(matching, "_read", lambda *given: None if given[-1] is None else by_key(*given))
    for _ in range(2):
        forward, backward = dj.diff(path, schema), dj.diff(schema, path)
        for table, rows in before.items():
            after, key = table.to_polars().to_dicts(), table().heading.primary_key
            check(forward[table], rows, after, key)
            check(backward[table], after, rows, key)
            if table in plain.values():
                assert forward[table].changed_rows == len(after)
                assert forward[table].changed.schema["v.after"] == table.to_polars().schema["v"]
        for table in keyed.values():
            (table & "n = 0").delete(prompt=False)


ROWS = st.dictionaries(
    st.tuples(st.integers(0, 5), st.sampled_from(["", "a", "é", 'q"', "100%"])),
    st.tuples(
        st.none() | st.sampled_from([0.0, -0.0, 1.5, math.nan, math.inf]),
        st.none() | st.sampled_from(["", "x", "'", "a\\b"]),
        st.none() | st.integers(-3, 3),
    ),
    max_size=12,
)


@pytest.fixture
def random_table(schema: dj.Schema) -> type[dj.Table]:
    """A table of two attributes in the key and three others."""
    definition = "k : int16\nt : varchar(9)\n---\nf = null : float64\ns = null : varchar(9)\ni = null : int8"
    return declared(schema, "Random", definition)


def filled(table: type[dj.Table], rows: dict[Any, Any]) -> list[Row]:
    """Have a table hold these rows."""
    table.delete(prompt=False)
    table.insert([(*key, *values) for key, values in rows.items()])
    return table.to_polars().to_dicts()


@settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.generate],  # to make an example smaller would take minutes
)
@given(first=ROWS, second=ROWS, partitioned=st.booleans(), weak=st.booleans(), few=st.booleans())
def test_random_rows(
    *,
    first: Any,
    second: Any,
    partitioned: bool,
    weak: bool,
    few: bool,
    random_table: type[dj.Table],
    schema: dj.Schema,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Of any two contents the difference is what plain Python finds, whatever hashes keys have in common."""
    folder = tmp_path_factory.mktemp("random")
    before = filled(random_table, first)
    path = dj.export(schema, folder / "before").path
    after = filled(random_table, second)
    later = dj.export(schema, folder / "after", partition_by=["t"] if partitioned else None).path
    with pytest.MonkeyPatch.context() as patch:
        if weak:
            patch.setattr(matching, "key_hashes", lambda sums: mixed(sums) % np.uint64(3))
        if few:
            patch.setattr(matching, "WHOLE", 0)
        check(dj.diff(path, later)["Random"], before, after, ("k", "t"))
        check(dj.diff(path, schema)["Random"], before, after, ("k", "t"))
        check(dj.diff(schema, path)["Random"], after, before, ("k", "t"))


def test_a_singleton_and_nothing(schema: dj.Schema, tmp_path: Path) -> None:
    """A table of one row at most, and one without rows, before and after there is a row."""
    one, none = declared(schema, "One", "---\nx : float64"), declared(schema, "Nothing", "n : int32")
    empty = dj.export(schema, tmp_path / "empty").path
    one.insert1({"x": 1})
    none.insert1({"n": 1})
    full = dj.export(schema, tmp_path / "full").path
    check(dj.diff(empty, schema)["One"], [], [{"x": 1.0}], ())
    check(dj.diff(full, empty)["One"], [{"x": 1.0}], [], ())
    check(dj.diff(empty, full)["Nothing"], [], [{"n": 1}], ("n",))
    one.delete(prompt=False)
    one.insert1({"x": 2})
    check(dj.diff(full, schema)["One"], [{"x": 1.0}], [{"x": 2.0}], ())
    assert dj.diff(full, schema)["One"].changed.to_dicts() == [{"x.before": 1.0, "x.after": 2.0}]


def test_zeros_and_nans(schema: dj.Schema, tmp_path: Path) -> None:
    """-0.0 is not 0.0, in a key neither, and NaN is NaN whatever its bits."""
    table = declared(schema, "Point", "n : int32\n---\nx : float64\ny : float32\nz : int32")
    keyed = declared(schema, "Keyed", "x : float64\n---\nz : int32")
    odd = np.array([0xFFF8_0000_0000_0123], np.uint64).view(np.float64)[0]
    table.insert(
        pa.table({"n": [1, 2, 3], "x": [0.0, math.nan, math.nan], "y": pa.array([0.0, 1, 2], "f4"), "z": [0] * 3})
    )
    keyed.insert(pa.table({"x": [0.0, math.nan], "z": [0, 0]}))
    path = dj.export(schema, tmp_path / "before").path
    for each in (table, keyed):
        each.delete(prompt=False)
    table.insert(pa.table({"n": [1, 2, 3], "x": [-0.0, odd, odd], "y": pa.array([-0.0, 1, 2], "f4"), "z": [0, 0, 1]}))
    keyed.insert(pa.table({"x": [-0.0, odd], "z": [0, 1]}))
    assert np.frombuffer(table.to_arrow()["x"].chunk(0).buffers()[1], np.uint64)[2] != np.array(math.nan).view(
        np.uint64
    )
    later = dj.export(schema, tmp_path / "after").path
    for found in (dj.diff(path, schema), dj.diff(path, later)):
        assert found["Point"].attributes == {"x": 1, "y": 1, "z": 1}
        assert found["Point"].changed["n"].to_list() == [1, 3]
        assert (found["Keyed"].added_rows, found["Keyed"].removed_rows, found["Keyed"].changed_rows) == (1, 1, 1)
        assert found["Keyed"].changed.columns == ["x", "z.before", "z.after"]


def test_many_columns(schema: dj.Schema, tmp_path: Path) -> None:
    """Of a thousand attributes those are in the frame that differ."""
    table = declared(schema, "Wide", "n : int32\n---\n" + "\n".join(f"c{i} = null : int32" for i in range(1000)))
    table.insert([{"n": n, "c7": n} for n in range(3)])
    path = dj.export(schema, tmp_path / "wide").path
    table.update1({"n": 1, "c999": 5})
    found = dj.diff(path, schema)["Wide"]
    assert found.changed.to_dicts() == [{"n": 1, "c999.before": None, "c999.after": 5}]


def test_odd_names(schema: dj.Schema, another: Another) -> None:
    """Tables of other software, whose attributes are called as no definition would call them."""
    other = another("diff_other")
    for number, each in enumerate((schema, other)):
        name = f'"{each.name}"."odd ""one"" 100%"'
        schema.connection.execute(f'CREATE SCHEMA "{each.name}"')
        schema.connection.execute(f'CREATE TABLE {name} ("n ""%s" int PRIMARY KEY, x int, "x.before" int, "a \'b" int)')
        schema.connection.execute(f"INSERT INTO {name} VALUES (1, 7, {number}, {number})")
    (found,) = dj.diff(schema, other, rename={schema.name: other.name}).tables
    assert found.changed.to_dicts() == [
        {'n "%s': 1, "x.before.before": 0, "x.before.after": 1, "a 'b.before": 0, "a 'b.after": 1}
    ]
    drop_schemas(schema.connection, schema.name)


def test_a_limit(schema: dj.Schema, tmp_path: Path) -> None:
    """Frames have so many rows at most, those of a change the same rows of both sides; the counts are of all."""
    table = declared(schema, "Many", "n : int32\n---\nx : int32")
    table.insert([(n, 0) for n in range(1000)])
    before = dj.export(schema, tmp_path / "before").path
    (table & "n < 200").delete(prompt=False)
    table.insert([(n, 0) for n in range(1000, 1100)])
    after = dj.export(schema, tmp_path / "after").path
    changed = declared(schema, "Other", "n : int32")
    schema.connection.execute(f"UPDATE {table().full_table_name} SET x = n WHERE n % 2 = 0 AND n BETWEEN 500 AND 999")
    changed.declare()
    cases: list[tuple[tuple[Any, Any], int]] = [
        ((before, schema), 7),
        ((schema, before), 7),
        ((before, schema), 0),
        ((after, schema), 10**6),
    ]
    for sides, limit in cases:
        found = dj.diff(*sides, limit=limit)["Many"]
        counts = [
            (found.added_rows, found.added),
            (found.removed_rows, found.removed),
            (found.changed_rows, found.changed),
        ]
        expected = [0, 0, 250] if sides[0] == after else [100, 200, 250] if sides[0] == before else [200, 100, 250]
        assert [count for count, _ in counts] == expected
        assert [frame.height for _, frame in counts] == [min(count, limit) for count in expected]
        assert {row["x.before"] + row["x.after"] - row["n"] for row in found.changed.to_dicts()} <= {0}
    for wrong in (-1, 1.5, True, "all"):
        with pytest.raises(InvalidCondition, match="limit"):
            dj.diff(before, after, limit=wrong)  # type: ignore[arg-type]


def test_an_object_store(schema: dj.Schema, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repository at a URL, given as such or open, is compared like one in a folder, and by key, too."""
    monkeypatch.setattr(matching, "WHOLE", 0)
    table = declared(schema, "Thing", "n : int32\n---\nx : float64")
    table.insert([(n, n / 2) for n in range(100)])
    url = f"memory://diff of {schema.name}"
    dj.export(schema, url)
    folder = dj.export(schema, tmp_path / "things").path
    assert dj.diff(url, folder).equal
    before = table.to_polars().to_dicts()
    (table & "n = 5").delete(prompt=False)
    table.update1({"n": 6, "x": -1})
    after = table.to_polars().to_dicts()
    later = dj.export(schema, tmp_path / "later").path
    with contextlib.closing(dj.open(url)) as repository:
        sides: list[tuple[Any, Any]] = [(url, schema), (url, later), (repository, schema)]
        for a, b in sides:
            check(dj.diff(a, b)["Thing"], before, after, ("n",))
            check(dj.diff(b, a)["Thing"], after, before, ("n",))


# --- definitions -------------------------------------------------------------------------------------------------


def test_definitions_that_differ(schema: dj.Schema, another: Another, tmp_path: Path) -> None:
    """Rows are compared over what both have, values of larger types as values; the definition says what differs."""
    old = "n : int32\n---\na : int32\nb : varchar(5)\nc : enum('x', 'y')\nd : decimal(5,2)\ne : int32\ngone : bool"
    old += "\nindex (a)"
    new = (
        "# a comment\nn : int64\n---\na : uint64\nb : varchar(9)\nc : enum('y', 'x', 'z')\nd : decimal(9,2)\n"
        "e : varchar(3)\nmore : bool"
    )
    declared(schema, "Thing", old).insert([(1, 1, "b", "x", "1.5", 1, True), (2, 2, "b", "y", "2.5", 2, True)])
    other = another("diff_other")
    declared(other, "Thing", new).insert([(1, 1, "b", "x", "1.5", "1", True), (2, 2, "bbbbbb", "z", "2.6", "2", False)])
    path = dj.export(schema, tmp_path / "old").path
    for a in (path, schema):
        found = dj.diff(a, other, rename={schema.name: "diff_other"})["Thing"]
        assert found.compared
        assert found.changed.to_dicts() == [
            {"n": 2, "b.before": "b", "b.after": "bbbbbb", "c.before": "y", "c.after": "z"}
            | {"d.before": Decimal("2.50"), "d.after": Decimal("2.60")}
        ]
        side = str(path) if a is path else schema.name
        assert f"attribute 'gone' (bool) is in {side} and not in diff_other" in found.definition
        assert f"attribute 'more' (bool) is not in {side}" in found.definition
        assert f"attribute 'b': diff_other says varchar(9), {side} varchar(5)" in found.definition
        assert not [line for line in found.definition if "index" in line or "comment" in line]
        assert not found.equal
    backwards = dj.diff(other, path, rename={"diff_other": schema.name})["Thing"]
    assert backwards.changed["b.before"].to_list() == ["bbbbbb"]


def test_other_keys(schema: dj.Schema, another: Another) -> None:
    """Tables of other keys are not compared by rows, and do differ."""
    declared(schema, "Thing", "n : int32\n---\nx : int32").insert1((1, 1))
    declared(another("diff_other"), "Thing", "n : int32\nx : int32").insert1((1, 1))
    found = dj.diff(schema, schema.connection, rename={schema.name: "diff_other"})
    (table,) = found.tables
    assert "rename" not in str(found)
    assert (table.compared, table.equal, table.rows_before, table.added_rows) == (False, False, None, 0)
    assert "keys are not the same" in str(found)
    assert any(line.startswith("primary key") for line in table.definition)


# --- which tables ------------------------------------------------------------------------------------------------


def test_tables_of_one_side(
    schema: dj.Schema, another: Another, tmp_path: Path, connection: PostgresConnection
) -> None:
    """Those that the other side lacks are told; of schemas and of tables that are named the others do not count."""
    first, second = declared(schema, "First", "n : int32"), declared(schema, "Second", "-> First")
    first.insert1((1,))
    second.declare()
    path = dj.export(schema, tmp_path / "both").path
    second.drop(prompt=False)
    third = declared(dj.Schema(schema.name, {"First": first}, connection=connection), "Third", "-> First")
    third.declare()
    other = another("diff_other")
    declared(other, "Fourth", "n : int32").declare()
    found = dj.diff(path, connection)
    assert ([str(n) for n in found.only_before], [str(n) for n in found.only_after]) == (
        [f"{schema.name}.second"],
        [f"{schema.name}.third"],
    )
    assert [table.equal for table in found.tables] == [True]
    assert str(found).splitlines()[1:] == [
        f"{schema.name}.second: only in {path}",
        f"{schema.name}.third: only in {connection!r}",
    ]
    assert dj.diff(path, first).equal
    assert dj.diff(first, path).equal
    assert {str(n) for n in dj.diff(path, [third]).only_after} == {f"{schema.name}.third"}
    assert not dj.diff(path, [third]).only_before
    assert {n.schema for n in dj.diff(path, [schema, other]).only_after} == {schema.name, "diff_other"}
    assert not [n for n in dj.diff(path, [schema, other], schemas=schema.name).only_after if n.schema == "diff_other"]
    module = ModuleType("module")
    module.schema = schema  # type: ignore[attr-defined]
    assert dj.diff(module, path).only_before == found.only_after
    assert dj.diff(path, dj.virtual(schema.name, connection=connection)).only_after == found.only_after
    with pytest.raises(UnknownTable, match="no table 'Second'"):
        found["Second"]
    assert "`rename` says" in str(dj.diff(path, other))


def test_references_to_other_schemas(schema: dj.Schema, another: Another, tmp_path: Path, opened: Opener) -> None:
    """What an export took besides, the tables that were referred to, is compared, too."""
    other = another("diff_other")
    parent = declared(other, "Parent", "p : int32")
    declared(other, "Unrelated", "u : int32").declare()
    child: Any = type("Child", (dj.Manual,), {"definition": "-> Parent"})
    dj.Schema(schema.name, {"Parent": parent}, connection=schema.connection)(child)
    parent.insert1((1,))
    child.insert1((1,))
    path = dj.export(child, tmp_path / "child").path
    assert len(dj.diff(path, dj.Schema(schema.name, connection=schema.connection)).tables) == 2
    assert dj.diff(path, dj.Schema(schema.name, connection=schema.connection)).equal
    assert dj.diff(opened(path), child).equal


def test_tables_that_no_definition_describes(schema: dj.Schema, tmp_path: Path) -> None:
    """They are told, and nothing is called equal that was not compared."""
    declared(schema, "Known", "n : int32").declare()
    path = dj.export(schema, tmp_path / "known").path
    schema.connection.execute(f'CREATE TABLE "{schema.name}".odd (n int4range PRIMARY KEY)')
    found = dj.diff(path, schema)
    assert [str(name) for name in found.refused] == [f"{schema.name}.odd"]
    assert not found.equal
    assert "not compared" in str(found)
    schema.connection.execute(f'DROP TABLE "{schema.name}".odd')


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"schemas": ["nowhere"]}, "has no schema 'nowhere'"),
        ({"rename": {"nowhere": "x"}}, "has no schema 'nowhere'"),
    ],
)
def test_wrong_names(exported: Exported, lab: dj.Schema, options: dict[str, Any], match: str) -> None:
    """Schemas that the first side has not."""
    with pytest.raises(RepositoryError, match=match):
        dj.diff(exported.path, lab, **options)


def test_what_cannot_be_compared(
    exported: Exported, lab: dj.Schema, connection: PostgresConnection, opened: Opener
) -> None:
    """What is neither of these, a database in a `using` block or a transaction, two databases without a schema."""
    for wrong in (3, None, [3], [], lab["Subject"] & "subject_id = 1", [lab, lab["Subject"]]):
        with pytest.raises(RepositoryError, match=r"side of a comparison|cannot be compared"):
            dj.diff(exported.path, wrong)  # type: ignore[arg-type]
    with pytest.raises(RepositoryError, match="no repository"):
        dj.diff(exported.path / "nowhere", lab)
    with pytest.raises(RepositoryError, match="schemas="):
        dj.diff(connection, connection)
    with pytest.raises(NoSchema):
        dj.diff(exported.path, dj.Schema(connection=connection))
    with connection.transaction, pytest.raises(TransactionError):
        dj.diff(exported.path, lab)
    repository = opened(exported.path)
    with repository.using(lab):
        with pytest.raises(RepositoryError, match="using"):
            dj.diff(exported.path, lab)
        assert dj.diff(exported.path, repository).equal
    assert len(repository[lab.name].Subject) == 12  # what was given open stays open


def test_a_reading_that_ends_early(schema: dj.Schema, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that are found at the beginning of a large table end its reading, which disturbs none of those after it."""
    monkeypatch.setattr(matching, "WHOLE", 10**9)
    rows = pa.table({"n": range(80_000), "text": ["x" * 150] * 80_000})
    large = declared(schema, "Large", "n : int32\n---\ntext : varchar(150)")
    small = declared(schema, "Small", "n : int32")
    large.insert(rows)
    small.declare()
    large.update1({"n": 0, "text": "y"})
    path = dj.export(schema, tmp_path / "large").path
    large.delete(prompt=False)
    large.insert(rows)
    small.insert1({"n": 1})
    found = dj.diff(path, schema)
    assert found["Large"].changed.to_dicts() == [{"n": 0, "text.before": "y", "text.after": "x" * 150}]
    assert found["Small"].added.to_dicts() == [{"n": 1}]


def test_one_row_twice(schema: dj.Schema, tmp_path: Path) -> None:
    """A repository in which a file was put twice is refused, whichever side it is."""
    table = declared(schema, "Thing", "n : int32\n---\nx : int32")
    table.insert([(n, n) for n in range(10)])
    path = dj.export(schema, tmp_path / "things").path
    manifest = path / "manifest.json"
    text = manifest.read_text()
    start, end = text.index('"files": [') + len('"files": ['), text.index("]", text.index('"files": ['))
    doubled = text[:start] + text[start:end].rstrip() + "," + text[start:end] + text[end:]
    manifest.write_text(doubled.replace('"content": "', '"content": "f'))
    for sides in ((path, schema), (schema, path), (path, tmp_path / "other")):
        if sides[1] == tmp_path / "other":
            dj.export(schema, tmp_path / "other")
        with pytest.raises(RepositoryError, match="twice"):
            dj.diff(*sides)


def test_one_snapshot(schema: dj.Schema, tmp_path: Path) -> None:
    """While a writer commits pairs of a parent and its child, a difference has both or neither."""
    adult = declared(schema, "Adult", "adult : int32")
    child = declared(schema, "Child", "-> Adult")
    child.declare()
    path = dj.export(schema, tmp_path / "none").path
    stop, begun = threading.Event(), threading.Event()
    other = connect(schema.connection.url)

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            inserts = "".join(f"INSERT INTO {cls().full_table_name} VALUES ({number}); " for cls in (adult, child))
            other.execute(f"DO $$ BEGIN {inserts} END $$")
            begun.set()

    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(write)
        try:
            assert begun.wait(10)
            for _ in range(5):
                found = dj.diff(path, schema)
                assert found["Adult"].added_rows == found["Child"].added_rows > 0
        finally:
            stop.set()
        writer.result()
    other.close()


# --- in a shell --------------------------------------------------------------------------------------------------


def test_the_command(exported: Exported, lab: dj.Schema, connection: PostgresConnection, tmp_path: Path) -> None:
    """Exits with 0 of what is equal, with 1 and what differs, and with 2 where nothing can be compared."""

    def run(*words: str) -> Result:
        return CliRunner().invoke(app, ["diff", *words], env={"COLUMNS": "100"})

    same = run(str(exported.path), connection.url)
    assert (same.exit_code, same.stdout) == (0, "")
    assert same.stderr.startswith("equal: ")
    assert connection.url.split("@")[0] not in same.stderr
    subject = lab["Subject"]
    subject.update1({"subject_id": 3, "name": "\x1b[2J"})
    subject.insert1({"subject_id": 500, "name": "new", "sex": "F", "born": datetime.datetime(2024, 1, 1)})
    other = run(str(exported.path), connection.url, "--schema", lab.name)
    assert (other.exit_code, other.stderr) == (1, "")
    assert other.stdout.splitlines()[1:] == [f"{lab.name}.subject: 12 -> 13 rows: 1 added, 1 changed in name"]
    shown = run(str(exported.path), connection.url, "--rows", "5")
    assert shown.exit_code == 1
    lines = [line.split() for line in shown.stdout.splitlines()[2:]]
    assert lines[:2] == [[], [f"{lab.name}.subject", "added"]]
    assert lines[5] == ["500", "│", "new", "F", "NULL", "2024-01-01", "00:00:00", "UTC"]
    assert lines[6:10] == [
        ["1", "row"],
        [],
        [f"{lab.name}.subject", "changed"],
        ["*subject_id", "│", "name.before", "name.after"],
    ]
    assert lines[12] == ["3", "│", "n\\3'", "'\\x1b[2J'"]
    nowhere = run(str(tmp_path / "nowhere"), connection.url)
    assert (nowhere.exit_code, nowhere.stdout) == (2, "")
    assert "no repository" in nowhere.stderr
    for wrong in (["--rename", "a"], ["--rows", "-1"], ["--schema", "nowhere"]):
        assert run(str(exported.path), connection.url, *wrong).exit_code == 2
    refused = run(str(exported.path), "postgresql://nobody:secret@127.0.0.1:1/x")
    assert refused.exit_code == 2
    assert "secret" not in refused.output


def test_the_command_compares_with_the_configured_database(
    exported: Exported, lab: dj.Schema, connection: PostgresConnection, tmp_path: Path
) -> None:
    """Where one side is given, the other one is the database that djarrow is configured for."""
    command = [sys.executable, "-m", "djarrow.cli.main", "diff", str(exported.path)]
    environment = os.environ | {"DJARROW_URL": connection.url, "PYTHONPATH": PLACES}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    assert f"{exported.tables} tables, {exported.rows} rows" in done.stderr
