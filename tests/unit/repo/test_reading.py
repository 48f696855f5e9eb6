"""Which tables a statement names."""

from __future__ import annotations

import time

import pytest

from djarrow.repo.reading import qualified_names

NAMED = {
    'SELECT t1."day" FROM "lab"."day" AS t1': ("lab", "day"),
    "FROM lab.day": ("lab", "day"),
    "SELECT * FROM a,lab.day": ("lab", "day"),
    "SELECT (SELECT max(x) FROM(lab.day))": ("lab", "day"),
    "FROM memory.lab.day": ("lab", "day"),
    'FROM memory."lab-2" . "#method"': ("lab-2", "#method"),
    "FROM lab.__score": ("lab", "__score"),
    'FROM "lab"."~__score makes" AS t1': ("lab", "~__score makes"),
    'SELECT \'it\'\'s "\', x FROM "lab"."day"': ("lab", "day"),
    "SELECT 1\nFROM\n\tlab\n.\nday;": ("lab", "day"),
}


@pytest.mark.parametrize("text", NAMED)
def test_names(text: str) -> None:
    """A table is found behind its schema, with quotes or without, however the text is laid out."""
    assert NAMED[text] in qualified_names(text)


def test_attributes_are_no_tables() -> None:
    """An attribute of the name of a table does not name the table."""
    assert ("lab", "day") not in qualified_names('SELECT t1."day", day FROM "lab"."reading" AS t1')


@pytest.mark.parametrize("text", ["x" * 1_000_000, "x." * 500_000, '"' * 1_000_000, "x " * 500_000, "x" + " " * 10**5])
def test_long_texts(text: str) -> None:
    """However long a text is, and whatever it repeats, it takes no more than seconds."""
    started = time.process_time()
    qualified_names(text)
    assert time.process_time() - started < 5
