"""Values of one type into a column of another, on the server: nothing is lost, or the statement fails and says why.

PostgreSQL would round a number and cut the blanks at the end of a text without a word.
"""

from __future__ import annotations

from djarrow.model.types import AttributeType, Family, decimal_digits
from djarrow.sql.literals import identifier, quoted

EXACT = {"float32": 2**24, "float64": 2**53}
"""The largest whole number up to which a float holds each."""


def assigned(name: str, source: AttributeType, target: AttributeType) -> str | None:
    """The expression, over a column of this name, that a column of target takes; None where source has other values.

    What is refused value by value fails with state 22P02 and a text that begins with the value.
    """
    column = identifier(name)
    if source.row.name == target.row.name and source.family not in _WITH_PARAMETERS:
        return column
    if (source.family, target.family) in _ALIKE:
        return f"CAST({column} AS {target.postgres})"
    match source.family, target.family:
        case ((Family.STRING | Family.ENUM), Family.STRING):
            return _guarded(column, f"char_length({column}) <= {target.max_length}", target, "has too many characters")
        case ((Family.DECIMAL | Family.FLOAT), Family.INTEGER):
            return _guarded(column, f"{column} = trunc({column})", target, "is no whole number")
        case Family.DECIMAL, Family.DECIMAL:
            _, scale = decimal_digits(target)
            condition = f"scale(trim_scale({column})) <= {scale}"
            return _guarded(column, condition, target, f"needs more than {scale} digits after the point")
        case Family.INTEGER, Family.FLOAT:
            limit = EXACT[target.row.name]
            condition = f"{column} BETWEEN -{limit} AND {limit}"
            return _guarded(column, condition, target, f"may be more than {target} holds exactly")
    return None


def _guarded(column: str, condition: str, target: AttributeType, reason: str) -> str:
    """The value where the condition holds; else a cast that cannot be, of a text that says why."""
    refused = f"CAST({column}::text || {quoted(f' {reason}')} AS numeric)::text"
    value = f"CAST({column} AS {target.postgres})"
    return f"CASE WHEN {column} IS NULL OR {condition} THEN {value} ELSE CAST({refused} AS {target.postgres}) END"


_WITH_PARAMETERS = frozenset({Family.STRING, Family.DECIMAL, Family.ENUM})
_ALIKE = frozenset(
    {
        (Family.INTEGER, Family.INTEGER),
        (Family.INTEGER, Family.DECIMAL),
        (Family.FLOAT, Family.FLOAT),
        (Family.STRING, Family.ENUM),
        (Family.ENUM, Family.ENUM),
        (Family.DATE, Family.DATETIME),
        (Family.DATE, Family.TIMESTAMP),
        (Family.DATETIME, Family.TIMESTAMP),
    }
)
"""What PostgreSQL's own cast takes whole or refuses; a float32 rounds to its precision, as in a frame."""
