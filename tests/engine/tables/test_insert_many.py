"""insert_many: rows for several tables in one transaction, in the order of their foreign keys."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import (
    DefinitionError,
    DuplicateKey,
    EngineError,
    InsertRefused,
    InvalidCondition,
    InvalidValue,
    MissingParent,
)


@pytest.fixture
def tables(schema: dj.Schema) -> Any:
    """Subject, Session with its part Trial, and Note, which refers to a trial."""

    @schema
    class Subject(dj.Manual):
        definition = "s : int32\n---"

    @schema
    class Session(dj.Manual):
        definition = "-> Subject\nn : int32\n---\nat = null : date"

        class Trial(dj.Part):
            definition = "-> master\nt : int32\n---\nx : float64"

    @schema
    class Note(dj.Manual):
        definition = "-> Session.Trial\n---\ntext : varchar(20)"

    return Subject, Session, Note


def test_a_whole_pipeline(tables: Any, schema: dj.Schema) -> None:
    """However the mapping is ordered, parents go first; each table tells what was done, parents first."""
    Subject, Session, Note = tables
    done = dj.insert_many(
        {
            Note: [(1, 1, 2, "fine")],
            Session.Trial: pl.DataFrame({"s": [1, 1], "n": [1, 1], "t": [1, 2], "x": [0.5, 1.5]}),
            Session: [{"s": 1, "n": 1}],
            Subject(): [(1,)],
        }
    )
    assert list(done.items()) == [
        (f"{schema.name}.subject", 1),
        (f"{schema.name}.session", 1),
        (f"{schema.name}.session__trial", 2),
        (f"{schema.name}.note", 1),
    ]


def test_tables_between_do_not_matter(tables: Any) -> None:
    """The order holds also where the table that links two is not among them."""
    Subject, Session, Note = tables
    dj.insert_many({Session: [(1, 1, None)], Session.Trial: [(1, 1, 1, 0.5)], Subject: [(1,)]})
    assert next(iter(dj.insert_many({Note: [(1, 1, 1, "")], Subject: [(2,)]}))).endswith(".subject")


@pytest.mark.parametrize(
    ("trials", "error"),
    [
        ([(1, 1, 1, 0.5), (1, 2, 1, 0.5)], MissingParent),
        ([(1, 1, 1, 0.5), (1, 1, 1, 0.5)], DuplicateKey),
        ([(1, 1, 1, "x")], InvalidValue),
    ],
)
def test_all_tables_or_none(tables: Any, schema: dj.Schema, trials: Any, error: type[Exception]) -> None:
    """A refusal in one table leaves all of them as they were, and names the table."""
    Subject, Session, _ = tables
    with pytest.raises(error) as caught:
        dj.insert_many({Subject: [(1,)], Session: [(1, 1, None)], Session.Trial: trials})
    assert caught.value.table == f"{schema.name}.session__trial"  # type: ignore[attr-defined]
    assert len(Subject) == len(Session) == 0


def test_queries_and_options(tables: Any) -> None:
    """Rows can be queries, which see what went in before; the options are those of insert."""
    Subject, Session, _ = tables
    done = dj.insert_many({Subject: [(1,), (2,)], Session: Subject.proj(n="1 + 0 * s")})
    assert list(done.values()) == [2, 2]
    again = dj.insert_many({Subject: [(2,), (3,)], Session: Subject.proj(n="1 + 0 * s")}, skip_duplicates=True)
    assert [(each, each.skipped) for each in again.values()] == [(1, 1), (1, 2)]


def test_in_a_transaction_of_the_user(tables: Any, connection: PostgresConnection) -> None:
    """It is part of the transaction that is open."""
    Subject, Session, _ = tables
    Subject.declare()
    with pytest.raises(ZeroDivisionError), connection.transaction:  # noqa: PT012 - the block is what is tested
        dj.insert_many({Subject: [(1,)], Session: [(1, 1, None)]})
        assert len(Session) == 1
        raise ZeroDivisionError
    assert len(Subject) == 0


def test_auto_populated_tables_are_for_their_make(schema: dj.Schema) -> None:
    """They take rows here only where that is said."""

    @schema
    class Input(dj.Manual):
        definition = "i : int32\n---"

    @schema
    class Result(dj.Computed):
        definition = "-> Input\n---\nx : int32"

    with pytest.raises(InsertRefused):
        dj.insert_many({Input: [(1,)], Result: [(1, 5)]})
    assert len(Input) == 0
    dj.insert_many({Input: [(1,)], Result: [(1, 5)]}, allow_direct_insert=True)
    assert len(Result) == 1


def test_what_is_no_mapping_of_tables(tables: Any) -> None:
    """Anything but table classes with their rows, each once, is refused."""
    Subject, *_ = tables
    with pytest.raises(InvalidCondition):
        dj.insert_many([(Subject, [])])  # type: ignore[arg-type]
    with pytest.raises(DefinitionError):
        dj.insert_many({"subject": []})
    with pytest.raises(DefinitionError):
        dj.insert_many({Subject & "s = 1": []})
    with pytest.raises(InvalidCondition, match="twice"):
        dj.insert_many({Subject: [], Subject(): []})
    assert dj.insert_many({}) == {}


def test_two_databases(tables: Any, connection: PostgresConnection) -> None:
    """No transaction spans two connections."""
    from djarrow.engine.connect import connect

    Subject, *_ = tables
    other = connect(connection.url)
    elsewhere = dj.Schema("elsewhere_many", connection=other)

    @elsewhere
    class Thing(dj.Manual):
        definition = "t : int32\n---"

    with pytest.raises(InsertRefused, match="different databases"):
        dj.insert_many({Subject: [(1,)], Thing: [(1,)]})
    assert len(Subject) == len(Thing) == 0
    elsewhere.drop(prompt=False)
    other.close()


@pytest.mark.parametrize("once", [False, True])
def test_a_conflict_is_begun_anew(schema: dj.Schema, connection: PostgresConnection, once: bool) -> None:
    """Where the server ends it for the sake of another transaction (40001); not where rows can be read only once."""

    @schema
    class Subject(dj.Manual):
        definition = "subject : int32\n---"

    Subject.declare()
    connection.execute(f"CREATE SEQUENCE {schema.name}.attempts")
    connection.execute(
        f"CREATE FUNCTION {schema.name}.fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF nextval('{schema.name}.attempts') < 3 THEN RAISE 'conflict' USING ERRCODE = '40001'; END IF; "
        "RETURN NEW; END $$"
    )
    connection.execute(
        f"CREATE TRIGGER fail BEFORE INSERT ON {Subject.full_table_name} FOR EACH STATEMENT "
        f"EXECUTE FUNCTION {schema.name}.fail()"
    )
    rows: Any = [{"subject": number} for number in range(100)]
    if once:
        with pytest.raises(EngineError) as caught:
            dj.insert_many({Subject: iter(rows)})
        assert caught.value.sqlstate == "40001"
        assert len(Subject()) == 0
    else:
        assert dj.insert_many({Subject: rows}) == {f"{schema.name}.subject": 100}
        assert len(Subject()) == 100
