"""What engine/postgres.py relies on in the PostgreSQL driver, seen on a real server. No code of djarrow between."""

from __future__ import annotations

import datetime
import decimal
import uuid
from collections.abc import Iterator
from typing import Any

import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa
import pytest

from djarrow.engine.postgres import PostgresConnection


@pytest.fixture
def raw(connection: PostgresConnection) -> Iterator[Any]:
    """A connection of the driver, with autocommit, in UTC."""
    opened = adbc.connect(connection.url, autocommit=True)
    run(opened, "SET TimeZone = 'UTC'")
    run(opened, 'CREATE SCHEMA IF NOT EXISTS "contract"')
    yield opened
    opened.close()
    connection.execute('DROP SCHEMA "contract" CASCADE')


def run(opened: Any, text: str) -> None:
    """One statement."""
    with opened.cursor() as cursor:
        cursor.execute(text)


def read(opened: Any, text: str) -> pa.Table:
    """The result of one statement."""
    with opened.cursor() as cursor:
        cursor.execute(text)
        return cursor.fetch_arrow_table()


def ingest(opened: Any, table: str, rows: pa.Table) -> int:
    """Append rows through COPY."""
    with opened.cursor() as cursor:
        return int(cursor.adbc_ingest(table, rows, mode="append", db_schema_name="contract"))


# --- reading -----------------------------------------------------------------------------------------------------


def test_numeric_is_read_as_text(raw: Any) -> None:
    """A numeric arrives as an opaque extension over string; cast to text on the server it is an exact plain string."""
    found = read(
        raw,
        "SELECT 1.50::numeric(5,2) AS a, 18446744073709551615::numeric(20,0)::text AS b, 1.50::numeric(5,2)::text AS c",
    )
    assert found.schema.field("a").type.extension_name == "arrow.opaque"
    assert found.schema.field("a").type.storage_type == pa.string()
    assert found.schema.field("b").type == found.schema.field("c").type == pa.string()
    assert found.select(["b", "c"]).to_pylist() == [{"b": "18446744073709551615", "c": "1.50"}]
    exact = found.column("c").cast(pa.decimal128(5, 2))
    assert exact.to_pylist() == [decimal.Decimal("1.50")]


def test_uuid_and_json_are_extension_types(raw: Any) -> None:
    """A uuid arrives as its 16 bytes under arrow.uuid, a jsonb as text under arrow.json."""
    found = read(raw, """SELECT '12345678-1234-5678-1234-567812345678'::uuid AS u, '{"a": [1]}'::jsonb AS j""")
    assert found.schema.field("u").type == pa.uuid()
    assert found.schema.field("j").type.extension_name == "arrow.json"
    assert found.column("u").to_pylist() == [uuid.UUID("12345678123456781234567812345678")]
    assert found.column("j").to_pylist() == ['{"a": [1]}']


def test_types_of_plain_columns(raw: Any) -> None:
    """The other column types arrive as the Arrow types that the table of types says."""
    found = read(
        raw,
        "SELECT 1::smallint AS a, 2 AS b, 3::bigint AS c, 0.5::real AS d, 0.5::double precision AS e, true AS f,"
        " 'x'::varchar(3) AS g, '2024-02-29'::date AS h, '01:02:03.5'::time AS i, '2024-01-01'::timestamptz AS j,"
        " '2024-01-01'::timestamp AS k, '\\x00'::bytea AS l",
    )
    assert [str(field.type) for field in found.schema] == [
        "int16", "int32", "int64", "float", "double", "bool", "string",
        "date32[day]", "time64[us]", "timestamp[us, tz=UTC]", "timestamp[us]", "binary",
    ]  # fmt: skip


def test_infinite_moments_wrap(raw: Any) -> None:
    """'infinity' arrives as a finite moment and without an error, so that columns are checked against it."""
    found = read(raw, "SELECT 'infinity'::timestamp AS a, '-infinity'::timestamp AS b").column("a").cast(pa.int64())
    assert found.null_count == 0
    assert abs(found[0].as_py()) < 2**63


def test_nan_is_not_null(raw: Any) -> None:
    """NaN, the infinities and the sign of zero arrive as they are; NULL is NULL."""
    values = "('NaN'::float8), ('-Infinity'::float8), ('-0'::float8), (NULL)"
    found = read(raw, f"SELECT * FROM (VALUES {values}) AS t(a)").column("a")
    assert str(found.to_pylist()) == "[nan, -inf, -0.0, None]"


def test_empty_results_have_their_types(raw: Any) -> None:
    """A result without rows has the types that it would have with them."""
    found = read(raw, "SELECT 1 AS a, 'x'::text AS b, now() AS c WHERE false")
    assert found.num_rows == 0
    assert [str(field.type) for field in found.schema] == ["int32", "string", "timestamp[us, tz=UTC]"]


def test_batches_are_streamed(raw: Any) -> None:
    """A large result arrives in several batches."""
    with raw.cursor() as cursor:
        cursor.execute("SELECT n, repeat('x', 1000) AS x FROM generate_series(1, 50000) AS n")
        sizes = [batch.num_rows for batch in cursor.fetch_record_batch()]
    assert sum(sizes) == 50_000
    assert len(sizes) > 1


def test_a_statement_during_an_open_stream_breaks_it(raw: Any) -> None:
    """Another statement on the connection ends the stream with an error: streams have a connection of their own."""
    cursor = raw.cursor()
    cursor.execute("SELECT n, repeat('x', 1000) AS x FROM generate_series(1, 50000) AS n")
    stream = cursor.fetch_record_batch()
    stream.read_next_batch()
    run(raw, "SELECT 1")
    with pytest.raises((adbc.Error, pa.ArrowException, OSError)):
        stream.read_all()
    stream.close()
    cursor.close()


def test_errors_of_a_select_come_while_reading(raw: Any) -> None:
    """An error that some row raises comes when the rows are read."""
    with raw.cursor() as cursor:
        cursor.execute("SELECT 1 / (n - 40000) AS x FROM generate_series(1, 50000) AS n")
        with pytest.raises((adbc.Error, OSError), match="division by zero"):
            cursor.fetch_arrow_table()


# --- statements --------------------------------------------------------------------------------------------------


def test_one_statement_an_execute(raw: Any) -> None:
    """Two statements in one text are refused."""
    with pytest.raises(adbc.Error, match="multiple commands"):
        read(raw, "SELECT 1 AS a; SELECT 2 AS b")


def test_errors_carry_code_and_details(raw: Any) -> None:
    """An error has PostgreSQL's code, and the names of schema, table and constraint."""
    run(raw, 'CREATE TABLE "contract"."#odd" (a int, CONSTRAINT "odd key" PRIMARY KEY (a))')
    run(raw, 'INSERT INTO "contract"."#odd" VALUES (1)')
    with pytest.raises(adbc.IntegrityError) as caught:
        run(raw, 'INSERT INTO "contract"."#odd" VALUES (1)')
    assert caught.value.sqlstate == "23505"
    details = {_plain(name): _plain(value) for name, value in caught.value.details}
    assert details["PG_DIAG_SCHEMA_NAME"] == "contract"
    assert details["PG_DIAG_TABLE_NAME"] == "#odd"
    assert details["PG_DIAG_CONSTRAINT_NAME"] == "odd key"
    assert details["PG_DIAG_MESSAGE_DETAIL"] == "Key (a)=(1) already exists."


def _plain(text: Any) -> str:
    return text.decode() if isinstance(text, bytes) else str(text)


def test_commit_of_a_failed_transaction_raises_nothing(connection: PostgresConnection, raw: Any) -> None:
    """COMMIT of a transaction that an error has aborted succeeds and has kept nothing: it must be asked before."""
    run(raw, 'CREATE TABLE "contract"."kept" (a int PRIMARY KEY)')
    run(raw, "BEGIN")
    run(raw, 'INSERT INTO "contract"."kept" VALUES (1)')
    with pytest.raises(adbc.Error):
        run(raw, 'INSERT INTO "contract"."kept" VALUES (1)')
    with pytest.raises(adbc.Error) as aborted:
        read(raw, "SELECT 1 AS a")
    assert aborted.value.sqlstate == "25P02"
    run(raw, "COMMIT")
    assert read(raw, 'SELECT count(*) AS n FROM "contract"."kept"').to_pylist() == [{"n": 0}]


def test_a_bad_url_is_told_with_its_password() -> None:
    """The driver's own text may repeat the URL, so that engine/faults.py takes passwords out of every text."""
    with pytest.raises(adbc.Error) as caught:
        adbc.connect("postgresql://user:pa%ss-word@host:port/x")
    assert "pa%ss-word" in str(caught.value)


# --- COPY --------------------------------------------------------------------------------------------------------


def test_ingest_takes_a_subset_of_columns(raw: Any) -> None:
    """Columns that are left out take their defaults; names may be odd; the number of rows comes back."""
    run(
        raw,
        'CREATE TABLE "contract"."#lookup ü" '
        '("order" int, "it\'s" varchar(3) DEFAULT \'x\', c timestamptz DEFAULT now())',
    )
    assert ingest(raw, "#lookup ü", pa.table({"order": pa.array([1, None], pa.int32())})) == 2
    found = read(raw, 'SELECT "order", "it\'s", c IS NOT NULL AS c FROM "contract"."#lookup ü" ORDER BY 1')
    assert found.to_pylist() == [{"order": 1, "it's": "x", "c": True}, {"order": None, "it's": "x", "c": True}]


def test_ingest_takes_the_types_that_rows_have(raw: Any) -> None:
    """Each type that engine code sends goes into the column that its attribute has, and comes back the same."""
    run(
        raw,
        'CREATE TABLE "contract"."every" (i8 smallint, u8 smallint, u16 integer, u32 bigint, u64 numeric(20,0),'
        " d numeric(7,2), u uuid, j jsonb, e text, b bytea, ts timestamptz, w timestamp, t time)",
    )
    moment = datetime.datetime(2024, 2, 29, 1, 2, 3, 4)
    rows = pa.table(
        {
            "i8": pa.array([-128], pa.int8()),
            "u8": pa.array([255], pa.uint8()),
            "u16": pa.array([65535], pa.uint16()),
            "u32": pa.array([2**32 - 1], pa.uint32()),
            "u64": pa.array([2**64 - 1], pa.uint64()),
            "d": pa.array([decimal.Decimal("-12345.67")], pa.decimal128(7, 2)),
            "u": pa.array([uuid.UUID(int=5).bytes], pa.uuid()),
            "j": pa.ExtensionArray.from_storage(pa.json_(), pa.array(['{"a": 1}'])),
            "e": pa.array(["x"]).dictionary_encode(),
            "b": pa.array([b"\0\xff"]),
            "ts": pa.array([moment.replace(tzinfo=datetime.UTC)], pa.timestamp("us", "UTC")),
            "w": pa.array([moment], pa.timestamp("us")),
            "t": pa.array([moment.time()], pa.time64("us")),
        }
    )
    assert ingest(raw, "every", rows) == 1
    (found,) = read(raw, 'SELECT *, u64::text AS v, d::text AS c FROM "contract"."every"').to_pylist()
    assert (found["i8"], found["u8"], found["u16"], found["u32"], found["v"], found["c"]) == (
        -128, 255, 65535, 2**32 - 1, str(2**64 - 1), "-12345.67",
    )  # fmt: skip
    assert (found["u"], found["j"], found["e"], found["b"]) == (uuid.UUID(int=5), '{"a": 1}', "x", b"\0\xff")
    assert (found["ts"], found["w"], found["t"]) == (moment.replace(tzinfo=datetime.UTC), moment, moment.time())


@pytest.mark.parametrize(
    ("column", "rows"),
    [
        ("smallint", pa.array([1], pa.int64())),
        ("numeric(5,2)", pa.array([1.5], pa.float64())),
        ("uuid", pa.array(["12345678-1234-5678-1234-567812345678"])),
        ("jsonb", pa.array(['{"a": 1}'])),
    ],
    ids=["int64 into smallint", "float into numeric", "text into uuid", "text into jsonb"],
)
def test_ingest_refuses_other_types(raw: Any, column: str, rows: pa.Array) -> None:
    """COPY is binary: a type that is not the column's own is refused, and nothing is kept."""
    run(raw, f'CREATE TABLE "contract"."narrow" (a {column})')
    with pytest.raises(adbc.Error):
        ingest(raw, "narrow", pa.table({"a": rows}))
    assert read(raw, 'SELECT count(*) AS n FROM "contract"."narrow"').to_pylist() == [{"n": 0}]


def test_ingest_is_all_or_nothing(raw: Any) -> None:
    """One row that the table refuses keeps all of them out."""
    run(raw, 'CREATE TABLE "contract"."unique" (a int PRIMARY KEY)')
    with pytest.raises(adbc.IntegrityError):
        ingest(raw, "unique", pa.table({"a": pa.array([1, 2, 2], pa.int32())}))
    assert read(raw, 'SELECT count(*) AS n FROM "contract"."unique"').to_pylist() == [{"n": 0}]
