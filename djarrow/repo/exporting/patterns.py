"""The names of a table's files: which attributes' values are in them, and where. Which tables: partitioning.py.

A pattern is that of `datajoint.toml`, `subject{subject_id}/session{session_id}` (specification 000 "Object Storage").
"""

from __future__ import annotations

import datetime
import decimal
import hashlib
import string
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from attrs import frozen

from djarrow.errors import RepositoryError

MAX_NAME_BYTES = 200
"""Of one file name. Most systems take 255."""

Piece = tuple[str, str | None]
"""Text, and the attribute whose value follows it; None at the end."""


@frozen
class Partitioning:
    """How a table's rows are split over files. parts: of a name, folders and then the file; none for one file."""

    parts: tuple[tuple[Piece, ...], ...] = ()

    @property
    def attributes(self) -> tuple[str, ...]:
        """The attributes whose values split the rows, in the order of the name."""
        return tuple(dict.fromkeys(name for part in self.parts for name in _names(part)))

    def name(self, values: Sequence[Any], *, digest: bool = False) -> str:
        """`month-1`, `year-2013/month-1`, `all`, to which `.parquet` is added. values: of the attributes, in order.

        Values are percent-encoded. A part that is too long for a file system ends in `~` and a hash; so does the whole
        name where digest asks for it, by a hash of all values. These are in the file, too, as columns like the others.
        """
        if not self.parts:
            return "all"
        texts = {name: text_of(value) for name, value in zip(self.attributes, values, strict=True)}
        written = [_written(part, texts) for part in self.parts]
        if digest:
            written[-1] = _cut(written[-1], "\\0".join(texts.values()))
        return "/".join(written)


ALL = Partitioning()
"""One file."""


def by_attributes(names: Iterable[str]) -> Partitioning:
    """That of attributes that are named by the user: `month-1`, `year-2013/month-1`."""
    return Partitioning(tuple(((f"{name}-", name), ("", None)) for name in names))


def _names(part: tuple[Piece, ...]) -> list[str]:
    return [name for _, name in part if name is not None]


# --- values --------------------------------------------------------------------------------------------------------


def _written(part: tuple[Piece, ...], texts: Mapping[str, str]) -> str:
    """One part of a name with values in it."""
    encoded = "".join(text + (_encoded(texts[name]) if name is not None else "") for text, name in part)
    if part[0][0] == "":  # it begins with a value, by which it could be empty, hidden, or lead elsewhere
        encoded = encoded.replace(".", "%2E", 1) if encoded.startswith(".") else encoded or "~"
    if len(encoded) > MAX_NAME_BYTES:
        return _cut(encoded, "\\0".join(texts[name] for name in _names(part)))
    return encoded


def _encoded(value: str) -> str:
    return quote(value, safe="").replace("~", "%7E")


def _cut(encoded: str, values: str) -> str:
    return f"{encoded[: MAX_NAME_BYTES - 33]}~{hashlib.sha256(values.encode()).hexdigest()[:32]}"


def text_of(value: Any) -> str:
    """A value as names and the manifest have it."""
    match value:
        case bool():
            return str(value).lower()
        case decimal.Decimal():
            return format(value, "f")
        case datetime.datetime() | datetime.date() | datetime.time():
            return value.isoformat()
        case _:
            return str(value)


# --- patterns ------------------------------------------------------------------------------------------------------


def pattern(text: str) -> Partitioning:
    """What a pattern says. Raises RepositoryError for one that could lead elsewhere, or says nothing of the rows."""
    parts = tuple(_part(part, text) for part in text.split("/"))
    if not any(_names(part) for part in parts):
        raise _refused(text, "it names no attribute in braces, as in 'subject{subject_id}'.")
    return Partitioning(parts)


def _part(text: str, whole: str) -> tuple[Piece, ...]:
    try:
        pieces = list(string.Formatter().parse(text))
    except ValueError as error:
        raise _refused(whole, f"{text!r} cannot be read: {error}.") from None
    for literal, name, form, conversion in pieces:
        if name is not None and (form or conversion or not name.isidentifier()):
            raise _refused(whole, f"what stands in braces is the name of an attribute and nothing else, not {name!r}.")
        if odd := next((each for each in literal if not (each.isalnum() or each in " _.=,+@-")), None):
            raise _refused(whole, f"no folder is to be called by {odd!r}.")
    found = [(literal, name) for literal, name, _, _ in pieces]
    if text.strip(". ") == "" or text[0] in ". " or text[-1] in ". ":
        raise _refused(whole, f"no folder is to be called {text!r}; parts are divided by single slashes.")
    return (*found, ("", None)) if found[-1][1] is not None else tuple(found)


def _refused(text: str, why: str) -> RepositoryError:
    return RepositoryError(f"partition_pattern = {text!r} of datajoint.toml: {why}")


def leading(whole: Partitioning, key: Iterable[str]) -> Partitioning:
    """As many parts of a pattern as a primary key has the attributes of, but never all of it: no row has its own file.

    Parts after the last attribute are left out.
    """
    own, parts = set(key), list(whole.parts)
    while parts and not (set(Partitioning(tuple(parts)).attributes) < own and _names(parts[-1])):
        parts.pop()
    return Partitioning(tuple(parts))
