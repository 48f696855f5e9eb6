"""Headings and nodes that terms and queries are built on. No database."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from djarrow.expr.nodes import Stored
from djarrow.model.heading import Heading
from djarrow.model.names import TableName
from djarrow.model.spec import TableSpec, table_spec

EVERY_TYPE = """
id : int32
---
small = null : int8
wide = null : uint64
single = null : float32
x = null : float64
y : float64
price = null : decimal(7,2)
truth = null : bool
name = null : varchar(10)
size = null : enum('S', 'L')
day = null : date
clock = null : time
moment = null : timestamp
wall = null : datetime
tag = null : uuid
doc = null : json
raw = null : blob
key = null : int32
order = null : int32
mod = null : int32
"""


@pytest.fixture(scope="session")
def every() -> Heading:
    """An attribute of every kind of type, and some whose names are words of SQL."""
    return table_spec(EVERY_TYPE, TableName("lab", "every"), _unresolved).heading


def _unresolved(reference: str, _: object) -> TableSpec:
    raise AssertionError(reference)


DEFINITIONS = {
    "Subject": "subject_id : uint16\n---\nname : varchar(20)",
    "Method": "method : varchar(8)\n---\nname : varchar(20)",
    "Session": "-> Subject\nsession : int16\n---\n-> [nullable] Method\nx = null : float64",
    "Trial": "-> Session\ntrial : uint8\n---\nrt = null : float32",
    "Pair": "-> Subject.proj(first='subject_id')\n-> Subject.proj(second='subject_id')\n---\nstrength : int32",
    "Other": "subject_id : uint16\n---\nnote : varchar(20)",
    "Limits": "---\nlimit_x : float64",
}


@pytest.fixture(scope="session")
def lab() -> SimpleNamespace:
    """The tables by class name, as nodes."""
    specs: dict[str, TableSpec] = {}
    for class_name, text in DEFINITIONS.items():
        name = TableName("lab", class_name.lower())
        specs[class_name] = table_spec(text, name, lambda reference, _: specs[reference])
    return SimpleNamespace(**{name: Stored(spec.name, spec.heading) for name, spec in specs.items()})
