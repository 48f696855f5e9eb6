"""The statements that stand in files: values take the places of names in braces, and of no others."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import djarrow

FILES = sorted(Path(djarrow.__file__).parent.rglob("*.sql"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_place_for_a_value_in_a_comment(path: Path) -> None:
    """No comment has a name in braces: a value with a line break, put there, would be a statement."""
    text = path.read_text("utf-8")
    assert "SELECT" in text
    comments = re.findall(r"--.*", text) + re.findall(r"/\*.*?\*/", text, re.DOTALL)
    assert [comment for comment in comments if "{" in comment] == []


def test_the_files_are_found() -> None:
    """The test above has files to look into."""
    assert "catalog.sql" in {path.name for path in FILES}
