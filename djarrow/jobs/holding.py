"""The inputs of a make that was computed outside of a transaction stay as they are while it inserts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from djarrow.expr.upstream import Upstream
from djarrow.sql import holding
from djarrow.table.strict import permitted

if TYPE_CHECKING:
    from djarrow.engine.base import Database
    from djarrow.jobs.autopopulate import AutoPopulated


def hold_inputs(table: AutoPopulated, key: Mapping[str, Any], database: Database) -> None:
    """Hold the rows upstream of a key, in the transaction that is open, until it ends: others that change them wait.

    Of a table that this user may not change, PostgreSQL lets them hold no rows: of these, what was fetched is only
    compared. Raises what the server says where a row was changed since the transaction's snapshot.
    """
    allowed = permitted(table, key)
    queries = Upstream(allowed.determined, allowed.specs, key)
    names = [name for name in allowed.determined if name != table.spec.name]
    if not names:
        return
    for number in database.read(holding.may_hold(names), few=True).column("number").to_pylist():
        name = names[number]
        database.read(holding.hold(allowed.specs[name], queries.rows(name)), few=True)
