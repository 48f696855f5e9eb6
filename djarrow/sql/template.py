"""Text of SQL in which constants are still to be put: what is memoised, where queries differ in constants only."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from attrs import define, field, frozen
from sqlglot import exp

from djarrow.errors import QueryError
from djarrow.expr.nodes import Slot, Statement
from djarrow.model.heading import Heading
from djarrow.model.types import AttributeType
from djarrow.sql.dialects import Dialect
from djarrow.sql.given_rows import rows_text
from djarrow.sql.literals import literal

if TYPE_CHECKING:
    import pyarrow as pa

    from djarrow.sql.tree import Expression

_MARK = "\0"
"""Around the number of a value in the generated text: no text that comes from users may hold it."""

_MARKED = re.compile(f"{_MARK}(\\d+){_MARK}")

Kind = AttributeType | Heading | None
"""What a constant is: a value of a type, or rows of a heading; None of a statement that is written already."""


@frozen
class Template:
    """pieces: the text between the holes, one more than there are; holes: the slot that fills it, and what that is."""

    pieces: tuple[str, ...]
    holes: tuple[tuple[Slot, Kind], ...]
    dialect: Dialect

    def filled(self, constants: tuple[Any, ...]) -> str:
        """The text with constants in it, as typed literals. constants: by the numbers of the slots."""
        return self.around(self.literals(constants)) if self.holes else self.pieces[0]

    def literals(self, constants: tuple[Any, ...]) -> list[str]:
        """What fills each hole."""
        return [_text(constants[slot.number], kind, self.dialect) for slot, kind in self.holes]

    def around(self, fillings: Sequence[str]) -> str:
        """The text with these in its holes."""
        parts = [self.pieces[0]]
        for filling, piece in zip(fillings, self.pieces[1:], strict=True):
            parts += (filling, piece)
        return "".join(parts)


def _text(value: Any, kind: Kind, dialect: Dialect) -> str:
    if kind is None:
        if dialect is not Dialect.POSTGRES:
            raise QueryError(f"{value} is told by notes that only the database keeps. Ask outside of a `using` block.")
        return f"(\n{value.text()}\n)"
    return rows_text(value, kind, dialect) if isinstance(kind, Heading) else literal(value, kind, dialect)


@define
class Values:
    """The constants met while one statement is assembled. Marks stand for them: the generator would change them."""

    items: list[tuple[Any, Kind]] = field(factory=list)

    def mark(self, value: Any, kind: AttributeType) -> Expression:
        """The node that stands for a value."""
        return self._mark(value, kind)

    def rows(self, table: pa.Table | Slot, heading: Heading) -> Expression:
        """The node that stands for rows given by the user, as a source of columns."""
        return self._mark(table, heading)

    def written(self, statement: Statement | Slot) -> Expression:
        """The node that stands for a statement that is written already, as a source of columns."""
        return self._mark(statement, None)

    def _mark(self, value: Any, kind: Kind) -> Expression:
        self.items.append((value, kind))
        return exp.Var(this=f"{_MARK}{len(self.items) - 1}{_MARK}")

    def template(self, marked: str, dialect: Dialect) -> Template:
        """The generated text, with holes where a mark stands for a slot and literals where it stands for a value."""
        first, *rest = _MARKED.split(marked)
        pieces, holes = [first], []
        for number, piece in zip(map(int, rest[::2]), rest[1::2], strict=True):
            value, kind = self.items[number]
            if isinstance(value, Slot):
                holes.append((value, kind))
                pieces.append(piece)
            else:
                pieces[-1] += _text(value, kind, dialect) + piece
        return Template(tuple(pieces), tuple(holes), dialect)
