"""Text of any origin -> text that is safe to show: nothing in it moves a cursor, turns a line round or runs over.

Values are shown as they are where that can be told apart from everything else; values.py says where it cannot.
"""

from __future__ import annotations

import unicodedata

ELLIPSIS = "…"

MARKS = 3
"""Combining marks that may follow a character. No script needs more; piled up they cover the lines around them."""

_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Categories that are not shown as they are: controls (ANSI escapes begin with one), formats (those that turn the
direction of writing, or have no width), surrogates, characters of no agreed shape, and separators of lines."""

_COMBINING = frozenset({"Mn", "Me"})


def seen(text: str) -> str:
    r"""The text with what cannot be shown as Python writes it: `a\x1b[2J`, `\u202e`, `\n`."""
    if text.isascii() and text.isprintable():
        return text
    shown: list[str] = []
    marks = MARKS  # a mark at the start would be put on what stands before the text
    for character in text:
        category = unicodedata.category(character)
        marks = marks + 1 if category in _COMBINING else 0
        hidden = category in _UNSEEN or marks > MARKS
        shown.append(escaped(character) if hidden else character)
    return "".join(shown)


def escaped(text: str) -> str:
    """The text as Python's source writes it, in ASCII."""
    return text.encode("unicode_escape").decode("ascii")


def seen_lines(text: str) -> tuple[str, ...]:
    """The lines of a message, each safe to show."""
    return tuple(seen(line.expandtabs(4)) for line in text.splitlines())


def cells(text: str) -> int:
    """How many cells of a terminal the text takes: two for each East Asian wide character."""
    from rich.cells import cell_len

    return cell_len(text)


def cut(text: str, width: int) -> str:
    """The text, or its beginning with an ellipsis, in so many cells at most."""
    from rich.cells import set_cell_size

    if cells(text) <= width:
        return text
    return set_cell_size(text, width - 1).rstrip(" ") + ELLIPSIS


def aligned(text: str, width: int, *, right: bool) -> str:
    """The text with spaces to so many cells."""
    space = " " * (width - cells(text))
    return space + text if right else text + space
