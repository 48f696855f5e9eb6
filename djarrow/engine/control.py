"""Statements that begin or end a transaction, by their text."""

from __future__ import annotations

import re

from djarrow.errors import TransactionError

_CONTROL = re.compile(
    r"(begin|start|commit|end|abort|prepare\s+transaction|rollback(?!\s+(?:work\s+|transaction\s+)?to\b))\b",
    re.IGNORECASE,
)


def check_control(text: str) -> None:
    """Refuse to end or begin a transaction by a statement: its block would then report what did not happen."""
    if found := _CONTROL.match(_without_comments_before(text)):
        raise TransactionError(
            f"{found[1].upper()} is no statement to run: a transaction is `with connection.transaction:`, which "
            "commits at its end and rolls back on an exception."
        )


_BEFORE = re.compile(r"[\s;]+|--[^\n\r]*")
_COMMENTING = re.compile(r"/\*|\*/")


def _without_comments_before(text: str) -> str:
    """The text from its first word on. PostgreSQL passes over comments, those inside of comments, and semicolons."""
    place = 0
    while True:
        if found := _BEFORE.match(text, place):
            place = found.end()
        elif text.startswith("/*", place):
            depth = 0
            for mark in _COMMENTING.finditer(text, place):
                depth += 1 if mark[0] == "/*" else -1
                if not depth:
                    place = mark.end()
                    break
            else:
                return ""
        else:
            return text[place:]
