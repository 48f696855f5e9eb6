"""Who is connected to the database, and ending some of them: dj.list_connections, dj.kill."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from numbers import Integral
from typing import TYPE_CHECKING, Any

from djarrow.errors import AccessDenied, InvalidCondition, UnknownAttribute
from djarrow.frame.given_frames import as_record
from djarrow.table.changing.confirm import confirm
from djarrow.table.conditions import Not
from djarrow.table.expression import QueryExpression

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

    from djarrow.engine.base import Reader
    from djarrow.engine.postgres import PostgresConnection
    from djarrow.model.heading import Heading
    from djarrow.table.selection import OrderBy


def list_connections(connection: PostgresConnection | None = None) -> pl.DataFrame:
    """Who is connected to the database: a Polars frame with a row for each connection, this one's own among them.

    id, user, host (NULL of one on the same machine), application, state, started, transaction_started, waiting_for,
    blocked_by (the ids that hold what it waits for), query (what runs, or ran last). Of other users' connections the
    database tells id, user and application only, unless one is a superuser or a member of pg_read_all_stats.

    connection: to the database that is asked; the default one when not given.
    """
    from djarrow.frame import results
    from djarrow.sql import connections

    return results.to_polars(_list(connection or _default()), connections.HEADING)


def kill(
    restriction: Any = None,
    connection: PostgresConnection | None = None,
    order_by: OrderBy = None,
    *,
    prompt: bool | None = None,
) -> int:
    """End connections to the database: `dj.kill(4711)`, `dj.kill('user = "alice"')`. Returns how many were ended.

    restriction: an id, several of them, or what restricts a query, over the columns of `list_connections`; True is
    all. Those of this process are never ended. What will be ended is shown first, in this order, and asked for; prompt:
    False does not ask, True asks, None asks where someone can answer and `safemode` is on. Transactions of what is
    ended are rolled back.

    Raises InvalidCondition without a restriction or for an empty one, UnknownAttribute for a column that is none, also
    of a mapping or a frame; NotConfirmed where there is nobody to ask; AccessDenied where the server refuses.
    """
    if restriction is None:
        raise InvalidCondition(_NOTHING_SAID)
    from djarrow.sql import connections

    asked = connection or _default()
    listed = _Listed(asked, _others(asked))
    chosen = listed & _condition(restriction, connections.HEADING)
    _check_chosen(chosen, listed, restriction)
    rows = chosen.to_dicts(order_by="KEY" if order_by is None else order_by)
    if not rows or not confirm(_question(rows), prompt=prompt):
        return 0
    return _end(asked, rows)


_NOTHING_SAID = (
    "kill: say which connections to end, by id or by a condition. `dj.list_connections()` shows them; True is all but "
    "those of this process."
)


def _default() -> PostgresConnection:
    from djarrow.engine.connect import conn

    return conn()


# --- the list ----------------------------------------------------------------------------------------------------


class _Listed(QueryExpression):
    """The connections that were listed, as a query over given rows: conditions mean what they do in every query."""

    def __init__(self, connection: PostgresConnection, rows: pa.Table) -> None:
        from djarrow.expr.nodes import Rows
        from djarrow.sql import connections

        self._node, self._connection, self._roots = Rows(connections.HEADING, rows), connection, (self,)

    def _reader(self) -> Reader:
        return self._connection

    def _place(self) -> object:
        return self._connection


def _list(connection: PostgresConnection) -> pa.Table:
    from djarrow.frame import results
    from djarrow.sql import connections

    return results.declared(connection.read(connections.LIST), connections.HEADING)


def _others(connection: PostgresConnection) -> pa.Table:
    """The connections that are not this process's: neither of this connection nor of the default one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from djarrow.engine.connect import current_default

    default = current_default()
    own = connection.backends | (frozenset() if default is None else default.backends)
    found = _list(connection)
    return found.filter(pc.invert(pc.is_in(found.column("id"), value_set=pa.array(sorted(own), pa.int32()))))


# --- which of them -----------------------------------------------------------------------------------------------


def _condition(given: Any, heading: Heading) -> Any:
    """What restricts the list. Numbers are ids; a mapping that names no column would not restrict it: it raises."""
    import polars as pl

    if not isinstance(given, bool) and isinstance(given, Integral):
        return {"id": int(given)}
    if isinstance(given, pl.DataFrame) and "id" in given.columns:  # of the list: what else it says changes at any time
        return given.select([name for name in ("id", "started") if name in given.columns])
    if isinstance(given, Not):
        return Not(_condition(given.condition, heading))
    record = given if isinstance(given, Mapping) else as_record(given)
    if record is not None:
        for name in record:
            heading.attribute(name, where="kill")
        return record
    if isinstance(given, Sequence | Set) and not isinstance(given, str | bytes | bytearray):
        parts = [_condition(part, heading) for part in given]
        return type(given)(parts) if isinstance(given, list) else parts
    return given


def _check_chosen(chosen: QueryExpression, listed: QueryExpression, restriction: Any) -> None:
    """Refuse what restricts the list by nothing, which would end everybody, unless it says so.

    Raises UnknownAttribute or InvalidCondition.
    """
    if chosen._unmatched:
        raise UnknownAttribute(chosen._unmatched[0][0], listed.heading.names, where="kill")
    if restriction is not True and chosen.node == listed.node:
        raise InvalidCondition(_NOTHING_SAID)


def _question(rows: Sequence[Mapping[str, Any]]) -> str:
    from djarrow.show.text import cut, seen

    lines = []
    for row in rows:
        place = f"{row['user'] or '?'}@{row['host'] or 'here'}"
        parts = [str(row["id"]), place, row["application"], row["state"], row["query"]]
        lines.append(cut("  ".join(seen(part) for part in parts if part), 100))
    what = "this connection" if len(rows) == 1 else f"these {len(rows)} connections"
    return "\n".join(["Connected to the database:", *(f"  {line}" for line in lines), f"End {what}?"])


def _end(connection: PostgresConnection, rows: Sequence[Mapping[str, Any]]) -> int:
    """End connections one after the other. Returns how many were ended by this."""
    from djarrow.sql import connections

    ended = 0
    for row in rows:
        try:
            found = connection.read(connections.end(row["id"], row["started"]), few=True).column("ended").to_pylist()
        except AccessDenied as error:
            text = f"The connection {row['id']} of {row['user']} was not ended, and {ended} were before it. {error}"
            raise AccessDenied(text, sqlstate=error.sqlstate) from error
        ended += sum(map(bool, found))
    return ended
