"""Delete asks first: what is shown, who is asked, and what happens when rows are added before the answer."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import DeleteRefused, NotConfirmed

from .deleting import make, sizes


@pytest.fixture
def lab(schema: dj.Schema) -> SimpleNamespace:
    """Two subjects with sessions, and a table of notes without any."""
    tables = SimpleNamespace(Subject=make(schema, "Subject", "subject : int8\n---"))
    tables.Session = make(schema, "Session", "-> Subject\nsession : int16\n---")
    tables.Note = make(schema, "Note", "-> Session\nnote : int8\n---")
    tables.Subject.insert([(1,), (2,)])
    tables.Session.insert([(1, n) for n in range(1200)] + [(2, 1)])
    tables.Note.declare()
    return tables


def answering(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    """Let a person type this."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(answer))


def test_what_goes_is_shown_first(
    lab: SimpleNamespace, schema: dj.Schema, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each table that would lose rows is shown with how many, parents first, and without a yes nothing goes."""
    query = lab.Subject & "subject = 1"
    for answer in ("no\n", "\n", "maybe\n"):
        answering(monkeypatch, answer)
        deleted = query.delete(prompt=True)
        assert (deleted, deleted.counts) == (0, {})
    shown = capsys.readouterr().out
    assert shown.count("Delete 1,201 rows of 2 tables? [y/N] ") == 3
    lines = [re.sub(" +", " ", line.strip()) for line in shown.splitlines() if line.startswith("  ")]
    assert lines[:2] == [f"{schema.name}.subject 1 row", f"{schema.name}.session 1,200 rows"]
    assert sizes(lab.Subject, lab.Session) == [2, 1201]
    answering(monkeypatch, "yes\n")
    assert query.delete(prompt=True) == 1
    assert sizes(lab.Subject, lab.Session) == [1, 1]


def test_nobody_to_ask(lab: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A script is not stopped unless it says that it wants to ask: then the error says what would go."""
    answering(monkeypatch, "")
    with pytest.raises(NotConfirmed, match=r"(?s)session +1,200 rows.*prompt=False"):
        (lab.Subject & "subject = 1").delete(prompt=True)
    assert sizes(lab.Subject, lab.Session) == [2, 1201]
    assert (lab.Subject & "subject = 1").delete() == 1
    assert (lab.Subject & "subject = 2").delete(prompt=False) == 1


def test_someone_to_ask(lab: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a notebook or at a terminal the question comes without being told to; prompt=False leaves it out."""
    asked: list[str] = []

    def answer(text: str) -> str:
        asked.append(text)
        return "n"

    monkeypatch.setattr("builtins.input", answer)
    assert (lab.Subject & "subject = 2").delete() == 0
    assert lab.Subject.delete() == 0
    assert asked == ["Delete 2 rows of 2 tables? [y/N] ", "Delete 1,203 rows of 2 tables? [y/N] "]
    assert (lab.Subject & "subject = 2").delete(prompt=False) == 1
    with dj.config.override(safemode=False):
        assert (lab.Subject & "subject = 1").delete() == 1
    assert len(asked) == 2


def test_nothing_to_ask_about(lab: SimpleNamespace) -> None:
    """Where no row would go, nobody is asked, and nobody needs to be there."""
    assert (lab.Subject & "subject = 9").delete(prompt=True) == 0
    assert (lab.Subject & "subject = 9").delete(prompt=True, part_integrity="cascade") == 0


class Slow(io.StringIO):
    """A person who answers yes after something else has happened."""

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        super().__init__("yes\n")
        self.meanwhile = meanwhile

    def readline(self, size: int | None = -1, /) -> str:  # type: ignore[override]  # of text, not of bytes
        """The answer."""
        self.meanwhile()
        return super().readline(-1 if size is None else size)


def test_more_rows_meanwhile(lab: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that were added to the same tables before the answer go along, and are counted."""
    monkeypatch.setattr(sys, "stdin", Slow(lambda: lab.Session.insert([(1, 2000), (1, 2001)])))
    deleted = (lab.Subject & "subject = 1").delete(prompt=True)
    assert list(deleted.counts.values()) == [1, 1202]


def test_more_tables_meanwhile(
    lab: SimpleNamespace, schema: dj.Schema, second: PostgresConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of a table that was not shown do not go, be it new or only empty before: nothing does."""
    query = lab.Subject & "subject = 1"
    monkeypatch.setattr(sys, "stdin", Slow(lambda: lab.Note.insert1((1, 1, 1))))
    with pytest.raises(DeleteRefused, match=rf"rows of {schema.name}\.note would go, too, and were added meanwhile"):
        query.delete(prompt=True)
    name = f'"{schema.name}"'

    def another_table() -> None:
        second.execute(f'CREATE TABLE {name}."New" (n smallint PRIMARY KEY REFERENCES {name}.subject)')
        second.execute(f'INSERT INTO {name}."New" VALUES (1)')

    monkeypatch.setattr(sys, "stdin", Slow(another_table))
    with pytest.raises(DeleteRefused, match=rf"rows of {schema.name}\.New would go, too"):
        query.delete(prompt=True)
    assert sizes(lab.Subject, lab.Session, lab.Note) == [2, 1201, 1]
    with schema.connection.transaction:
        answering(monkeypatch, "y\n")
        assert query.delete(prompt=True) == 1


@pytest.mark.parametrize("given", [{}, [], "", 0, "subject = 1", [{"subject": 1}], dict], ids=repr)
def test_a_condition_is_no_prompt(lab: SimpleNamespace, given: Any) -> None:
    """A condition given to delete itself is refused: taken for prompt, an empty one would empty the table."""
    with pytest.raises(DeleteRefused, match=r"prompt is True, False or None.*\(Table & condition\)\.delete\(\)"):
        lab.Subject.delete(given)
    assert sizes(lab.Subject, lab.Session) == [2, 1201]
