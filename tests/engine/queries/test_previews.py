"""What is shown of a query: its first rows and their number, or why there are none; and that showing does nothing.

The forms of text and HTML have their tests in unit/show.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import polars as pl
import pytest

import djarrow as dj
from djarrow.engine import connect as connecting
from djarrow.engine.base import Reader
from djarrow.engine.connect import connect
from djarrow.engine.duckdb import DuckReader
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import (
    ConfigError,
    ConnectionFailed,
    DefinitionMismatch,
    EngineError,
    InvalidCondition,
    MissingTable,
    NoSchema,
    TimedOut,
    TransactionError,
)
from djarrow.repo.opening.repository import Repository
from djarrow.show.text import cells
from djarrow.table import preview as previewing
from djarrow.table.expression import QueryExpression

if TYPE_CHECKING:
    import pyarrow as pa

Place = Callable[[], contextlib.AbstractContextManager[None]]


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A terminal of 160 columns, and a project without settings."""
    monkeypatch.setenv("COLUMNS", "160")
    (tmp_path / ".djarrow").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(params=["postgres", "duckdb"])
def place(request: pytest.FixtureRequest, queries: dj.Schema, tables: SimpleNamespace) -> Place:
    """Gives the block in which the tables are read from the server, or from the repository."""
    if request.param == "postgres":
        return contextlib.nullcontext
    repository: Repository = request.getfixturevalue("offline")
    return lambda: repository.using(queries)


@pytest.fixture
def own(connection: PostgresConnection) -> Iterator[PostgresConnection]:
    """A connection that only this test uses."""
    opened = connect(connection.url)
    yield opened
    opened.close()


def lines(query: object) -> list[str]:
    """The lines of what a terminal shows."""
    return repr(query).splitlines()


def html(query: QueryExpression) -> str:
    """What a notebook shows, without its markup."""
    return re.sub(r"<[^>]*>", " ", query._repr_html_())


# --- what is shown -------------------------------------------------------------------------------------------------


def test_a_table(tables: SimpleNamespace, place: Place) -> None:
    """The name, the attributes with their types, all rows in key order, and their number."""
    with place():
        assert lines(tables.Subject()) == [
            "queries.subject",
            "*subject_id │ name         sex                  weight",
            "      uint8 │ varchar(20)  enum('F','M')  decimal(5,2)",
            "────────────┼─────────────────────────────────────────",
            "          1 │ Ann          F                      1.50",
            "          2 │ Bob          M                      NULL",
            "          3 │ Cyd          NULL                  20.25",
            "          4 │ ann          F                      1.50",
            "4 rows",
        ]


def test_every_type(tables: SimpleNamespace, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values of each type as people write them, the same from both engines; blobs by their size."""
    monkeypatch.setenv("COLUMNS", "500")
    with place():
        kinds = lines(tables.Kinds() & "id < 4")
    assert [re.split(r"  +│?|│", line.strip()) for line in kinds[4:7]] == [
        [
            *("1 ", " 100", "200", "30000", "60000", "2000000000", "4000000000", "9007199254740993"),
            *("18446744073709551615", "0.1", "2.5", "12.35", "True", "O'Neil \\ 100% ü", "ab", "high", "2024-02-29"),
            *("13:05:59.500000", "2024-02-29 23:59:59.750000 UTC", "2024-12-30 06:07:08"),
            *("80000000-0000-0000-0000-000000000005", '{"a": [1, null]}', "blob 2 B"),
        ],
        [
            *("2 ", "-128", "0", "-32768", "0", "-2147483648", "0", "-9223372036854775808", "0", "-inf", "NaN"),
            *("-0.05", "False", "''", "''", "low", "0001-01-01", "00:00:00", "1970-01-01 00:00:00 UTC"),
            *("1999-12-31 23:59:59", "00000000-0000-0000-0000-000000000000", "[]", "blob 0 B"),
        ],
        ["3 ", *["NULL"] * 22],
    ] or kinds
    assert kinds[7] == "3 rows"


@pytest.mark.parametrize(
    ("query", "title", "last"),
    [
        (lambda t: t.Threshold(), "queries.threshold: one row at most", "1 row"),
        (lambda t: t.Absent(), "queries.absent: a table without rows", "no rows"),
        (lambda t: t.Absent & "code > 3", "queries.absent: a table without rows", "no rows"),
        (lambda t: t.Absent & dj.Top(2), "queries.absent & Top(...): a table without rows", "no rows"),
        (lambda t: t.Absent.proj(), "queries.absent.proj(...)", "no rows"),
        (lambda t: t.Threshold.proj(), "queries.threshold.proj(...)", "1 row"),
        (lambda t: t.Session * t.Trial, "(queries.session * queries.trial)", "6 rows"),
        (lambda t: t.Subject.aggr(t.Session, n="count(*)"), "queries.subject.aggr(queries.session, ...)", "4 rows"),
        (lambda t: t.Pair & t.Subject.proj(first="subject_id"), "queries.pair", "4 rows"),
        (lambda t: t.Odd(), "queries.odd: names that mean something else to a database", "2 rows"),
        (lambda t: dj.U("method") & t.Session, "(U('method') & queries.session)", "2 rows"),
        (lambda t: dj.U() & t.Session, "(U() & queries.session)", "1 row"),
        (lambda t: t.Session.extend(t.Method), "(queries.session * queries.#method)", "5 rows"),
        (
            lambda t: t.Session.proj() + t.Session.proj("day"),
            "(queries.session.proj(...) + queries.session.proj(...))",
            "5 rows",
        ),
        (lambda t: t.Session & dj.Top(2, "x DESC"), "queries.session & Top(...)", "2 rows"),
    ],
)
def test_queries(
    tables: SimpleNamespace, place: Place, query: Callable[[SimpleNamespace], QueryExpression], title: str, last: str
) -> None:
    """A query of any kind is shown; the comment is that of the table whose rows these are."""
    with place():
        found = lines(query(tables))
        assert (found[0], found[-1]) == (title, last)
        assert last in html(query(tables))


def test_the_key_comes_first(tables: SimpleNamespace, place: Place) -> None:
    """Attributes of the key stand before the others, wherever they are in the heading."""
    with place():
        found = lines(tables.Trial.proj("rt", n="trial * 2"))
    assert found[1].split() == ["*subject_id", "*session", "*trial", "│", "rt", "n"]
    assert found[4].split() == ["1", "1", "1", "│", "0.5", "2"]


def test_rows_beyond_the_limit(tables: SimpleNamespace, place: Place, surroundings: Path) -> None:
    """The first rows are shown, as many as the setting says, and the number of all."""
    (surroundings / "datajoint.toml").write_text("[display]\nlimit = 2\nwidth = 4\n")
    with place():
        found = lines(tables.Session())
        assert [line.split()[3] for line in found[4:6]] == ["pat…", "NULL"]
        assert found[-1] == "2 of 5 rows"
        assert "2 of 5 rows" in html(tables.Session())
        assert tables.Session.preview(limit=3, width=99).splitlines()[-1] == "3 of 5 rows"
        assert "patch" in tables.Session().preview(width=5)


def test_the_class_itself_stays_a_class(tables: SimpleNamespace) -> None:
    """The repr of a class is Python's own; its instance is what is shown."""
    assert repr(tables.Subject).startswith("<class ")
    assert tables.Subject.preview() == repr(tables.Subject())


def test_a_notebook_reads_once(tables: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Notebooks ask for text and HTML together, and get what they get one by one, from one look."""
    query = tables.Subject()
    both = {"text/plain": repr(query), "text/html": query._repr_html_()}
    looks: list[float] = []
    look = PostgresConnection.look

    def counted(
        self: PostgresConnection, seconds: float
    ) -> contextlib.AbstractContextManager[Callable[[str], pa.Table]]:
        looks.append(seconds)
        return look(self, seconds)

    monkeypatch.setattr(PostgresConnection, "look", counted)
    assert query._repr_mimebundle_(include=None, exclude=None) == both
    assert len(looks) == 1


def test_inside_a_list(tables: SimpleNamespace) -> None:
    """Queries show inside of a list as they do alone."""
    assert repr([tables.Threshold()]) == f"[{tables.Threshold()!r}]"


# --- large values, many rows, little time --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def large(connection: PostgresConnection, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """A table of 20,000 rows, one of large values, and a repository of both."""
    from tests.described import drop_schemas

    schema = dj.Schema("large_previews", connection=connection)

    @schema
    class Many(dj.Manual):
        definition = "a : int32\n---\nb : int32"

    @schema
    class Heavy(dj.Manual):
        definition = "a : int32\n---\ntext : varchar(200000)\ndoc : json\nraw : blob\nold : <dj_blob>"

    numbers = pl.int_range(20_000, dtype=pl.Int32, eager=True)
    Many.insert(pl.DataFrame({"a": numbers, "b": numbers}))
    Heavy.insert1((1, "é" * 200_000, {"k": ["x" * 1000] * 100}, bytes(3_000_000), b"abc"))
    dj.export(schema, tmp_path_factory.mktemp("large") / "repository")
    repository = dj.open(tmp_path_factory.getbasetemp() / "large0" / "repository")
    yield SimpleNamespace(schema=schema, Many=Many, Heavy=Heavy, repository=repository)
    repository.close()
    drop_schemas(connection, "large_previews")


@pytest.fixture(params=["postgres", "duckdb"])
def reader(request: pytest.FixtureRequest, large: SimpleNamespace) -> Reader:
    """An engine that holds the large tables."""
    found: Reader = large.schema.connection if request.param == "postgres" else large.repository.reader
    return found


class Spying:
    """An engine that keeps what passes through it, and stops what a test wants stopped."""

    def __init__(self, reader: Reader, stopped: str = "never") -> None:
        self.dialect = reader.dialect
        self.reader = reader
        self.stopped = stopped
        self.read_bytes = 0
        self.texts: list[str] = []

    @contextlib.contextmanager
    def look(self, seconds: float) -> Iterator[Callable[[str], pa.Table]]:
        """The engine's own look."""

        def spied(text: str) -> pa.Table:
            self.texts.append(text)
            if self.stopped in text:
                raise TimedOut("stopped")
            table = read(text)
            self.read_bytes += table.nbytes
            return table

        with self.reader.look(seconds) as read:
            yield spied

    read = stream = None  # a preview uses neither


def spied(query: QueryExpression, spy: Spying) -> str:
    """The preview of a query, read through a spy."""
    engine: object = spy
    return previewing.preview(query, engine, None, None)  # type: ignore[arg-type]


def test_large_values_stay_where_they_are(large: SimpleNamespace, reader: Reader) -> None:
    """Of blobs the size is read, of long strings and documents the beginning, in one statement."""
    spy = Spying(reader)
    found = spied(large.Heavy(), spy).splitlines()
    assert re.split("  +", found[4])[1:] == [
        f"1 │ {'é' * 39}…",
        f'{{"k": ["{"x" * 31}…',
        "blob 3.0 MB",
        f"blob {len(large.Heavy.to_arrow('old')['old'][0].as_py())} B",
    ]
    assert spy.read_bytes < 4000
    assert len(spy.texts) == 1


def test_a_long_key(schema: dj.Schema) -> None:
    """A string of the key is shown by its beginning, too, and so is one that is the key of distinct values."""

    @schema
    class Long(dj.Manual):
        definition = "key : varchar(300)\n---\ntext : varchar(1000)"

    Long.insert1(("k" * 300, "t" * 1000))
    assert lines(Long())[4] == f"{'k' * 39}… │ {'t' * 39}…"
    assert lines(dj.U("text") & Long)[4] == f"{'t' * 39}…"


def test_rows_are_counted_up_to_a_number(large: SimpleNamespace, reader: Reader) -> None:
    """Exact up to ten thousand, and beyond it no more than that."""
    for number, said in ((12, "12 rows"), (13, "12 of 13 rows"), (10_000, "12 of 10,000 rows")):
        assert spied(large.Many & f"b < {number}", Spying(reader)).splitlines()[-1] == said
    assert spied(large.Many(), Spying(reader)).splitlines()[-1] == "12 of more than 10,000 rows"


def test_a_count_that_takes_too_long(large: SimpleNamespace, reader: Reader) -> None:
    """The rows are shown without their number."""
    found = spied(large.Many(), Spying(reader, stopped="COUNT")).splitlines()
    assert found[-3].startswith("   11 │")
    assert found[-2:] == ["12 of more than 12 rows", previewing.NOT_COUNTED]


def test_an_order_that_takes_too_long(large: SimpleNamespace, reader: Reader) -> None:
    """Rows are shown in no order, with a line that says so."""
    found = spied(large.Many & "b >= 19995", Spying(reader, stopped="ORDER BY")).splitlines()
    assert sorted(line.split()[0] for line in found[4:-2]) == [str(n) for n in range(19_995, 20_000)]
    assert found[-2:] == ["5 rows", previewing.IN_NO_ORDER]


@pytest.mark.parametrize("engine", ["postgres", "duckdb"])
def test_a_query_without_end(large: SimpleNamespace, engine: str) -> None:
    """A query whose rows take hours to find is given up after a few seconds, in text and in HTML."""
    endless = (
        large.Many.proj(p="b") * large.Many.proj(a2="a", q="b") * large.Many.proj(a3="a", r="b")
    ) & "sqrt(p + q + r + 2.5) = 1.5"
    using = large.repository.using(large.schema) if engine == "duckdb" else contextlib.nullcontext()
    with using:
        begin = time.monotonic()
        found = lines(endless)
        assert time.monotonic() - begin < 8
        assert found[1] == f"  TimedOut: {previewing.TOO_LONG}"
        with pytest.raises(TimedOut, match="waits for them"):
            endless.preview()


def test_rows_at_once_of_a_query_with_too_many(large: SimpleNamespace, reader: Reader) -> None:
    """The product of a large table with itself is shown at once, where its rows are there at once."""
    begin = time.monotonic()
    found = spied(large.Many.proj(p="b") * large.Many.proj(a2="a", q="b"), Spying(reader)).splitlines()
    assert time.monotonic() - begin < 8
    assert "12 of more than 10,000 rows" in found


# --- why there are no rows -----------------------------------------------------------------------------------------


@pytest.fixture
def no_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """No default connection is open, and to open one fails the test."""

    def refuse(_: object = None) -> PostgresConnection:
        raise AssertionError("a preview connects")

    monkeypatch.setattr(connecting, "_default", None)
    monkeypatch.setattr(connecting, "_connect_as_set", refuse)


def subject(schema: dj.Schema) -> type[dj.Manual]:
    """A table class in a schema."""

    @schema
    class Subject(dj.Manual):
        definition = "# who\nsubject_id : int32\n---\nname : varchar(20)"

    return Subject


@pytest.mark.usefixtures("no_default")
def test_not_connected() -> None:
    """Where nothing is connected, nothing is: no server is started by being shown."""
    Subject = subject(dj.Schema("unconnected_previews"))
    for query in (Subject(), Subject & "name = 'x'", Subject * Subject.proj(other="subject_id", its="name")):
        assert lines(query)[1] == f"  {previewing.NOT_CONNECTED}"
        assert "dj.conn()" in html(query)
    assert lines(Subject())[0] == "<unconnected_previews.subject: *subject_id, name>"
    with pytest.raises(AssertionError, match="connects"):
        Subject.preview()


def test_not_made_yet(schema: dj.Schema, connection: PostgresConnection) -> None:
    """A table that is to be made on first use is not made by being shown; a preview asked for is a use."""
    Subject = subject(schema)
    assert lines(Subject()) == [f"<{schema.name}.subject: *subject_id, name>", f"  {previewing.NOT_MADE}"]
    assert lines(Subject & "name = 'x'")[1] == f"  {previewing.NOT_MADE}"
    assert not schema.exists
    assert Subject.preview().splitlines()[-1] == "no rows"
    assert lines(Subject())[-1] == "no rows"


def test_never_to_be_made(schema: dj.Schema, connection: PostgresConnection) -> None:
    """A table that is not there, and that its schema does not make, is missing."""
    kept = dj.Schema(schema.name, connection=connection, create_tables=False)
    assert lines(subject(kept)())[1].startswith("  MissingTable: ")


def test_made_by_another_process(schema: dj.Schema, connection: PostgresConnection) -> None:
    """A table that is there is shown by a class that was not used yet."""
    subject(schema).insert1((1, "Ann"))
    again = dj.Schema(schema.name, connection=connection)
    assert lines(subject(again)())[-1] == "1 row"
    assert again.is_waiting()


def test_no_schema() -> None:
    """A class without a schema, and one whose schema has no name yet, are shown with what to do."""

    class Loose(dj.Manual):
        definition = "a : int32"

    assert lines(Loose())[0] == "<Loose>"
    assert lines(Loose())[1].startswith("  NoSchema: the class Loose belongs to no schema")
    later = subject(dj.Schema())
    assert lines(later())[1].startswith("  NoSchema: the schema of the class Subject is not activated")
    assert "is not activated" in html(later())
    with pytest.raises(NoSchema):
        later.preview()


def test_a_dropped_table(schema: dj.Schema, connection: PostgresConnection) -> None:
    """A table that is gone is shown as missing."""
    Subject = subject(schema)
    Subject.insert1((1, "Ann"))
    connection.execute(f'DROP TABLE "{schema.name}".subject')
    assert lines(Subject())[1].startswith("  MissingTable: ")
    assert "MissingTable" in html(Subject())
    with pytest.raises(MissingTable):
        Subject.preview()


def test_a_class_that_disagrees(schema: dj.Schema, connection: PostgresConnection) -> None:
    """A class that is not what its table is shows in what they differ, on first use and before it."""
    subject(schema).insert1((1, "Ann"))
    other = dj.Schema(schema.name, connection=connection)

    @other
    class Subject(dj.Manual):
        definition = "subject_id : int32\n---\nname : varchar(20)\nborn : date"

    assert "born" in lines(Subject())[1]
    with pytest.raises(DefinitionMismatch):
        Subject.declare()
    assert lines(Subject())[1].startswith("  DefinitionMismatch: ")
    assert "born" in " ".join(lines(Subject())[1:])
    with pytest.raises(DefinitionMismatch):
        Subject.preview()


def test_a_repository_without_the_table(offline: Repository, queries: dj.Schema, large: SimpleNamespace) -> None:
    """A query that reads tables which the repository does not hold says which it holds."""
    with offline.using(queries):
        assert lines(large.Many())[1].startswith("  QueryError: The repository does not hold large_previews.many.")


def test_a_lost_connection(schema: dj.Schema, own: PostgresConnection, connection: PostgresConnection) -> None:
    """A connection that is gone is told, and is not the end."""
    subject(schema).insert1((1, "Ann"))
    Subject = subject(dj.Schema(schema.name, connection=own))
    Subject.declare()
    pid = own.read("SELECT pg_backend_pid() AS pid").column("pid")[0].as_py()
    connection.read(f"SELECT pg_terminate_backend({pid}, 5000) AS ended")
    assert lines(Subject())[1].startswith("  ConnectionFailed: ")
    assert lines(Subject())[-1] == "1 row"


def test_no_server(schema: dj.Schema, own: PostgresConnection, connection: PostgresConnection) -> None:
    """A server that does not answer is told, and not waited for."""
    subject(schema).insert1((1, "Ann"))
    away = connect(connection.url)
    Subject = subject(dj.Schema(schema.name, connection=away))
    away.close()
    away._sessions.url = "postgresql://nobody@127.0.0.1:1/none"
    assert lines(Subject())[0] == f"<{schema.name}.subject: *subject_id, name>"
    assert lines(Subject())[1].startswith("  ConnectionFailed: No connection to the database")
    with pytest.raises(ConnectionFailed):
        Subject.preview()


def test_a_value_that_cannot_be_computed(tables: SimpleNamespace) -> None:
    """What the server refuses to compute is shown as its refusal."""
    query = tables.Subject.proj(n="cast(name as signed)")
    assert lines(query)[1].startswith("  EngineError: The database could not compute a value")
    assert "EngineError" in html(query)


def test_settings_that_cannot_be(tables: SimpleNamespace, surroundings: Path) -> None:
    """A mistake in the settings is shown, and raised where a preview is asked for."""
    (surroundings / "datajoint.toml").write_text("[display]\nlimit = 'many'\n")
    assert lines(tables.Subject())[1].startswith(
        "  ConfigError: datajoint.toml: the setting 'display.limit' is a whole"
    )
    with pytest.raises(ConfigError):
        tables.Subject.preview()


@pytest.mark.parametrize("arguments", [{"limit": 0}, {"limit": True}, {"limit": "3"}, {"width": -1}, {"width": 2.5}])
def test_arguments_that_cannot_be(tables: SimpleNamespace, arguments: dict[str, int]) -> None:
    """A limit or width that is no whole number from 1 is refused."""
    with pytest.raises(InvalidCondition, match="whole number from 1"):
        tables.Subject.preview(**arguments)


# --- what being shown does not do ----------------------------------------------------------------------------------


def test_a_locked_table_is_not_waited_for(
    schema: dj.Schema, connection: PostgresConnection, own: PostgresConnection
) -> None:
    """A table that another session has locked is given up, and the lock does not become a transaction's."""
    Subject = subject(schema)
    Subject.declare()
    with own.transaction:
        own.execute(f'LOCK TABLE "{schema.name}".subject')
        begin = time.monotonic()
        assert lines(Subject())[1].startswith("  TimedOut: ")
        assert time.monotonic() - begin < 8
    with connection.transaction:
        assert lines(Subject())[-1] == "no rows"
        with own.transaction:
            own.execute(f'LOCK TABLE "{schema.name}".subject NOWAIT')


def test_in_a_transaction(schema: dj.Schema, connection: PostgresConnection) -> None:
    """A transaction sees its own rows, and survives being shown a query that cannot run."""
    Subject = subject(schema)
    Subject.declare()
    with connection.transaction:
        Subject.insert1((1, "Ann"))
        assert lines(Subject())[-1] == "1 row"
        assert lines(Subject.proj(n="cast(name as signed)"))[1].startswith("  EngineError")
        Subject.insert1((2, "Bob"))
    assert lines(Subject())[-1] == "2 rows"


def fail_and_show(query: QueryExpression, connection: PostgresConnection) -> None:
    """Show a query in a transaction that has failed."""
    with connection.transaction:
        with pytest.raises(EngineError):
            connection.read("SELECT 1/0")
        assert lines(query)[1].startswith("  TransactionError: The transaction was aborted by an earlier error")
        assert "TransactionError" in html(query)


def test_in_a_failed_transaction(schema: dj.Schema, connection: PostgresConnection) -> None:
    """A failed transaction says so, and stays failed."""
    Subject = subject(schema)
    Subject.declare()
    with pytest.raises(TransactionError, match="nothing of it was kept"):
        fail_and_show(Subject(), connection)
    assert lines(Subject())[-1] == "no rows"


@pytest.mark.parametrize("inside", [True, False])
def test_while_streaming(large: SimpleNamespace, connection: PostgresConnection, inside: bool) -> None:
    """An open stream goes on to its end: in a transaction nothing is shown meanwhile, outside everything is."""
    with connection.transaction if inside else contextlib.nullcontext():
        batches = large.Many.to_batches(order_by="KEY")
        first = next(batches)
        shown = lines(large.Heavy())
        assert shown[-1].startswith("  TransactionError: The transaction is streaming" if inside else "1 row")
        rest = sum(batch.num_rows for batch in batches)
        assert first.num_rows + rest == 20_000
        assert lines(large.Heavy())[-1] == "1 row"


def test_a_thousand_steps() -> None:
    """A query of more steps than can be written is shown as such."""
    Subject = subject(dj.Schema("deep_previews"))
    query: QueryExpression = Subject()
    for _ in range(3000):
        query = query & dj.Top(5)
    assert lines(query)[0] == "<QueryExpression>"


def test_hostile_rows(schema: dj.Schema) -> None:
    """Values, names and comments from anywhere do nothing to the terminal or the page that shows them."""

    @schema
    class Hostile(dj.Manual):
        definition = """
        # <script>alert(1)</script>
        word : varchar(90)
        ---
        choice : enum('<b>', 'ok')
        doc : json
        """

    words = ("\x1b[2J\x1b]0;x\x07", "\u202eexe.txt", "<script>alert(1)</script>", "日本語", "e\u0301", "NULL", "a\r\nb")
    Hostile.insert((word, "<b>", {word: "<img>"}) for word in words)
    shown = lines(Hostile())
    assert len(shown) == len(words) + 5
    assert not re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e]", "".join(shown))
    assert {cells(line.partition("│")[0]) for line in shown[4:-1]} == {cells(shown[1].partition("│")[0])}
    assert "<script" not in Hostile()._repr_html_()
    assert "<img" not in Hostile()._repr_html_()
    assert "&lt;script&gt;alert(1)" in Hostile()._repr_html_()


def test_a_look_of_a_repository_is_bounded(offline: Repository) -> None:
    """DuckDB stops a statement that takes longer than it was given, and goes on with the next."""
    assert isinstance(offline.reader, DuckReader)
    with offline.reader.look(0.2) as read:
        with pytest.raises(TimedOut):
            read("SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE a.range + b.range = 7")
        assert read("SELECT 1 AS one").column("one").to_pylist() == [1]
