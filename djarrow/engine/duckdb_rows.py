"""How much text and bytes rows of a result may have on their way out of DuckDB, in memory that it does not count.

DuckDB copies 2,048 rows at once, in each of which a value can be that a file holds once. So none may be much longer
than is said of the tables, as often as the text has them, but where it puts many rows together. And where a table can
have a long row among many in a small file, that many rows together may not be far more than the files are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from djarrow.engine.duckdb_faults import LONG_ROW

if TYPE_CHECKING:
    from djarrow.engine.duckdb import View

ROWS_AT_ONCE = 2_048
"""Of results with text or bytes, which are put together to batches afterwards: 65,536 long values would be too many."""

BYTES_AT_ONCE = 32 * 2**20
"""What so many rows have where each has text as long as it may be in the tables. Where that is more, fewer are read."""

LONG = 2**18
"""Bytes of text that a row may have whatever the tables have, as one can that a query puts together."""

EXPANDED = 2**28
"""Bytes that 2,048 rows may have whatever the files are."""

COMPRESSED = 1_000
"""How often the size of the files they may have, where that is more."""

OF_MEMORY = 4
"""They may have one part in so many of what a query may use, where that is more."""


def are_small(relation: Any) -> bool:
    """Whether all values of a result are of one size, and a small one."""
    return all(kind in _FIXED for kind in _kinds(relation))


def at_once(text: str, views: Iterable[View]) -> int:
    """How many rows of a result are put into a batch."""
    return max(1, min(ROWS_AT_ONCE, BYTES_AT_ONCE // max(1, _longest(text, views))))


def guarded(relation: Any, text: str, views: Sequence[View], memory: int) -> Any:
    """The same result, which ends in an error where rows have far more text and bytes than is said of the tables.

    A query can put a few of their texts together. memory: bytes that it may use.
    """
    kinds = _kinds(relation)
    lengths = [f"coalesce({_LENGTHS[kind]}(#{place}), 0)" for place, kind in enumerate(kinds, 1) if kind in _LENGTHS]
    if not lengths or _PUTS_TOGETHER.search(text):
        return relation
    names, values = relation.columns, [f"#{place}" for place in range(1, len(kinds) + 1)]
    total = _sum(lengths)
    wrong = f"{total} > {max(4 * _longest(text, views), LONG):d}"
    if any(view.together > max(EXPANDED, COMPRESSED * view.size) for view in views):
        most = max(EXPANDED, COMPRESSED * sum(view.size for view in views), memory // OF_MEMORY)
        relation = _named(relation, [*values, f"sum({total}) OVER (ROWS UNBOUNDED PRECEDING)"], [*names, "so far"])
        so_far = f"#{len(kinds) + 1}"
        wrong = f"{wrong} OR {so_far} - lag({so_far}, {ROWS_AT_ONCE - 1:d}, 0) OVER () > {most:d}"
    first = next(place for place, kind in enumerate(kinds) if kind in _LENGTHS)
    values[first] = f"CASE WHEN {wrong} THEN error('{LONG_ROW}') ELSE {values[first]} END"
    return _named(relation, values, names)


def _kinds(relation: Any) -> list[str]:
    """The types of its columns, without lengths and members."""
    return [str(kind).partition("(")[0] for kind in relation.types]


def _longest(text: str, views: Iterable[View]) -> int:
    """Bytes that text and bytes of a row have at most that has each row of the tables as often as the text does."""
    return sum(view.longest * max(1, text.count(identifier(view.table))) for view in views)


def _named(relation: Any, values: Iterable[str], names: Iterable[str]) -> Any:
    listed = (f"{value} AS {identifier(name)}" for value, name in zip(values, names, strict=True))
    return relation.project(", ".join(listed))


def _sum(terms: Sequence[str]) -> str:
    """The sum of terms in halves of halves: of a thousand one after the other DuckDB refuses the depth."""
    if len(terms) == 1:
        return terms[0]
    middle = len(terms) // 2
    return f"({_sum(terms[:middle])} + {_sum(terms[middle:])})"


def identifier(name: str) -> str:
    """A name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'


_PUTS_TOGETHER = re.compile(r"(string_agg|group_concat|listagg)\s*\(", re.IGNORECASE)
"""What makes one text of those of many rows, in memory that DuckDB counts."""

_LENGTHS = {"VARCHAR": "strlen", "JSON": "strlen", "BLOB": "octet_length"}

_FIXED = frozenset(
    [
        *("BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"),
        *("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT", "FLOAT", "DOUBLE", "DECIMAL", "UUID", "ENUM"),
        *("DATE", "TIME", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"),
    ]
)
"""The types whose values are all of one size, and a small one."""
