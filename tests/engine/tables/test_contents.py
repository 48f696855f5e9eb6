"""The contents of lookups: every form they may have, what is new when they are declared again, and what differs."""

from __future__ import annotations

import datetime
import functools
import math
import re
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import polars as pl
import pytest

import djarrow as dj
from djarrow.engine.connect import connect
from djarrow.engine.embedded import EmbeddedServer
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import (
    DuplicateKey,
    InvalidValue,
    MissingField,
    MissingParent,
    RowError,
    TransactionError,
    UnknownField,
)

Ask = Callable[[str], list[dict[str, Any]]]
TEXT = "mode : varchar(8)\n---\nx : uint8"
ROWS = [{"mode": "a", "x": 1}, {"mode": "b", "x": 2}]


def lookup(schema: dj.Schema, definition: str, contents: Any, name: str = "Mode") -> Any:
    """A lookup of this definition and contents, declared in the schema."""
    return schema(type(name, (dj.Lookup,), {"definition": definition, "contents": contents}))


def again(schema: dj.Schema, definition: str, contents: Any, connection: PostgresConnection | None = None) -> Any:
    """The same lookup as another process declares it."""
    return lookup(dj.Schema(schema.name, connection=connection or schema.connection), definition, contents)


def tables(ask: Ask, schema: dj.Schema) -> list[str]:
    """The tables that the database has in the schema."""
    return [
        row["name"] for row in ask(f"SELECT tablename::text AS name FROM pg_tables WHERE schemaname = '{schema.name}'")
    ]


# --- forms -------------------------------------------------------------------------------------------------------


def generate() -> Iterator[tuple[str, int]]:
    """Rows one by one."""
    yield "a", 1
    yield "b", 2


class Own:
    """Methods that a lookup's class may have as its contents."""

    def method(self) -> Iterator[tuple[str, int]]:
        """Rows of an instance."""
        return generate()

    @classmethod
    def of_class(cls) -> list[dict[str, Any]]:
        """Rows of the class."""
        return ROWS


@pytest.mark.parametrize(
    "contents",
    [
        generate,
        Own.method,
        vars(Own)["of_class"],
        staticmethod(generate),
        property(lambda _: generate()),
        functools.partial(list, ROWS),
        pl.DataFrame(ROWS),
        pl.DataFrame(ROWS).with_columns(pl.col("mode").cast(pl.Categorical)).to_arrow(),
        {"a": 1, "b": 2}.items(),
    ],
    ids=[
        "generator function",
        "method",
        "classmethod",
        "staticmethod",
        "property",
        "partial",
        "polars",
        "arrow",
        "items",
    ],
)
def test_contents_in_every_form(schema: dj.Schema, contents: Any) -> None:
    """Contents are rows as insert takes them, or a function, method or property that gives such rows."""
    assert lookup(schema, TEXT, contents).to_dicts() == ROWS


def test_contents_that_are_a_query(schema: dj.Schema) -> None:
    """Contents may be a query over lookups that are filled before."""
    Mode = lookup(schema, TEXT, ROWS)
    Twice = lookup(schema, "-> Mode\n---\ny : uint16", Mode.proj(y="2 * x"), "Twice")
    assert Twice.to_dicts() == [{"mode": "a", "y": 2}, {"mode": "b", "y": 4}]


def test_a_part_of_a_lookup_has_contents(schema: dj.Schema) -> None:
    """A part of a lookup is filled from its own contents, after its master."""

    @schema
    class Probe(dj.Lookup):
        definition = "probe : varchar(8)\n---"
        contents = (("A1",), ("B2",))

        class Site(dj.Part):
            definition = "-> master\nsite : uint8\n---"
            contents = (("A1", 0), ("A1", 1), ("B2", 0))

    assert Probe.Site.keys() == [{"probe": p, "site": s} for p, s in (("A1", 0), ("A1", 1), ("B2", 0))]


def test_a_generator_is_read_once_and_kept(schema: dj.Schema) -> None:
    """The rows of a generator stay on the class: dropped and declared again, the table has them again."""
    Mode = lookup(schema, TEXT, generate())
    assert Mode.to_dicts() == ROWS
    schema.connection.execute(f'DROP SCHEMA "{schema.name}" CASCADE')
    other = dj.Schema(schema.name, connection=schema.connection)
    Derived: Any = type("Mode", (Mode,), {"definition": TEXT})
    assert other(Derived).to_dicts() == ROWS
    assert Mode.contents == [("a", 1), ("b", 2)]


def test_a_generator_that_fails(schema: dj.Schema, ask: Ask) -> None:
    """A generator that raises leaves no table, and used again says so instead of having no rows."""

    def failing() -> Iterator[tuple[str, int]]:
        yield "a", 1
        raise OSError("the network is down")

    Mode = lookup(schema, TEXT, failing())
    with pytest.raises(OSError, match="network"):
        Mode.fetch()
    with pytest.raises(InvalidValue, match=r"failed before its end \(OSError: the network is down\)"):
        Mode.fetch()
    assert tables(ask, schema) == []


# --- files -------------------------------------------------------------------------------------------------------

SHELF = """
code : varchar(8)
---
name : varchar(20)
count = null : int32
weight = 1.5 : float64
price : decimal(6,2)
open = true : bool
since = null : date
at = null : timestamp
label = null : varchar(8)
doc = null : json
id = null : uuid
size = 'm' : enum('s', 'm', 'l')
"""

CSV = """\
size,code,name,count,weight,price,open,since,at,label,doc,id
l,007,"Bolt, long",12,2.25,3.10,f,2024-10-28,2024-10-28T12:00:00Z,x,"{""a"": [1]}",12345678-1234-5678-1234-567812345678
,1e3,,,,0,,,,"",,
"""


@pytest.mark.parametrize("form", [str, Path], ids=["text", "path"])
def test_a_csv_file_is_read_by_the_types_of_the_attributes(schema: dj.Schema, tmp_path: Path, form: Any) -> None:
    """`007` stays text where text is declared; a field with nothing in it is the default, NULL, or an empty text."""
    (tmp_path / "shelf.csv").write_text(CSV, "utf-8")
    Shelf = lookup(schema, SHELF, form(tmp_path / "shelf.csv"), "Shelf")
    first, second = Shelf.to_dicts()
    assert first == {
        "code": "007",
        "name": "Bolt, long",
        "count": 12,
        "weight": 2.25,
        "price": Decimal("3.10"),
        "open": False,
        "since": datetime.date(2024, 10, 28),
        "at": datetime.datetime(2024, 10, 28, 12, tzinfo=datetime.UTC),
        "label": "x",
        "doc": {"a": [1]},
        "id": UUID("12345678-1234-5678-1234-567812345678"),
        "size": "l",
    }
    assert second == {
        "code": "1e3",
        "name": "",
        "count": None,
        "weight": 1.5,
        "price": Decimal("0.00"),
        "open": True,
        "since": None,
        "at": None,
        "label": "",
        "doc": None,
        "id": None,
        "size": "m",
    }


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("mode,x\na,1\nb,two\n", InvalidValue, r"'x', row 1: 'two' is no uint8"),
        ("mode,x\na,1\nb,256\n", InvalidValue, r"'x', row 1: 256 is no uint8"),
        ("mode,x\na,1\nb,1_0\n", InvalidValue, r"'x', row 1: '1_0' is no uint8: it is no plain number"),
        ("mode,x\na,1\nb,\n", MissingField, r"'x', row 1: a value is required"),
        ("mode,x\na,1\nb,1,2\n", InvalidValue, r"cannot be read: .*Expected 2 columns, got 3"),
        ("mode,x,y\na,1,1\n", UnknownField, r"no attribute 'y'"),
        ("mode,x,x\na,1,1\n", UnknownField, r"'x': the column stands twice"),
        ("mode\na\n", MissingField, r"'x': a value is required"),
        ("", InvalidValue, r"cannot be read: Empty CSV file"),
    ],
)
def test_a_csv_file_that_does_not_fit(
    schema: dj.Schema, tmp_path: Path, text: str, error: type[RowError], message: str
) -> None:
    """A file with a wrong field is refused with the row, and the table is not made."""
    (tmp_path / "mode.csv").write_text(text, "utf-8")
    with pytest.raises(error, match=message):
        lookup(schema, TEXT, str(tmp_path / "mode.csv")).declare()
    assert not schema.exists


def test_a_file_is_looked_for_beside_the_module(
    schema: dj.Schema, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative path starts at the folder of the module that defines the class, then at the working folder."""
    package, work = tmp_path / "package", tmp_path / "work"
    package.mkdir()
    work.mkdir()
    source = "class {0}(dj.Lookup):\n    definition = 'mode : varchar(8)\\n---'\n    contents = '{1}.csv'\n"
    classes = [source.format(name, name.lower()) for name in ("Mode", "Other", "Lost")]
    (package / "lab_of_contents.py").write_text("import djarrow as dj\n" + "".join(classes), "utf-8")
    (package / "mode.csv").write_text("mode\nmodule\n", "utf-8")
    (work / "mode.csv").write_text("mode\nwork\n", "utf-8")
    (work / "other.csv").write_text("mode\nwork\n", "utf-8")
    monkeypatch.syspath_prepend(package)
    monkeypatch.chdir(work)
    import lab_of_contents as lab  # type: ignore[import-not-found]

    assert schema(lab.Mode).to_dicts() == [{"mode": "module"}]
    assert schema(lab.Other).to_dicts() == [{"mode": "work"}]
    with pytest.raises(InvalidValue, match=re.escape(f"'lost.csv', is not in {package} nor in {work}")):
        schema(lab.Lost).declare()


def test_a_parquet_file(schema: dj.Schema, tmp_path: Path) -> None:
    """Contents may be a Parquet file."""
    pl.DataFrame(ROWS).write_parquet(tmp_path / "mode.parquet")
    assert lookup(schema, TEXT, tmp_path / "mode.parquet").to_dicts() == ROWS


def test_a_file_of_another_kind(schema: dj.Schema, tmp_path: Path) -> None:
    """A path that is neither CSV nor Parquet is refused with the two endings."""
    with pytest.raises(InvalidValue, match=r"end in \.csv or \.parquet, not"):
        lookup(schema, TEXT, tmp_path / "mode.txt").declare()


# --- declared again ----------------------------------------------------------------------------------------------

EVERY = """
key : uuid
---
f : float32
d : decimal(5,2)
e : enum('a', 'b')
t = null : timestamp
b = null : blob
j = null : json
s = null : varchar(8)
n = 5 : int16
made = NOW : timestamp
"""
KEY = UUID(int=7)
ROW = {"key": KEY, "f": math.nan, "d": 1.1, "e": "a", "t": "2024-10-28 12:00", "b": b"\x00", "j": {"a": [1.0], "b": 2}}


@pytest.mark.parametrize(
    "row",
    [
        ROW,
        {**ROW, "key": str(KEY), "f": math.nan, "d": Decimal("1.100"), "t": "2024-10-28T14:00:00+02:00"},
        {**ROW, "j": {"b": 2, "a": [1]}, "s": None},
        {key: ROW[key] for key in ("key", "f", "d", "e")},
    ],
    ids=["same", "other forms", "JSON in another order", "fewer fields"],
)
def test_what_is_the_same_is_not_reported(schema: dj.Schema, second: PostgresConnection, row: dict[str, Any]) -> None:
    """NaN, decimals, moments, JSON and UUIDs are compared as values; fields that the contents leave out are not."""
    Mode = lookup(schema, EVERY, [ROW])
    Mode.insert1({**ROW, "key": UUID(int=8)})
    schema.connection.execute(f"UPDATE {Mode().full_table_name} SET n = 6")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(again(schema, EVERY, [row, {**row, "key": UUID(int=8)}], second)) == 2


@pytest.mark.parametrize(
    ("changed", "shown"),
    [
        ({"f": 1.5}, "f nan -> 1.5"),
        ({"d": Decimal("1.11")}, "d Decimal('1.10') -> Decimal('1.11')"),
        ({"e": "b"}, "e 'a' -> 'b'"),
        ({"b": b"\x01"}, r"b b'\x00' -> b'\x01'"),
        ({"b": None}, r"b b'\x00' -> None"),
        ({"j": {"a": [2]}}, "j {'a': [1.0], 'b': 2} -> {'a': [2]}"),
        ({"s": "new"}, "s None -> 'new'"),
        ({"n": 6}, "n 5 -> 6"),
        ({"e": "b", "n": 6}, "e 'a' -> 'b', n 5 -> 6"),
    ],
)
def test_what_differs_is_reported_and_left(
    schema: dj.Schema, second: PostgresConnection, changed: dict[str, Any], shown: str
) -> None:
    """A row whose key is there is not overwritten, and a warning names table, key and what differs."""
    before = lookup(schema, EVERY, [ROW]).to_dicts()
    Mode = again(schema, EVERY, [{**ROW, **changed}], second)
    with pytest.warns(UserWarning, match=re.escape(f"'{schema.name}.#mode' differs")) as caught:
        Mode.declare()
    (report,) = [str(warning.message) for warning in caught]
    assert f"\n  - key = UUID('{KEY}'): {shown}\n" in report
    assert str(Mode.to_dicts()) == str(before)  # as text: NaN is not equal to itself


def test_a_long_report_is_cut(schema: dj.Schema, second: PostgresConnection) -> None:
    """Of many rows that differ five are listed, and the rest are counted."""
    lookup(schema, "k : uint16\n---\nx : uint8", [(k, 0) for k in range(30)]).declare()
    with pytest.warns(UserWarning, match=r"(?s)in 29 rows.*and 24 more") as caught:
        again(schema, "k : uint16\n---\nx : uint8", [(k, int(k > 0)) for k in range(30)], second).declare()
    assert str(caught[0].message).count(": x 0 -> 1") == 5


def test_rows_of_users_stay(schema: dj.Schema, second: PostgresConnection) -> None:
    """New rows are added, and rows that the contents do not have stay without a word."""
    lookup(schema, TEXT, ROWS).insert1(("mine", 9))
    Mode = again(schema, TEXT, [*ROWS[1:], {"mode": "c", "x": 3}], second)
    assert Mode.to_dicts() == [*ROWS, {"mode": "c", "x": 3}, {"mode": "mine", "x": 9}]


def test_a_singleton_has_contents(schema: dj.Schema, second: PostgresConnection) -> None:
    """The one row of a table without a key is inserted once, and compared later."""
    assert lookup(schema, "---\nrate : float64", [(2.5,)]).fetch1("rate") == 2.5
    assert len(again(schema, "---\nrate : float64", [(2.5,)], second)) == 1
    with pytest.warns(UserWarning, match=r"the row: rate 2.5 -> 3.5"):
        again(schema, "---\nrate : float64", [(3.5,)], second).declare()


def test_a_row_of_defaults_only(schema: dj.Schema) -> None:
    """A singleton whose contents leave every field to its default has its row."""
    assert lookup(schema, "---\nrate = 1.5 : float64", [{}]).to_dicts() == [{"rate": 1.5}]


@pytest.mark.parametrize(
    "definition", ["k : int32 auto_increment\n---\nname : varchar(8)", "k = NOW : date\n---\nname : varchar(8)"]
)
def test_contents_that_leave_out_their_key(schema: dj.Schema, ask: Ask, definition: str) -> None:
    """A key that the database would give is refused: the rows would be new with each declaration."""
    with pytest.raises(MissingField, match=r"'k': contents give the whole primary key"):
        lookup(schema, definition, [{"name": "a"}]).declare()
    assert tables(ask, schema) == []


# --- one or none -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("contents", "error", "row"),
    [
        ([("a", 1), ("b", 256)], InvalidValue, 1),
        ([{"mode": "a", "x": 1}, {"mode": "b", "y": 1}], UnknownField, 1),
        ([{"mode": "a", "x": 1}, {"mode": "b"}], MissingField, 1),
        ([("a", 1), ("b",)], MissingField, 1),
        ([("a", 1), ("a", 2)], DuplicateKey, None),
    ],
    ids=["type", "unknown", "missing", "short", "twice"],
)
def test_wrong_contents_leave_nothing(
    schema: dj.Schema, ask: Ask, contents: Any, error: type[RowError], row: int | None
) -> None:
    """Contents that do not fit are refused with the row; no table of the declaration is made, nor the next time."""
    Other = lookup(schema, TEXT, ROWS, "Other")
    Mode = lookup(schema, TEXT, contents)
    for use in (Mode.fetch, Other.declare):
        with pytest.raises(error) as caught:
            use()
        assert (caught.value.table, caught.value.row) == (f"{schema.name}.#mode", row)
        assert tables(ask, schema) == []


def test_contents_without_their_parent(schema: dj.Schema, ask: Ask) -> None:
    """A row whose parent is missing is named by its number and values, and no table is made."""
    lookup(schema, TEXT, ROWS)
    Setting = lookup(schema, "s : uint8\n---\n-> Mode", [(1, "a"), (2, "b"), (3, "c")], "Setting")
    with pytest.raises(MissingParent, match=r"mode = c") as caught:
        Setting.declare()
    assert caught.value.row == 2
    assert caught.value.__notes__ == ["It is row 2 of the contents of the class Setting."]
    assert tables(ask, schema) == []


def test_the_same_row_twice(schema: dj.Schema) -> None:
    """Two equal rows of the contents are one."""
    assert lookup(schema, TEXT, [*ROWS, ROWS[0]]).to_dicts() == ROWS


def test_new_contents_of_two_lookups_go_in_together(schema: dj.Schema, second: PostgresConnection) -> None:
    """Where the new contents of one lookup are refused, those of another are not inserted either."""
    lookup(schema, TEXT, ROWS, "First").declare()
    lookup(schema, TEXT, ROWS, "Second").declare()
    later = dj.Schema(schema.name, connection=second)
    First = lookup(later, TEXT, [*ROWS, ("c", 3)], "First")
    lookup(later, TEXT, [*ROWS, ("d", 300)], "Second")
    with pytest.raises(InvalidValue, match="300"):
        First.declare()
    assert schema.tables[0].to_dicts() == ROWS


def test_new_contents_inside_a_transaction(schema: dj.Schema, second: PostgresConnection) -> None:
    """Inside a transaction contents are not inserted, which it might undo; without new ones the lookup is used."""
    lookup(schema, TEXT, ROWS).declare()
    with second.transaction:
        assert len(again(schema, TEXT, ROWS, second)) == 2
    Mode = again(schema, TEXT, [*ROWS, ("c", 3)], second)
    with second.transaction, pytest.raises(TransactionError, match=r"#mode: its contents .*activate\(\)"):
        Mode.fetch()
    assert len(Mode) == 3


def test_a_hierarchy_in_any_order(schema: dj.Schema) -> None:
    """Contents whose rows refer to one another go in as they stand, children first as well."""
    text = "region_id : int32\n---\nname : varchar(40)\n-> [nullable] Region.proj(parent_id='region_id')"
    rows = [(688, "Olfactory areas", 997), (315, "Hippocampal formation", 997), (997, "Root", None)]
    Region = lookup(schema, text, rows, "Region")
    assert len(Region & "parent_id IS NULL") == 1
    assert len(Region & {"parent_id": 997}) == 2


# --- several processes -------------------------------------------------------------------------------------------


def test_several_declare_and_fill_at_once(schema: dj.Schema, server: EmbeddedServer) -> None:
    """Those that declare a lookup at the same time, each with rows of its own, all succeed and all rows are there."""
    url, together = server.url(), threading.Barrier(4, timeout=20)
    assert url is not None

    def declare(number: int) -> None:
        connection = connect(url)
        try:
            for round_ in range(3):
                rows = [("all", 0), (f"{round_}{number}", number)]
                Mode = again(schema, TEXT, rows, connection)
                together.wait()
                Mode.declare()
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(declare, range(4)))
    found = again(schema, TEXT, ()).fetch("mode").tolist()
    assert found == [*(f"{round_}{number}" for round_ in range(3) for number in range(4)), "all"]


def test_a_reader_uses_and_compares(schema: dj.Schema, server: EmbeddedServer, connection: PostgresConnection) -> None:
    """Who may only read is not refused where nothing is new, is told what differs, and is refused where there is."""
    url, reader = server.url(), f"reader_{schema.name}"
    assert url is not None
    lookup(schema, TEXT, ROWS).declare()
    connection.execute(f"CREATE ROLE {reader} LOGIN PASSWORD 'x'")
    connection.execute(f'GRANT USAGE ON SCHEMA "{schema.name}" TO {reader}')
    connection.execute(f'GRANT SELECT ON ALL TABLES IN SCHEMA "{schema.name}" TO {reader}')
    place = urlsplit(url)
    opened = connect(place._replace(netloc=f"{reader}:x@{place.hostname}:{place.port}").geturl())
    try:
        assert len(again(schema, TEXT, ROWS[:1], opened)) == 2
        with pytest.warns(UserWarning, match="x 1 -> 7"):
            assert len(again(schema, TEXT, [("a", 7)], opened)) == 2
        with pytest.raises(dj.errors.AccessDenied):
            again(schema, TEXT, [("c", 3)], opened).declare()
    finally:
        opened.close()
        connection.execute(f"DROP OWNED BY {reader}")
        connection.execute(f"DROP ROLE {reader}")


@pytest.mark.parametrize("count", [1, 30])
def test_opening_many_lookups_takes_few_statements(schema: dj.Schema, counting: Any, count: int) -> None:
    """Where all is there, comparing catalog and contents takes two statements, however many lookups there are."""
    kinds = ["uint8", "uint64", "decimal(9,3)", "char(4)", "date", "bool", "uuid", "json", "float32", "blob"]
    values = [1, 2**63, "1.5", "a", "2020-01-01", True, "6ba7b810-9dad-11d1-80b4-00c04fd430c8", [1], 0.1, b"\0"]

    def pipeline(connection: PostgresConnection) -> dj.Schema:
        made = dj.Schema(schema.name, connection=connection)
        for number in range(count):
            kind, value = kinds[number % len(kinds)], values[number % len(kinds)]
            body = {
                "definition": f"k : int32\n---\nx{number} : {kind}\ny : enum('p', 'q')",
                "contents": [(1, value, "p"), (2, value, "q")],
            }
            made(type(f"Kind{number}", (dj.Lookup,), body))
        return made

    pipeline(schema.connection).activate()
    again = pipeline(counting)
    counting.statements.clear()
    again.activate()
    assert len(counting.statements) == 2
    assert all(len(table()) == 2 for table in again.tables)
