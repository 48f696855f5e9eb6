"""dj.trace against a naive walk over all rows, on pipelines made at random."""

from __future__ import annotations

import itertools
import os
import random
from typing import Any

import pytest

import djarrow as dj
from djarrow.model.names import TableName
from tests.random_pipelines import Rows, declare, fill, refers

Row = tuple[tuple[str, Any], ...]


def walked(first: type[dj.Table], start: list[dict[str, Any]], classes: list[type[dj.Table]]) -> dict[str, set[Row]]:
    """What the rows depend on, row by row."""
    specs = {cls().spec.name: cls().spec for cls in classes}
    rows: Rows = {name: cls.to_dicts() for name, cls in zip(specs, classes, strict=True)}
    alone = specs[first().spec.name].master
    found: dict[TableName, set[Row]] = {}
    waiting = [(first().spec.name, row) for row in start]
    while waiting:
        name, row = waiting.pop()
        if (kept := tuple(row.items())) in found.setdefault(name, set()):
            continue
        found[name].add(kept)
        for key in specs[name].foreign_keys:
            waiting += [(key.parent, parent) for parent in rows[key.parent] if refers(row, parent, key)]
        if name != alone:
            for part in (each for each in specs.values() if each.master == name):
                owner = next(key for key in part.foreign_keys if key.parent == name)
                waiting += [(part.name, each) for each in rows[part.name] if refers(each, row, owner)]
    return {str(name): kept for name, kept in found.items()}


@pytest.mark.parametrize("seed", range(30 if "DJARROW_SOAK" in os.environ else 2))
def test_traces_are_what_a_walk_finds(schema: dj.Schema, seed: int) -> None:
    """Of every table, all rows, some, and one: each table upstream has the rows that following references finds."""
    dice = random.Random(seed)  # noqa: S311 - a test that can be repeated
    classes = declare(schema, dice)
    fill(classes, dice)
    for cls in classes:
        rows = cls.to_dicts()
        for start in (rows[:1], rows[1:4]):
            query = cls & [{name: row[name] for name in cls.primary_key} for row in start]
            traced = dj.trace(query)
            found = {name: {tuple(row.items()) for row in traced[name].to_dicts()} for name in traced}
            expected = walked(cls, start, classes)
            assert {name: kept for name, kept in found.items() if kept} == expected
            order = [str(cls().spec.name), *itertools.islice(traced, 1, None)]
            assert list(traced) == order
