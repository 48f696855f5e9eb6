"""The rows of a difference as text for a terminal: `djarrow diff --rows`. Nothing in a value moves the cursor."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from attrs import evolve

from djarrow.model.heading import Attribute, Heading
from djarrow.model.types import AttributeType, Family
from djarrow.settings import config
from djarrow.show import terminal
from djarrow.show.preview import Count, Preview, columns_of, rows_of

if TYPE_CHECKING:
    import polars as pl

    from djarrow.repo.comparing.difference import TableDifference


def rows_as_text(table: TableDifference, number: int) -> Iterator[str]:
    """So many of the rows of a table that were added, removed and changed."""
    yield from _text(f"{table.name} added", table.added.head(number), table.after, table.added_rows)
    yield from _text(f"{table.name} removed", table.removed.head(number), table.before, table.removed_rows)
    yield from _text(f"{table.name} changed", table.changed.head(number), _of_changes(table), table.changed_rows)


def _of_changes(table: TableDifference) -> Heading:
    """The heading of the frame of changes."""
    sides = {"before": table.before, "after": table.after}
    key = [table.before[name] for name in table.before.primary_key]
    rest: list[Attribute] = []
    for name in table.changed.columns[len(key) :]:
        attribute, _, side = name.rpartition(".")
        rest.append(evolve(sides[side][attribute], name=name))
    return Heading((*key, *rest), table.before.primary_key)


def _text(title: str, frame: pl.DataFrame, heading: Heading, count: int) -> Iterator[str]:
    if not frame.is_empty():
        names = (*heading.primary_key, *heading.secondary)
        columns = [[_shown(value, heading[name].type) for value in frame[name].to_list()] for name in names]
        rows = rows_of(list(zip(*columns, strict=True)), heading, config.display.width)
        yield terminal.text(Preview(title, "", columns_of(heading), rows, Count(count)))


def _shown(value: Any, kind: AttributeType) -> Any:
    """A value of a frame in the form in which previews read it."""
    match kind.family:
        case _ if value is None:
            return None
        case Family.BLOB:
            return len(value)
        case Family.UUID:
            return uuid.UUID(bytes=value)
        case _:
            return value
