"""Questions to the rows of a table that is to be altered: how many stand against a change, and which one, say.

Each statement gives one row: n, how many; example, the first of them in order of its text, as JSON, or NULL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from djarrow.model.heading import Attribute
from djarrow.model.spec import ForeignKey, TableSpec
from djarrow.model.types import AttributeType, Family
from djarrow.sql.ddl import full_name
from djarrow.sql.indexes import index_term
from djarrow.sql.literals import identifier, quoted


def rows(spec: TableSpec) -> str:
    """All rows."""
    return _question(spec, spec.heading.primary_key, "TRUE")


def nulls(spec: TableSpec, attribute: str) -> str:
    """The rows where an attribute is NULL."""
    return _question(spec, spec.heading.primary_key, f"c.{identifier(attribute)} IS NULL")


def values(spec: TableSpec, attributes: Iterable[str]) -> str:
    """How many values that are not NULL each attribute has: one column an attribute."""
    counts = ", ".join(f"count({identifier(name)}) AS {identifier(name)}" for name in attributes)
    return f"SELECT {counts} FROM {full_name(spec.name)}"


def misfits(spec: TableSpec, before: Attribute, after: AttributeType) -> str | None:
    """The rows whose value of an attribute has no equal in another type; None where no value is meant to have one."""
    condition = _MISFIT.get((before.type.family, after.family))
    if condition is None:
        return None
    shown = dict.fromkeys((*spec.heading.primary_key, before.name))
    return _question(spec, shown, condition(f"c.{identifier(before.name)}", after))


def orphans(spec: TableSpec, key: ForeignKey) -> str:
    """The rows whose foreign key leads to no row of the parent."""
    given = " AND ".join(f"c.{identifier(child)} IS NOT NULL" for child, _ in key.pairs)
    match = " AND ".join(f"p.{identifier(parent)} = c.{identifier(child)}" for child, parent in key.pairs)
    found = f"EXISTS (SELECT 1 FROM {full_name(key.parent)} AS p WHERE {match})"
    shown = dict.fromkeys((*spec.heading.primary_key, *key.attributes))
    return _question(spec, shown, f"{given} AND NOT {found}")


def duplicates(spec: TableSpec, terms: tuple[str, ...]) -> str:
    """The values of attributes and expressions, together, that more than one row has; those with a NULL differ."""
    written = [index_term(term, spec.heading) if term.startswith("(") else identifier(term) for term in terms]
    columns = {term: f"t{number}" for number, term in enumerate(terms)}
    selected = ", ".join(f"{text} AS {column}" for text, column in zip(written, columns.values(), strict=True))
    names = ", ".join(columns.values())
    given = " AND ".join(f"{column} IS NOT NULL" for column in columns.values())
    every = f"SELECT {selected} FROM {full_name(spec.name)}"
    groups = f"SELECT {names} FROM ({every}) AS e WHERE {given} GROUP BY {names} HAVING count(*) > 1"
    return f"SELECT count(*) AS n, min({_example(columns)}) AS example FROM ({groups}) AS c"


def _question(spec: TableSpec, shown: Iterable[str], condition: str) -> str:
    example = _example({name: identifier(name) for name in shown})
    return f"SELECT count(*) AS n, min({example}) AS example FROM {full_name(spec.name)} AS c WHERE {condition}"


def _example(columns: Mapping[str, str]) -> str:
    """A row as JSON of texts, which keep every digit. columns: name -> column of `c`."""
    fields = ", ".join(f"{quoted(name)}, c.{column}::text" for name, column in columns.items())
    return f"json_build_object({fields})::text"


# --- what fits ---------------------------------------------------------------------------------------------------


def _outside_range(column: str, kind: AttributeType) -> str:
    return f"{column} NOT BETWEEN {kind.row.minimum} AND {kind.row.maximum}"


def _other_decimal(column: str, kind: AttributeType) -> str:
    precision, scale = map(int, kind.parameters)
    return f"(abs({column}) >= 1e{precision - scale}::numeric OR round({column}::numeric, {scale}) <> {column})"


def _other_float(column: str, kind: AttributeType) -> str:
    if kind.row.name == "float64":
        return "FALSE"
    special = f"{column} = 0 OR {column} IN ('NaN', 'Infinity', '-Infinity')"
    outside = f"abs({column}) NOT BETWEEN 1.17549435e-38 AND 3.4028234663852886e38"  # the cast itself would fail there
    return f"CASE WHEN {special} THEN FALSE WHEN {outside} THEN TRUE ELSE {column}::real <> {column} END"


def _too_long(column: str, kind: AttributeType) -> str:
    return f"char_length({column}::text) > {kind.max_length}"


def _no_choice(column: str, kind: AttributeType) -> str:
    return f"{column}::text NOT IN ({', '.join(map(quoted, kind.choices))})"


_MISFIT: dict[tuple[Family, Family], Callable[[str, AttributeType], str]] = {
    (Family.INTEGER, Family.INTEGER): _outside_range,
    (Family.INTEGER, Family.DECIMAL): _other_decimal,
    (Family.DECIMAL, Family.DECIMAL): _other_decimal,
    (Family.FLOAT, Family.FLOAT): _other_float,
    (Family.STRING, Family.STRING): _too_long,
    (Family.STRING, Family.ENUM): _no_choice,
    (Family.ENUM, Family.STRING): _too_long,
    (Family.ENUM, Family.ENUM): _no_choice,
}
"""Families whose values can be told in one another without loss -> the condition of values that cannot.

Not here: what would be another meaning, although a cast exists: a date as midnight, true as 1, whole numbers as float.
"""
