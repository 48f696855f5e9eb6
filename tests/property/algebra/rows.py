"""Random rows for random tables: few, often equal, often missing, and within what keys and references allow."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

from tests.property.algebra.kinds import TYPES
from tests.property.algebra.schemas import Reference, Table
from tests.property.naive import Row

MOST = 8
"""Rows of a table."""


def random_rows(tables: dict[str, Table], seed: int) -> dict[str, list[Row]]:
    """Rows for each table. Those of seed 0 have none in every other table."""
    chance = random.Random(seed)  # noqa: S311 - test data
    rows: dict[str, list[Row]] = {}
    for number, table in enumerate(tables.values()):
        most = 0 if seed == 0 and number % 2 else MOST if table.key else 1
        rows[table.name] = _rows_of(table, rows, chance, chance.randint(min(2, most), most))
    return rows


def _rows_of(table: Table, others: dict[str, list[Row]], chance: random.Random, most: int) -> list[Row]:
    values = {name: _some(TYPES[kind][1], chance, 2, 6) for name, kind in table.types.items()}
    found: list[Row] = []
    for _ in range(2 * most):
        row = _row(table, others | {table.name: found}, values, chance)
        if row is not None and len(found) < most and not _clashes(table, row, found):
            found.append(row)
    return found


def _some(values: tuple[Any, ...], chance: random.Random, least: int, most: int) -> list[Any]:
    """A few of the values of a type, so that rows have equal ones."""
    return chance.sample(values, min(len(values), chance.randint(least, most)))


def _row(table: Table, others: dict[str, list[Row]], values: dict[str, list[Any]], chance: random.Random) -> Row | None:
    """A row; None where no parent fits to what the row says already."""
    row: Row = {}
    for reference in table.references:
        given = _referring(reference, others[reference.parent], row, chance)
        if given is None:
            return None
        row |= given
    for name, choices in values.items():
        row[name] = None if name in table.nullable and chance.random() < 0.4 else chance.choice(choices)
    return {name: row[name] for name in table.attributes}


def _referring(reference: Reference, parents: Iterable[Row], row: Row, chance: random.Random) -> Row | None:
    """What a reference adds to a row: the key of a parent that agrees with it; NULL, or NULL in part, where allowed."""
    fits = [
        parent
        for parent in parents
        if all(ours not in row or row[ours] == parent[theirs] for ours, theirs in reference.pairs)
    ]
    new = [(ours, theirs) for ours, theirs in reference.pairs if ours not in row]
    if reference.nullable and (not fits or chance.random() < 0.3):
        return dict.fromkeys(ours for ours, _ in new)
    if not fits:
        return None
    parent = chance.choice(fits)
    found = {ours: parent[theirs] for ours, theirs in new}
    if reference.nullable and chance.random() < 0.15:  # NULL in part refers to nothing
        found[chance.choice(list(found))] = None
    return found


def _clashes(table: Table, row: Row, found: list[Row]) -> bool:
    """Whether a row has the key of another one, or the same values under a unique reference, without NULL."""
    unique = [tuple(ours for ours, _ in reference.pairs) for reference in table.references if reference.unique]
    return any(
        all(row[name] is not None and row[name] == other[name] for name in names)
        for names in (table.key, *unique)
        for other in found
    )
