"""What is wrong with rows, told without the database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from djarrow.errors import DuplicateKey, InvalidCondition

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

    from djarrow.frame.problems import Problems
    from djarrow.table.table import Table


def validate(table: Table, rows: Any, *, ignore_extra_fields: bool) -> pl.DataFrame:
    """What Table.validate does."""
    from djarrow.frame.given import Size, given
    from djarrow.frame.rows import Checking
    from djarrow.table.expression import as_expression

    if as_expression(rows) is not None:
        raise InvalidCondition("validate: a query has its rows in the database. Give it what the query reads.")
    spec = table.spec
    checking = Checking(spec.heading, str(spec.name), ignore_extra_fields=ignore_extra_fields, most=None)
    keys = []
    for piece in given(rows, str(spec.name), Size()).pieces():
        checked = checking.check(piece)
        if piece.rows:
            keys.append(_key_of(checked, spec.heading.primary_key))
    _check_keys(keys, spec.heading.primary_key, checking.problems)
    return checking.problems.frame()


def _key_of(rows: pa.Table, key: Sequence[str]) -> pa.Table:
    """The columns of the key; of one that is left to its default there are none."""
    return rows.select([name for name in key if name in rows.column_names])


def _check_keys(pieces: Sequence[pa.Table], key: Sequence[str], problems: Problems) -> None:
    """Tell the keys that are given twice. A key whose values are refused, or left to the database, is not looked at."""
    import polars as pl
    import pyarrow as pa

    if not pieces or any(len(piece.column_names) < len(key) for piece in pieces):
        return
    refuse = problems.from_row(0)
    if not key:
        for row in range(1, sum(piece.num_rows for piece in pieces)):
            refuse(DuplicateKey, "the table has no key, and so at most one row.", attribute=None, row=row)
        return
    places = [str(number) for number in range(len(key))]
    table = pa.concat_tables([piece.select(key).rename_columns(places) for piece in pieces])
    keys = pl.DataFrame(pl.from_arrow(table)).with_row_index("row")
    first = keys.drop_nulls(places).with_columns(first=pl.col("row").min().over(places))
    for twice in first.filter(pl.col("row") != pl.col("first")).iter_rows(named=True):
        value = {name: twice[place] for name, place in zip(key, places, strict=True)}
        reason = f"the key is given twice, first in row {twice['first']}."
        refuse(DuplicateKey, reason, attribute=", ".join(key), row=twice["row"], value=value)
