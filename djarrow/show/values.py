"""One value of a preview -> its text, by the family of its type. NULL stays None: each form marks it its own way.

Some were not read whole: strings and JSON are READ characters at most, and one that tells there are more; blobs are
their number of bytes.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable
from typing import Any

from djarrow.model.types import AttributeType, Family
from djarrow.show.text import ELLIPSIS, cut, seen

NULL = "NULL"

READ = 200
"""Characters of a string that are read. More than any column shows."""


def cell(value: Any, kind: AttributeType, width: int) -> str | None:
    """What a preview shows of a value, in so many cells at most. None stands for NULL."""
    return None if value is None else cut(_SHOWN[kind.family](value), width)


def _string(text: str) -> str:
    """A string as it is; in quotes where it would be taken for something else, or has what cannot be shown."""
    whole = text[:READ]
    shown = seen(whole)
    if shown != whole or whole in ("", NULL) or whole != whole.strip() or whole[0] in "'\"":
        doubled = whole.replace("\\", "\\\\").replace("'", "\\'")
        shown = f"'{seen(doubled)}'"
    return shown if len(text) <= READ else shown + ELLIPSIS


def _json(text: str) -> str:
    """A document in one line."""
    return seen(text[:READ]) + (ELLIPSIS if len(text) > READ else "")


def _float(value: float) -> str:
    """Six digits: enough to recognise a number by. NaN is a value, and not NULL."""
    return "NaN" if math.isnan(value) else f"{value:.6g}"


def _timestamp(value: datetime.datetime) -> str:
    return f"{value.astimezone(datetime.UTC).replace(tzinfo=None).isoformat(sep=' ')} UTC"


_UNITS = ("B", "kB", "MB", "GB")


def _blob(size: int) -> str:
    """The size of a blob, whose bytes are not read."""
    scaled, unit = float(size), 0
    while scaled >= 999.5 and unit < len(_UNITS) - 1:
        scaled, unit = scaled / 1000, unit + 1
    return f"blob {scaled:.{1 if unit and scaled < 99.95 else 0}f} {_UNITS[unit]}"


_SHOWN: dict[Family, Callable[[Any], str]] = {
    Family.INTEGER: str,
    Family.FLOAT: _float,
    Family.DECIMAL: lambda value: format(value, "f"),
    Family.BOOLEAN: str,
    Family.STRING: _string,
    Family.ENUM: _string,
    Family.DATE: datetime.date.isoformat,
    Family.TIME: datetime.time.isoformat,
    Family.TIMESTAMP: _timestamp,
    Family.DATETIME: lambda value: value.isoformat(sep=" "),
    Family.UUID: str,
    Family.JSON: _json,
    Family.BLOB: _blob,
}
