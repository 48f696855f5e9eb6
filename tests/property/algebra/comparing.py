"""When a query is the relation that it should be: its heading without a database, its rows from either engine."""

from __future__ import annotations

import datetime
import decimal
import math
from collections.abc import Iterable
from typing import Any

from tests.property.algebra.kinds import FAMILIES
from tests.property.algebra.pairs import Pair
from tests.property.naive import Row, rank

Comparable = list[list[tuple[str, str]]]


def comparable(rows: Iterable[Row]) -> Comparable:
    """Rows in an order of their own, so that two lists of them can be compared."""
    return sorted([sorted((name, _shown(value)) for name, value in row.items()) for row in rows])


def _shown(value: Any) -> str:
    """What tells values apart: floats to 12 digits, moments in UTC, decimals without their zeros; True is not 1."""
    if isinstance(value, float) and math.isfinite(value):
        return repr(float(f"{value:.12g}"))
    if isinstance(value, decimal.Decimal):
        return f"Decimal {(value + 0).normalize():f}"
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        return repr(value.astimezone(datetime.UTC).replace(tzinfo=datetime.UTC))
    return repr(value)


def check_heading(pair: Pair) -> None:
    """The heading has the names, key, lineage and kinds that it should have, and the key cannot be NULL."""
    heading = pair.query.heading
    assert set(heading.names) == set(pair.relation.attributes)
    assert heading.primary_key == tuple(name for name in heading.names if name in pair.relation.key)
    for name, attribute in pair.relation.attributes.items():
        found = heading[name]
        assert (None if found.lineage is None else str(found.lineage)) == attribute.lineage, name
        assert found.type.family.value in FAMILIES[attribute.kind], (name, found.type, attribute.kind)
        assert not (found.nullable and name in heading.primary_key), name


def check_rows(pair: Pair, rows: list[Row], engine: str) -> None:
    """The rows are those that should be; the key tells them apart; what cannot be NULL is not."""
    assert comparable(rows) == comparable(pair.relation.rows), engine
    check_key(pair.query, rows)
    for attribute in pair.query.heading:
        if not attribute.nullable:
            assert all(row[attribute.name] is not None for row in rows), (engine, attribute.name)


def check_key(query: Any, rows: list[Row]) -> None:
    """Every row has a key, without NULL, and no two have the same."""
    keys = [tuple(rank(row[name]) for name in query.primary_key) for row in rows]
    assert len(set(keys)) == len(keys)
    assert not any(value is None for key in keys for _, value in key)
