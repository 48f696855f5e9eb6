"""The question before something is lost: asked of a person, and refused where there is none to answer."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from djarrow.errors import NotConfirmed
from djarrow.settings import config


def confirm(question: str, *, prompt: bool | None) -> bool:
    """Whether to go on: the answer of the person at the terminal or notebook: `y` or `yes`, in any case.

    question: what will happen, in full; its last line is where the answer is typed. prompt: False goes on without a
    question, True asks, None asks where someone can answer, unless the setting `safemode` is off.

    Raises NotConfirmed, with the question, where there is nobody to ask.
    """
    if prompt is False or (prompt is None and not config["safemode"]):
        return True
    if prompt is None and not can_ask():
        raise NotConfirmed(question)
    shown, separator, last = question.rpartition("\n")
    sys.stdout.write(shown + separator)
    sys.stdout.flush()
    try:
        return input(f"{last} [y/N] ").strip().lower() in ("yes", "y")
    except EOFError:
        raise NotConfirmed(question) from None


def can_ask() -> bool:
    """Whether `input` has someone to answer: a terminal, or a notebook, which brings an `input` of its own."""
    own = getattr(input, "__module__", None) != "builtins"
    return own or (sys.stdin is not None and sys.stdin.isatty())


def listed(counts: Mapping[str, int]) -> str:
    """What goes, for the question: a line for each table, with how many rows."""
    width = max(map(len, counts), default=0)
    digits = max((len(f"{count:,}") for count in counts.values()), default=0)
    return "".join(f"  {name:<{width}}  {rows_text(count, digits)}\n" for name, count in counts.items())


def rows_text(count: int, digits: int = 0) -> str:
    """`1 row`, `1,234 rows`. digits: how wide the number is."""
    return f"{count:>{digits},} {'row' if count == 1 else 'rows'}"
