"""Restriction by rows that the user holds: frames, records, lists of mappings. Design section 6; 001 8.6.5."""

from __future__ import annotations

import datetime
import decimal
import uuid
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import djarrow as dj
from djarrow.errors import InvalidCondition
from djarrow.expr.nodes import Rows
from djarrow.frame.columns import from_values
from djarrow.frame.problems import raising
from djarrow.model.heading import Attribute, Heading
from djarrow.model.types import core
from djarrow.table.expression import QueryExpression
from tests.each_type import CASES, same

from .conftest import Evaluate

ROWS = {"subject_id": [1, 3, 9], "session": [2, 1, 1], "other": ["a", "b", "c"]}


def _records() -> Any:
    kind = np.dtype([("subject_id", "i8"), ("session", "i2"), ("other", "U1")])
    return np.array(list(zip(*ROWS.values(), strict=True)), kind)


FORMS: dict[str, Callable[[], Any]] = {
    "polars": lambda: pl.DataFrame(ROWS),
    "lazy": lambda: pl.LazyFrame(ROWS),
    "arrow": lambda: pa.table(ROWS),
    "batch": lambda: pa.table(ROWS).to_batches()[0],
    "pandas": lambda: pd.DataFrame(ROWS),
    "pandas with an index": lambda: pd.DataFrame(ROWS).set_index(["subject_id", "session"]),
    "records": _records,
    "recarray": lambda: _records().view(np.recarray),
    "list of records": lambda: list(_records()),
    "mappings": lambda: pl.DataFrame(ROWS).to_dicts(),
    "tuple": lambda: tuple(pl.DataFrame(ROWS).to_dicts()),
    "reader": lambda: pa.RecordBatchReader.from_batches(pa.table(ROWS).schema, pa.table(ROWS).to_batches()),
}


@pytest.mark.parametrize("form", list(FORMS))
def test_any_of_the_rows(tables: SimpleNamespace, evaluate: Evaluate, form: str) -> None:
    """A row holds where all of its columns that are attributes are equal; `-` gives exactly the other rows."""
    found = [(row["subject_id"], row["session"]) for row in evaluate(tables.Session & FORMS[form]())]
    assert found == [(1, 2), (3, 1)]
    others = [(row["subject_id"], row["session"]) for row in evaluate(tables.Session - FORMS[form]())]
    assert others == [(1, 1), (1, 3), (2, 1)]


def test_one_record(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """A record of NumPy is a mapping."""
    assert [row["session"] for row in evaluate(tables.Session & _records()[0])] == [2]


def test_null_is_null(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """NULL in a row means that the attribute is NULL, as None in a mapping does."""
    frame = pl.DataFrame({"method": [None, "probe", None], "x": [0.0, 10.0, None]})
    rows = evaluate(tables.Session & frame)
    assert [(row["subject_id"], row["session"]) for row in rows] == [(1, 2), (2, 1), (3, 1)]
    assert rows == evaluate(tables.Session & frame.to_dicts())
    assert evaluate(tables.Session & pl.DataFrame({"day": [None]}, schema={"day": pl.Date})) == []


def test_no_rows_and_no_columns(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """No rows hold nowhere; rows without any attribute hold everywhere, as the empty mapping does."""
    assert evaluate(tables.Session & pl.DataFrame(ROWS).clear()) == []
    assert evaluate(tables.Session - pl.DataFrame(ROWS).clear()) == evaluate(tables.Session)
    assert evaluate(tables.Session & pl.DataFrame({"other": [1]})) == evaluate(tables.Session)
    assert evaluate(tables.Session & pl.DataFrame()) == []
    assert evaluate(tables.Session & [{"other": 1}, {"session": 2}]) == evaluate(tables.Session)


def test_mappings_of_different_attributes(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """Each mapping says what it says, however they are mixed with other conditions."""
    given = [{"session": 3}, {"subject_id": 2}, {"method": None, "subject_id": 3}, "x = 1"]
    rows = [(row["subject_id"], row["session"]) for row in evaluate(tables.Session & given)]
    assert rows == [(1, 1), (1, 3), (2, 1), (3, 1)]


ATTRIBUTES = [
    "i8", "u8", "i16", "u16", "i32", "u32", "i64", "u64", "f32", "f64", "exact", "truth", "letters", "fixed", "choice",
    "day", "clock", "moment", "wall", "tag", "raw",
]  # fmt: skip


@pytest.mark.parametrize("attribute", ATTRIBUTES)
@pytest.mark.parametrize("form", ["polars", "arrow", "mappings"])
def test_what_was_fetched_restricts(tables: SimpleNamespace, evaluate: Evaluate, attribute: str, form: str) -> None:
    """Whatever the type, the values that a read gives find the rows that they come from."""
    query = tables.Kinds.proj(attribute)
    read = {"polars": query.to_polars, "arrow": query.to_arrow, "mappings": query.to_dicts}[form]()
    for kept in (read, [row for row in read if row["id"] < 3] if form == "mappings" else read[:2]):
        expected = evaluate(query & [{"id": row["id"]} for row in (kept if form == "mappings" else _dicts(kept))])
        assert len(expected) == len(kept)
        assert list(map(repr, evaluate(query & kept))) == list(map(repr, expected))


def _dicts(frame: Any) -> list[dict[str, Any]]:
    return frame.to_dicts() if isinstance(frame, pl.DataFrame) else frame.select(["id"]).to_pylist()


HOSTILE = [
    "'",
    '"',
    "\\",
    '\\"',
    "a,b",
    "{x}",
    "[y]",
    "NULL",
    "null",
    "",
    " ",
    "%s",
    "$1",
    "--",
    "\n",
    "ü€😀",
    "{}",
    "''",
]


def test_any_text(evaluate: Evaluate, tables: SimpleNamespace) -> None:
    """Text of a frame is a value, whatever SQL or an array would make of it."""
    letters = tables.Kinds.proj(text="concat(letters, '')")
    assert evaluate(letters & pl.DataFrame({"text": HOSTILE})) == evaluate(letters & {"text": ""})
    for text in HOSTILE:
        one = tables.Method.proj(text=f"{text!r}" if "\\" not in text and "\n" not in text else "'x'")
        wanted = 3 if evaluate(one)[0]["text"] == text else 0
        assert len(evaluate(one & pl.DataFrame({"text": [text, "elsewhere"]}))) == wanted


def test_many_rows(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """A hundred thousand rows are one table of constants, and not a long condition."""
    frame = pl.DataFrame({"subject_id": [i % 250 for i in range(100_000)], "session": [3] * 100_000})
    query = tables.Session & frame
    assert [row["session"] for row in evaluate(query)] == [3]
    assert query.to_sql("postgres", pretty=False).count("UNNEST") == 1
    assert query.to_sql("postgres", pretty=False).count(" OR ") == 0


def test_exact_values(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """Values of wider types that an attribute can have are made its own; what it cannot have is refused."""
    assert len(evaluate(tables.Session & pl.DataFrame({"x": [1, 10]}))) == 2
    assert len(evaluate(tables.Session & pl.DataFrame({"session": [1.0, 2.0]}))) == 4
    assert len(evaluate(tables.Kinds & pl.DataFrame({"f32": [0.1]}))) == 1
    assert len(evaluate(tables.Kinds & pl.DataFrame({"exact": [decimal.Decimal("12.350")]}))) == 1
    assert (
        len(evaluate(tables.Kinds & pd.DataFrame({"moment": [pd.Timestamp("2024-02-29 23:59:59.75", tz="UTC")]}))) == 1
    )
    assert len(evaluate(tables.Kinds & pl.DataFrame({"tag": [uuid.UUID(int=0).bytes]}))) == 1
    assert len(evaluate(tables.Session & pl.DataFrame({"day": [datetime.date(2024, 2, 1)]}))) == 2
    for column in ({"session": [1.5]}, {"session": [70_000]}, {"session": ["one"]}, {"day": ["someday"]}):
        with pytest.raises(InvalidCondition, match=r"attribute '(session|day)'"):
            tables.Session & pl.DataFrame(column)


def test_records_of_every_width(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """Records keep their NumPy types: integers beyond 63 bits, and moments to the nanosecond."""
    wide = np.array([(2**64 - 1, True)], [("u64", "u8"), ("truth", "?")])
    assert [row["id"] for row in evaluate(tables.Kinds & wide)] == [1]
    assert [row["id"] for row in evaluate(tables.Kinds & wide[0])] == [1]
    wall = np.array([("2024-12-30T06:07:08",), ("NaT",)], [("wall", "M8[ns]")])
    assert [row["id"] for row in evaluate(tables.Kinds & wall)] == [1, 3, 4]
    assert [row["id"] for row in evaluate(tables.Kinds & wall[0])] == [1]
    assert [row["id"] for row in evaluate(tables.Kinds & list(wall))] == [1, 3, 4]


def test_refusals(tables: SimpleNamespace) -> None:
    """What is no rows, and what tells one thing twice, is refused."""
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["session", "session"])
    with pytest.raises(InvalidCondition, match="'session' stands in the frame twice"):
        tables.Session & twice
    for given in (pl.Series([1]), np.array([1, 2]), b"x", 5, None, range(3), object(), iter([])):
        with pytest.raises(InvalidCondition, match="cannot restrict a query"):
            tables.Session & given


def test_computed_attributes(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """Frames match by name, computed attributes and those of aggregates too."""
    counted = tables.Subject.aggr(tables.Session, n="count(*)")
    assert [row["subject_id"] for row in evaluate(counted & pl.DataFrame({"n": [0, 3]}))] == [1, 4]
    assert [row["subject_id"] for row in evaluate(counted & dj.Not(pl.DataFrame({"n": [0, 3]})))] == [2, 3]


def test_contains(tables: SimpleNamespace) -> None:
    """`row in A` asks for a row with these values, of a class as of a query; unknown attributes are no such row's."""
    assert {"subject_id": 1, "session": 2} in tables.Session
    assert {"subject_id": 1, "method": None} in tables.Session()
    assert {"subject_id": 9} not in tables.Session
    assert _records()[0] in tables.Session.proj(other="concat('a', '')")
    with pytest.raises(dj.errors.UnknownAttribute, match="'sesion'"):
        {"sesion": 2} in tables.Session  # noqa: B015 - asking is what is tested
    with pytest.raises(InvalidCondition, match="by a mapping"):
        5 in tables.Session  # noqa: B015


def test_columns_that_do_not_matter(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """What is in columns that are no attributes is not looked at, whatever it is."""
    odd = pd.DataFrame({"session": [2], "junk": [object()]})
    assert [row["session"] for row in evaluate(tables.Session & odd)] == [2]
    assert [row["session"] for row in evaluate(tables.Session & odd.iloc[0])] == [2]
    nested = np.zeros(1, [("session", "i4"), ("matrix", "f8", (2, 2)), ("inner", [("a", "i4")])])
    nested["session"] = 2
    assert [row["session"] for row in evaluate(tables.Session & nested)] == [2]


@pytest.mark.parametrize(
    "given",
    [
        lambda: pd.DataFrame({"session": [1, "x"]}),
        lambda: pd.DataFrame([[1, 2]], columns=["session", "session"]),
        lambda: np.zeros(2, [("session", "f8", (2,))]),
        lambda: pl.DataFrame({"session": [2**100]}, schema={"session": pl.Int128}),
        lambda: pa.table({"session": [[1]]}),
        lambda: pl.DataFrame({"session": [object()]}, schema={"session": pl.Object}),
    ],
)
def test_values_of_other_libraries(tables: SimpleNamespace, given: Any) -> None:
    """Values that the attribute cannot have are refused by name, whichever library holds them."""
    with pytest.raises(InvalidCondition, match="'session'"):
        tables.Session & given()


@pytest.mark.parametrize("form", ["to_numpy", "to_pandas", "to_arrow", "to_polars", "to_dicts"])
def test_every_form_restricts(tables: SimpleNamespace, evaluate: Evaluate, form: str) -> None:
    """Each form of a result finds the rows that it came from, with what is missing and the largest values in it."""
    query = tables.Kinds.proj(..., "-doc")
    assert len(evaluate(query & getattr(query, form)())) == 4
    assert len(evaluate(query - getattr(query, form)())) == 0


def test_small_decimals(schema: dj.Schema, tmp_path: Path) -> None:
    """Decimals are written without exponents, which not every engine reads."""

    @schema
    class Small(dj.Manual):
        definition = "q : decimal(38,38)"

    Small.insert([(decimal.Decimal("1E-38"),), (decimal.Decimal("-1E-10"),), (decimal.Decimal(0),)])
    frame = Small.to_polars()
    assert len(Small & frame) == 3
    dj.export(schema, tmp_path / "small")
    with dj.open(tmp_path / "small").using(schema):
        assert len(Small & frame) == 3


def test_json_is_not_compared(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """Each engine has another equality of JSON, so that it is refused, and parts of it are offered; NULL is found."""
    for given in ({"doc": {"a": 1}}, [{"doc": []}, {"doc": {}}], tables.Kinds.proj("doc").to_polars()):
        with pytest.raises(InvalidCondition, match=r"'doc' is json.*'doc\.key = 5'"):
            tables.Kinds & given
    assert [row["id"] for row in evaluate(tables.Kinds & {"doc": None})] == [3, 4]
    assert [row["id"] for row in evaluate(tables.Kinds & [{"doc": None, "id": 3}, {"id": 9}])] == [3]


def test_missing_values_of_other_libraries(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """What NumPy and pandas have for a missing value is NULL."""
    for missing in (pd.NA, pd.NaT, np.datetime64("NaT"), None):
        assert [row["id"] for row in evaluate(tables.Kinds & {"day": missing})] == [3, 4]
    assert evaluate(tables.Kinds & np.bool_(False)) == []
    assert len(evaluate(tables.Kinds & np.bool_(True))) == 4


def test_a_list_that_holds_itself(tables: SimpleNamespace) -> None:
    """A condition without an end is refused."""
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(InvalidCondition, match="holds itself"):
        tables.Session & endless


def test_a_long_chain_of_restrictions(tables: SimpleNamespace) -> None:
    """Thousands of restrictions, one after the other, are one query."""
    query = tables.Session()
    for _ in range(3000):
        query = query & "session = 1"
    assert len(query) == 3


@pytest.mark.parametrize("count", [0, 1, 3])
def test_rows_as_a_query(tables: SimpleNamespace, evaluate: Evaluate, count: int) -> None:
    """Rows can stand for themselves, as a list that is no table does: with NULLs of every type, or with none at all."""
    values = [[case.values[0], None, case.values[-1]][:count] for case in CASES]
    attributes = [Attribute(f"x{n}", case.kind, nullable=True) for n, case in enumerate(CASES)]
    heading = Heading((Attribute("k", core("int8")), *attributes), ("k",))
    columns = [from_values(column, a, raising("t")) for column, a in zip([range(count), *values], heading, strict=True)]
    rows = QueryExpression(Rows(heading, pa.table(columns, names=list(heading.names))), tables.Session())
    found = evaluate(rows)
    assert [row["k"] for row in found] == list(range(count))
    for attribute, column in zip(attributes, values, strict=True):
        assert same([row[attribute.name] for row in found], column), attribute
    assert [row["k"] for row in evaluate(rows & {"x0": None})] == [1][: count // 2]
