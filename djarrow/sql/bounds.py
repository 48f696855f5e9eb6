"""The statement that asks a table where a query of it can be cut into parts of about the same size."""

from __future__ import annotations

from djarrow.model.heading import Attribute, Heading
from djarrow.model.names import TableName
from djarrow.sql.ddl import full_name
from djarrow.sql.dialects import Dialect, by_code_points
from djarrow.sql.literals import identifier, quoted

SAMPLED = 128 * 8192
"""How many bytes of the table are looked at: the blocks are taken at random, and cut within a few percent."""


def bounds_of(table: TableName, heading: Heading, parts: int) -> str:
    """The values between `parts` parts of each attribute of the heading, in its order; none where there is no value."""
    shares = ", ".join(str(number / parts) for number in range(1, parts))
    listing = ", ".join(_bounds(attribute, shares) for attribute in heading)
    name = full_name(table)
    size = f"GREATEST(pg_relation_size({quoted(name)}::regclass), 1)"
    return f"SELECT {listing} FROM {name} TABLESAMPLE SYSTEM (LEAST(100, 100.0 * {SAMPLED} / {size}))"


def _bounds(attribute: Attribute, shares: str) -> str:
    name, recast = identifier(attribute.name), attribute.type.row.recast
    value = name if recast is None else f"CAST({name} AS {recast})"
    found = f"unnest(percentile_disc(ARRAY[{shares}]) WITHIN GROUP (ORDER BY {by_code_points(value, attribute.type)}))"
    return f"{found}{'::text' if Dialect.POSTGRES.reads_as_text(attribute.type) else ''} AS {name}"
