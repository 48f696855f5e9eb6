"""populate: make once a missing key, each in one transaction that leaves all of its rows or none."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from types import SimpleNamespace
from typing import Any, ClassVar

import polars as pl
import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import (
    DefinitionError,
    DuplicateKey,
    InsertRefused,
    InvalidCondition,
    InvalidValue,
    MakeError,
    MissingField,
    TransactionError,
)

Keys = list[dict[str, Any]]


@pytest.fixture
def pipeline(schema: dj.Schema) -> SimpleNamespace:
    """Scan (4 rows), a manual Log, and Stats with its part Bin, whose make does what `behave` says."""

    @schema
    class Scan(dj.Manual):
        definition = "scan_id : uint8\n---\nvalue : float64"

    @schema
    class Log(dj.Manual):
        definition = "entry : varchar(40)\n---"

    made = SimpleNamespace(calls=[], behave=lambda *_: None)

    @schema
    class Stats(dj.Computed):
        definition = "-> Scan\n---\ndouble : float64"

        class Bin(dj.Part):
            definition = "-> master\nbin : uint8\n---"

        def make(self, key: dict[str, Any]) -> None:
            made.calls.append(key)
            Log.insert1((f"made {key['scan_id']}",))
            self.insert1({**key, "double": 2 * (Scan & key).fetch1("value")})
            self.Bin.insert([{**key, "bin": number} for number in range(2)])
            made.behave(self, key)

    Scan.insert([(number, number / 4) for number in range(4)])
    return SimpleNamespace(Scan=Scan, Log=Log, Stats=Stats, made=made)


def ids(query: Any) -> list[int]:
    """The scans of a query."""
    return [key["scan_id"] for key in query.keys()]  # noqa: SIM118 - the method of a query, not of a mapping


def elsewhere(work: Callable[[], object]) -> None:
    """Do it on a session of its own."""
    thread = Thread(target=work)
    thread.start()
    thread.join()


def test_make_is_called_once_for_each_missing_key(pipeline: SimpleNamespace) -> None:
    """Every key of the key source gets its row, in order; a second populate has nothing to do."""
    first = pipeline.Stats.populate()
    assert (first.done, first.failed, first.skipped) == (4, 0, 0)
    assert pipeline.made.calls == [{"scan_id": number} for number in range(4)]
    assert pipeline.Stats.to_dicts("double") == [{"double": number / 2} for number in range(4)]
    assert pipeline.Stats.populate().done == 0
    assert len(pipeline.made.calls) == 4
    pipeline.Scan.insert1((9, 1.0))
    assert pipeline.Stats.populate().done == 1
    assert pipeline.made.calls[4:] == [{"scan_id": 9}]


@pytest.mark.parametrize("together", [0, 0.1])
@pytest.mark.parametrize("suppress", [False, True])
def test_a_key_that_has_gone_is_passed_over(pipeline: SimpleNamespace, together: float, *, suppress: bool) -> None:
    """Another session deletes what a key was to be made of, after it was listed: that is no error."""

    def behave(_: Any, key: dict[str, Any]) -> None:
        if key["scan_id"] == 1 and pipeline.made.calls.count(key) == 1:
            elsewhere(lambda: (pipeline.Scan & "scan_id = 2").delete(prompt=False))

    pipeline.made.behave = behave
    with dj.config.override(jobs__together=together):
        found = pipeline.Stats.populate(suppress_errors=suppress)
    assert (found.done, found.skipped, found.failures) == (3, 1, ())
    assert ids(pipeline.Stats) == [0, 1, 3]


def test_a_make_runs_in_a_transaction(pipeline: SimpleNamespace, connection: PostgresConnection) -> None:
    """Inside make a transaction is open, and after populate none is."""
    seen = []
    pipeline.made.behave = lambda *_: seen.append(connection.in_transaction)
    pipeline.Stats.populate()
    assert seen == [True] * 4
    assert not connection.in_transaction


def fail_at_two(table: dj.Table, key: dict[str, Any]) -> None:
    """A make that fails for scan 2 after all of its inserts."""
    if key["scan_id"] == 2:
        raise ZeroDivisionError("the detector was off")


def test_a_failing_make_leaves_nothing(pipeline: SimpleNamespace) -> None:
    """Neither its row nor its parts nor its rows in other tables stay; what was made before does."""
    pipeline.made.behave = fail_at_two
    with pytest.raises(ZeroDivisionError, match="the detector was off") as caught:
        pipeline.Stats.populate()
    assert caught.value.__notes__ == [f"In the make of {pipeline.Stats().spec.name} for the key {{'scan_id': 2}}."]
    assert ids(pipeline.Stats) == [0, 1]
    assert len(pipeline.Stats.Bin) == 4
    assert pipeline.Log.fetch("entry").tolist() == ["made 0", "made 1"]


def test_suppressed_errors_are_collected(pipeline: SimpleNamespace) -> None:
    """suppress_errors goes on with the other keys and tells which failed and why."""
    pipeline.made.behave = fail_at_two
    result = pipeline.Stats.populate(suppress_errors=True)
    assert (result.done, result.failed) == (3, 1)
    (failure,) = result.failures
    assert failure.key == {"scan_id": 2}
    assert isinstance(failure.error, ZeroDivisionError)
    assert ids(pipeline.Stats) == [0, 1, 3]
    pipeline.made.behave = lambda *_: None
    assert pipeline.Stats.populate().done == 1


@pytest.mark.parametrize(("max_calls", "done"), [(0, 0), (1, 1), (3, 3), (100, 4), (None, 4)])
def test_max_calls(pipeline: SimpleNamespace, max_calls: int | None, done: int) -> None:
    """At most so many makes, those of the first keys."""
    assert pipeline.Stats.populate(max_calls=max_calls).done == done
    assert ids(pipeline.Stats) == list(range(done))


def test_max_calls_counts_the_keys_that_are_missing(pipeline: SimpleNamespace) -> None:
    """Two populates of two calls each do all four."""
    for _ in range(2):
        assert pipeline.Stats.populate(max_calls=2).done == 2
    assert ids(pipeline.Stats) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("restrictions", "made"),
    [
        (["scan_id > 1"], [2, 3]),
        (["scan_id > 0", "scan_id < 3"], [1, 2]),
        ([{"scan_id": 3}], [3]),
        ([["scan_id = 0", {"scan_id": 3}]], [0, 3]),
        ([{"scan_id": 77}], []),
    ],
)
def test_restrictions(pipeline: SimpleNamespace, restrictions: list[Any], made: list[int]) -> None:
    """Only keys for which all restrictions hold are made."""
    pipeline.Stats.populate(*restrictions)
    assert ids(pipeline.Stats) == made


def test_restriction_by_a_query(pipeline: SimpleNamespace) -> None:
    """A query restricts the keys by its matching rows, also by attributes that the key source lacks."""
    pipeline.Stats.populate(pipeline.Scan & "value > 0.4")
    assert ids(pipeline.Stats) == [2, 3]


def test_a_restriction_that_restricts_nothing_is_refused(pipeline: SimpleNamespace) -> None:
    """A mapping of other names alone would mean all keys, and make them, with refresh_stale also anew."""
    Stats = pipeline.Stats
    for ask in (Stats.populate, Stats.progress, Stats.jobs.refresh):
        for wrong in ({"scn_id": 1}, [{"scn_id": 1}], pl.DataFrame({"scn_id": [1]}), pipeline.Scan & {"scn_id": 1}):
            with pytest.raises(InvalidCondition, match=r"'scn_id' restricts nothing.*Did you mean 'scan_id'\?"):
                ask(wrong)
    assert len(Stats) == len(Stats.jobs) == 0
    assert Stats.populate({"scan_id": 1, "other": 1}).done == 1
    assert Stats.populate({}).done == 3


def test_progress_counts_what_is_left(pipeline: SimpleNamespace) -> None:
    """progress() gives the missing keys and all keys, under restrictions too."""
    assert pipeline.Stats.progress() == (4, 4)
    pipeline.Stats.populate(max_calls=1)
    assert pipeline.Stats.progress() == (3, 4)
    assert pipeline.Stats.progress("scan_id < 2") == (1, 2)


def test_the_progress_bar_is_drawn_on_stderr(pipeline: SimpleNamespace, capfd: pytest.CaptureFixture[str]) -> None:
    """display_progress shows table and count on standard error, and nothing on standard output."""
    pipeline.Stats.populate(display_progress=True, max_calls=3)
    out, err = capfd.readouterr()
    assert out == ""
    assert "stats" in err
    assert "3/3" in err


def test_no_progress_bar_unless_asked(pipeline: SimpleNamespace, capfd: pytest.CaptureFixture[str]) -> None:
    """populate() by itself prints nothing."""
    pipeline.Stats.populate()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("suppress", [False, True])
def test_keyboard_interrupt_stops_and_rolls_back(
    pipeline: SimpleNamespace, connection: PostgresConnection, *, suppress: bool
) -> None:
    """Ctrl-C in a make ends populate, whether or not errors are collected, and leaves nothing of that make."""

    def interrupt(table: dj.Table, key: dict[str, Any]) -> None:
        if key["scan_id"] == 1:
            raise KeyboardInterrupt

    pipeline.made.behave = interrupt
    with pytest.raises(KeyboardInterrupt):
        pipeline.Stats.populate(suppress_errors=suppress)
    assert ids(pipeline.Stats) == [0]
    assert len(pipeline.Stats.Bin) == 2
    assert len(pipeline.Log) == 1
    assert not connection.in_transaction


def test_populate_inside_a_transaction_is_refused(pipeline: SimpleNamespace, connection: PostgresConnection) -> None:
    """Each make needs a transaction of its own, so populate inside one is refused before any make."""
    with connection.transaction, pytest.raises(TransactionError, match="outside"):
        pipeline.Stats.populate()
    assert pipeline.made.calls == []


def test_populate_inside_a_make_is_refused(pipeline: SimpleNamespace, schema: dj.Schema) -> None:
    """A make cannot populate another table."""
    Stats = pipeline.Stats

    @schema
    class Summary(dj.Computed):
        definition = "-> Scan\n---"

        def make(self, key: dict[str, Any]) -> None:
            Stats.populate()
            self.insert1(key)

    with pytest.raises(TransactionError):
        Summary.populate()
    assert len(Summary) == len(Stats) == 0


# --- what a make may do ------------------------------------------------------------------------------------------


def computed(schema: dj.Schema, make: Any, **members: Any) -> Any:
    """A computed table Result over Scan with this make."""
    body = {"definition": "-> Scan\n---\nx = null : float64", "make": make, **members}
    return schema(type("Result", (dj.Computed,), body))


def test_a_make_without_a_row(pipeline: SimpleNamespace, schema: dj.Schema) -> None:
    """A make that ends without its row is a MakeError with the key, and its other rows are taken back."""
    Log = pipeline.Log

    def make(self: Any, key: dict[str, Any]) -> None:
        Log.insert1(("nothing came of it",))

    Result = computed(schema, make)
    with pytest.raises(MakeError, match="without inserting its row") as caught:
        Result.populate()
    assert isinstance(caught.value, RuntimeError)
    assert (caught.value.table, caught.value.key) == (f"{schema.name}.__result", {"scan_id": 0})
    assert len(Log) == 0


def test_a_make_that_inserts_the_row_of_another_key(pipeline: SimpleNamespace, schema: dj.Schema) -> None:
    """The row that counts is that of the key itself."""

    def make(self: Any, key: dict[str, Any]) -> None:
        self.insert1({"scan_id": key["scan_id"] + 1})

    Result = computed(schema, make)
    with pytest.raises(MakeError, match="with the values of this key"):
        Result.populate()
    assert len(Result) == 0


def test_a_table_without_make(pipeline: SimpleNamespace, schema: dj.Schema) -> None:
    """A class that defines no make says so when it is populated."""
    Result: Any = schema(type("Result", (dj.Computed,), {"definition": "-> Scan\n---"}))
    with pytest.raises(MakeError, match="defines no `make"):
        Result.populate()


def test_a_make_that_passes_over_a_database_error(pipeline: SimpleNamespace, schema: dj.Schema) -> None:
    """An error of the database that make swallows does not end in a commit, and says so."""
    Log, Scan = pipeline.Log, pipeline.Scan

    def make(self: Any, key: dict[str, Any]) -> None:
        self.insert1(key)
        Log.insert1(("kept?",))
        with pytest.raises(DuplicateKey):
            Scan.insert1((0, 0.0))

    Result = computed(schema, make)
    with pytest.raises(MakeError, match="passed over an error"):
        Result.populate()
    assert len(Result) == len(Log) == 0


def test_a_make_that_inserts_its_row_twice(pipeline: SimpleNamespace, schema: dj.Schema) -> None:
    """A duplicate of make's own doing is an error and not taken for another process's row."""

    def make(self: Any, key: dict[str, Any]) -> None:
        self.insert1(key)
        self.insert1(key)

    Result = computed(schema, make)
    with pytest.raises(DuplicateKey):
        Result.populate()
    result = Result.populate(suppress_errors=True)
    assert (result.done, result.skipped, result.failed) == (0, 0, 4)


def test_errors_of_rows_come_out_of_make(pipeline: SimpleNamespace, schema: dj.Schema) -> None:
    """A refused row in make raises as it does elsewhere, and the table stays empty."""

    def make(self: Any, key: dict[str, Any]) -> None:
        self.insert1({**key, "x": "text"})

    Result = computed(schema, make)
    with pytest.raises(InvalidValue, match="'text' is no float64"):
        Result.populate()
    assert len(Result) == 0


def test_a_part_before_its_master_is_refused(pipeline: SimpleNamespace, schema: dj.Schema) -> None:
    """In make the master's row comes first."""

    class Item(dj.Part):
        definition = "-> master\nitem : uint8\n---"

    def make(self: Any, key: dict[str, Any]) -> None:
        self.Item.insert1({**key, "item": 1})
        self.insert1(key)

    Result = computed(schema, make, Item=Item)
    with pytest.raises(dj.errors.MissingParent):
        Result.populate()


def test_a_make_gets_its_own_copy_of_the_key(pipeline: SimpleNamespace, schema: dj.Schema) -> None:
    """A make that changes the key it was given does not confuse populate."""

    def make(self: Any, key: dict[str, Any]) -> None:
        key["x"] = 5.0
        self.insert1(key)
        key.clear()

    Result = computed(schema, make)
    assert Result.populate().done == 4


# --- who may insert ----------------------------------------------------------------------------------------------


def test_auto_populated_tables_refuse_inserts(pipeline: SimpleNamespace) -> None:
    """Rows and parts of a computed table cannot be inserted by hand, unless asked for in so many words."""
    for table, row in ((pipeline.Stats, (1, 0.5)), (pipeline.Stats.Bin, (1, 0))):
        with pytest.raises(InsertRefused, match="allow_direct_insert=True") as caught:
            table.insert1(row)
        assert isinstance(caught.value, PermissionError)
        assert len(table) == 0
        table.insert1(row, allow_direct_insert=True)
        assert len(table) == 1


def test_a_make_may_not_insert_into_another_computed_table(pipeline: SimpleNamespace, schema: dj.Schema) -> None:
    """Inside a make only its own table and parts, and manual tables, take rows."""
    Stats = pipeline.Stats

    for number, foreign in enumerate((lambda key: Stats.insert1({**key, "double": 0}), lambda _: Stats.Bin.insert([]))):

        def make(self: Any, key: dict[str, Any], foreign: Any = foreign) -> None:
            self.insert1(key)
            foreign(key)

        other: Any = schema(type(f"Other{number}", (dj.Computed,), {"definition": "-> Scan\n---", "make": make}))
        with pytest.raises(InsertRefused):
            other.populate()
        assert len(other) == len(Stats) == 0


def test_a_failed_make_leaves_no_permission_behind(pipeline: SimpleNamespace) -> None:
    """After a populate that failed, inserts by hand are refused as before."""
    pipeline.made.behave = fail_at_two
    with pytest.raises(ZeroDivisionError):
        pipeline.Stats.populate()
    with pytest.raises(InsertRefused):
        pipeline.Stats.insert1((3, 0.5))


# --- key sources -------------------------------------------------------------------------------------------------


def test_the_key_source_joins_renamed_parents(pipeline: SimpleNamespace, schema: dj.Schema) -> None:
    """Two references to one parent under other names give all pairs."""

    @schema
    class Pair(dj.Computed):
        definition = """
        -> Scan.proj(first='scan_id')
        -> Scan.proj(second='scan_id')
        ---
        """

        def make(self, key: dict[str, Any]) -> None:
            self.insert1(key)

    assert Pair.populate().done == 16
    assert Pair.to_dicts(limit=2) == [{"first": 0, "second": 0}, {"first": 0, "second": 1}]


def test_secondary_parents_are_not_in_the_key_source(pipeline: SimpleNamespace, schema: dj.Schema) -> None:
    """Only references in the primary key say what is computed."""
    pipeline.Log.insert1(("a",))

    @schema
    class Noted(dj.Computed):
        definition = "-> Scan\n---\n-> [nullable] Log"

        def make(self, key: dict[str, Any]) -> None:
            self.insert1(key)

    assert Noted().key_source.primary_key == ("scan_id",)
    assert Noted.populate().done == 4


def test_a_key_source_of_ones_own(pipeline: SimpleNamespace, schema: dj.Schema) -> None:
    """A class may say which keys are computed; progress() counts those."""
    Scan = pipeline.Scan

    def make(self: Any, key: dict[str, Any]) -> None:
        self.insert1(key)

    Result = computed(schema, make, key_source=property(lambda _: Scan & "value > 0.4"))
    assert ids(Result.key_source) == ids(Result().key_source) == [2, 3]
    assert Result.progress() == (2, 2)
    assert Result.populate().done == 2
    assert ids(Result) == [2, 3]


def test_a_finer_key_than_the_parents(pipeline: SimpleNamespace, schema: dj.Schema) -> None:
    """A make may insert several rows a key where the table adds an attribute to the key."""

    @schema
    class Spot(dj.Computed):
        definition = "-> Scan\nspot : uint8\n---"

        def make(self, key: dict[str, Any]) -> None:
            self.insert([{**key, "spot": number} for number in range(3)])

    assert Spot.populate().done == 4
    assert len(Spot) == 12
    assert Spot.progress() == (0, 4)
    assert Spot.populate().done == 0


def test_no_parents_no_key_source(schema: dj.Schema) -> None:
    """A computed table whose key refers to nothing says what to do instead of computing nothing."""

    @schema
    class Alone(dj.Computed):
        definition = "alone_id : uint8\n---"

    with pytest.raises(DefinitionError, match="define `key_source`"):
        Alone.populate()


def test_imported_tables_populate_too(pipeline: SimpleNamespace, schema: dj.Schema) -> None:
    """The imported tier works as the computed one, under its own prefix."""

    @schema
    class Reading(dj.Imported):
        definition = "-> Scan\n---\nlines : uint32"

        def make(self, key: dict[str, Any]) -> None:
            self.insert1({**key, "lines": 10 * key["scan_id"]})

    with pytest.raises(InsertRefused):
        Reading.insert1((1, 1))
    assert Reading.populate().done == 4
    assert Reading().spec.name.table == "_reading"
    with pytest.raises(MissingField):
        Reading.insert1({"scan_id": 1}, allow_direct_insert=True)


def test_an_empty_key_source(pipeline: SimpleNamespace) -> None:
    """Nothing to compute is no error."""
    assert pipeline.Stats.populate("scan_id > 100").done == 0


def test_a_key_source_of_other_attributes(pipeline: SimpleNamespace, schema: dj.Schema) -> None:
    """A key source whose key is none of the table's is refused before any make, by populate and by progress."""

    @schema
    class Other(dj.Computed):
        definition = "other_id : uint8\n---"
        key_source = pipeline.Scan

        def make(self, key: dict[str, Any]) -> None:
            self.insert1({"other_id": key["scan_id"]})

    for ask in (Other.populate, Other.progress):
        with pytest.raises(DefinitionError, match="'scan_id', which the primary key of the table lacks"):
            ask()
    assert len(Other) == 0


def test_a_key_source_that_is_no_query(pipeline: SimpleNamespace, schema: dj.Schema) -> None:
    """A key source that is neither table nor query is refused with what it is."""

    @schema
    class Other(dj.Computed):
        definition = "-> Scan\n---"
        key_source: ClassVar[Any] = [{"scan_id": 1}]

    with pytest.raises(DefinitionError, match="a table or query, not list"):
        Other.populate()

    @schema
    class Forgotten(dj.Computed):
        definition = "-> Scan\n---"

        def key_source(self) -> Any:  # type: ignore[override]
            return pipeline.Scan

    with pytest.raises(DefinitionError, match=r"not method\. Put @property above"):
        Forgotten.populate()
