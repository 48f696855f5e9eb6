"""The tables that the queries of this suite run on, and the two engines that run them: PostgreSQL, and DuckDB."""

from __future__ import annotations

import contextlib
import datetime
import decimal
import uuid
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

import djarrow as dj
from djarrow.engine.base import Stream, Streams
from djarrow.engine.duckdb import DuckReader
from djarrow.engine.postgres import PostgresConnection
from djarrow.repo.opening.repository import Repository
from djarrow.table.expression import QueryExpression, as_expression
from tests.described import drop_schemas

Row = dict[str, Any]
Evaluate = Callable[[Any], list[Row]]
"""Runs a query, a table class or an expression, and gives its rows as dicts, in key order where it is not ordered."""

UTC = datetime.UTC


DOCUMENTS: dict[int, Any] = {
    1: {
        "age": 41, "pi": 3.5, "one": 1.0, "small": -0.25, "big": 9007199254740993, "text": "12.5", "word": "Ada \"ü\"",
        "brace": "{no object", "ok": True, "no": False, "nil": None, "obj": {"x": {"y": "deep"}, "nil": None},
        "list": [10, "b", None, [1, {"z": 7}], -2], "nested": [[1, 2], [3]], "empty": {}, "long": "9" * 400,
        "tiny": "0." + "0" * 400 + "1", "exp": "1e3", "inf": "Infinity", "nan": "NaN", "year": 1999, "order": {"by": 1},
        "a b": "space", 'q"uote': "quoted", "back\\slash": "backslash", "a.b": "dot", "0": "zero", "ü": "umlaut",
        "it's": "apostrophe", "": "nothing", "a/b~c\"": "pointer", "day": "2024-02-29", "$x": "dollar",
    },
    2: {"age": "old", "ok": "true", "list": {"0": "a key"}, "obj": [1], "pi": "4.5", "big": 1e300},
    3: None,
    4: [5, {"a": 6}],
    5: "plain",
    6: {},
}  # fmt: skip
"""id -> a document."""


def declare(schema: dj.Schema) -> SimpleNamespace:
    """The tables, declared and filled: some rows lack values, some have no children, one table is empty."""

    @schema
    class Subject(dj.Manual):
        definition = """
        subject_id : uint8
        ---
        name : varchar(20)
        sex = null : enum('F', 'M')
        weight = null : decimal(5,2)
        """

    @schema
    class Method(dj.Lookup):
        definition = "method : varchar(8)"
        contents = (("patch",), ("probe",), ("wide",))

    @schema
    class Session(dj.Manual):
        definition = """
        -> Subject
        session : int16
        ---
        -> [nullable] Method
        day : date
        x = null : float64
        """

    @schema
    class Trial(dj.Manual):
        definition = """
        -> Session
        trial : uint8
        ---
        correct = null : bool
        rt = null : float32
        """

    @schema
    class Pair(dj.Manual):
        definition = """
        -> Subject.proj(first='subject_id')
        -> Subject.proj(second='subject_id')
        ---
        strength : int32
        """

    @schema
    class Threshold(dj.Manual):
        definition = """
        # one row at most
        ---
        limit_x : float64
        """

    @schema
    class Absent(dj.Manual):
        definition = """
        # a table without rows
        code : int32
        ---
        note : varchar(10)
        """

    @schema
    class Odd(dj.Manual):
        definition = """
        # names that mean something else to a database
        order : int32
        ---
        user : varchar(10)
        group = null : int32
        desc = null : int32
        key = null : int32
        """

    @schema
    class Document(dj.Manual):
        definition = """
        # documents of any form
        id : int32
        ---
        doc = null : json
        """

    Document.insert(list(DOCUMENTS.items()))
    Subject.insert(
        [
            (1, "Ann", "F", "1.50"),
            (2, "Bob", "M", None),
            (3, "Cyd", None, "20.25"),
            (4, "ann", "F", "1.50"),
        ]
    )
    Session.insert(
        [
            (1, 1, "patch", "2024-01-31", 1.0),
            (1, 2, None, "2024-02-01", None),
            (1, 3, "patch", "2024-02-01", -2.5),
            (2, 1, "probe", "2023-12-31", 10.0),
            (3, 1, None, "2024-03-05", 0.0),
        ]
    )
    Trial.insert(
        [
            (1, 1, 1, True, 0.5),
            (1, 1, 2, False, 0.25),
            (1, 1, 3, None, None),
            (1, 2, 1, True, 0.1),
            (2, 1, 1, None, None),
            (2, 1, 2, None, 0.75),
        ]
    )
    Pair.insert([(1, 2, 5), (2, 1, 6), (1, 1, 7), (3, 4, -1)])
    Threshold.insert([(1.0,)])
    Odd.insert([(1, "root", 1, 2, 3), (2, "it's", None, None, None)])
    found = {name: table for name, table in locals().items() if isinstance(table, type)}
    return SimpleNamespace(**found, Kinds=declare_kinds(schema))


NUMBERS = {
    "i8": 7, "u8": 2, "i16": -9, "u16": 4, "i32": 11, "u32": 3, "i64": -13, "u64": 5,
    "f32": 0.5, "f64": 2.5, "exact": decimal.Decimal("0.75"),
}  # fmt: skip
"""Row 4 of Kinds: small numbers, which fit into every result."""


def declare_kinds(schema: dj.Schema) -> type[dj.Manual]:
    """A table with an attribute of each core type. Row 1 has ordinary values, row 2 odd ones, row 3 none."""

    @schema
    class Kinds(dj.Manual):
        definition = """
        id : int32
        ---
        i8  = null : int8
        u8  = null : uint8
        i16 = null : int16
        u16 = null : uint16
        i32 = null : int32
        u32 = null : uint32
        i64 = null : int64
        u64 = null : uint64
        f32 = null : float32
        f64 = null : float64
        exact = null : decimal(7,2)
        truth = null : bool
        letters = null : varchar(40)
        fixed = null : char(4)
        choice = null : enum('low', 'high')
        day = null : date
        clock = null : time
        moment = null : timestamp
        wall = null : datetime
        tag = null : uuid
        doc = null : json
        raw = null : blob
        """

    ordinary = (
        1, 100, 200, 30_000, 60_000, 2_000_000_000, 4_000_000_000, 9_007_199_254_740_993, 2**64 - 1,
        0.1, 2.5, "12.35", True, "O'Neil \\ 100% ü", "ab", "high",
        datetime.date(2024, 2, 29), datetime.time(13, 5, 59, 500_000),
        datetime.datetime(2024, 2, 29, 23, 59, 59, 750_000, UTC), datetime.datetime(2024, 12, 30, 6, 7, 8),
        uuid.UUID(int=2**127 + 5), {"a": [1, None]}, b"\0\xff",
    )  # fmt: skip
    odd: tuple[object, ...] = (
        2, -128, 0, -32_768, 0, -(2**31), 0, -(2**63), 0, float("-inf"), float("nan"), "-0.05", False, "", "", "low",
        datetime.date(1, 1, 1), datetime.time(0, 0), datetime.datetime(1970, 1, 1, tzinfo=UTC),
        datetime.datetime(1999, 12, 31, 23, 59, 59), uuid.UUID(int=0), [], b"",
    )  # fmt: skip
    Kinds.insert([ordinary, odd])
    Kinds.insert1({"id": 3})
    Kinds.insert1({"id": 4, **NUMBERS})
    return Kinds


@pytest.fixture(scope="session")
def queries(connection: PostgresConnection) -> Iterator[dj.Schema]:
    """The schema of the tables, for all tests of this suite, which only read."""
    drop_schemas(connection, "queries")
    yield dj.Schema("queries", connection=connection)
    drop_schemas(connection, "queries")


@pytest.fixture(scope="session")
def tables(queries: dj.Schema) -> SimpleNamespace:
    """The declared tables by class name."""
    return declare(queries)


@pytest.fixture(scope="session")
def offline(
    queries: dj.Schema, tables: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Repository]:
    """A repository of the same tables."""
    folder = tmp_path_factory.mktemp("queries") / "repository"
    dj.export(queries, folder)
    opened = dj.open(folder)
    yield opened
    opened.close()


def in_key_order(rows: list[Row], expression: QueryExpression) -> list[Row]:
    """The rows sorted by primary key, so that engines can be compared."""
    return sorted(rows, key=lambda row: tuple(row[name] for name in expression.primary_key))


@pytest.fixture(params=["postgres", "duckdb"])
def evaluate(request: pytest.FixtureRequest, queries: dj.Schema, tables: SimpleNamespace) -> Evaluate:
    """Runs a query on the server or on the repository and gives its rows in key order."""
    repository = request.getfixturevalue("offline") if request.param == "duckdb" else None

    def run(query: Any) -> list[Row]:
        expression = as_expression(query)
        assert expression is not None
        with contextlib.nullcontext() if repository is None else repository.using(queries):
            return in_key_order(expression.to_dicts(order_by=[]), expression)

    return run


@pytest.fixture(params=["postgres", "duckdb"])
def dialect(request: pytest.FixtureRequest) -> str:
    """The name of an engine's dialect."""
    return str(request.param)


Lazily = Callable[..., pl.LazyFrame]
"""Gives the lazy frame of a query; further arguments are those of to_lazy."""


@pytest.fixture(params=["postgres", "duckdb"])
def lazily(request: pytest.FixtureRequest, queries: dj.Schema, tables: SimpleNamespace) -> Lazily:
    """The lazy frame of a query on the server or on the repository."""
    repository = request.getfixturevalue("offline") if request.param == "duckdb" else None

    def make(query: Any, *attributes: str, **options: Any) -> pl.LazyFrame:
        expression = as_expression(query)
        assert expression is not None
        with contextlib.nullcontext() if repository is None else repository.using(queries):
            return expression.to_lazy(*attributes, **options)

    return make


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What lazy frames that are made from now on ask either engine for."""
    texts: list[str] = []
    for engine in (PostgresConnection, DuckReader):
        pinned = engine.pinned
        monkeypatch.setattr(engine, "pinned", lambda reader, pinned=pinned: Heard(pinned(reader), texts))
    return texts


class Heard:
    """Streams that remember what they were asked for."""

    def __init__(self, streams: Streams, texts: list[str]) -> None:
        self.dialect = streams.dialect
        self._streams = streams
        self._texts = texts

    def stream(self, text: str) -> Stream:
        """The result of a SELECT batch by batch."""
        self._texts.append(text)
        return self._streams.stream(text)
