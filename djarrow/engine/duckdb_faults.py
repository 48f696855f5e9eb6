"""DuckDB's errors -> djarrow's, in one place. Through Arrow's streams their text is all that comes of them."""

from __future__ import annotations

import re

from djarrow.errors import EngineError, TimedOut


def translated(error: Exception) -> Exception:
    """The error that djarrow raises for one of DuckDB's."""
    first, *_ = str(error).splitlines() or [type(error).__name__]
    for pattern, make in _KNOWN:
        if pattern.search(str(error)):
            return make(first)
    return EngineError(f"DuckDB refused: {first}")


def _timed_out(_: str) -> Exception:
    return TimedOut("The query was stopped: it took longer than it was given.")


def _spilled(_: str) -> Exception:
    return EngineError(
        "the query needs more room on disk for what does not fit into memory than the setting `repository.spill` "
        "allows. Let it read fewer rows, or raise that or `repository.memory`, and open the repository again."
    )


def _out_of_memory(first: str) -> Exception:
    return EngineError(
        "the query needs more memory than the setting `repository.memory` allows. Let it read fewer rows or columns, "
        f"or raise that and open the repository again. DuckDB says: {first}"
    )


def _long_values(_: str) -> Exception:
    return EngineError("the values of a column are so long that 2,048 of them have more than 2 GB. Read fewer columns.")


LONG_ROW = "djarrow: a long row"
"""What a statement says at a row that is longer than it may be, or makes so many together longer."""


def _long_row(_: str) -> Exception:
    return EngineError(
        "rows of the result have far more text and bytes than those of the tables have by the manifest. Where the "
        "query does not put long texts together, or into many rows, the repository was changed: see `dj.verify`. Read "
        "fewer columns, or raise the setting `repository.memory` and open the repository again."
    )


_KNOWN = (
    (re.compile(f"Error: {LONG_ROW}$", re.MULTILINE), _long_row),
    (re.compile(r"^INTERRUPT|Interrupted!"), _timed_out),
    (re.compile("max_temp_directory_size"), _spilled),
    (re.compile("^Out of Memory|could not allocate|failed to allocate"), _out_of_memory),
    (re.compile("maximum total string size"), _long_values),
)
