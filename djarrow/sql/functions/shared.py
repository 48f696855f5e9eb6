"""What builds a function, and the shapes that functions of any family have."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from djarrow.expr.functions import DATETIME
from djarrow.expr.terms import Call, Term
from djarrow.model.types import AttributeType, Family
from djarrow.sql.dialects import Dialect
from djarrow.sql.forms import form
from djarrow.sql.tree import Build, Expression, cast, chain, choose, closed, in_utc, typed

Forms = Mapping[Dialect, str]


def forms(postgres: str, duckdb: str | None = None, spark: str | None = None) -> Forms:
    """A form for each engine; where none is stated, that of the one before it."""
    second = postgres if duckdb is None else duckdb
    return {
        Dialect.POSTGRES: postgres,
        Dialect.DUCKDB: second,
        Dialect.SPARK: second if spark is None else spark,
    }


def written(
    postgres: str,
    duckdb: str | None = None,
    spark: str | None = None,
    *,
    takes: AttributeType | None = None,
    casts: bool = False,
) -> Build:
    """A function as its form says. takes: the type to which arguments are brought before. casts: the engine's own
    result may be of another type than stated.
    """
    texts = forms(postgres, duckdb, spark)

    def build(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
        if takes is not None:
            nodes = [typed(t, n, takes, dialect) for t, n in zip(call.arguments, nodes, strict=True)]
        node = form(texts[dialect], *nodes)
        return cast(node, call.type, dialect) if casts else node

    return build


def by_engine(postgres: Build, duckdb: Build, spark: Build) -> Build:
    """A builder for each engine, where more than a form differs."""
    builders = {Dialect.POSTGRES: postgres, Dialect.DUCKDB: duckdb, Dialect.SPARK: spark}
    return lambda call, nodes, dialect: builders[dialect](call, nodes, dialect)


def plain(name: str) -> Build:
    """The function of the same meaning under this name."""
    return lambda call, nodes, _: form(f"{name}({_holes(len(call.arguments))})", *nodes)


def casting(name: str) -> Build:
    """A function whose own result is of another type than stated."""
    return lambda call, nodes, dialect: cast(plain(name)(call, nodes, dialect), call.type, dialect)


def _holes(count: int) -> str:
    return ", ".join(f"{{{number}}}" for number in range(count))


def null_where_any_is(call: Call, nodes: list[Expression], found: Expression) -> Expression:
    """The expression, and NULL where an argument is, which the engine's own would pass over."""
    absent = [
        exp.Is(this=closed(node.copy()), expression=exp.Null())
        for term, node in zip(call.arguments, nodes, strict=True)
        if term.nullable
    ]
    return choose(chain(exp.Or, absent), exp.Null(), found) if absent else found


def day_and_time(term: Term, node: Expression, dialect: Dialect) -> Expression:
    """A date or moment as day and time without zone, of UTC."""
    if term.type.family is Family.TIMESTAMP and dialect is Dialect.POSTGRES:
        return in_utc(term, node, dialect)
    return typed(term, node, DATETIME, dialect)


__all__ = [
    "Build",
    "Forms",
    "by_engine",
    "casting",
    "day_and_time",
    "form",
    "forms",
    "null_where_any_is",
    "plain",
    "written",
]
