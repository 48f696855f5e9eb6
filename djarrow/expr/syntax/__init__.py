"""Functions that are more than a name and values: intervals, units, formats, paths into JSON, ordered aggregates.

Each takes the reader of a text (parse.py) and the parser's tree, and gives the term, or refuses with a reason.
"""

from __future__ import annotations

from djarrow.expr.syntax.aggregates import AGGREGATES, within_group
from djarrow.expr.syntax.documents import DOCUMENTS, arrow, document_part
from djarrow.expr.syntax.intervals import INTERVALS, is_interval, shifted, shown_moment
from djarrow.expr.syntax.reader import Special
from djarrow.expr.syntax.strings import STRINGS, position, trimmed

SPECIAL: dict[str, Special] = {**INTERVALS, **DOCUMENTS, **AGGREGATES, **STRINGS}
"""Name as written -> what reads it. Others are a name and terms."""

WITHOUT_PARENTHESES = {"current_timestamp": "now", "current_date": "current_date"}
"""Names that are functions where no attribute is called so."""

__all__ = [
    "SPECIAL",
    "WITHOUT_PARENTHESES",
    "arrow",
    "document_part",
    "is_interval",
    "position",
    "shifted",
    "shown_moment",
    "trimmed",
    "within_group",
]
