"""Parts of JSON attributes in text: the same on both engines, whatever the document holds."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from djarrow.errors import InvalidTerm

from .cases import DOCUMENT, ODD_KEYS
from .conftest import DOCUMENTS, Evaluate


def computed(tables: SimpleNamespace, texts: list[str]) -> Any:
    """All of the texts as computed attributes c0, c1, ..."""
    return tables.Document.proj(**{f"c{number}": text for number, text in enumerate(texts)})


def test_values_of_parts(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """Each text has the stated value, of the stated type: strings, numbers, truth values, nothing, awkward keys."""
    cases = {**DOCUMENT, **ODD_KEYS}
    (row,) = evaluate(computed(tables, list(cases)) & {"id": 1})
    wrong = {
        text: (row[f"c{number}"], wanted)
        for number, (text, wanted) in enumerate(cases.items())
        if row[f"c{number}"] != wanted or type(row[f"c{number}"]) is not type(wanted)
    }
    assert wrong == {}


def test_other_documents(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """What is no number, no truth value, no object, or no document at all is NULL, and breaks no scan."""
    texts = ["doc.age + 0", "doc.ok is true", "doc.list[0]", "doc.obj.x is null", "doc[0]", "doc[1].a", "doc.pi + 0"]
    texts += ["cast(doc.big as signed)", "json_length(doc)", "doc->>'$'", "doc.word"]
    rows = [list(row.values())[1:] for row in evaluate(computed(tables, texts))]
    assert rows[0][:8] == [41.0, True, "10", False, None, None, 3.5, 2**53 + 1]
    assert rows[0][8:] == [len(DOCUMENTS[1]), None, 'Ada "ü"']
    assert rows[1] == [None, True, None, True, None, None, 4.5, None, len(DOCUMENTS[2]), None, None]
    assert rows[2] == [None, False, None, True, None, None, None, None, None, None, None]
    assert rows[3] == [None, False, None, True, "5", "6", None, None, 2, None, None]
    assert rows[4] == [None, False, None, True, None, None, None, None, 1, "plain", None]
    assert rows[5] == [None, False, None, True, None, None, None, None, 0, None, None]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("doc.age > 40", [1]),
        ("doc.age <> 41", []),
        ("doc.age between 40 and 42", [1]),
        ("doc.age in (41, 42)", [1]),
        ("doc.age = 'old'", [2]),
        ("doc.ok", [1, 2]),
        ("doc.ok = true", [1, 2]),
        ("not doc.no", [1]),
        ("doc.pi > 4", [2]),
        ("doc.word like 'Ada%'", [1]),
        ("doc.word is null", [2, 3, 4, 5, 6]),
        ("isnull(doc.list)", [3, 4, 5, 6]),
        ("doc.list is not null", [1, 2]),
        ("doc.nil is null", [1, 2, 3, 4, 5, 6]),
        ("doc.day < '2025'", [1]),
        ("doc->'$.list'->>'$[1]' = 'b'", [1]),
        ("json_value(doc, '$.list[3][1].z') = 7", [1]),
    ],
)
def test_restriction_by_parts(tables: SimpleNamespace, evaluate: Evaluate, text: str, wanted: list[int]) -> None:
    """A part meets a number as a number, a truth value as one, and a string as text."""
    assert [row["id"] for row in evaluate((tables.Document & text).proj())] == wanted
    assert [row["id"] for row in evaluate((tables.Document - text).proj())] == sorted({*DOCUMENTS} - {*wanted})


def test_aggregates_of_parts(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """Aggregates of numbers take a part as a number; min and max of text are those of text."""
    query = tables.Threshold.aggr(
        tables.Document, s="sum(doc.pi)", m="avg(doc.age)", n="count(doc.age)", most="max(doc.age)"
    )
    assert evaluate(query) == [{"s": 8.0, "m": 41.0, "n": 2, "most": "old"}]


def test_json_stays_json(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """`->` gives JSON, which comes out decoded; JSON's null is NULL."""
    query = tables.Document.proj(part="doc->'$.obj'", same="json_extract(doc, '$.obj.x')", nil="doc->'$.nil'")
    assert [(row["part"], row["same"], row["nil"]) for row in evaluate(query)][:3] == [
        (DOCUMENTS[1]["obj"], {"y": "deep"}, None),
        ([1], None, None),
        (None, None, None),
    ]


REFUSED = {
    "id.x": "only a JSON attribute has parts.*JSON attributes here: doc",
    "document.id": "named without a table",
    "doc.list[-1]": "from 0",
    "doc.list[id]": "one position",
    "doc.list[1:2]": "one position",
    "doc.list[1.5]": "no position",
    "doc->'$..a'": "cannot be read",
    "doc->'$[*]'": "cannot be read",
    "doc->>'$.a[last]'": "cannot be read",
    "doc->>id": "as a string",
    "json_value(doc, 'age')": "does not begin with",
    "json_value(doc)": "takes 2 arguments",
    "json_extract(id, '$.a')": "cannot be applied",
    "id->>'$.a'": "cannot be applied",
    "doc = doc": "json",
    "doc.age + doc": "cannot be applied",
    "(doc).age": "only of a JSON attribute|cannot be read",
    "doc->>'$.\"\\\\ud800\"'": "surrogate",
}


@pytest.mark.parametrize(("text", "words"), REFUSED.items())
def test_refused(tables: SimpleNamespace, text: str, words: str) -> None:
    """What is no path into a JSON attribute is refused when it is written, with a hint."""
    with pytest.raises(InvalidTerm, match=words):
        tables.Document.proj(v=text)
