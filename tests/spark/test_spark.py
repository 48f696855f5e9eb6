"""What the functions of text give on a real Spark over exported files: the values stated for the other engines."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.table.expression import QueryExpression
from tests.described import drop_schemas
from tests.engine.queries.cases import AGGREGATES, DOCUMENT, ODD, ORDINARY
from tests.engine.queries.conftest import declare

from .conftest import rows_of, with_tables

SCHEMA = "queries_for_spark"
Evaluate = Callable[[QueryExpression], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def tables(connection: PostgresConnection) -> Iterator[SimpleNamespace]:
    """The tables of the suite of queries."""
    drop_schemas(connection, SCHEMA)
    yield declare(dj.Schema(SCHEMA, connection=connection))
    drop_schemas(connection, SCHEMA)


@pytest.fixture(scope="module")
def evaluate(session: Any, tables: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Evaluate:
    """Runs a query on Spark, over the exported tables."""
    folder = tmp_path_factory.mktemp("spark") / "repository"
    dj.export([getattr(tables, name) for name in ("Subject", "Session", "Trial", "Document", "Kinds")], folder)
    with_tables(session, folder, [SCHEMA])
    return lambda query: rows_of(session, query)


def same(found: Any, wanted: Any) -> bool:
    """Equal, of the same type, and for floats equal but for the last digits."""
    if isinstance(wanted, float) and isinstance(found, float):
        return (math.isnan(found) and math.isnan(wanted)) or math.isclose(found, wanted, rel_tol=1e-12, abs_tol=1e-12)
    return type(found) is type(wanted) and bool(found == wanted)


def differing(evaluate: Evaluate, query: Callable[[dict[str, str]], QueryExpression], cases: dict[str, Any]) -> Any:
    """The texts that have another value on Spark than stated."""
    texts = {f"c{number}": text for number, text in enumerate(cases)}
    (row,) = evaluate(query(texts))
    return {text: (row[name], cases[text]) for name, text in texts.items() if not same(row[name], cases[text])}


FINAL_SIGMA = {"lower('ÉÜΣΟΣ')": "éüσος"}
"""Where Spark has its own letters, as docs/functions.md says: a small sigma at the end of a word."""


def test_values_of_an_ordinary_row(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """Each text over the row of ordinary values has the stated value."""
    assert differing(evaluate, lambda texts: (tables.Kinds & {"id": 1}).proj(**texts), ORDINARY | FINAL_SIGMA) == {}


def test_values_at_the_edges(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """So has each over the row of extremes."""
    assert differing(evaluate, lambda texts: (tables.Kinds & {"id": 2}).proj(**texts), ODD) == {}


def test_parts_of_json(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """And each part of a JSON attribute."""
    assert differing(evaluate, lambda texts: (tables.Document & {"id": 1}).proj(**texts), DOCUMENT) == {}


def test_aggregates(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """And each aggregate. Those of joined text go one by one: Spark 4.1 to 4.3 cannot plan one beside a DISTINCT."""
    first = tables.Subject & {"subject_id": 1}
    joined = {
        text: {text: wanted} for text, wanted in AGGREGATES.items() if "_concat(" in text or "string_agg(" in text
    }
    others = {text: wanted for text, wanted in AGGREGATES.items() if text not in joined}
    for cases in (others, *joined.values()):
        assert differing(evaluate, lambda texts: first.aggr(tables.Session, **texts), cases) == {}


def test_values_of_every_type(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """Stored values come back as they are, of the declared types; UUIDs and JSON are text in the files."""
    text = {"tag", "doc"}
    query = tables.Kinds & {"id": 1}
    (found,), (wanted,) = evaluate(query), query.to_dicts()
    assert {n: v for n, v in found.items() if n not in text} == {n: v for n, v in wanted.items() if n not in text}
    assert found["tag"] == str(wanted["tag"])
    assert (tables.Kinds & {"tag": wanted["tag"]}).to_sql("spark").count(str(wanted["tag"])) == 1


def test_values_as_literals(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """A restriction by every value of a row finds the row: literals of all types are read as what they are."""
    (row,) = (tables.Kinds & {"id": 1}).to_dicts()
    del row["doc"]
    assert [found["id"] for found in evaluate((tables.Kinds & row).proj())] == [1]


@pytest.mark.parametrize(
    "hostile", ["'; DROP TABLE x; --", "\\", "a\\'b", "''", "%s ${x} {0}", "ü\U0001f600", "a\nb\t\\n"]
)
def test_strings_come_back_as_they_went(tables: SimpleNamespace, evaluate: Evaluate, hostile: str) -> None:
    """A string in text is a value, whatever is in it."""
    written = hostile.replace("\\", "\\\\").replace("'", "\\'")
    assert evaluate((tables.Kinds & {"id": 1}).proj(v=f"'{written}'")) == [{"id": 1, "v": hostile}]


def test_operators_of_the_algebra(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """Joins, restrictions by queries, aggregation and the first rows give what the server gives."""
    counts = tables.Session.aggr(tables.Trial, ..., n="count(*)")
    for query in (
        tables.Session * tables.Subject,
        tables.Session & (tables.Trial & "rt > 0.3"),
        tables.Session - tables.Trial,
        tables.Session & [{"subject_id": 1, "session": 2}, {"subject_id": 3, "session": 1}],
        tables.Subject.aggr(counts, total="sum(n)"),
        tables.Session & dj.Top(3, order_by="x DESC"),
        counts & "n > 1",
    ):
        order = list(query.primary_key)
        assert sorted(evaluate(query), key=lambda row: [row[k] for k in order]) == query.to_dicts(order_by="KEY")
