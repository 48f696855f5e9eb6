"""A preview as text for a terminal.

lab.subject: Who takes part.
*subject_id │ name         weight
      uint8 │ varchar(20)  decimal(5,2)
────────────┼──────────────────────────
          1 │ Ann                  1.50
          2 │ Bob                  NULL
2 rows
"""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Sequence

from djarrow.show.preview import Column, Preview, Unread, chosen, footer
from djarrow.show.text import ELLIPSIS, aligned, cells, cut
from djarrow.show.values import NULL

NO_TERMINAL = (100, 24)
"""Columns and lines, where the output is no terminal that tells its own."""

GAP = "  "
RULE = " │ "
MARGIN = len(GAP + ELLIPSIS)


def text(shown: Preview | Unread, room: int | None = None) -> str:
    """The lines of a preview. room: cells of a line; those of the terminal where not given."""
    width = room or shutil.get_terminal_size(NO_TERMINAL).columns
    lines = _unread(shown) if isinstance(shown, Unread) else _preview(shown, width)
    return "\n".join(lines)


def _unread(shown: Unread) -> list[str]:
    return [shown.outline, *(f"  {line}" for line in shown.reason)]


def _preview(shown: Preview, room: int) -> list[str]:
    columns = [
        _texts(column, [row[i] for row in shown.rows], max(room - MARGIN, 1)) for i, column in enumerate(shown.columns)
    ]
    title = f"{shown.title}: {shown.comment}" if shown.comment else shown.title
    kept = _kept(shown.columns, [max(map(cells, column)) for column in columns], room)
    below = [line for sentence in footer(shown, kept) for line in textwrap.wrap(sentence, room)]
    return [cut(title, room), *_table(shown.columns, columns, kept), *below]


def _kept(heads: Sequence[Column], widths: Sequence[int], room: int) -> list[int]:
    """The columns for which there is room, beside what stands between them."""
    costs = [width + len(GAP) for width in widths]
    keys = sum(column.key for column in heads)
    room += len(GAP)
    if 0 < keys < len(heads):
        room -= len(RULE) - len(GAP)
    return list(range(len(heads))) if sum(costs) <= room else chosen(costs, keys, room - MARGIN)


def _texts(column: Column, values: Sequence[str | None], room: int) -> list[str]:
    """The lines of one column: its name, its type, its values."""
    name = f"*{column.name}" if column.key else column.name
    return [cut(line, room) for line in (name, column.type, *(NULL if v is None else v for v in values))]


def _table(heads: Sequence[Column], columns: Sequence[Sequence[str]], kept: Sequence[int]) -> list[str]:
    if not kept:
        return []
    blocks: tuple[list[list[str]], list[list[str]]] = ([], [])  # of the key, and of the rest
    for position, following in zip(kept, [*kept[1:], len(heads)], strict=True):
        block = blocks[not heads[position].key]
        block.append(_block(columns[position], right=heads[position].right))
        if following != position + 1:
            block.append([ELLIPSIS] * len(columns[position]))
    sides = [[GAP.join(parts) for parts in zip(*block, strict=True)] for block in blocks if block]
    lines = [RULE.join(parts).rstrip(" ") for parts in zip(*sides, strict=True)]
    rule = RULE.strip().join("─" * (cells(side[0]) + (len(sides) > 1)) for side in sides)
    return [*lines[:2], rule.replace("│", "┼"), *lines[2:]]


def _block(lines: Sequence[str], *, right: bool) -> list[str]:
    width = max(map(cells, lines))
    return [aligned(line, width, right=right) for line in lines]
