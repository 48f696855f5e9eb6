"""make_query: rows that a query gives for the pending keys, inserted on the server in one transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

import djarrow as dj
from djarrow.engine.connect import connect
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import (
    DuplicateKey,
    EngineError,
    IncompatibleOperands,
    InsertRefused,
    InvalidValue,
    MakeError,
    MissingField,
    QueryError,
    UnknownAttribute,
    UnknownField,
)
from djarrow.sql.literals import identifier


@pytest.fixture
def pipeline(schema: dj.Schema) -> SimpleNamespace:
    """Scan (10 rows), Spike (each scan's number of rows, none of scan 0), a manual Log; `result(make_query)`."""

    @schema
    class Scan(dj.Manual):
        definition = "scan_id : uint8\n---\nvalue : float64"

    @schema
    class Spike(dj.Manual):
        definition = "-> Scan\nspike : uint8\n---\nheight : float64"

    @schema
    class Log(dj.Manual):
        definition = "scan_id : uint8\n---\nentry : varchar(40)"

    def result(make_query: Callable[..., Any], definition: str = "-> Scan\n---\nx : float64", **members: Any) -> Any:
        class Item(dj.Part):
            definition = "-> master\n-> Spike\n---\nheight : float64"

        body = {"definition": definition, "Item": Item, "make_query": make_query, **members}
        return schema(type("Result", (dj.Computed,), body))

    Scan.insert([(number, number / 4) for number in range(10)])
    Spike.insert([(scan, spike, scan + spike / 8) for scan in range(10) for spike in range(scan)])
    return SimpleNamespace(Scan=Scan, Spike=Spike, Log=Log, result=result)


def ids(query: Any) -> list[int]:
    """The scans of a query."""
    return [key["scan_id"] for key in query.keys()]  # noqa: SIM118 - the method of a query, not of a mapping


def makes(connection: PostgresConnection, schema: dj.Schema) -> list[dict[str, Any]]:
    """What is kept of the makes of a schema, the first one first."""
    text = f'SELECT make::text, table_name, keys FROM "{schema.name}"."~makes" ORDER BY started'
    rows: list[dict[str, Any]] = connection.query(text).to_pylist()
    return rows


def numbers(connection: PostgresConnection, table: Any) -> set[str | None]:
    """The numbers of the makes that rows of a table are of."""
    text = f'SELECT DISTINCT "_make"::text AS make FROM {table.full_table_name}'
    return {row["make"] for row in connection.query(text).to_pylist()}


def test_all_pending_keys_are_made(
    pipeline: SimpleNamespace, schema: dj.Schema, connection: PostgresConnection
) -> None:
    """The rows that the query gives go in, as one make whose number they have; a second populate has nothing to do."""
    Result = pipeline.result(lambda _: pipeline.Scan.proj(x="value * 2"))
    first = Result.populate()
    assert (first.done, first.failed, first.skipped) == (10, 0, 0)
    assert first.seconds > 0
    assert Result.to_dicts("x") == [{"x": number / 2} for number in range(10)]
    (kept,) = makes(connection, schema)
    assert (kept["table_name"], kept["keys"]) == ("__result", 10)
    assert numbers(connection, Result()) == {kept["make"]}
    assert Result.populate().done == 0
    assert len(makes(connection, schema)) == 1


def test_only_what_is_pending_goes_in(
    pipeline: SimpleNamespace, schema: dj.Schema, connection: PostgresConnection
) -> None:
    """Restrictions of populate hold, and keys that have a row are left alone."""
    Result = pipeline.result(lambda _: pipeline.Scan.proj(x="value * 2"))
    Result.insert1((5, -1.0), allow_direct_insert=True)
    assert Result.populate("scan_id > 2", pipeline.Scan & "value < 2").done == 4
    assert ids(Result) == [3, 4, 5, 6, 7]
    assert (Result & {"scan_id": 5}).fetch1("x") == -1
    assert Result.progress() == (5, 10)
    assert Result.populate().done == 5
    assert [row["keys"] for row in makes(connection, schema)] == [4, 5]


def test_keys_without_rows_are_skipped(pipeline: SimpleNamespace) -> None:
    """Keys for which the query gives no row are told as skipped, and stay pending."""
    Result = pipeline.result(lambda _: pipeline.Scan.aggr(pipeline.Spike, x="sum(height)", exclude_nonmatching=True))
    for done in (9, 0):
        result = Result.populate()
        assert (result.done, result.skipped, result.failed) == (done, 1, 0)
    assert Result.progress() == (1, 10)
    assert ids(Result) == list(range(1, 10))


def test_no_row_no_make(pipeline: SimpleNamespace, schema: dj.Schema, connection: PostgresConnection) -> None:
    """Where nothing was made, nothing is kept of it."""
    Result = pipeline.result(lambda _: (pipeline.Scan & "value > 100").proj(x="value"))
    assert (Result.populate().done, Result.populate().skipped) == (0, 10)
    assert makes(connection, schema) == []


def test_parts_go_in_with_their_master(
    pipeline: SimpleNamespace, schema: dj.Schema, connection: PostgresConnection
) -> None:
    """A mapping of tables to queries, in any order, is one make; parts are those of the keys that were made now."""

    def make_query(self: Any) -> Any:
        return {self.Item: pipeline.Spike, self: (pipeline.Scan & "value > 0.5").proj(x="value * 2")}

    Result = pipeline.result(make_query)
    first = Result.populate("scan_id < 6")
    assert (first.done, first.skipped) == (3, 3)
    assert [(row["scan_id"], row["spike"]) for row in Result.Item.to_dicts()] == [
        (scan, spike) for scan in (3, 4, 5) for spike in range(scan)
    ]
    assert Result.populate().done == 4
    assert len(Result.Item) == sum(range(3, 10))
    kept = makes(connection, schema)
    assert [row["keys"] for row in kept] == [3, 4]
    assert numbers(connection, Result.Item()) == {row["make"] for row in kept}


def test_other_tables_in_the_same_transaction(pipeline: SimpleNamespace) -> None:
    """A manual table takes the rows of the keys that are made, and of no others."""

    def make_query(self: Any) -> Any:
        return {
            pipeline.Log: pipeline.Scan.proj(entry="concat('scan ', scan_id)"),
            self: (pipeline.Scan & "scan_id > 7").proj(x="value"),
        }

    Result = pipeline.result(make_query)
    assert Result.populate().done == 2
    assert pipeline.Log.to_dicts() == [{"scan_id": 8, "entry": "scan 8"}, {"scan_id": 9, "entry": "scan 9"}]


def test_a_table_without_the_key(pipeline: SimpleNamespace, schema: dj.Schema) -> None:
    """Attributes of the key that a table lacks tell which rows go in, and do not go in themselves."""

    @schema
    class Note(dj.Manual):
        definition = "note : varchar(20)\n---"

    def make_query(self: Any) -> Any:
        return {Note: pipeline.Scan.proj(note="concat('scan ', scan_id)"), self: pipeline.Scan.proj(x="value")}

    Result = pipeline.result(make_query)
    assert Result.populate("scan_id < 2").done == 2
    assert Note.to_dicts() == [{"note": "scan 0"}, {"note": "scan 1"}]


def test_a_finer_key_than_the_parents(
    pipeline: SimpleNamespace, schema: dj.Schema, connection: PostgresConnection
) -> None:
    """Several rows a key count as one key. They come from what the definition does not refer to."""

    @schema
    class Tall(dj.Computed):
        definition = "-> Scan\nspike : uint8\n---\nheight : float64"

        def make_query(self) -> Any:
            return pipeline.Spike

    with dj.config.override(strict_reads="off"):
        result = Tall.populate()
    assert (result.done, result.skipped) == (9, 1)
    assert len(Tall) == 45
    assert makes(connection, schema)[0]["keys"] == 9


def test_renamed_parents(pipeline: SimpleNamespace, schema: dj.Schema) -> None:
    """Keys of several attributes under other names find their rows."""

    @schema
    class Pair(dj.Computed):
        definition = "-> Scan.proj(first='scan_id')\n-> Scan.proj(second='scan_id')\n---\nsum : float64"

        def make_query(self) -> Any:
            first, second = (
                pipeline.Scan.proj(first="scan_id", a="value"),
                pipeline.Scan.proj(second="scan_id", b="value"),
            )
            return (first * second).proj(sum="a + b")

    assert Pair.populate("first < 3").done == 30
    assert Pair.populate().done == 70
    assert (Pair & {"first": 2, "second": 4}).fetch1("sum") == 1.5


def test_arguments_and_calls(pipeline: SimpleNamespace) -> None:
    """make_query is asked once a populate, with the arguments of make_kwargs."""
    asked = []

    def make_query(self: Any, factor: int) -> Any:
        asked.append(factor)
        return pipeline.Scan.proj(x=f"value * {factor}")

    Result = pipeline.result(make_query)
    assert Result.populate(make_kwargs={"factor": 4}, batch_size=3).done == 10
    assert asked == [4]
    assert Result.to_dicts("x") == [{"x": float(number)} for number in range(10)]


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({"max_calls": 0}, []),
        ({"max_calls": 1}, [10]),
        ({"batch_size": 4}, [4, 4, 2]),
        ({"limit": 3}, [3]),
        ({"limit": 3, "order": "reverse", "batch_size": 2}, [2, 1]),
        ({"limit": 0}, []),
        ({"batch_size": 4, "max_calls": 2}, [4, 4]),
    ],
)
def test_batches(
    pipeline: SimpleNamespace,
    schema: dj.Schema,
    connection: PostgresConnection,
    options: dict[str, Any],
    kept: list[int],
) -> None:
    """All pending keys are one transaction, or so many a transaction where that is wished; max_calls counts these."""
    Result = pipeline.result(lambda self: {self: pipeline.Scan.proj(x="value"), self.Item: pipeline.Spike})
    result = Result.populate(**options)
    assert result.done == sum(kept)
    assert [row["keys"] for row in makes(connection, schema)] == kept
    assert len(Result.Item) == sum(range(sum(kept)))


@pytest.mark.parametrize("restriction", [True, "a query"])
def test_a_key_source_that_reads_what_is_made(
    pipeline: SimpleNamespace, schema: dj.Schema, connection: PostgresConnection, restriction: Any
) -> None:
    """A key source without the keys that have rows, or by a table that rows go into, gives the same keys to the end."""

    def make_query(self: Any) -> Any:
        log = pipeline.Scan.proj(entry="'made'")
        return {pipeline.Log: log, self: pipeline.Scan.proj(x="value"), self.Item: pipeline.Spike}

    Result = pipeline.result(make_query, key_source=property(lambda self: pipeline.Scan - self.proj()))
    given = restriction if restriction is True else pipeline.Scan.proj() - Result.Item.proj()
    assert Result.populate("scan_id < 4", given).done == 4
    assert Result.populate(given).done == 6
    assert (len(Result), len(Result.Item), len(pipeline.Log)) == (10, 45, 10)
    kept = makes(connection, schema)
    assert [row["keys"] for row in kept] == [4, 6]
    assert numbers(connection, Result()) == {row["make"] for row in kept}


def test_names_that_need_quotes(connection: PostgresConnection) -> None:
    """Names of schemas with quotes, spaces and percent signs are names in every statement."""
    name = 'odd "name" 100 % it\'s; --'
    connection.execute(f"CREATE SCHEMA {identifier(name)}")
    odd = dj.Schema(name, connection=connection, create_schema=False)

    @odd
    class Scan(dj.Manual):
        definition = "scan_id : uint8\n---\nvalue : float64"

    class Part(dj.Part):
        definition = "-> master\n---"

    def batch(self: Any, keys: pl.DataFrame) -> Any:
        return {self: keys.with_columns(x=pl.lit(0.5)), self.Part: keys}

    def query(self: Any) -> Any:
        return {self: Scan.proj(x="value"), self.Part: Scan.proj()}

    try:
        Scan.insert([(number, 0.5) for number in range(5)])
        for kind, form in (("Batched", {"make_batch": batch}), ("Queried", {"make_query": query})):
            part = type("Part", (dj.Part,), {"definition": Part.definition})
            body = {"definition": "-> Scan\n---\nx : float64", "Part": part, **form}
            table: Any = odd(type(kind, (dj.Computed,), body))
            assert table.populate().done == 5
            assert (len(table), len(table.Part)) == (5, 5)
    finally:
        odd.drop(prompt=False)


def test_tables_of_other_software(pipeline: SimpleNamespace, schema: dj.Schema, connection: PostgresConnection) -> None:
    """Tables without the column for the number of a make get it with their first one, parts too."""
    Result = pipeline.result(lambda self: {self: pipeline.Scan.proj(x="value"), self.Item: pipeline.Spike})
    for table in (Result(), Result.Item()):
        table.declare()
        connection.execute(f'ALTER TABLE {table.full_table_name} DROP COLUMN "_make"')
    assert Result.populate().done == 10
    assert numbers(connection, Result.Item()) == {row["make"] for row in makes(connection, schema)}


def test_progress_is_shown_in_keys(pipeline: SimpleNamespace, capfd: pytest.CaptureFixture[str]) -> None:
    """The bar counts keys."""
    Result = pipeline.result(lambda _: pipeline.Scan.proj(x="value"))
    Result.populate(display_progress=True)
    assert "10/10" in capfd.readouterr().err


def test_no_table_is_left_behind(pipeline: SimpleNamespace, connection: PostgresConnection) -> None:
    """No temporary table is made for it."""
    Result = pipeline.result(lambda self: {self: pipeline.Scan.proj(x="value"), self.Item: pipeline.Spike})
    Result.populate(batch_size=3)
    assert connection.query("SELECT 1 FROM pg_class WHERE relpersistence = 't'").num_rows == 0


def test_a_hundred_thousand_keys(schema: dj.Schema) -> None:
    """As many keys as there are go in by one statement."""

    @schema
    class Source(dj.Manual):
        definition = "number : int32\n---"

    @schema
    class Square(dj.Computed):
        definition = "-> Source\n---\nsquare : int64"

        def make_query(self) -> Any:
            return Source.proj(square="cast(number as signed) * number")

    Source.insert(pl.DataFrame({"number": range(100_000)}))
    assert Square.populate("number < 500").done == 500
    assert Square.populate().done == 99_500
    assert (Square & {"number": 99_999}).fetch1("square") == 99_999**2


# --- what goes wrong ---------------------------------------------------------------------------------------------


def test_an_error_keeps_nothing(pipeline: SimpleNamespace, schema: dj.Schema) -> None:
    """A value that the table does not take is an error of all, and nothing went in, parts and other tables included."""

    def make_query(self: Any) -> Any:
        return {pipeline.Log: pipeline.Scan.proj(entry="'made'"), self: pipeline.Scan.proj(x="scan_id * 100")}

    Result = pipeline.result(make_query, "-> Scan\n---\nx : uint8")
    with pytest.raises((InvalidValue, EngineError)) as caught:
        Result.populate()
    assert "make_query of" in caught.value.__notes__[0]
    assert "all pending keys" in caught.value.__notes__[0]
    assert len(Result) == len(pipeline.Log) == 0


def test_suppressed_errors_name_their_keys(
    pipeline: SimpleNamespace, schema: dj.Schema, connection: PostgresConnection
) -> None:
    """The keys that fail are found by halving, all others are made."""

    def make_query(self: Any) -> Any:
        return {self: pipeline.Scan.proj(x="scan_id * 40"), self.Item: pipeline.Spike}

    Result = pipeline.result(make_query, "-> Scan\n---\nx : uint8")
    result = Result.populate(suppress_errors=True)
    assert [failure.key for failure in result.failures] == [{"scan_id": number} for number in (7, 8, 9)]
    assert (result.done, result.failed, result.skipped) == (7, 3, 0)
    assert ids(Result) == list(range(7))
    assert len(Result.Item) == sum(range(7))
    assert sum(row["keys"] for row in makes(connection, schema)) == 7


def test_a_query_with_a_key_twice(pipeline: SimpleNamespace) -> None:
    """A query that is finer than the table gives a key twice, which is an error."""
    Result = pipeline.result(lambda _: dj.U("scan_id", "x") & pipeline.Spike.proj(x="height"))
    with pytest.raises(DuplicateKey):
        Result.populate("scan_id > 1")
    assert len(Result) == 0


@pytest.mark.parametrize(
    ("make_query", "error", "text"),
    [
        (lambda _, p: p.Scan.to_polars(), MakeError, "what make_batch is for"),
        (lambda *_: None, MakeError, "returns a query"),
        (lambda *_: {}, MakeError, "no query for the table itself"),
        (lambda self, p: {self.Item: p.Spike}, MakeError, "no query for the table itself"),
        (lambda self, p: {self: p.Scan.proj(x="value"), self.Item: None}, MakeError, "of .*item it is None"),
        (lambda _, p: {"x": p.Scan}, dj.errors.DefinitionError, "no table class"),
        (lambda _, p: p.Scan.proj(number="scan_id", x="value"), MakeError, "lacks 'scan_id'"),
        (lambda _, p: p.Scan.proj(), MissingField, "the query has no such attribute"),
        (lambda _, p: p.Scan.proj(x="(value)", y="value"), UnknownField, "the query has 'y'"),
        (lambda _, p: p.Log.proj(x="1.5"), IncompatibleOperands, "scan_id"),
    ],
)
def test_queries_that_cannot_be_inserted(
    pipeline: SimpleNamespace, make_query: Any, error: type[Exception], text: str
) -> None:
    """What is no query, or not for this table, is refused with what is wrong, and nothing goes in."""
    Result = pipeline.result(lambda self: make_query(self, pipeline))
    with dj.config.override(strict_reads="off"), pytest.raises(error, match=text):
        Result.populate()
    assert len(Result) == 0


def test_suppressed_errors_are_not_those_of_the_class(pipeline: SimpleNamespace) -> None:
    """What make_query itself does wrong is no key's error: it is raised in any case."""
    Result = pipeline.result(lambda _: None)
    with pytest.raises(MakeError):
        Result.populate(suppress_errors=True)


def test_what_make_query_raises_tells_of_what_table(pipeline: SimpleNamespace, schema: dj.Schema) -> None:
    """Of many tables that are populated, no other word would say which one it was."""
    pipeline.result(lambda _: pipeline.Scan.proj(x="valeu"))
    with pytest.raises(UnknownAttribute, match="valeu") as caught:
        schema.populate()
    assert caught.value.__notes__ == [f"In the make_query of {schema.name}.__result."]


def test_a_property_is_no_method(pipeline: SimpleNamespace) -> None:
    """make_query is a method."""
    Result = pipeline.result(property(lambda _: pipeline.Scan.proj(x="value")))
    with pytest.raises(MakeError, match="make_query is a method"):
        Result.populate()


@pytest.fixture
def elsewhere(connection: PostgresConnection, schema: dj.Schema) -> Iterator[dj.Schema]:
    """The same schema by another connection."""
    other = connect(connection.url)
    yield dj.Schema(schema.name, connection=other)
    other.close()


def test_a_query_of_another_place(pipeline: SimpleNamespace, elsewhere: dj.Schema) -> None:
    """Rows of another database do not go from table to table, and the error says what to do."""
    there = dj.VirtualModule("there", elsewhere.name, connection=elsewhere.connection)
    Result = pipeline.result(lambda _: there.Scan.proj(x="value"))
    with pytest.raises(QueryError, match=r"another database.*make_batch"):
        Result.populate()
    assert len(Result) == 0


def test_a_foreign_computed_table_takes_no_rows(pipeline: SimpleNamespace, schema: dj.Schema) -> None:
    """Of the tables that fill themselves only its own and its parts take rows."""

    @schema
    class Other(dj.Computed):
        definition = "-> Scan\n---"

    Result = pipeline.result(lambda self: {self: pipeline.Scan.proj(x="value"), Other: pipeline.Scan.proj()})
    with pytest.raises(InsertRefused):
        Result.populate()
    assert len(Result) == len(Other) == 0


def test_it_inserts_nothing_itself(pipeline: SimpleNamespace) -> None:
    """make_query says what is to be inserted; inserting by itself is refused."""

    def make_query(self: Any) -> Any:
        self.insert1((1, 1.0))
        return pipeline.Scan.proj(x="value")

    Result = pipeline.result(make_query)
    with pytest.raises(InsertRefused):
        Result.populate()
    assert len(Result) == 0


def test_a_table_that_was_emptied_fills_as_fast_as_a_new_one(schema: dj.Schema, connection: PostgresConnection) -> None:
    """The server knows that it has no rows, and would look for each key in all rows that have come since."""

    @schema
    class Source(dj.Manual):
        definition = "n : int32\n---"

    @schema
    class Square(dj.Computed):
        definition = "-> Source\n---\nsquare : int64"

        def make_query(self) -> Any:
            return Source.proj(square="n * n")

    Source.insert(pl.DataFrame({"n": range(30_000)}))
    Square.declare()
    seconds = []
    for emptied in (False, True):
        if emptied:
            Square.delete(prompt=False)
            connection.execute(f"VACUUM {Square().full_table_name}")
        started = time.monotonic()
        assert Square.populate().done == 30_000
        seconds.append(time.monotonic() - started)
    assert seconds[1] < 4 * seconds[0] + 1
