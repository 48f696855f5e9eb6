"""`T.stale()`: rows whose inputs or code have changed since their make. `T.accept()`: they hold all the same."""

from __future__ import annotations

import importlib
import linecache
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import InvalidCondition, MakeError, QueryError
from djarrow.sql.literals import identifier


def insert_key(table: Any, key: dict[str, Any]) -> None:
    """What makes here do that need nothing else."""
    table.insert1(key)


@pytest.fixture
def pipeline(schema: dj.Schema) -> SimpleNamespace:
    """Scan (4 rows) with parts, Stats of it with its part Bin, and More of that."""

    @schema
    class Scan(dj.Manual):
        definition = "scan_id : uint8\n---\nvalue : float64\nnote = '' : varchar(20)"

        class Frame(dj.Part):
            definition = "-> master\nframe : uint8\n---\nbright = 0 : float64"

    made = SimpleNamespace(before=lambda key: None, after=lambda key: None)

    @schema
    class Stats(dj.Computed):
        definition = "-> Scan\n---\ndouble : float64"

        class Bin(dj.Part):
            definition = "-> master\nbin : uint8\n---\nx = 0 : float64"

        def make(self, key: dict[str, Any]) -> None:
            made.before(key)
            value = (Scan & key).fetch1("value")
            made.after(key)
            self.insert1({**key, "double": 2 * value})
            self.Bin.insert([{**key, "bin": number} for number in range(2)])

    @schema
    class More(dj.Computed):
        definition = "-> Stats\n---"
        make = insert_key

    Scan.insert([(number, number / 4, "") for number in range(4)])
    Scan.Frame.insert([(number, frame, 0.0) for number in range(4) for frame in range(2)])
    return SimpleNamespace(Scan=Scan, Stats=Stats, More=More, made=made, schema=schema)


def ids(query: Any, name: str = "scan_id") -> list[Any]:
    """The values of one attribute of a query, in key order."""
    return [row[name] for row in query.to_dicts()]


def populated(*tables: Any) -> None:
    """Populate tables, of which then nothing is stale."""
    for table in tables:
        table.populate()
    assert [len(table.stale()) for table in tables] == [0] * len(tables)


# --- inputs ----------------------------------------------------------------------------------------------------------


def test_an_updated_row(pipeline: SimpleNamespace) -> None:
    """What was made from it is stale, and what was made from that; a change to the same value is none."""
    populated(pipeline.Stats, pipeline.More)
    pipeline.Scan.update1({"scan_id": 1, "value": 1 / 4})
    assert len(pipeline.Stats.stale()) == 0
    pipeline.Scan.update1({"scan_id": 2, "value": 9.0})
    assert pipeline.Stats.stale().to_dicts() == [{"scan_id": 2}]
    assert pipeline.Stats.stale().primary_key == ("scan_id",)
    assert ids(pipeline.More().stale()) == [2]
    assert pipeline.Stats.Bin.stale().to_dicts() == [{"scan_id": 2, "bin": 0}, {"scan_id": 2, "bin": 1}]


def test_it_is_a_query(pipeline: SimpleNamespace) -> None:
    """It restricts its table and others, is restricted, aggregated, shown, and read in parts."""
    populated(pipeline.Stats, pipeline.More)
    for number in (1, 2):
        pipeline.Scan.update1({"scan_id": number, "value": 9.0})
    stale = pipeline.Stats.stale()
    assert (pipeline.Stats & stale).to_dicts("double") == [{"double": 0.5}, {"double": 1.0}]
    assert ids(pipeline.Stats - stale) == [0, 3]
    assert ids(stale & "scan_id > 1") == [2]
    assert ids(pipeline.Scan & stale & "value > 1") == [1, 2]
    assert (dj.U() & stale).to_dicts() == [{}]
    assert dj.U().aggr(stale, n="count(*)").fetch1("n") == 2
    assert {"scan_id": 1} in stale
    assert "2 rows" in repr(stale)
    assert ids(stale * pipeline.Stats.provenance() & "keys = 1") == [1, 2]
    assert stale.to_polars(partitions=2).height == 2
    assert (pipeline.Stats & stale).delete(prompt=False) == 2
    with pytest.raises(QueryError, match="only the database keeps"):
        stale.to_sql("duckdb")


def test_it_is_read_when_it_is_used(pipeline: SimpleNamespace) -> None:
    """A query that was made before the first make, and before the first change, knows of both."""
    stale, part = pipeline.Stats.stale(), pipeline.Stats.Bin
    assert len(stale) == 0
    pipeline.Stats.populate()
    assert len(stale) == 0
    pipeline.Scan.update1({"scan_id": 0, "value": 9.0})
    assert ids(stale) == [0]
    assert len(part.stale()) == 2
    assert pipeline.Stats.accept() == 1
    assert len(stale) == 0


def test_a_change_of_a_part(pipeline: SimpleNamespace) -> None:
    """A make may have read all parts of a row upstream."""
    populated(pipeline.Stats, pipeline.More)
    pipeline.Scan.Frame.update1({"scan_id": 3, "frame": 1, "bright": 0.5})
    assert ids(pipeline.Stats.stale()) == [3]
    assert ids(pipeline.More.stale()) == [3]


def test_a_change_of_a_result(pipeline: SimpleNamespace) -> None:
    """A result that was corrected by hand, or its part, is an input of what comes later, and holds itself."""

    @pipeline.schema
    class Late(dj.Computed):
        definition = "-> More\n---"
        make = insert_key

    populated(pipeline.Stats, pipeline.More, Late)
    pipeline.Stats.update1({"scan_id": 1, "double": 7.0})
    assert len(pipeline.Stats.stale()) == 0
    assert ids(pipeline.More.stale()) == [1]
    assert ids(Late.stale()) == [1]
    pipeline.Stats.Bin.update1({"scan_id": 2, "bin": 0, "x": 1.0})
    assert [ids(table.stale()) for table in (pipeline.Stats, pipeline.More, Late)] == [[], [1, 2], [1, 2]]
    assert (pipeline.More.populate(refresh_stale=True).done, Late.populate().done) == (2, 2)
    assert [len(table.stale()) for table in (pipeline.Stats, pipeline.More, Late)] == [0, 0, 0]


def test_replaced_rows(pipeline: SimpleNamespace) -> None:
    """A row that insert replaced is changed where its values are others."""
    populated(pipeline.Stats)
    pipeline.Scan.insert([(1, 0.25, ""), (2, 9.0, ""), (3, 0.75, "x")], replace=True)
    assert ids(pipeline.Stats.stale()) == [2, 3]


def test_rows_without_a_make(pipeline: SimpleNamespace) -> None:
    """Of a row that was inserted by hand nothing says what it was made from; what depends on it is stale by itself."""
    pipeline.Stats.insert1((1, 7.0), allow_direct_insert=True)
    populated(pipeline.Stats, pipeline.More)
    pipeline.Scan.update1({"scan_id": 1, "value": 9.0})
    assert len(pipeline.Stats.stale()) == 0
    assert ids(pipeline.More.stale()) == [1]


def test_results_made_from_stale_ones(pipeline: SimpleNamespace) -> None:
    """What is made from a stale result is stale, though it saw the change itself."""
    populated(pipeline.Stats)
    pipeline.Scan.update1({"scan_id": 1, "value": 9.0})
    pipeline.More.populate()
    assert ids(pipeline.More.stale()) == [1]


REFERENCES = {
    "in the key": ("-> Parent\n---", "a"),
    "beside the key": ("child : uint8\n---\n-> Parent", "a"),
    "renamed": ("-> Parent.proj(other='a')\n---", "other"),
    "nullable": ("child : uint8\n---\n-> [nullable] Parent.proj(other='a')", "other"),
}


@pytest.mark.parametrize("reference", REFERENCES)
def test_references_of_every_kind(schema: dj.Schema, reference: str) -> None:
    """A change passes by each kind of foreign key, to the rows that refer to what was changed, and to no others."""
    text, name = REFERENCES[reference]

    @schema
    class Parent(dj.Manual):
        definition = "a : uint8\n---\nx = 0 : float64"

    @schema
    class Child(dj.Manual):
        definition = text

    @schema
    class Result(dj.Computed):
        definition = "-> Child\n---"
        make = insert_key

    Parent.insert([{"a": number} for number in range(3)])
    rows = [{name: number} for number in range(3)]
    if "child" in Child.heading:
        rows = [{"child": number, **row} for number, row in enumerate(rows)]
        rows += [{"child": 9, name: 1}]
    if reference == "nullable":
        rows += [{"child": 7}]
    Child.insert(rows)
    populated(Result)
    Parent.update1({"a": 1, "x": 9.0})
    key = Child.primary_key[0]
    assert ids(Result.stale(), key) == [row[key] for row in sorted(rows, key=lambda r: r[key]) if row.get(name) == 1]


def test_a_diamond(schema: dj.Schema) -> None:
    """A row that is reached by two ways is there once; one that only one way reaches is there, too."""

    @schema
    class Top(dj.Manual):
        definition = "top : uint8\n---\nx = 0 : float64"

    @schema
    class Left(dj.Manual):
        definition = "left : uint8\n---\n-> Top"

    @schema
    class Right(dj.Manual):
        definition = "right : uint8\n---\n-> Top"

    @schema
    class Bottom(dj.Computed):
        definition = "-> Left\n-> Right\n---"
        make = insert_key

    Top.insert([{"top": number} for number in range(3)])
    Left.insert([(0, 0), (1, 1)])
    Right.insert([(0, 0), (1, 1), (2, 2)])
    populated(Bottom)
    Top.update1({"top": 1, "x": 1.0})
    assert Bottom.stale().to_dicts() == [
        {"left": 0, "right": 1},
        {"left": 1, "right": 0},
        {"left": 1, "right": 1},
        {"left": 1, "right": 2},
    ]
    Top.update1({"top": 2, "x": 1.0})
    assert len(Bottom.stale()) == 5


def test_hierarchies(schema: dj.Schema) -> None:
    """A change passes to all rows that refer to it in their own table, of entered rows and of results, to any depth."""

    @schema
    class Node(dj.Manual):
        definition = "node : uint8\n---\n-> [nullable] Node.proj(above='node')\nx = 0 : float64"

    @schema
    class Result(dj.Computed):
        definition = "-> Node\n---\n-> [nullable] Result.proj(before='node')"

        def make(self, key: dict[str, Any]) -> None:
            before = key["node"] - 1 if key["node"] % 3 else None
            self.insert1({**key, "before": before})

    @schema
    class Late(dj.Computed):
        definition = "-> Result\n---"
        make = insert_key

    Node.insert([(0, None, 0.0), (1, 0, 0.0), (2, 1, 0.0), (3, None, 0.0), (4, None, 0.0), (5, None, 0.0)])
    populated(Result, Late)
    Node.update1({"node": 1, "x": 1.0})
    assert ids(Result.stale(), "node") == [1, 2]
    Node.update1({"node": 3, "x": 1.0})  # results 4 and 5 come from that of 3
    assert ids(Result.stale(), "node") == [1, 2, 3, 4, 5]
    assert ids(Late.stale(), "node") == [1, 2, 3, 4, 5]
    assert Result.accept() == 5
    assert len(Result.stale()) == 0


def test_what_parts_refer_to(schema: dj.Schema) -> None:
    """A row that a part of a result refers to is upstream of the result; so is one of a part that refers to a part."""

    @schema
    class Tool(dj.Lookup):
        definition = "tool : varchar(8)\n---\nx = 0 : float64"
        contents: ClassVar[Any] = [("a", 0.0), ("b", 0.0)]

    @schema
    class Scan(dj.Manual):
        definition = "scan_id : uint8\n---"

        class Shot(dj.Part):
            definition = "-> master\nshot : uint8\n---\nx = 0 : float64"

        class Mark(dj.Part):
            definition = "mark : uint8\n---\n-> Scan.Shot\n-> [nullable] Tool"

    @schema
    class Result(dj.Computed):
        definition = "-> Scan\n---"

        class Item(dj.Part):
            definition = "-> master\n---\n-> Tool"

        def make(self, key: dict[str, Any]) -> None:
            self.insert1(key)
            self.Item.insert1({**key, "tool": "b" if key["scan_id"] == 3 else "a"})

    Scan.insert([(number,) for number in range(4)])
    Scan.Shot.insert([(number, 0, 0.0) for number in range(4)])
    Scan.Mark.insert([(number, number, 0, "b" if number == 1 else None) for number in range(4)])
    populated(Result)
    Tool.update1({"tool": "b", "x": 1.0})
    assert ids(Result.stale()) == [1, 3]
    Scan.Shot.update1({"scan_id": 2, "shot": 0, "x": 1.0})
    assert ids(Result.stale()) == [1, 2, 3]


def test_a_part_that_depends_on_what_its_master_gave(schema: dj.Schema) -> None:
    """Tables whose references meet again below a master have an order all the same."""

    @schema
    class Scan(dj.Manual):
        definition = "scan_id : uint8\n---\nx = 0 : float64"

        class Later(dj.Part):
            definition = "-> master\n---\nnote = '' : varchar(10)"

    @schema
    class Middle(dj.Manual):
        definition = "-> Scan\n---\ny = 0 : float64"

    @schema
    class Group(dj.Manual):
        definition = "-> Middle\n---"

        class Member(dj.Part):
            definition = "-> master\n-> Middle.proj(other='scan_id')\n---"

    @schema
    class Result(dj.Computed):
        definition = "-> Group\n---"
        make = insert_key

    Scan.insert([(number, 0.0) for number in range(4)])
    Middle.insert([(number, 0.0) for number in range(4)])
    Group.insert([(0,), (1,)])
    Group.Member.insert([(0, 2), (1, 3)])
    populated(Result)
    Scan.update1({"scan_id": 3, "x": 1.0})
    assert ids(Result.stale()) == [1]
    Middle.update1({"scan_id": 0, "y": 1.0})
    assert ids(Result.stale()) == [0, 1]


@pytest.fixture
def second(connection: PostgresConnection, schema: dj.Schema) -> Iterator[dj.Schema]:
    """A schema of a name that is hard to write, dropped before the first one."""
    name = f"{schema.name} 'q%s\" second"
    connection.execute(f"CREATE SCHEMA {identifier(name)}")
    made = dj.Schema(name, connection=connection, create_schema=False)
    yield made
    connection.execute(f"DROP SCHEMA {identifier(name)} CASCADE")


def test_other_schemas(schema: dj.Schema, second: dj.Schema) -> None:
    """Changes pass from schema to schema, each with its own log, whatever they are called."""

    @schema
    class Scan(dj.Manual):
        definition = "scan_id : varchar(20)\n---\nx = 0 : float64"

    @second
    class Middle(dj.Computed):
        definition = "-> Scan\n---"
        make = insert_key

    @schema
    class Result(dj.Computed):
        definition = "-> Middle\n---"
        make = insert_key

    names = ["it's", 'a "quote"', "100 %s", "\\", "é"]
    Scan.insert([{"scan_id": name} for name in names])
    populated(Middle, Result)
    for name in names[1:]:
        Scan.update1({"scan_id": name, "x": 1.0})
    assert sorted(ids(Middle.stale())) == sorted(names[1:])
    assert sorted(ids(Result.stale())) == sorted(names[1:])
    assert Middle.accept({"scan_id": 'a "quote"'}) == 1
    assert sorted(ids(Middle.stale())) == sorted(names[2:])


KEYS: dict[str, list[Any]] = {
    "uint8": [1, 200],
    "int32": [-5, 7],
    "uint64": [1, 2**64 - 1],
    "float32": [0.1, float("inf")],
    "float64": [1e-300, float("-inf")],
    "decimal(9,3)": ["1.500", "-2.125"],
    "bool": [True, False],
    "char(4)": ["a", "b  "],
    "varchar(9)": ["", "b'\"\\"],
    "enum('x', 'y')": ["x", "y"],
    "date": ["2020-01-31", "0044-03-15"],
    "time": ["12:00:00.000001", "00:00:00"],
    "datetime": ["2020-01-31T12:00:00.5", "1999-12-31T23:59:59"],
    "timestamp": ["2020-01-31T12:00:00.5+00:00", "1999-12-31T23:59:59+00:00"],
    "uuid": [uuid.UUID(int=1), uuid.UUID(int=2**127)],
}


@pytest.mark.parametrize("kind", KEYS)
def test_keys_of_every_type(schema: dj.Schema, kind: str) -> None:
    """The log finds the row whatever type its key has, and that row alone."""
    import decimal

    values: list[Any] = [decimal.Decimal(v) if kind.startswith("decimal") else v for v in KEYS[kind]]
    text = kind

    @schema
    class Scan(dj.Manual):
        definition = f"a : {text}\nb : uint8\n---\nx = 0 : float64"

    @schema
    class Result(dj.Computed):
        definition = "-> Scan\n---"
        make = insert_key

    Scan.insert([{"a": value, "b": number} for number, value in enumerate(values)])
    populated(Result)
    Scan.update1({"a": values[1], "b": 1, "x": 9.0})
    assert ids(Result.stale(), "b") == [1]
    assert Result.accept() == 1
    assert len(Result.stale()) == 0
    Scan.update1({"a": values[0], "b": 0, "x": 9.0})
    assert ids(Result.stale(), "b") == [0]


@pytest.mark.parametrize(
    "kind", ["int8", "float64", "decimal(5,2)", "bool", "date", "datetime", "timestamp", "time", "uuid"]
)
def test_a_log_of_another_table_of_that_name(schema: dj.Schema, kind: str) -> None:
    """Lines of a table that was dropped, whose key was of another type, say nothing and are no error."""

    def declare(of: str) -> Any:
        @schema
        class Scan(dj.Manual):
            definition = f"a : {of}\n---\nx = 0 : float64"

        return Scan

    Scan = declare("varchar(40)")
    Scan.insert([{"a": a} for a in ("", "x", "1e999", "99999999999999999999", "2020")])
    for row in Scan.to_dicts():
        Scan.update1({**row, "x": 1.0})
    Scan.drop(prompt=False)
    Scan = declare(kind)

    @schema
    class Result(dj.Computed):
        definition = "-> Scan\n---"
        make = insert_key

    Scan.declare()
    populated(Result)


def test_tables_without_key(schema: dj.Schema) -> None:
    """The one row of a table whose key has no attributes is stale or not, and is made anew."""

    @schema
    class Scan(dj.Manual):
        definition = "scan_id : uint8\n---\nx = 0 : float64"

    @schema
    class Total(dj.Computed):
        definition = "---\n-> Scan\nn = 0 : int32"

        @property
        def key_source(self) -> Any:
            return dj.U() & Scan

        def make(self, key: dict[str, Any]) -> None:
            self.insert1({"scan_id": 1, "n": (Scan & "scan_id = 1").fetch1("x")})

    Scan.insert([{"scan_id": 1}, {"scan_id": 2}])
    populated(Total)
    assert Total.stale().to_dicts() == []
    Scan.update1({"scan_id": 2, "x": 3.0})
    assert Total.stale().to_dicts() == []
    Scan.update1({"scan_id": 1, "x": 3.0})
    assert Total.stale().to_dicts() == [{}]
    assert Total.accept() == 1
    assert len(Total.stale()) == 0
    Scan.update1({"scan_id": 1, "x": 4.0})
    assert Total.populate(refresh_stale=True).done == 1
    assert Total.fetch1("n") == 4
    assert len(Total.stale()) == 0


# --- at the same time ------------------------------------------------------------------------------------------------


def elsewhere(action: Callable[[], Any]) -> None:
    """Do something in another session, and be done with it."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            action()
        except BaseException as error:  # noqa: BLE001 - it is told by the test's own thread
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()
    if failed:
        raise failed[0]


def correct(pipeline: SimpleNamespace) -> None:
    """Change the value of scan 1."""
    pipeline.Scan.update1({"scan_id": 1, "value": 9.0})


def test_a_change_before_the_snapshot_of_a_make(pipeline: SimpleNamespace) -> None:
    """A change that was committed before the make read anything was seen, and the result holds."""
    pipeline.made.before = lambda key: elsewhere(lambda: correct(pipeline))
    pipeline.Stats.populate("scan_id = 1")
    assert pipeline.Stats.fetch1("double") == 18.0
    assert len(pipeline.Stats.stale()) == 0


def test_a_change_after_the_snapshot_of_a_make(pipeline: SimpleNamespace) -> None:
    """A change that was committed while a make ran, after its first read, was not seen: the result is stale."""
    pipeline.made.after = lambda key: elsewhere(lambda: correct(pipeline))
    pipeline.Stats.populate("scan_id = 1")
    assert pipeline.Stats.fetch1("double") == 0.5
    assert ids(pipeline.Stats.stale()) == [1]


def test_a_change_that_was_under_way(pipeline: SimpleNamespace, connection: PostgresConnection) -> None:
    """A change that began before a make and was committed after it was not seen, though it is older than the make."""
    changed, made = threading.Event(), threading.Event()
    pipeline.Scan.update1({"scan_id": 0, "value": 5.0})  # the log is there

    def change() -> None:
        with connection.transaction:
            correct(pipeline)
            changed.set()
            assert made.wait(30)

    thread = threading.Thread(target=change)
    thread.start()
    assert changed.wait(30)
    pipeline.Stats.populate("scan_id = 0", max_calls=1)
    # Its row is locked against other changes, and not against rows that refer to it.
    pipeline.Stats.populate("scan_id = 1")
    made.set()
    thread.join(30)
    assert pipeline.Stats.to_dicts("double") == [{"double": 10.0}, {"double": 0.5}]
    assert ids(pipeline.Stats.stale()) == [1]


def test_a_change_that_the_make_made_itself(schema: dj.Schema) -> None:
    """A make that corrects its input knows of it; other results of that input are stale."""

    @schema
    class Scan(dj.Manual):
        definition = "scan_id : uint8\n---\nx = 0 : float64"

    @schema
    class First(dj.Computed):
        definition = "-> Scan\n---"
        make = insert_key

    @schema
    class Second(dj.Computed):
        definition = "-> Scan\n---"

        def make(self, key: dict[str, Any]) -> None:
            Scan.update1({**key, "x": 1.0})
            self.insert1(key)

    Scan.insert1({"scan_id": 1})
    First.populate()
    Second.populate()
    assert len(Second.stale()) == 0
    assert ids(First.stale()) == [1]


def test_numbers_of_another_server(pipeline: SimpleNamespace, connection: PostgresConnection) -> None:
    """After a dump was loaded elsewhere the numbers of transactions mean nothing: times tell what came after a make."""
    populated(pipeline.Stats)
    correct(pipeline)
    name = pipeline.schema.name
    for number in ("NULL", "'3'::xid8"):  # which every snapshot has seen
        connection.execute(f'UPDATE "{name}"."~updates" SET "_transaction" = {number}')
        assert ids(pipeline.Stats.stale()) == [1]
    connection.execute(f'ALTER TABLE "{name}"."~updates" RENAME COLUMN "_transaction" TO "_other"')  # as it once was
    assert ids(pipeline.Stats.stale()) == [1]
    connection.execute(f'ALTER TABLE "{name}"."~updates" RENAME COLUMN "_other" TO "_transaction"')
    for snapshot in ("NULL", "'5000000000:5000000000:'::pg_snapshot"):
        connection.execute(f'UPDATE "{name}"."~makes" SET "_snapshot" = {snapshot}')
        assert ids(pipeline.Stats.stale()) == [1]
    connection.execute(f"""UPDATE "{name}"."~updates" SET "updated" = "updated" - interval '2 days',
        "_transaction" = '6000000000'::xid8""")
    assert len(pipeline.Stats.stale()) == 0  # before the make, whatever the numbers say
    connection.execute(f'UPDATE "{name}"."~updates" SET "_transaction" = NULL')
    assert len(pipeline.Stats.stale()) == 0


# --- accepted --------------------------------------------------------------------------------------------------------


def test_accepted_until_the_next_change(pipeline: SimpleNamespace) -> None:
    """What was accepted is not stale until an input is changed again."""
    populated(pipeline.Stats, pipeline.More)
    for number in (1, 2):
        pipeline.Scan.update1({"scan_id": number, "value": 9.0})
    assert pipeline.Stats.accept("scan_id = 1") == 1
    assert ids(pipeline.Stats.stale()) == [2]
    assert ids(pipeline.Stats.Bin.stale() & "bin = 0") == [2]
    assert pipeline.Stats.accept("scan_id = 1") == 0
    assert pipeline.Stats().accept({"scan_id": 3}) == 0
    pipeline.Scan.update1({"scan_id": 1, "note": "again"})
    assert ids(pipeline.Stats.stale()) == [1, 2]
    assert pipeline.Stats.accept() == 2
    assert ids(pipeline.Stats.stale()) == []
    assert ids(pipeline.More.stale()) == [1, 2]  # each table is accepted by itself
    assert pipeline.More.accept(pipeline.Scan & "note = 'again'") == 1
    assert ids(pipeline.More.stale()) == [2]


def test_accepted_of_a_result_of_a_stale_one(pipeline: SimpleNamespace) -> None:
    """A result of a stale one is accepted by itself; what is accepted upstream makes nothing stale."""
    populated(pipeline.Stats)
    correct(pipeline)
    pipeline.More.populate()
    assert ids(pipeline.More.stale()) == [1]
    assert pipeline.More.accept() == 1
    assert len(pipeline.More.stale()) == 0
    assert ids(pipeline.Stats.stale()) == [1]
    (pipeline.More & "scan_id = 1").delete(prompt=False)
    pipeline.More.populate()
    assert ids(pipeline.More.stale()) == [1]  # it was another result that was accepted
    pipeline.Stats.accept()
    assert len(pipeline.More.stale()) == 0


def test_what_is_kept_of_an_acceptance(pipeline: SimpleNamespace) -> None:
    """schema.accepted tells table, key, make, code, who and when; without rows before anything was accepted."""
    assert pipeline.schema.accepted.to_dicts() == []
    populated(pipeline.Stats)
    correct(pipeline)
    pipeline.Stats.accept()
    (row,) = pipeline.schema.accepted.to_dicts()
    assert (row["table_name"], row["key"]) == ("__stats", {"scan_id": 1})
    stats = pipeline.Stats.provenance() & "scan_id = 1"
    assert row["fingerprints"][f"{pipeline.schema.name}.__stats"] == stats.fetch1("fingerprint")
    assert row["accepted"] > stats.fetch1("started")
    assert len(pipeline.schema.accepted & 'table_name = "__stats"' & "key.scan_id = 1") == 1


def test_accepting_in_a_transaction(pipeline: SimpleNamespace, connection: PostgresConnection) -> None:
    """It is part of the user's transaction, and undone with it."""
    populated(pipeline.Stats)
    correct(pipeline)

    def undone() -> None:
        with connection.transaction:
            assert pipeline.Stats.accept() == 1
            assert len(pipeline.Stats.stale()) == 0
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        undone()
    assert ids(pipeline.Stats.stale()) == [1]
    with connection.transaction:  # what was changed before counts as known, also by the same transaction
        pipeline.Scan.update1({"scan_id": 2, "value": 9.0})
        assert pipeline.Stats.accept() == 2
        pipeline.Scan.update1({"scan_id": 3, "value": 9.0})
        assert ids(pipeline.Stats.stale()) == [3]
    assert ids(pipeline.Stats.stale()) == [3]


def test_a_restriction_that_restricts_nothing(pipeline: SimpleNamespace) -> None:
    """A misspelt name does not accept all."""
    populated(pipeline.Stats)
    correct(pipeline)
    with pytest.raises(InvalidCondition, match="'scan'"):
        pipeline.Stats.accept({"scan": 1})
    assert ids(pipeline.Stats.stale()) == [1]


def test_accepting_where_no_table_may_be_made(pipeline: SimpleNamespace, connection: PostgresConnection) -> None:
    """A schema that makes no tables says who is to make what acceptances are kept in."""
    populated(pipeline.Stats)
    correct(pipeline)
    connection.execute(f'DROP TABLE "{pipeline.schema.name}"."~accepted"')
    assert ids(pipeline.Stats.stale()) == [1]
    pipeline.schema.activate(create_tables=False)
    with pytest.raises(MakeError, match="~accepted"):
        pipeline.Stats.accept()


def test_parts_of_tables_that_do_not_fill_themselves(pipeline: SimpleNamespace) -> None:
    """A part of a manual table is as it was entered."""
    with pytest.raises(QueryError, match="does not fill itself"):
        pipeline.Scan.Frame.stale()


# --- code ------------------------------------------------------------------------------------------------------------

PIPELINE = '''
import djarrow as dj
from . import helpers

schema = dj.Schema()

@schema
class Scan(dj.Manual):
    definition = """
    scan_id : uint8
    ---
    x = 0 : float64
    """

@schema
class Stats(dj.Computed):
    definition = """
    -> Scan
    ---
    y : float64
    """
    def make(self, key):
        self.insert1({**key, "y": helpers.first((Scan & key).fetch1("x"))})

@schema
class More(dj.Computed):
    definition = """
    -> Stats
    ---
    """
    def make(self, key):
        helpers.second(key)
        self.insert1(key)
'''

Load = Callable[[str], ModuleType]


@pytest.fixture
def load(tmp_path: Path, schema: dj.Schema, connection: PostgresConnection, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Import the pipeline anew, with helpers of this text."""
    package = f"lab_{uuid.uuid4().hex[:8]}"
    folder = tmp_path / package
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "pipeline.py").write_text(PIPELINE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def loaded(helpers: str) -> ModuleType:
        (folder / "helpers.py").write_text(helpers)
        for name in [name for name in sys.modules if name.partition(".")[0] == package]:
            del sys.modules[name]
        linecache.clearcache()
        importlib.invalidate_caches()
        module = importlib.import_module(f"{package}.pipeline")
        module.schema.activate(schema.name, connection=connection)
        return module

    return loaded


def helpers(first: str = "2 * x", second: str = "key") -> str:
    """The text of the helpers."""
    return f"def first(x):\n    return {first}\n\ndef second(key):\n    return {second}\n"


def test_changed_code(load: Load) -> None:
    """A changed helper makes stale what was made by it, and what was made from that; a comment makes nothing stale."""
    lab = load(helpers())
    lab.Scan.insert([{"scan_id": number} for number in range(3)])
    populated(lab.Stats, lab.More)
    lab = load("# a comment\n" + helpers())
    assert (len(lab.Stats.stale()), len(lab.More.stale())) == (0, 0)
    lab = load(helpers(second="dict(key)"))
    assert (len(lab.Stats.stale()), len(lab.More.stale())) == (0, 3)
    lab = load(helpers(first="3 * x"))
    assert (len(lab.Stats.stale()), len(lab.More.stale())) == (3, 3)
    lab.Scan.insert1({"scan_id": 7})
    lab.Stats.populate()
    lab.More.populate()
    assert ids(lab.Stats.stale()) == ids(lab.More.stale()) == [0, 1, 2]
    lab = load(helpers())
    assert ids(lab.Stats.stale()) == ids(lab.More.stale()) == [7]


def test_accepted_code(load: Load) -> None:
    """Results by accepted code hold until the code changes again, their own or that of a result upstream."""
    lab = load(helpers())
    lab.Scan.insert([{"scan_id": number} for number in range(3)])
    populated(lab.Stats, lab.More)
    lab = load(helpers(first="3 * x"))
    assert lab.Stats.accept("scan_id < 2") == 2
    assert ids(lab.Stats.stale()) == [2]
    assert ids(lab.More.stale()) == [2]
    assert lab.More.accept() == 1
    assert len(lab.More.stale()) == 0
    lab.Scan.update1({"scan_id": 0, "x": 1.0})
    assert ids(lab.Stats.stale()) == [0, 2]
    assert ids(lab.More.stale()) == [0]
    assert lab.Stats.accept() == 2
    assert lab.More.accept() == 1
    lab = load(helpers(first="3 * x", second="dict(key)"))
    assert (ids(lab.Stats.stale()), ids(lab.More.stale())) == ([], [0, 1, 2])
    lab = load(helpers(first="4 * x"))
    assert (ids(lab.Stats.stale()), ids(lab.More.stale())) == ([0, 1, 2], [0, 1, 2])
    lab = load(helpers(first="3 * x"))  # which was accepted before
    assert (ids(lab.Stats.stale()), ids(lab.More.stale())) == ([], [])


def test_classes_without_code(load: Load, connection: PostgresConnection) -> None:
    """Classes made from the database know no code: of them only changed inputs count."""
    lab = load(helpers())
    lab.Scan.insert([{"scan_id": number} for number in range(3)])
    populated(lab.Stats, lab.More)
    found = dj.virtual(lab.schema.name, connection=connection)
    assert len(found.More.stale()) == 0
    lab.Scan.update1({"scan_id": 1, "x": 1.0})
    assert ids(found.More.stale()) == ids(found.Stats.stale()) == [1]
