"""Orders, as users write them -> terms; the first rows in an order. Design section 6; specification 000 "dj.Top"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from numbers import Integral
from typing import Any

from djarrow.errors import InvalidCondition, InvalidTerm, told
from djarrow.expr.nodes import First, Node, Order
from djarrow.expr.parse import parse_term
from djarrow.expr.terms import Term, aggregates, column, names
from djarrow.model.heading import Heading

_DIRECTION = re.compile(r"\s+(asc|desc)\s*\Z", re.IGNORECASE)


def order_terms(order_by: str | Sequence[str] | None, heading: Heading) -> tuple[Order, ...]:
    """`"a DESC"`, `"a, b desc"`, `["a", "b desc"]`, `"KEY"`, `"KEY DESC"`.

    The key always ends the order, so that it is total.
    """
    if order_by is not None and not isinstance(order_by, Sequence):
        raise InvalidCondition(f"an order is given as text or a list of text, not by {told(order_by)}.")
    items = ["KEY"] if order_by is None else [order_by] if isinstance(order_by, str) else list(order_by)
    orders: list[Order] = []
    for item in items:
        for part in _order_parts(item):
            orders += _order_item(part, heading)
    present = {order.term for order in orders}
    key = (column(heading[name]) for name in heading.primary_key)
    return (*orders, *(Order(term) for term in key if term not in present))


def _order_parts(item: str) -> list[str]:
    """The text divided at its commas, but for those inside of parentheses and quotes."""
    if not isinstance(item, str):
        raise InvalidCondition(f"an order is given as text, not by {told(item)}.")
    if "," not in item:
        return [item]
    from sqlglot.errors import TokenError

    from djarrow.expr.dialect import tokenize  # imports sqlglot, which `import djarrow` need not wait for

    try:
        tokens = tokenize(item)
    except TokenError:
        return [item]  # a quote that does not end: the parser of the term says so
    parts, begin, depth = [], 0, 0
    for token in tokens:
        depth += {"L_PAREN": 1, "R_PAREN": -1}.get(token.token_type.name, 0)
        if token.token_type.name == "COMMA" and depth == 0:
            parts.append(item[begin : token.start])
            begin = token.end + 1
    return [*parts, item[begin:]]


_TWO_WORDS = re.compile(r"[\w`)]\s+(\w+)\s*\Z")


def _order_term(text: str, heading: Heading) -> Term:
    try:
        return parse_term(text, heading, where="order_by")
    except InvalidTerm:
        follows = _TWO_WORDS.search(text)
        if follows is None:
            raise
        raise InvalidTerm(
            f"{follows[1]!r} cannot be read here; after an attribute or expression, ASC or DESC may follow.", text=text
        ) from None


def _order_item(item: str, heading: Heading) -> list[Order]:
    direction = _DIRECTION.search(item)
    descending = direction is not None and direction[1].lower() == "desc"
    text = (item[: direction.start()] if direction else item).strip()
    if text.upper() == "KEY" and text not in heading:
        return [Order(column(heading[name]), descending) for name in heading.primary_key]
    term = _order_term(text, heading)
    if aggregates(term):
        raise InvalidTerm("an aggregate cannot order rows; compute it with aggr first.", text=item)
    if not names(term):
        raise InvalidTerm("a constant orders nothing; name an attribute.", text=item)
    return [Order(term, descending)]


def top(source: Node, limit: int | None, order_by: str | Sequence[str] | None, offset: int) -> First:
    """`A & dj.Top(limit, order_by, offset)`."""
    rows = None if limit is None else _row_count("limit", limit)
    return First(source, order_terms(order_by, source.heading), rows, _row_count("offset", offset))


def _row_count(name: str, number: Any) -> int:
    if isinstance(number, bool) or not isinstance(number, Integral) or int(number) < 0:
        raise InvalidCondition(f"{name} is a number of rows from 0 up, not {told(number)}.")
    return int(number)


def ordered(node: Node, order: tuple[Order, ...], limit: int | None, offset: int) -> Node:
    """The same rows in an order, for reading."""
    return First(node, order, limit, offset) if order or limit is not None or offset else node
