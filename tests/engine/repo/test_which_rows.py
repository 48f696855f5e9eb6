"""What a repository says of which rows it has: by which query they were chosen, or that others need them."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.repo.exporting.which import LONGEST
from tests.stores import Spot

from .conftest import declared

HOSTILE = "x'\n```\n## <b>Free</b> | $1 `\u202e\x1b[2J --> t1"


@pytest.fixture
def tables(schema: dj.Schema) -> SimpleNamespace:
    """A method, subjects of a name, their sessions with notes, and scores of these."""
    method = declared(schema, "Method", "method : varchar(8)")
    subject = declared(schema, "Subject", "subject : int32\n---\nname : varchar(80)")

    @schema
    class Session(dj.Manual):
        definition = "-> Subject\nsession : int32\n---\n-> Method\nx : float64"

        class Note(dj.Part):
            definition = "-> master\nnote : int8"

    score = declared(schema, "Score", "-> Session\n---\nscore : float64")
    method.insert([["a"], ["b"]])
    subject.insert([(number, f"n{number}") for number in range(3)] + [(3, HOSTILE)])
    Session.insert([(number, 1, "a", number / 2) for number in range(4)])
    Session.Note.insert([(number, 1, 1) for number in range(4)])
    score.insert([(number, 1, 1.0) for number in range(4)])
    return SimpleNamespace(
        Method=method, Subject=subject, Session=Session, Note=Session.Note, Score=score, schema=schema
    )


def told(path: Path) -> dict[str, tuple[str, Any]]:
    """Table -> what the manifest says of its rows."""
    document = json.loads((path / "manifest.json").read_bytes())
    return {table["table"]: (table["extent"], table["restriction"]) for table in document["tables"]}


def test_all_rows(tables: SimpleNamespace, tmp_path: Path) -> None:
    """Of whole tables nothing is told, in the README neither, also where they come with others."""
    path = dj.export(tables.Session, tmp_path / "whole").path
    assert told(path) == dict.fromkeys(["method", "subject", "session", "session__note"], ("all", None))
    assert "Which rows" not in (path / "README.md").read_text()


def test_what_comes_with_chosen_rows(tables: SimpleNamespace, tmp_path: Path, connection: PostgresConnection) -> None:
    """Chosen rows tell the query, which runs on the database; those that others need, and parts, tell that alone."""
    path = dj.export([tables.Session & "x > 0.5", tables.Method], tmp_path / "slice").path
    found = told(path)
    extent, text = found.pop("session")
    assert extent == "restricted"
    assert text.endswith('WHERE t1."x" > 0.5')
    assert connection.query(text).to_pylist() == (tables.Session & "x > 0.5").keys()
    assert found == {"method": ("all", None), "subject": ("needed", None), "session__note": ("needed", None)}


def test_what_depends_on_chosen_rows(tables: SimpleNamespace, tmp_path: Path, connection: PostgresConnection) -> None:
    """With descendants, these say so; several choices of a table are told as one query, of whatever kind they are."""
    chosen = [tables.Subject & {"subject": 1}, tables.Subject & (tables.Session & "x > 1"), tables.Subject & dj.Top(1)]
    path = dj.export(chosen, tmp_path / "slice", include="descendants").path
    found = told(path)
    extent, text = found.pop("subject")
    assert extent == "restricted"
    assert {row["subject"] for row in connection.query(text).to_pylist()} == {0, 1, 3}
    dependent = dict.fromkeys(["session", "session__note", "score"], ("dependent", None))
    assert found == {"method": ("needed", None), **dependent}


def test_a_row_without_key(schema: dj.Schema, tmp_path: Path) -> None:
    """The one row of a table without key is chosen by a query of its first attribute."""
    one = declared(schema, "One", "---\nx : int8")
    one.insert1([1])
    path = dj.export(one & "x = 1", tmp_path / "one").path
    assert told(path)["one"] == ("restricted", f'SELECT t1."x" FROM "{schema.name}"."one" AS t1 WHERE t1."x" = 1')


def test_values_that_would_break_the_page(tables: SimpleNamespace, tmp_path: Path) -> None:
    """A value in a query stays within one line of a block of code; the manifest has it as it is."""
    path = dj.export(tables.Session & (tables.Subject & {"name": HOSTILE}), tmp_path / "hostile").path
    extent, text = told(path)["session"]
    assert extent == "restricted"
    assert HOSTILE.replace("'", "''") in text
    assert dj.open(path).manifest.tables[2].restriction == text
    assert dj.verify(path)
    page = (path / "README.md").read_text().split("\n")
    start = page.index("```sql")
    assert page[start + 2] == "```"
    assert page[start + 1].startswith("SELECT ")
    assert "\\u202e\\x1b[2J" in page[start + 1]
    assert not [line for line in page if line.startswith("## <b>") or ("<b>" in line and line != page[start + 1])]
    assert [line for line in page if line.startswith("```") and line != "```"] == ["```sql", "```mermaid"] + [
        "```python"
    ] * 4


def test_long_ones_are_cut(tables: SimpleNamespace, tmp_path: Path) -> None:
    """A restriction by a large frame is told by its beginning."""
    path = dj.export(tables.Subject & pl.DataFrame({"subject": range(50_000)}), tmp_path / "long").path
    _, text = told(path)["subject"]
    assert (len(text), text[-1], text[:7]) == (LONGEST, "…", "SELECT ")
    page = (path / "README.md").read_text().split("\n")
    assert len(page[page.index("```sql") + 1]) == 1_000


def test_exporting_again_with_other_words(tables: SimpleNamespace, spot: Spot) -> None:
    """A restriction by other words with the same rows writes no Parquet file, and tells the new words everywhere."""
    first = dj.export(tables.Session & "x > 0.5", spot.url, **spot.given)
    again = dj.export(tables.Session & "x >= 1", spot.url, **spot.given)
    assert (first.written, again.written, again.files) == (4, 0, 4)
    opened = dj.open(spot.url, **spot.given)
    (session,) = (table for table in opened.manifest.tables if table.table == "session")
    opened.close()
    assert session.restriction is not None
    assert session.restriction.endswith('WHERE t1."x" >= 1')
    assert dj.verify(spot.url, **spot.given)
    whole = dj.export(tables.Session, spot.url, **spot.given)
    assert whole.written == 4
    opened = dj.open(spot.url, **spot.given)
    assert {table.extent for table in opened.manifest.tables} == {"all"}
    opened.close()
