"""What is wrong with rows: each problem with its row, attribute, value and reason, raised at once or collected."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from attrs import frozen

from djarrow.errors import RowError, told

if TYPE_CHECKING:
    import polars as pl


class Refuse(Protocol):
    """Told of each problem that is found. It raises, or takes a note; then the value counts as NULL."""

    def __call__(
        self, kind: type[RowError], reason: str, *, attribute: str | None, row: int | None = None, value: Any = None
    ) -> None:
        """row: its number from 0; None where all rows have the problem."""
        ...


def raising(table: str) -> Refuse:
    """Raises the first problem, which is of this table."""

    def refuse(
        kind: type[RowError], reason: str, *, attribute: str | None, row: int | None = None, value: Any = None
    ) -> NoReturn:
        raise kind(reason, table=table, attribute=attribute, row=row, value=value)

    return refuse


@frozen
class Problem:
    """One problem of rows. kind: the error that it is raised as."""

    kind: type[RowError]
    reason: str
    attribute: str | None
    row: int | None
    value: Any


MOST = 10_000
"""How many problems an error carries: rows of a wrong kind have one each."""


class Problems:
    """The problems of the rows for a table, as they are found. most: how many are kept; None keeps all."""

    def __init__(self, table: str, most: int | None = None) -> None:
        self.table = table
        self.found: list[Problem] = []
        self._most = most

    @property
    def full(self) -> bool:
        """Whether no more are kept."""
        return self._most is not None and len(self.found) >= self._most

    def __bool__(self) -> bool:
        return bool(self.found)

    def from_row(self, start: int) -> Refuse:
        """Takes a note of problems whose rows are counted from start."""

        def refuse(
            kind: type[RowError], reason: str, *, attribute: str | None, row: int | None = None, value: Any = None
        ) -> None:
            if not self.full:
                self.found.append(Problem(kind, reason, attribute, None if row is None else row + start, value))

        return refuse

    def __iter__(self) -> Iterator[Problem]:
        """In the order of the rows, first what all of them have."""
        return iter(sorted(self.found, key=lambda problem: -1 if problem.row is None else problem.row))

    def frame(self) -> pl.DataFrame:
        """A row for each problem, in the order of the rows: row (Int64), attribute, value and reason (String).

        row is NULL where all rows have the problem; value is what was given, as a message shows it.
        """
        ordered = list(self)
        return _frame(
            [problem.row for problem in ordered],
            [problem.attribute for problem in ordered],
            [_shown(problem.value) for problem in ordered],
            [problem.reason for problem in ordered],
        )

    def error(self) -> RowError:
        """The first problem as it is raised, with the frame of all of them."""
        first = next(iter(self))
        error = first.kind(first.reason, table=self.table, attribute=first.attribute, row=first.row, value=first.value)
        error.problems = self.frame()
        if len(self.found) > 1:
            error.add_note(f"{len(self.found) - 1} more in `problems` of this error, a frame of all of them.")
        return error


def _shown(value: Any) -> str | None:
    """A value as the frame shows it; a key with its attributes."""
    if value is None:
        return None
    return repr(value) if isinstance(value, dict) else told(value)


def frame_of(error: RowError) -> pl.DataFrame:
    """The frame of the one problem that the database told."""
    key = getattr(error, "key", None) or None
    return _frame([error.row], [error.attribute], [_shown(key)], [error.reason])


def _frame(
    rows: list[int | None], attributes: list[str | None], values: list[str | None], reasons: list[str | None]
) -> pl.DataFrame:
    import polars as pl

    attributes, values, reasons = (list(map(_writable, texts)) for texts in (attributes, values, reasons))
    schema = {"row": pl.Int64(), "attribute": pl.String(), "value": pl.String(), "reason": pl.String()}
    return pl.DataFrame({"row": rows, "attribute": attributes, "value": values, "reason": reasons}, schema=schema)


def _writable(text: str | None) -> str | None:
    """A text without halves of surrogate pairs, of which no frame has a form."""
    return None if text is None else text.encode(errors="backslashreplace").decode()
