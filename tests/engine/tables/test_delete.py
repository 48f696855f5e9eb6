"""Delete: which rows go with which, through every kind of reference, and of which table an expression means rows."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import AccessDenied, DeleteRefused, MissingTable

from ...described import drop_schemas
from .conftest import Ask, Counting
from .deleting import make, orphans, part, sizes


@pytest.fixture
def lab(schema: dj.Schema) -> SimpleNamespace:
    """Subjects with sessions; rigs; scans of a session on a rig, with a part: a diamond below both. Rows in all."""
    tables = SimpleNamespace(
        Subject=make(schema, "Subject", "subject : int16\n---\nname : varchar(20)\nage = null : int16"),
        Rig=make(schema, "Rig", "rig : varchar(20)\n---"),
    )
    tables.Session = make(schema, "Session", "-> Subject\nsession : int16\n---\n-> [nullable] Rig")
    tables.Scan = make(
        schema,
        "Scan",
        "-> Session\n-> Rig.proj(on_rig='rig')\n---\ndepth : float64",
        Field=part("Field", "-> master\nfield : int16\n---"),
    )
    tables.all = [tables.Subject, tables.Rig, tables.Session, tables.Scan, tables.Scan.Field]
    tables.Subject.insert([(1, "Ann", 5), (2, "Bob", None), (3, "Cyd", 7)])
    tables.Rig.insert([("a",), ("b",)])
    tables.Session.insert([(s, n, "a" if n == 1 else None) for s in (1, 2, 3) for n in (1, 2)])
    tables.Scan.insert([(s, n, rig, 1.0) for s in (1, 2, 3) for n in (1, 2) for rig in ("a", "b")])
    tables.Scan.Field.insert([(s, n, r, f) for s in (1, 2, 3) for n in (1, 2) for r in ("a", "b") for f in (1, 2)])
    return tables


def counts(schema: dj.Schema, **tables: int) -> dict[str, int]:
    """The counts that a delete should tell, by the names of the tables."""
    return {f"{schema.name}.{name}": number for name, number in tables.items()}


# --- what goes ---------------------------------------------------------------------------------------------------


def test_all_that_depends_goes(lab: SimpleNamespace, schema: dj.Schema, connection: PostgresConnection) -> None:
    """A row takes all that refers to it, directly or not; the number is that of the table, the counts of all."""
    deleted = (lab.Subject & "subject = 1").delete()
    assert deleted == 1
    assert deleted.counts == counts(schema, subject=1, session=2, scan=4, scan__field=8)
    assert next(iter(deleted.counts)) == f"{schema.name}.subject"
    assert sizes(*lab.all) == [2, 2, 4, 8, 16]
    assert not lab.Scan & {"subject": 1}
    assert orphans(connection, schema.name) == 0


def test_a_diamond_with_a_nullable_side(lab: SimpleNamespace, schema: dj.Schema) -> None:
    """A rig takes the sessions that refer to it, and scans by both paths, each counted once; NULL refers to nothing."""
    deleted = (lab.Rig & {"rig": "a"}).delete()
    assert deleted.counts == counts(schema, rig=1, session=3, scan=9, scan__field=18)
    assert sizes(*lab.all) == [3, 1, 3, 3, 6]
    assert set(lab.Scan.fetch("on_rig")) == {"b"}
    assert set(lab.Session.fetch("session")) == {2}


def test_everything(lab: SimpleNamespace, schema: dj.Schema) -> None:
    """The class itself means all rows, which take all that must refer to them, and what refers by NULL stays."""
    assert lab.Rig.delete().counts == counts(schema, rig=2, session=3, scan=12, scan__field=24)
    assert sizes(*lab.all) == [3, 0, 3, 0, 0]
    assert lab.Subject.delete() == 3
    assert sizes(*lab.all) == [0, 0, 0, 0, 0]
    assert lab.Subject.delete().counts == {}


def test_a_scan_alone(lab: SimpleNamespace, schema: dj.Schema) -> None:
    """What a row refers to stays."""
    assert (lab.Scan & "subject = 1 and on_rig = 'a'").delete().counts == counts(schema, scan=2, scan__field=4)
    assert sizes(*lab.all) == [3, 2, 6, 10, 20]


@pytest.mark.parametrize("depth", [0, 1, 2, 50])
def test_a_hierarchy(schema: dj.Schema, depth: int) -> None:
    """A row of a hierarchy takes all that are below it, to any depth, and what depends on these."""
    Unit = make(schema, "Unit", "unit : int32\n---\n-> [nullable] Unit.proj(above='unit')")
    Note = make(schema, "Note", "-> Unit\nnote : int8\n---")
    Unit.insert([{"unit": 0}] + [{"unit": n, "above": n - 1} for n in range(1, depth + 3)] + [{"unit": 1000}])
    Note.insert([(n, 1) for n in [*range(depth + 3), 1000]])
    deleted = (Unit & "unit = 2").delete()
    assert deleted.counts == counts(schema, unit=depth + 1, note=depth + 1)
    assert sorted(Unit.fetch("unit")) == sorted(Note.fetch("unit")) == [0, 1, 1000]
    assert Unit.delete() == 3


def test_a_hierarchy_with_two_references(schema: dj.Schema) -> None:
    """Descendants by the mother and by the father go, each once."""
    Mouse = make(
        schema,
        "Mouse",
        "mouse : int32\n---\n-> [nullable] Mouse.proj(mother='mouse')\n-> [nullable] Mouse.proj(father='mouse')",
    )
    Mouse.insert([(1, None, None), (2, None, None), (3, 1, 2), (4, 1, None), (5, 4, 3), (6, None, 2), (7, None, None)])
    assert (Mouse & "mouse = 1").delete(dry_run=True) == 4
    assert (Mouse & "mouse = 1").delete() == 4
    assert sorted(Mouse.fetch("mouse")) == [2, 6, 7]


def test_other_schemas(lab: SimpleNamespace, schema: dj.Schema, connection: PostgresConnection) -> None:
    """Tables of other schemas go along, also those that no class of this process is about."""
    other = dj.Schema(f"{schema.name}_b", connection=connection, add_objects={"Session": lab.Session})
    Note = make(other, "Note", "-> Session\nnote : int16\n---")
    Note.insert([(1, 1, 1), (1, 2, 1), (2, 1, 1)])
    connection.execute(
        f'CREATE TABLE "{other.name}"."~odd ""one%s" (n integer PRIMARY KEY, "a""b %s" smallint, session smallint, '
        f'note smallint, FOREIGN KEY ("a""b %s", session, note) REFERENCES "{other.name}".note)'
    )
    connection.execute(f'INSERT INTO "{other.name}"."~odd ""one%s" VALUES (1, 1, 1, 1), (2, 2, 1, 1), (3, NULL, 1, 1)')
    try:
        deleted = (lab.Subject & "name = 'Ann'").delete()
        assert deleted.counts[f"{other.name}.note"] == 2
        assert deleted.counts[f'{other.name}.~odd "one%s'] == 1
        assert sizes(Note) == [1]
    finally:
        drop_schemas(connection, other.name)


def test_odd_names(schema: dj.Schema, connection: PostgresConnection) -> None:
    """Names that SQL would read otherwise do no harm."""
    odd = 'order "by" %s {0}'
    connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema.name}"')
    quoted = odd.replace('"', '""')
    parent = f'"{schema.name}"."{quoted}"'
    for text in (
        f'CREATE TABLE {parent} ("{quoted}" integer PRIMARY KEY, "user" text)',
        f'CREATE TABLE "{schema.name}".child ("select" integer REFERENCES {parent}, c integer PRIMARY KEY)',
        f"INSERT INTO {parent} VALUES (1, 'x'), (2, 'y')",
        f'INSERT INTO "{schema.name}".child VALUES (1, 1), (1, 2), (2, 3)',
    ):
        connection.execute(text)
    table = dj.virtual(schema.name, connection=connection)[odd]
    assert (table & {"user": "x"}).delete().counts == {f"{schema.name}.{odd}": 1, f"{schema.name}.child": 2}


def test_what_other_software_declared(schema: dj.Schema, connection: PostgresConnection, ask: Ask) -> None:
    """References to unique columns, and those with an action of the server's: it cascades, restricts, or sets NULL."""
    A = make(schema, "A", "a : int32\n---")
    A.insert([(1,), (2,)])
    for text in (
        'CREATE TABLE "{0}".b (b integer PRIMARY KEY, a integer REFERENCES "{0}".a ON DELETE CASCADE, "U" text UNIQUE)',
        'CREATE TABLE "{0}".c (c integer PRIMARY KEY, "U" text REFERENCES "{0}".b ("U") ON DELETE RESTRICT)',
        'CREATE TABLE "{0}".d (d integer PRIMARY KEY, a integer REFERENCES "{0}".a ON DELETE SET NULL)',
        'CREATE TABLE "{0}".e (a integer REFERENCES "{0}".a DEFERRABLE INITIALLY DEFERRED)',
        "INSERT INTO \"{0}\".b VALUES (1, 1, 'x'), (2, 1, NULL), (3, 2, 'y')",
        "INSERT INTO \"{0}\".c VALUES (1, 'x'), (2, NULL), (3, 'y')",
        'INSERT INTO "{0}".d VALUES (1, 1), (2, 2)',
        'INSERT INTO "{0}".e VALUES (1), (1), (2)',
    ):
        connection.execute(text.format(schema.name))
    assert (A & "a = 1").delete().counts == counts(schema, a=1, b=2, c=1, e=2)
    assert ask(f'SELECT d, a FROM "{schema.name}".d ORDER BY d') == [{"d": 1, "a": None}, {"d": 2, "a": 2}]


def test_a_deferred_reference(schema: dj.Schema, connection: PostgresConnection, ask: Ask) -> None:
    """A row whose parent is to come before the end of the transaction does not go with all that were there."""
    A = make(schema, "A", "a : int32\n---")
    A.insert([(1,), (2,)])
    child = f'"{schema.name}".b'
    reference = f'integer NOT NULL REFERENCES "{schema.name}".a DEFERRABLE INITIALLY DEFERRED'
    connection.execute(f"CREATE TABLE {child} (a {reference})")
    connection.execute(f"INSERT INTO {child} VALUES (1)")
    with connection.transaction:
        connection.execute(f"INSERT INTO {child} VALUES (3)")
        assert A.delete().counts == counts(schema, a=2, b=1)
        A.insert1((3,))
    assert ask(f"SELECT a FROM {child}") == [{"a": 3}]


def test_a_circle_of_other_software(schema: dj.Schema, connection: PostgresConnection) -> None:
    """Tables that refer to each other are refused by name, and nothing goes."""
    A = make(schema, "A", "a : int16\n---")
    A.insert1((1,))
    for text in (
        'CREATE TABLE "{0}".b (b smallint PRIMARY KEY REFERENCES "{0}".a)',
        'CREATE TABLE "{0}".c (c smallint PRIMARY KEY REFERENCES "{0}".b)',
        'ALTER TABLE "{0}".b ADD c smallint REFERENCES "{0}".c',
    ):
        connection.execute(text.format(schema.name))
    with pytest.raises(DeleteRefused, match=rf"in a circle: .*{schema.name}\.b.*{schema.name}\.c"):
        A.delete()
    assert len(A) == 1


def test_a_singleton(schema: dj.Schema) -> None:
    """The one row of a table without key attributes goes, all of it or by a condition."""
    Setting = make(schema, "Setting", "---\nvalue : int16")
    Setting.insert1((5,))
    assert (Setting & "value = 4").delete() == 0
    assert (Setting & dj.Top(1) & "value = 4").delete() == 0
    assert (Setting & dj.Top(1)).delete() == 1
    Setting.insert1((5,))
    assert Setting.delete() == 1


KINDS: dict[str, list[Any]] = {
    "enum('x','y')": ["x", "y"],
    "char(3)": ["x", "y"],
    "uuid": ["00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002"],
    "decimal(5,2)": ["1.10", "2.20"],
    "timestamp": ["2020-01-01 00:00:00.000001", "2020-01-01"],
    "float64": [0.1, float("nan")],
    "date": ["2020-01-01", "2020-01-02"],
}


@pytest.mark.parametrize("kind", KINDS)
def test_keys_of_every_kind(schema: dj.Schema, kind: str) -> None:
    """The rows are found by keys of any type, also where the expression is more than a condition."""
    values = KINDS[kind]
    A = make(schema, "A", f"a : {kind}\n---\nn : int8")
    B = make(schema, "B", "-> A\nb : int8\n---")
    A.insert([(value, n) for n, value in enumerate(values)])
    B.insert([(value, 1) for value in values])
    assert (A & dj.Top(1, order_by="n DESC")).delete().counts == counts(schema, a=1, b=1)
    assert A.fetch("n").tolist() == [0]
    assert sizes(B) == [1]


# --- of which table -----------------------------------------------------------------------------------------------


def test_top(lab: SimpleNamespace) -> None:
    """Of the first rows, those go."""
    assert (lab.Subject & dj.Top(2, order_by="name DESC")).delete() == 2
    assert lab.Subject.fetch("name").tolist() == ["Ann"]
    assert (lab.Session & dj.Top(1, offset=1)).delete() == 1
    assert lab.Session.fetch("session").tolist() == [1]


def test_joins(lab: SimpleNamespace) -> None:
    """Of a join, the rows of the first operand go that are in it."""
    assert (lab.Session * lab.Subject & "age > 6").delete() == 2
    assert sizes(lab.Subject, lab.Session) == [3, 4]
    assert (lab.Subject * (lab.Session & "subject = 1")).delete() == 1
    assert sorted(lab.Subject.fetch("subject")) == [2, 3]


def test_restricted_by_dependents(lab: SimpleNamespace) -> None:
    """Rows that have dependents go with these, and those that have none by the complement."""
    (lab.Session & "subject = 3").delete()
    assert (lab.Subject - lab.Session).delete() == 1
    assert (lab.Subject & (lab.Session & "subject = 2")).delete() == 1
    assert lab.Subject.fetch("subject").tolist() == [1]


def test_projected(lab: SimpleNamespace) -> None:
    """Renamed and computed attributes do not matter: the rows are told by what the key has become."""
    assert (lab.Subject.proj("age", who="subject", twice="age * 2") & "twice = 10").delete() == 1
    assert sorted(lab.Subject.fetch("subject")) == [2, 3]
    assert (lab.Session.proj(subject_id="subject", n="session") & "subject_id = 2 and n = 1").delete() == 1


def test_a_hierarchy_under_other_names(schema: dj.Schema) -> None:
    """An attribute of the key's lineage that takes its name is not taken for it."""
    Unit = make(schema, "Unit", "unit : int8\n---\n-> [nullable] Unit.proj(above='unit')")
    Unit.insert([(1, None), (2, 1), (3, 1)])
    swapped = Unit.proj(me="unit", unit="above")
    assert (swapped & "me = 3").delete() == 1
    assert sorted(Unit.fetch("unit")) == [1, 2]


def test_aggregated(lab: SimpleNamespace) -> None:
    """The groups of an aggregation are rows of the first operand."""
    (lab.Session & "subject = 2 and session = 1").delete()
    assert (lab.Subject.aggr(lab.Session, n="count(*)") & "n = 1").delete() == 1
    assert sorted(lab.Subject.fetch("subject")) == [1, 3]


def test_other_expressions(lab: SimpleNamespace) -> None:
    """Unions and universal sets have rows of their own: the error says what to write."""
    union = lab.Subject.proj("name") + lab.Subject.proj("age")
    for query in (
        union,
        dj.U("name") & lab.Subject,
        dj.U("age").aggr(lab.Subject, n="count(*)"),
        union & "subject = 1",
    ):
        with pytest.raises(DeleteRefused, match=r"rows of its own.*Restrict the table by it: `\(.*subject & query\)"):
            query.delete()
    with pytest.raises(dj.errors.QueryError):
        dj.U("name").delete()
    assert sizes(*lab.all) == [3, 2, 6, 12, 24]


TYPOS: list[Any] = [
    {"subjct": 1},
    [{"subjct": 1}],
    [{"subjct": 1}, {"subject": 1}],
    [{"subjct": 1}, {"subjct": 2}],
    ["subject = 1", {"subjct": 1}],
    dj.AndList([{"subjct": 1}, "subject > 0"]),
    dj.Not({"subjct": 1}),
    dj.Not([dj.AndList([{"subjct": 1}])]),
    np.array([(1,)], dtype=[("subjct", "i4")])[0],
    np.array([(1,)], dtype=[("subjct", "i4")]),
    pd.Series({"subjct": 1}),
    pd.DataFrame({"subjct": [1]}),
    pl.DataFrame({"subjct": [1]}),
    pl.LazyFrame({"subjct": [1]}),
    pl.DataFrame({"subjct": [1]}).to_arrow(),
]


@pytest.mark.parametrize("typo", TYPOS, ids=lambda typo: type(typo).__name__)
def test_a_restriction_by_no_attribute(lab: SimpleNamespace, typo: Any) -> None:
    """What restricts by nothing is refused by name, wherever it stands in the expression; queries stay as they are."""
    for query in (
        lab.Subject & typo,
        (lab.Subject & typo).proj("age") & "age > 1",
        lab.Subject & (lab.Session.proj("rig", s="subject").proj(subject="s") & typo),
        lab.Subject * (lab.Session & typo),
        (lab.Subject - typo) & dj.Top(1),
    ):
        with pytest.raises(DeleteRefused, match=r"'subjct' restricts nothing.*Did you mean 'subject'\?") as caught:
            query.delete(dry_run=True)
        assert caught.value.table == str(lab.Subject().spec.name)
        with pytest.raises(DeleteRefused):
            query.delete()
    assert sizes(*lab.all) == [3, 2, 6, 12, 24]


def test_keys_that_are_ignored_beside_others(lab: SimpleNamespace) -> None:
    """A mapping of which one key is an attribute restricts by that; an empty one, and True, mean all rows."""
    assert (lab.Subject & {"subject": 1, "session": 1}).delete() == 1
    assert (lab.Subject & {}).delete(dry_run=True) == 2
    assert (lab.Subject & True & [{}]).delete(dry_run=True) == 2
    assert (lab.Subject & False).delete(dry_run=True) == 0
    assert (lab.Subject & pl.DataFrame({"subject": [2], "x": [1]})).delete() == 1


# --- how -----------------------------------------------------------------------------------------------------------


def test_dry_run(lab: SimpleNamespace, schema: dj.Schema) -> None:
    """Counts what would go, the same that then goes, and nothing goes."""
    planned = (lab.Rig & "rig = 'a'").delete(dry_run=True)
    assert sizes(*lab.all) == [3, 2, 6, 12, 24]
    deleted = (lab.Rig & "rig = 'a'").delete()
    assert (planned, planned.counts) == (deleted, deleted.counts)
    assert isinstance(planned, int)


def test_statements_in_proportion_to_nothing(schema: dj.Schema, counting: Counting) -> None:
    """However many tables and rows go, the number of statements is the same."""
    found = []
    for number in (1, 8):
        for rows in (2, 500):
            lab = dj.Schema(f"{schema.name}", connection=counting)
            A = make(lab, f"A{number}x{rows}", f"a{number}x{rows} : int32\n---")
            A.insert([(n,) for n in range(rows)])
            for each in range(number):
                make(lab, f"B{number}x{rows}x{each}", f"-> A{number}x{rows}\nb : int8\n---").insert(
                    [(n, 1) for n in range(rows)]
                )
            counting.statements.clear()
            assert sum((A & "TRUE").delete().counts.values()) == rows * (number + 1)
            found.append(len(counting.statements))
    assert found == [5] * 4


def test_inside_a_transaction(lab: SimpleNamespace, connection: PostgresConnection) -> None:
    """A delete is part of the user's transaction: it goes with it, and a refused one leaves it as it was."""
    with pytest.raises(ZeroDivisionError), connection.transaction:  # noqa: PT012 - the block is what is tested
        assert (lab.Subject & "subject = 1").delete() == 1
        assert sizes(*lab.all) == [2, 2, 4, 8, 16]
        raise ZeroDivisionError
    assert sizes(*lab.all) == [3, 2, 6, 12, 24]
    with connection.transaction:
        assert (lab.Subject & "subject = 1").delete(dry_run=True) == 1
        with pytest.raises(DeleteRefused, match=r"part Scan\.Field"):
            (lab.Scan.Field & "field = 1").delete()
        assert sizes(*lab.all) == [3, 2, 6, 12, 24]
        assert (lab.Subject & "subject = 1").delete() == 1
        assert (lab.Scan.Field & "field = 1 and subject = 2").delete(part_integrity="cascade") == 8
        assert (lab.Scan.Field & "field = 1 and subject = 2").delete(part_integrity="cascade") == 0
        assert lab.Session.delete() == 4
    assert sizes(*lab.all) == [2, 2, 0, 0, 0]


def test_of_a_repository(lab: SimpleNamespace, schema: dj.Schema, tmp_path: Path) -> None:
    """Nothing is deleted in a repository, neither of its own classes nor while queries run on it."""
    dj.export(schema, tmp_path / "out")
    repository = dj.open(tmp_path / "out")
    try:
        with repository.using(schema), pytest.raises(DeleteRefused, match="outside of the `using` block"):
            lab.Subject.delete()
        with pytest.raises(DeleteRefused, match="a table of a repository"):
            repository[schema.name].Subject.delete()
    finally:
        repository.close()
    assert sizes(*lab.all) == [3, 2, 6, 12, 24]


def test_computed_rows(schema: dj.Schema) -> None:
    """Rows of auto-populated tables may go at any time, and are made again; a make may delete in its transaction."""
    A = make(schema, "A", "a : int8\n---")
    Old = make(schema, "Old", "a : int8\n---")

    def make_row(self: Any, key: dict[str, Any]) -> None:
        (Old & key).delete()
        self.insert1(key)

    C = make(schema, "C", "-> A\n---", dj.Computed, make=make_row)
    A.insert([(1,), (2,)])
    Old.insert([(1,), (2,), (3,)])
    C.populate()
    assert sizes(C, Old) == [2, 1]
    assert (C & "a = 1").delete() == 1
    C.populate()
    assert sizes(C) == [2]


def test_a_missing_table(lab: SimpleNamespace, connection: PostgresConnection) -> None:
    """A table that was dropped meanwhile is told."""
    connection.execute(f"DROP TABLE {lab.Subject().full_table_name} CASCADE")
    with pytest.raises(MissingTable):
        (lab.Subject & "subject = 1").delete()


@pytest.fixture
def reader(schema: dj.Schema, connection: PostgresConnection) -> Iterator[str]:
    """A user who may read the schema and delete from all tables but one."""
    name = f"{schema.name}_reader"
    connection.execute(f"CREATE ROLE \"{name}\" LOGIN PASSWORD 'reader'")
    yield name
    connection.execute(f'DROP OWNED BY "{name}"')
    connection.execute(f'DROP ROLE "{name}"')


def test_without_the_right(
    lab: SimpleNamespace, schema: dj.Schema, connection: PostgresConnection, reader: str
) -> None:
    """A user who may not delete from one of the tables is told, and nothing goes."""
    connection.execute(f'GRANT USAGE ON SCHEMA "{schema.name}" TO "{reader}"')
    connection.execute(f'GRANT SELECT, DELETE ON ALL TABLES IN SCHEMA "{schema.name}" TO "{reader}"')
    connection.execute(f'REVOKE DELETE ON {lab.Scan.Field().full_table_name} FROM "{reader}"')
    connection.execute(f'SET ROLE "{reader}"')
    try:
        with pytest.raises(AccessDenied):
            (lab.Subject & "subject = 1").delete()
    finally:
        connection.execute("RESET ROLE")
    assert sizes(*lab.all) == [3, 2, 6, 12, 24]


def test_a_copy_of_what_was_deleted(lab: SimpleNamespace) -> None:
    """What a delete gives back is the same number in a copy, and in another process."""
    planned = lab.Subject.delete(dry_run=True)
    assert planned
    for other in (pickle.loads(pickle.dumps(planned)), copy.copy(planned)):  # noqa: S301 - what multiprocessing does
        assert (other, other.counts) == (planned, planned.counts)


def test_another_word_for_parts(lab: SimpleNamespace) -> None:
    """An unknown part_integrity is refused with those that there are."""
    with pytest.raises(DeleteRefused, match="'enforce', 'ignore', 'cascade', and not 'no'"):
        lab.Subject.delete(part_integrity="no")
