"""Compiling: values beside the text, the memo, limits. What the text is, the snapshots hold."""

from __future__ import annotations

import gc
import re
import weakref
from types import SimpleNamespace
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from djarrow.errors import QueryError
from djarrow.expr import structure
from djarrow.expr.conditions import Matches
from djarrow.expr.nodes import Node, Rows
from djarrow.expr.operators import join, project, restrict, text_condition
from djarrow.expr.order import top
from djarrow.model.heading import Heading
from djarrow.sql.compile import forget, select
from djarrow.sql.dialects import Dialect
from djarrow.table.conditions import Not, to_condition


def where(node: Node, given: Any) -> Node:
    """Restricted by this."""
    return restrict(node, to_condition(given, node))


def test_values_travel_beside_the_text(lab: SimpleNamespace) -> None:
    """The template has holes with types, and the values that conditions compare with stand beside it."""
    node = restrict(lab.Subject, text_condition("name = 'x' and subject_id > 7", lab.Subject.heading))
    compiled = select(node, Dialect.POSTGRES)
    assert not any("'x'" in piece for piece in compiled.template.pieces)
    assert compiled.constants == ("x", 7)
    assert "'x'" in compiled.text


def test_a_value_that_looks_like_a_mark(lab: SimpleNamespace) -> None:
    """Text in values is never looked at again: digits, backslashes and group references stay."""
    node = restrict(lab.Subject, to_condition({"name": r"\g<0> \1 0"}, lab.Subject))
    assert r"'\g<0> \1 0'" in select(node, Dialect.POSTGRES).text


def test_the_same_query_gives_the_same_text(lab: SimpleNamespace) -> None:
    """Aliases are numbered per query, and an equal query is compiled once."""
    first = restrict(join(lab.Session, lab.Subject), text_condition("x > 1", lab.Session.heading))
    second = restrict(join(lab.Session, lab.Subject), text_condition("x > 1", lab.Session.heading))
    assert select(first, Dialect.POSTGRES).template is select(second, Dialect.POSTGRES).template
    assert select(first, Dialect.POSTGRES).template is not select(first, Dialect.DUCKDB).template


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"subject_id": 1, "session": 2}, {"subject_id": 3, "session": 4}),
        ("x > 1 and method in ('a', 'b')", "x > 22 and method in ('c', 'd')"),
        ("day between '2024-01-01' and '2024-02-01'", "day between '2023-01-01' and '2023-02-01'"),
        ([{"subject_id": 1}, {"subject_id": 2}], [{"subject_id": number} for number in range(100)]),
        (pl.DataFrame({"session": [1]}), pl.DataFrame({"session": [2, 3], "other": ["a", "b"]})),
        (Not({"session": 1}), Not({"session": 2})),
    ],
)
def test_queries_that_differ_in_constants_share_a_template(lab: SimpleNamespace, one: Any, other: Any) -> None:
    """Reads of one key after the other are compiled once, and each gets its own constants."""
    nodes = [restrict(lab.Session, to_condition(given, lab.Session)) for given in (one, other)]
    first, second = (select(node, Dialect.POSTGRES) for node in nodes)
    assert first.template is second.template
    assert first.text != second.text


def test_constants_that_decide_what_is_written_do_not_share(lab: SimpleNamespace) -> None:
    """A constant inside of a function belongs to the structure, because its value can decide what is written."""
    nodes = [where(lab.Subject, f"substring(name, {start}) = 'x'") for start in (1, -1)]
    first, second = (select(node, Dialect.POSTGRES) for node in nodes)
    assert first.template is not second.template
    assert first.constants == second.constants == ("x",)


def test_the_constants_of_a_query_used_twice(lab: SimpleNamespace) -> None:
    """Each operand keeps its own constants, also where both are the same query."""
    some = where(lab.Subject, {"subject_id": 7})
    text = select(join(some, project(some)), Dialect.POSTGRES).text
    assert text.count("7") == 2, text


def test_what_is_remembered_goes_with_the_query(lab: SimpleNamespace) -> None:
    """The rows of a long list are kept by the query alone: the memo holds its structure."""
    rows = pa.table({"subject_id": pa.array(range(1000), pa.uint32())})
    condition = to_condition(rows, lab.Subject)
    assert isinstance(condition, Matches)
    assert isinstance(condition.other, Rows)
    alive = weakref.ref(condition.other.table)
    text = select(restrict(lab.Subject, condition), Dialect.POSTGRES).text
    assert "999" in text
    del condition
    gc.collect()
    assert alive() is None


def test_negative_zero_is_not_zero(lab: SimpleNamespace) -> None:
    """Queries that differ in the sign of a zero only are two."""
    texts = [select(project(lab.Session, y=f"x + {zero}"), Dialect.POSTGRES).text for zero in ("0e0", "-0e0")]
    assert texts[0] != texts[1]


def test_only_the_columns_asked_for(lab: SimpleNamespace) -> None:
    """Columns come in the order asked for, and what is not asked for is not read."""
    text = select(lab.Subject, Dialect.DUCKDB, ("name", "subject_id")).text
    assert text == 'SELECT t1."name", t1."subject_id" FROM "lab"."subject" AS t1'


def test_names_are_quoted(lab: SimpleNamespace) -> None:
    """Every name of a table or attribute stands in quotes, whatever word it is."""
    node = project(join(lab.Session, lab.Subject), user="name", order="x + 1")
    for dialect in Dialect:
        text = select(node, dialect).text
        quote = "`" if dialect is Dialect.SPARK else '"'
        assert f"AS {quote}user{quote}" in text
        assert f"AS {quote}order{quote}" in text
        assert not re.search(rf"\b(?:name|x|subject_id|session)\b(?!{quote})", text)


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


def test_queries_that_are_gone_are_forgotten(lab: SimpleNamespace) -> None:
    """What is remembered of a query does not keep it alive, whether or not it has constants."""
    alive = []
    for given in ("x > 1", "x is null"):
        node = project(where(lab.Session, given), y="x + 1")
        assert select(node, Dialect.POSTGRES).text
        assert select(node, Dialect.POSTGRES).text
        alive.append(weakref.ref(node))
        del node
    known = len(structure._taken_apart)
    forget()  # the memo of templates holds structures, the last 512 of them
    gc.collect()
    assert [ref() for ref in alive] == [None, None]
    assert len(structure._taken_apart) < known
