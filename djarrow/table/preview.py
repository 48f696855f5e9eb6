"""Looking at a query: what is read for a preview, within which time, and what stands there when nothing can be read.

Being shown is no use of a query: it opens no connection, starts no server and makes no table, and it reads by a look,
which changes nothing (engine/looking.py). Blobs are read by their size only, long strings and JSON in part. How it is
then shown is a question of show/. docs/decisions/011-previews.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from djarrow.errors import InvalidCondition, MissingTable, TimedOut, told
from djarrow.expr.functions import INT64, VARCHAR
from djarrow.expr.nodes import First, Node, Projected, Restricted, Stored
from djarrow.expr.order import top
from djarrow.expr.terms import Cast, Column, Term, Value, call, column
from djarrow.model.heading import Attribute
from djarrow.model.types import Family
from djarrow.settings import config
from djarrow.show import html, terminal
from djarrow.show.preview import Count, Preview, Unread, columns_of, rows_of
from djarrow.show.values import READ
from djarrow.table.source import check_held, current_offline, narrowed
from djarrow.table.table import Table

if TYPE_CHECKING:
    import pyarrow as pa

    from djarrow.engine.base import Reader
    from djarrow.table.expression import QueryExpression

    Read = Callable[[str], pa.Table]
    Row = tuple[Any, ...]

SECONDS = 1.0
"""What each statement of a preview may take. There are three at most: rows in order, rows in none, the count."""

COUNTED = 10_000
"""Rows up to which they are counted."""

NOT_CONNECTED = (
    "No rows are shown, because nothing is connected yet: `dj.conn()` connects, and so does using the query."
)
NOT_MADE = "There is no table yet: it is made on first use, as by `declare()` or an insert."
IN_NO_ORDER = "In no order: to put all rows in key order takes longer than a preview may."
NOT_COUNTED = "Counting the rows takes longer than a preview may."
TOO_LONG = "Reading the first rows takes longer than a preview may. `head()` waits for them."


def as_text(expression: QueryExpression) -> str:
    """What a terminal shows of a query. Never raises: where there are no rows to show, it says why."""
    return terminal.text(_shown(expression))


def as_html(expression: QueryExpression) -> str:
    """What a notebook shows of a query. Never raises."""
    return html.page(_shown(expression))


def as_bundle(expression: QueryExpression) -> dict[str, str]:
    """Both, by the names that notebooks know them under: they want both, and this reads once. Never raises."""
    shown = _shown(expression)
    return {"text/plain": terminal.text(shown), "text/html": html.page(shown)}


def preview(expression: QueryExpression, reader: Reader, limit: int | None, width: int | None) -> str:
    """The text of a preview of this size, read from an engine. Raises what reading raises, and TimedOut."""
    for name, number in (("limit", limit), ("width", width)):
        if number is not None and (type(number) is not int or number < 1):
            raise InvalidCondition(f"preview: {name} is a whole number from 1, not {told(number)}.")
    return terminal.text(_read(expression, reader, limit, width))


def _shown(expression: QueryExpression) -> Preview | Unread:
    try:
        reader = open_reader(expression)
        return Unread(_outline(expression), NOT_CONNECTED) if reader is None else _read(expression, reader)
    except Exception as error:  # noqa: BLE001 - shown instead: a repr that raises hides what one wanted to see
        return Unread(_outline(expression), _reason(expression, error))


def _reason(expression: QueryExpression, error: Exception) -> str:
    if isinstance(error, MissingTable) and any(t.schema.makes(t.spec.name) for t in _tables(expression)):
        return NOT_MADE
    return f"{type(error).__name__}: {error}"


def _outline(expression: QueryExpression) -> str:
    """The query in one line. One that has no heading, as its class is not in a schema yet, is its class."""
    try:
        return f"<{expression.node}: {expression.heading}>"
    except Exception:  # noqa: BLE001 - the reason stands below
        return f"<{type(expression).__name__}>"


# --- where it is read --------------------------------------------------------------------------------------------


def _tables(expression: QueryExpression) -> Iterator[Table]:
    """The tables that a query is made of, that of its first operand first."""
    return (root for root in expression._roots if isinstance(root, Table))


def open_reader(expression: QueryExpression) -> Reader | None:
    """The engine that answers the query, where it is open. Raises where a class disagrees with its table."""
    offline = current_offline()
    if offline is not None:
        check_held(offline, expression.node)
        return narrowed(offline.reader, expression.node)
    readers = [table.schema.open_connection(table.spec.name, SECONDS) for table in _tables(expression)]
    return None if None in readers or readers[0] is None else narrowed(readers[0], expression.node)


# --- what is read ------------------------------------------------------------------------------------------------


def _read(expression: QueryExpression, reader: Reader, limit: int | None = None, width: int | None = None) -> Preview:
    number = limit or config.display.limit
    cells = width or config.display.width
    node, notes = expression.node, []
    try:
        with reader.look(SECONDS) as read:
            rows, count = _rows(node, reader, read, number, ordered=True)
    except TimedOut:
        notes.append(IN_NO_ORDER)
        rows, count = _unordered(node, reader, number)
    if not count.exact and count.number < COUNTED:
        notes.append(NOT_COUNTED)
    return Preview(
        title=str(node),
        comment=_comment(expression),
        columns=columns_of(node.heading),
        rows=rows_of(rows[:number], node.heading, cells),
        count=count,
        notes=tuple(notes),
    )


def _unordered(node: Node, reader: Reader, number: int) -> tuple[list[Row], Count]:
    try:
        with reader.look(SECONDS) as read:
            return _rows(node, reader, read, number, ordered=False)
    except TimedOut:
        raise TimedOut(TOO_LONG) from None


def _rows(node: Node, reader: Reader, read: Read, number: int, *, ordered: bool) -> tuple[list[Row], Count]:
    """The first rows, one more than are shown, and how many there are."""
    from djarrow.frame import results
    from djarrow.sql import compile as compiler
    from djarrow.sql.dialects import Dialect

    dialect = Dialect(reader.dialect)
    wanted = _in_short(node, number + 1, ordered=ordered)
    found = results.declared(read(compiler.select(wanted, dialect).text), wanted.heading)
    rows = [tuple(row.values()) for row in results.to_dicts(found, wanted.heading)]
    if len(rows) <= number:
        return rows, Count(len(rows))
    try:
        counted = read(compiler.count(First(node, (), COUNTED + 1), dialect).text).column("n")[0].as_py()
    except TimedOut:
        return rows, Count(number, exact=False)
    return rows, Count(min(max(counted, len(rows)), COUNTED), exact=counted <= COUNTED)


def _in_short(node: Node, number: int, *, ordered: bool) -> Projected:
    """The first rows with each attribute in the form in which it is shown, the key first, which stays as it is."""
    heading = node.heading
    order = top(node, number, "KEY", 0).order if ordered else ()
    key: list[tuple[str, Term]] = [(name, column(heading[name])) for name in heading.primary_key]
    rest = [(name, _short(heading[name])) for name in heading.secondary]
    return Projected(First(node, order, number), (*key, *rest))


_WHOLE = frozenset(Family) - {Family.BLOB, Family.JSON, Family.STRING}


def _short(attribute: Attribute) -> Term:
    """What is read of an attribute outside of the key."""
    given: Column = column(attribute)
    family, longest = attribute.type.family, attribute.type.max_length
    if family in _WHOLE or (longest is not None and longest <= READ):
        return given
    if family is Family.BLOB:
        return call("octet_length", given)
    text = Cast(given, VARCHAR) if family is Family.JSON else given
    return call("left", text, Value(READ + 1, INT64))


def _comment(expression: QueryExpression) -> str:
    """The comment of the table whose rows these are; of rows that are computed or joined there is none."""
    node = expression.node
    while isinstance(node, Restricted | First):
        node = node.source
    comments = (t.spec.comment for t in _tables(expression) if isinstance(node, Stored) and t.spec.name == node.name)
    return next(comments, "")
