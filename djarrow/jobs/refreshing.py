"""Results that do not hold any more, in the transaction that makes them anew: they go with what depends on them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from djarrow.errors import RefreshRefused
from djarrow.jobs.keys import Keys, among, count
from djarrow.jobs.validity import Stale
from djarrow.model.names import TableName, is_made
from djarrow.table.expression import QueryExpression

if TYPE_CHECKING:
    from djarrow.engine.base import Database
    from djarrow.expr.nodes import Node
    from djarrow.jobs.autopopulate import AutoPopulated


class Refreshing:
    """The stale results of one table, of which only those are meant whose inputs hold: the others wait for these."""

    def __init__(self, table: AutoPopulated) -> None:
        self._table = table
        self._stale = Stale(table, ready=True)
        self._database: Database = table.schema.writable(table.spec.name)
        self.seconds = 0.0
        """How long it took to find the stale ones of the last keys."""

    # --- one key -------------------------------------------------------------------------------------------------

    def is_stale(self, key: Mapping[str, Any]) -> bool:
        """Whether a row of a key does not hold, and can be made anew: what it was made from holds."""
        return bool(self._stale & dict(key) if key else self._stale)

    def clear(self, key: Mapping[str, Any]) -> None:
        """Delete the rows of a key, and all rows that depend on them, in the transaction that is open.

        Raises RefreshRefused where rows depend on them that no make would bring back.
        """
        self._delete(self._table & dict(key) if key else self._table, key)

    # --- many keys -----------------------------------------------------------------------------------------------

    def count(self, keys: Node) -> int:
        """Of how many of these keys a row does not hold. keys: constants."""
        return count(self._database, among(keys, self._stale.node))

    def clear_stale(self, keys: Node) -> int:
        """Delete the rows of those of the keys of which a row does not hold, as `clear` does. Gives how many keys.

        keys: constants. The stale ones are asked for first, and told as constants, too: deleting changes the answer.
        """
        began = time.monotonic()
        stale = Keys.read(self._database, among(keys, self._stale.node))
        self.seconds = time.monotonic() - began
        if len(stale):
            rows = QueryExpression(among(self._table.node, stale.node), self._table)
            self._delete(rows, stale.dicts()[0] if len(stale) == 1 else None)
        return len(stale)

    def _delete(self, rows: QueryExpression, key: Mapping[str, Any] | None) -> None:
        deleted = rows.delete(prompt=False, part_integrity="cascade")
        lost = {name: number for name, number in deleted.counts.items() if not _comes_back(name)}
        if lost:
            listed = ", ".join(f"{number} of {name}" for name, number in lost.items())
            which = "the result" if key is not None else "results of the batch"
            raise RefreshRefused(
                f"rows that were entered by hand depend on {which}, and no make would bring them back: {listed}. "
                "Nothing was changed. Delete them first, or say by `accept` that the result holds.",
                table=str(self._table.spec.name),
                key=key,
            )


def _comes_back(name: str) -> bool:
    """Whether a table, by its full name, fills itself."""
    return is_made(TableName("", name.rpartition(".")[2]))
