"""What a preview says, before it is text or HTML: columns, rows as texts, how many there are, and what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import field, frozen

from djarrow.model.heading import Heading
from djarrow.model.types import NUMERIC_FAMILIES
from djarrow.show.text import cut, seen, seen_lines
from djarrow.show.values import cell

TYPE_WIDTH = 20
"""The widest that a type is shown: an enum can list many values."""

NAMED = 20
"""How many of the columns that are left out a preview names."""


def _type_text(text: str) -> str:
    return cut(seen(text), TYPE_WIDTH)


@frozen
class Column:
    """One attribute as it is headed. right: whether it is aligned to the right, as numbers are."""

    name: str = field(converter=seen)
    type: str = field(converter=_type_text)
    key: bool
    right: bool
    comment: str = field(default="", converter=seen)


@frozen
class Count:
    """How many rows there are, or, where it is not exact, a number that there are more than."""

    number: int
    exact: bool = True


@frozen
class Preview:
    """The first rows of a query. A row has a text for each column, None for NULL. All texts are safe to show."""

    title: str = field(converter=seen)
    comment: str = field(converter=seen)
    columns: tuple[Column, ...]
    rows: tuple[tuple[str | None, ...], ...]
    count: Count
    notes: tuple[str, ...] = ()


@frozen
class Unread:
    """A query whose rows cannot be shown. outline: what it is, in one line; reason: why, in lines."""

    outline: str = field(converter=seen)
    reason: tuple[str, ...] = field(converter=seen_lines)


def columns_of(heading: Heading) -> tuple[Column, ...]:
    """The heads of all attributes, those of the key first."""
    attributes = [heading[name] for name in (*heading.primary_key, *heading.secondary)]
    return tuple(
        Column(a.name, str(a.type), a.name in heading.primary_key, a.type.family in NUMERIC_FAMILIES, a.comment)
        for a in attributes
    )


def rows_of(rows: Sequence[Sequence[Any]], heading: Heading, width: int) -> tuple[tuple[str | None, ...], ...]:
    """Rows as texts. rows: the values in the order of the columns."""
    kinds = [heading[name].type for name in (*heading.primary_key, *heading.secondary)]
    return tuple(tuple(cell(value, kind, width) for value, kind in zip(row, kinds, strict=True)) for row in rows)


def chosen(costs: Sequence[int], keys: int, room: int) -> list[int]:
    """The columns for which there is room: of the key, then from both ends in turn, so that the middle is left out.

    costs: the room that each takes; keys: how many are of the key. The first is always there.
    """
    kept: list[int] = []
    left = room

    def take(position: int) -> bool:
        nonlocal left
        fits = costs[position] <= left or not kept
        if fits:
            kept.append(position)
            left -= costs[position]
        return fits

    if all(take(position) for position in range(keys)):
        front, back = keys, len(costs) - 1
        more_front = more_back = True
        while front <= back and (more_front or more_back):
            if more_front and (more_front := take(front)):
                front += 1
            if front <= back and more_back and (more_back := take(back)):
                back -= 1
    return sorted(kept)


def footer(preview: Preview, kept: Sequence[int]) -> list[str]:
    """The sentences below the rows: how many there are, what is to be known of them, and which columns are missing."""
    missing = [column.name for position, column in enumerate(preview.columns) if position not in kept]
    named = ", ".join(missing[:NAMED]) + (f" and {len(missing) - NAMED:,} more" if len(missing) > NAMED else "")
    return [
        _counted(len(preview.rows), preview.count),
        *preview.notes,
        *([f"Columns left out: {named}."] if missing else []),
    ]


def _counted(shown: int, count: Count) -> str:
    if not count.exact:
        return f"{shown:,} of more than {count.number:,} rows"
    number = "no" if count.number == 0 else f"{count.number:,}"
    rows = f"{number} row{'' if count.number == 1 else 's'}"
    return rows if shown == count.number else f"{shown:,} of {rows}"
