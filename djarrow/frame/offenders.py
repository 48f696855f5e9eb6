"""The key that the database refused, told as text: its values, and which of the rows that were sent has it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from djarrow.frame.columns import carrier
from djarrow.model.heading import Heading
from djarrow.model.texts import read_text
from djarrow.model.types import AttributeType, Family
from djarrow.model.values import normalise

if TYPE_CHECKING:
    import pyarrow as pa


def typed(key: Mapping[str, str], heading: Heading) -> dict[str, Any]:
    """The key with the values that a restriction takes. What is no attribute, or no value of its type, stays text."""
    values: dict[str, Any] = dict(key)
    for name, text in key.items():
        if name in heading:
            with contextlib.suppress(ValueError):
                values[name] = _value(text, heading[name].type)
    return values


def _value(text: str, kind: AttributeType) -> Any:
    return normalise(read_text(text, kind), kind)


def place_of(key: Mapping[str, str], rows: pa.Table, heading: Heading) -> int | None:
    """The number of a row with these values: of several, as where a key is given twice, the second. None without one.

    key: attribute -> PostgreSQL's text of its value. What the rows leave to its default is the same in all of them.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    given = [name for name in key if name in rows.column_names]
    mask = None
    for name, text in ((name, key[name]) for name in given):
        kind = heading[name].type
        try:
            value = _value(text, kind)
        except ValueError:
            return None
        held = value.bytes if kind.family is Family.UUID and value is not None else value
        equal = pc.equal(rows.column(name), pa.scalar(held, carrier(kind)))
        mask = equal if mask is None else pc.and_(mask, equal)
    if mask is None:
        return None
    places = pc.indices_nonzero(pc.fill_null(mask, False)).to_pylist()
    return places[min(1, len(places) - 1)] if places else None
