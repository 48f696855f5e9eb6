"""Several SELECTs of the same columns and of few rows, read by one statement, and their results apart again."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from attrs import frozen

from djarrow.model.types import AttributeType, Family
from djarrow.sql.literals import identifier

if TYPE_CHECKING:
    import pyarrow as pa

    from djarrow.sql.template import Kind, Template

LONGEST = 4096
"""Bytes, as they are stored, of a value that is read."""


TYPED = frozenset({Family.INTEGER, Family.UUID, Family.DATE, Family.DATETIME, Family.TIMESTAMP})
"""The types whose literals say what they are. A string is an enum's label, or a padded text, where it meets one."""


@frozen
class Columns:
    """The columns that all have. long: those whose values can be of any size."""

    names: tuple[str, ...] = ()
    long: tuple[str, ...] = ()

    @classmethod
    def of(cls, result: pa.Table) -> Columns:
        """Those of a result."""
        import pyarrow as pa

        names = tuple(result.column_names)
        return cls(names, tuple(name for name in names if not pa.types.is_primitive(result.schema.field(name).type)))

    @property
    def listed(self) -> str:
        """Of a row q: whether one of them is too long, and then they, without the long ones where that is so."""
        if not self.long:
            return "FALSE, q.*"
        too_long = " OR ".join(f"pg_column_size(q.{identifier(name)}) > {LONGEST}" for name in self.long)
        texts = (
            f"CASE WHEN {too_long} THEN NULL ELSE q.{identifier(name)} END" if name in self.long else identifier(name)
            for name in self.names
        )
        named = (f"{text} AS {identifier(name)}" for text, name in zip(texts, self.names, strict=True))
        return f"({too_long}) IS TRUE, {', '.join(named)}"


def at_once(template: Template, fillings: Sequence[Sequence[str]], columns: Columns) -> str:
    """The statement that reads a template with each of these fillings of its holes.

    Before the columns it tells whose row it is, and whether a value is left out as too long.
    """
    differing = [hole for hole in range(len(template.holes)) if len({each[hole] for each in fillings}) > 1]
    if all(_is_typed(template.holes[hole][1]) for hole in differing):
        return _row_by_row(template, fillings, columns, differing)
    texts = map(template.around, fillings)
    return "\nUNION ALL\n".join(
        f"SELECT {at}, {columns.listed} FROM (\n{text}\n) AS q" for at, text in enumerate(texts)
    )


def _is_typed(kind: Kind) -> bool:
    """Whether a literal has its type by itself, so that it is the same in a column of literals."""
    return isinstance(kind, AttributeType) and kind.family in TYPED


def _row_by_row(
    template: Template, fillings: Sequence[Sequence[str]], columns: Columns, differing: Sequence[int]
) -> str:
    """One SELECT, which the server plans once, for each row of a list of what differs."""
    names = {hole: f"v.c{hole}" for hole in differing}
    body = template.around([names.get(hole, filling) for hole, filling in enumerate(fillings[0])])
    listed = ", ".join(
        f"({', '.join([str(at), *map(each.__getitem__, differing)])})" for at, each in enumerate(fillings)
    )
    named = ", ".join(["at", *(f"c{hole}" for hole in differing)])
    return f"SELECT v.at, {columns.listed}\nFROM (VALUES {listed}) AS v ({named})\nCROSS JOIN LATERAL (\n{body}\n) AS q"


def apart(found: pa.Table, texts: Sequence[str]) -> dict[str, pa.Table]:
    """The result of each, whatever the order in which the rows have come; none of those with a value too long."""
    import pyarrow.compute as pc

    which = found.column(0).to_pylist()
    if any(one > other for one, other in pairwise(which)):
        found, which = found.take(pc.sort_indices(found.column(0))), sorted(which)
    too_long = {at for at, long in zip(which, found.column(1).to_pylist(), strict=True) if long}
    rows, results, start = found.select(range(2, found.num_columns)).combine_chunks(), {}, 0
    counts = [0] * len(texts)
    for one in which:
        counts[one] += 1
    for at, (text, count) in enumerate(zip(texts, counts, strict=True)):
        if at not in too_long:
            results[text] = rows.slice(start, count)
        start += count
    return results
