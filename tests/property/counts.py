"""How many cases a property is tried with: some in every run, and many times as many where DJARROW_FUZZ is set."""

from __future__ import annotations

import os

FUZZ = "DJARROW_FUZZ" in os.environ


def examples(usual: int) -> int:
    """So many in every run, and ten times as many in a fuzz."""
    return usual * 10 if FUZZ else usual
