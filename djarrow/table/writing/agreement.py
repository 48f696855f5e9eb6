"""Whether the columns of a table are still those of its class: another process may have altered them since."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from djarrow.errors import EngineError, TableChanged
from djarrow.sql import insert as text

if TYPE_CHECKING:
    from djarrow.engine.base import Database
    from djarrow.model.heading import Heading
    from djarrow.model.spec import TableSpec


def check_columns(database: Database, spec: TableSpec, *, inserting: bool = True) -> None:
    """See that the columns are those of the class, and that they stay so until the transaction ends.

    inserting: by one who may insert. COPY takes bytes of a float for an integer where both are as wide. Raises
    TableChanged.
    """
    found = database.read(text.columns_of(spec, inserting=inserting), few=True)
    columns = {row["name"]: row for row in found.to_pylist()}
    for attribute in spec.heading:
        column = columns.get(attribute.name)
        if column is None or not text.takes(column["type"], attribute.type, is_enum=column["is_enum"]):
            raise _changed(spec, attribute.name, None if column is None else column["type"])


def check_types(told: str, spec: TableSpec) -> None:
    """The same, of the numbers of the types that a row of all columns has, in the order of the heading."""
    if (found := _other_type(told, spec.heading)) is not None:
        raise _changed(spec, *found)


@lru_cache(maxsize=256)
def _other_type(told: str, heading: Heading) -> tuple[str, str] | None:
    """An attribute whose column has another type than its own, and that type."""
    for attribute, number in zip(heading, map(int, told.split(",")), strict=True):
        column, is_enum = text.type_of(number)
        if not text.takes(column, attribute.type, is_enum=is_enum):
            return attribute.name, column
    return None


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
