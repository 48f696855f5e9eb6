"""The documentation says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from djarrow.expr.functions import FUNCTIONS, OTHER_NAMES

DOCUMENTS = Path(__file__).parents[2] / "docs"


def test_every_function_is_documented() -> None:
    """docs/queries.md names each function and operator that text may use, under all of its names."""
    text = (DOCUMENTS / "queries.md").read_text("utf-8")
    code = " ".join(re.findall(r"`([^`]+)`", text))
    words = set(re.findall(r"[a-z_0-9]+|[^\sa-z_0-9]+", code))
    inner = {"neg": "-", "is null": "null", "is true": "true", "is false": "false"}
    missing = [name for name in (*FUNCTIONS, *OTHER_NAMES) if inner.get(name, name) not in words]
    assert missing == []
