"""make, update1 and delete of the same rows, statement by statement in every order: as if one came after the other."""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from attrs import define, field

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.jobs.forms import form_of
from djarrow.jobs.making import Maker
from djarrow.jobs.options import Options
from djarrow.jobs.pace import Pace
from djarrow.jobs.run import Run
from djarrow.jobs.together import Together
from tests.described import drop_schemas
from tests.interleaving import Script, Turns, stepped
from tests.orders import Order, Told, Tree, drawn, one_by_one

log = logging.getLogger(__name__)

SOAK = "DJARROW_SOAK" in os.environ

GONE = {"NotOneRow", "MissingParent", "NoSuchRow", "23503"}
"""What a make or an update says of a key that was deleted before it, whichever of its statements finds out."""

WALKED = [
    "Plain update",
    "Plain delete",
    "Parts update",
    "Parts delete",
    "Plain Plain",
    "update correct",
    "update delete",
    "delete delete",
]
"""Of these scripts every order is tried in every run of the tests."""

LONGER = [
    "Parts Parts",
    "Yielding update",
    "Yielding delete",
    "populate_Plain update",
    "populate_Plain delete",
    "populate_Plain populate_Plain",
    "together update",
    "together delete",
    "together Plain",
    "populate_Batch update",
    "populate_Batch delete",
    "populate_Batch populate_Batch",
    "populate_Query update",
    "populate_Query delete",
    "populate_Query populate_Query",
    "Plain update delete",
    "Parts update delete",
    "together update delete",
    "populate_Query update delete",
    "Plain Plain delete",
]
"""Of these every order in the soak, and some in every run."""


@pytest.fixture
def turns(connection: PostgresConnection, monkeypatch: pytest.MonkeyPatch) -> Iterator[Turns]:
    """Who may send a statement. Nothing pauses before it begins anew."""
    for module in ("table.writing.delete", "jobs.whole"):
        monkeypatch.setattr(f"djarrow.{module}.PAUSE", 0)
    with stepped(monkeypatch, connection) as turns:
        yield turns


@pytest.fixture(scope="module")
def pipeline(connection: PostgresConnection) -> Iterator[SimpleNamespace]:
    """Scan, what is computed of it in each form, and a ledger of the makes."""
    schema = dj.Schema("interleaved", connection=connection)

    @schema
    class Scan(dj.Manual):
        definition = "n : int32\n---\nvalue : int32"

    @schema
    class Ledger(dj.Manual):
        definition = "entry : int64 auto_increment\n---\nmaker : varchar(20)\nn : int32\nvalue : int32"

    @schema
    class Plain(dj.Computed):
        definition = "-> Scan\n---\nvalue : int32"

        def make(self, key: dict[str, Any]) -> None:
            value = (Scan & key).fetch1("value")
            Ledger.insert1({"maker": type(self).__name__, **key, "value": value})
            self.insert1({**key, "value": 2 * value})

    @schema
    class Yielding(dj.Computed):
        definition = "-> Scan\n---\nvalue : int32"

        def make(self, key: dict[str, Any]) -> Any:
            value = (Scan & key).fetch1("value")
            yield value
            yield 2 * value
            Ledger.insert1({"maker": type(self).__name__, **key, "value": value})
            self.insert1({**key, "value": 2 * value})

    @schema
    class Parts(dj.Computed):
        definition = "-> Scan\n---\nvalue : int32"

        def make_fetch(self, key: dict[str, Any]) -> Any:
            return (Scan & key).fetch1("value")

        def make_compute(self, key: dict[str, Any], fetched: Any) -> Any:
            return 2 * fetched

        def make_insert(self, key: dict[str, Any], fetched: Any, computed: Any) -> None:
            Ledger.insert1({"maker": type(self).__name__, **key, "value": fetched})
            self.insert1({**key, "value": computed})

    @schema
    class Batch(dj.Computed):
        definition = "-> Scan\n---\nvalue : int32"

        def make_batch(self, keys: pl.DataFrame) -> Any:
            found = (Scan & keys).to_polars()
            return {
                Ledger: found.with_columns(maker=pl.lit("Batch")),
                self: found.with_columns(value=2 * pl.col("value")),
            }

    @schema
    class Query(dj.Computed):
        definition = "-> Scan\n---\nvalue : int32"

        def make_query(self) -> Any:
            return {Ledger: Scan.proj("value", maker="'Query'"), self: Scan.proj(value="2 * value")}

    computed = (Plain, Yielding, Parts, Batch, Query)
    Scan.insert([(0, 0)])
    for table in computed:
        table.populate()
    Scan.update1({"n": 0, "value": 1})
    named = {table.__name__: table for table in (Scan, Ledger, *computed)}
    stale = {table.__name__: table.stale().to_sql(pretty=False) for table in computed}
    yield SimpleNamespace(schema=schema, computed=[table.__name__ for table in computed], stale=stale, **named)
    drop_schemas(connection, schema.name)


# --- scripts ---------------------------------------------------------------------------------------------------------


def script(pipeline: SimpleNamespace, name: str) -> Script:
    """The script of a name, which works on the key 1, and returns what it did.

    A make is of one of the tables, by itself, or by populate; together: of two keys in one transaction.
    """
    match name:
        case "update":
            return lambda: pipeline.Scan.update1({"n": 1, "value": 20})
        case "correct":
            return lambda: pipeline.Scan.update1({"n": 1, "value": 30})
        case "delete":
            return lambda: dict((pipeline.Scan & {"n": 1}).delete(prompt=False).counts)
        case "together":
            return together(pipeline.Plain)
        case "Plain" | "Yielding" | "Parts":
            table = getattr(pipeline, name)
            maker = Maker(table(), form_of(table()), {})
            return lambda: maker.make({"n": 1})
        case _:
            return populating(getattr(pipeline, name.removeprefix("populate_")))


def populating(table: Any) -> Script:
    """Makes the key 1; says how many it made. That a key has gone is no failure of populate."""

    def make() -> int:
        found = table.populate("n = 1", suppress_errors=True)
        assert found.failures == ()
        return int(found.done)

    return make


def together(table: Any) -> Script:
    """Makes the keys 1 and 2 in one transaction, and where that is not to be, one after the other; says how many."""
    options = Options(suppress_errors=True)

    def make() -> int:
        run = Run(table(), Maker(table(), form_of(table()), {}), options, Together(table(), {}), pace=Pace(2))
        left: list[Any] = [({"n": 1}, None), ({"n": 2}, None)]
        while left:
            del left[: run.make(left)]
        assert run.failures == []
        return run.done

    return make


def did(told: Sequence[Any]) -> tuple[Any, ...]:
    """What scripts did: nothing, where the key was gone. Raises any other error that came out of them."""
    for one in told:
        if isinstance(one, Exception) and (getattr(one, "sqlstate", None) or type(one).__name__) not in GONE:
            raise one
    return tuple("False" if isinstance(one, Exception) else repr(one) for one in told)


def begin(pipeline: SimpleNamespace) -> None:
    """The same rows for every order. TRUNCATE would make files anew, which takes longer than the order."""
    tables = [getattr(pipeline, name).full_table_name for name in (*pipeline.computed, "Ledger", "Scan")]
    tables += [f'"{pipeline.schema.name}"."{name}"' for name in ("~updates", "~makes")]
    deleting = [f"DELETE FROM {table}" for table in tables]
    pipeline.schema.connection.run(
        "; ".join([*deleting, f"INSERT INTO {pipeline.Scan.full_table_name} VALUES (1, 10), (2, 50)"])
    )


def state(pipeline: SimpleNamespace, computed: Iterable[str]) -> tuple[Any, ...]:
    """What these tables hold, with Scan and the ledger, which results are stale, and the updates in their order."""
    texts = [
        f"SELECT '{name}' AS what, n, value FROM {getattr(pipeline, name).full_table_name}"
        for name in ("Scan", *computed)
    ]
    texts.append(f"SELECT 'ledger of ' || maker, n, value FROM {pipeline.Ledger.full_table_name}")
    texts += [f"SELECT 'stale {name}', n, NULL FROM ({pipeline.stale[name]}) AS s" for name in computed]
    texts.append(
        "SELECT 'update ' || row_number() OVER (ORDER BY id), old_value::int, new_value::int "
        f'FROM "{pipeline.schema.name}"."~updates"'
    )
    rows = pipeline.schema.connection.query(" UNION ALL ".join(texts)).to_pylist()
    return tuple(sorted((tuple(row.values()) for row in rows), key=repr))


# --- orders ----------------------------------------------------------------------------------------------------------


@define
class Meeting:
    """Scripts that meet. computed: the tables that they make.

    serial: what comes of them one after the other, by who came when.
    """

    pipeline: SimpleNamespace
    turns: Turns
    scripts: Sequence[Script]
    computed: Sequence[str]
    serial: dict[Order, tuple[Any, ...]] = field(factory=dict)

    @classmethod
    def of(cls, pipeline: SimpleNamespace, turns: Turns, names: str) -> Meeting:
        """The scripts of these names, run one after the other."""
        computed = [name for name in pipeline.computed if name in names or (name == "Plain" and "together" in names)]
        meeting = cls(pipeline, turns, [script(pipeline, name) for name in names.split()], computed)
        for whole in itertools.permutations(range(len(meeting.scripts))):
            meeting.begin()
            meeting.serial[whole] = meeting.end(turns.run(meeting.scripts, one_by_one(whole)))
        return meeting

    def begin(self) -> None:
        """The same rows for every order."""
        begin(self.pipeline)

    def end(self, told: Sequence[Any]) -> tuple[Any, ...]:
        """What the scripts did, and what is there after them."""
        return did(told), state(self.pipeline, self.computed)

    def tree(self, *, prune: bool = True) -> Tree:
        """All orders."""
        return Tree(self.turns, self.scripts, self.begin, prune)

    def check(self, orders: Iterable[Told], *, as_they_ended: bool = False) -> set[tuple[Any, ...]]:
        """Raises where what came of an order comes of none of those one after the other. Gives all that came.

        as_they_ended: it must come of that in which they ended.
        """
        ends = set()
        for order, told in orders:
            try:
                end = self.end(told)
            except Exception as error:
                error.add_note(f"In the order {order}.")
                raise
            ended = tuple(reversed(dict.fromkeys(reversed(order))))
            expected = [self.serial[ended]] if as_they_ended else self.serial.values()
            assert end in expected, f"in the order {order}, of {told} came {end}"
            ends.add(end)
        return ends


@pytest.mark.parametrize("names", WALKED)
def test_every_order_equals_one_after_the_other(pipeline: SimpleNamespace, turns: Turns, names: str) -> None:
    """Each did what it does in some serial order, and the tables, the log and what is stale are as after that; what
    finds its key gone did nothing.
    """
    meeting = Meeting.of(pipeline, turns, names)
    tree = meeting.tree()
    meeting.check(tree.walk())
    log.info("%s: %d orders, %d walks that came to one of them, %d again", names, tree.walked, tree.cut, tree.lost)
    assert tree.walked > len(meeting.serial)


@pytest.mark.parametrize("names", ["Parts update", "Yielding update"])
def test_inputs_of_a_long_make_stay_until_it_ends(pipeline: SimpleNamespace, turns: Turns, names: str) -> None:
    """In every order, a result that was stale when its make ended is none: an update waits for the make, or is seen."""
    meeting = Meeting.of(pipeline, turns, names)
    meeting.check(meeting.tree().walk(), as_they_ended=True)


@pytest.mark.timeout(1800 if SOAK else 120)
@pytest.mark.parametrize("names", LONGER)
def test_orders_equal_one_after_the_other(pipeline: SimpleNamespace, turns: Turns, names: str) -> None:
    """The same of other forms of make, and of three scripts: some orders, and in the soak every one."""
    if SOAK:
        test_every_order_equals_one_after_the_other(pipeline, turns, names)
        return
    meeting = Meeting.of(pipeline, turns, names)
    meeting.check(drawn(turns, meeting.scripts, meeting.begin, 2))


@pytest.mark.skipif(not SOAK, reason="takes minutes")
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("names", ["Plain delete", "update delete"])
def test_orders_that_are_left_out_bring_nothing_new(pipeline: SimpleNamespace, turns: Turns, names: str) -> None:
    """Every order in which the statements can come, whether or not anyone can tell, ends as one that is walked does."""
    meeting = Meeting.of(pipeline, turns, names)
    ends = meeting.check(meeting.tree().walk())
    tree = meeting.tree(prune=False)
    assert meeting.check(tree.walk()) == ends
    log.info("%s: %d orders without leaving any out", names, tree.walked)


def test_what_equals_no_order_is_seen(pipeline: SimpleNamespace, turns: Turns) -> None:
    """Two that read a value and write the next one, without a transaction: in most orders one of them is lost."""
    Scan = pipeline.Scan & "n = 1"

    def add() -> None:
        value = Scan.fetch1("value")
        connection = pipeline.schema.connection
        connection.execute(f"UPDATE {pipeline.Scan.full_table_name} SET value = {value + 1} WHERE n = 1")

    def ends(*, prune: bool) -> dict[Order, int]:
        tree = Tree(turns, [add, add], lambda: begin(pipeline), prune)
        return {order: Scan.fetch1("value") for order, _ in tree.walk()}

    every, walked = ends(prune=False), ends(prune=True)
    assert every == dict.fromkeys(itertools.permutations((0, 0, 1, 1)), 11) | {(0, 0, 1, 1): 12, (1, 1, 0, 0): 12}
    assert walked.items() <= every.items()
    assert sorted(walked.values()) == [11, 11, 12, 12]
