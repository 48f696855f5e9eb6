"""Rows that a user holds and restricts by -> conditions: those of frames, and lists of mappings.

A row holds as a mapping does: its columns that are no attributes are ignored, and NULL means that the attribute is
NULL. However many rows there are, the conditions are few: one for each set of columns that is NULL. Specification:
001 8.6.5.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import evolve

from djarrow.errors import InvalidCondition, RowError
from djarrow.expr import operators
from djarrow.expr.conditions import Always, Condition, Holds, Matches
from djarrow.expr.functions import BOOL
from djarrow.expr.nodes import Rows
from djarrow.expr.terms import Call, column
from djarrow.frame.given_frames import Frame
from djarrow.model.heading import Attribute, Heading
from djarrow.model.types import Family

if TYPE_CHECKING:
    import pyarrow as pa


Unmatched = list[tuple[str, ...]]
"""The names of every mapping and frame that has none of the attributes: it restricts by nothing, which a query takes as
said, and which whoever deletes did not mean."""


def among_frame(frame: Frame, heading: Heading, unmatched: Unmatched) -> Condition:
    """Any of the rows of a frame. Raises InvalidCondition for a value that its attribute cannot have."""
    names = [name for name in frame.names if name in heading]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InvalidCondition(f"the column {twice[0]!r} stands in the frame twice.")
    if frame.names and not names:
        unmatched.append(tuple(frame.names))
    if not names or not frame.rows:
        return Always(frame.rows > 0)
    return _among({name: frame.column(name) for name in names}, heading)


def among_mappings(
    mappings: Sequence[Mapping[str, Any]], heading: Heading, unmatched: Unmatched
) -> Iterator[Condition]:
    """Any of the mappings, those of the same attributes together. Raises InvalidCondition."""
    alike: dict[tuple[str, ...], list[Mapping[str, Any]]] = defaultdict(list)
    for mapping in mappings:
        alike[tuple(name for name in heading.names if name in mapping)].append(mapping)
    for names, rows in alike.items():
        if names:
            yield _among({name: [row[name] for row in rows] for name in names}, heading)
        else:
            unmatched += [tuple(map(str, row)) for row in rows if row][:1]
            yield Always(True)


def _among(given: Mapping[str, Any], heading: Heading) -> Condition:
    """Any of rows of these columns, each an Arrow array or a list of values; at least one of both."""
    import pyarrow as pa

    attributes = [evolve(heading[name], nullable=True) for name in given]
    columns = [_carried(given[attribute.name], attribute) for attribute in attributes]
    table = pa.table(columns, names=list(given))
    return operators.any_of([_matching(part, heading) for part in _by_absence(table)])


def _carried(values: Any, attribute: Attribute) -> Any:
    """A column in the form in which it goes to the database."""
    from djarrow.frame.columns import from_arrow, from_values
    from djarrow.frame.problems import raising

    try:
        found = (from_values if isinstance(values, list) else from_arrow)(values, attribute, raising("condition"))
    except RowError as error:
        raise InvalidCondition(f"attribute {attribute.name!r}, row {error.row}: {error.reason}") from None
    if found.null_count < len(found):
        check_equal(attribute)
    return found


def check_equal(attribute: Attribute) -> None:
    """Refuse to look for a value of JSON: each engine has another equality of it, or none."""
    if attribute.type.family is Family.JSON:
        raise InvalidCondition(
            f"attribute {attribute.name!r} is json, which is not compared as a whole; restrict by a part of it, as in "
            f"`'{attribute.name}.key = 5'`, or leave it out of what is looked for."
        )


def _by_absence(table: pa.Table) -> list[pa.Table]:
    """The rows in parts, one for each set of columns that is NULL in one: never more parts than rows."""
    import pyarrow.compute as pc

    parts = [table]
    for name in table.column_names:
        if table.column(name).null_count:
            masks = [pc.is_null(part.column(name)) for part in parts]
            cut = [part.filter(mask) for part, of in zip(parts, masks, strict=True) for mask in (of, pc.invert(of))]
            parts = [part for part in cut if part.num_rows]
    return parts


def _matching(part: pa.Table, heading: Heading) -> Condition:
    """Any of rows that lack the same columns."""
    present = [name for name in part.column_names if not part.column(name).null_count]
    absent = [heading[name] for name in part.column_names if name not in present]
    conditions: list[Condition] = [
        Holds(Call("is null", (column(attribute),), BOOL, nullable=False)) for attribute in absent
    ]
    if present:
        attributes = tuple(heading[name] for name in present)
        conditions.append(Matches(Rows(Heading(attributes, tuple(present)), part.select(present)), tuple(present)))
    return operators.all_of(conditions)
