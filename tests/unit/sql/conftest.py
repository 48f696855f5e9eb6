"""Specs of a few related tables, as nodes that queries are built on. No database."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from djarrow.expr.nodes import Stored
from djarrow.model.names import TableName
from djarrow.model.spec import TableSpec, table_spec

DEFINITIONS = {
    "Subject": (
        "subject",
        "subject_id : uint16\n---\nname : varchar(20)\nsex = null : enum('F', 'M')\nweight = null : decimal(5,2)",
    ),
    "Method": ("#method", "method : varchar(8)\n---"),
    "Session": ("session", "-> Subject\nsession : int16\n---\n-> [nullable] Method\nday : date\nx = null : float64"),
    "Trial": (
        "_trial", "-> Session\ntrial : uint8\n---\ncorrect = null : bool\nrt = null : float32\nmoment : timestamp",
    ),
    "Pair": ("pair", "-> Subject.proj(first='subject_id')\n-> Subject.proj(second='subject_id')\n---\nbig : uint64"),
    "Note": ("note", "note_id : int32\n---\ndoc : json"),
    "Limits": ("#limits", "---\nlimit_x : float64"),
}  # fmt: skip


@pytest.fixture
def lab() -> SimpleNamespace:
    """The tables by class name."""
    specs: dict[str, TableSpec] = {}
    for class_name, (table, text) in DEFINITIONS.items():
        specs[class_name] = table_spec(text, TableName("lab", table), lambda reference, _: specs[reference])
    return SimpleNamespace(**{name: Stored(spec.name, spec.heading) for name, spec in specs.items()})
