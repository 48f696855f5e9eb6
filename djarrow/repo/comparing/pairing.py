"""Rows of two frames with one key: which they are, and which of their values are not the same.

Values are the same as content hashes see them: NaN is NaN, -0.0 is not 0.0, NULL is a value.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from djarrow.model.heading import Attribute
from djarrow.model.types import Family, decimal_digits

Two = tuple[pl.DataFrame, pl.DataFrame]
"""A frame of the left side, and one of the right."""

Attributes = tuple[Attribute, Attribute]
"""An attribute of the left side, and the right one's of the same name."""


def comparable(left: Attribute, right: Attribute) -> bool:
    """Whether values of two attributes can be the same: they are of one type, or of types that differ in size only."""
    if left.type == right.type:
        return True
    families = {left.type.family, right.type.family}
    if families == {Family.INTEGER}:
        rows = left.type.row, right.type.row
        return "uint64" not in {row.name for row in rows} or not any(row.minimum for row in rows)
    if families == {Family.DECIMAL}:
        return decimal_digits(left.type)[1] == decimal_digits(right.type)[1]
    return len(families) == 1 or families == {Family.STRING, Family.ENUM}


def pair(frames: Two, keys: Sequence[Attributes]) -> tuple[Two, Two]:
    """The rows whose keys both frames have, beside each other, and those of which only one has the key.

    All are in the order of the keys. keys: their attributes; without one, as in a table of one row at most, all rows
    have the same key.
    """
    names = [attribute.name for attribute, _ in keys]
    left, right = (frame.sort(names) if names else frame for frame in frames)
    exact = [_exact((left[name], right[name]), both) for name, both in zip(names, keys, strict=True)]
    places = [
        pl.DataFrame(
            {"place": pl.int_range(frame.height, eager=True), "key": pl.zeros(frame.height, eager=True)}
            | {f"key {number}": both[side] for number, both in enumerate(exact)}
        )
        for side, frame in enumerate((left, right))
    ]
    on = [name for name in places[0].columns if name != "place"]
    joined = places[0].join(places[1], on=on, how="inner", suffix=" right").sort("place")
    found = joined["place"], joined["place right"]
    return (left[found[0]], right[found[1]]), (_others(left, found[0]), _others(right, found[1]))


def _others(frame: pl.DataFrame, places: pl.Series) -> pl.DataFrame:
    rest = np.ones(frame.height, bool)
    rest[places.to_numpy()] = False
    return frame.filter(pl.Series(rest, dtype=pl.Boolean))


def changes(frames: Two, key: Sequence[str], rest: Sequence[Attributes]) -> tuple[pl.DataFrame, dict[str, int]]:
    """Rows with one key -> a frame of what differs in them, and how many rows each attribute differs in.

    The frame has the key, and, of each attribute that differs in any of the rows, `NAME.before` and `NAME.after`.
    """
    left, right = frames
    counts: dict[str, int] = {}
    columns = [left[name] for name in key]
    for both in rest:
        name = both[0].name
        one, other = _exact((left[name], right[name]), both)
        if count := int(one.ne_missing(other).sum()):
            counts[name] = count
            columns += [left[name].alias(f"{name}.before"), right[name].alias(f"{name}.after")]
    return pl.DataFrame(columns), counts


def _exact(columns: tuple[pl.Series, pl.Series], attributes: Attributes) -> tuple[pl.Series, pl.Series]:
    """Two columns in one type, in which the same values and no others are equal."""
    one, other = (_plain(column, attributes) for column in columns)
    return one, other


def _plain(column: pl.Series, attributes: Attributes) -> pl.Series:
    left, right = (attribute.type for attribute in attributes)
    match left.family:
        case Family.FLOAT:
            return _bits(column)
        case Family.INTEGER:
            return column.cast(pl.UInt64 if "uint64" in (left.row.name, right.row.name) else pl.Int64)
        case Family.DECIMAL:
            return column.cast(pl.Decimal(38, decimal_digits(left)[1]))
        case Family.STRING | Family.ENUM:
            return column.cast(pl.String)
        case _:
            return column


def _bits(column: pl.Series) -> pl.Series:
    """Floats by their bits, of which NaN has many."""
    values = column.cast(pl.Float64).fill_null(0.0).to_numpy().copy()
    values[np.isnan(values)] = np.nan
    bits = pl.when(column.is_not_null()).then(pl.Series(values.view(np.int64)))
    return pl.select(bits).to_series()
