"""make_batch: the rows of many keys by one call, in one transaction."""

from __future__ import annotations

import datetime
import decimal
import uuid
from collections.abc import Callable, Iterator
from threading import Thread
from types import SimpleNamespace
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import InsertRefused, InvalidCondition, MakeError, MissingParent, TransactionError

MakeBatch = Callable[..., Any]


@pytest.fixture
def pipeline(schema: dj.Schema) -> SimpleNamespace:
    """Scan (10 rows) and a manual Log; `batch(make_batch)` declares Result with its part Bin."""

    @schema
    class Scan(dj.Manual):
        definition = "scan_id : uint8\n---\nvalue : float64"

    @schema
    class Log(dj.Manual):
        definition = "entry : varchar(40)\n---"

    def batch(make_batch: MakeBatch, **members: Any) -> Any:
        class Bin(dj.Part):
            definition = "-> master\nbin : uint8\n---"

        body = {"definition": "-> Scan\n---\nx : float64", "Bin": Bin, "make_batch": make_batch, **members}
        return schema(type("Result", (dj.Computed,), body))

    Scan.insert([(number, number / 4) for number in range(10)])
    return SimpleNamespace(Scan=Scan, Log=Log, batch=batch)


def doubled(scans: Any, keys: pl.DataFrame) -> pl.DataFrame:
    """The rows of some keys, by a frame."""
    frame: pl.DataFrame = (scans & keys).to_polars()
    return frame.select("scan_id", x=pl.col("value") * 2)


def ids(query: Any) -> list[int]:
    """The scans of a query."""
    return [key["scan_id"] for key in query.keys()]  # noqa: SIM118 - the method of a query, not of a mapping


def makes(connection: PostgresConnection, schema: dj.Schema) -> list[dict[str, Any]]:
    """What is kept of the makes of a schema, the first one first."""
    text = f'SELECT make::text, table_name, keys FROM "{schema.name}"."~makes" ORDER BY started, duration'
    rows: list[dict[str, Any]] = connection.query(text).to_pylist()
    return rows


def numbers(connection: PostgresConnection, table: Any) -> set[str | None]:
    """The numbers of the makes that rows of a table are of."""
    text = f'SELECT DISTINCT "_make"::text AS make FROM {table.full_table_name}'
    return {row["make"] for row in connection.query(text).to_pylist()}


# --- what it gets and what it returns ----------------------------------------------------------------------------


def generated(frame: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """The rows of a frame one by one."""
    yield from frame.to_dicts()


@pytest.mark.parametrize(
    "form",
    [
        lambda frame: frame,
        lambda frame: frame.lazy(),
        lambda frame: frame.to_arrow(),
        lambda frame: pa.RecordBatchReader.from_batches(frame.to_arrow().schema, frame.to_arrow().to_batches()),
        lambda frame: frame.to_dicts(),
        lambda frame: frame.rows(),
        generated,
    ],
    ids=["frame", "lazy", "arrow", "reader", "dicts", "tuples", "generator"],
)
def test_rows_in_every_form(pipeline: SimpleNamespace, form: Callable[[pl.DataFrame], Any]) -> None:
    """What insert takes may be returned, and becomes the rows of the table."""
    Result = pipeline.batch(lambda _, keys: form(doubled(pipeline.Scan, keys)))
    result = Result.populate()
    assert (result.done, result.failed, result.skipped) == (10, 0, 0)
    assert result.seconds > 0
    assert Result.to_dicts("x") == [{"x": number / 2} for number in range(10)]
    assert Result.populate().done == 0


def test_a_query_may_be_returned(pipeline: SimpleNamespace) -> None:
    """A query goes from table to table, restricted by the keys."""
    Result = pipeline.batch(lambda _, keys: (pipeline.Scan & keys).proj(x="value * 2"))
    assert Result.populate(batch_size=3).done == 10
    assert Result.to_dicts("x") == [{"x": number / 2} for number in range(10)]


def test_a_lazy_frame_reads_in_the_transaction(pipeline: SimpleNamespace) -> None:
    """A lazy frame of the database's own sees what the make has written."""

    def make_batch(self: Any, keys: pl.DataFrame) -> Any:
        pipeline.Scan.insert([{"scan_id": 100 + number, "value": 1.0} for number in range(3)])
        new = pipeline.Scan.to_lazy().filter(pl.col("scan_id") >= 100).select("scan_id", x="value")
        return pl.concat([new.collect().lazy(), keys.lazy().with_columns(x=pl.lit(0.0))])

    Result = pipeline.batch(make_batch)
    assert Result.populate().done == 10
    assert ids(Result & "x = 1") == [100, 101, 102]


def test_several_tables_in_any_order(pipeline: SimpleNamespace) -> None:
    """A mapping of tables to their rows goes in in the order of the foreign keys."""

    def make_batch(self: Any, keys: pl.DataFrame) -> Any:
        bins = keys.join(pl.DataFrame({"bin": pl.Series([1, 2], dtype=pl.UInt8)}), how="cross")
        entries = [(f"made {len(keys)}",)]
        return {self.Bin: bins, self: doubled(pipeline.Scan, keys), pipeline.Log: entries}

    Result = pipeline.batch(make_batch)
    assert Result.populate().done == 10
    assert (len(Result), len(Result.Bin)) == (10, 20)
    assert pipeline.Log.to_dicts() == [{"entry": "made 10"}]


def test_it_may_insert_by_itself(pipeline: SimpleNamespace, schema: dj.Schema, connection: PostgresConnection) -> None:
    """make_batch that returns None has inserted: its table, parts and manual tables, all in one transaction."""
    seen = []

    def make_batch(self: Any, keys: pl.DataFrame) -> None:
        seen.append(connection.in_transaction)
        self.insert(doubled(pipeline.Scan, keys))
        self.Bin.insert(keys.with_columns(bin=pl.lit(7, pl.UInt8)))
        pipeline.Log.insert1((f"from {keys['scan_id'][0]}",))

    Result = pipeline.batch(make_batch)
    assert Result.populate(batch_size=5).done == 10
    assert seen == [True, True]
    assert not connection.in_transaction
    assert (len(Result), len(Result.Bin), len(pipeline.Log)) == (10, 10, 2)


def test_each_batch_is_one_make(pipeline: SimpleNamespace, schema: dj.Schema, connection: PostgresConnection) -> None:
    """What is kept of a batch is one row with the number of keys, and all of its rows and parts have its number."""

    def make_batch(self: Any, keys: pl.DataFrame) -> Any:
        return {self: doubled(pipeline.Scan, keys), self.Bin: keys.with_columns(bin=pl.lit(1, pl.UInt8))}

    Result = pipeline.batch(make_batch)
    Result.populate(batch_size=4)
    kept = makes(connection, schema)
    assert [row["keys"] for row in kept] == [4, 4, 2]
    assert {row["table_name"] for row in kept} == {"__result"}
    of_rows = numbers(connection, Result())
    assert of_rows == numbers(connection, Result.Bin()) == {row["make"] for row in kept}


def test_keys_are_a_frame_of_the_key_source(pipeline: SimpleNamespace) -> None:
    """Keys come in their order with the types that reading gives, and the arguments of make_kwargs beside them."""
    seen = []

    def make_batch(self: Any, keys: pl.DataFrame, scale: float, offset: float = 0.0) -> pl.DataFrame:
        seen.append(keys)
        return keys.with_columns(x=pl.lit(scale + offset))

    Result = pipeline.batch(make_batch)
    Result.populate(make_kwargs={"scale": 3.0})
    assert len(seen) == 1
    assert seen[0].equals(pipeline.Scan.proj().to_polars(order_by="KEY"))
    assert seen[0].schema == {"scan_id": pl.UInt8}
    assert Result.to_dicts("x") == [{"x": 3.0}] * 10


def test_restrictions_and_progress(pipeline: SimpleNamespace) -> None:
    """Only keys for which all restrictions hold are made, as progress() counts them."""
    Result = pipeline.batch(lambda _, keys: doubled(pipeline.Scan, keys))
    assert Result.populate("scan_id > 2", pipeline.Scan & "value < 1.5").done == 3
    assert ids(Result) == [3, 4, 5]
    assert Result.progress() == (7, 10)


def test_nothing_to_do_calls_nothing(pipeline: SimpleNamespace) -> None:
    """Without pending keys make_batch is not called, and no make is kept."""
    called = []
    Result = pipeline.batch(lambda _, keys: called.append(keys))
    for result in (Result.populate("scan_id > 100"), Result.populate(max_calls=0)):
        assert (result.done, result.skipped, result.failed) == (0, 0, 0)
    assert called == []


@pytest.mark.parametrize(("max_calls", "sizes"), [(0, []), (1, [4]), (2, [4, 4]), (9, [4, 4, 2])])
def test_max_calls_counts_batches(pipeline: SimpleNamespace, max_calls: int, sizes: list[int]) -> None:
    """At most so many batches, those of the first keys; batch_size says how many keys each has."""
    seen = []

    def make_batch(self: Any, keys: pl.DataFrame) -> pl.DataFrame:
        seen.append(len(keys))
        return doubled(pipeline.Scan, keys)

    Result = pipeline.batch(make_batch)
    assert Result.populate(batch_size=4, max_calls=max_calls).done == sum(sizes)
    assert seen == sizes
    assert ids(Result) == list(range(sum(sizes)))


@pytest.mark.parametrize(
    ("order", "limit", "batches"),
    [
        ("original", None, [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]),
        ("original", 6, [[0, 1, 2, 3], [4, 5]]),
        ("original", 0, []),
        ("reverse", None, [[6, 7, 8, 9], [2, 3, 4, 5], [0, 1]]),
        ("reverse", 6, [[2, 3, 4, 5], [0, 1]]),
    ],
)
def test_order_and_limit(pipeline: SimpleNamespace, order: str, limit: int | None, batches: list[list[int]]) -> None:
    """A limit counts keys, the first ones; order is that of the batches."""
    seen = []

    def make_batch(self: Any, keys: pl.DataFrame) -> pl.DataFrame:
        seen.append(keys["scan_id"].to_list())
        return doubled(pipeline.Scan, keys)

    Result = pipeline.batch(make_batch)
    Result.populate(batch_size=4, order=order, limit=limit)
    assert seen == batches


def test_random_order_makes_all(pipeline: SimpleNamespace) -> None:
    """In random order every key comes once, and hardly ever in order."""
    seen: list[int] = []

    def make_batch(self: Any, keys: pl.DataFrame) -> pl.DataFrame:
        seen.extend(keys["scan_id"])
        return doubled(pipeline.Scan, keys)

    pipeline.Scan.insert([(number, 0.0) for number in range(10, 60)])
    Result = pipeline.batch(make_batch)
    assert Result.populate(batch_size=1, order="random").done == 60
    assert sorted(seen) == list(range(60))
    assert seen != sorted(seen)


@pytest.mark.parametrize("size", [0, -1, 2.5, True, "10"])
def test_a_batch_size_that_is_none(pipeline: SimpleNamespace, size: Any) -> None:
    """A batch has one key at least."""
    Result = pipeline.batch(lambda _, keys: keys)
    with pytest.raises(InvalidCondition, match="batch_size is a number of keys"):
        Result.populate(batch_size=size)


def test_batch_size_of_single_keys(pipeline: SimpleNamespace, schema: dj.Schema) -> None:
    """A class that makes single keys has no batches, and says so before any make."""

    @schema
    class Single(dj.Computed):
        definition = "-> Scan\n---"

        def make(self, key: dict[str, Any]) -> None:
            self.insert1(key)

    with pytest.raises(InvalidCondition, match="batch_size is for make_batch and make_query"):
        Single.populate(batch_size=5)
    assert len(Single) == 0


def test_progress_is_shown_in_keys(pipeline: SimpleNamespace, capfd: pytest.CaptureFixture[str]) -> None:
    """The bar counts keys, not batches."""
    Result = pipeline.batch(lambda _, keys: doubled(pipeline.Scan, keys))
    Result.populate(display_progress=True, batch_size=3)
    out, err = capfd.readouterr()
    assert out == ""
    assert "10/10" in err


def test_two_forms_are_refused(pipeline: SimpleNamespace) -> None:
    """A class that defines make and make_batch does not say which of them counts."""
    Result = pipeline.batch(lambda *_: None, make=lambda *_: None)
    with pytest.raises(MakeError, match="make and make_batch"):
        Result.populate()


# --- what goes wrong ---------------------------------------------------------------------------------------------


def test_keys_without_rows(pipeline: SimpleNamespace, schema: dj.Schema, connection: PostgresConnection) -> None:
    """A batch that leaves a key without its row is an error that tells the keys, and nothing of it is kept."""

    def make_batch(self: Any, keys: pl.DataFrame) -> pl.DataFrame:
        pipeline.Log.insert1(("made",))
        return doubled(pipeline.Scan, keys).filter(pl.col("scan_id") % 2 == 0)

    Result = pipeline.batch(make_batch)
    with pytest.raises(
        MakeError, match=r"without the rows of 5 of its 10 keys, such as {'scan_id': 1}, .*3}"
    ) as caught:
        Result.populate()
    assert caught.value.keys["scan_id"].to_list() == [1, 3, 5, 7, 9]
    assert caught.value.table == f"{schema.name}.__result"
    assert "10 keys, the first of them {'scan_id': 0}" in caught.value.__notes__[0]
    assert len(Result) == len(pipeline.Log) == 0
    assert makes(connection, schema) == []


def test_rows_of_other_keys_do_not_count(pipeline: SimpleNamespace) -> None:
    """The rows that count are those of the keys themselves."""
    Result = pipeline.batch(lambda _, keys: pl.DataFrame({"scan_id": [0], "x": [1.0]}) if keys["scan_id"][0] else None)
    with pytest.raises(MakeError, match="9 of its 9 keys"):
        Result.populate("scan_id > 0")
    assert len(Result) == 0


def test_an_error_keeps_nothing_of_its_batch(pipeline: SimpleNamespace) -> None:
    """Rows, parts and rows of manual tables of the batch that failed are gone; earlier batches stay."""

    def make_batch(self: Any, keys: pl.DataFrame) -> None:
        self.insert(doubled(pipeline.Scan, keys))
        pipeline.Log.insert1((f"from {keys['scan_id'][0]}",))
        if 5 in keys["scan_id"]:
            raise ZeroDivisionError("the detector was off")

    Result = pipeline.batch(make_batch)
    with pytest.raises(ZeroDivisionError) as caught:
        Result.populate(batch_size=4)
    assert "make_batch of" in caught.value.__notes__[0]
    assert ids(Result) == [0, 1, 2, 3]
    assert pipeline.Log.to_dicts() == [{"entry": "from 0"}]


@pytest.mark.parametrize("deleted", ["scan_id = 4", "scan_id > 4", "TRUE"])
@pytest.mark.parametrize("by_keys", [False, True])
def test_keys_that_have_gone_are_passed_over(pipeline: SimpleNamespace, deleted: str, *, by_keys: bool) -> None:
    """Another session deletes what keys were to be made of while their batch is made: the others are made, also where
    rows come of the keys alone, which the database then refuses.
    """
    gone = len(pipeline.Scan & deleted)

    def delete() -> None:
        (pipeline.Scan & deleted).delete(prompt=False)

    def make_batch(self: Any, keys: pl.DataFrame) -> pl.DataFrame:
        if len(pipeline.Scan & deleted):
            thread = Thread(target=delete)
            thread.start()
            thread.join()
        return keys.with_columns(x=pl.lit(1.0)) if by_keys else doubled(pipeline.Scan, keys)

    found = pipeline.batch(make_batch).populate()
    assert (found.done, found.skipped, found.failures) == (10 - gone, gone, ())


def failing(scans: Any, bad: set[int], calls: list[int]) -> MakeBatch:
    """A make_batch that fails where a bad key is among its keys, after it has inserted."""

    def make_batch(self: Any, keys: pl.DataFrame) -> None:
        calls.append(len(keys))
        self.insert(doubled(scans, keys))
        if found := bad & set(keys["scan_id"]):
            raise ZeroDivisionError(f"off at {sorted(found)}")

    return make_batch


@pytest.mark.parametrize("bad", [{0}, {9}, {3, 4}, set(range(10))])
def test_suppressed_errors_name_their_keys(pipeline: SimpleNamespace, bad: set[int]) -> None:
    """A batch that fails is halved until the keys that fail are alone: all others are made."""
    calls: list[int] = []
    Result = pipeline.batch(failing(pipeline.Scan, bad, calls))
    result = Result.populate(suppress_errors=True)
    assert [failure.key for failure in result.failures] == [{"scan_id": number} for number in sorted(bad)]
    assert [str(failure.error) for failure in result.failures] == [f"off at [{number}]" for number in sorted(bad)]
    assert (result.done, result.failed) == (10 - len(bad), len(bad))
    assert ids(Result) == [number for number in range(10) if number not in bad]
    assert calls[0] == 10
    assert len(calls) <= 2 * 10 - 1
    assert Result.progress() == (len(bad), 10)


def test_halves_are_no_calls_of_their_own(pipeline: SimpleNamespace) -> None:
    """max_calls counts batches: one that fails is looked through to its end."""
    calls: list[int] = []
    Result = pipeline.batch(failing(pipeline.Scan, {1}, calls))
    result = Result.populate(suppress_errors=True, max_calls=1, batch_size=4)
    assert (result.done, result.failed) == (3, 1)
    assert calls == [4, 2, 1, 1, 2]


def test_suppressed_keys_without_rows(pipeline: SimpleNamespace) -> None:
    """Also a key that gets no row is found, and the others are made."""
    Result = pipeline.batch(lambda _, keys: doubled(pipeline.Scan, keys).filter(pl.col("scan_id") != 6))
    result = Result.populate(suppress_errors=True)
    (failure,) = result.failures
    assert failure.key == {"scan_id": 6}
    assert isinstance(failure.error, MakeError)
    assert result.done == 9


def test_a_refused_row_names_its_key_when_suppressed(pipeline: SimpleNamespace, schema: dj.Schema) -> None:
    """A part whose parent is missing fails its key only."""

    def make_batch(self: Any, keys: pl.DataFrame) -> Any:
        bins = keys.with_columns(bin=pl.lit(1, pl.UInt8), scan_id=pl.col("scan_id") + pl.col("scan_id") // 9 * 90)
        return {self: doubled(pipeline.Scan, keys), self.Bin: bins}

    Result = pipeline.batch(make_batch)
    with pytest.raises(MissingParent):
        Result.populate()
    result = Result.populate(suppress_errors=True)
    assert [failure.key for failure in result.failures] == [{"scan_id": 9}]
    assert (len(Result), len(Result.Bin)) == (9, 9)


@pytest.mark.parametrize("suppress", [False, True])
def test_an_interruption_ends_it(pipeline: SimpleNamespace, connection: PostgresConnection, *, suppress: bool) -> None:
    """Ctrl-C ends populate, whether or not errors are collected, and leaves nothing of its batch."""

    def make_batch(self: Any, keys: pl.DataFrame) -> None:
        self.insert(doubled(pipeline.Scan, keys))
        if keys["scan_id"][0] == 4:
            raise KeyboardInterrupt

    Result = pipeline.batch(make_batch)
    with pytest.raises(KeyboardInterrupt):
        Result.populate(batch_size=4, suppress_errors=suppress)
    assert ids(Result) == [0, 1, 2, 3]
    assert not connection.in_transaction


def test_a_database_error_that_is_passed_over(pipeline: SimpleNamespace, connection: PostgresConnection) -> None:
    """make_batch that swallows an error of the database does not end in a commit, and says so."""

    def make_batch(self: Any, keys: pl.DataFrame) -> pl.DataFrame | None:
        self.insert(doubled(pipeline.Scan, keys))
        with pytest.raises(dj.errors.EngineError):
            connection.execute("SELECT 1/0")
        return None

    Result = pipeline.batch(make_batch)
    with pytest.raises(MakeError, match="passed over an error"):
        Result.populate()
    assert len(Result) == 0


def test_columns_by_name_are_no_rows(pipeline: SimpleNamespace) -> None:
    """A mapping of names to columns is refused with what to return instead."""
    Result = pipeline.batch(lambda _, keys: {"scan_id": keys["scan_id"], "x": keys["scan_id"] * 1.0})
    with pytest.raises(MakeError, match="a mapping with names"):
        Result.populate()


def test_a_foreign_computed_table_takes_no_rows(pipeline: SimpleNamespace, schema: dj.Schema) -> None:
    """Of the tables that fill themselves only its own and its parts take rows of a batch, and only during it."""

    @schema
    class Other(dj.Computed):
        definition = "-> Scan\n---"

    Result = pipeline.batch(lambda self, keys: {self: doubled(pipeline.Scan, keys), Other: keys})
    with pytest.raises(InsertRefused):
        Result.populate()
    assert len(Result) == len(Other) == 0
    with pytest.raises(InsertRefused):
        Result.insert1((0, 0.0))


def test_populate_inside_is_refused(pipeline: SimpleNamespace, connection: PostgresConnection) -> None:
    """A batch needs a transaction of its own."""
    Result = pipeline.batch(lambda self, _: self.populate())
    with pytest.raises(TransactionError):
        Result.populate()
    with connection.transaction, pytest.raises(TransactionError, match="outside"):
        Result.populate()


def test_a_key_of_no_attributes(schema: dj.Schema) -> None:
    """A table of one row at most has no batches."""

    @schema
    class Only(dj.Computed):
        definition = "---\nx : float64"
        key_source = property(lambda self: dj.U() & self)

        def make_batch(self, keys: pl.DataFrame) -> pl.DataFrame:
            return keys

    with pytest.raises(MakeError, match="no attributes"):
        Only.populate()


# --- keys of every kind ------------------------------------------------------------------------------------------


def test_keys_of_every_type(schema: dj.Schema, connection: PostgresConnection) -> None:
    """Keys of several attributes and types, renamed ones among them, come as they are and find their rows."""
    words = ["it's", 'a "b"', "100 %", "back\\slash", "{x,y}", "NULL", "", " ", "日本", "$1"]

    @schema
    class Word(dj.Manual):
        definition = "word : varchar(20)\nkind : enum('a b', 'c''d')\n---"

    @schema
    class Moment(dj.Manual):
        definition = "number : uuid\nday : date\nprice : decimal(8,3)\nseen : timestamp\nbig : uint64\n---"

    seen = []

    @schema
    class Result(dj.Computed):
        definition = "-> Word.proj(term='word')\n-> Moment.proj(when='day')\n---\nlength : int32"

        def make_batch(self, keys: pl.DataFrame) -> pl.DataFrame:
            seen.append(keys.schema)
            return keys.with_columns(length=pl.col("term").str.len_chars().cast(pl.Int32))

    moments = [
        {
            "number": uuid.UUID(int=number),
            "day": datetime.date(1969, 12, 31) + datetime.timedelta(days=number),
            "price": decimal.Decimal("-0.125") * number,
            "seen": datetime.datetime(2024, 1, 1, 12, 0, 0, 1, tzinfo=datetime.UTC),
            "big": 2**64 - 1 - number,
        }
        for number in range(3)
    ]
    Word.insert([(word, kind) for word in words for kind in ("a b", "c'd")])
    Moment.insert(moments)
    assert Result.populate(batch_size=7).done == 60
    assert seen == [{name: Result().heading[name].type.polars for name in Result().primary_key}] * 9
    assert Result.populate().done == 0
    assert Result.progress() == (0, 60)
    assert set(Result.to_polars("term", "length").rows()) == {(word, len(word)) for word in words}


def test_a_finer_key_than_the_parents(pipeline: SimpleNamespace, schema: dj.Schema) -> None:
    """Several rows a key are made where the table adds an attribute; a key counts once."""

    @schema
    class Spot(dj.Computed):
        definition = "-> Scan\nspot : uint8\n---"

        def make_batch(self, keys: pl.DataFrame) -> pl.DataFrame:
            return keys.join(pl.DataFrame({"spot": [0, 1, 2]}), how="cross")

    assert Spot.populate(batch_size=4).done == 10
    assert len(Spot) == 30
    assert Spot.progress() == (0, 10)


def test_a_hundred_thousand_keys(schema: dj.Schema, connection: PostgresConnection) -> None:
    """Batches grow with what they take, each key is made once, and nothing is left behind in the session."""
    sizes = []

    @schema
    class Source(dj.Manual):
        definition = "number : int32\n---"

    @schema
    class Square(dj.Computed):
        definition = "-> Source\n---\nsquare : int64"

        def make_batch(self, keys: pl.DataFrame) -> pl.DataFrame:
            sizes.append(len(keys))
            return keys.with_columns(square=pl.col("number").cast(pl.Int64) ** 2)

    Source.insert(pl.DataFrame({"number": range(100_000)}))
    assert Square.populate().done == 100_000
    assert sizes[0] == 100
    assert 100 < sizes[1] <= 2000
    assert sum(sizes) == 100_000
    assert len(sizes) < 50
    total = Square.to_polars().select(pl.col("square").sum()).item()
    assert total == sum(number**2 for number in range(100_000))
    assert connection.query("SELECT 1 FROM pg_class WHERE relpersistence = 't'").num_rows == 0


def test_a_later_populate_begins_at_the_size_found(schema: dj.Schema, connection: PostgresConnection) -> None:
    """By the largest of the last batches of the same code; after a change of the code it begins anew."""
    sizes = []

    @schema
    class Source(dj.Manual):
        definition = "number : int32\n---"

    class Same(dj.Computed):
        definition = "-> Source\n---\nsquare : int64"

        def make_batch(self, keys: pl.DataFrame) -> pl.DataFrame:
            sizes.append(len(keys))
            return keys.with_columns(square=pl.col("number").cast(pl.Int64) ** 2)

    square = schema(Same)
    Source.insert(pl.DataFrame({"number": range(1300)}))
    square.populate("number < 300", batch_size=290)
    assert sizes == [290, 10]
    connection.execute(f'UPDATE "{schema.name}"."~makes" SET "duration" = "keys" * 0.01')
    square.populate("number < 1000", limit=400)
    assert sizes[2] == 200, "two seconds of 290 keys in 2.9 s, not of the ten that came last"
    connection.execute(f'UPDATE "{schema.name}"."~makes" SET "fingerprint" = \'another\'')
    sizes.clear()
    square.populate("number >= 1000")
    assert sizes[0] == 100


def test_imported_tables_too(schema: dj.Schema, pipeline: SimpleNamespace) -> None:
    """The imported tier has the same forms."""

    @schema
    class Reading(dj.Imported):
        definition = "-> Scan\n---"

        def make_batch(self, keys: pl.DataFrame) -> pl.DataFrame:
            return keys

    assert Reading.populate().done == 10
