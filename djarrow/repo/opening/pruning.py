"""Which files of a table a query need not read: those all of whose rows have other values, as the manifest tells.

Whoever writes wrong values there hides rows, as one who leaves them out; names of files say nothing.
"""

from __future__ import annotations

import contextlib
import datetime
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from djarrow.model.heading import Heading
from djarrow.model.spans import Row, Span
from djarrow.model.types import Family
from djarrow.repo.manifest import DataFile, TableEntry

Values = Mapping[str, Any]

_READ: Mapping[Family, Callable[[str], Any]] = {
    Family.INTEGER: int,
    Family.DATE: datetime.date.fromisoformat,
    Family.STRING: str,
    Family.ENUM: str,
    Family.UUID: uuid.UUID,
}


def values_in(entry: TableEntry, file: DataFile, heading: Heading) -> Values:
    """What all rows of a file have of the attributes that its table is split by, as far as the manifest tells it."""
    found = {}
    for name, text in zip(entry.partition_by, file.values, strict=False):
        kind = heading[name].type if name in heading else None
        read = None if kind is None or kind.row.name == "char" else _READ.get(kind.family)
        if read is not None and text is not None:
            with contextlib.suppress(ValueError):
                found[name] = read(text)
    return found


def may_have(values: Values, rows: Iterable[Row]) -> bool:
    """Whether a file with these values can have one of the rows that matter."""
    return any(all(_agrees(value, row.get(name)) for name, value in values.items()) for row in rows)


def _agrees(value: Any, span: Span | None) -> bool:
    if span is None:
        return True
    constants = [*(span.values or ()), *(bound for bound in (span.low, span.high) if bound is not None)]
    return any(type(constant) is not type(value) for constant in constants) or value in span
