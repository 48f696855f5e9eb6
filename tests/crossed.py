"""Cases of several parameters: each value of each in every run, and each with all others in the soak."""

from __future__ import annotations

import itertools
import os
from typing import Any


def crossed(*values: list[Any]) -> list[tuple[Any, ...]]:
    """For `pytest.mark.parametrize`: as many cases as the longest list has values, the others from their beginning on
    again; where DJARROW_SOAK is set, all combinations.
    """
    if "DJARROW_SOAK" in os.environ:
        return list(itertools.product(*values))
    return [tuple(each[number % len(each)] for each in values) for number in range(max(map(len, values)))]
