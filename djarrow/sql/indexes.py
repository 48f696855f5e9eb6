"""Expressions of indexes: the text of a definition -> SQL, read and written as those of queries are."""

from __future__ import annotations

from sqlglot import exp

from djarrow.expr.parse import parse_index_term
from djarrow.model.heading import Heading
from djarrow.sql.dialects import Dialect
from djarrow.sql.forms import writer
from djarrow.sql.template import Values
from djarrow.sql.terms import render


def index_term(expression: str, heading: Heading) -> str:
    """The SQL of an expression in parentheses: `(year(born))`. Raises UnknownAttribute or InvalidTerm."""
    columns = {a.name: exp.Column(this=exp.Identifier(this=a.name, quoted=True)) for a in heading}
    values = Values()
    tree = render(parse_index_term(expression, heading), columns, values, Dialect.POSTGRES)
    text = tree.sql(writer(Dialect.POSTGRES), copy=False)
    return f"({values.template(text, Dialect.POSTGRES).filled(())})"
