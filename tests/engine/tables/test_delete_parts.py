"""Delete and parts: rows of a part do not go without their master's, unless they are told to; or take it along."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import DeleteRefused

from .deleting import make, orphans, part, sizes


@pytest.fixture
def lab(schema: dj.Schema) -> SimpleNamespace:
    """Tools; reports that use them, in a part, which has marks in another; summaries of reports."""
    tables = SimpleNamespace(
        Tool=make(schema, "Tool", "tool : int8\n---"),
        Report=make(
            schema,
            "Report",
            "report : int8\n---",
            Use=part("Use", "-> master\nuse : int8\n---\n-> Tool"),
            Mark=part("Mark", "-> master.Use\nmark : int8\n---"),
        ),
    )
    tables.Summary = make(schema, "Summary", "-> Report\nsummary : int8\n---")
    tables.all = [tables.Tool, tables.Report, tables.Report.Use, tables.Report.Mark, tables.Summary]
    tables.Tool.insert([(1,), (2,), (3,)])
    tables.Report.insert([(1,), (2,), (3,)])
    tables.Report.Use.insert([(1, 1, 1), (1, 2, 2), (2, 1, 2), (3, 1, 3)])
    tables.Report.Mark.insert([(1, 1, 1), (1, 2, 1), (2, 1, 1), (2, 1, 2)])
    tables.Summary.insert([(1, 1), (2, 1), (3, 1)])
    return tables


BEFORE = [3, 3, 4, 4, 3]


def test_a_part_alone_is_refused(lab: SimpleNamespace, schema: dj.Schema) -> None:
    """The error names part and master, and what to do; nothing goes, and counting refuses as well."""
    for query in (lab.Report.Use & "report = 1", lab.Report.Use, lab.Report.Use & dj.Top(1)):
        for dry_run in (True, False):
            with pytest.raises(DeleteRefused, match=r"part Report\.Use would go.*`\(Report & query\)\.del") as caught:
                query.delete(dry_run=dry_run)
            assert (caught.value.part, caught.value.master) == (f"{schema.name}.report__use", f"{schema.name}.report")
    assert sizes(*lab.all) == BEFORE
    assert (lab.Report.Use & "report = 9").delete() == 0


def test_a_part_of_what_goes_is_refused(lab: SimpleNamespace) -> None:
    """So it is where the part would go because of another of its parents."""
    with pytest.raises(DeleteRefused, match=r"2 rows of the part Report\.Use would go.*Nothing was deleted"):
        (lab.Tool & "tool = 2").delete()
    with pytest.raises(DeleteRefused, match=r"part Report\.Mark .* in Report\.Use would stay.* `\(Report & query\)"):
        lab.Report.Mark.delete()
    assert sizes(*lab.all) == BEFORE


def test_parts_go_with_their_master(lab: SimpleNamespace, schema: dj.Schema) -> None:
    """Deleting the master takes its parts, and needs no word."""
    assert (lab.Report & "report = 1").delete().counts == {
        f"{schema.name}.report": 1,
        f"{schema.name}.report__use": 2,
        f"{schema.name}.report__mark": 2,
        f"{schema.name}.summary": 1,
    }


def test_ignore(lab: SimpleNamespace, schema: dj.Schema) -> None:
    """Parts go alone."""
    assert (lab.Tool & "tool = 2").delete(part_integrity="ignore").counts == {
        f"{schema.name}.tool": 1,
        f"{schema.name}.report__use": 2,
        f"{schema.name}.report__mark": 3,
    }
    assert lab.Report.Mark.delete(part_integrity="ignore") == 1
    assert sizes(*lab.all) == [2, 3, 2, 0, 3]


@pytest.mark.parametrize("dry_run", [True, False])
def test_cascade(lab: SimpleNamespace, schema: dj.Schema, connection: PostgresConnection, dry_run: bool) -> None:
    """Masters of parts that go, go as well, with their other parts and all that depends on them."""
    assert (lab.Tool & "tool = 1").delete(part_integrity="cascade", dry_run=dry_run).counts == {
        f"{schema.name}.tool": 1,
        f"{schema.name}.report": 1,
        f"{schema.name}.report__use": 2,
        f"{schema.name}.report__mark": 2,
        f"{schema.name}.summary": 1,
    }
    assert sizes(*lab.all) == (BEFORE if dry_run else [2, 2, 2, 2, 2])
    assert orphans(connection, schema.name) == 0


def test_cascade_from_the_part_of_a_part(lab: SimpleNamespace) -> None:
    """A part that belongs to its master through a fellow part takes both. The number is that of the part."""
    assert (lab.Report.Mark & "mark = 2").delete(part_integrity="cascade") == 2
    assert sizes(*lab.all) == [3, 2, 3, 2, 2]


def test_cascade_through_many_masters(schema: dj.Schema, connection: PostgresConnection) -> None:
    """A master that goes takes parts of others, whose masters go, and so on to the end."""
    A = make(schema, "A", "a : int16\n---")
    B = make(schema, "B", "b : int16\n---", See=part("See", "-> master\n---\n-> A"))
    C = make(schema, "C", "c : int16\n---\n-> B", See=part("See", "-> master\n---\n-> [nullable] A"))
    D = make(schema, "D", "d : int16\n---", See=part("See", "-> master\nn : int8\n---\n-> C.See"))
    for table in (A, B, D):
        table.insert([(n,) for n in range(4)])
    C.insert([(n, n) for n in range(4)])
    B.See.insert([(n, n) for n in range(4)])
    C.See.insert([(n, (n + 1) % 4 if n else None) for n in range(4)])
    D.See.insert([(n, 1, n) for n in range(4)])
    deleted = (A & "a = 2").delete(part_integrity="cascade")
    # a2 takes b2 through B.See, which takes c2; and c1 through C.See; these take d2 and d1
    assert {name.partition(".")[2]: n for name, n in deleted.counts.items()} == {
        "a": 1,
        "b": 1,
        "b__see": 1,
        "c": 2,
        "c__see": 2,
        "d": 2,
        "d__see": 2,
    }
    assert sizes(A, B, C, D) == [3, 3, 2, 2]
    assert orphans(connection, schema.name) == 0


def test_cascade_along_a_chain_of_rows(schema: dj.Schema) -> None:
    """A part that refers to another row of its own master's table: a chain goes to its end, however long."""
    Step = make(
        schema,
        "Step",
        "step : int16\n---",
        After=part("After", "-> master\n---\n-> Step.proj(before='step')"),
    )
    Step.insert([(n,) for n in range(12)])
    Step.After.insert([(n, n - 1) for n in range(1, 12)])
    with pytest.raises(DeleteRefused):
        (Step & "step = 4").delete()
    assert (Step & "step = 4").delete(part_integrity="cascade") == 8
    assert sizes(Step, Step.After) == [4, 3]


def test_parts_below_one_key(schema: dj.Schema, connection: PostgresConnection) -> None:
    """A part that refers beside its master to what goes for the same reason is no obstacle."""
    Subject = make(schema, "Subject", "subject : int8\n---")
    Probe = make(schema, "Probe", "-> Subject\nprobe : int8\n---")
    Session = make(schema, "Session", "-> Subject\nsession : int8\n---", Used=part("Used", "-> master\n-> Probe\n---"))
    Subject.insert([(1,), (2,)])
    Probe.insert([(1, 1), (2, 1)])
    Session.insert([(1, 1), (2, 1)])
    Session.Used.insert([(1, 1, 1), (2, 1, 1)])
    assert (Subject & "subject = 1").delete() == 1
    with pytest.raises(DeleteRefused, match=r"part Session\.Used"):
        Probe.delete()
    assert sizes(Subject, Probe, Session, Session.Used) == [1, 1, 1, 1]
    assert Subject.delete() == 1


def test_of_a_computed_table(schema: dj.Schema) -> None:
    """Parts of auto-populated tables, whose names begin with underscores, are parts as well."""
    Scan = make(schema, "Scan", "scan : int8\n---")

    def make_row(self: Any, key: dict[str, Any]) -> None:
        self.insert1(key)
        self.Item.insert([{**key, "item": n} for n in range(3)])

    Found = make(
        schema, "Found", "-> Scan\n---", dj.Computed, make=make_row, Item=part("Item", "-> master\nitem : int8\n---")
    )
    Scan.insert([(1,), (2,)])
    Found.populate()
    with pytest.raises(DeleteRefused, match=r"part Found\.Item"):
        (Found.Item & "item = 1").delete()
    assert (Found.Item & "item = 1 and scan = 1").delete(part_integrity="cascade") == 3
    assert sizes(Scan, Found, Found.Item) == [2, 1, 3]
    assert Found.delete() == 1


def test_names_like_those_of_parts(schema: dj.Schema, connection: PostgresConnection) -> None:
    """A table of other software that is named like a part, and does not refer to the other, is none."""
    make(schema, "A", "a : int32\n---").insert([(1,)])
    connection.execute(f'CREATE TABLE "{schema.name}".a__b (a integer PRIMARY KEY)')
    connection.execute(f'INSERT INTO "{schema.name}".a__b VALUES (1)')
    assert dj.virtual(schema.name, connection=connection)["a__b"].delete() == 1
