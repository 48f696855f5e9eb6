"""The SQL of some queries, kept in files beside which a change shows: tests/sql/<name>.<dialect>.sql.

DJARROW_REWRITE_SQL=1 writes the files anew; read what changed before it is kept.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from djarrow.expr.nodes import Node
from djarrow.expr.operators import (
    aggregate,
    aggregate_universal,
    distinct,
    extend,
    join,
    negate,
    project,
    restrict,
    text_condition,
    union,
)
from djarrow.expr.order import order_terms, ordered, top
from djarrow.sql.compile import count, exists, select
from djarrow.sql.dialects import Dialect
from djarrow.table.conditions import AndList, Not, to_condition

FOLDER = Path(__file__).parents[2] / "sql"
REWRITE = os.environ.get("DJARROW_REWRITE_SQL") == "1"


def where(node: Node, *given: Any) -> Node:
    """Restricted by each of these."""
    for condition in given:
        node = restrict(node, to_condition(condition, node))
    return node


def but(node: Node, text: str) -> Node:
    """The complement of a condition as text."""
    return restrict(node, negate(text_condition(text, node.heading)))


def matching(node: Node, other: Node, *, complement: bool = False) -> Node:
    """Restricted by another query, or by its complement."""
    from djarrow.expr.operators import matching as matches

    condition = matches(node, other)
    return restrict(node, negate(condition) if complement else condition)


def counts(lab: SimpleNamespace) -> Node:
    """Sessions with the number of their trials."""
    return aggregate(lab.Session, lab.Trial, n="count(*)", best="min(rt)")


QUERIES: dict[str, Callable[[SimpleNamespace], Node]] = {
    "table": lambda lab: lab.Subject,
    "restrict_text": lambda lab: where(lab.Session, "x > 1.5 and day >= '2024-01-01' or method is null", "session < 5"),
    "restrict_complement": lambda lab: but(lab.Session, "x > 0"),
    "restrict_mapping": lambda lab: where(lab.Session, {"subject_id": 3, "method": None, "day": "2024-02-29"}),
    "restrict_rows": lambda lab: where(lab.Session, [{"subject_id": 1, "session": 2}, {"subject_id": 3, "session": 4}]),
    "restrict_lists": lambda lab: where(lab.Session, ["x > 1", AndList([{"session": 1}, Not("x < 0")]), False]),
    "restrict_by_table": lambda lab: matching(lab.Session, where(lab.Trial, "correct = 1")),
    "restrict_by_complement_of_table": lambda lab: matching(lab.Session, lab.Method, complement=True),
    "restrict_nothing_shared": lambda lab: matching(lab.Session, lab.Limits),
    "project": lambda lab: project(lab.Session, "day", who="subject_id", copy="(session)", y="x * 2"),
    "project_of_computed": lambda lab: where(project(project(lab.Session, y="x + 1"), z="y * y"), "z > 4"),
    "join": lambda lab: join(join(lab.Session, lab.Subject), where(lab.Trial, "rt > 0.1")),
    "join_right_nested": lambda lab: join(lab.Method, join(lab.Trial, project(lab.Session, "method"))),
    "join_renamed": lambda lab: join(
        join(lab.Pair, project(lab.Subject, first="subject_id", first_name="name")),
        project(lab.Subject, second="subject_id", second_name="name"),
    ),
    "join_nothing_shared": lambda lab: join(lab.Method, lab.Limits),
    "aggregate": lambda lab: aggregate(lab.Session, lab.Trial, "day", n="count(*)", share="sum(correct) / count(*)"),
    "aggregate_of_restricted": lambda lab: aggregate(
        where(lab.Subject, "name like 'A%'"), where(lab.Session, "x > 0"), m="max(x)", days="count(distinct day)"
    ),
    "aggregate_with_attributes_of_groups": lambda lab: aggregate(
        lab.Subject, lab.Session, heavy="sum(x * weight)", per="count(*) / weight"
    ),
    "aggregate_of_aggregate": lambda lab: aggregate(lab.Subject, counts(lab), total="sum(n)"),
    "aggregate_of_singleton": lambda lab: aggregate(lab.Limits, lab.Session, n="count(*)"),
    "aggregate_restricted_and_joined": lambda lab: join(lab.Method, where(
        aggregate(lab.Session, lab.Trial, "method", n="count(*)"), "n > 1")),
    "aggregate_of_matching": lambda lab: aggregate(lab.Session, lab.Trial, n="count(*)", exclude_nonmatching=True),
    "left_join": lambda lab: extend(where(lab.Session, "x > 0"), project(lab.Subject, "name", heavy="weight > 2")),
    "left_join_of_restricted": lambda lab: where(extend(lab.Trial, where(lab.Session, "x > 0")), "x is null"),
    "union_of_keys": lambda lab: union(project(where(lab.Session, "x > 0")), project(lab.Session)),
    "union": lambda lab: where(union(project(where(lab.Session, "x > 0"), "day"), project(lab.Session, "x")), "x > 1"),
    "universal": lambda lab: distinct(["method", "day"], where(lab.Session, "x > 0")),
    "universal_of_computed": lambda lab: distinct(["y"], project(lab.Session, y="year(day)")),
    "universal_without_names": lambda lab: distinct([], lab.Session),
    "universal_aggregate": lambda lab: aggregate_universal(["method"], where(lab.Session, "x > 0"), n="count(*)"),
    "universal_aggregate_joined": lambda lab: join(
        lab.Method, aggregate_universal(["method"], join(lab.Session, lab.Subject), w="max(weight)")),
    "universal_aggregate_of_all": lambda lab: aggregate_universal([], lab.Session, n="count(*)"),
    "restrict_frame": lambda lab: where(lab.Session, pl.DataFrame(
        {"method": ["a", None, 'O\'N "\\'], "session": [1, 2, 3], "elsewhere": [0, 0, 0]})),
    "top": lambda lab: top(where(lab.Session, "x > 0"), 5, ["x DESC", "KEY"], 10),
    "top_restricted_later": lambda lab: where(top(lab.Session, 5, "x", 0), "session = 1"),
    "top_joined": lambda lab: join(top(lab.Subject, 2, "name", 0), lab.Session),
    "top_of_top": lambda lab: top(top(lab.Session, 5, "x DESC", 0), 2, None, 3),
    "strings": lambda lab: where(lab.Subject, "name = 'O\\'Neil \\\\ \"x\" %s; --' or name in ('a', \"b\")"),
    "exact_types": lambda lab: project(lab.Pair, bigger="big + 1", share="big / 3", rest="big % 7", whole="big div 7"),
    "functions": lambda lab: project(
        lab.Trial,
        r="round(rt, 2)", p="power(rt, 0.5)", s="if(correct, 'yes', 'no')", y="year(moment)", d="dayofweek(moment)",
        c="concat(session, '-', trial)", g="greatest(rt, 1)", l="log2(rt)", f="left(cast(trial as char), trial)",
    ),
    "patterns": lambda lab: where(lab.Subject, "name like 'a\\%b%' or name ilike '_b' or name not regexp '^[a-c]'"),
    "strings_by_order": lambda lab: top(where(lab.Subject, "name >= 'b' and name = 'c'"), 2, "name DESC", 0),
    "moments": lambda lab: project(
        lab.Trial, later="moment + interval 1 month", back="moment - interval trial day", weeks="timestampdiff(week, "
        "'2024-01-01', moment)", months="timestampdiff(month, '2024-01-01', moment)",
        start="date_trunc('hour', moment)", shown="date_format(moment, 'on %d.%m.%Y')", recent="moment > now()",
    ),
    "documents": lambda lab: where(
        project(lab.Note, "doc", text="doc.a.b", entry="doc->>'$.list[0]'", part="doc->'$.a'"), "doc.age > 5 or doc.ok"
    ),
    "aggregates": lambda lab: aggregate(
        lab.Subject, lab.Session, days="group_concat(distinct day order by day desc separator ', ')",
        methods="group_concat(distinct method)", middle="median(x)", most="percentile(x, 0.9)", last="max(method)",
        late="count_if(day > '2024-01-01')", slope="regr_slope(x, session)",
    ),
    "precedence": lambda lab: where(
        lab.Session, "not (x > 1 or session = 2) and -(x - (session - 1)) * 2 < (x + 1) / 2"
    ),
}  # fmt: skip


@pytest.mark.parametrize("dialect", list(Dialect))
@pytest.mark.parametrize("name", list(QUERIES))
def test_text_of_queries(lab: SimpleNamespace, name: str, dialect: Dialect) -> None:
    """Each query is written as it stands in its file."""
    check(f"{name}.{dialect.value}.sql", select(QUERIES[name](lab), dialect, pretty=True).text)


@pytest.mark.parametrize("dialect", list(Dialect))
def test_text_of_counts_and_the_like(lab: SimpleNamespace, dialect: Dialect) -> None:
    """Counting, asking for existence, and reading some columns in an order, as they stand in their file."""
    node = where(top(lab.Session, 3, "x DESC", 0), "session = 1")
    in_order = ordered(lab.Pair, order_terms("KEY DESC", lab.Pair.heading), 7, 1)
    texts = [count(node, dialect).text, exists(node, dialect).text, select(in_order, dialect, ("big", "first")).text]
    check(f"reading.{dialect.value}.sql", "\n\n".join(texts))


def check(name: str, text: str) -> None:
    """Compare with the file, or write it."""
    path = FOLDER / name
    if REWRITE:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text + "\n")
    assert path.read_text() == text + "\n", f"{name} differs; look, and set DJARROW_REWRITE_SQL=1 if it is right"


def test_no_file_without_a_query() -> None:
    """The folder holds nothing but the texts of these queries."""
    wanted = {f"{name}.{dialect.value}.sql" for name in (*QUERIES, "reading") for dialect in Dialect}
    assert {path.name for path in FOLDER.iterdir()} == wanted
