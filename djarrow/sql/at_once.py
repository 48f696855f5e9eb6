"""Several SELECTs of the same columns and of few rows, read by one statement, and their results apart again."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

_WHICH = "_which"
"""The column, before all others, that tells whose row it is. No attribute begins with an underscore."""


def at_once(texts: Sequence[str]) -> str:
    """The statement."""
    return "\nUNION ALL\n".join(f"SELECT {at} AS {_WHICH}, q.* FROM (\n{text}\n) AS q" for at, text in enumerate(texts))


def apart(found: pa.Table, texts: Sequence[str]) -> dict[str, pa.Table]:
    """The result of each, whatever the order in which the rows have come."""
    which = found.column(0).to_pylist()
    if any(one > other for one, other in pairwise(which)):
        found, which = found.sort_by(_WHICH), sorted(which)
    rows, results, start = found.drop_columns([_WHICH]).combine_chunks(), {}, 0
    counts = [0] * len(texts)
    for one in which:
        counts[one] += 1
    for text, count in zip(texts, counts, strict=True):
        results[text] = rows.slice(start, count)
        start += count
    return results
