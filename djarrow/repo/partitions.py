"""Which files of a table a query need not read: those whose names say that their rows have other values.

A file's name says what its rows have of the attributes that the table is split by, `station-3` (patterns.py). A name
that says anything else, as one with a hash for a long value does, says nothing, and the file is read. Names by a
pattern of a project may only look so, as by `station-1{station}`: one file of each table is compared with its name.
"""

from __future__ import annotations

import contextlib
import datetime
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from djarrow.model.heading import Heading
from djarrow.model.spans import Row, Span
from djarrow.model.types import Family
from djarrow.repo.manifest import DataFile, TableEntry, folder_of
from djarrow.repo.paths import DIGITS
from djarrow.repo.patterns import by_attributes

if TYPE_CHECKING:
    import pyarrow.parquet as pq

Values = Mapping[str, Any]

_READ: Mapping[Family, Callable[[str], Any]] = {
    Family.INTEGER: int,
    Family.DATE: datetime.date.fromisoformat,
    Family.STRING: str,
    Family.ENUM: str,
    Family.UUID: uuid.UUID,
}


def values_in(entry: TableEntry, file: DataFile, heading: Heading) -> Values:
    """What all rows of a file have, as its name says; nothing where it does not say it as djarrow writes it."""
    if not entry.partition_by:
        return {}
    path = file.path.removeprefix(f"{folder_of(entry.name)}/").removesuffix(".parquet")
    parts = PurePosixPath(_ONE_OF_SEVERAL.sub("", path)).parts
    if len(parts) != len(entry.partition_by):
        return {}
    found = {}
    for name, part in zip(entry.partition_by, parts, strict=True):
        read = None if heading[name].type.row.name == "char" else _READ.get(heading[name].type.family)
        with contextlib.suppress(ValueError):
            value = None if read is None else read(unquote(part.removeprefix(f"{name}-"), errors="strict"))
            if value is not None and by_attributes((name,)).name((value,)) == part:
                found[name] = value
    return found


_ONE_OF_SEVERAL = re.compile(rf"(~\d{{1,9}})?(~[0-9a-f]{{{DIGITS}}})?$")
"""What tells files apart that have the same values: their number, and a hash of their own. The hash of a value that is
too long for a name has other digits, and stays.
"""


def is_said(values: Values, footer: pq.FileMetaData) -> bool:
    """Whether all rows of a file have these values indeed, as its statistics say."""
    found: dict[str, set[str]] = {name: set() for name in values}
    for group in map(footer.row_group, range(footer.num_row_groups)):
        for column in map(group.column, range(group.num_columns)):
            if column.path_in_schema in found:
                known = column.statistics
                ends = (known.min, known.max) if known is not None and known.has_min_max else ("", None)
                found[column.path_in_schema] |= set(map(str, ends))
    return all(found[name] == {str(value)} for name, value in values.items())


def may_have(values: Values, rows: Iterable[Row]) -> bool:
    """Whether a file with these values can have one of the rows that matter."""
    return any(all(_agrees(value, row.get(name)) for name, value in values.items()) for row in rows)


def _agrees(value: Any, span: Span | None) -> bool:
    if span is None:
        return True
    constants = [*(span.values or ()), *(bound for bound in (span.low, span.high) if bound is not None)]
    return any(type(constant) is not type(value) for constant in constants) or value in span
