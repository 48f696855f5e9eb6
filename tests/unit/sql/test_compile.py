"""Compiling: values beside the text, the memo, limits. What the text is, the snapshots hold."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

from djarrow.errors import QueryError
from djarrow.expr.operators import join, project, restrict, text_condition, top
from djarrow.model.heading import Heading
from djarrow.sql import compile as compiler
from djarrow.sql.compile import MEMOISED_ROWS, select
from djarrow.sql.dialects import Dialect
from djarrow.table.conditions import to_condition


def test_values_travel_beside_the_text(lab: SimpleNamespace) -> None:
    """The text has numbered marks, and the values stand beside it with their types."""
    node = restrict(lab.Subject, text_condition("name = 'x' and subject_id > 7", lab.Subject.heading))
    compiled = select(node, Dialect.POSTGRES)
    assert "'x'" not in compiled.marked
    assert [value for value, _ in compiled.values] == ["x", 7]
    assert "'x'" in compiled.text


def test_a_value_that_looks_like_a_mark(lab: SimpleNamespace) -> None:
    """Text in values is never looked at again: digits, backslashes and group references stay."""
    node = restrict(lab.Subject, to_condition({"name": r"\g<0> \1 0"}, lab.Subject))
    assert r"'\g<0> \1 0'" in select(node, Dialect.POSTGRES).text


def test_the_same_query_gives_the_same_text(lab: SimpleNamespace) -> None:
    """Aliases are numbered per query, and an equal query is compiled once."""
    first = restrict(join(lab.Session, lab.Subject), text_condition("x > 1", lab.Session.heading))
    second = restrict(join(lab.Session, lab.Subject), text_condition("x > 1", lab.Session.heading))
    assert select(first, Dialect.POSTGRES) is select(second, Dialect.POSTGRES)
    assert select(first, Dialect.POSTGRES) is not select(first, Dialect.DUCKDB)


def test_negative_zero_is_not_zero(lab: SimpleNamespace) -> None:
    """Queries that differ in the sign of a zero only are two."""
    texts = [select(project(lab.Session, y=f"x + {zero}"), Dialect.POSTGRES).text for zero in ("0e0", "-0e0")]
    assert texts[0] != texts[1]


def test_many_rows_are_not_memoised(lab: SimpleNamespace) -> None:
    """A query by a long list is compiled each time, because the memo would keep all of the list."""
    rows = [{"subject_id": number} for number in range(MEMOISED_ROWS + 1)]
    node = restrict(lab.Subject, to_condition(rows, lab.Subject))
    before = compiler._compiled.cache_info().currsize
    assert select(node, Dialect.POSTGRES) is not select(node, Dialect.POSTGRES)
    assert compiler._compiled.cache_info().currsize == before


def test_only_the_columns_asked_for(lab: SimpleNamespace) -> None:
    """Columns come in the order asked for, and what is not asked for is not read."""
    text = select(lab.Subject, Dialect.DUCKDB, ("name", "subject_id")).text
    assert text == 'SELECT t1."name", t1."subject_id" FROM "lab"."subject" AS t1'


def test_names_are_quoted(lab: SimpleNamespace) -> None:
    """Every name of a table or attribute stands in quotes, whatever word it is."""
    node = project(join(lab.Session, lab.Subject), user="name", order="x + 1")
    for dialect in Dialect:
        text = select(node, dialect).text
        assert re.search(r'AS "user"', text)
        assert re.search(r'AS "order"', text)
        assert not re.search(r'\b(?:name|x|subject_id|session)\b(?!")', text)


def test_too_deep(lab: SimpleNamespace) -> None:
    """A query of thousands of steps inside each other is refused by name."""
    node = lab.Session
    for _ in range(3000):
        node = top(node, 5, "KEY", 0)
    with pytest.raises(QueryError, match="steps"):
        select(node, Dialect.POSTGRES)


@pytest.mark.parametrize("text", ["+".join(["session"] * 100), "not " * 60 + "x > 1", "abs(" * 15 + "x" + ")" * 15])
def test_what_can_be_read_can_be_written(lab: SimpleNamespace, text: str) -> None:
    """The deepest expressions that are read are written too."""
    for dialect in Dialect:
        assert len(select(project(lab.Session, y=text), dialect).text) > len(text)


def test_an_empty_heading(lab: SimpleNamespace) -> None:
    """A query without attributes still has rows."""
    node = project(lab.Limits)
    assert node.heading == Heading((), ())
    assert select(node, Dialect.POSTGRES).text == 'SELECT 1 FROM "lab"."#limits" AS t1'
