"""Schemas to export: one with every type and every hard value, and one with every kind of table."""

from __future__ import annotations

import datetime
import decimal
import math
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.repo.exporting.export import Exported
from djarrow.repo.opening.repository import Repository
from tests.described import drop_schemas
from tests.stores import Spot, new_bucket, object_store

Opener = Callable[[Path], Repository]
Another = Callable[[str], dj.Schema]

UTC = datetime.UTC
D = decimal.Decimal

EVERY_TYPE = """
# every type: NULL, both ends, and what is hard
n : uint8
---
i8 = null : int8
u8 = null : uint8
i16 = null : int16
u16 = null : uint16
i32 = null : int32
u32 = null : uint32
i64 = null : int64
u64 = null : uint64
f32 = null : float32
f64 = null : float64
price = null : decimal(9,4)  # two marks: ' and "
wide = null : decimal(38,10)
flag = null : bool
code = null : char(4)
label = null : varchar(200)
kind = null : enum('a', 'it''s', "b\\\\c", 'é')
day = null : date
clock = null : time
moment = null : timestamp
local = null : datetime
ident = null : uuid
doc = null : json
raw = null : blob
"""

EVERY_VALUE: list[dict[str, Any]] = [
    {"n": 0},
    {
        "n": 1,
        "i8": -(2**7),
        "u8": 0,
        "i16": -(2**15),
        "u16": 0,
        "i32": -(2**31),
        "u32": 0,
        "i64": -(2**63),
        "u64": 0,
        "f32": -0.0,
        "f64": -0.0,
        "price": D("-99999.9999"),
        "wide": D("-9999999999999999999999999999.9999999999"),
        "flag": False,
        "code": "",
        "label": "",
        "kind": "it's",
        "day": datetime.date(1, 1, 1),
        "clock": datetime.time(0, 0),
        "moment": datetime.datetime(1, 1, 1, tzinfo=UTC),
        "local": datetime.datetime(1, 1, 1),
        "ident": uuid.UUID(int=0),
        "doc": None,
        "raw": b"",
    },
    {
        "n": 2,
        "i8": 2**7 - 1,
        "u8": 2**8 - 1,
        "i16": 2**15 - 1,
        "u16": 2**16 - 1,
        "i32": 2**31 - 1,
        "u32": 2**32 - 1,
        "i64": 2**63 - 1,
        "u64": 2**64 - 1,
        "f32": math.inf,
        "f64": math.nan,
        "price": D("0.0001"),
        "wide": D("9999999999999999999999999999.9999999999"),
        "flag": True,
        "code": "  é ",
        "label": "tab\t, line\nend, quote ' and \", backslash \\, 🐁",
        "kind": "b\\c",
        "day": datetime.date(9999, 12, 31),
        "clock": datetime.time(23, 59, 59, 999999),
        "moment": datetime.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        "local": datetime.datetime(9999, 12, 31, 23, 59, 59, 999999),
        "ident": uuid.UUID(int=2**128 - 1),
        "doc": {"list": [1, None, True, "é"], "text": "a'b\\c"},
        "raw": bytes(range(256)),
    },
    {"n": 3, "f32": math.nan, "f64": -math.inf, "doc": [1.5, []], "kind": "é", "label": "NULL"},
    {"n": 4, "f32": -math.inf, "f64": math.inf, "doc": "text", "kind": "a", "label": "nan"},
]


@pytest.fixture
def every(schema: dj.Schema) -> type[dj.Table]:
    """A table with every type; rows with all of them NULL, at both ends, and hard ones."""

    @schema
    class Every(dj.Manual):
        definition = EVERY_TYPE

    Every.insert(EVERY_VALUE)
    return Every


@pytest.fixture
def lab(schema: dj.Schema) -> dj.Schema:
    """A schema with every kind of table and reference, some of them without rows."""

    @schema
    class Method(dj.Lookup):
        definition = """
        # ways to do it | with a "pipe" and *stars*
        method : varchar(8)
        ---
        gain : float32
        """
        contents = (("slow", 1.0), ("fast", math.nan))

    @schema
    class Setting(dj.Manual):
        definition = """
        # one row at most
        ---
        scale : float64
        """

    @schema
    class Subject(dj.Manual):
        definition = r"""
        subject_id : uint16  # number
        ---
        name = "a\\b" : varchar(20)
        sex : enum('M', 'F')
        weight = null : decimal(5,2)
        born : timestamp
        unique index (name)
        index (sex, weight)
        """

    @schema
    class Session(dj.Manual):
        definition = """
        # days at work
        -> Subject
        session : int32
        ---
        -> [nullable] Method.proj(way='method')
        -> [nullable] Subject.proj(helper='subject_id')
        x : float64
        """

        class Note(dj.Part):
            definition = """
            -> master
            note : int8
            ---
            said : varchar(40)
            """

    @schema
    class Score(dj.Computed):
        definition = """
        -> Session
        -> Method
        ---
        score = null : float64
        """

        class Item(dj.Part):
            definition = """
            -> master
            -> Session.Note
            ---
            value : float32
            """

        def make(self, key: dict[str, Any]) -> None:
            x = (Session & key).fetch1("x")
            self.insert1({**key, "score": None if math.isnan(x) else x})
            notes = (Session.Note & key).keys()
            self.Item.insert({**key, **note, "value": x} for note in notes)

    @schema
    class Unused(dj.Imported):
        definition = """
        -> Session
        ---
        doc : json
        """

    born = datetime.datetime(2024, 2, 29, 12, tzinfo=UTC)
    Setting.insert1({"scale": 0.5})
    Subject.insert(
        {
            "subject_id": i,
            "name": f"n\\{i}'",
            "sex": "MF"[i % 2],
            "weight": D("1.25") * i if i % 3 else None,
            "born": born + datetime.timedelta(days=100 * i),
        }
        for i in range(12)
    )
    special = {2: math.nan, 3: math.inf, 4: -0.0}
    Session.insert(
        {
            "subject_id": i,
            "session": j,
            "way": [None, "slow", "fast"][(i + j) % 3],
            "helper": i - 1 if i else None,
            "x": special.get(j, i + j / 4),
        }
        for i in range(10)
        for j in range(6)
    )
    Session.Note.insert(
        {"subject_id": i, "session": j, "note": k, "said": f"{i}/{j} é"}
        for i in range(3)
        for j in range(3)
        for k in range(j)
    )
    Score.populate("session < 4 and method = 'slow'")
    return schema


@pytest.fixture
def another(connection: PostgresConnection) -> Iterator[Another]:
    """Makes other schemas by name, dropped after the test."""
    made: list[dj.Schema] = []

    def make(name: str) -> dj.Schema:
        made.append(dj.Schema(name, connection=connection))
        return made[-1]

    yield make
    for schema in made:
        drop_schemas(connection, schema.name)


@pytest.fixture
def opened() -> Iterator[Opener]:
    """Opens repositories, and closes them after the test."""
    repositories: list[Repository] = []

    def open_one(path: Path) -> Repository:
        repositories.append(dj.open(path))
        return repositories[-1]

    yield open_one
    for repository in repositories:
        repository.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where to export to: a path with what SQL, URLs and globs take for their own."""
    return tmp_path / "it's a [re]po * 100% é?"


@pytest.fixture
def exported(lab: dj.Schema, folder: Path) -> Exported:
    """The repository of `lab`, its sessions split over files."""
    classes = {cls.__name__: cls for cls in lab.tables}
    return dj.export(lab, folder, partition_by={classes["Session"]: ["session"]})


def declared(schema: dj.Schema, name: str, definition: str, tier: type[dj.Table] = dj.Manual) -> type[dj.Table]:
    """A class of this name and definition, as a table of the schema."""
    cls: type[dj.Table] = type(name, (tier,), {"definition": definition})
    return schema(cls)


def same(left: pl.DataFrame, right: pl.DataFrame) -> bool:
    """Whether two frames have the same schema and rows, in which NaN is NaN and -0.0 is not 0.0."""
    return left.schema == right.schema and left.equals(right, null_equal=True) and _signs(left).equals(_signs(right))


def _signs(frame: pl.DataFrame) -> pl.DataFrame:
    """The bits of the float columns, which tell -0.0 from 0.0."""
    floats = [name for name, kind in frame.schema.items() if kind.is_float()]
    return frame.select(pl.lit(1.0).cast(frame.schema[name]).truediv(pl.col(name)).alias(name) for name in floats)


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """An S3, as the storage_options that reach it."""
    with object_store(tmp_path_factory.mktemp("store") / "s3") as options:
        yield options


@pytest.fixture(params=["folder", "s3"])
def spot(request: pytest.FixtureRequest, folder: Path) -> Spot:
    """A place to export to: a folder, and an S3."""
    return Spot(str(folder)) if request.param == "folder" else new_bucket(request.getfixturevalue("store"))
