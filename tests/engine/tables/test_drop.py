"""Dropping tables and schemas: what is shown, what goes with what, and what is refused with nothing dropped."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import djarrow as dj
from djarrow.engine.connect import connect
from djarrow.engine.embedded import EmbeddedServer
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import (
    AccessDenied,
    DropRefused,
    MissingTable,
    NotConfirmed,
    TransactionError,
    UnknownTable,
)
from djarrow.table.declaring.pending import declaring
from tests.processes import PLACES

from ...described import drop_schemas

Ask = Callable[[str], list[dict[str, Any]]]


def make(schema: dj.Schema, name: str, definition: str, base: type[dj.Table] = dj.Manual, **members: Any) -> Any:
    """A table class of this name and definition, declared in the schema."""
    return schema(type(name, (base,), {"definition": definition, **members}))


def part(name: str, definition: str) -> type[dj.Part]:
    """The class of a part."""
    return type(name, (dj.Part,), {"definition": definition})


@pytest.fixture
def other(schema: dj.Schema, connection: PostgresConnection) -> Iterator[dj.Schema]:
    """A second schema, dropped after the test."""
    made = dj.Schema(f"{schema.name}_b", connection=connection)
    yield made
    drop_schemas(connection, made.name)


@pytest.fixture
def tables(schema: dj.Schema, other: dj.Schema, ask: Ask) -> Callable[[], list[str]]:
    """The tables that the two schemas hold: `a` of the first, `b.x` of the second."""

    def found() -> list[str]:
        rows = ask(
            "SELECT schemaname::text AS schema, tablename::text AS name FROM pg_tables "
            f"WHERE schemaname IN ('{schema.name}', '{other.name}')"
        )
        return sorted("b." * (row["schema"] == other.name) + row["name"] for row in rows)

    return found


@pytest.fixture
def pipeline(schema: dj.Schema, other: dj.Schema) -> dj.Schema:
    """Subjects with sessions, and what depends on them in two schemas; a tool, and a report with a part on it."""
    Subject = make(schema, "Subject", "subject : uint8\n---")
    Session = make(
        schema, "Session", "-> Subject\nsession : uint8\n---", Trial=part("Trial", "-> master\ntrial : uint8")
    )
    Tool = make(schema, "Tool", "tool : uint8\n---", dj.Lookup, contents=[(1,), (2,)])
    other.activate(add_objects={"Session": Session, "Tool": Tool})
    make(other, "Report", "report : uint8\n---", Use=part("Use", "-> master\n-> Tool\n---"))
    make(other, "Note", "-> Session\nnote : uint8\n---")
    make(other, "Draft", "-> Report\n---")
    other.activate()
    Subject.insert([(1,), (2,)])
    Session.insert([(1, 1), (1, 2), (2, 1)])
    other["Note"].insert([(1, 1, number) for number in range(40)])
    return schema


EVERYTHING = [
    "#tool",
    "b.draft",
    "b.note",
    "b.report",
    "b.report__use",
    "session",
    "session__trial",
    "subject",
]


def answering(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    """Let a person type this."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(answer))


# --- what goes ---------------------------------------------------------------------------------------------------


def test_all_that_depends_goes(pipeline: dj.Schema, other: dj.Schema, tables: Any) -> None:
    """A table takes its dependents in all schemas, and what it depends on stays."""
    dropped = pipeline["Session"].drop(prompt=False)
    assert dropped[0] == f"{pipeline.name}.session"
    assert set(dropped[1:]) == {f"{pipeline.name}.session__trial", f"{other.name}.note"}
    assert tables() == ["#tool", "b.draft", "b.report", "b.report__use", "subject"]


def test_a_part_that_must_go_takes_its_master(pipeline: dj.Schema, other: dj.Schema, tables: Any) -> None:
    """A parent of a part takes the part, its master, and what depends on that."""
    dropped = pipeline["Tool"].drop(prompt=False)
    assert set(dropped) == {
        f"{pipeline.name}.#tool",
        f"{other.name}.report__use",
        f"{other.name}.report",
        f"{other.name}.draft",
    }
    assert dropped.index(f"{other.name}.report") < dropped.index(f"{other.name}.draft")
    assert tables() == ["b.note", "session", "session__trial", "subject"]


def test_a_part_is_not_dropped_alone(pipeline: dj.Schema, tables: Any) -> None:
    """The error names the master to drop instead, also before the part was made."""
    with pytest.raises(DropRefused, match=r"Session\.Trial is a part.*`Session\.drop\(\)`"):
        pipeline["Session.Trial"].drop(prompt=False)
    Late = make(pipeline, "Late", "late : uint8\n---", Piece=part("Piece", "-> master\n---"))
    with pytest.raises(DropRefused, match=r"`Late\.drop\(\)`"):
        Late.Piece.drop(prompt=False)
    assert tables() == EVERYTHING


def test_names_like_those_of_parts(schema: dj.Schema, connection: PostgresConnection, tables: Any) -> None:
    """A table of other software that is named like a part, and does not refer to the other, is none."""
    make(schema, "A", "a : uint8\n---").declare()
    connection.execute(f'CREATE TABLE "{schema.name}".a__b (a integer PRIMARY KEY)')
    assert dj.virtual(schema.name, connection=connection)["a__b"].drop(prompt=False) == [f"{schema.name}.a__b"]
    assert tables() == ["a"]


def test_a_cycle_of_other_software(schema: dj.Schema, connection: PostgresConnection, tables: Any) -> None:
    """Tables that refer to each other go together."""
    A = make(schema, "A", "a : uint8\n---")
    A.declare()
    for text in (
        'CREATE TABLE "{0}".b (b integer PRIMARY KEY, a smallint REFERENCES "{0}".a)',
        'CREATE TABLE "{0}".c (c integer PRIMARY KEY REFERENCES "{0}".b)',
        'ALTER TABLE "{0}".b ADD FOREIGN KEY (b) REFERENCES "{0}".c',
    ):
        connection.execute(text.format(schema.name))
    with pytest.warns(UserWarning, match=f"(?s){schema.name}.b: .*form a cycle.*{schema.name}.c: "):
        assert [cls.__name__ for cls in schema.classes()] == ["A"]
    assert A.drop(prompt=False) == [f"{schema.name}.{name}" for name in "abc"]
    assert tables() == []


# --- asking ------------------------------------------------------------------------------------------------------


def test_what_goes_is_shown_first(
    pipeline: dj.Schema,
    other: dj.Schema,
    tables: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each table is shown with how many rows it has, parents first, and without a yes nothing goes."""
    for answer in ("no\n", "\n", "maybe\n"):
        answering(monkeypatch, answer)
        assert pipeline["Session"].drop(prompt=True) == []
    shown = capsys.readouterr().out
    assert shown.count("Drop 3 tables with 43 rows? [y/N] ") == 3
    lines = [line.strip() for line in shown.splitlines() if line.startswith("  ")][:3]
    assert re.fullmatch(rf"{pipeline.name}\.session +3 rows", lines[0])
    assert {re.sub(" +", " ", line) for line in lines[1:]} == {
        f"{pipeline.name}.session__trial 0 rows",
        f"{other.name}.note 40 rows",
    }
    assert tables() == EVERYTHING
    answering(monkeypatch, "yes\n")
    assert len(pipeline["Session"].drop(prompt=True)) == 3


def test_nobody_to_ask(pipeline: dj.Schema, tables: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a script without a terminal the error says what would go and how to go on, and nothing went."""
    with pytest.raises(NotConfirmed, match=r"(?s)session__trial +0 rows.*prompt=False"):
        pipeline["Session"].drop()
    with pytest.raises(NotConfirmed, match="Drop 4 tables"):
        dj.Schema(f"{pipeline.name}_b", connection=pipeline.connection).drop()
    answering(monkeypatch, "")
    with pytest.raises(NotConfirmed):
        pipeline["Session"].drop(prompt=True)
    assert tables() == EVERYTHING


SCRIPT = """
import sys
import djarrow as dj

connection = dj.conn(sys.argv[1])
lab = dj.virtual(sys.argv[2])
print("dropped:", lab.Subject.drop())
"""


@pytest.mark.parametrize(("answer", "count"), [("y", 1), (" YES ", 1), ("n", 0), ("", 0), ("yess", 0)])
def test_a_terminal_is_asked(schema: dj.Schema, connection: PostgresConnection, answer: str, count: int) -> None:
    """At a terminal the question is asked without being told to, and the answer counts."""
    make(schema, "Subject", "subject : uint8\n---").declare()
    controller, terminal = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": PLACES}
    command = [sys.executable, "-c", SCRIPT, connection.url, schema.name]
    with subprocess.Popen(
        command, stdin=terminal, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, text=True
    ) as process:
        os.write(controller, f"{answer}\n".encode())
        shown, _ = process.communicate(timeout=60)
    os.close(controller)
    os.close(terminal)
    assert "Drop 1 table with 0 rows? [y/N]" in shown
    assert f"dropped: {[f'{schema.name}.subject'] * count}" in shown


def test_a_notebook_is_asked(schema: dj.Schema, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the environment brings an `input` of its own, as notebooks do, it is used without a terminal."""
    A = make(schema, "A", "a : uint8\n---")
    A.declare()
    asked: list[str] = []

    def answer(text: str) -> str:
        asked.append(text)
        return "yes"

    monkeypatch.setattr("builtins.input", answer)
    assert A.drop() == [f"{schema.name}.a"]
    assert asked == ["Drop 1 table with 0 rows? [y/N] "]


class Slow(io.StringIO):
    """A person who answers yes after something else has happened."""

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        super().__init__("yes\n")
        self.meanwhile = meanwhile

    def readline(self, size: int | None = -1, /) -> str:  # type: ignore[override]  # of text, not of bytes
        """The answer."""
        self.meanwhile()
        return super().readline(-1 if size is None else size)


def test_what_was_not_shown_does_not_go(
    pipeline: dj.Schema, tables: Any, second: PostgresConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where another process makes a dependent table before the answer, nothing is dropped."""
    lab = dj.virtual(pipeline.name, connection=second, create_tables=True)
    lab.schema.activate(add_objects={"lab": lab})
    new = make(lab.schema, "New", "-> lab.Session\n---")
    monkeypatch.setattr(sys, "stdin", Slow(new.declare))
    with pytest.raises(DropRefused, match=rf"{pipeline.name}\.new would go, too"):
        pipeline["Session"].drop(prompt=True)
    assert tables() == sorted([*EVERYTHING, "new"])


def test_what_went_meanwhile(
    pipeline: dj.Schema, tables: Any, second: PostgresConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where another process drops some of it before the answer, the rest is dropped, and only that is returned."""
    name = f"{pipeline.name}_b"
    monkeypatch.setattr(sys, "stdin", Slow(lambda: dj.virtual(name, connection=second).Note.drop(prompt=False)))
    assert len(pipeline["Session"].drop(prompt=True)) == 2
    assert tables() == ["#tool", "b.draft", "b.report", "b.report__use", "subject"]


# --- after -------------------------------------------------------------------------------------------------------


def test_a_dropped_table_is_declared_anew(pipeline: dj.Schema, other: dj.Schema) -> None:
    """The class of a dropped table raises when used; one declared anew, with another definition, makes the table."""
    old = pipeline["Subject"]
    before = pipeline["Session"]
    old.drop(prompt=False)
    for gone in (old, before):
        with pytest.raises(MissingTable, match="declare its class again"):
            gone.fetch()
    assert [cls.__name__ for cls in pipeline.tables] == ["Tool"]
    with pytest.raises(UnknownTable):
        _ = pipeline["Session"]
    Subject = make(pipeline, "Subject", "subject : varchar(8)\n---\nname = '' : varchar(20)")
    Session = make(pipeline, "Session", "-> Subject\nsession : uint8\n---")
    Subject.insert1(("a", "Ada"))
    Session.insert1(("a", 1))
    assert (Session * Subject).fetch1("name") == "Ada"


def test_the_same_class_decorated_again(schema: dj.Schema) -> None:
    """Decorating the class of a dropped table again makes the table, and fills a lookup."""
    Tool = make(schema, "Tool", "tool : uint8\n---", dj.Lookup, contents=[(1,), (2,)])
    assert len(Tool) == 2
    Tool.drop(prompt=False)
    schema(Tool)
    assert len(Tool) == 2


def test_a_table_that_was_never_made(schema: dj.Schema, tables: Any) -> None:
    """Dropping it does nothing, and it is made when it is first used."""
    A = make(schema, "A", "a : uint8\n---")
    assert A.drop() == []
    assert tables() == []
    assert len(A) == 0
    assert tables() == ["a"]


# --- what is refused ---------------------------------------------------------------------------------------------


def test_inside_a_transaction(pipeline: dj.Schema, tables: Any) -> None:
    """Neither a table nor a schema is dropped inside a transaction of the user's."""
    with pipeline.connection.transaction:
        for drop in (pipeline["Session"].drop, pipeline.drop):
            with pytest.raises(TransactionError, match="transaction of their own"):
                drop(prompt=False)
    assert tables() == EVERYTHING


def test_what_other_software_built_on_it(pipeline: dj.Schema, connection: PostgresConnection, tables: Any) -> None:
    """A view on a table that would go is named, and nothing is dropped."""
    connection.execute(f'CREATE VIEW "{pipeline.name}".lately AS SELECT * FROM "{pipeline.name}".session')
    for drop in (pipeline["Subject"].drop, pipeline["Session"].drop):
        with pytest.raises(DropRefused, match=r"view \S*lately depends on table .*Nothing was dropped"):
            drop(prompt=False)
    assert tables() == EVERYTHING


def test_without_the_right(pipeline: dj.Schema, other: dj.Schema, connection: PostgresConnection, tables: Any) -> None:
    """Where one of the tables is not the user's to drop or to count, the drop is refused whole."""
    connection.execute("CREATE ROLE owner_here")
    connection.execute(f'GRANT USAGE ON SCHEMA "{pipeline.name}" TO owner_here')
    for table in ("subject", "session", "session__trial"):
        connection.execute(f'ALTER TABLE "{pipeline.name}".{table} OWNER TO owner_here')
    try:
        connection.execute("SET ROLE owner_here")
        for prompt in (False, True):
            with pytest.raises(AccessDenied):
                pipeline["Session"].drop(prompt=prompt)
    finally:
        connection.execute("RESET ROLE")
        connection.execute("REASSIGN OWNED BY owner_here TO CURRENT_USER")
        connection.execute("DROP OWNED BY owner_here")
        connection.execute("DROP ROLE owner_here")
    assert tables() == EVERYTHING


def test_tables_of_a_repository(pipeline: dj.Schema, tmp_path: Path, tables: Any) -> None:
    """What was exported is read only, and inside `using` nothing of the database is dropped."""
    dj.export(pipeline, tmp_path / "out")
    repository = dj.open(tmp_path / "out")
    try:
        with pytest.raises(DropRefused, match="repository"):
            repository[pipeline.name].Session.drop(prompt=False)
        with repository.using(pipeline), pytest.raises(DropRefused, match="`using`"):
            pipeline["Session"].drop(prompt=False)
    finally:
        repository.close()
    assert tables() == EVERYTHING


# --- others at work ----------------------------------------------------------------------------------------------


def test_many_drop_at_once(pipeline: dj.Schema, server: EmbeddedServer, tables: Any) -> None:
    """Of connections that drop the same tables at the same time, one drops them, and none fails."""
    together = threading.Barrier(4, timeout=20)

    def drop(_: int) -> list[str]:
        url = server.url()
        assert url is not None
        connection = connect(url)
        lab = dj.virtual(pipeline.name, connection=connection)
        together.wait()
        try:
            return list(lab.Subject.drop(prompt=False))
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(drop, range(4)))
    assert sorted(map(len, results)) == [0, 0, 0, 4]
    assert tables() == ["#tool", "b.draft", "b.report", "b.report__use"]


def test_dropping_waits_for_readers(pipeline: dj.Schema, second: PostgresConnection) -> None:
    """A transaction that reads a table keeps it until its end; then the drop goes on, and later readers are told."""
    lab = dj.virtual(pipeline.name, connection=second)
    with ThreadPoolExecutor(1) as pool:
        with second.transaction:
            assert len(lab.Session) == 3
            dropping = pool.submit(pipeline["Session"].drop, prompt=False)
            time.sleep(0.5)
            assert not dropping.done()
            assert len(lab.Session) == 3
        assert len(dropping.result(timeout=20)) == 3
    with pytest.raises(MissingTable):
        len(lab.Session)


def test_a_reader_that_would_wait_for_the_drop(pipeline: dj.Schema, second: PostgresConnection) -> None:
    """Where a reader and the drop would wait for each other, the drop begins anew, and both get what they asked for."""
    lab = dj.virtual(pipeline.name, connection=second)
    with ThreadPoolExecutor(1) as pool:
        with second.transaction:
            assert len(lab.Session) == 3
            dropping = pool.submit(pipeline["Subject"].drop, prompt=False)
            time.sleep(0.5)
            assert len(lab.Subject) == 2
        assert len(dropping.result(timeout=20)) == 4


def test_classes_are_forgotten_before_others_declare(schema: dj.Schema, tables: Any) -> None:
    """Nobody declares between the drop of a table and the end of its class, which would be declared with the rest."""
    A = make(schema, "A", "a : uint8\n---")
    A.declare()
    with ThreadPoolExecutor(1) as pool:
        with schema._lock:  # the class cannot be forgotten yet
            dropping = pool.submit(A.drop, prompt=False)
            end = time.monotonic() + 20
            while tables() and time.monotonic() < end:
                time.sleep(0.01)
            assert not declaring.acquire(timeout=0.5)
        assert dropping.result(timeout=20) == [f"{schema.name}.a"]
    assert schema.tables == ()


def test_a_reader_that_does_not_end(schema: dj.Schema, tables: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A drop that would wait forever, for an iteration of its own process, gives up, and works once that is closed."""
    monkeypatch.setattr("djarrow.sql.locks.SECONDS", 1)
    Long = make(schema, "Long", "number : uint32\n---\nlabel : varchar(100)")
    numbers = pl.int_range(600_000, eager=True, dtype=pl.UInt32)  # more than a batch and the network's buffers hold
    Long.insert(pl.DataFrame({"number": numbers}).with_columns(label=pl.lit("x" * 100)))
    rows = iter(Long)
    next(rows)
    with pytest.raises(DropRefused, match="more than 1 seconds"):
        Long.drop(prompt=False)
    assert tables() == ["long"]
    rows.close()
    assert Long.drop(prompt=False) == [f"{schema.name}.long"]


# --- schemas -----------------------------------------------------------------------------------------------------


def test_a_schema_goes_with_all_that_is_in_it(
    pipeline: dj.Schema,
    other: dj.Schema,
    connection: PostgresConnection,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its tables are shown and go, with those of other software, enum types and the notes that the peer keeps."""
    name = other.name
    connection.execute(f"CREATE TYPE \"{name}\".enum_1 AS ENUM ('a')")
    connection.execute(f'CREATE TABLE "{name}".theirs (a integer PRIMARY KEY, b "{name}".enum_1)')
    connection.execute(f'CREATE TABLE "{name}"."~lineage" (a integer PRIMARY KEY)')
    answering(monkeypatch, "no\n")
    assert other.drop(prompt=True) == []
    assert name in dj.list_schemas(connection)
    shown = capsys.readouterr().out
    assert f"Drop 5 tables with 40 rows and the schema '{name}'? [y/N]" in shown
    assert "~lineage" not in shown
    dropped = other.drop(prompt=False)
    assert sorted(dropped) == [f"{name}.{table}" for table in ("draft", "note", "report", "report__use", "theirs")]
    assert name not in dj.list_schemas(connection)
    assert other.tables == ()
    assert pipeline["Session"].fetch().height == 3


def test_types_that_no_table_of_the_schema_uses(
    schema: dj.Schema,
    other: dj.Schema,
    connection: PostgresConnection,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Enum types that other software made for something else are in the question; one that is in use stays."""
    home, near = f'"{schema.name}"', f'"{other.name}"'
    make(schema, "A", "a : uint8\n---").declare()
    for name in ("mood", "unused", "of_column"):
        connection.execute(f"CREATE TYPE {home}.{name} AS ENUM ('a')")
    connection.execute(f"CREATE TABLE {home}.theirs (a integer PRIMARY KEY, b {home}.of_column[])")
    connection.execute(f"CREATE SCHEMA {near}")
    connection.execute(f"CREATE TABLE {near}.far (a {home}.mood PRIMARY KEY)")
    answering(monkeypatch, "n\n")
    assert schema.drop(prompt=True) == []
    question = f"Drop 2 tables with 0 rows, the enum types mood, unused and the schema '{schema.name}'? [y/N]"
    assert question in capsys.readouterr().out
    with pytest.raises(DropRefused, match=r"far depends on type"):
        schema.drop(prompt=False)
    connection.execute(f"DROP TABLE {near}.far")

    def another() -> None:
        connection.execute(f"CREATE TYPE {home}.late AS ENUM ('a')")

    monkeypatch.setattr(sys, "stdin", Slow(another))
    with pytest.raises(DropRefused, match=r"type .*late depends on schema"):
        schema.drop(prompt=True)
    assert len(schema.drop(prompt=False)) == 2
    assert schema.name not in dj.list_schemas(connection)


def test_a_dropped_schema_is_used_again(pipeline: dj.Schema, other: dj.Schema) -> None:
    """The object of a dropped schema takes classes again, and the first use makes the schema."""
    other.drop(prompt=False)
    pipeline.drop(prompt=False)
    A = make(pipeline, "Subject", "a : varchar(3)\n---")
    A.insert1(("x",))
    assert pipeline.list_tables() == ["subject"]


def test_a_schema_that_others_depend_on(pipeline: dj.Schema, tables: Any) -> None:
    """Tables of other schemas that depend on it are named, and nothing goes."""
    with pytest.raises(DropRefused) as caught:
        pipeline.drop(prompt=False)
    for table in ("note", "report", "report__use", "draft"):
        assert f"{pipeline.name}_b.{table}" in str(caught.value)
    assert tables() == EVERYTHING


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('CREATE VIEW "{0}".lately AS SELECT 1 AS one', "view"),
        ("CREATE FUNCTION \"{0}\".one() RETURNS integer LANGUAGE sql AS 'SELECT 1'", "function"),
        ('CREATE SEQUENCE "{0}".numbers', "sequence"),
    ],
)
def test_a_schema_that_holds_more_than_tables(
    schema: dj.Schema, connection: PostgresConnection, tables: Any, text: str, named: str
) -> None:
    """What other software keeps in the schema besides tables is named, and nothing goes."""
    make(schema, "A", "a : uint8\n---").declare()
    connection.execute(text.format(schema.name))
    with pytest.raises(DropRefused, match=f"{named} .* depends on schema"):
        schema.drop(prompt=False)
    assert tables() == ["a"]


def test_a_schema_that_is_not_there(schema: dj.Schema) -> None:
    """Dropping a schema that was never made, or was dropped already, does nothing."""
    make(schema, "A", "a : uint8\n---")
    assert schema.drop() == []
    schema.activate()
    assert schema.drop(prompt=False) == [f"{schema.name}.a"]
    assert schema.drop(prompt=False) == []
