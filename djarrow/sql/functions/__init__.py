"""How each function and operator of expr/functions.py is written. One row a name; where engines differ, a form
or builder for each in it.

A row builds nodes of the SQL tree from the arguments' nodes. Results have the type that expr/functions.py states,
on every engine: where an engine would give another, the row casts. Text compares exactly, in `=` as in LIKE and
REGEXP: MySQL's own habit of ignoring case would make `x LIKE 'abc'` hold where `x = 'abc'` does not. ILIKE ignores it.
"""

from __future__ import annotations

from djarrow.sql.functions.aggregates import AGGREGATES
from djarrow.sql.functions.arithmetic import ARITHMETIC
from djarrow.sql.functions.choice import CHOICE
from djarrow.sql.functions.comparison import COMPARISON
from djarrow.sql.functions.documents import DOCUMENTS
from djarrow.sql.functions.moments import MOMENTS
from djarrow.sql.functions.numbers import NUMBERS
from djarrow.sql.functions.shared import Build
from djarrow.sql.functions.strings import STRINGS

RENDER: dict[str, Build] = {
    **COMPARISON,
    **ARITHMETIC,
    **NUMBERS,
    **STRINGS,
    **MOMENTS,
    **DOCUMENTS,
    **CHOICE,
    **AGGREGATES,
}
"""Name in expr/functions.py -> what builds it."""

__all__ = ["RENDER"]
