"""Strings are in the order of their code points, and an index of them serves that order."""

from __future__ import annotations

import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection


@pytest.fixture
def words(schema: dj.Schema) -> type[dj.Manual]:
    """A table with a string for a key, filled."""

    @schema
    class Words(dj.Manual):
        definition = "word : varchar(20)\nkind : enum('b', 'B', 'a')\n---\nnote : varchar(10)"

    Words.insert([(word, "a", "") for word in ("b", "B", "a", "é", "Z", "_", "\U0001f600", "ﬀ", "aa", "")])
    return Words


def test_order(words: type[dj.Manual]) -> None:
    """Rows in order, comparisons and extremes go by code points, as Python compares strings."""
    stored = words.fetch("word", order_by="word").tolist()
    assert stored == sorted(stored)
    assert words.fetch("word", order_by="word DESC").tolist() == sorted(stored, reverse=True)
    assert set((words & "word < 'a'").fetch("word")) == {word for word in stored if word < "a"}
    assert set((words & "word between 'B' and 'b'").fetch("word")) == {word for word in stored if "B" <= word <= "b"}
    extremes = dj.U().aggr(words, low="min(word)", high="max(word)", both="group_concat(word)").fetch1()
    assert extremes == {"low": "", "high": max(stored), "both": ",".join(stored)}


@pytest.mark.parametrize("query", ["order", "range", "equality"])
def test_the_index_serves_it(words: type[dj.Manual], connection: PostgresConnection, query: str) -> None:
    """The primary key's index is read for the first rows in order, for a range and for a value."""
    words.insert([(f"w{number}", "a", "") for number in range(20_000)])
    queries = {
        "order": words & dj.Top(3, order_by="word"),
        "range": words & "word between 'w5' and 'w51'",
        "equality": words & "word = 'w77'",
    }
    plan = connection.query("EXPLAIN " + queries[query].to_sql("postgres", pretty=False)).column(0).to_pylist()
    assert any("Index" in line for line in plan), plan
