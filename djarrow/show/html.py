"""A preview as HTML for a notebook.

Every text is escaped. There is no style sheet: it would apply to the whole page, and sites that show notebooks take it
out. Colours are those around it, so that it can be read on light and on dark; where styles are taken out too, key
attributes are still underlined and types still small.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from djarrow.show.preview import Column, Preview, Unread, chosen, footer
from djarrow.show.text import ELLIPSIS
from djarrow.show.values import NULL

MAX_COLUMNS = 60
"""Columns of a page; it scrolls, so that this is about its size."""

_LINE = "1px solid currentColor"
_CELL = "padding:.2em .7em;white-space:pre;vertical-align:top;"
_UNDER = {"th": f"border-bottom:{_LINE};", "td": ""}
_FAINT = "opacity:.7;"


def page(shown: Preview | Unread) -> str:
    """The HTML of a preview, one element."""
    lines = _unread(shown) if isinstance(shown, Unread) else _preview(shown)
    return "\n".join(['<div class="djarrow-preview" style="overflow-x:auto">', *lines, "</div>"])


def _unread(shown: Unread) -> Iterator[str]:
    yield f"<p><code>{escape(shown.outline)}</code></p>"
    yield f"<p>{'<br>'.join(map(escape, shown.reason))}</p>"


def _preview(shown: Preview) -> Iterator[str]:
    keys = sum(column.key for column in shown.columns)
    kept = chosen([1] * len(shown.columns), keys, MAX_COLUMNS) if shown.columns else []
    comment = f": {escape(shown.comment)}" if shown.comment else ""
    yield f'<p style="margin:.3em 0"><b>{escape(shown.title)}</b>{comment}</p>'
    if kept:
        yield '<table style="border-collapse:collapse;border:none;color:inherit;font-size:inherit">'
        yield f"<thead><tr>{_row(shown.columns, kept, [_head(column) for column in shown.columns], 'th')}</tr></thead>"
        yield "<tbody>"
        for row in shown.rows:
            yield f"<tr>{_row(shown.columns, kept, [_value(text) for text in row], 'td')}</tr>"
        yield "</tbody></table>"
    sentences = "<br>".join(escape(sentence) for sentence in footer(shown, kept))
    yield f'<p style="margin:.3em 0;{_FAINT}">{sentences}</p>'


def _row(columns: Sequence[Column], kept: Sequence[int], contents: Sequence[str], tag: str) -> str:
    """The cells of a row, those of the key set apart from the rest by a line."""
    keys = sum(column.key for column in columns)
    found: list[str] = []
    for position, following in zip(kept, [*kept[1:], len(columns)], strict=True):
        column = columns[position]
        style = f"{_CELL}{_UNDER[tag]}text-align:{'right' if column.right else 'left'};"
        style += f"border-right:{_LINE};" if column.key and position == keys - 1 < len(columns) - 1 else ""
        kind = ' class="djarrow-key"' if column.key else ""
        kind += f' title="{escape(column.comment)}"' if column.comment and tag == "th" else ""
        found.append(f'<{tag}{kind} style="{style}">{contents[position]}</{tag}>')
        if following != position + 1:
            found.append(f'<{tag} style="{_CELL}{_UNDER[tag]}">{ELLIPSIS}</{tag}>')
    return "".join(found)


def _head(column: Column) -> str:
    name = escape(column.name)
    kind = f'<small style="font-weight:normal;{_FAINT}">{escape(column.type)}</small>'
    return f"{f'<u>{name}</u>' if column.key else name}<br>{kind}"


def _value(text: str | None) -> str:
    return f'<i style="{_FAINT}">{NULL}</i>' if text is None else escape(text)
