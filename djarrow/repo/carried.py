"""What an export writes of the notes about the rows that it takes: what made them, what was changed, what holds.

docs/decisions/026-provenance-in-repositories.md. The statements: sql/carried.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from djarrow.expr.nodes import Stored, Written
from djarrow.repo.selection import Taken
from djarrow.sql.carried import Carried, Kind, carried_spec, this_server
from djarrow.sql.notes import find_notes

if TYPE_CHECKING:
    import pyarrow as pa

    from djarrow.model.names import TableName


class Reads(Protocol):
    """What answers statements."""

    def read(self, text: str) -> pa.Table:
        """The whole result of a SELECT."""
        ...


def notes_of(tables: Sequence[Taken], reader: Reads) -> dict[TableName, dict[Kind, Taken]]:
    """Table -> kind of file -> its rows, as those of a table are taken; of what there is to tell only."""
    there = reader.read(find_notes([taken.spec.name for taken in tables])).to_pylist()
    if not any(found["makes"] or found["updates"] for found in there):
        return {}
    server = reader.read(this_server()).column("number")[0].as_py()
    return {
        taken.spec.name: dict(_of(taken, found, server, reader)) for taken, found in zip(tables, there, strict=True)
    }


def _of(taken: Taken, there: Mapping[str, bool], server: int, reader: Reads) -> Iterator[tuple[Kind, Taken]]:
    kinds = [Kind.ROWS, Kind.MAKES] if there["makes"] else []
    kinds += [Kind.UPDATES] if there["updates"] else []
    kinds += [Kind.ACCEPTED] if there["makes"] and there["accepted"] and taken.spec.master is None else []
    rows = _keys(taken)
    for kind in kinds:
        statement = Carried(kind, taken.spec, rows, server, there["numbered"])
        if reader.read(statement.has_rows()).column("found")[0].as_py():
            spec = carried_spec(kind, taken.spec)
            yield kind, Taken(spec, Written(spec.heading, statement))


def _keys(taken: Taken) -> str | None:
    """The SELECT of the keys of the rows that are taken; None where that is all of them."""
    from djarrow.sql import compile as compiler
    from djarrow.sql.dialects import Dialect

    if isinstance(taken.rows, Stored):
        return None
    heading = taken.spec.heading
    return compiler.source(taken.rows, Dialect.POSTGRES, heading.primary_key or heading.names[:1]).text
