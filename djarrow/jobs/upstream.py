"""`self.upstream[Parent]` inside of a make: the rows of a table that the key depends on. docs/provenance.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from djarrow.errors import NotUpstream, QueryError, hint_nearest
from djarrow.expr.upstream import Upstream
from djarrow.table.strict import Permitted, permitted
from djarrow.table.tracing import as_query, found_name, name_of
from djarrow.table.writing.permission import making

if TYPE_CHECKING:
    from djarrow.model.names import TableName
    from djarrow.table.expression import QueryExpression
    from djarrow.table.table import Table


@frozen
class UpstreamRows:
    """What the key of the make that runs depends on: a table, as class or as "schema.table" -> a query of its rows."""

    table: Table

    def __getitem__(self, parent: Any) -> QueryExpression:
        """The rows of a table. Raises NotUpstream, and QueryError outside of a make of this table."""
        name, make = self.table.spec.name, making.get()
        if make is None or make.table != name:
            raise QueryError(
                f"`self.upstream` is what the key of a make depends on, and no make of {name} runs here. Of rows that "
                f"are there, `dj.trace(query)` tells it."
            )
        if make.key is None:
            raise QueryError(
                f"`self.upstream` is what one key depends on, and {name} is made for many at once. Restrict the table "
                "by the frame of keys."
            )
        allowed = permitted(self.table, make.key)
        given = name_of(parent)
        found = found_name(given, allowed.determined)
        if found is None or found == name:
            raise _refused(name, given, found_name(given, allowed.upstream), allowed)
        queries = Upstream(allowed.determined, allowed.specs, make.key)
        return as_query(queries, found, parent, self.table.schema, self.table)


def _refused(name: TableName, given: TableName | str, found: TableName | None, allowed: Permitted) -> NotUpstream:
    if found is None:
        known = [str(each) for each in allowed.determined if each != name]
        text = f"{name} does not depend on {given}.{hint_nearest(str(given), known)} Refer to it in the definition."
    elif found == name or allowed.specs[found].master == name:
        text = f"{found} is what is being made, and not upstream of itself."
    else:
        text = (
            f"the key does not tell which rows of {found} the result will depend on: {name} refers to it outside of "
            "its primary key. All of its rows may be read here."
        )
    return NotUpstream(text, table=str(given))
