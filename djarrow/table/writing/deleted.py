"""What a delete gives back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self


class Deleted(int):
    """How many rows of the table itself were deleted, as a number.

    counts: of every table that lost rows, by its full name `schema.table`, parents first.
    """

    counts: dict[str, int]
    _table: str

    def __new__(cls, table: str = "", counts: Mapping[str, int] | None = None) -> Self:
        """Of these counts, the number is that of the table."""
        made = super().__new__(cls, (counts or {}).get(table, 0))
        made.counts = dict(counts or {})
        made._table = table
        return made

    def __getnewargs__(self) -> tuple[str, Mapping[str, int]]:  # type: ignore[override]
        """What a copy is made of, also one in another process. That of an int would make it zero."""
        return self._table, self.counts
