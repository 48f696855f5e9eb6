"""The question before something is lost: asked of a person, and refused where there is none to answer."""

from __future__ import annotations

import sys

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
    if prompt is None and not _can_ask():
        raise NotConfirmed(question)
    shown, separator, last = question.rpartition("\n")
    sys.stdout.write(shown + separator)
    sys.stdout.flush()
    try:
        return input(f"{last} [y/N] ").strip().lower() in ("yes", "y")
    except EOFError:
        raise NotConfirmed(question) from None


def _can_ask() -> bool:
    """Whether `input` has someone to answer: a terminal, or a notebook, which brings an `input` of its own."""
    own = getattr(input, "__module__", None) != "builtins"
    return own or (sys.stdin is not None and sys.stdin.isatty())
