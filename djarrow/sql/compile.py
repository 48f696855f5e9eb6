"""Query -> text: the statements that read, count and ask for rows, each compiled once for all constants.

A node becomes a SELECT that is assembled (assembly.py), that a tree of the SQL generator, and that a template of text.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from attrs import frozen
from sqlglot import exp

from djarrow.errors import QueryError
from djarrow.expr.nodes import Node
from djarrow.expr.structure import take_apart
from djarrow.sql.assembly import Assembly
from djarrow.sql.dialects import Dialect
from djarrow.sql.select import aliased, quoted_name
from djarrow.sql.template import Template
from djarrow.sql.tree import chain, function


@frozen
class Compiled:
    """A statement: its template, and the constants that go into it."""

    template: Template
    constants: tuple[Any, ...]

    @property
    def text(self) -> str:
        """The text with the constants in it as typed literals."""
        return self.template.filled(self.constants)


def select(node: Node, dialect: Dialect, columns: tuple[str, ...] | None = None, *, pretty: bool = False) -> Compiled:
    """The SELECT that reads a query: all of its attributes, or these in this order."""
    return _memoised(_select, node, dialect, columns, pretty)


def source(node: Node, dialect: Dialect, columns: tuple[str, ...]) -> Compiled:
    """The SELECT of a query that another statement reads: its columns have the types that they are computed in."""
    return _memoised(_source, node, dialect, columns)


def count(node: Node, dialect: Dialect) -> Compiled:
    """The SELECT that counts the rows of a query, as `n`."""
    return _memoised(_count, node, dialect)


def exists(node: Node, dialect: Dialect) -> Compiled:
    """The SELECT that asks whether a query has any row, as `found`."""
    return _memoised(_exists, node, dialect)


def deleting(node: Node) -> Compiled:
    """DELETE of the rows of a table where conditions hold, and nothing else was done. The table is `t1` in it."""
    return _memoised(_deleting, node)


def _memoised(write: Any, node: Node, *arguments: Any) -> Compiled:
    """The template depends on the structure of a query alone, so that one entry serves reads that differ in a key."""
    try:
        query = take_apart(node)
        return Compiled(_template(write, query.structure, *arguments), query.constants)
    except RecursionError:
        raise QueryError("the query has too many steps inside each other to be written as SQL.") from None


@lru_cache(maxsize=512)
def _template(write: Any, structure: Node, *arguments: Any) -> Template:
    template: Template = write(structure, *arguments)
    return template


def forget() -> None:
    """Compile everything anew from now on: for whoever measures what that costs."""
    _template.cache_clear()


def _select(node: Node, dialect: Dialect, columns: tuple[str, ...] | None, pretty: bool) -> Template:
    assembly = Assembly(dialect)
    found = assembly.select(node)
    chosen = node.heading.names if columns is None else columns
    listing = [assembly.output(name, found.columns[name], node.heading[name].type) for name in chosen]
    return assembly.finish(found.select(listing), pretty=pretty)


def _source(node: Node, dialect: Dialect, columns: tuple[str, ...]) -> Template:
    assembly = Assembly(dialect)
    found = assembly.select(node)
    return assembly.finish(found.select([aliased(found.columns[name].copy(), name) for name in columns]), pretty=True)


def _count(node: Node, dialect: Dialect) -> Template:
    assembly = Assembly(dialect)
    found = assembly.opened(assembly.select(node))
    total = exp.Alias(this=function("COUNT", exp.Star()), alias=quoted_name("n"))
    return assembly.finish(found.select([total]))


def _exists(node: Node, dialect: Dialect) -> Template:
    assembly = Assembly(dialect)
    inner = assembly.select(node).select([])
    answer = exp.Alias(this=exp.Exists(this=inner), alias=quoted_name("found"))
    return assembly.finish(exp.Select(expressions=[answer]))


def _deleting(node: Node) -> Template:
    assembly = Assembly(Dialect.POSTGRES)
    found = assembly.select(node)
    where = exp.Where(this=chain(exp.And, found.where)) if found.where else None
    return assembly.finish(exp.Delete(this=found.source, where=where))
