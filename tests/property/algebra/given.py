"""Rows that a user holds and restricts by, as mappings and frames of every form, and what they mean."""

from __future__ import annotations

import datetime
import math
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from tests.property import naive
from tests.property.algebra.drawing import Draw
from tests.property.naive import Condition, Relation, Row


@dataclass
class Given:
    """What a user restricts by, and what it means. Both are made when asked for, because either may be refused."""

    text: str
    given: Callable[[], Any]
    condition: Callable[[], Condition]


def draw_mapping(draw: Draw, relation: Relation) -> Given:
    """Some attributes with values."""
    mapping = draw_rows(draw, relation, 1)[0]
    return Given(shown(mapping), lambda: mapping, lambda: naive.agrees(mapping, relation))


def draw_mappings(draw: Draw, relation: Relation) -> Given:
    """Many of them, of the same attributes or of different ones."""
    mappings = draw_rows(draw, relation, draw.number(0, 3))
    if draw.flag():
        mappings += draw_rows(draw, relation, 1)
    return Given(shown(mappings), lambda: mappings, lambda: any_row(mappings, relation))


def draw_frame(draw: Draw, relation: Relation) -> Given:
    """A table from elsewhere: any of its rows, each as a mapping."""
    form = draw.one(list(FORMS))
    make, takes = FORMS[form]
    names = [*(relation.of_kind(*takes) if takes else relation.attributes), "nowhere"]
    rows = draw_rows(draw, relation, draw.number(0, 3), names)
    if takes:  # these have no NULL of their own
        rows = [row for row in rows if None not in row.values()]
    kinds = {name: _kind(relation, name) for name in (rows[0] if rows else names[:1])}
    return Given(f"{form}({shown(rows)}, {kinds})", lambda: make(rows, kinds), lambda: any_row(rows, relation))


def any_row(rows: Sequence[Row], relation: Relation) -> Condition:
    """Any of these mappings."""
    conditions = [naive.agrees(row, relation) for row in rows]
    return lambda row: any(condition(row) for condition in conditions)


def draw_rows(draw: Draw, relation: Relation, count: int, names: Sequence[str] | None = None) -> list[Row]:
    """Mappings of the same names, at times of one that is no attribute; many values are those of a row."""
    among = [*relation.attributes, "nowhere"] if names is None else names
    chosen = draw.some(among, least=min(count, 1), most=3)
    return [{name: _value(draw, relation, name) for name in chosen} for _ in range(count)]


def _value(draw: Draw, relation: Relation, name: str) -> Any:
    """A value that is there, or one of few, or NULL."""
    kind = _kind(relation, name)
    there = [row[name] for row in relation.rows] if name in relation.attributes else []
    return draw.one([None, *FEW.get(kind, ()), *there])


FEW: dict[str, tuple[Any, ...]] = {"int": (0, 1, 2), "big": (1,), "str": ("x",), "bool": (True, False)}
"""Values that all types of a kind hold."""


def _kind(relation: Relation, name: str) -> str:
    return relation.attributes[name].kind if name in relation.attributes else "int"


# --- forms of a table --------------------------------------------------------------------------------------------

POLARS: dict[str, Any] = {
    "int": pl.Int64,
    "big": pl.Int64,
    "wide": pl.UInt64,
    "float": pl.Float64,
    "decimal": pl.Decimal(38, 2),
    "bool": pl.Boolean,
    "str": pl.String,
    "date": pl.Date,
    "timestamp": pl.Datetime("us", "UTC"),
    "datetime": pl.Datetime("us"),
    "uuid": pl.String,
}
NUMPY = {
    "int": "i8",
    "big": "i8",
    "wide": "u8",
    "float": "f8",
    "bool": "?",
    "str": "U40",
    "date": "M8[D]",
    "datetime": "M8[us]",
}


def _polars(rows: list[Row], kinds: dict[str, str]) -> pl.DataFrame:
    plain = [[str(v) if isinstance(v, uuid.UUID) else v for v in row.values()] for row in rows]
    return pl.DataFrame(plain, {name: POLARS[kind] for name, kind in kinds.items()}, orient="row")


def _pandas(rows: list[Row], kinds: dict[str, str]) -> Any:
    return _polars(rows, kinds).to_pandas()


def _numpy(rows: list[Row], kinds: dict[str, str]) -> Any:
    return np.array([tuple(row.values()) for row in rows], [(name, NUMPY[kind]) for name, kind in kinds.items()])


def _record(rows: list[Row], kinds: dict[str, str]) -> Any:
    """One of them alone, where there is just one."""
    array = _numpy(rows, kinds)
    return array[0] if len(array) == 1 else array


FORMS: dict[str, tuple[Callable[[list[Row], dict[str, str]], Any], tuple[str, ...]]] = {
    "polars": (_polars, ()),
    "arrow": (lambda rows, kinds: _polars(rows, kinds).to_arrow(), ()),
    "pandas": (_pandas, ("int", "big", "str", "bool")),
    "numpy": (_numpy, tuple(NUMPY)),
    "record": (_record, tuple(NUMPY)),
}
"""Form -> how it is made, and the kinds that it takes; all, where there are none."""


# --- how values are printed --------------------------------------------------------------------------------------


def shown(value: Any) -> str:
    """A value as it can be typed again, with `from decimal import Decimal`, `from uuid import UUID` and datetime."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name!r}: {shown(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(shown, value)) + "]"
    if isinstance(value, float) and not math.isfinite(value):
        return f"float({str(value)!r})"
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        return repr(value.replace(tzinfo=datetime.UTC))
    return repr(value)
