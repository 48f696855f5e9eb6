"""Statements that a session keeps ready: the server parses and plans them once, which takes longer than a row.

They are prepared by SQL. Behind a pooler, which gives a session now one process of the server and now another, they
are not there; a table can change under them. The session that finds one unusable keeps none any more.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from attrs import field, frozen

from djarrow.engine.base import Ready

MOST = 100
"""Statements that a session keeps. Further ones are sent as they are."""


@frozen
class Kept:
    """The statements that a session keeps. The names are its own, so that nobody's else can be met under them."""

    _prefix: str = field(factory=lambda: f"djarrow_{secrets.token_hex(8)}")
    _names: dict[tuple[str, tuple[str, ...]], str] = field(factory=dict)

    def execution(self, ready: Ready, run: Callable[[str], None]) -> str | None:
        """The statement that executes one, after it was prepared where it was not; None where there are too many."""
        kept = ready.body, ready.types
        name = self._names.get(kept)
        if name is None:
            if len(self._names) >= MOST:
                return None
            name = f"{self._prefix}_{len(self._names)}"
            run(f"PREPARE {name}({', '.join(ready.types)}) AS {ready.body}")
            self._names[kept] = name
        return f"EXECUTE {name}{ready.values}"
