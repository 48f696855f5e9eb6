"""Statements with few rows or none, by a statement of the driver itself, without COPY.

A cursor takes several times as long as the server: 190 us for `SELECT 1`, against 60 this way.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from djarrow.engine.interruption import Watch, Watched


def fetch(raw: Any, text: str, watch: Watch) -> pa.Table:
    """The whole result of a statement on a connection of the driver. Raises what the driver raises."""
    import pyarrow as pa

    with _statement(raw, text, watch) as statement:
        handle, _ = _execute(statement, "execute_query")
        return pa.RecordBatchReader.from_stream(handle).read_all()


def rows(raw: Any, text: str, watch: Watch) -> list[tuple[Any, ...]]:
    """The same as Python values, which a table of one row takes longer to give than to hold."""
    import pyarrow as pa

    with _statement(raw, text, watch) as statement:
        handle, _ = _execute(statement, "execute_query")
        batches = pa.RecordBatchReader.from_stream(handle)
        return [row for batch in batches for row in zip(*(c.to_pylist() for c in batch.columns), strict=True)]


def run(raw: Any, text: str, watch: Watch) -> int:
    """Run a statement without reading its result. Gives how many rows it has, or has changed."""
    with _statement(raw, text, watch) as statement:
        return int(_execute(statement, "execute_update"))


@contextmanager
def _statement(raw: Any, text: str, watch: Watch) -> Iterator[Watched]:
    """Open no longer than it is used: a connection that is forgotten cannot be closed with one open."""
    import adbc_driver_manager

    statement = watch(adbc_driver_manager.AdbcStatement(raw.adbc_connection))
    try:
        statement.set_options(**{"adbc.postgresql.use_copy": "false"})
        statement.set_sql_query(text)
        yield statement
    finally:
        statement.close()


def _execute(statement: Any, how: str) -> Any:
    """Let the driver work on it; Ctrl-C cancels it, as for a cursor."""
    from adbc_driver_manager import _lib

    return _lib._blocking_call(getattr(statement, how), (), {}, statement.cancel)
