"""Which tables a statement names."""

from __future__ import annotations

import time

import pytest

from djarrow.repo.reading import _QUALIFIED

NAMED = {
    'SELECT t1."day" FROM "lab"."day" AS t1': ("lab", "day"),
    "FROM lab.day": ("lab", "day"),
    "SELECT * FROM a,lab.day": ("lab", "day"),
    "SELECT (SELECT max(x) FROM(lab.day))": ("lab", "day"),
    "FROM memory.lab.day": ("lab", "day"),
    'FROM memory."lab-2" . "#method"': ("lab-2", "#method"),
    "FROM lab.__score": ("lab", "__score"),
    'SELECT \'it\'\'s "\', x FROM "lab"."day"': ("lab", "day"),
    "SELECT 1\nFROM\n\tlab\n.\nday;": ("lab", "day"),
}


@pytest.mark.parametrize("text", NAMED)
def test_names(text: str) -> None:
    """A table is found behind its schema, with quotes or without, however the text is laid out."""
    assert NAMED[text] in _QUALIFIED.findall(text)


def test_attributes_are_no_tables() -> None:
    """An attribute of the name of a table does not name the table."""
    assert ("lab", "day") not in _QUALIFIED.findall('SELECT t1."day", day FROM "lab"."reading" AS t1')


@pytest.mark.parametrize(
    "text", ["x" * 3_000_000, "x." * 1_500_000, '"' * 3_000_000, "x " * 1_500_000, "x" + " " * 10**6]
)
def test_long_texts(text: str) -> None:
    """However long a text is, and whatever it repeats, it takes no more than seconds."""
    started = time.monotonic()
    _QUALIFIED.findall(text)
    assert time.monotonic() - started < 5
