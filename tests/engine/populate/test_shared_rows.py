"""Rows of makes that share a transaction: they wait, go up together, and are those of each make alone."""

from __future__ import annotations

import contextlib
import datetime
import decimal
import threading
import time
import uuid
from contextvars import copy_context
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.engine.session import Session
from djarrow.engine.transactions import Transactions
from djarrow.errors import MissingParent, UnknownOutcome
from djarrow.sql import makes

from .sharing import KEYS, anything, declare, together, transactions


@pytest.fixture
def pipeline(schema: dj.Schema) -> SimpleNamespace:
    """Scan with notes, and Stats."""
    return declare(schema)


@pytest.fixture
def scans(schema: dj.Schema) -> Any:
    """Scan alone."""

    @schema
    class Scan(dj.Manual):
        definition = "scan : int32"

    Scan.insert([(number,) for number in range(KEYS)])
    return Scan


def computed(schema: dj.Schema, make: Any) -> Any:
    """A table of Scan with this make, to which its own row is added."""

    def with_row(table: Any, key: dict[str, Any]) -> None:
        make(key["scan"])
        table.insert1(key)

    return schema(type("Result", (dj.Computed,), {"definition": "-> Scan", "make": with_row}))


def test_what_a_later_make_corrects_makes_the_earlier_stale(
    pipeline: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where each has a transaction: what the log says of one, another that shares it would seem to know."""
    finish = makes.finish_together

    def late(*arguments: Any) -> str:
        time.sleep(0.2)
        return finish(*arguments)

    def make(table: Any, key: dict[str, Any]) -> None:
        value = (pipeline.Scan & key).fetch1("value")
        if key["scan"] == 20:
            pipeline.Scan.update1({"scan": 19, "value": -1})
        table.insert1({**key, "double": value})

    monkeypatch.setattr(makes, "finish_together", late)
    pipeline.made.make = make
    with anything():
        assert pipeline.Stats.populate().done == KEYS
    assert pipeline.Stats.stale().to_polars()["scan"].to_list() == [19]


def test_an_interruption_as_rows_go_up_keeps_no_half(
    pipeline: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server has them, and Ctrl-C comes before this process knows."""
    run = PostgresConnection.run

    def interrupted(self: PostgresConnection, text: str) -> None:
        run(self, text)
        if "(23, 'seen')" in text:
            raise KeyboardInterrupt

    def make(table: Any, key: dict[str, Any]) -> None:
        len(pipeline.Note())
        pipeline.Note.insert1({**key, "text": "seen"})
        len(pipeline.Note & "text = 'seen'")
        pipeline.insert(table, key, pipeline.Scan)

    pipeline.made.make = make
    monkeypatch.setattr(PostgresConnection, "run", interrupted)
    with anything(), pytest.raises(KeyboardInterrupt):
        pipeline.Stats.populate()
    assert pipeline.Note.to_arrays("scan").tolist() == pipeline.Stats.to_arrays("scan").tolist()


def test_rows_are_numbered_as_they_came(schema: dj.Schema, scans: Any, connection: PostgresConnection) -> None:
    """Whichever attributes they give."""

    @schema
    class Entry(dj.Manual):
        definition = "entry : int32 auto_increment\n---\nscan : int32\ntext = 'none' : varchar(10)"

    Entry.declare()
    result = computed(schema, lambda n: Entry.insert1({"scan": n} if n % 2 else {"scan": n, "text": "some"}))
    with anything():
        assert result.populate().done == KEYS
    assert Entry.to_polars("scan", "text", order_by="entry").rows() == [
        (n, "none" if n % 2 else "some") for n in range(KEYS)
    ]
    assert len(transactions(connection, result)) < 5


def test_rows_that_refer_to_others_of_their_table(
    schema: dj.Schema, scans: Any, connection: PostgresConnection
) -> None:
    """Some give a reference and some do not: they go up together all the same."""

    @schema
    class Node(dj.Manual):
        definition = "node : int32\n---\n-> [nullable] Node.proj(parent='node')"

    Node.declare()
    result = computed(schema, lambda n: Node.insert1({"node": n, "parent": n - 1} if n % 3 else {"node": n}))
    with anything():
        assert result.populate().done == KEYS
    assert Node.to_polars("parent", order_by="KEY")["parent"].to_list() == [
        n - 1 if n % 3 else None for n in range(KEYS)
    ]
    assert len(transactions(connection, result)) < 5


def test_rows_of_another_schema_go_after_their_parents(
    schema: dj.Schema, scans: Any, connection: PostgresConnection
) -> None:
    """One that refers to this schema, of which this one knows nothing."""
    other = dj.Schema(f"{schema.name}_other", connection=connection)

    @schema
    class Zebra(dj.Manual):
        definition = "scan : int32"

    @other
    class Aardvark(dj.Manual):
        definition = "-> Zebra"

    def make(n: int) -> None:
        Zebra.insert1((n,))
        Aardvark.insert1((n,))

    Aardvark.declare()
    result = computed(schema, make)
    with anything():
        assert result.populate().done == KEYS
    written = transactions(connection, result)
    connection.execute(f'DROP SCHEMA "{other.name}" CASCADE')
    assert len(written) < 5


def test_a_part_before_its_master_is_refused_of_every_key(pipeline: SimpleNamespace) -> None:
    """As where each has a transaction, although all of them would go up in a better order."""

    def make(table: Any, key: dict[str, Any]) -> None:
        if key["scan"]:
            table.Item.insert1({**key, "item": 1})
        table.insert1({**key, "double": 0})

    pipeline.made.make = make
    with together():
        found = pipeline.Stats.populate(suppress_errors=True)
    assert found.done == 1
    assert [type(failure.error) for failure in found.failures] == [MissingParent] * (KEYS - 1)


def test_many_rows_of_one_make_do_not_wait_for_its_end(
    pipeline: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loop of insert1: no statement grows with it, numbers counted too."""
    sizes = []
    run = PostgresConnection.run

    def counted(self: PostgresConnection, text: str) -> None:
        sizes.append(text.count("), ("))
        run(self, text)

    def make(table: Any, key: dict[str, Any]) -> None:
        pipeline.insert(table, key, pipeline.Scan)
        for item in range(40_000 if key["scan"] == 1 else 1):
            table.Item.insert1({**key, "item": item})

    monkeypatch.setattr(PostgresConnection, "run", counted)
    pipeline.made.make = make
    (pipeline.Scan & "scan > 2").delete(prompt=False)
    with together():
        assert pipeline.Stats.populate().done == 3
    assert len(pipeline.Stats.Item) == 40_002
    assert max(sizes) < 35_000


def test_rows_that_wait_are_shown(pipeline: SimpleNamespace) -> None:
    """By a preview within the make, as by any read."""
    seen = []

    def make(table: Any, key: dict[str, Any]) -> None:
        pipeline.Note.insert1({**key, "text": "shown"})
        seen.append(repr(pipeline.Note & key))
        pipeline.insert(table, key, pipeline.Scan)

    pipeline.made.make = make
    with anything():
        assert pipeline.Stats.populate().done == KEYS
    assert all("shown" in text for text in seen)


def test_rows_of_a_savepoint_that_is_undone_are_gone(pipeline: SimpleNamespace, connection: PostgresConnection) -> None:
    """insert_many that fails, and is passed over: its rows had waited. COPY gives the number of its own make."""

    def make(table: Any, key: dict[str, Any]) -> None:
        with contextlib.suppress(dj.errors.UnknownField):
            dj.insert_many({pipeline.Note: [{**key, "text": "a"}], pipeline.Scan: [{"bad": 1}]})
        pipeline.insert(table, key, pipeline.Scan)
        table.Item.insert(pl.DataFrame({"scan": [key["scan"]] * 30, "item": range(30)}))

    pipeline.made.make = make
    with anything():
        assert pipeline.Stats.populate().done == KEYS
    assert not pipeline.Note()
    stats, item = pipeline.Stats().full_table_name, pipeline.Stats.Item().full_table_name
    text = f'SELECT count(*) AS n FROM {stats} AS s JOIN {item} AS i ON s.scan = i.scan AND s."_make" = i."_make"'
    assert connection.query(text).column("n").to_pylist() == [30 * KEYS]
    assert len(transactions(connection, pipeline.Stats)) < 5


def test_threads_of_a_make_are_outside(pipeline: SimpleNamespace) -> None:
    """What they know of the make does not matter: they see what is committed, and Polars what the make does."""
    seen = []

    def make(table: Any, key: dict[str, Any]) -> None:
        pipeline.Note.insert1({**key, "text": "mine"})
        context = copy_context()
        other = threading.Thread(target=lambda: seen.append(context.run(lambda: len(pipeline.Note & key))))
        other.start()
        other.join()
        assert pipeline.Note.to_lazy().filter(pl.col("scan") == key["scan"]).collect().height == 1
        pipeline.insert(table, key, pipeline.Scan)

    pipeline.made.make = make
    with anything():
        assert pipeline.Stats.populate().done == KEYS
    assert seen == [0] * KEYS


def test_rows_go_up_in_their_transaction_whoever_reads(
    pipeline: SimpleNamespace, connection: PostgresConnection
) -> None:
    """A lazy frame of the make, collected in a thread: it sees the rows that wait, and no other connection has them."""
    seen = []

    def make(table: Any, key: dict[str, Any]) -> None:
        lazy = pipeline.Note.to_lazy().filter(pl.col("scan") == key["scan"])
        pipeline.Note.insert1({**key, "text": "mine"})
        other = threading.Thread(target=lambda: seen.append(lazy.collect().height))
        other.start()
        other.join()
        pipeline.insert(table, key, pipeline.Scan)

    pipeline.made.make = make
    with anything():
        assert pipeline.Stats.populate().done == KEYS
    assert seen == [1] * KEYS
    assert len(transactions(connection, pipeline.Note)) < 5


def test_each_key_has_its_own_unknown_outcome(pipeline: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """COMMIT is not answered: the error of each tells its key, and no other."""
    commit = Transactions._commit

    def cut(self: Transactions, session: Session) -> None:
        if len(pipeline.made.calls) != 1 + 20:
            commit(self, session)
            return
        self._roll_back(session)
        raise UnknownOutcome("77")

    monkeypatch.setattr(Transactions, "_commit", cut)
    with together():
        found = pipeline.Stats.populate(suppress_errors=True)
    assert [failure.key["scan"] for failure in found.failures] == list(range(1, 21))
    assert all(isinstance(failure.error, UnknownOutcome) for failure in found.failures)
    for failure in found.failures:
        (note,) = failure.error.__notes__
        assert f"'scan': {failure.key['scan']}}}" in note


KINDS: dict[str, list[Any]] = {
    "varchar(20)": ["", "'", "a\n%s", "é"],
    "char(5)": ["", "b", " c", "d"],
    "enum('x','y''z')": ["x", "y'z"],
    "uint8": [0, 255],
    "int32": [-(2**31), 2**31 - 1],
    "int64": [-(2**63), 0, 2**63 - 1],
    "bool": [True, False],
    "float32": [0.1, 1e-38, float("nan"), -0.0, float("inf")],
    "float64": [0.1, 1e-300, float("nan"), -0.0, float("-inf")],
    "decimal(9,3)": [decimal.Decimal("0.125"), decimal.Decimal(-3)],
    "uuid": [uuid.UUID(int=0), uuid.UUID(int=2**128 - 1)],
    "date": [datetime.date(1, 1, 1), datetime.date(9999, 12, 31)],
    "time": [datetime.time(0), datetime.time(23, 59, 59, 999999)],
    "datetime": [datetime.datetime(1, 1, 1), datetime.datetime(9999, 12, 31, 23, 59, 59, 999999)],
    "timestamp": [
        datetime.datetime(1900, 1, 1, tzinfo=datetime.UTC),
        datetime.datetime(2001, 1, 1, tzinfo=datetime.UTC),
    ],
}


@pytest.mark.parametrize("kind", KINDS)
def test_keys_and_values_of_all_types(schema: dj.Schema, connection: PostgresConnection, kind: str) -> None:
    """They are found again as what they are, so that their makes share a transaction."""

    @schema
    class Thing(dj.Manual):
        definition = f"k : {kind}\nn : int32\n---\nv : {kind}"

    @schema
    class Copy(dj.Computed):
        definition = f"-> Thing\n---\nv : {kind}"

        def make(self, key: dict[str, Any]) -> None:
            self.insert1({**key, "v": (Thing & key).fetch1("v")})

    Thing.insert([{"k": value, "n": n, "v": value} for n in range(12) for value in KINDS[kind]])
    with anything():
        assert Copy.populate().done == len(Thing())
    assert repr(Copy.to_dicts()) == repr(Thing.to_dicts())
    assert len(transactions(connection, Copy)) < 6


@pytest.mark.parametrize("reserve_jobs", [False, True])
def test_enums_of_other_software_share(schema: dj.Schema, connection: PostgresConnection, reserve_jobs: bool) -> None:
    """Their columns are of an enum type of the database, which compares with no text."""
    home = f'"{schema.name}"'
    for text in (
        f"CREATE SCHEMA IF NOT EXISTS {home}",
        f"CREATE TYPE {home}.kind AS ENUM ('x', 'y')",
        f"CREATE TABLE {home}.thing (k {home}.kind, n int, PRIMARY KEY (k, n))",
        f"CREATE TABLE {home}.__copy (k {home}.kind, n int, PRIMARY KEY (k, n), "
        f"FOREIGN KEY (k, n) REFERENCES {home}.thing ON UPDATE CASCADE ON DELETE RESTRICT)",
    ):
        connection.execute(text)

    @schema
    class Thing(dj.Manual):
        definition = "k : enum('x', 'y')\nn : int32"

    @schema
    class Copy(dj.Computed):
        definition = "-> Thing"

        def make(self, key: dict[str, Any]) -> None:
            self.insert1(key)

    Thing.insert([(kind, n) for kind in "xy" for n in range(20)])
    with together():
        assert Copy.populate(reserve_jobs=reserve_jobs).done == 40
    assert len(transactions(connection, Copy)) < 6
