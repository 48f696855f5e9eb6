"""What an insert did, as it tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa


class Inserted(int):
    """How many rows an insert put into the table: a number, with what became of the others.

    skipped: rows that were passed over because their key was there, or comes again; replaced: rows that took the place
    of one that was there.
    """

    skipped: int
    replaced: int

    def __new__(cls, inserted: int = 0, skipped: int = 0, replaced: int = 0) -> Inserted:
        """The three counts."""
        made = super().__new__(cls, inserted)
        made.skipped, made.replaced = skipped, replaced
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return Inserted, (int(self), self.skipped, self.replaced)

    def __repr__(self) -> str:
        return f"Inserted({int(self)}, skipped={self.skipped}, replaced={self.replaced})"

    def and_then(self, other: Inserted) -> Inserted:
        """Both together."""
        return Inserted(int(self) + int(other), self.skipped + other.skipped, self.replaced + other.replaced)


def inserted(result: pa.Table, given: int) -> Inserted:
    """What a statement did of so many rows, by the counts that it gives."""
    row = result.to_pylist()[0]
    return Inserted(row["inserted"], given - row["inserted"] - row["replaced"], row["replaced"])
