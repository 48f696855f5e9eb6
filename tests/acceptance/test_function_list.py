"""docs/functions.md lists every function, with what it becomes. DJARROW_REWRITE_SQL=1 writes its tables anew."""

from __future__ import annotations

import os
import re
from pathlib import Path

from djarrow.expr.functions import FUNCTIONS, OTHER_NAMES
from djarrow.expr.functions.moments import FORMAT_CODES
from djarrow.expr.syntax import SPECIAL
from djarrow.sql.dialects import Dialect
from djarrow.sql.functions.formats import FORMATS

from .function_list import EXAMPLES, functions, tables

LIST = Path(__file__).parents[2] / "docs" / "functions.md"


def test_the_tables_are_what_the_code_does() -> None:
    """Each example stands in the list with its type and its SQL on the three engines."""
    text = LIST.read_text("utf-8")
    prose = text.partition("\n## ")[0].rstrip()
    wanted = prose + "\n" + "".join(f"\n## {section}\n\n{table}\n" for section, table in tables().items())
    if os.environ.get("DJARROW_REWRITE_SQL") == "1":
        LIST.write_text(wanted, "utf-8")
    assert LIST.read_text("utf-8") == wanted, "look at the difference, and set DJARROW_REWRITE_SQL=1 if it is right"


def test_every_function_has_an_example() -> None:
    """No function or operator goes without an example."""
    inner = {"json number", "json whole", "json truth"}  # what the examples of parts of JSON become
    assert set(FUNCTIONS) - functions() - inner == set()


def test_every_name_is_listed() -> None:
    """Each further name of a function, and each that is read in a way of its own, stands in the list."""
    words = set(re.findall(r"\w+|[^\w\s]+", LIST.read_text("utf-8")))
    assert {name for name in (*OTHER_NAMES, *SPECIAL) if name not in words} == set()


def test_codes_of_formats() -> None:
    """The codes that may be written are those that each engine has a form of, and all are listed."""
    listed = set(re.findall(r"`%(.)`", LIST.read_text("utf-8")))
    assert set(FORMAT_CODES) == listed == {code for dialect in Dialect for code in FORMATS[dialect][0]}


def test_sections_are_told_apart() -> None:
    """No example stands twice."""
    texts = [text for section in EXAMPLES.values() for text in section]
    assert len(texts) == len(set(texts))
