"""Whether the columns of a table are still those of its class: another process may have altered them since."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from djarrow.errors import EngineError, TableChanged

if TYPE_CHECKING:
    from djarrow.engine.base import Database
    from djarrow.model.spec import TableSpec


def check_columns(database: Database, spec: TableSpec) -> None:
    """See that the columns are those of the class, and that they stay so until the transaction ends.

    COPY takes bytes of a float for an integer where both are as wide. Raises TableChanged.
    """
    from djarrow.sql import insert as text

    check_held(database.read(text.columns_of(spec)).to_pylist(), spec)


def check_held(rows: Iterable[Mapping[str, Any]], spec: TableSpec) -> None:
    """The same, of what the statement told."""
    from djarrow.sql import insert as text

    columns = {row["name"]: row for row in rows}
    for attribute in spec.heading:
        column = columns.get(attribute.name)
        if column is None or not text.takes(column["type"], attribute.type, is_enum=column["is_enum"]):
            raise _changed(spec, attribute.name, None if column is None else column["type"])


def changed(error: EngineError, spec: TableSpec) -> TableChanged | None:
    """The same, of an error of the server: of no such column, or one of a type that takes no such value. Else None."""
    found = _REFUSED.get(error.sqlstate or "", _NOTHING).search(error.message)
    if found is None or found["name"] not in spec.heading:
        return None
    return _changed(spec, found["name"], found.groupdict().get("type"))


_NOTHING = re.compile("(?!)")
_REFUSED = {
    "42703": re.compile('column "(?P<name>.*)" of relation'),
    "42804": re.compile('column "(?P<name>.*)" is of type (?P<type>.*) but'),
}


def _changed(spec: TableSpec, name: str, kind: str | None) -> TableChanged:
    found = "no such column" if kind is None else f"a column of the type {kind}"
    return TableChanged(
        f"the class says that {name!r} is {spec.heading[name].type}, and the table has {found}: it was altered since "
        "this process declared the class. Nothing was written.",
        table=str(spec.name),
    )
