"""The forms of make: in parts and as a generator, whose computation holds no transaction. docs/computing.md."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import DeleteRefused, EngineError, InputsChanged, InsertRefused, MakeError, UpdateRefused


@pytest.fixture
def scan(schema: dj.Schema) -> Any:
    """Three scans, with a value that may be NaN, and a trace."""

    @schema
    class Scan(dj.Manual):
        definition = """
        scan_id : uint8
        ---
        value : float64
        trace : blob
        """

    Scan.insert([(0, 0.5, np.array([1.0, np.nan])), (1, float("nan"), np.arange(3)), (2, 2.0, np.zeros(0))])
    return Scan


def computed(schema: dj.Schema, **members: Any) -> Any:
    """A computed table over Scan with these methods, and a part."""

    class Item(dj.Part):
        definition = "-> master\nitem : uint8\n---"

    body = {"definition": "-> Scan\n---\nx = null : float64", "Item": Item, **members}
    return schema(type("Result", (dj.Computed,), body))


PARTS, GENERATOR = "parts", "generator"
FORMS = [PARTS, GENERATOR]


def in_form(schema: dj.Schema, form: str, scan: Any, during: Callable[[str, dict[str, Any]], None]) -> Any:
    """A table that doubles the value in one of the forms. during: called in fetch, compute and insert."""

    def fetch(key: dict[str, Any]) -> Any:
        during("fetch", key)
        return (scan & key).fetch1("value", "trace")

    def compute(key: dict[str, Any], fetched: Any) -> float:
        during("compute", key)
        return 2 * float(fetched[0])

    def insert(table: Any, key: dict[str, Any], computed: float) -> None:
        during("insert", key)
        table.insert1({**key, "x": computed})
        table.Item.insert([{**key, "item": number} for number in range(2)])

    if form == PARTS:
        return computed(
            schema,
            make_fetch=lambda self, key: fetch(key),
            make_compute=lambda self, key, fetched: compute(key, fetched),
            make_insert=lambda self, key, fetched, computed: insert(self, key, computed),
        )

    def make(self: Any, key: dict[str, Any]) -> Iterator[Any]:
        fetched = fetch(key)
        yield fetched
        found = compute(key, fetched)
        yield found
        insert(self, key, found)

    return computed(schema, make=make)


@pytest.mark.parametrize("form", FORMS)
def test_rows_and_parts_are_made(schema: dj.Schema, scan: Any, form: str) -> None:
    """Each key gets its row and its parts; what was fetched may be NaN, or arrays with NaN."""
    steps = []
    Result = in_form(schema, form, scan, lambda step, key: steps.append((step, key["scan_id"])))
    found = Result.populate()
    assert (found.done, found.failed, found.skipped) == (3, 0, 0)
    assert steps == [(step, key) for key in range(3) for step in ("fetch", "compute", "fetch", "insert")]
    x = Result.to_polars("x")["x"].to_list()
    assert (x[0], x[1] != x[1], x[2]) == (1.0, True, 4.0)
    assert len(Result.Item) == 6


@pytest.mark.parametrize("form", FORMS)
def test_the_computation_is_in_no_transaction(
    schema: dj.Schema, scan: Any, connection: PostgresConnection, form: str
) -> None:
    """Fetching reads one snapshot, computing holds nothing, inserting is a transaction."""
    seen = set()
    Result = in_form(schema, form, scan, lambda step, _: seen.add((step, connection.in_transaction)))
    Result.populate()
    assert seen == {("fetch", True), ("compute", False), ("insert", True)}


@pytest.mark.parametrize("form", FORMS)
def test_inputs_that_change_meanwhile_are_fetched_again(schema: dj.Schema, scan: Any, form: str) -> None:
    """The make begins anew, and its result is of the new inputs."""
    computes = []

    def during(step: str, key: dict[str, Any]) -> None:
        if step == "compute" and key["scan_id"] == 0:
            computes.append(key)
            if len(computes) == 1:
                other = threading.Thread(target=lambda: scan.update1({"scan_id": 0, "value": 7.0}))
                other.start()
                other.join()

    Result = in_form(schema, form, scan, during)
    assert Result.populate().done == 3
    assert len(computes) == 2
    assert (Result & "scan_id = 0").fetch1("x") == 14.0


@pytest.mark.parametrize("form", FORMS)
def test_inputs_that_always_change(schema: dj.Schema, scan: Any, form: str) -> None:
    """After five attempts that is an error; nothing is there."""
    count = iter(range(100))

    def during(step: str, key: dict[str, Any]) -> None:
        if step == "compute":
            change = {"scan_id": key["scan_id"], "value": 100.0 + next(count)}
            other = threading.Thread(target=lambda: scan.update1(change))
            other.start()
            other.join()

    Result = in_form(schema, form, scan, during)
    with pytest.raises(InputsChanged) as caught:
        Result.populate()
    assert caught.value.key == {"scan_id": 0}
    assert next(count) == 5
    assert len(Result) == len(Result.Item) == 0


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("change", ["update1", "delete"])
def test_inputs_are_held_until_the_commit(schema: dj.Schema, scan: Any, form: str, change: str) -> None:
    """Who would change what was fetched while it is inserted waits for the commit."""
    changed = threading.Event()
    others: list[threading.Thread] = []

    def work() -> None:
        if change == "update1":
            scan.update1({"scan_id": 0, "value": 9.0})
        else:
            (scan & "scan_id = 0").delete(prompt=False)
        changed.set()

    def during(step: str, key: dict[str, Any]) -> None:
        if step == "insert" and key["scan_id"] == 0 and not others:
            others.append(threading.Thread(target=work))
            others[0].start()
            assert not changed.wait(0.5)

    Result = in_form(schema, form, scan, during)
    scan.update1({"scan_id": 2, "value": 3.0})  # the log is there already: making it would wait for nobody
    assert Result.populate().done == 3
    others[0].join(20)
    assert changed.is_set()
    left = {"update1": [0, 1, 2], "delete": [1, 2]}[change]
    assert Result.to_polars("scan_id")["scan_id"].to_list() == left
    if change == "update1":
        assert (Result & "scan_id = 0").fetch1("x") == 1.0


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("step", ["fetch", "compute"])
def test_only_the_last_step_inserts(schema: dj.Schema, scan: Any, form: str, step: str) -> None:
    """Rows of any table are refused before: those of manual tables would stay where the make fails."""

    @schema
    class Log(dj.Manual):
        definition = "entry : varchar(10)\n---"

    Log.declare()
    Result: Any = None

    def during(now: str, key: dict[str, Any]) -> None:
        if now == step:
            Result.insert1({**key, "x": 1.0})

    Result = in_form(schema, form, scan, during)
    with pytest.raises(InsertRefused, match="make_insert"):
        Result.populate()
    assert len(Result) == 0

    def logging(now: str, key: dict[str, Any]) -> None:
        if now == step:
            Log.insert1((f"{key['scan_id']}",))

    Result.drop(prompt=False)
    Result = in_form(schema, form, scan, logging)
    with pytest.raises(InsertRefused, match="writes nothing yet"):
        Result.populate()
    assert len(Log) == 0


@pytest.mark.parametrize("form", ["parts", "generator"])
@pytest.mark.parametrize("step", ["fetch", "compute"])
@pytest.mark.parametrize("what", ["update", "delete"])
def test_nothing_is_changed_before_the_transaction(
    schema: dj.Schema, scan: Any, form: str, step: str, what: str
) -> None:
    """Rows are neither updated nor deleted in steps of which nobody can take back what they did; counted they are."""

    def change(now: str, key: dict[str, Any]) -> None:
        if now == step:
            assert (scan & key).delete(dry_run=True).counts
            if what == "update":
                scan.update1({**key, "value": -1.0})
            else:
                (scan & key).delete(prompt=False)

    with pytest.raises((UpdateRefused, DeleteRefused), match="writes nothing yet"):
        in_form(schema, form, scan, change).populate()
    assert (len(scan), len(scan & "value = -1")) == (3, 0)


@pytest.mark.parametrize("form", ["parts", "generator"])
def test_what_fetches_only_reads(schema: dj.Schema, scan: Any, form: str) -> None:
    """What SQL would change there is refused by the database, and a note says where it was tried."""

    def update(now: str, key: dict[str, Any]) -> None:
        if now == "fetch":
            schema.connection.execute(f"UPDATE {scan.full_table_name} SET value = -1 WHERE scan_id = {key['scan_id']}")

    with pytest.raises(EngineError, match="read-only") as caught:
        in_form(schema, form, scan, update).populate()
    assert any("only read, in one snapshot" in note for note in caught.value.__notes__)


def test_a_generator_of_datajoint(schema: dj.Schema, scan: Any) -> None:
    """That of DataJoint-Python, which is sent what it computed, and yields a third time, makes its rows, too."""

    def make(self: Any, key: dict[str, Any]) -> Iterator[Any]:
        fetched = (scan & key).fetch1("value")
        computed = yield (fetched,)
        if computed is None:
            computed = (fetched + 1,)
            yield computed
        self.insert1({**key, "x": computed[0]})
        yield

    Result = computed(schema, make=make)
    assert Result.populate().done == 3
    assert Result.to_polars("x")["x"].to_list()[0] == 1.5


@pytest.mark.parametrize("yields", [0, 1])
def test_a_generator_that_yields_too_little(schema: dj.Schema, scan: Any, yields: int) -> None:
    """It is told how often it yields."""

    def make(self: Any, key: dict[str, Any]) -> Iterator[Any]:
        yield from range(yields)
        self.insert1({**key, "x": 1.0}, allow_direct_insert=True)

    with pytest.raises((MakeError, EngineError), match=r"yields twice|read-only"):
        computed(schema, make=make).populate()


def test_a_generator_that_inserts_too_early(schema: dj.Schema, scan: Any) -> None:
    """It is told after which yield it may insert, and not only of methods that it does not have."""

    def make(self: Any, key: dict[str, Any]) -> Iterator[Any]:
        yield (scan & key).fetch1("value")
        self.insert1({**key, "x": 1.0})

    with pytest.raises(InsertRefused, match="after the second `yield`"):
        computed(schema, make=make).populate()


@pytest.mark.parametrize("step", ["make_compute", "make_insert"])
def test_steps_that_take_several_arguments(schema: dj.Schema, scan: Any, step: str) -> None:
    """Those of DataJoint-Python get what the step before returned taken apart; here they are refused before all."""
    members: dict[str, Callable[..., Any]] = {
        "make_fetch": lambda self, key: (scan & key).fetch1("value", "trace"),
        "make_compute": lambda self, key, fetched: (2 * fetched[0],),
        "make_insert": lambda self, key, fetched, computed: self.insert1({**key, "x": computed[0]}),
    }
    for method in (lambda self, key, *several: None, lambda self, key, value, trace, more: None):
        Result = computed(schema, **{**members, step: method})
        with pytest.raises(MakeError, match=f"is called as `{step}.key, fetched") as caught:
            Result.populate()
        assert caught.value.key is None

    def wrapped(*arguments: Any) -> Any:
        return members[step](*arguments)

    assert computed(schema, **{**members, step: wrapped}).populate().done == 3


def test_what_cannot_be_compared_is_refused(schema: dj.Schema, scan: Any) -> None:
    """make_fetch gives values; a lazy frame or a generator says nothing of them."""
    Result = computed(
        schema,
        make_fetch=lambda self, key: (scan & key).to_lazy(),
        make_compute=lambda self, key, fetched: fetched.collect(),
        make_insert=lambda self, key, fetched, computed: self.insert1({**key, "x": 1.0}),
    )
    with pytest.raises(MakeError, match="LazyFrame cannot be compared"):
        Result.populate()


def test_frames_are_compared(schema: dj.Schema, scan: Any) -> None:
    """A frame with NULL and NaN equals itself."""
    Result = computed(
        schema,
        make_fetch=lambda self, key: scan.to_polars("scan_id", "value"),
        make_compute=lambda self, key, fetched: fetched.filter(pl.col("value").is_not_nan())["value"].sum(),
        make_insert=lambda self, key, fetched, computed: self.insert1({**key, "x": computed}),
    )
    with dj.config.override(strict_reads="off"):
        assert Result.populate().done == 3
    assert Result.to_polars("x")["x"].to_list() == [2.5] * 3


@pytest.mark.parametrize("form", FORMS)
def test_a_step_that_fails(schema: dj.Schema, scan: Any, connection: PostgresConnection, form: str) -> None:
    """What it raises comes out, nothing is kept, and no transaction stays open."""
    for step in ("fetch", "compute", "insert"):

        def during(now: str, key: dict[str, Any], step: str = step) -> None:
            if (now, key["scan_id"]) == (step, 1):
                raise ZeroDivisionError(step)

        Result = in_form(schema, form, scan, during)
        with pytest.raises(ZeroDivisionError, match=step):
            Result.populate()
        assert not connection.in_transaction
        assert (len(Result), len(Result.Item)) == (1, 2)
        found = Result.populate(suppress_errors=True)
        assert (found.done, found.failures[0].key) == (1, {"scan_id": 1})
        Result.drop(prompt=False)


def test_make_kwargs(schema: dj.Schema, scan: Any) -> None:
    """They are arguments of make, and of make_fetch."""
    seen = []

    def make(self: Any, key: dict[str, Any], *, factor: float) -> None:
        seen.append(factor)
        self.insert1({**key, "x": factor})

    Result = computed(schema, make=make)
    assert Result.populate(make_kwargs={"factor": 3.0}).done == 3
    assert seen == [3.0] * 3
    with pytest.raises(TypeError, match="factor"):
        (Result & "scan_id = 0").delete(prompt=False) and Result.populate()
    Result.drop(prompt=False)
    Result = computed(
        schema,
        make_fetch=lambda self, key, *, factor=1.0: factor,
        make_compute=lambda self, key, fetched: fetched,
        make_insert=lambda self, key, fetched, computed: self.insert1({**key, "x": computed}),
    )
    assert Result.populate(make_kwargs={"factor": 4.0}).done == 3
    assert Result.to_polars("x")["x"].to_list() == [4.0] * 3


CASES: list[tuple[dict[str, Any], str]] = [
    ({}, "defines no `make"),
    ({"make_fetch": lambda self, key: None}, "lacks make_compute, make_insert"),
    ({"make": lambda self, key: None, "make_batch": lambda self, keys: None}, "Keep one"),
]


@pytest.mark.parametrize(("members", "said"), CASES, ids=["none", "half", "two"])
def test_classes_of_no_form(schema: dj.Schema, scan: Any, members: dict[str, Any], said: str) -> None:
    """A class that says nothing, half of it, or two things is refused before anything runs."""
    with pytest.raises(MakeError, match=said):
        computed(schema, **members).populate()


# --- what is kept of a make ------------------------------------------------------------------------------------------


def test_makes_are_kept(schema: dj.Schema, scan: Any, connection: PostgresConnection) -> None:
    """One row a make, in its transaction, whose number its rows and its parts' rows have."""
    Result = in_form(schema, PARTS, scan, lambda *_: None)
    Result.populate("scan_id < 2")
    name = schema.name
    makes = connection.query(
        f'SELECT make, table_name, duration, keys, host, "user", version, fingerprint FROM "{name}"."~makes"'
    ).to_pylist()
    assert len(makes) == 2
    kept = SimpleNamespace(**makes[0])
    assert (kept.table_name, kept.keys, kept.version) == ("__result", 1, dj.__version__)
    assert kept.host
    assert kept.user
    assert 0 < kept.duration < 60
    assert len(kept.fingerprint) == 64
    numbers = {row["make"] for row in makes}
    for table, rows in (("__result", 2), ("__result__item", 4)):
        found = connection.query(f'SELECT _make FROM "{name}"."{table}"').to_pylist()
        assert len(found) == rows
        assert {row["_make"] for row in found} == numbers


def test_rows_put_in_by_hand_have_none(schema: dj.Schema, scan: Any, connection: PostgresConnection) -> None:
    """And those of manual tables have no such column."""
    Result = in_form(schema, PARTS, scan, lambda *_: None)
    Result.insert1({"scan_id": 1, "x": 1.0}, allow_direct_insert=True)
    assert Result.populate().done == 2
    found = connection.query(f'SELECT scan_id FROM "{schema.name}"."__result" WHERE _make IS NULL').to_pylist()
    assert found == [{"scan_id": 1}]


def test_a_make_that_fails_leaves_none(schema: dj.Schema, scan: Any, connection: PostgresConnection) -> None:
    """What is kept of a make is committed with its rows."""

    def during(step: str, key: dict[str, Any]) -> None:
        if step == "insert" and key["scan_id"] == 1:
            raise ValueError

    Result = in_form(schema, PARTS, scan, during)
    Result.populate(suppress_errors=True)
    found = connection.query(f'SELECT count(*)::int AS n FROM "{schema.name}"."~makes"').to_pylist()
    assert found == [{"n": 2}]


def test_a_table_of_other_software_gets_the_column(
    schema: dj.Schema, scan: Any, connection: PostgresConnection
) -> None:
    """With its first make; its rows stay, and have no make."""
    Result = in_form(schema, PARTS, scan, lambda *_: None)
    Result.declare()
    name = schema.name
    for table in ("__result", "__result__item"):
        connection.execute(f'ALTER TABLE "{name}"."{table}" DROP COLUMN _make')
    Result.insert1({"scan_id": 1, "x": 1.0}, allow_direct_insert=True)
    assert Result.populate().done == 2
    for table, null in (("__result", 1), ("__result__item", 0)):
        found = connection.query(f'SELECT count(*)::int AS n FROM "{name}"."{table}" WHERE _make IS NULL').to_pylist()
        assert found == [{"n": null}]
