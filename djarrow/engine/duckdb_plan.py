"""What a plan of DuckDB says of row groups, in words."""

from __future__ import annotations

import re
from collections.abc import Iterator

_ROW_GROUPS = re.compile(r"Row Groups Scanned: ([\d,]+) / ([\d,]+)")


def read(plan: str) -> Iterator[str]:
    """A line on the row groups that a plan with analyze has read; a plan that has not run says nothing of them."""
    found = [(int(one.replace(",", "")), int(of.replace(",", ""))) for one, of in _ROW_GROUPS.findall(plan)]
    if found:
        read, every = map(sum, zip(*found, strict=True))
        yield f"reading {read:,} of {every:,} row groups of these files"
