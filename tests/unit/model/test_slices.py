"""Plans of slices: which sets of rows there are, how they come about, and that none is there twice."""

from __future__ import annotations

import pytest

from djarrow.model.names import TableName
from djarrow.model.slices import Above, Below, Choice, Picked, Plan, Rows, Same, Way, plan
from djarrow.model.spec import TableSpec, table_spec

LAB = {
    "subject": "subject : int32",
    "session": "-> subject\nsession : int32",
    "session__note": "-> session\nnote : int32",
    "method": "method : int32",
    "score": "-> session\n---\n-> method",
    "report": "report : int32\n---\n-> [nullable] report.proj(before='report')\n-> session__note",
}
"""Table -> definition, in which tables refer to each other by their names."""


def name(table: str) -> TableName:
    """A table of the schema."""
    return TableName("lab", table)


def specs(**others: str) -> dict[TableName, TableSpec]:
    """What all tables are. others: definitions that are not these."""
    found: dict[TableName, TableSpec] = {}
    for table, text in (LAB | others).items():
        found[name(table)] = table_spec(text, name(table), lambda reference, _: found.get(name(reference)))
    return found


def told(taken: Plan) -> dict[str, list[str]]:
    """Table -> the ways to its rows, as text."""

    def way(one: Way) -> str:
        match one:
            case Picked():
                return f"choice {one.choice}"
            case Same():
                return f"as {source(one.source)}"
            case Above():
                return f"above {source(one.source)}"
            case Below():
                return f"below {source(one.source)}"

    def source(rows: Rows) -> str:
        return rows.table.table

    found = {
        table.table: sorted({way(one) for rows in sets for one in taken.ways[rows]})
        for table, sets in taken.rows.items()
    }
    return found | {table.table: ["all"] for table in taken.whole}


def test_rows_bring_what_they_refer_to() -> None:
    """Each set is told by the one below it, and a master brings its parts."""
    assert told(plan([Choice(name("score"))], specs())) == {
        "score": ["choice 0"],
        "session": ["above score"],
        "session__note": ["below session"],
        "subject": ["above session"],
        "method": ["above score"],
    }


def test_a_part_by_itself() -> None:
    """It brings its master alone; beside others that bring the master, both ways are there."""
    note = Choice(name("session__note"))
    alone = {"session__note": ["choice 0"], "session": ["above session__note"], "subject": ["above session"]}
    assert told(plan([note], specs())) == alone
    both = told(plan([note, Choice(name("score"))], specs()))
    assert both["session__note"] == ["below session", "choice 0"]
    assert both["session"] == ["above score", "above session__note"]


def test_what_refers_to_a_part() -> None:
    """Its master comes with all of its parts, and a hierarchy depends on itself."""
    taken = plan([Choice(name("report"))], specs())
    assert told(taken) == {
        "report": ["above report", "as report"],
        "session": ["above session__note"],
        "session__note": ["below session"],
        "subject": ["above session"],
    }
    assert [[rows.table.table for rows in group] for group in taken.order if taken.is_recursive(group)] == [["report"]]


def test_below() -> None:
    """What depends on rows needs of where it came from nothing more: there are no ways back."""
    tree = specs(report="report : int32\n---\n-> session__note")
    taken = plan([Choice(name("session"))], tree, below=True)
    assert told(taken) == {
        "session": ["choice 0"],
        "session__note": ["below session"],
        "score": ["below session"],
        "method": ["above score"],
        "subject": ["above session"],
        "report": ["below session__note"],
    }
    assert len(taken.ways) == 6
    hierarchy = told(plan([Choice(name("session"))], specs(), below=True))
    assert hierarchy["session"] == ["above session__note", "as session"]  # those of reports above the ones below


def test_whole_tables() -> None:
    """They bring whole tables: those above, and their parts. Beside them nothing is asked for that is there."""
    assert told(plan([Choice(name("session"), whole=True)], specs())) == {
        "session": ["all"],
        "subject": ["all"],
        "session__note": ["all"],
    }
    part = plan([Choice(name("session__note"), whole=True)], specs())
    assert part.whole == {name("session__note"), name("session"), name("subject")}
    mixed = plan([Choice(name("session"), whole=True), Choice(name("score"))], specs())
    assert told(mixed) == {
        "session": ["all"],
        "subject": ["all"],
        "session__note": ["all"],
        "score": ["choice 1"],
        "method": ["above score"],
    }


@pytest.mark.parametrize("below", [False, True])
def test_sets_come_after_what_they_come_from(*, below: bool) -> None:
    """But for those that depend on themselves."""
    for table in specs():
        taken = plan([Choice(table)], specs(), below=below)
        before: set[Rows] = set()
        for group in taken.order:
            before |= set(group)
            sources = {way.source for rows in group for way in taken.ways[rows] if not isinstance(way, Picked)}
            assert sources <= before
