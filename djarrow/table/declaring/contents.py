"""The contents of lookups: which rows a class gives, which of them its table lacks, and which it holds otherwise.

New rows are inserted, those of all lookups or none. Rows whose key is there are left as they are, and what differs is
reported. Rows that only the table has are left alone: users insert into lookups. How a class gives its rows is the
question of lookup_rows.py.
Specification: 000 "Lookup tables", 002 "Lookup Tables: Schema Design, Not Workflow Data".
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from attrs import frozen

from djarrow.errors import DuplicateKey, IntegrityError, MissingField, RowError, TransactionError
from djarrow.expr.nodes import Stored
from djarrow.model.names import LOOKUP
from djarrow.sql import locks
from djarrow.table.declaring.lookup_rows import given_rows, says_contents

if TYPE_CHECKING:
    import pyarrow as pa

    from djarrow.engine.postgres import PostgresConnection
    from djarrow.table.table import Table

SHOWN = 5
"""How many rows that differ a report lists."""


@frozen
class Difference:
    """A row that the table holds otherwise. changes: (attribute, value in the table, value in the contents)."""

    key: Mapping[str, Any]
    changes: tuple[tuple[str, Any, Any], ...]

    def __str__(self) -> str:
        key = ", ".join(f"{name} = {value!r}" for name, value in self.key.items()) or "the row"
        return f"{key}: " + ", ".join(f"{name} {_short(held)} -> {_short(ours)}" for name, held, ours in self.changes)


@frozen
class Report:
    """What of the contents of a lookup its table holds otherwise."""

    table: str
    differences: tuple[Difference, ...]

    def __str__(self) -> str:
        count = len(self.differences)
        lines = [f"\n  - {difference}" for difference in self.differences[:SHOWN]]
        lines += [f"\n  - and {count - SHOWN} more"] if count > SHOWN else []
        return (
            f"table {self.table!r} differs from the contents of its class in {count} row{'s' * (count > 1)}, which "
            f"stay as the database has them (database -> class):{''.join(lines)}\n"
            "Change the class, or correct these rows in the table."
        )

    def warn(self) -> None:
        """Show it to the user."""
        warnings.warn(str(self), UserWarning, stacklevel=2)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


# --- filling -----------------------------------------------------------------------------------------------------


def has_contents(cls: type[Table]) -> bool:
    """Whether a class is a lookup, or a part of one, that says which rows it holds."""
    return cls().spec.tier == LOOKUP and says_contents(cls)


def fill(connection: PostgresConnection, lookups: Sequence[Table], *, inside: bool = False) -> tuple[Report, ...]:
    """Insert what is new in the contents of lookups, given parents first, in one transaction; say what differs.

    inside: in the transaction that declares, which is open. Where nothing is new nothing is written, so a user who may
    only read is not refused. Raises RowError and its leaves, and TransactionError inside a transaction of the user's.
    """
    reports: list[Report] = []
    held = _held(connection, lookups)
    for position, lookup in enumerate(lookups):
        found = compare(lookup, held[position])
        if found.new and not inside:
            with _declaring(connection, lookup):
                return (*reports, *fill(connection, lookups[position:], inside=True))
        if found.new:
            _insert(lookup, found)
        if found.differing:
            reports.append(Report(str(lookup.spec.name), found.differing))
    return tuple(reports)


def _held(connection: PostgresConnection, lookups: Sequence[Table]) -> list[pa.Table]:
    """The rows of the lookups' tables, read by one statement: opening a schema takes no more for having many."""
    import pyarrow.compute as pc

    from djarrow.frame.results import declared
    from djarrow.sql.together import NUMBER, together

    if not lookups:
        return []
    read = together([Stored(lookup.spec.name, lookup.heading) for lookup in lookups])
    rows = connection.read(read.text)
    found = []
    for number, (lookup, slots) in enumerate(zip(lookups, read.slots, strict=True)):
        own = rows.filter(pc.equal(rows.column(NUMBER), number))
        found.append(declared(own.select(list(slots.values())).rename_columns(list(slots)), lookup.heading))
    return found


@contextmanager
def _declaring(connection: PostgresConnection, lookup: Table) -> Iterator[None]:
    """A transaction that other processes which declare wait for."""
    if connection.in_transaction:
        raise TransactionError(
            f"{lookup.spec.name}: its contents are inserted on first use, which cannot be inside a transaction. "
            "Call `schema.activate()` before it."
        )
    with connection.begin(isolation="READ COMMITTED"):
        connection.read(locks.lock_declarations())
        yield


def _insert(lookup: Table, found: Comparison) -> None:
    """Insert the new rows. Others may insert the same at this moment: then theirs stay."""
    from djarrow.sql.insert import Conflict
    from djarrow.table.writing.insert import Options, insert

    whole = len(found.new) == found.rows.num_rows  # rows of defaults only have no column to take from
    rows = found.rows if whole else _at(found.rows, found.new)
    try:
        insert(lookup, rows, Options(Conflict.SKIP, allow_direct_insert=True))  # also where a make uses it first
    except IntegrityError as error:
        error.row = _row_of(error.key, found)
        where = "" if error.row is None else f"row {error.row} of "
        error.add_note(f"It is {where}the contents of the class {type(lookup).__name__}.")
        raise


def _row_of(key: Mapping[str, Any], found: Comparison) -> int | None:
    """The number of the first new row with these values, which the database tells as text."""
    rows = found.rows
    if not key or not set(key) <= set(rows.column_names):
        return None
    columns = [[str(value) for value in rows.column(name).to_pylist()] for name in key]
    wanted = tuple(map(str, key.values()))
    return next((n for n in found.new if tuple(column[n] for column in columns) == wanted), None)


# --- comparing ---------------------------------------------------------------------------------------------------


@frozen
class Comparison:
    """The contents of a lookup beside its table.

    rows: the contents, checked. new: the numbers of those whose key the table lacks. differing: of the others.
    """

    rows: pa.Table
    new: tuple[int, ...] = ()
    differing: tuple[Difference, ...] = ()


def compare(lookup: Table, held: pa.Table) -> Comparison:
    """A lookup's contents beside the rows that its table holds. Raises RowError and its leaves, with the row."""
    from djarrow.frame.rows import to_arrow

    rows, names = given_rows(lookup), lookup.primary_key
    try:
        checked = to_arrow(rows, lookup.heading, str(lookup.spec.name))
        _check_key(rows, checked, lookup)
    except RowError as error:
        error.add_note(f"These rows are the contents of the class {type(lookup).__name__}.")
        raise
    if not checked.num_rows:
        return Comparison(checked)
    places = {key: number for number, key in enumerate(_keys(held, names))}
    new: dict[tuple[Any, ...], int] = {}
    pairs: list[tuple[int, int]] = []
    for number, key in enumerate(_keys(checked, names)):
        if key in places:
            pairs.append((number, places[key]))
        elif (first := new.setdefault(key, number)) != number:
            _check_same(checked, first, number, lookup)
    return Comparison(checked, tuple(new.values()), _differences(rows, checked, held, pairs, lookup))


def _check_key(rows: Any, checked: pa.Table, lookup: Table) -> None:
    """Refuse rows that leave their key to the database: they would be new each time the class is declared."""
    mappings = [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, Sequence) else []
    for name in lookup.primary_key if checked.num_rows else ():
        if name not in checked.column_names or any(name not in row for row in mappings):
            raise MissingField(
                "contents give the whole primary key, by which they are known when the class is declared again.",
                table=str(lookup.spec.name),
                attribute=name,
            )


def _check_same(checked: pa.Table, first: int, second: int, lookup: Table) -> None:
    """Refuse two rows of the contents that have one key and differ."""
    if checked.slice(first, 1).to_pylist() != checked.slice(second, 1).to_pylist():
        raise DuplicateKey(
            f"rows {first} and {second} of the contents of the class {type(lookup).__name__} have the same key and "
            "differ.",
            table=str(lookup.spec.name),
        )


def _keys(rows: pa.Table, names: Sequence[str]) -> list[tuple[Any, ...]]:
    """The key of each row in plain values; that of a singleton is empty."""
    if not names:
        return [()] * rows.num_rows
    return list(zip(*(_plain(rows.column(name)).to_pylist() for name in names), strict=True))


def _plain(array: Any) -> Any:
    """A column without extension or dictionary, so that what is given compares with what is held."""
    import pyarrow as pa

    if isinstance(array.type, pa.BaseExtensionType):
        storage = [chunk.storage for chunk in array.chunks]
        return pa.chunked_array(storage, array.type.storage_type)
    return array.cast(array.type.value_type) if pa.types.is_dictionary(array.type) else array


def _differences(
    rows: Any, checked: pa.Table, held: pa.Table, pairs: Sequence[tuple[int, int]], lookup: Table
) -> tuple[Difference, ...]:
    """What the table holds otherwise, of the fields that the contents name: others have their default."""
    from djarrow.frame.results import declared, to_dicts, to_values

    given = declared(checked, lookup.heading.select(tuple(checked.column_names)))
    ours, theirs = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    changes: dict[int, list[tuple[str, Any, Any]]] = {}
    for attribute in lookup.heading:
        name = attribute.name
        if name in lookup.primary_key or name not in checked.column_names:
            continue
        here, there = _at(given.column(name), ours), _at(held.column(name), theirs)
        suspects = [n for n in _unequal(here, there) if _names_field(rows, ours[n], name)]
        values, others = (to_values(_at(column, suspects), attribute) for column in (here, there))
        for place, value, other in zip(suspects, values, others, strict=True):
            if not _same(value, other):
                changes.setdefault(place, []).append((name, other, value))
    places = sorted(changes)
    shown = to_dicts(_at(held, [theirs[place] for place in places]), lookup.heading)
    return tuple(
        Difference({name: row[name] for name in lookup.primary_key}, tuple(changes[place]))
        for place, row in zip(places, shown, strict=True)
    )


def _at(rows: Any, places: Sequence[int]) -> Any:
    """The rows of a table or column at these places, in this order."""
    import pyarrow as pa

    return rows.take(pa.array(places, pa.int64()))


def _unequal(here: Any, there: Any) -> list[int]:
    """The places where two columns may differ: NaN and JSON, which have several forms, among them."""
    import pyarrow.compute as pc

    one, other = _plain(here), _plain(there)
    equal = pc.or_(pc.fill_null(pc.equal(one, other), False), pc.and_(pc.is_null(one), pc.is_null(other)))
    found: list[int] = pc.indices_nonzero(pc.invert(equal)).to_pylist()
    return found


def _names_field(rows: Any, number: int, name: str) -> bool:
    """Whether a row of the contents gives this field."""
    row = rows[number] if isinstance(rows, Sequence) else None
    return not isinstance(row, Mapping) or name in row


def _same(one: Any, other: Any) -> bool:
    """Whether two values are equal, or both NaN. Arrays are told apart by their bytes before."""
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    try:
        return bool(one == other)
    except ValueError:  # the truth of an array
        return False
