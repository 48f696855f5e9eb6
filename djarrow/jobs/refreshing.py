"""Results that do not hold any more, in the transaction that makes them anew: they go with what depends on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from djarrow.errors import RefreshRefused
from djarrow.jobs.validity import Stale
from djarrow.model.names import TableName, is_made

if TYPE_CHECKING:
    from djarrow.jobs.autopopulate import AutoPopulated


class Refreshing:
    """The stale results of one table."""

    def __init__(self, table: AutoPopulated) -> None:
        self._table = table
        self._stale = Stale(table, ready=True)

    def is_stale(self, key: Mapping[str, Any]) -> bool:
        """Whether a row of a key does not hold, and can be made anew: what it was made from holds."""
        return bool(self._stale & dict(key) if key else self._stale)

    def clear(self, key: Mapping[str, Any]) -> None:
        """Delete the rows of a key, and all rows that depend on them, in the transaction that is open.

        Raises RefreshRefused where rows depend on them that no make would bring back.
        """
        rows = self._table & dict(key) if key else self._table
        deleted = rows.delete(prompt=False, part_integrity="cascade")
        lost = {name: number for name, number in deleted.counts.items() if not _comes_back(name)}
        if lost:
            listed = ", ".join(f"{number} of {name}" for name, number in lost.items())
            raise RefreshRefused(
                f"rows that were entered by hand depend on the result, and no make would bring them back: {listed}. "
                "Nothing was changed. Delete them first, or say by `accept` that the result holds.",
                table=str(self._table.spec.name),
                key=key,
            )


def _comes_back(name: str) -> bool:
    """Whether a table, by its full name, fills itself."""
    return is_made(TableName("", name.rpartition(".")[2]))
