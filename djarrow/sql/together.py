"""Tables of different headings -> one SELECT that reads them all: each takes slots of its types, others are NULL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from attrs import frozen

from djarrow.expr.nodes import Stored
from djarrow.model.heading import Heading
from djarrow.model.types import AttributeType, Family
from djarrow.sql import compile as compiler
from djarrow.sql.dialects import Dialect
from djarrow.sql.literals import identifier

NUMBER = "_n"
"""The column that tells which of the tables a row is of. No attribute begins with an underscore."""


@frozen
class Together:
    """The statement, and for each of the tables the slot that holds an attribute: attribute -> column."""

    text: str
    slots: tuple[dict[str, str], ...]


def together(tables: Sequence[Stored]) -> Together:
    """One statement for all rows of these tables, of which there is at least one."""
    slots = tuple(_slots(table.heading) for table in tables)
    numbered = list(enumerate(zip(tables, slots, strict=True)))
    types = {taken[a.name]: _type(a.type) for _, (table, taken) in numbered for a in table.heading}
    selects = [_select(number, table, taken, types) for number, (table, taken) in numbered]
    return Together("\nUNION ALL\n".join(selects), slots)


def _slots(heading: Heading) -> dict[str, str]:
    """Attribute -> slot: the first of its type for the first attribute of that type, and so on."""
    taken: Counter[str] = Counter()
    found = {}
    for attribute in heading:
        kind = _type(attribute.type)
        taken[kind] += 1
        found[attribute.name] = f"{kind} {taken[kind]}"
    return found


def _type(kind: AttributeType) -> str:
    """The type of PostgreSQL in which a column leaves it."""
    as_text = kind.family in (Family.STRING, Family.ENUM) or Dialect.POSTGRES.reads_as_text(kind)
    return "text" if as_text else kind.postgres


def _select(number: int, table: Stored, taken: dict[str, str], types: dict[str, str]) -> str:
    names = {slot: name for name, slot in taken.items()}
    columns = [
        f"{f'q.{identifier(names[slot])}' if slot in names else 'NULL'}::{kind} AS {identifier(slot)}"
        for slot, kind in types.items()
    ]
    listing = ", ".join([f"{number} AS {identifier(NUMBER)}", *columns])
    return f"SELECT {listing} FROM ({compiler.select(table, Dialect.POSTGRES).text}) AS q"
