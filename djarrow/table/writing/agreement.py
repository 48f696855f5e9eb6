"""Whether the columns of a table are still those of its class, looked at before COPY sends bytes for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from djarrow.errors import TableChanged

if TYPE_CHECKING:
    from djarrow.engine.base import Database
    from djarrow.model.spec import TableSpec


def check_columns(database: Database, spec: TableSpec, names: Iterable[str]) -> None:
    """See that these columns are those of the class, and that they stay so: another process may have altered them.

    COPY takes bytes of a float for an integer where both are as wide. Held until the transaction ends.
    """
    from djarrow.sql import insert as text

    check_held(database.read(text.columns_of(spec)).to_pylist(), spec, names)


def check_held(rows: Iterable[Mapping[str, Any]], spec: TableSpec, names: Iterable[str]) -> None:
    """The same, of what the statement told. Raises TableChanged."""
    from djarrow.sql import insert as text

    columns = {row["name"]: row for row in rows}
    for name in names:
        column, kind = columns.get(name), spec.heading[name].type
        if column is None or not text.takes(column["type"], kind, is_enum=column["is_enum"]):
            found = "no such column" if column is None else f"a column of the type {column['type']}"
            raise TableChanged(
                f"the class says that {name!r} is {kind}, and the table has {found}: it was altered since this "
                "process declared the class. Nothing was written.",
                table=str(spec.name),
            )
